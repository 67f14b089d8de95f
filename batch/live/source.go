package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weir-data/weir/batch"
)

// source is a Source that ends at a cut.
type source struct {
	Source
	run   *run
	dated bool         // its shards are files: offsets are no numbers, but for that of batch.Youngest
	grows bool         // the cut is found as it is planned: shards that are not in to have none yet
	done  bool         // nothing is left up to the cut
	to    batch.Offset // the cut
	at    batch.Offset // how far it has been read
}

// aim finds the cut.
func (s *source) aim(ctx context.Context, c *Choice, name string) (err error) {
	tipper, tips := s.Source.(batch.Tipper)
	_, walks := s.Source.(Walker)
	switch {
	case !tips && !walks:
		return fmt.Errorf("%w: it does not know its newest record", ErrCut)
	case c == nil && tips:
		s.to, err = tipper.Latest(ctx)
		return err
	case c == nil:
		s.to, s.grows = batch.Offset{}, true
		return nil
	case s.dated:
		return s.aimFiles(ctx, c, name)
	case c.Time.IsZero():
		if s.to, err = c.offset(name); err != nil || !tips {
			return err // what lies behind the newest record of a Walker is not reached, and then found
		}
	case !tips:
		return fmt.Errorf("%w: who reads a Kinesis endpoint learns when records arrived only as they come; give sequence numbers, such as "+
			"an answer FOR LIVE tells", ErrCut)
	default:
		if s.to, err = s.Source.Position(ctx, behindTime(c.Time, time.Millisecond)); err != nil {
			return err
		}
	}
	return s.checkTip(ctx, tipper, !c.Time.IsZero())
}

// checkTip refuses a cut behind the newest records, or brings it back to them.
func (s *source) checkTip(ctx context.Context, tipper batch.Tipper, back bool) error {
	tip, err := tipper.Latest(ctx)
	if err != nil {
		return err
	}
	for shard, seq := range s.to {
		switch {
		case !behind(tip[shard], seq):
		case !back:
			return fmt.Errorf("%w: it has no record %s in shard %s yet, or no such shard", ErrCut, seq, shard)
		case tip[shard] == "":
			delete(s.to, shard)
		default:
			s.to[shard] = tip[shard]
		}
	}
	return nil
}

// aimFiles finds the cut of files, which is always a time.
func (s *source) aimFiles(ctx context.Context, c *Choice, name string) error {
	at := c.Time
	if at.IsZero() {
		var err error
		if at, err = c.youngest(name); err != nil {
			return err
		}
	}
	to, err := s.Source.Position(ctx, behindTime(at, time.Microsecond))
	if err != nil {
		return err
	}
	to[batch.Youngest] = strconv.FormatInt(max(at.UnixMicro(), 0), 10)
	s.to = to
	return nil
}

// behindTime is the start behind what came at t, which is told in units.
func behindTime(t time.Time, unit time.Duration) batch.Start {
	return batch.Start{Kind: batch.AtTime, Time: t.Truncate(unit).Add(unit)}
}

// Latest implements batch.Tipper: nothing is behind the cut. It is not known of one that grows.
func (s *source) Latest(context.Context) (batch.Offset, error) {
	if s.grows {
		return nil, nil
	}
	return s.to.Clone(), nil
}

// Position implements batch.Starter.
func (s *source) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	if start.Kind == batch.Latest && !s.grows {
		return s.to.Clone(), nil
	}
	return s.Source.Position(ctx, start)
}

// Plan implements batch.Source.
func (s *source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	if s.done {
		return start.Clone(), nil
	}
	end, err := s.Source.Plan(ctx, start, limit)
	if err != nil {
		return nil, err
	}
	if s.dated {
		clipFiles(start, end, s.to)
		return end, nil
	}
	w, walks := s.Source.(Walker)
	if !walks {
		s.clip(start, end)
		return end, nil
	}
	tips, ended, short := w.Tips()
	if s.grows {
		s.grow(tips)
	}
	planned := end.Clone()
	s.clip(start, end)
	follow := slices.ContainsFunc(ended, func(shard string) bool { return end[shard] == planned[shard] })
	wait := slices.ContainsFunc(short, func(shard string) bool { return s.lacks(shard, end) })
	s.done = s.grows && !follow && !wait
	switch {
	case !end.Equal(start) || !follow && !wait:
		return end, nil
	case follow:
		return s.Plan(ctx, start, limit)
	}
	return nil, batch.Throttled(errShort)
}

var errShort = errors.New("some shards have not given what they have")

// lacks says whether there may be more of a shard before the cut.
func (s *source) lacks(shard string, at batch.Offset) bool {
	to, known := s.to[shard]
	return s.grows && !known || behind(at[shard], to)
}

// grow takes the newest records that were just found as the cut of their shards.
func (s *source) grow(tips batch.Offset) {
	for shard, seq := range tips {
		if _, found := s.to[shard]; !found {
			s.to[shard] = seq
		}
	}
}

// clip brings the end of a batch back to the cut.
func (s *source) clip(start, end batch.Offset) {
	for shard := range end {
		if _, found := s.to[shard]; s.grows && !found {
			continue
		}
		if to, ok := clip(shard, start, end, s.to); ok {
			end[shard] = to
		} else {
			delete(end, shard)
		}
	}
}

// clip is the end of a batch in a shard, no further than the cut; false if the batch has nothing of it, nor had one before.
func clip(shard string, start, end, cut batch.Offset) (string, bool) {
	at := end[shard]
	if to := cut[shard]; to != "" {
		if behind(to, at) {
			at = to
		}
		if !behind(at, start[shard]) {
			return at, true
		}
	}
	from, ok := start[shard]
	return from, ok
}

// clipFiles takes the files out of the end of a batch that are not in the cut.
func clipFiles(start, end, cut batch.Offset) {
	for name := range end {
		if _, begun := start[name]; begun || name == batch.Youngest {
			continue
		}
		if _, ok := cut[name]; !ok {
			delete(end, name)
		}
	}
	if behind(cut[batch.Youngest], end[batch.Youngest]) {
		end[batch.Youngest] = cut[batch.Youngest]
	}
	switch from, begun := start[batch.Youngest]; {
	case begun && behind(end[batch.Youngest], from):
		end[batch.Youngest] = from
	case end[batch.Youngest] == "":
		delete(end, batch.Youngest)
	}
}

// Read implements batch.Source.
func (s *source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	return s.Source.Read(ctx, start, end, func(chunk []batch.Record) error {
		for i := range chunk {
			s.run.left -= int64(len(chunk[i].Data))
		}
		if s.run.left < 0 {
			return fmt.Errorf("%w: more than %d MiB of records; start it, or read the table without FOR LIVE", ErrTooMuch, s.run.opts.BytesMax>>20)
		}
		return f(chunk)
	})
}
