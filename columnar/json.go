package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	// ErrFull says that the decoder's columns cannot take a record more; take the Batch and Reset.
	ErrFull = errors.New("batch is full")
	// ErrEmpty says that a record holds no JSON object at all, only space.
	ErrEmpty = errors.New("record holds no JSON object")
)

const (
	// badMax bounds the fields that Append lists for one record.
	badMax = 100
	// cellsMax bounds the nested values that one record may expand to: "[{},{},…]" is short, its columns are not.
	cellsMax = 1 << 22
)

// JSONOptions of a JSON decoder. The zero value is Spark's PERMISSIVE reading.
type JSONOptions struct {
	// IgnoreCase matches keys to fields without regard to case, at every depth (OpenX, Hive).
	IgnoreCase bool
	// KeyNames maps a JSON key (as written) to a field name. A field named here is found by that key only.
	KeyNames map[string]string
	// DotsToUnderscores reads dots in keys as underscores (OpenX's dots.in.keys).
	DotsToUnderscores bool
	// Coerce applies OpenX's conversions: strings to numbers and booleans, objects and arrays into text columns as
	// compact JSON with keys in lower case, a scalar for an array becomes one element, an array fills a struct
	// by position, map keys in lower case; timestamps as numbers below 1e12 are seconds, else milliseconds, with
	// T only as ISO 8601 with Z, and never with a numeric offset. Without it a value of another type is a bad field.
	Coerce bool
	// NoNestedText makes an object or array in a string column a bad field (Hive); otherwise its text is kept.
	NoNestedText bool
	// TimestampFormats are tried in turn for Timestamp columns, in place of the usual forms: patterns of
	// java.time's DateTimeFormatter as CompileTimePattern takes them, or "millis" for milliseconds since the epoch.
	TimestampFormats []string
	// TimestampFormat, DateFormat and TimestampNTZFormat read strings in place of the usual forms (Spark).
	TimestampFormat, DateFormat, TimestampNTZFormat *TimePattern
	// TimestampUnit reads numbers, also those in quotes that no pattern takes, as times of this unit; not with Coerce or TimestampFormats.
	TimestampUnit TimestampUnit
	// Location is the zone of timestamps written without one; nil is UTC.
	Location *time.Location
	// Rescue makes a text column of what the schema has no place for; see RescuedColumn.
	Rescue bool
	// Evolve makes the decoder learn the fields that the schema lacks; see Discovered.
	Evolve bool
	// NoNamedNumbers refuses NaN and the infinities without quotes, and makes them bad fields with quotes.
	NoNamedNumbers bool
}

// FieldError is one value that did not fit its column; the column holds null instead.
type FieldError struct {
	Field  string // the path, as in a.b
	Reason string
}

// JSONDecoder appends JSON objects to columns. It is not safe for concurrent use; make one per core.
//
// How a value meets its column follows Spark's JSON reader: a missing key and null are null, whatever the
// field's Nullable says; of a repeated key the last one counts; unknown keys are skipped; whole numbers must be
// written without fraction or exponent and must fit; a floating column also takes NaN, Infinity, +Infinity,
// +INF, -Infinity and -INF, quoted or not (Python's json.dumps writes the first so); a decimal takes a number or a quoted one and
// rounds half up to its scale; a string column keeps the text of any other value as it was written; a timestamp
// is a string (see parseWallClock) or a number (see TimestampUnit); binary is base64. What does not fit is a bad field: null,
// and listed; inside a struct or list only the innermost value is lost. A map with a repeated key is bad.
//
// The grammar is strict: bad syntax, text that is not UTF-8 (also in keys and values that no column wants),
// nesting beyond 1000 or anything but objects at the top refuses the whole record.
type JSONDecoder struct {
	schema    *Schema
	opts      JSONOptions
	times     []*TimePattern // TimestampFormats; nil stands for millis
	slowTimes bool           // the fast path for timestamps does not hold
	zones     zoneCache
	root      object
	rows      int
	size      int // bytes of all records since Reset, a bound of any text column's length
	recordCap int // of the slice that holds the present record: places in it are told by what is left of it
	cells     int // nested values that the present record may still add
	bad       []FieldError
	unplaced  unplaced   // of the present object
	rescued   *builder   // nil without Rescue
	found     *Inference // nil without Evolve
	text      []byte     // unescaped keys and texts
	batch     Batch
}

// NewJSONDecoder compiles schema. It returns an error if a type cannot be decoded from JSON, if two fields have
// the same name (without regard to case if IgnoreCase is set), or if an option is malformed.
func NewJSONDecoder(schema *Schema, opts JSONOptions) (*JSONDecoder, error) {
	if opts.TimestampUnit != 0 && (opts.Coerce || len(opts.TimestampFormats) > 0) {
		return nil, errors.New("TimestampUnit goes neither with Coerce nor with TimestampFormats")
	}
	d := &JSONDecoder{schema: schema, opts: opts}
	for _, f := range opts.TimestampFormats {
		var pattern *TimePattern
		if f != "millis" {
			var err error
			if pattern, err = CompileTimePattern(f); err != nil {
				return nil, err
			}
		}
		d.times = append(d.times, pattern)
	}
	if opts.Rescue {
		d.rescued = newBuilder(Type{Kind: String})
	}
	if opts.Evolve {
		d.found = NewInference(InferOptions{Times: true})
	}
	d.slowTimes = len(d.times) > 0 || opts.Coerce || opts.Location != nil || opts.TimestampFormat != nil
	kids := make([]*builder, len(schema.Fields))
	for i, f := range schema.Fields {
		kids[i] = newBuilder(f.Type)
		d.batch.Columns = append(d.batch.Columns, &kids[i].Column)
	}
	d.batch.Schema = schema
	root, err := d.compileObject(schema.Fields, kids, "")
	d.root = root
	return d, err
}

// object is a compiled struct, the whole schema included.
type object struct {
	fields []*node
	byKey  map[string]int
	first  int    // the field that came first last time
	lead   []byte // what stood before its value then: the quoted key, the colon, and spaces
}

// node is a compiled column. Its builder knows how many rows it has, so a field was seen in the present
// object when it is one row ahead.
type node struct {
	*builder
	kind Kind
	path string
	lead []byte // what last stood between the value before and this one: a comma, the quoted key, a colon, and spaces
	next int    // the field that followed this one last time
	obj  object // of a struct
	kids []*node
	// day is the text of the day seen last, dayStart its first microsecond.
	day      [10]byte
	dayStart int64
}

func (d *JSONDecoder) compileObject(fields []Field, kids []*builder, path string) (object, error) {
	o := object{byKey: make(map[string]int, len(fields))}
	renamed := map[string]string{}
	for key, field := range d.opts.KeyNames {
		renamed[d.fold(field)] = key
	}
	for i, f := range fields {
		n, err := d.compile(f.Type, kids[i], path+f.Name)
		if err != nil {
			return o, err
		}
		key := f.Name
		if k, ok := renamed[d.fold(f.Name)]; ok {
			key = k
		}
		if _, twice := o.byKey[d.fold(key)]; twice {
			return o, fmt.Errorf("field %q: two fields have this name", path+f.Name)
		}
		o.byKey[d.fold(key)] = i
		n.lead = append(appendJSON([]byte{','}, key), ':')
		n.next = i + 1
		o.fields = append(o.fields, n)
	}
	if len(o.fields) > 0 {
		o.lead = slices.Clone(o.fields[0].lead[1:])
	}
	return o, nil
}

func (d *JSONDecoder) fold(key string) string {
	if d.opts.DotsToUnderscores {
		key = strings.ReplaceAll(key, ".", "_")
	}
	if d.opts.IgnoreCase {
		key = strings.ToLower(key)
	}
	return key
}

func (d *JSONDecoder) compile(t Type, b *builder, path string) (*node, error) {
	n := &node{builder: b, kind: t.Kind, path: path}
	var err error
	switch t.Kind {
	case Struct:
		n.obj, err = d.compileObject(t.Fields, b.kids, path+".")
	case List:
		err = d.compileKids(n, t, []string{".element"})
	case Map:
		if t.Fields[0].Type.Kind != String {
			return nil, fmt.Errorf("field %q: keys of a JSON map are strings, not %s", path, t.Fields[0].Type)
		}
		err = d.compileKids(n, t, []string{".key", ".value"})
	default:
		if t.Kind > Map || t.Kind == Decimal && (t.Precision < 1 || t.Precision > precisionMax || t.Scale < 0 || t.Scale > t.Precision) {
			return nil, fmt.Errorf("field %q: %w: %s", path, ErrType, t)
		}
	}
	return n, err
}

func (d *JSONDecoder) compileKids(n *node, t Type, names []string) error {
	for i, name := range names {
		kid, err := d.compile(t.Fields[i].Type, n.builder.kids[i], n.path+name)
		if err != nil {
			return err
		}
		n.kids = append(n.kids, kid)
	}
	return nil
}

// Append decodes all objects of one record (usually one, several may stand back to back) and adds a row for
// each. rows is the number added. bad, if not nil, lists fields that were set to null because their value did
// not fit, the first hundred of them; the slice is reused by the next call. err says that the record is not such
// JSON at all (ErrEmpty: it has no object) or does not fit the batch any more (ErrFull): then rows is 0 and the
// batch is as before.
func (d *JSONDecoder) Append(record []byte) (rows int, bad []FieldError, err error) {
	if len(record) > math.MaxInt32-d.size {
		return 0, nil, ErrFull
	}
	d.bad = d.bad[:0]
	d.cells = cellsMax
	start := d.rows
	p := skipSpace(record, 0)
	if p == len(record) {
		return 0, nil, ErrEmpty
	}
	d.recordCap = cap(record)
	settle := d.rescued != nil || d.found != nil
	for p < len(record) {
		var from int
		if record[p] != '{' {
			err = syntaxAt(record, p, "an object")
		} else {
			from = p
			if settle {
				d.unplaced = unplaced{misfits: d.unplaced.misfits[:0]}
			}
			p, err = d.object(&d.root, record, p+1, d.rows, 1)
		}
		if err != nil {
			d.rows = start
			d.truncate(start)
			return 0, nil, err
		}
		if settle {
			d.settle(record, from, p)
		}
		d.rows++
		p = skipSpace(record, p)
	}
	d.size += len(record)
	if len(d.bad) > 0 {
		bad = d.bad
	}
	return d.rows - start, bad, nil
}

// RescuedColumn holds, for each row, a JSON object of the members that the schema has no field for and of the values that do not fit, as
// they were written, or null; those of structs are in objects of the same names, an array or map is there as a whole. A value that is rescued
// is no bad field. Options must have Rescue.
func (d *JSONDecoder) RescuedColumn() *Column { return &d.rescued.Column }

// truncate keeps the first rows.
func (d *JSONDecoder) truncate(rows int) {
	d.root.truncate(rows)
	if d.rescued != nil {
		d.rescued.truncate(rows)
	}
}

func (o *object) truncate(rows int) {
	for _, f := range o.fields {
		f.truncate(rows)
	}
}

// object reads the members of an object whose opening brace stands before p, and gives each field its row
// number row.
func (d *JSONDecoder) object(o *object, b []byte, p, row, depth int) (int, error) {
	if depth > depthMax {
		return p, errDepth
	}
	guess, lead := o.first, o.lead
	var prev *node
	for first := true; ; first = false {
		var f *node
		var err error
		if at := p + len(lead); guess < len(o.fields) && at < len(b) && b[at] > ' ' && sameText(b[p:at], lead) {
			f, p = o.fields[guess], at
		} else {
			var done bool
			if f, p, done, err = d.member(o, prev, b, p, first); err != nil {
				return p, err
			}
			if done {
				o.fill(row)
				return p, nil
			}
		}
		if f == nil {
			d.unplaced.unknown = true
			p, err = skipValue(b, p, depth)
			if first {
				guess = len(o.fields) // what is known of the first member has no comma
			}
		} else {
			if f.Len > row {
				f.truncate(row)
			}
			p, err = d.value(f, b, p, depth)
			if prev, guess = f, f.next; guess < len(o.fields) {
				lead = o.fields[guess].lead
			}
		}
		if err != nil {
			return p, err
		}
	}
}

// sameText compares two texts of the same length, eight bytes at once.
func sameText(a, b []byte) bool {
	n := len(b)
	if len(a) != n {
		return false
	}
	if n < 8 {
		return string(a) == string(b)
	}
	for i := 0; i <= n-8; i += 8 {
		if binary.LittleEndian.Uint64(a[i:]) != binary.LittleEndian.Uint64(b[i:]) {
			return false
		}
	}
	return binary.LittleEndian.Uint64(a[n-8:]) == binary.LittleEndian.Uint64(b[n-8:])
}

// fill gives null to the fields that the object in row lacked.
func (o *object) fill(row int) {
	for _, f := range o.fields {
		if f.Len == row {
			f.addNull()
		}
	}
}

// member reads up to the value of the next member, which was not predicted, or to the end of the object; the field is nil if no column
// wants it. What led to it is remembered, so that a stream's own order of keys is predicted from its second record on.
func (d *JSONDecoder) member(o *object, prev *node, b []byte, p int, first bool) (f *node, next int, done bool, err error) {
	from := p
	if first {
		if p = skipSpace(b, p); p < len(b) && b[p] == '}' {
			return nil, p + 1, true, nil
		}
		from = p
	} else if p, done, err = scanComma(b, p, '}'); done || err != nil {
		return nil, p, done, err
	}
	if p >= len(b) || b[p] != '"' {
		return nil, p, false, syntaxAt(b, p, "a key")
	}
	end, escaped, err := scanString(b, p+1)
	if err != nil {
		return nil, end, false, err
	}
	if next, err = scanColon(b, end+1); err != nil {
		return nil, next, false, err
	}
	i, ok := o.lookup(d, b[p+1:end], escaped)
	if !ok {
		return nil, next, false, nil
	}
	f = o.fields[i]
	lead := &f.lead
	switch {
	case prev != nil:
		prev.next = i
	case first:
		o.first, lead = i, &o.lead
	default:
		return f, next, false, nil
	}
	if next-from <= leadMax && string(*lead) != string(b[from:next]) {
		*lead = append((*lead)[:0], b[from:next]...)
	}
	return f, next, false, nil
}

// leadMax bounds the text that is remembered of what leads to a value.
const leadMax = 1 << 10

func (o *object) lookup(d *JSONDecoder, key []byte, escaped bool) (int, bool) {
	if escaped {
		d.text = appendUnescaped(d.text[:0], key)
		key = d.text
	}
	if i, ok := o.byKey[string(key)]; ok || !d.opts.IgnoreCase && !d.opts.DotsToUnderscores {
		return i, ok
	}
	d.text = append(d.text[:0], key...)
	i, ok := o.byKey[string(d.foldBytes(d.text))]
	return i, ok
}

// foldBytes is fold in place.
func (d *JSONDecoder) foldBytes(key []byte) []byte {
	for i, c := range key {
		switch {
		case c >= utf8.RuneSelf:
			return []byte(d.fold(string(key)))
		case c == '.' && d.opts.DotsToUnderscores:
			key[i] = '_'
		case c-'A' <= 25 && d.opts.IgnoreCase:
			key[i] = c | 0x20
		}
	}
	return key
}

// addBlank adds a row of nulls.
func (d *JSONDecoder) addBlank() {
	d.root.fill(d.rows)
	if d.rescued != nil {
		d.rescued.addNull()
	}
	d.rows++
}

// Undo removes the last n rows (for callers that refuse a record whose fields do not fit).
func (d *JSONDecoder) Undo(n int) {
	d.rows -= n
	d.truncate(d.rows)
}

// Len is the number of rows since the last Reset.
func (d *JSONDecoder) Len() int { return d.rows }

// Size is the number of bytes of all records decoded since the last Reset: a measure of the batch's memory.
func (d *JSONDecoder) Size() int { return d.size }

// Batch returns the rows appended since the last Reset. It shares the decoder's buffers.
func (d *JSONDecoder) Batch() *Batch {
	d.batch.Len = d.rows
	return &d.batch
}

// Reset forgets all rows and keeps the buffers, very large ones excepted.
func (d *JSONDecoder) Reset() {
	for _, f := range d.root.fields {
		f.reset()
	}
	if d.rescued != nil {
		d.rescued.reset()
	}
	d.rows, d.size = 0, 0
	if cap(d.text) > keepMax {
		d.text = nil
	}
}
