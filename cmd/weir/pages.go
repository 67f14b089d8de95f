package main

import (
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	apipipelines "github.com/weir-data/weir/api/pipelines"
)

// healthPath tells other weir commands that a weir is here.
const healthPath = "/_weir/health"

// operatorPages answer what is not AWS's: health, pipelines, and metrics for Prometheus at /metrics. A bucket called metrics is
// still reached by signed requests and by every path below /metrics/. Where requests must be signed, only this machine may read
// metrics, as Prometheus cannot sign.
type operatorPages struct {
	measured  prometheus.Collector
	verified  bool
	pipelines http.Handler // nil if none run here
}

// handler returns the pages, and next for everything else.
func (p *operatorPages) handler(next http.Handler) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.measured, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exposition := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "weir")
		switch {
		case r.URL.Path == healthPath:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write([]byte("ok\n"))
		case r.URL.Path == "/metrics" && r.Method == http.MethodGet && r.URL.RawQuery == "" && r.Header.Get("Authorization") == "":
			if host, _, err := net.SplitHostPort(r.RemoteAddr); p.verified && (err != nil || !loopback(host)) {
				http.Error(w, "metrics are for this machine only", http.StatusForbidden)
				return
			}
			exposition.ServeHTTP(w, r)
		case p.pipelines != nil && (r.URL.Path == apipipelines.Path || strings.HasPrefix(r.URL.Path, apipipelines.Path+"/")):
			p.pipelines.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
