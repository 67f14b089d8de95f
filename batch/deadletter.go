package batch

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Letters is where dead letters go: a folder of objects. Put returns when the object is durable; an object of the
// same name is replaced.
type Letters interface {
	Put(ctx context.Context, name string, body []byte) error
}

// Letter is a record that did not become a row, or not wholly, as one line of a dead-letter object. What is needed
// to replay it is there: its bytes and its position.
type Letter struct {
	Pipeline     string    `json:"pipeline"`
	Batch        int64     `json:"batchId"`
	Stream       string    `json:"stream"`
	Shard        string    `json:"shard"`
	SeqNum       string    `json:"sequenceNumber"`
	SubSeqNum    *int      `json:"subSequenceNumber,omitempty"` // of a record that the KPL aggregated with others
	PartitionKey string    `json:"partitionKey"`
	Arrival      time.Time `json:"arrival"`
	// Kept says that the record is in the table, with null in the fields that did not fit.
	Kept    bool   `json:"kept"`
	Reason  string `json:"reason"`
	Field   string `json:"field,omitempty"` // the first that did not fit; empty if the record as a whole is bad
	Others  []Flaw `json:"others,omitempty"`
	RawData string `json:"rawData"` // base64
}

// Flaw is one field that did not fit.
type Flaw struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// letterBytesMax is about the size at which a dead-letter object is full and the next is begun.
const letterBytesMax = 4 << 20

// letterWriter writes the letters of one micro-batch. Each shard has objects of its own, cut at a size that only
// depends on the shard's records: a batch that runs again writes the same objects again, whatever the order in
// which the shards are read.
type letterWriter struct {
	letters  Letters
	pipeline string
	batch    int64
	held     bool // nothing is put before flush
	count    int64
	bytes    int64                    // of their lines
	shards   map[string]*letterObject // by the name of the object, up to its part

	stream string // of the records that come
	folder string // of their source: empty, or its name and a slash
}

// reset forgets what add has taken.
func (w *letterWriter) reset() { w.count, w.bytes, w.shards = 0, 0, nil }

// from says that the records that come are those of a source, one of several or not.
func (w *letterWriter) from(s *SourceSpec, several bool) {
	w.stream, w.folder = s.Stream, ""
	if several {
		w.folder = s.Name + "/"
	}
}

type letterObject struct {
	part int
	full [][]byte // to be put
	buf  bytes.Buffer
}

// lettersHeldMax bounds the letters that are held back.
const lettersHeldMax = 16 << 20

// errLettersHeld says that there are too many letters to hold them back.
var errLettersHeld = errors.New("too many dead letters for a batch that is not planned yet")

// add takes the letter of r. It may write an object, unless letters are held back.
func (w *letterWriter) add(ctx context.Context, r *Record, kept bool, flaws []columnar.FieldError) error {
	if w.letters == nil {
		panic("dead letter without a place for it") // New checks
	}
	l := Letter{
		Pipeline: w.pipeline, Batch: w.batch, Stream: w.stream, Shard: r.Shard, SeqNum: r.SequenceNumber(),
		PartitionKey: string(r.Key), Arrival: r.Arrival.UTC(), Kept: kept,
		Reason: flaws[0].Reason, Field: flaws[0].Field, RawData: base64.StdEncoding.EncodeToString(r.Data),
	}
	if r.Aggregated {
		l.SubSeqNum = &r.SubSeqNum
	}
	for _, f := range flaws[1:] {
		l.Others = append(l.Others, Flaw{f.Field, f.Reason})
	}
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("dead letter of record %s: %w", l.SeqNum, err)
	}
	object := w.folder + r.Shard
	o := w.shards[object]
	if o == nil {
		o = new(letterObject)
		if w.shards == nil {
			w.shards = map[string]*letterObject{}
		}
		w.shards[object] = o
	}
	o.buf.Write(line)
	o.buf.WriteByte('\n')
	w.count++
	w.bytes += int64(len(line) + 1)
	if w.held && w.bytes > lettersHeldMax {
		return errLettersHeld
	}
	if o.buf.Len() >= letterBytesMax {
		o.roll()
	}
	if w.held {
		return nil
	}
	return w.put(ctx, object, o)
}

// roll makes what there is an object.
func (o *letterObject) roll() {
	o.full = append(o.full, bytes.Clone(o.buf.Bytes()))
	o.buf.Reset()
}

// put writes the objects that are full.
func (w *letterWriter) put(ctx context.Context, object string, o *letterObject) error {
	for _, body := range o.full {
		name := fmt.Sprintf("batch-%0*d/%s-%05d.ndjson", progressDigits, w.batch, object, o.part)
		if err := w.letters.Put(ctx, name, body); err != nil {
			return fmt.Errorf("write dead letters %s: %w", name, err)
		}
		o.part++
	}
	o.full = nil
	return nil
}

// flush writes what add has kept back.
func (w *letterWriter) flush(ctx context.Context) error {
	for object, o := range w.shards {
		if o.buf.Len() > 0 {
			o.roll()
		}
		if err := w.put(ctx, object, o); err != nil {
			return err
		}
	}
	return nil
}
