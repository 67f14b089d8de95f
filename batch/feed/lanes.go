package feed

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch"
)

// lanes parse frames side by side and give f the records. Frames of one shard go by the same lane, so that its records keep their order.
type lanes struct {
	ctx  context.Context // ends when a lane fails
	g    *errgroup.Group
	in   []chan []byte
	free chan []byte // buffers for frames
	of   map[string]int
}

func newLanes(ctx context.Context, n int, f func([]batch.Record) error) *lanes {
	l := &lanes{free: make(chan []byte, 2*n+1), of: map[string]int{}}
	for range cap(l.free) {
		l.free <- nil
	}
	l.g, l.ctx = errgroup.WithContext(ctx)
	for range n {
		in := make(chan []byte, 1)
		l.in = append(l.in, in)
		l.g.Go(func() error {
			var recs []batch.Record
			for frame := range in {
				var err error
				if recs, err = parseRecords(frame, recs[:0]); err == nil && len(recs) > 0 {
					err = f(recs)
				}
				if err != nil {
					return err
				}
				l.free <- frame
			}
			return nil
		})
	}
	return l
}

// buffer waits for one that is free.
func (l *lanes) buffer() ([]byte, error) {
	select {
	case b := <-l.free:
		return b, nil
	case <-l.ctx.Done():
		return nil, l.ctx.Err()
	}
}

// give hands a frame, in a buffer of buffer, to the lane of its shard. Shards take the lanes in turn.
func (l *lanes) give(frame []byte) error {
	shard := string(shardOf(frame))
	lane, ok := l.of[shard]
	if !ok {
		lane = len(l.of) % len(l.in)
		l.of[shard] = lane
	}
	select {
	case l.in[lane] <- frame:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// end waits for all that was given. The error is that of a lane.
func (l *lanes) end() error {
	for _, in := range l.in {
		close(in)
	}
	return l.g.Wait()
}
