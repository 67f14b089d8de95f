package metrics

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Metric is a metric as CloudWatch names it; it may have series in several units.
type Metric struct {
	Namespace  string
	Name       string
	Dimensions []Dimension // in any order
}

// Point is what happened in a period that begins at Time.
type Point struct {
	Time time.Time
	Stat Stat
	Unit string
}

// Read returns what was measured of a metric from start until before end, in periods counted from start, oldest
// first. Periods without samples are left out. start and period should be whole minutes. An empty unit takes every
// unit; Point.Unit then is the one of the last series that had samples.
func (r *Registry) Read(m Metric, unit string, start, end time.Time, period time.Duration) ([]Point, error) {
	if r == nil || period < time.Minute || !start.Before(end) {
		return nil, nil
	}
	r.flushMu.RLock()
	defer r.flushMu.RUnlock()
	from, to := start.Unix()/60, (end.Unix()+59)/60
	if oldest := r.now().Add(-Retention).Unix() / 60; from < oldest { // keeps the count of periods from start
		from = oldest
	}
	points := map[int64]*Point{}
	for _, s := range r.ofMetric(m) {
		if unit != "" && s.Unit != unit {
			continue
		}
		minutes := map[int64]Stat{}
		s.unstored(minutes, from, to)
		if r.hours != nil {
			if err := r.hours.read(s.id(), from, to, minutes); err != nil {
				return nil, err
			}
		}
		for minute, st := range minutes {
			n := (minute*60 - start.Unix()) / int64(period/time.Second)
			p := points[n]
			if p == nil {
				p = &Point{Time: start.Add(time.Duration(n) * period).UTC()}
				points[n] = p
			}
			p.Stat.merge(st)
			p.Unit = s.Unit
		}
	}
	out := make([]Point, 0, len(points))
	for _, n := range slices.Sorted(maps.Keys(points)) {
		out = append(out, *points[n])
	}
	return out, nil
}

// ofMetric returns the series of a metric, whatever their unit.
func (r *Registry) ofMetric(m Metric) []*Series {
	want := newIdentity(m.Namespace, m.Name, "", m.Dimensions)
	var out []*Series
	for _, s := range r.all() {
		if s.Namespace == want.Namespace && s.Name == want.Name && slices.Equal(s.Dimensions, want.Dimensions) {
			out = append(out, s)
		}
	}
	return out
}

// Filter of List. Zero fields take everything.
type Filter struct {
	Namespace  string
	Name       string
	Dimensions []Dimension // that a metric must have; an empty value takes every value
	Since      time.Time   // the metric must have samples after this
}

func (f *Filter) takes(s *Series) bool {
	if f.Namespace != "" && f.Namespace != s.Namespace || f.Name != "" && f.Name != s.Name {
		return false
	}
	for _, want := range f.Dimensions {
		if !slices.ContainsFunc(s.Dimensions, func(d Dimension) bool {
			return d.Name == want.Name && (want.Value == "" || d.Value == want.Value)
		}) {
			return false
		}
	}
	return true
}

// List returns the metrics that have samples, each once, ordered by namespace, name and dimensions.
func (r *Registry) List(f Filter) ([]Metric, error) {
	if r == nil {
		return nil, nil
	}
	r.flushMu.RLock()
	defer r.flushMu.RUnlock()
	var out []Metric
	for _, s := range r.all() {
		if !f.takes(s) {
			continue
		}
		found, err := r.hasSamples(s, f.Since)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, Metric{s.Namespace, s.Name, slices.Clone(s.Dimensions)})
		}
	}
	slices.SortFunc(out, func(a, b Metric) int {
		return strings.Compare(newIdentity(a.Namespace, a.Name, "", a.Dimensions).key(), newIdentity(b.Namespace, b.Name, "", b.Dimensions).key())
	})
	return slices.CompactFunc(out, func(a, b Metric) bool {
		return a.Namespace == b.Namespace && a.Name == b.Name && slices.Equal(a.Dimensions, b.Dimensions)
	}), nil
}

func (r *Registry) hasSamples(s *Series, since time.Time) (bool, error) {
	from := max(since.Unix(), r.now().Add(-Retention).Unix()) / 60
	minutes := map[int64]Stat{}
	s.unstored(minutes, from, math.MaxInt64)
	if len(minutes) > 0 || r.hours == nil {
		return len(minutes) > 0, nil
	}
	return r.hours.any(s.id(), from)
}
