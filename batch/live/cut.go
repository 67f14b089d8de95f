package live

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
)

// ErrCut says that sources cannot be cut where a Choice says.
var ErrCut = errors.New("cannot be cut there")

// Cut is the part of a source that a Tail is made of.
type Cut struct {
	Source string // its name in the query
	Stream string
	After  batch.Offset // what the table holds
	To     batch.Offset // the newest record
}

// Part is the part of a shard: what comes behind After, empty for the oldest record, up to and including To. A source of files has one
// part, called FilesShard, whose positions are times.
type Part struct{ Shard, After, To string }

// FilesShard names all files of a source: its cut is the time of the youngest.
const FilesShard = "youngest"

// Parts are the cut by shard, in order; shards without records are left out.
func (c *Cut) Parts() (all []Part) {
	if to, ok := c.To[batch.Youngest]; ok {
		return []Part{{FilesShard, timeText(c.After[batch.Youngest]), timeText(to)}}
	}
	for _, shard := range slices.Sorted(maps.Keys(c.To)) {
		if c.To[shard] != "" {
			all = append(all, Part{shard, c.After[shard], c.To[shard]})
		}
	}
	return all
}

// timeText writes microseconds since 1970 as people do.
func timeText(us string) string {
	n, err := strconv.ParseInt(us, 10, 64)
	if err != nil {
		return ""
	}
	return time.UnixMicro(n).UTC().Format(time.RFC3339Nano)
}

// Choice is a cut that the caller chooses: at a time of arrival, or at positions.
type Choice struct {
	// Time, if it is not zero, cuts behind the records that had arrived by then, files by when they were last changed.
	Time time.Time
	// At cuts each source of this name behind the Parts' To of each shard. There is nothing of shards that it does not name.
	At map[string][]Part
}

// check refuses what fits no pipeline at any time.
func (c *Choice) check(p *batch.Pipeline, now time.Time) error {
	if c == nil {
		return nil
	}
	if c.Time.After(now) {
		return fmt.Errorf("%w: %s lies in the future", ErrCut, c.Time.Format(time.RFC3339Nano))
	}
	for name := range c.At {
		if p.Source(name) == nil {
			return fmt.Errorf("%w: it reads no source called %q", ErrCut, name)
		}
	}
	return nil
}

// offset is the choice for a source.
func (c *Choice) offset(source string) (batch.Offset, error) {
	at := batch.Offset{}
	for _, part := range c.At[source] {
		if _, twice := at[part.Shard]; twice {
			return nil, fmt.Errorf("%w: shard %s is named twice", ErrCut, part.Shard)
		}
		if part.To == "" || strings.Trim(part.To, "0123456789") != "" {
			return nil, fmt.Errorf("%w: shard %s: %q is no sequence number", ErrCut, part.Shard, part.To)
		}
		at[part.Shard] = part.To
	}
	return at, nil
}

// youngest is the choice for a source of files.
func (c *Choice) youngest(source string) (at time.Time, err error) {
	for _, part := range c.At[source] {
		if part.Shard == FilesShard && at.IsZero() {
			at, err = time.Parse(time.RFC3339Nano, part.To)
		}
		if part.Shard != FilesShard || err != nil || len(c.At[source]) > 1 {
			return at, fmt.Errorf("%w: of files, %s:2006-01-02T15:04:05Z is the time of the youngest", ErrCut, FilesShard)
		}
	}
	return at, nil
}

// PassedError says that a table holds more than a Choice.
type PassedError struct {
	Cut  map[string]batch.Offset // the choice, as offsets by source
	Held string                  // of what the table holds more, for people
}

// Error implements error.
func (e *PassedError) Error() string {
	return "the table holds more than the cut: " + e.Held
}

// heldText says up to where a shard is held.
func heldText(source, shard, at string) string {
	if shard == batch.Youngest {
		return fmt.Sprintf("files of source %s up to %s", source, timeText(at))
	}
	return fmt.Sprintf("shard %s of source %s up to %s", shard, source, at)
}

// within says whether at is not behind a cut, and names a shard where it is.
func within(at, cut batch.Offset) (shard string, in bool) {
	if youngest, ok := cut[batch.Youngest]; ok {
		return batch.Youngest, !behind(youngest, at[batch.Youngest])
	}
	for shard, seq := range at {
		if shard != batch.Topic && behind(cut[shard], seq) {
			return shard, false
		}
	}
	return "", true
}

// behind says whether position a comes before b. One that is a time, "@" and milliseconds, as a start of a Kinesis stream may be, has no
// record before it.
func behind(a, b string) bool {
	if strings.HasPrefix(a, "@") {
		a = ""
	}
	if strings.HasPrefix(b, "@") {
		b = ""
	}
	return !batch.Offset{"": a}.Reached(batch.Offset{"": b})
}
