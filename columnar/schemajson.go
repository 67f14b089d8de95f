package columnar

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Spark's StructType JSON, which is also Delta's schemaString:
//
//	{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}},
//	 {"name":"b","type":{"type":"array","elementType":"string","containsNull":true},…}]}

// sparkNames are the names of the simple kinds in Spark's JSON form.
var sparkNames = map[Kind]string{
	Bool: "boolean", Int8: "byte", Int16: "short", Int32: "integer", Int64: "long",
	Float32: "float", Float64: "double", String: "string", Binary: "binary",
	Date: "date", Timestamp: "timestamp", TimestampNTZ: "timestamp_ntz",
}

// fieldJSON is a field of a StructType.
type fieldJSON struct {
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"type"`
	Nullable bool            `json:"nullable"`
	Metadata map[string]any  `json:"metadata"`
}

// typeJSON is a StructType, ArrayType or MapType, told apart by Type.
type typeJSON struct {
	Type              string          `json:"type"`
	Fields            []fieldJSON     `json:"fields"`
	ElementType       json.RawMessage `json:"elementType"`
	ContainsNull      *bool           `json:"containsNull"`
	KeyType           json.RawMessage `json:"keyType"`
	ValueType         json.RawMessage `json:"valueType"`
	ValueContainsNull *bool           `json:"valueContainsNull"`
}

// ParseSchemaJSON reads a schema in Spark's StructType JSON form. Numbers in metadata are kept as
// json.Number, whole values of any size. Errors about types wrap ErrType.
func ParseSchemaJSON(text []byte) (*Schema, error) {
	t, err := parseTypeJSON(text, 0)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if t.Kind != Struct {
		return nil, fmt.Errorf("schema: %w: %s is not a struct", ErrType, t)
	}
	return &Schema{Fields: t.Fields}, nil
}

func parseTypeJSON(raw json.RawMessage, depth int) (Type, error) {
	if depth > typeDepthMax {
		return Type{}, fmt.Errorf("%w: nested deeper than %d", ErrType, typeDepthMax)
	}
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '"' {
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return Type{}, err
		}
		return ParseType(name)
	}
	var j typeJSON
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&j); err != nil {
		return Type{}, err
	}
	switch j.Type {
	case "struct":
		return structFromJSON(j.Fields, depth)
	case "array":
		elem, err := parseTypeJSON(j.ElementType, depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("element: %w", err)
		}
		return Type{Kind: List, Fields: []Field{{Name: "element", Type: elem, Nullable: orTrue(j.ContainsNull)}}}, nil
	case "map":
		key, err := parseTypeJSON(j.KeyType, depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("key: %w", err)
		}
		value, err := parseTypeJSON(j.ValueType, depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("value: %w", err)
		}
		return Type{Kind: Map, Fields: []Field{{Name: "key", Type: key},
			{Name: "value", Type: value, Nullable: orTrue(j.ValueContainsNull)}}}, nil
	}
	return Type{}, fmt.Errorf("%w %q", ErrType, clip(j.Type, 40))
}

func structFromJSON(fields []fieldJSON, depth int) (Type, error) {
	t := Type{Kind: Struct, Fields: make([]Field, 0, len(fields))}
	for _, f := range fields {
		ft, err := parseTypeJSON(f.Type, depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if len(f.Metadata) == 0 {
			f.Metadata = nil
		}
		t.Fields = append(t.Fields, Field{Name: f.Name, Type: ft, Nullable: f.Nullable, Metadata: f.Metadata})
	}
	return t, nil
}

func orTrue(b *bool) bool { return b == nil || *b }

// JSON returns the schema in Spark's StructType JSON form, members in Spark's order, no spaces.
func (s *Schema) JSON() []byte {
	return appendTypeJSON(nil, Type{Kind: Struct, Fields: s.Fields})
}

func appendTypeJSON(b []byte, t Type) []byte {
	switch t.Kind {
	case Struct:
		b = append(b, `{"type":"struct","fields":[`...)
		for i, f := range t.Fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"name":`...)
			b = appendJSON(b, f.Name)
			b = append(b, `,"type":`...)
			b = appendTypeJSON(b, f.Type)
			b = fmt.Appendf(b, `,"nullable":%t,"metadata":`, f.Nullable)
			if len(f.Metadata) == 0 {
				b = append(b, `{}`...)
			} else {
				b = appendJSON(b, f.Metadata)
			}
			b = append(b, '}')
		}
		return append(b, `]}`...)
	case List:
		b = append(b, `{"type":"array","elementType":`...)
		b = appendTypeJSON(b, t.Fields[0].Type)
		return fmt.Appendf(b, `,"containsNull":%t}`, t.Fields[0].Nullable)
	case Map:
		b = append(b, `{"type":"map","keyType":`...)
		b = appendTypeJSON(b, t.Fields[0].Type)
		b = append(b, `,"valueType":`...)
		b = appendTypeJSON(b, t.Fields[1].Type)
		return fmt.Appendf(b, `,"valueContainsNull":%t}`, t.Fields[1].Nullable)
	case Decimal:
		return fmt.Appendf(b, `"decimal(%d,%d)"`, t.Precision, t.Scale)
	}
	return appendJSON(b, sparkNames[t.Kind])
}

// appendJSON appends v as JSON without escaping <, > and &. Metadata that came from ParseSchemaJSON always
// encodes; a value that cannot is a mistake of the program.
func appendJSON(b []byte, v any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("schema metadata: %v", err))
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
