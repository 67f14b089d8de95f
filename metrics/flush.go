package metrics

import "time"

// Datum is statistics that someone else has measured, of one minute.
type Datum struct {
	Metric Metric
	Unit   string
	Time   time.Time
	Stat   Stat
}

// Put takes statistics, all or none. They are durable when it returns nil. ErrTooManySeries says that a new
// metric would pass the bound.
func (r *Registry) Put(data []Datum) error {
	r.flushMu.Lock()
	defer r.flushMu.Unlock()
	changes := map[*Series]map[int64]Stat{}
	for _, d := range data {
		s, err := r.find(newIdentity(d.Metric.Namespace, d.Metric.Name, d.Unit, d.Metric.Dimensions))
		if err != nil {
			return err
		}
		if changes[s] == nil {
			changes[s] = map[int64]Stat{}
		}
		mergeInto(changes[s], d.Time.Unix()/60, d.Stat)
	}
	if r.hours != nil {
		return r.hours.write(changes)
	}
	for s, minutes := range changes {
		s.giveBack(minutes)
	}
	return nil
}

// Flush stores what was observed and is not stored yet. After an error it is still in memory.
func (r *Registry) Flush() error {
	if r == nil || r.hours == nil {
		return nil
	}
	r.flushMu.Lock()
	defer r.flushMu.Unlock()
	changes := map[*Series]map[int64]Stat{}
	for _, s := range r.all() {
		if minutes := s.take(); len(minutes) > 0 {
			changes[s] = minutes
		}
	}
	if err := r.hours.write(changes); err != nil {
		for s, minutes := range changes {
			s.giveBack(minutes)
		}
		return err
	}
	return nil
}

// Prune removes data older than Retention, and the series that were put by others and have none left.
func (r *Registry) Prune() error {
	if r == nil || r.hours == nil {
		return nil
	}
	before := r.now().Add(-Retention).Unix() / 3600
	r.flushMu.Lock()
	defer r.flushMu.Unlock()
	for _, s := range r.all() {
		left, err := r.hours.drop(s.id(), before)
		if err != nil {
			return err
		}
		s.mu.Lock()
		gone := !left && !s.ours && s.current.Count == 0 && len(s.pending) == 0
		s.mu.Unlock()
		if !gone {
			continue
		}
		if err := r.hours.forget(s.id()); err != nil {
			return err
		}
		r.mu.Lock()
		delete(r.series, s.key())
		r.mu.Unlock()
	}
	return nil
}
