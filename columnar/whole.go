package columnar

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// wholeDecoder makes one row of each record: its bytes, or its text.
type wholeDecoder struct {
	*builder
	name  string
	size  int
	bad   [1]FieldError
	batch Batch
}

func newWholeDecoder(schema *Schema, format string) (*wholeDecoder, error) {
	want := String
	if format == "binary" {
		want = Binary
	}
	if len(schema.Fields) != 1 || schema.Fields[0].Type.Kind != want {
		return nil, fmt.Errorf("format %s needs one field of type %s, which takes the record, and metadata columns besides", format, Type{Kind: want})
	}
	d := &wholeDecoder{builder: newBuilder(schema.Fields[0].Type), name: schema.Fields[0].Name}
	d.batch = Batch{Schema: schema, Columns: []*Column{&d.Column}}
	return d, nil
}

// Append adds the record as a row. Text that is not UTF-8 is a bad field.
func (d *wholeDecoder) Append(record []byte) (rows int, bad []FieldError, err error) {
	if len(record) > math.MaxInt32-d.size {
		return 0, nil, ErrFull
	}
	d.size += len(record)
	if d.Type.Kind == String && !utf8.Valid(record) {
		d.addNull()
		d.bad[0] = FieldError{Field: d.name, Reason: "text is not UTF-8"}
		return 1, d.bad[:], nil
	}
	d.addBytes(record)
	return 1, nil, nil
}

func (d *wholeDecoder) Undo(n int) { d.truncate(d.Column.Len - n) }

func (d *wholeDecoder) Len() int { return d.Column.Len }

func (d *wholeDecoder) Size() int { return d.size }

func (d *wholeDecoder) addBlank() { d.addNull() }

func (d *wholeDecoder) Batch() *Batch {
	d.batch.Len = d.Column.Len
	return &d.batch
}

func (d *wholeDecoder) Reset() {
	d.reset()
	d.size = 0
}
