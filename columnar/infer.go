package columnar

import (
	"errors"
	"fmt"
	"strings"
)

// Unknown is the kind of a value that was only ever null. It gives way to any other in Widen, and stands in schemas that an Inference
// gave only.
const Unknown = Kind(255)

// ErrWide says that a record has more members, or is nested deeper, than one of a table.
var ErrWide = errors.New("record is too wide or too deep for a table")

// InferOptions of an Inference. The zero value is as Spark infers the schema of JSON.
type InferOptions struct {
	// Times makes strings that are all dates or all timestamps columns of these types.
	Times bool
	// Ints makes whole numbers that all fit 32 bits int rather than bigint (Glue).
	Ints bool
	// Decimals makes numbers with a fraction decimals rather than doubles, where 38 digits hold them (Spark's prefersDecimal).
	Decimals bool
	// IgnoreCase takes names that differ only in case as one.
	IgnoreCase bool
	// MembersMax is how many members an object may have, DepthMax the nesting from which on a value is text. Default 2000 and 60.
	MembersMax, DepthMax int
}

// Inference learns the schema of JSON records: their fields in the order in which they first came, and how often each was there. Its memory
// is bounded by the distinct names. It is not safe for concurrent use.
type Inference struct {
	opts    InferOptions
	root    inferred
	records int64
	nodes   int
	text    []byte
	zones   zoneCache
}

// inferredMax bounds the names that an Inference keeps, at all depths.
const inferredMax = 20_000

// inferred is what is known of the values at one place.
type inferred struct {
	name   string
	t      Type        // of scalars; Struct and List without their fields
	fields []*inferred // of a Struct; of a List the element
	byName map[string]int
	seen   int64 // records that had it, not null
	last   int64 // the newest of these, from 1
	odd    bool  // one of them was no number that may be epoch milliseconds
}

// NewInference returns one that has seen nothing.
func NewInference(opts InferOptions) *Inference {
	setDefault(&opts.MembersMax, 2000)
	setDefault(&opts.DepthMax, typeDepthMax-4)
	n := &Inference{opts: opts}
	n.root.t = Type{Kind: Struct}
	return n
}

// Records is the number of records that were learnt from.
func (n *Inference) Records() int64 { return n.records }

// Add learns from a record: one object, or several back to back. A record that is none leaves what was learnt of its first objects.
func (n *Inference) Add(record []byte) error {
	p := skipSpace(record, 0)
	if p == len(record) {
		return ErrEmpty
	}
	for p < len(record) {
		size, err := n.next(record[p:])
		if err != nil {
			return err
		}
		p = skipSpace(record, p+size)
	}
	return nil
}

// Sample learns from the beginning of a file: objects one after the other, on lines or not, or one array of them. It stops behind limit
// records. read is how many bytes it took, array that they are an array's; err, which leaves the objects before it, is that of the object at read.
func (n *Inference) Sample(data []byte, limit int64) (read int, array bool, err error) {
	p := skipSpace(data, 0)
	if array = p < len(data) && data[p] == '['; array {
		p = skipSpace(data, p+1)
	}
	for first := true; n.records < limit; first = false {
		if p == len(data) {
			if array {
				err = errTail
			}
			return p, array, err
		}
		if array && data[p] == ']' {
			if p = skipSpace(data, p+1); p < len(data) {
				err = syntaxAt(data, p, "the end")
			}
			return p, array, err
		}
		if array && !first {
			if data[p] != ',' {
				return p, array, syntaxAt(data, p, "a comma")
			}
			p = skipSpace(data, p+1)
		}
		size, err := n.next(data[p:])
		if err != nil {
			return p, array, err
		}
		p = skipSpace(data, p+size)
	}
	return p, array, nil
}

// next learns from the object at the beginning of data and returns its length. An object that is no JSON teaches nothing; ErrWide is the
// error of one that is, but no row.
func (n *Inference) next(data []byte) (size int, err error) {
	if len(data) == 0 || data[0] != '{' {
		return 0, syntaxAt(data, 0, "an object")
	}
	// First the grammar, so that half an object changes nothing.
	if size, err = skipValue(data, 0, 0); err != nil {
		return 0, err
	}
	if err := n.object(&n.root, data, 1); err != nil {
		return 0, err
	}
	n.records++
	return size, nil
}

// object learns from the checked object b.
func (n *Inference) object(o *inferred, b []byte, depth int) error {
	count := 0
	for key, value := range members(b) {
		if count++; count > n.opts.MembersMax {
			return fmt.Errorf("%w: an object of more than %d members", ErrWide, n.opts.MembersMax)
		}
		f := n.field(o, key)
		if f == nil {
			continue
		}
		if value[0] != 'n' && f.last <= n.records {
			f.seen++
			f.last = n.records + 1
		}
		if err := n.value(f, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// field returns the member of o that the raw key names, nil if there are too many.
func (n *Inference) field(o *inferred, key []byte) *inferred {
	n.text = appendUnescaped(n.text[:0], key)
	if n.opts.IgnoreCase {
		n.text = append(n.text[:0], strings.ToLower(string(n.text))...)
	}
	if i, ok := o.byName[string(n.text)]; ok {
		return o.fields[i]
	}
	if len(o.fields) >= n.opts.MembersMax || n.nodes >= inferredMax {
		return nil
	}
	if o.byName == nil {
		o.byName = map[string]int{}
	}
	o.byName[string(n.text)] = len(o.fields)
	f := &inferred{name: string(appendUnescaped(nil, key)), t: Type{Kind: Unknown}}
	o.fields = append(o.fields, f)
	n.nodes++
	return f
}

// value learns from the checked value b.
func (n *Inference) value(v *inferred, b []byte, depth int) error {
	switch {
	case b[0] != '{' && b[0] != '[':
		v.odd = v.odd || b[0] != 'n' && !maybeMillis(b)
		if v.t.Kind != String {
			v.t = Widen(v.t, n.scalar(b), n.opts.IgnoreCase)
		}
		return nil
	case depth >= n.opts.DepthMax:
		v.t = Type{Kind: String}
		return nil
	}
	kind := Struct
	if b[0] == '[' {
		kind = List
	}
	if v.t.Kind == Unknown {
		v.t.Kind = kind
	}
	if v.t.Kind != kind {
		v.t = Type{Kind: String}
		v.fields, v.byName = nil, nil
		return nil
	}
	if kind == Struct {
		return n.object(v, b, depth+1)
	}
	if v.fields == nil {
		v.fields = []*inferred{{name: "element", t: Type{Kind: Unknown}}}
	}
	for value := range elements(b) {
		if err := n.value(v.fields[0], value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// scalar is the type of a checked value that is neither object nor array.
func (n *Inference) scalar(b []byte) Type {
	switch c := b[0]; {
	case c == 'n':
		return Type{Kind: Unknown}
	case c == 't' || c == 'f':
		return Type{Kind: Bool}
	case c == 'N' || c == 'I' || c == '+' || c == '-' && signsName(b, 0):
		return Type{Kind: Float64}
	case c != '"':
		return n.number(b)
	case n.opts.Times:
		n.text = appendUnescaped(n.text[:0], b[1:len(b)-1])
		return Type{Kind: n.timeKind(n.text)}
	}
	return Type{Kind: String}
}

// maybeMillis says whether a value is a number of 13 digits that, as milliseconds since 1970, lies before 2100.
func maybeMillis[T string | []byte](b T) bool {
	const year2100 = "4102444800000"
	if len(b) != len(year2100) || b[0] < '1' || string(b) >= year2100 {
		return false
	}
	for i := range len(b) {
		if b[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// number is bigint where it fits, a decimal for larger whole numbers, else double.
func (n *Inference) number(b []byte) Type {
	num, _, _ := scanNumber(b, 0)
	if v, ok := num.int64(false); ok {
		if n.opts.Ints && fitsWidth(v, 4) {
			return Type{Kind: Int32}
		}
		return Type{Kind: Int64}
	}
	if !num.whole && !n.opts.Decimals {
		return Type{Kind: Float64}
	}
	if b[0] == '-' {
		b = b[1:]
	}
	var digits [precisionMax + 2]byte
	count, point, exp := decimalParts(b, &digits)
	whole := max(0, point+exp)
	scale := max(0, count-point-exp)
	if n.opts.Ints || whole+scale > precisionMax || count == 0 {
		return Type{Kind: Float64}
	}
	return Type{Kind: Decimal, Precision: max(1, whole+scale), Scale: scale}
}

// timeKind is Date for text such as 2019-01-31, Timestamp for one with a time behind it, else String.
func (n *Inference) timeKind(text []byte) Kind {
	if len(text) < len("2019-01-31") || len(text) > 64 || text[4] != '-' || text[7] != '-' || text[0]-'0' > 9 {
		return String
	}
	if len(text) == len("2019-01-31") {
		if _, ok := parseDate(text); ok {
			return Date
		}
		return String
	}
	if _, ok := parseWallClock(text, &n.zones); ok && len(text) >= len("2019-01-31 08:00") && text[13] == ':' {
		return Timestamp
	}
	return String
}

// Widen is the narrowest type that holds both a and b, as Spark merges what it infers; string holds all. Fields of structs are those of a, then
// those that only b has; with ignoreCase, which is Hive's way, names that differ only in case are one.
func Widen(a, b Type, ignoreCase bool) Type {
	switch {
	case a.Kind == Unknown:
		return b
	case b.Kind == Unknown:
		return a
	case a.Kind == Struct && b.Kind == Struct:
		return Type{Kind: Struct, Fields: WidenFields(a.Fields, b.Fields, ignoreCase)}
	case a.Kind == List && b.Kind == List, a.Kind == Map && b.Kind == Map:
		fields := make([]Field, len(a.Fields))
		for i := range fields {
			fields[i] = a.Fields[i]
			fields[i].Type = Widen(a.Fields[i].Type, b.Fields[i].Type, ignoreCase)
		}
		return Type{Kind: a.Kind, Fields: fields}
	case a.Kind == b.Kind && a.Kind != Decimal:
		return a
	case isInteger(a.Kind) && isInteger(b.Kind):
		return Type{Kind: max(a.Kind, b.Kind)}
	case isNumber(a.Kind) && isNumber(b.Kind):
		return widenNumbers(a, b)
	case isTime(a.Kind) && isTime(b.Kind):
		return Type{Kind: Timestamp}
	}
	return Type{Kind: String}
}

// integerDigits are the digits that Spark gives to an integer that meets a decimal.
var integerDigits = map[Kind]int{Int8: 3, Int16: 5, Int32: 10, Int64: 20}

// widenNumbers widens two numbers of which one at least is no integer.
func widenNumbers(a, b Type) Type {
	for _, t := range []*Type{&a, &b} {
		if digits, ok := integerDigits[t.Kind]; ok {
			*t = Type{Kind: Decimal, Precision: digits}
		}
	}
	if a.Kind != Decimal || b.Kind != Decimal {
		return Type{Kind: Float64}
	}
	scale := max(a.Scale, b.Scale)
	whole := max(a.Precision-a.Scale, b.Precision-b.Scale)
	if whole+scale > precisionMax {
		return Type{Kind: Float64}
	}
	return Type{Kind: Decimal, Precision: whole + scale, Scale: scale}
}

func isInteger(k Kind) bool { return k >= Int8 && k <= Int64 }

func isNumber(k Kind) bool { return isInteger(k) || k == Float32 || k == Float64 || k == Decimal }

func isTime(k Kind) bool { return k == Date || k == Timestamp || k == TimestampNTZ }

// WidenFields widens the fields of two records by name; see Widen.
func WidenFields(a, b []Field, ignoreCase bool) []Field {
	if len(a) == 0 {
		return b
	}
	fold := func(name string) string {
		if ignoreCase {
			return strings.ToLower(name)
		}
		return name
	}
	out := append([]Field(nil), a...)
	index := make(map[string]int, len(a))
	for i, f := range a {
		index[fold(f.Name)] = i
	}
	for _, f := range b {
		name := fold(f.Name)
		if i, ok := index[name]; ok {
			out[i].Type = Widen(out[i].Type, f.Type, ignoreCase)
			continue
		}
		index[name] = len(out)
		out = append(out, f)
	}
	return out
}

// InferredField is a field of what an Inference learnt.
type InferredField struct {
	Field
	Seen int64 // records that had it, not null
	// MaybeMillis says that all of its values are whole numbers that, as milliseconds since 1970, lie between September 2001 and 2100.
	MaybeMillis bool
}

// Fields are the fields of the records, in the order in which they first came. Types may hold Unknown, and structs without fields; see Resolve.
func (n *Inference) Fields() []InferredField {
	var out []InferredField
	for _, f := range n.root.fields {
		out = append(out, InferredField{Field{Name: f.name, Type: f.full(), Nullable: true}, f.seen, f.t.Kind == Int64 && !f.odd})
	}
	return out
}

// full is the type with all of its fields.
func (v *inferred) full() Type {
	t := v.t
	for _, f := range v.fields {
		t.Fields = append(t.Fields, Field{Name: f.name, Type: f.full(), Nullable: true})
	}
	if t.Kind == List && t.Fields == nil {
		t.Fields = []Field{{Name: "element", Type: Type{Kind: Unknown}, Nullable: true}}
	}
	return t
}

// Resolve makes a type that was inferred one that a schema may have, as Spark does: what was only ever null is a string, and structs without
// fields are left out, with lists of such. ok is false if nothing is left.
func Resolve(t Type) (resolved Type, ok bool) {
	switch t.Kind {
	case Unknown:
		return Type{Kind: String}, true
	case Struct, List:
		fields := make([]Field, 0, len(t.Fields))
		for _, f := range t.Fields {
			if f.Type, ok = Resolve(f.Type); ok {
				fields = append(fields, f)
			}
		}
		return Type{Kind: t.Kind, Fields: fields}, len(fields) > 0
	}
	return t, true
}
