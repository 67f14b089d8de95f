// Package replay reads the dead letters of a pipeline as a batch.Source, so that they go through the pipeline again, corrected by now.
//
// New takes a Source of the letters' files, lines of JSON, as batch/files gives them, and hands on the records that the letters
// are about: with their own bytes, key, time of arrival and position. A file of letters is taken once, as that Source remembers.
// Letters whose record is in the table already, with null where it did not fit, are left out unless Options.Kept says otherwise:
// they would be in the table twice. Letters without bytes, of what was too large or broken, are refused again.
package replay

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/weir-data/weir/batch"
)

// Options of New.
type Options struct {
	// Stream takes only the letters of records from this stream; empty: all.
	Stream string
	// Streams are all those that the pipeline reads; letters of others are counted. Nil: they are not.
	Streams []string
	// Kept takes the letters of records that have a row already too.
	Kept bool
}

// Source is a batch.Source of records that were dead letters. One goroutine uses it.
type Source struct {
	Files
	opts Options

	Replayed, Skipped int64 // letters that were handed on, and that were left out because they have a row
	Foreign           int64 // letters of streams that the pipeline does not read
}

// Files is a source of letters, one a record.
type Files interface {
	batch.Source
	batch.Tipper
	batch.Starter
}

var _ Files = (*Source)(nil)

// New returns the records behind the letters of files.
func New(files Files, opts Options) *Source { return &Source{Files: files, opts: opts} }

// Read implements batch.Source.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	var out []batch.Record
	return s.Files.Read(ctx, start, end, func(lines []batch.Record) error {
		out = out[:0]
		for i := range lines {
			l, r, err := open(&lines[i])
			switch {
			case err != nil:
				r = lines[i]
				r.Refused = err.Error()
			case s.opts.Stream != "" && l.Stream != s.opts.Stream:
				if s.opts.Streams != nil && !slices.Contains(s.opts.Streams, l.Stream) {
					s.Foreign++
				}
				continue
			case l.Kept && !s.opts.Kept:
				s.Skipped++
				continue
			}
			s.Replayed++
			out = append(out, r)
		}
		if len(out) == 0 {
			return nil
		}
		return f(out)
	})
}

// open makes a line the record that its letter is about.
func open(line *batch.Record) (l batch.Letter, r batch.Record, err error) {
	if err := json.Unmarshal(line.Data, &l); err != nil {
		return l, r, fmt.Errorf("%s, byte %s: is no dead letter: %w", line.Shard, line.SeqNum, err)
	}
	data, err := base64.StdEncoding.DecodeString(l.RawData)
	if err != nil {
		return l, r, fmt.Errorf("%s, byte %s: rawData: %w", line.Shard, line.SeqNum, err)
	}
	if len(data) == 0 && !l.Kept && l.Field == "" { // it was never read whole, as a line that is too long
		return l, r, fmt.Errorf("the letter has no bytes of its record: %s", l.Reason)
	}
	r = batch.Record{Shard: l.Shard, SeqNum: l.SeqNum, Key: []byte(l.PartitionKey), Data: data, Arrival: l.Arrival}
	if l.SubSeqNum != nil {
		r.Aggregated, r.SubSeqNum = true, *l.SubSeqNum
	}
	return l, r, nil
}
