package columnar

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/avro"
)

// ErrAvro says that bytes are no datum of the Avro schema, or that a schema cannot be columns.
var ErrAvro = errors.New("not valid Avro")

// AvroOptions of an Avro decoder.
type AvroOptions struct {
	// Schema is the one that records were written with, as JSON. It may be left out for containers, which bring theirs.
	Schema string
	// Framing says what stands around the datum in a record: none; single-object (0xC3 0x01 and the schema's fingerprint); confluent (0
	// and the number of a schema in a registry, which is not looked at: Schema is the one); container (an object container file).
	Framing string
}

// avroFramings are the values of AvroOptions.Framing; the first is the default.
var avroFramings = []string{"none", "single-object", "confluent", "container"}

// parseAvroOptions reads the options of format avro: avroSchema, as Spark's from_avro has it, and framing.
func parseAvroOptions(options map[string]string) (AvroOptions, error) {
	o := AvroOptions{Framing: avroFramings[0]}
	r := newOptionReader("avro", options)
	r.text("avroSchema", &o.Schema)
	r.text("framing", &o.Framing)
	if !slices.Contains(avroFramings, o.Framing) {
		r.fail("framing", "%q is not none, single-object, confluent or container", o.Framing)
	}
	if o.Schema == "" && o.Framing != "container" {
		r.fail("avroSchema", "is missing: records do not say by which schema they were written")
	}
	return o, r.done("avroSchema", "framing")
}

// AvroFields are the columns of records of an Avro schema, as Spark has them: int, long, float, double, boolean, string, bytes (binary),
// fixed (binary), enum (string), array, map, record (struct); the logical types date, timestamp-millis and -micros (timestamp),
// local-timestamp-millis and -micros (timestamp_ntz), decimal and uuid (string); a union with null is nullable, one of int and long is
// bigint, of float and double double, any other a struct of member0, member1 and so on, of which one is not null. Errors wrap ErrAvro.
func AvroFields(schema string) ([]Field, error) {
	root, err := parseAvroSchema(schema)
	if err != nil {
		return nil, err
	}
	t, err := root.columnType()
	if err != nil {
		return nil, err
	}
	return t.Fields, nil
}

// avroType is a type of an Avro schema: what a value's bytes mean.
type avroType struct {
	kind     string // as in Avro: null, boolean, int, long, float, double, bytes, string, fixed, enum, array, map, record, union
	logical  string
	size     int      // of fixed
	symbols  []string // of enum
	names    []string // of the fields of a record
	parts    []*avroType
	decimal  Type // of the logical type decimal
	nullable bool // of a union: it has the branch null
}

const (
	avroSchemaMax = 1 << 20 // bytes
	avroTypesMax  = 20_000
)

// parseAvroSchema reads the schema of records.
func parseAvroSchema(text string) (*avroType, error) {
	if len(text) > avroSchemaMax {
		return nil, fmt.Errorf("%w: schema of %d bytes", ErrAvro, len(text))
	}
	s, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrAvro, err)
	}
	c := avroCompiler{named: map[string]*avro.SchemaNode{}}
	root, err := c.compile(s.Root(), "", 0)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", ErrAvro, err)
	}
	if root.kind != "record" {
		return nil, fmt.Errorf("%w: schema: is a %s, not a record", ErrAvro, root.kind)
	}
	return root, nil
}

// avroCompiler resolves the names of a schema.
type avroCompiler struct {
	named map[string]*avro.SchemaNode
	open  []string // named types around the one at hand
	types int
}

func (c *avroCompiler) compile(n *avro.SchemaNode, space string, depth int) (*avroType, error) {
	if c.types++; c.types > avroTypesMax || depth > typeDepthMax {
		return nil, errors.New("has too many types, or is nested too deep")
	}
	switch n.Type {
	case "record", "error", "enum", "fixed":
		full := n.Name
		if n.Namespace != "" {
			full = n.Namespace + "." + n.Name
		}
		c.named[full] = n
		return c.compileNamed(n, full, depth)
	case "array":
		return c.compileParts(&avroType{kind: "array"}, []*avro.SchemaNode{n.Items}, space, depth)
	case "map":
		return c.compileParts(&avroType{kind: "map"}, []*avro.SchemaNode{n.Values}, space, depth)
	case "union":
		var branches []*avro.SchemaNode
		for i := range n.Branches {
			branches = append(branches, &n.Branches[i])
		}
		t, err := c.compileParts(&avroType{kind: "union"}, branches, space, depth)
		if err == nil {
			t.nullable = slices.ContainsFunc(t.parts, func(p *avroType) bool { return p.kind == "null" })
		}
		return t, err
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		t := &avroType{kind: n.Type, logical: n.LogicalType}
		return t, t.setDecimal(n)
	}
	for _, full := range []string{space + "." + n.Type, n.Type} {
		if named, ok := c.named[full]; ok {
			return c.compileNamed(named, full, depth)
		}
	}
	return nil, fmt.Errorf("unknown type %q", clip(n.Type, 100))
}

// compileNamed compiles a record, enum or fixed. One that holds itself has no columns.
func (c *avroCompiler) compileNamed(n *avro.SchemaNode, full string, depth int) (*avroType, error) {
	if slices.Contains(c.open, full) {
		return nil, fmt.Errorf("type %s holds itself, which columns cannot", full)
	}
	switch n.Type {
	case "enum":
		return &avroType{kind: "enum", symbols: n.Symbols}, nil
	case "fixed":
		t := &avroType{kind: "fixed", size: n.Size, logical: n.LogicalType}
		return t, t.setDecimal(n)
	}
	c.open = append(c.open, full)
	defer func() { c.open = c.open[:len(c.open)-1] }()
	t := &avroType{kind: "record"}
	var parts []*avro.SchemaNode
	for i := range n.Fields {
		t.names = append(t.names, n.Fields[i].Name)
		parts = append(parts, &n.Fields[i].Type)
	}
	return c.compileParts(t, parts, n.Namespace, depth)
}

func (c *avroCompiler) compileParts(t *avroType, parts []*avro.SchemaNode, space string, depth int) (*avroType, error) {
	for _, part := range parts {
		p, err := c.compile(part, space, depth+1)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, p)
	}
	return t, nil
}

// setDecimal takes the precision of a decimal; one that columns do not hold stays bytes, as the specification wants of what is not understood.
func (t *avroType) setDecimal(n *avro.SchemaNode) error {
	if n.LogicalType != "decimal" || t.kind != "bytes" && t.kind != "fixed" {
		return nil
	}
	t.decimal = Type{Kind: Decimal, Precision: n.Precision, Scale: n.Scale}
	if n.Precision < 1 || n.Precision > precisionMax || n.Scale < 0 || n.Scale > n.Precision {
		t.logical = ""
	}
	return nil
}

var avroKinds = map[string]Kind{
	"boolean": Bool, "int": Int32, "long": Int64, "float": Float32, "double": Float64, "bytes": Binary, "fixed": Binary, "string": String, "enum": String,
}

var avroLogical = map[string]map[string]Kind{
	"int": {"date": Date},
	"long": {"timestamp-millis": Timestamp, "timestamp-micros": Timestamp,
		"local-timestamp-millis": TimestampNTZ, "local-timestamp-micros": TimestampNTZ},
}

// columnType is the type of the column that holds values of t. A union's nullability is the field's.
func (t *avroType) columnType() (Type, error) {
	switch t.kind {
	case "null":
		return Type{}, fmt.Errorf("%w: a field that is always null has no column", ErrAvro)
	case "record":
		return t.structType(t.names, t.parts)
	case "array":
		elem, err := t.parts[0].columnType()
		return Type{Kind: List, Fields: []Field{{Name: "element", Type: elem, Nullable: t.parts[0].nullable}}}, err
	case "map":
		value, err := t.parts[0].columnType()
		return Type{Kind: Map, Fields: []Field{{Name: "key", Type: Type{Kind: String}}, {Name: "value", Type: value, Nullable: t.parts[0].nullable}}}, err
	case "union":
		return t.unionType()
	}
	if t.logical == "decimal" {
		return t.decimal, nil
	}
	if k, ok := avroLogical[t.kind][t.logical]; ok {
		return Type{Kind: k}, nil
	}
	return Type{Kind: avroKinds[t.kind]}, nil
}

func (t *avroType) structType(names []string, parts []*avroType) (Type, error) {
	s := Type{Kind: Struct}
	for i, p := range parts {
		ft, err := p.columnType()
		if err != nil {
			return s, fmt.Errorf("field %s: %w", names[i], err)
		}
		s.Fields = append(s.Fields, Field{Name: names[i], Type: ft, Nullable: p.nullable || t.kind == "union"})
	}
	if len(s.Fields) == 0 {
		return s, fmt.Errorf("%w: a record without fields has no columns", ErrAvro)
	}
	return s, nil
}

// values are the branches of a union that are not null.
func (t *avroType) values() []*avroType {
	return slices.DeleteFunc(slices.Clone(t.parts), func(p *avroType) bool { return p.kind == "null" })
}

func (t *avroType) unionType() (Type, error) {
	parts := t.values()
	var names []string
	all := Type{Kind: Unknown}
	numbers := true
	for i, p := range parts {
		names = append(names, fmt.Sprintf("member%d", i))
		pt, err := p.columnType()
		if err != nil {
			return Type{}, err
		}
		numbers = numbers && (pt.Kind == Int32 || pt.Kind == Int64 || pt.Kind == Float32 || pt.Kind == Float64) && (i == 0 || isInteger(all.Kind) == isInteger(pt.Kind))
		all = Widen(all, pt, false)
	}
	if len(parts) == 1 || len(parts) > 1 && numbers {
		return all, nil
	}
	return t.structType(names, parts)
}
