// Package metrics keeps measured time series under CloudWatch's names: one statistic set (count, sum,
// min, max) per series and minute.
//
// Whoever measures takes a Series from the Registry once and calls Observe on it. Put takes statistics that others have
// measured, for any minute. Read and List answer CloudWatch's questions; the Registry is a Prometheus collector too.
//
// What Put was given is durable when it returns. What was observed is written once a minute and by Close, so a crash
// loses at most the last minute of it. Data is kept for 15 days. The stored form is in docs/formats/metrics.md.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Retention is how long data is kept.
const Retention = 15 * 24 * time.Hour

const (
	flushInterval    = time.Minute
	pruneInterval    = time.Hour
	seriesMaxDefault = 10_000
)

// ErrTooManySeries says that a new series would pass the bound.
var ErrTooManySeries = errors.New("too many metrics")

// Dimension is a name and value that tell series of one metric apart.
type Dimension struct{ Name, Value string }

// Options of New and Open. Zero fields are defaults.
type Options struct {
	Now       func() time.Time
	Meta      *meta.Store // where Open keeps data
	SeriesMax int         // default 10,000
	Logger    *slog.Logger
}

// Registry holds all series. A nil *Registry is valid and measures nothing.
type Registry struct {
	now       func() time.Time
	logger    *slog.Logger
	seriesMax int
	hours     *hours        // nil: in memory only, where minutes stay in their series
	tick      *atomic.Int64 // the present minute, to the second; nil: ask now every time, as time.Now costs more than the rest
	stop      func()
	stopped   chan struct{}

	mu     sync.RWMutex       // guards series and full
	series map[string]*Series // by key
	full   bool               // that a series was refused has been logged

	flushMu sync.RWMutex // held for writing while observed data is on its way to the store, so that readers miss none
}

// New returns a registry that keeps data in memory only.
func New(opts Options) *Registry {
	r := &Registry{now: opts.Now, logger: opts.Logger, seriesMax: opts.SeriesMax, series: map[string]*Series{}}
	if r.now == nil {
		r.now = time.Now
	}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	if r.seriesMax == 0 {
		r.seriesMax = seriesMaxDefault
	}
	return r
}

// Open returns a registry over the data in opts.Meta, and writes what is observed once a minute until Close.
func Open(opts Options) (*Registry, error) {
	r := New(opts)
	space := opts.Meta.Space("metrics")
	r.hours = &hours{opts.Meta, space}
	for e, err := range space.Scan(seriesPrefix, "") {
		if err != nil {
			return nil, fmt.Errorf("open metrics: %w", err)
		}
		id, err := parseIdentity(e.Key, e.Value)
		if err != nil {
			return nil, fmt.Errorf("open metrics: %w", err)
		}
		r.series[id.key()] = &Series{identity: id, registry: r, known: true}
	}
	if opts.Now == nil {
		r.tick = new(atomic.Int64)
		r.tick.Store(r.now().Unix() / 60)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.stopped = stop, make(chan struct{})
	go r.run(ctx)
	return r, nil
}

// Close writes what is not written yet and stops. Nothing may be observed afterwards.
func (r *Registry) Close() error {
	if r == nil || r.stop == nil {
		return nil
	}
	r.stop()
	<-r.stopped
	return r.Flush()
}

func (r *Registry) run(ctx context.Context) {
	defer close(r.stopped)
	second, flush, prune := time.NewTicker(time.Second), time.NewTicker(flushInterval), time.NewTicker(pruneInterval)
	defer second.Stop()
	defer flush.Stop()
	defer prune.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case at := <-second.C:
			if r.tick != nil {
				r.tick.Store(at.Unix() / 60)
			}
		case <-flush.C:
			err = r.Flush()
		case <-prune.C:
			err = r.Prune()
		}
		if err != nil { // a full disk, say: the data stays in memory and is tried again
			r.logger.Error("metrics are not stored", "err", err)
		}
	}
}

// minute is the present one, counted from 1970.
func (r *Registry) minute() int64 {
	if r.tick != nil {
		return r.tick.Load()
	}
	return r.now().Unix() / 60
}

// identity is what tells a series from all others.
type identity struct {
	Namespace  string
	Name       string
	Unit       string
	Dimensions []Dimension // ordered by name
}

func newIdentity(namespace, name, unit string, dims []Dimension) identity {
	dims = slices.Clone(dims)
	slices.SortFunc(dims, func(a, b Dimension) int { return strings.Compare(a.Name, b.Name) })
	return identity{namespace, name, unit, dims}
}

// key is the identity as text. CloudWatch allows no control characters in any part.
func (id identity) key() string {
	var b strings.Builder
	b.WriteString(id.Namespace + "\x01" + id.Name + "\x01" + id.Unit)
	for _, d := range id.Dimensions {
		b.WriteString("\x01" + d.Name + "\x01" + d.Value)
	}
	return b.String()
}

// Series returns the series of a metric, made on first use. Keep it: Observe on it is cheap and safe for
// concurrent use. The unit is CloudWatch's (Count, Bytes, Milliseconds). Beyond the bound on series it is nil.
func (r *Registry) Series(namespace, name, unit string, dims ...Dimension) *Series {
	if r == nil {
		return nil
	}
	s, err := r.find(newIdentity(namespace, name, unit, dims))
	if err != nil {
		r.mu.Lock()
		first := !r.full
		r.full = true
		r.mu.Unlock()
		if first {
			r.logger.Warn("metric is not measured", "metric", name, "err", err)
		}
		return nil
	}
	s.mu.Lock()
	s.ours = true
	s.mu.Unlock()
	return s
}

// find returns the series of an identity, made if need be.
func (r *Registry) find(id identity) (*Series, error) {
	key := id.key()
	r.mu.RLock()
	s := r.series[key]
	r.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.series[key]; s != nil {
		return s, nil
	}
	if len(r.series) >= r.seriesMax {
		return nil, ErrTooManySeries
	}
	s = &Series{identity: id, registry: r}
	r.series[key] = s
	return s, nil
}

// all returns every series, ordered by key.
func (r *Registry) all() []*Series {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]*Series, 0, len(r.series))
	for _, s := range r.series {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Series) int { return strings.Compare(a.key(), b.key()) })
	return out
}
