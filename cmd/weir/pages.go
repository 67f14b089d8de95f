package main

import (
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthPath tells other weir commands that a weir is here.
const healthPath = "/_weir/health"

// operatorPages answers what is not AWS's: health, and metrics for Prometheus at /metrics. A bucket called metrics is still
// reached by signed requests and by every path below /metrics/. Where requests must be signed, only this machine may read
// metrics, as Prometheus cannot sign.
func operatorPages(measured prometheus.Collector, verified bool, next http.Handler) http.Handler {
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
			if host, _, err := net.SplitHostPort(r.RemoteAddr); verified && (err != nil || !loopback(host)) {
				http.Error(w, "metrics are for this machine only", http.StatusForbidden)
				return
			}
			exposition.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
