package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthPath tells other weir commands that a weir is here.
const healthPath = "/_weir/health"

// operatorPages answers what is not AWS's: health, and metrics for Prometheus at /metrics. A bucket called metrics is still
// reached by signed requests and by every path below /metrics/.
func operatorPages(measured prometheus.Collector, next http.Handler) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(measured, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exposition := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "weir")
		switch {
		case r.URL.Path == healthPath:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write([]byte("ok\n"))
		case r.URL.Path == "/metrics" && r.Method == http.MethodGet && r.URL.RawQuery == "" && r.Header.Get("Authorization") == "":
			exposition.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
