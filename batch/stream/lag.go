package stream

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/stream"
)

// lag is how far behind the newest record a batch ended, when it was planned.
type lag struct {
	mu      sync.Mutex // guards the fields below
	known   bool
	records uint64
	behind  time.Duration
}

// Metrics implements batch.Metered: recordsBehindLatest, the records that the newest plan left, those of shards that it may not read yet
// included, and maxMsBehindLatest, how long ago the last record of a batch arrived, of the shard that is the furthest behind. As with AWS's
// MillisBehindLatest a shard that was read to its tip is 0 behind.
func (s *Source) Metrics() map[string]string {
	s.lag.mu.Lock()
	defer s.lag.mu.Unlock()
	if !s.lag.known {
		return nil
	}
	return map[string]string{
		"recordsBehindLatest": strconv.FormatUint(s.lag.records, 10),
		"maxMsBehindLatest":   strconv.FormatInt(s.lag.behind.Milliseconds(), 10),
	}
}

// measure notes how far behind a batch that ends at end is. It reads no records: shards know their tips, and sequence numbers tell
// how many came before and in which second they arrived.
func (s *Source) measure(ctx context.Context, end batch.Offset) error {
	infos, err := s.shards(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	var records uint64
	var behind time.Duration
	for i := range infos {
		c, err := s.cursor(&infos[i], end[infos[i].ID])
		if errors.Is(err, stream.ErrNoShard) { // it went just now
			continue
		}
		if err != nil {
			return err
		}
		left, since, err := c.left()
		if err != nil && !errors.Is(err, stream.ErrNoShard) {
			return err
		}
		if left > 0 {
			records += left
			behind = max(behind, now.Sub(since))
		}
	}
	s.lag.mu.Lock()
	defer s.lag.mu.Unlock()
	s.lag.known, s.lag.records, s.lag.behind = true, records, behind
	return nil
}

// left is the number of records behind c, and when the last one before them arrived: when the shard was made if there is none.
// Records that retention took before they were read are among them.
func (c *cursor) left() (records uint64, since time.Time, err error) {
	newest, err := c.shard.Tip()
	if err != nil || newest.IsZero() {
		return 0, time.Time{}, err
	}
	tip, _ := newest.Parts()
	at, begun := c.at.Parts()
	if tip.Counter <= at.Counter {
		return 0, time.Time{}, nil
	}
	if !begun {
		return tip.Counter, c.info.Created, nil
	}
	return tip.Counter - at.Counter, time.Unix(int64(at.Second), 0), nil
}
