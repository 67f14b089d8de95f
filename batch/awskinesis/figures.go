package awskinesis

import (
	"strconv"
	"sync"
	"sync/atomic"
)

// figures are what a source tells about its reading. The zero value is ready.
type figures struct {
	throttled atomic.Int64 // reads that were refused

	mu     sync.Mutex       // guards behind
	behind map[string]int64 // milliseconds, by shard, when it was last read
}

// lag notes how far behind its newest record a shard was read; over says that there will be no more of it.
func (f *figures) lag(shard string, ms int64, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if over {
		delete(f.behind, shard)
		return
	}
	if f.behind == nil {
		f.behind = map[string]int64{}
	}
	f.behind[shard] = ms
}

// Metrics implements batch.Metered: maxMsBehindLatest, how old the newest record of the shard is that is the furthest behind, as Spark's
// Kinesis source tells it, and throttledReads, the reads that were refused since the source was made.
func (s *Source) Metrics() map[string]string {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	most := int64(0)
	for _, ms := range s.figures.behind {
		most = max(most, ms)
	}
	return map[string]string{
		"maxMsBehindLatest": strconv.FormatInt(most, 10), "throttledReads": strconv.FormatInt(s.figures.throttled.Load(), 10),
	}
}
