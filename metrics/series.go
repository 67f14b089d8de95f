package metrics

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Stat is a statistic set: what is kept of the samples of some time.
type Stat struct {
	Count, Sum, Min, Max float64
}

// Average is Sum / Count.
func (s Stat) Average() float64 { return s.Sum / s.Count }

// merge adds the samples of o. The zero Stat has none.
func (s *Stat) merge(o Stat) {
	if o.Count == 0 {
		return
	}
	if s.Count == 0 {
		*s = o
		return
	}
	s.Count += o.Count
	s.Sum += o.Sum
	s.Min = min(s.Min, o.Min)
	s.Max = max(s.Max, o.Max)
}

// Series is one metric with its dimensions. A nil *Series is valid and ignores what it is told.
type Series struct {
	identity
	registry *Registry

	mu      sync.Mutex     // guards the fields below; never held across input or output
	minute  int64          // since 1970, of current
	current Stat           // what this minute has brought
	pending map[int64]Stat // earlier minutes that are not stored yet
	total   Stat           // since the process began
	ours    bool           // measured here, not only put by others
	known   bool           // its identity is stored
}

// Observe adds one sample at the present time, to the second.
func (s *Series) Observe(value float64) {
	if s == nil {
		return
	}
	s.add(s.registry.minute(), Stat{1, value, value, value})
}

// add merges st into a minute.
func (s *Series) add(minute int64, st Stat) {
	s.mu.Lock()
	if minute != s.minute {
		s.turn(minute)
	}
	s.current.merge(st)
	s.total.merge(st)
	s.mu.Unlock()
}

// turn sets the present minute aside and makes another one the present. s.mu is held.
func (s *Series) turn(minute int64) {
	if s.current.Count > 0 {
		if s.pending == nil {
			s.pending = map[int64]Stat{}
		}
		st := s.pending[s.minute]
		st.merge(s.current)
		s.pending[s.minute] = st
	}
	s.minute, s.current = minute, Stat{}
	if len(s.pending) > int(Retention/time.Minute) { // only where nothing is ever stored
		oldest := slices.Min(slices.Collect(maps.Keys(s.pending)))
		delete(s.pending, oldest)
	}
}

// take removes and returns all that is not stored yet.
func (s *Series) take() map[int64]Stat {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(s.minute)
	out := s.pending
	s.pending = nil
	return out
}

// giveBack undoes take.
func (s *Series) giveBack(minutes map[int64]Stat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		s.pending = map[int64]Stat{}
	}
	for minute, st := range minutes {
		st.merge(s.pending[minute])
		s.pending[minute] = st
	}
}

// unstored copies what is not stored yet into minutes.
func (s *Series) unstored(minutes map[int64]Stat, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for minute, st := range s.pending {
		if minute >= from && minute < to {
			mergeInto(minutes, minute, st)
		}
	}
	if s.minute >= from && s.minute < to {
		mergeInto(minutes, s.minute, s.current)
	}
}

func mergeInto(minutes map[int64]Stat, minute int64, st Stat) {
	if st.Count == 0 {
		return
	}
	old := minutes[minute]
	old.merge(st)
	minutes[minute] = old
}
