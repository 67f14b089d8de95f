// Package metrics keeps measured time series under CloudWatch's names: one statistic set (count, sum,
// min, max) per series and minute.
//
// CONTRACT STUB: the owner of metrics keeps these names and signatures, and adds the rest.
package metrics

import "time"

// Dimension is a name and value that tell series of one metric apart.
type Dimension struct{ Name, Value string }

// Options of New. Zero fields are defaults.
type Options struct {
	Now func() time.Time
}

// Registry holds all series. A nil *Registry is valid and measures nothing.
type Registry struct{}

// New returns an empty registry.
func New(opts Options) *Registry { panic("stub") }

// Series returns the series of a metric, made on first use. Keep it: Observe on it is cheap and safe for
// concurrent use. The unit is CloudWatch's (Count, Bytes, Milliseconds).
func (r *Registry) Series(namespace, name, unit string, dims ...Dimension) *Series { return nil }

// Series is one metric with its dimensions. A nil *Series is valid and ignores what it is told.
type Series struct{}

// Observe adds one sample at the present time.
func (s *Series) Observe(value float64) {}
