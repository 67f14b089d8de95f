package stream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// An on-demand stream has no limit of its own: AWS says that it takes up to double the greatest throughput of the last 30
// days, and adds shards as that grows; how, it does not say. Here a shard that over the last minute took more than half
// of what one may take, 1 MiB or 1,000 records a second, is split in halves. So the stream can take double of what it
// gets, a minute later; at most all shards are split in one round. It grows by itself to 200 shards, which is what AWS
// lets a stream have (200 MiB a second) unless it is asked for more. It does not shrink by itself: a stream that is
// made provisioned can be scaled by its owner, and back.
const (
	scaleEvery        = time.Minute
	shardBytes        = 1 << 20 // a second
	shardRecords      = 1000
	onDemandShardsMax = 200
)

// narrowest is the size of a hash range that is not split for its heat: then it is a few keys that are hot, which splitting
// does not part.
var narrowest = MaxHashKey.shift(16)

// meter counts what a shard has taken since it was last looked at.
type meter struct{ records, bytes int64 }

// heat is the greater part of what a shard may take that the meter says, if it counted for so many seconds.
func (m meter) heat(seconds float64) float64 {
	return max(float64(m.bytes)/seconds/shardBytes, float64(m.records)/seconds/shardRecords)
}

// hotShard is one that should be split.
type hotShard struct {
	index uint32
	heat  float64
}

// autoscale splits the hot shards of on-demand streams. It is for the housekeeper, who calls it often; it looks once a
// minute. What fails is logged: the shards will be hot the next time too.
func (s *Store) autoscale() {
	now := s.opts.Now()
	if s.metered.IsZero() || now.Before(s.metered) { // begin, or begin again if the clock stepped back
		s.metered = now
	}
	since := now.Sub(s.metered)
	if since < scaleEvery-time.Second {
		return
	}
	s.metered = now
	for _, st := range s.allStreams() {
		hot := st.hotShards(since.Seconds())
		if len(hot) == 0 {
			continue
		}
		err := s.reshard(context.Background(), st.name, func(r *reshaping) error {
			r.cool(hot)
			return nil
		})
		switch {
		case err == nil:
			s.logger.Info("stream log: hot shards of an on-demand stream were split", "stream", st.name, "hot", len(hot))
		case !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrClosed):
			s.logger.Warn("stream log: hot shards could not be split", "error", err)
		}
	}
}

// hotShards reads the meters of a stream and returns the shards that are hot, the hottest first. What others than
// on-demand streams took counts for nothing, also if they become on-demand.
func (st *streamState) hotShards(seconds float64) []hotShard {
	var hot []hotShard
	for _, sh := range st.layout.Load().open {
		sh.mu.Lock()
		heat := sh.meter.heat(seconds)
		sh.meter = meter{}
		sh.mu.Unlock()
		if heat > 0.5 {
			hot = append(hot, hotShard{sh.index, heat})
		}
	}
	if !st.onDemand.Load() {
		return nil
	}
	slices.SortFunc(hot, func(a, b hotShard) int { return cmp.Compare(b.heat, a.heat) })
	return hot
}

// cool splits hot shards in halves, as far as there may be more.
func (r *reshaping) cool(hot []hotShard) {
	byIndex := map[uint32]int{}
	open := 0
	for i, d := range r.shards {
		if !d.Closed {
			byIndex[d.Index] = i
			open++
		}
	}
	for _, h := range hot {
		if open >= onDemandShardsMax {
			return
		}
		place, ok := byIndex[h.index] // it may have been closed since
		if !ok {
			continue
		}
		if over := r.shards[place].Range; narrowest.Less(over.End.minus(over.Start)) {
			r.split(place, over.middle())
			open++
		}
	}
}
