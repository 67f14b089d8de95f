package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
)

// ErrOffset says that an offset is none of this source's.
var ErrOffset = errors.New("malformed offset of files")

const youngest = batch.Youngest

// filesMax bounds the files that an offset remembers.
const filesMax = 200_000

// taken is how much of a file was taken.
type taken struct {
	bytes, size int64
	mod         time.Time
}

func (t taken) String() string { return fmt.Sprintf("%d/%d/%d", t.bytes, t.size, t.mod.UnixMicro()) }

func parseTaken(text string) (t taken, err error) {
	var us int64
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return t, fmt.Errorf("%w: %q", ErrOffset, text)
	}
	for i, to := range []*int64{&t.bytes, &t.size, &us} {
		if *to, err = strconv.ParseInt(parts[i], 10, 64); err != nil {
			return t, fmt.Errorf("%w: %q", ErrOffset, text)
		}
	}
	if t.mod = time.UnixMicro(us); t.bytes < 0 || t.bytes > t.size {
		return t, fmt.Errorf("%w: %q", ErrOffset, text)
	}
	return t, nil
}

// files parses an offset: the files that were taken, and the time of the youngest file ever taken, 0 if there was none.
func files(at batch.Offset) (all map[string]taken, newest int64, err error) {
	all = map[string]taken{}
	for name, text := range at {
		if name == youngest {
			if newest, err = strconv.ParseInt(text, 10, 64); err != nil {
				return nil, 0, fmt.Errorf("%w: %s %q", ErrOffset, name, text)
			}
			continue
		}
		if all[name], err = parseTaken(text); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, newest, nil
}

// offsetOf is files turned round.
func offsetOf(all map[string]taken, newest int64) batch.Offset {
	at := batch.Offset{}
	for name, t := range all {
		at[name] = t.String()
	}
	if newest > 0 {
		at[youngest] = strconv.FormatInt(newest, 10)
	}
	return at
}

// Plan implements batch.Source.
func (s *Source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	end, left, err := s.plan(ctx, start, limit)
	if err != nil {
		return nil, fmt.Errorf("plan a batch of files in %s: %w", s.place, err)
	}
	s.left.Store(&left)
	return end, nil
}

// outstanding is what a plan leaves for the batches after it.
type outstanding struct{ files, bytes int64 }

func (o *outstanding) add(bytes int64) {
	o.files++
	o.bytes += bytes
}

// Metrics implements batch.Metered: numFilesOutstanding and numBytesOutstanding, the files that the newest plan left or took in part,
// and what is left of them.
func (s *Source) Metrics() map[string]string {
	left := s.left.Load()
	if left == nil {
		return nil
	}
	return map[string]string{
		"numFilesOutstanding": strconv.FormatInt(left.files, 10), "numBytesOutstanding": strconv.FormatInt(left.bytes, 10),
	}
}

func (s *Source) plan(ctx context.Context, start batch.Offset, limit batch.Limit) (end batch.Offset, out outstanding, err error) {
	all, newest, err := files(start)
	if err != nil {
		return nil, out, err
	}
	horizon := time.Time{}
	if newest > 0 {
		horizon = time.UnixMicro(newest).Add(-s.opts.MaxAge)
	}
	var waiting []entry
	err = s.place.list(ctx, func(e entry) {
		if _, seen := all[e.name]; !seen && !e.mod.Before(horizon) {
			waiting = append(waiting, e)
		}
	})
	if err != nil {
		return nil, out, err
	}
	slices.SortFunc(waiting, func(a, b entry) int {
		return cmp.Or(a.mod.Compare(b.mod), strings.Compare(a.name, b.name))
	})
	left := &budget{records: int64(limit.Records), bytes: limit.Bytes}
	went := goOn(all, left)
	for i, e := range waiting {
		if left.spent() || s.opts.FilesMax > 0 && i >= s.opts.FilesMax {
			out.add(e.size)
			continue
		}
		all[e.name] = taken{left.take(e.size, s.grows(e.name)), e.size, e.mod}
		newest = max(newest, s.timeOf(e))
		went = true
	}
	for _, t := range all {
		if t.bytes < t.size {
			out.add(t.size - t.bytes)
		}
	}
	if !went {
		return start.Clone(), out, nil
	}
	// What is older than the horizon is never taken again, and need not be remembered.
	maps.DeleteFunc(all, func(_ string, t taken) bool { return t.bytes == t.size && t.mod.Before(horizon) })
	if len(all) > filesMax {
		return nil, out, fmt.Errorf("more than %d files younger than %v: move files away when their rows have landed", filesMax, s.opts.MaxAge)
	}
	return offsetOf(all, newest), out, nil
}

// timeOf is when a file was changed, in microseconds; for those of the future it is now, as they must not make all others old.
func (s *Source) timeOf(e entry) int64 { return min(e.mod.UnixMicro(), s.opts.Now().UnixMicro()) }

// goOn takes more of the files that were taken in part, and says whether there were any.
func goOn(all map[string]taken, left *budget) (went bool) {
	for name, t := range all {
		if t.bytes < t.size && !left.spent() {
			t.bytes += left.take(t.size-t.bytes, split)
			all[name], went = t, true
		}
	}
	return went
}

const (
	split = 0 // what grows gives for a file that may be taken in parts
	// expansion is about how much larger compressed files are when they are read.
	expansion = 16
)

// grows is by how much a file is larger when it is read, or split.
func (s *Source) grows(name string) int64 {
	switch {
	case decompressor(path.Ext(name)) != nil:
		return expansion
	case s.opts.Whole:
		return 1
	}
	return split
}

// budget is what is left of a limit. How many records a file has is not known before it is read, so records count as if they had
// lineBytes each.
type budget struct{ records, bytes int64 }

const lineBytes = 256

func (b *budget) spent() bool { return b.records < 0 || b.bytes < 0 }

// take returns how much of size may be taken: all of it if it cannot be split, and then it counts as so many times as large.
func (b *budget) take(size, times int64) int64 {
	n := size
	if times == split && b.bytes > 0 {
		n = min(n, b.bytes)
	}
	if times == split && b.records > 0 {
		n = min(n, b.records*lineBytes)
	}
	counts := n * max(1, times)
	if b.bytes > 0 {
		if b.bytes -= counts; b.bytes == 0 {
			b.bytes = -1
		}
	}
	if b.records > 0 {
		if b.records -= max(1, counts/lineBytes); b.records <= 0 {
			b.records = -1
		}
	}
	return n
}

// Latest implements batch.Tipper.
func (s *Source) Latest(ctx context.Context) (batch.Offset, error) {
	return s.Position(ctx, batch.Start{Kind: batch.Latest})
}

// Position implements batch.Starter. A file arrived when it was last changed.
func (s *Source) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	if start.Kind == batch.TrimHorizon {
		return batch.Offset{}, nil
	}
	all, newest := map[string]taken{}, int64(0)
	err := s.place.list(ctx, func(e entry) {
		if start.Kind == batch.Latest || e.mod.Before(start.Time) {
			all[e.name] = taken{e.size, e.size, e.mod}
			newest = max(newest, s.timeOf(e))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list files in %s: %w", s.place, err)
	}
	return offsetOf(all, newest), nil
}

// Wait implements batch.Source.
func (s *Source) Wait(ctx context.Context, start batch.Offset) error {
	for {
		end, _, err := s.plan(ctx, start, batch.Limit{Records: 1})
		if err != nil {
			return fmt.Errorf("look for files in %s: %w", s.place, err)
		}
		if !end.Equal(start) {
			return nil
		}
		select {
		case <-time.After(s.opts.PollInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
