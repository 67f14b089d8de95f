package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Describe tells nothing beforehand, which Prometheus calls an unchecked collector: series come and go.
func (r *Registry) Describe(chan<- *prometheus.Desc) {}

// Collect gives every series that this process measures as a summary of count and sum since the process began. AWS/Kinesis
// IncomingBytes of a stream is weir_kinesis_incoming_bytes{stream_name="…"}.
func (r *Registry) Collect(out chan<- prometheus.Metric) {
	if r == nil {
		return
	}
	seen := map[string]bool{}
	for _, s := range r.all() {
		s.mu.Lock()
		total, ours := s.total, s.ours
		s.mu.Unlock()
		if !ours {
			continue
		}
		name := "weir_" + snake(strings.TrimPrefix(s.Namespace, "AWS/")) + "_" + snake(s.Name)
		labels := make([]string, len(s.Dimensions))
		values := make([]string, len(s.Dimensions))
		for i, d := range s.Dimensions {
			labels[i], values[i] = snake(d.Name), strings.ToValidUTF8(d.Value, "\ufffd")
		}
		key := name + "\x01" + strings.Join(labels, "\x01") + "\x01" + strings.Join(values, "\x01")
		if seen[key] { // the same metric in another unit
			continue
		}
		seen[key] = true
		desc := prometheus.NewDesc(name, s.Namespace+" "+s.Name+" as CloudWatch has it.", labels, nil)
		m, err := prometheus.NewConstSummary(desc, uint64(total.Count), total.Sum, nil, values...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		out <- m
	}
}

// snake turns IncomingBytes and GetRecords.IteratorAgeMilliseconds into names that Prometheus allows.
func snake(name string) string {
	var b strings.Builder
	lower := false // the letter before was a small one or a digit
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(c + 'a' - 'A')
			lower = false
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
			lower = true
		default:
			b.WriteByte('_')
			lower = false
		}
	}
	return b.String()
}
