package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weir-data/weir/columnar"
)

// ErrBadRecord says that a record does not fit the schema of a pipeline whose mode is fail.
var ErrBadRecord = errors.New("record does not fit the schema")

// decoder makes columns of the records of one micro-batch, on several cores. It is used again for the next.
type decoder struct {
	schema   *columnar.Schema
	format   columnar.Format
	stream   string // for the metadata columns
	mode     Mode
	required []int // columns that must not be null
	numbered bool  // a column has the sequence numbers
	workers  []*decodeWorker
	idle     chan *decodeWorker

	mu             sync.Mutex // guards the fields below while add is at work
	records, bytes int64      // of the batch so far
	oldest, newest time.Time  // arrivals among its records
	adding, most   int        // calls of add that are at work, and the most that were at a time
}

// decodeWorker has its columns to itself. full are earlier columns of the same batch that could take no more.
type decodeWorker struct {
	of     *decoder
	rows   *columnar.RecordDecoder
	full   []*columnar.Batch
	found  []columnar.Field // what records in full had beyond the schema
	bad    []badRecord      // of the present chunk
	origin columnar.Origin
}

// badRecord is a record of a chunk that did not become a row, or (kept) not wholly.
type badRecord struct {
	index int
	kept  bool
	flaws []columnar.FieldError
}

// newDecoder compiles schema, which columnar.Format.Complete made, for records of a stream.
func newDecoder(stream string, schema *columnar.Schema, format columnar.Format, mode Mode, workers int) (*decoder, error) {
	d := &decoder{schema: schema, format: format, stream: stream, mode: mode, idle: make(chan *decodeWorker, workers)}
	d.numbered = schema.Index("_sequence_number") >= 0
	for i, f := range schema.Fields {
		if !f.Nullable {
			d.required = append(d.required, i)
		}
	}
	for range workers {
		rows, err := columnar.NewRecordDecoder(schema, format)
		if err != nil {
			return nil, fmt.Errorf("source.schema: %w", err)
		}
		w := &decodeWorker{of: d, rows: rows}
		d.workers = append(d.workers, w)
		d.idle <- w
	}
	return d, nil
}

// reset forgets all rows.
func (d *decoder) reset() {
	d.records, d.bytes, d.most = 0, 0, 0
	d.oldest, d.newest = time.Time{}, time.Time{}
	for _, w := range d.workers {
		w.full = nil
		w.rows.Reset()
	}
}

// batches are the rows since reset. They share the decoder's memory.
func (d *decoder) batches() []*columnar.Batch {
	var all []*columnar.Batch
	for _, w := range d.workers {
		all = append(all, w.full...)
		if w.rows.Len() > 0 {
			all = append(all, w.rows.Batch())
		}
	}
	return all
}

// discovered are the fields that records had and the schema lacks.
func (d *decoder) discovered() []columnar.Field {
	var all []columnar.Field
	for _, w := range d.workers {
		all = columnar.WidenFields(columnar.WidenFields(all, w.found, false), w.rows.Discovered(), false)
	}
	return all
}

// shareMin is the number of records from which it is worth waking another core.
const shareMin = 64

// add decodes a chunk and gives the letters of its bad records to w, in the order of the records. In mode fail the
// first of them is the error. Several may add at a time, with the same w; then each has a part of the workers.
func (d *decoder) add(ctx context.Context, chunk []Record, w *letterWriter) error {
	team := d.team(len(chunk))
	defer d.disband(team)
	share(team, chunk)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range chunk {
		d.bytes += int64(len(chunk[i].Data))
		at := chunk[i].Arrival
		if d.oldest.IsZero() || at.Before(d.oldest) {
			d.oldest = at
		}
		if at.After(d.newest) {
			d.newest = at
		}
	}
	d.records += int64(len(chunk))
	for _, worker := range team {
		for _, b := range worker.bad {
			r := &chunk[b.index]
			if d.mode == Fail {
				return fmt.Errorf("%w: shard %s, sequence number %s: %s", ErrBadRecord, r.Shard, r.SequenceNumber(), flawText(b.flaws[0]))
			}
			if err := w.add(ctx, r, b.kept, b.flaws); err != nil {
				return err
			}
		}
	}
	return nil
}

func flawText(f columnar.FieldError) string {
	if f.Field == "" {
		return f.Reason
	}
	return f.Field + ": " + f.Reason
}

// team are workers for so many records, at least one.
func (d *decoder) team(records int) (team []*decodeWorker) {
	d.mu.Lock()
	d.adding++
	d.most = max(d.most, d.adding)
	size := min(max(1, len(d.workers)/d.most), max(1, records/shareMin))
	d.mu.Unlock()
	team = append(make([]*decodeWorker, 0, size), <-d.idle)
	for len(team) < size {
		select {
		case w := <-d.idle:
			team = append(team, w)
		default:
			return team
		}
	}
	return team
}

func (d *decoder) disband(team []*decodeWorker) {
	d.mu.Lock()
	d.adding--
	d.mu.Unlock()
	for _, w := range team {
		d.idle <- w
	}
}

// share decodes a part of the chunk on each worker.
func share(team []*decodeWorker, chunk []Record) {
	parts := len(team)
	var wg sync.WaitGroup
	for i, worker := range team {
		worker.bad = worker.bad[:0]
		from, to := i*len(chunk)/parts, (i+1)*len(chunk)/parts
		if i == parts-1 {
			worker.decode(chunk, from, to)
			continue
		}
		wg.Go(func() { worker.decode(chunk, from, to) })
	}
	wg.Wait()
}

func (w *decodeWorker) decode(chunk []Record, from, to int) {
	for i := from; i < to; i++ {
		if reason := chunk[i].Refused; reason != "" {
			w.bad = append(w.bad, badRecord{index: i, flaws: []columnar.FieldError{{Reason: reason}}})
			continue
		}
		rows, flaws, err := w.append(&chunk[i])
		kept := true
		switch {
		case err != nil:
			kept, flaws = false, []columnar.FieldError{{Reason: err.Error()}}
		case w.of.required != nil:
			if field, bad := w.nullAmong(rows); bad {
				kept = false
				flaws = append(flaws, columnar.FieldError{Field: field, Reason: "is null, which the schema does not allow"})
			}
		}
		if len(flaws) == 0 {
			continue
		}
		if err == nil && (!kept || w.of.mode != Permissive) {
			kept = false
			w.rows.Undo(rows)
		}
		w.bad = append(w.bad, badRecord{i, kept, slices.Clone(flaws)})
	}
}

// append decodes one record; columns that can take no more are put aside for fresh ones.
func (w *decodeWorker) append(r *Record) (rows int, flaws []columnar.FieldError, err error) {
	w.origin = columnar.Origin{Stream: w.of.stream, Shard: r.Shard, Key: r.Key, Arrival: r.Arrival}
	if w.of.numbered {
		w.origin.SeqNum = r.SequenceNumber()
	}
	rows, flaws, err = w.rows.Append(r.Data, &w.origin)
	if !errors.Is(err, columnar.ErrFull) || w.rows.Len() == 0 {
		return rows, flaws, err
	}
	fresh, err := columnar.NewRecordDecoder(w.of.schema, w.of.format)
	if err != nil {
		return 0, nil, err
	}
	w.full = append(w.full, w.rows.Batch())
	w.found = columnar.WidenFields(w.found, w.rows.Discovered(), false)
	w.rows = fresh
	return w.rows.Append(r.Data, &w.origin)
}

// nullAmong returns a required field that is null in one of the newest rows.
func (w *decodeWorker) nullAmong(rows int) (field string, found bool) {
	b := w.rows.Batch()
	for _, c := range w.of.required {
		for i := b.Len - rows; i < b.Len; i++ {
			if b.Columns[c].Null(i) {
				return b.Schema.Fields[c].Name, true
			}
		}
	}
	return "", false
}
