package columnar

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// AvroDecoder appends Avro records to columns. It is not safe for concurrent use.
//
// The fields of the records are matched to those of the schema by name; others are skipped, and those that the records lack are null. A
// column has the type that AvroFields gives its field, or a wider number (int to bigint, float or double; bigint to float or double;
// float to double), or is a string for bytes and binary for a string. Text that is not UTF-8 and a decimal with too many digits are bad
// fields; anything else that does not fit the Avro schema makes the whole record bad, and so do bytes behind its datum.
type AvroDecoder struct {
	schema      *Schema
	opts        AvroOptions
	cols        []*builder
	plan        *avroPlan
	container   string // the schema that plan is for, of a container
	fingerprint []byte // of opts.Schema, for framing single-object
	rows        int
	size        int
	cells       int // nested values that the present record may still add
	bad         []FieldError
	batch       Batch
}

// NewAvroDecoder compiles schema and the Avro schema of the records.
func NewAvroDecoder(schema *Schema, opts AvroOptions) (*AvroDecoder, error) {
	d := &AvroDecoder{schema: schema, opts: opts}
	d.batch.Schema = schema
	for _, f := range schema.Fields {
		b := newBuilder(f.Type)
		d.cols = append(d.cols, b)
		d.batch.Columns = append(d.batch.Columns, &b.Column)
	}
	if opts.Schema == "" {
		return d, nil
	}
	var err error
	if d.plan, err = d.compile(opts.Schema); err != nil {
		return nil, err
	}
	if opts.Framing == "single-object" {
		d.fingerprint, err = avroFingerprint(opts.Schema)
	}
	return d, err
}

// avroPlan is how values of an Avro type are read, and into which column.
type avroPlan struct {
	*avroType
	path   string
	col    *builder // nil: skipped
	parts  []*avroPlan
	absent []*builder // of a record: columns of fields that it lacks
	scale  int64      // of times: what makes microseconds of the value
}

func (d *AvroDecoder) compile(schema string) (*avroPlan, error) {
	root, err := parseAvroSchema(schema)
	if err != nil {
		return nil, err
	}
	return planRecord(root, d.schema.Fields, d.cols, nil, "")
}

// planRecord reads a record into the columns of fields.
func planRecord(t *avroType, fields []Field, cols []*builder, col *builder, path string) (*avroPlan, error) {
	p := &avroPlan{avroType: t, path: path, col: col}
	used := make([]bool, len(fields))
	for i, part := range t.parts {
		at := (&Schema{Fields: fields}).Index(t.names[i])
		var into *builder
		name := path + t.names[i]
		if at >= 0 {
			into, used[at] = cols[at], true
		}
		child, err := planValue(part, into, name)
		if err != nil {
			return nil, err
		}
		p.parts = append(p.parts, child)
	}
	for i, seen := range used {
		if !seen {
			p.absent = append(p.absent, cols[i])
		}
	}
	return p, nil
}

// planValue reads a value into col; nil skips it.
func planValue(t *avroType, col *builder, path string) (*avroPlan, error) {
	p := &avroPlan{avroType: t, path: path, col: col}
	if col == nil {
		for _, part := range t.parts {
			child, err := planValue(part, nil, path)
			if err != nil {
				return nil, err
			}
			p.parts = append(p.parts, child)
		}
		return p, nil
	}
	misfit := func() error { return fmt.Errorf("field %s: Avro's %s does not fit type %s", path, t.kind, col.Type) }
	switch t.kind {
	case "record":
		if col.Type.Kind != Struct {
			return nil, misfit()
		}
		return planRecord(t, col.Type.Fields, col.kids, col, path+".")
	case "array", "map":
		if t.kind == "array" && col.Type.Kind != List || t.kind == "map" && (col.Type.Kind != Map || col.kids[0].Type.Kind != String) {
			return nil, misfit()
		}
		child, err := planValue(t.parts[0], col.kids[len(col.kids)-1], path+".element")
		p.parts = []*avroPlan{child}
		return p, err
	case "union":
		return p, p.planUnion()
	}
	if !p.fits() {
		return nil, misfit()
	}
	return p, nil
}

// planUnion gives each branch the column, or its member of a struct.
func (p *avroPlan) planUnion() error {
	own, err := p.unionType()
	if err != nil {
		return err
	}
	values := p.values()
	members := own.Kind == Struct && len(values) > 1
	if members && (p.col.Type.Kind != Struct || len(p.col.kids) != len(values)) {
		return fmt.Errorf("field %s: Avro's union does not fit type %s", p.path, p.col.Type)
	}
	member := 0
	for _, part := range p.avroType.parts {
		into := p.col
		if part.kind == "null" {
			into = nil
		} else if members {
			into = p.col.kids[member]
			member++
		}
		child, err := planValue(part, into, p.path)
		if err != nil {
			return err
		}
		p.parts = append(p.parts, child)
	}
	return nil
}

// fits says whether the column takes values of a plain type, and notes how.
func (p *avroPlan) fits() bool {
	to := p.col.Type.Kind
	own, err := p.columnType()
	if err != nil {
		return false
	}
	switch own.Kind {
	case Timestamp, TimestampNTZ:
		p.scale = 1
		if p.logical == "timestamp-millis" || p.logical == "local-timestamp-millis" {
			p.scale = 1000
		}
		return to == own.Kind
	case Decimal:
		return to == Decimal && p.col.Type.Precision == own.Precision && p.col.Type.Scale == own.Scale
	case Int32:
		return to == Int32 || to == Int64 || to == Float32 || to == Float64
	case Int64:
		return to == Int64 || to == Float32 || to == Float64
	case Float32:
		return to == Float32 || to == Float64
	case String, Binary:
		return to == String || to == Binary
	}
	return to == own.Kind
}

// Append decodes one record: a datum with its framing, or a container of many. rows, bad and err are as in JSONDecoder.Append; err wraps
// ErrAvro or ErrFull.
func (d *AvroDecoder) Append(record []byte) (rows int, bad []FieldError, err error) {
	if len(record) > math.MaxInt32-d.size {
		return 0, nil, ErrFull
	}
	d.bad, d.cells = d.bad[:0], cellsMax
	start := d.rows
	if d.opts.Framing == "container" {
		err = d.readContainer(record)
	} else if record, err = d.unframe(record); err == nil {
		err = d.datum(record)
	}
	if err != nil {
		d.Undo(d.rows - start)
		return 0, nil, fmt.Errorf("%w: %w", ErrAvro, err)
	}
	d.size += len(record)
	if len(d.bad) > 0 {
		bad = d.bad
	}
	return d.rows - start, bad, nil
}

// unframe cuts what stands before the datum.
func (d *AvroDecoder) unframe(record []byte) ([]byte, error) {
	switch d.opts.Framing {
	case "single-object":
		if len(record) < 10 || record[0] != 0xC3 || record[1] != 0x01 {
			return nil, fmt.Errorf("does not begin with C3 01 and a fingerprint")
		}
		if string(record[2:10]) != string(d.fingerprint) {
			return nil, fmt.Errorf("was written with the schema of fingerprint %x, not %x", record[2:10], d.fingerprint)
		}
		return record[10:], nil
	case "confluent":
		if len(record) < 5 || record[0] != 0 {
			return nil, fmt.Errorf("does not begin with 0 and the number of a schema")
		}
		return record[5:], nil
	}
	return record, nil
}

// datum reads a record that fills b.
func (d *AvroDecoder) datum(b []byte) error {
	r := avroReader{AvroDecoder: d, b: b}
	if err := r.record(d.plan); err != nil {
		return err
	}
	if len(r.b) > 0 {
		return fmt.Errorf("%d bytes behind the record", len(r.b))
	}
	d.rows++
	return nil
}

func (d *AvroDecoder) misfit(p *avroPlan, reason string) {
	p.col.addNull()
	if len(d.bad) < badMax {
		d.bad = append(d.bad, FieldError{Field: p.path, Reason: reason})
	}
}

// addText appends bytes to a String or Binary column.
func (d *AvroDecoder) addText(p *avroPlan, text []byte) {
	if p.col.Type.Kind == String && !utf8.Valid(text) {
		d.misfit(p, "text is not UTF-8")
		return
	}
	p.col.addBytes(text)
}

// addDecimal appends a big-endian two's complement number.
func (d *AvroDecoder) addDecimal(p *avroPlan, b []byte) {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	var full [16]byte
	if len(b) > 0 && b[0] >= 0x80 {
		for i := range full {
			full[i] = 0xff
		}
	}
	if len(b) <= len(full) {
		copy(full[len(full)-len(b):], b)
		v := Int128{Hi: int64(binary.BigEndian.Uint64(full[:])), Lo: binary.BigEndian.Uint64(full[8:])}
		limit := int128Pow10(p.col.Type.Precision)
		if v.less(limit) && limit.neg().less(v) {
			p.col.addDecimal(v)
			return
		}
	}
	d.misfit(p, fmt.Sprintf("%d bytes are not of type %s", len(b), p.col.Type))
}

// Undo removes the last n rows.
func (d *AvroDecoder) Undo(n int) {
	d.rows -= n
	for _, c := range d.cols {
		c.truncate(d.rows)
	}
}

func (d *AvroDecoder) addBlank() {
	for _, c := range d.cols {
		c.addNull()
	}
	d.rows++
}

// Len is the number of rows since the last Reset.
func (d *AvroDecoder) Len() int { return d.rows }

// Size is the number of bytes of all records decoded since the last Reset.
func (d *AvroDecoder) Size() int { return d.size }

// Batch returns the rows appended since the last Reset. It shares the decoder's buffers.
func (d *AvroDecoder) Batch() *Batch {
	d.batch.Len = d.rows
	return &d.batch
}

// Reset forgets all rows and keeps the buffers, very large ones excepted.
func (d *AvroDecoder) Reset() {
	for _, c := range d.cols {
		c.reset()
	}
	d.rows, d.size = 0, 0
}
