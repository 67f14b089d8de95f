package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// formatDecoder decodes one format's bytes: JSONDecoder and its siblings.
type formatDecoder interface {
	Append(record []byte) (rows int, bad []FieldError, err error)
	Undo(n int)
	Len() int
	Size() int
	Batch() *Batch
	Reset()
	addBlank() // a row of nulls
}

// Format says how the bytes of records become rows.
type Format struct {
	// Name is json, csv, avro, text or binary; empty is json.
	Name string
	// Options are the format's own, under the names that Spark's reader has for them. Others than a format knows are refused.
	Options map[string]string
	// CorruptRecord names a string column that takes the text of records that did not fit, wholly or in a field; it is null for the
	// others. Bytes that are not UTF-8 become U+FFFD in it. Empty: a record that is not of the format has no row.
	CorruptRecord string
	// Rescued names a string column that takes, as a JSON object, what a record had and the schema has no place for: unknown fields
	// and values of another type. A value that is rescued is no bad field. JSON only.
	Rescued string
	// Evolve makes the decoder find fields that the schema lacks. JSON only.
	Evolve bool
}

// Origin is where a record came from: the values of the metadata columns.
type Origin struct {
	Stream  string
	Shard   string
	SeqNum  string
	Key     []byte
	Arrival time.Time
}

// originColumn is a column whose value does not stand in the record's bytes.
type originColumn struct {
	field Field
	add   func(b *builder, o *Origin)
}

// originColumns are the metadata columns. A field of one of these names does not come from the record's bytes.
var originColumns = []originColumn{
	{Field{Name: "_partition_key", Type: Type{Kind: String}}, func(b *builder, o *Origin) { b.addUTF8(o.Key) }},
	{Field{Name: "_sequence_number", Type: Type{Kind: String}}, func(b *builder, o *Origin) { b.addString(o.SeqNum) }},
	{Field{Name: "_shard_id", Type: Type{Kind: String}}, func(b *builder, o *Origin) { b.addString(o.Shard) }},
	{Field{Name: "_arrival", Type: Type{Kind: Timestamp}}, func(b *builder, o *Origin) { b.addInt64(o.Arrival.UnixMicro()) }},
	{Field{Name: "_stream", Type: Type{Kind: String}}, func(b *builder, o *Origin) { b.addString(o.Stream) }},
}

// originColumnOf is the index of a metadata column, -1 if name is none.
func originColumnOf(name string) int {
	return slices.IndexFunc(originColumns, func(c originColumn) bool { return c.field.Name == name })
}

// OriginFields are the metadata columns that a schema may have, in the order in which the binary format gives them.
func OriginFields() []Field {
	var fields []Field
	for _, c := range originColumns {
		fields = append(fields, c.field)
	}
	return fields
}

// Complete returns the schema of the rows that records of the given fields make: with the columns that o names at the end if fields
// lacks them, and for the formats text, binary and avro, which need no fields, with theirs. It refuses a column whose type is not the one
// that its name calls for.
func (o Format) Complete(fields []Field) (*Schema, error) {
	s := &Schema{Fields: slices.Clone(fields)}
	if len(fields) == 0 {
		switch o.Name {
		case "avro":
			var err error
			if s.Fields, err = AvroFields(optionOf(o.Options, "avroSchema")); err != nil {
				return nil, err
			}
		case "text":
			s.Fields = []Field{{Name: "value", Type: Type{Kind: String}, Nullable: true}}
		case "binary":
			s.Fields = append([]Field{{Name: "data", Type: Type{Kind: Binary}, Nullable: true}}, OriginFields()...)
		}
	}
	for _, name := range []string{o.CorruptRecord, o.Rescued} {
		if name != "" && s.Index(name) < 0 {
			s.Fields = append(s.Fields, Field{Name: name, Type: Type{Kind: String}, Nullable: true})
		}
	}
	_, err := o.split(s)
	return s, err
}

// columnRole says where a column's values come from: 0 the record's bytes, fromCorrupt, fromRescued, or fromOrigin and the
// index of its origin column.
type columnRole int

const (
	fromData columnRole = iota
	fromCorrupt
	fromRescued
	fromOrigin
)

// split finds the role of each column of s.
func (o Format) split(s *Schema) (roles []columnRole, err error) {
	if o.CorruptRecord != "" && o.CorruptRecord == o.Rescued {
		return nil, fmt.Errorf("corrupt_record and rescued name one column, %s; give each its own", o.Rescued)
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		role, want := fromData, f.Type.Kind
		origin := originColumnOf(f.Name)
		switch {
		case f.Name == o.CorruptRecord && f.Name != "":
			role, want = fromCorrupt, String
		case f.Name == o.Rescued && f.Name != "":
			role, want = fromRescued, String
		case origin >= 0:
			role, want = fromOrigin+columnRole(origin), originColumns[origin].field.Type.Kind
		}
		if f.Type.Kind != want {
			return nil, fmt.Errorf("column %s is of type %s, not %s", f.Name, Type{Kind: want}, f.Type)
		}
		if !f.Nullable && (role == fromCorrupt || role == fromRescued) {
			return nil, fmt.Errorf("column %s is null for records without fault; it cannot be nullable: false", f.Name)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// RecordDecoder decodes records of one format and adds the columns that are about the record itself. It is not safe for
// concurrent use; make one per core.
type RecordDecoder struct {
	format  formatDecoder
	batch   Batch
	origins []originBuilder
	corrupt *builder // nil: no such column
	single  [1]FieldError
}

type originBuilder struct {
	*builder
	add func(b *builder, o *Origin)
}

// NewRecordDecoder compiles schema, which Format.Complete made.
func NewRecordDecoder(schema *Schema, format Format) (*RecordDecoder, error) {
	roles, err := format.split(schema)
	if err != nil {
		return nil, err
	}
	d := &RecordDecoder{batch: Batch{Schema: schema}}
	data := &Schema{}
	for i, f := range schema.Fields {
		if roles[i] == fromData {
			data.Fields = append(data.Fields, f)
		}
	}
	if d.format, err = format.compile(data); err != nil {
		return nil, err
	}
	columns := d.format.Batch().Columns
	for i, f := range schema.Fields {
		switch role := roles[i]; role {
		case fromData:
			d.batch.Columns = append(d.batch.Columns, columns[0])
			columns = columns[1:]
		case fromCorrupt:
			d.corrupt = newBuilder(f.Type)
			d.batch.Columns = append(d.batch.Columns, &d.corrupt.Column)
		case fromRescued:
			d.batch.Columns = append(d.batch.Columns, d.format.(*JSONDecoder).RescuedColumn())
		default:
			b := newBuilder(f.Type)
			d.origins = append(d.origins, originBuilder{b, originColumns[role-fromOrigin].add})
			d.batch.Columns = append(d.batch.Columns, &b.Column)
		}
	}
	return d, nil
}

// compile makes the decoder of the format for the columns that come from the record's bytes.
func (o Format) compile(data *Schema) (formatDecoder, error) {
	switch o.Name {
	case "", "json":
		opts, err := parseJSONOptions(o.Options)
		if err != nil {
			return nil, err
		}
		opts.Rescue, opts.Evolve = o.Rescued != "", o.Evolve
		return NewJSONDecoder(data, opts)
	}
	if o.Rescued != "" || o.Evolve {
		return nil, fmt.Errorf("rescued and evolve are of format json, not %s", o.Name)
	}
	switch o.Name {
	case "avro":
		opts, err := parseAvroOptions(o.Options)
		if err != nil {
			return nil, err
		}
		if o.CorruptRecord != "" {
			return nil, errors.New("corrupt_record takes text, and records of format avro are none; they are in the dead letters")
		}
		return NewAvroDecoder(data, opts)
	case "csv":
		opts, err := parseCSVOptions(o.Options)
		if err != nil {
			return nil, err
		}
		c, err := NewCSVDecoder(data, opts)
		return csvRecords{c}, err
	case "text", "binary":
		if len(o.Options) > 0 {
			return nil, fmt.Errorf("format %s has no options", o.Name)
		}
		return newWholeDecoder(data, o.Name)
	}
	return nil, fmt.Errorf("unknown format %q; known are json, csv, avro, text and binary", o.Name)
}

// Append decodes one record and adds its rows, often one. bad, if not nil, lists fields that are null because their value did not
// fit; the slice is reused by the next call. err says that the record as a whole is not of the format (rows is 0 then, and the batch
// as before) or is ErrFull. With a column for corrupt records such a record is a row, and what is wrong with it stands in bad, with
// no field.
func (d *RecordDecoder) Append(record []byte, origin *Origin) (rows int, bad []FieldError, err error) {
	rows, bad, err = d.format.Append(record)
	if err != nil {
		if d.corrupt == nil || errors.Is(err, ErrFull) {
			return 0, nil, err
		}
		d.format.addBlank()
		d.single[0] = FieldError{Reason: err.Error()}
		rows, bad = 1, d.single[:]
	}
	if d.corrupt != nil {
		for range rows {
			if bad == nil {
				d.corrupt.addNull()
			} else {
				d.corrupt.addUTF8(record)
			}
		}
	}
	for _, o := range d.origins {
		for range rows {
			o.add(o.builder, origin)
		}
	}
	return rows, bad, nil
}

// Undo removes the last n rows, those of the newest record.
func (d *RecordDecoder) Undo(n int) {
	d.format.Undo(n)
	d.eachExtra(func(b *builder) { b.truncate(d.Len()) })
}

// Len is the number of rows since the last Reset.
func (d *RecordDecoder) Len() int { return d.format.Len() }

// Size is the number of bytes of all records decoded since the last Reset: a measure of the batch's memory.
func (d *RecordDecoder) Size() int { return d.format.Size() }

// Batch returns the rows since the last Reset. It shares the decoder's buffers.
func (d *RecordDecoder) Batch() *Batch {
	d.batch.Len = d.Len()
	return &d.batch
}

// Discovered are the fields that records had and the schema lacks, since the decoder was made, for EvolveSchema; see Format.Evolve.
// Members that are called as metadata columns are not among them.
func (d *RecordDecoder) Discovered() []Field {
	j, ok := d.format.(*JSONDecoder)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(j.Discovered(), func(f Field) bool { return originColumnOf(f.Name) >= 0 })
}

// Reset forgets all rows and keeps the buffers, very large ones excepted.
func (d *RecordDecoder) Reset() {
	d.format.Reset()
	d.eachExtra((*builder).reset)
}

func (d *RecordDecoder) eachExtra(f func(*builder)) {
	if d.corrupt != nil {
		f(d.corrupt)
	}
	for _, o := range d.origins {
		f(o.builder)
	}
}

// addUTF8 appends text with U+FFFD in place of what is not UTF-8.
func (b *builder) addUTF8(text []byte) {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	}
	b.addBytes(text)
}

func (b *builder) addString(text string) {
	b.Data = append(b.Data, text...)
	b.endBytes()
}
