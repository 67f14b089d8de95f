// Package tostream puts the rows of micro-batches into a stream as records of JSON: it is a batch.Sink.
//
// A stream has no place to note which batches it holds, so a batch that runs again after a crash is put again: at least once.
package tostream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Record is what a Stream takes.
type Record struct {
	Key  string
	Data []byte
}

// Stream takes records, at most PutMax of them and PutBytesMax bytes at a time. What is throttled it puts again by itself; an error
// that may pass is marked by batch.Temporary.
type Stream interface {
	// Check says whether the stream is there.
	Check(ctx context.Context) error
	Put(ctx context.Context, records []Record) error
}

// Bounds of one Put, those of Kinesis' PutRecords with room to spare.
const (
	PutMax      = 500
	PutBytesMax = 4 << 20
)

// Options of New. Stream and Name are required.
type Options struct {
	Stream Stream
	Name   string
	// KeyColumn is the column that gives the records' keys; empty: they are spread over the shards.
	KeyColumn string
}

// Sink is a stream.
type Sink struct {
	opts Options
	key  int // index of KeyColumn; -1: none
}

var _ batch.Sink = (*Sink)(nil)

// New returns a Sink.
func New(opts Options) *Sink { return &Sink{opts: opts, key: -1} }

// About implements batch.Sink.
func (s *Sink) About() batch.SinkInfo {
	return batch.SinkInfo{Description: "KinesisSink[" + s.opts.Name + "]", Guarantee: batch.AtLeastOnce}
}

// Open implements batch.Sink. In mode update a record is the newest state of its row, in mode append it is final.
func (s *Sink) Open(ctx context.Context, out batch.Output) (last int64, err error) {
	if out.Mode == batch.Complete {
		return 0, fmt.Errorf("stream %s: output mode complete would put the whole result again with every batch; use update or append", s.opts.Name)
	}
	if s.opts.KeyColumn != "" {
		if s.key = out.Schema.Index(s.opts.KeyColumn); s.key < 0 {
			return 0, fmt.Errorf("stream %s: the query gives no column %s for partition_key", s.opts.Name, s.opts.KeyColumn)
		}
	}
	if err := s.opts.Stream.Check(ctx); err != nil {
		return 0, s.failed(err)
	}
	return -1, nil
}

// failed says which stream err is about: not one of the pipeline's sources.
func (s *Sink) failed(err error) error {
	told := fmt.Errorf("sink: stream %s: %v", s.opts.Name, err)
	var missing *batch.MissingError
	switch {
	case errors.As(err, &missing):
		return &batch.MissingError{Kind: "stream", Name: s.opts.Name, Err: told}
	case batch.IsTemporary(err):
		return batch.Temporary(told)
	}
	return told
}

// Write implements batch.Sink.
func (s *Sink) Write(ctx context.Context, id int64, rows batch.Rows) (w batch.Written, err error) {
	p := &putter{stream: s.opts.Stream}
	err = rows.Each(ctx, func(b *columnar.Batch) error {
		for i := range b.Len {
			key := strconv.FormatInt(id, 10) + "-" + strconv.FormatInt(w.Rows, 10)
			if s.key >= 0 {
				key = keyOf(b.Columns[s.key], i)
			}
			data := b.AppendRow(nil, i)
			w.Rows++
			w.Bytes += int64(len(data))
			if err := p.add(ctx, Record{key, data}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return w, s.failed(err)
	}
	return w, nil
}

// keyMax is the length of a partition key in bytes.
const keyMax = 256

// keyOf is a value as a partition key, which must not be empty.
func keyOf(c *columnar.Column, i int) string {
	if c.Null(i) {
		return "null"
	}
	text := fmt.Sprint(c.Value(i))
	if len(text) > keyMax {
		text = strings.ToValidUTF8(text[:keyMax], "")
	}
	if text == "" {
		return "-"
	}
	return text
}

// putter draws records together.
type putter struct {
	stream  Stream
	records []Record
	bytes   int
}

func (p *putter) add(ctx context.Context, r Record) error {
	size := len(r.Key) + len(r.Data)
	if len(p.records) == PutMax || len(p.records) > 0 && p.bytes+size > PutBytesMax {
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	p.records = append(p.records, r)
	p.bytes += size
	return nil
}

func (p *putter) flush(ctx context.Context) error {
	if len(p.records) == 0 {
		return nil
	}
	err := p.stream.Put(ctx, p.records)
	p.records, p.bytes = p.records[:0], 0
	return err
}
