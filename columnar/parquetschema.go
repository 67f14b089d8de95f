package columnar

import (
	"fmt"
	"math/bits"
	"reflect"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// How types lie in Parquet, as Spark writes them: integers below 32 bits as INT32 with their width, dates as INT32,
// timestamps as INT64 microseconds (adjusted to UTC, or not for TimestampNTZ), decimals as INT32 up to 9 digits, INT64
// up to 18, else big-endian bytes; lists and maps in three levels (list.element, key_value.key and .value).

// orderedGroup is a parquet.Group that keeps its fields in the order of the schema.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g orderedGroup) Fields() []parquet.Field { return g.fields }

// namedField is a node of an orderedGroup. Rows are written column by column, never from Go structs.
type namedField struct {
	parquet.Node
	name string
}

func (f namedField) Name() string { return f.name }

func (f namedField) Value(reflect.Value) reflect.Value {
	panic("columnar writes columns, not Go values")
}

// groupNode makes the node of a struct, or of a whole schema.
func groupNode(fields []Field, opts ParquetOptions) (parquet.Node, error) {
	g := orderedGroup{Group: parquet.Group{}}
	for _, f := range fields {
		if _, twice := g.Group[f.Name]; twice {
			return nil, fmt.Errorf("field %q: two fields have this name", f.Name)
		}
		node, err := fieldNode(f, opts)
		if err != nil {
			return nil, err
		}
		g.Group[f.Name] = node
		g.fields = append(g.fields, namedField{node, f.Name})
	}
	if len(g.fields) == 0 {
		return nil, fmt.Errorf("%w: Parquet has no struct without fields", ErrType)
	}
	return g, nil
}

func fieldNode(f Field, opts ParquetOptions) (parquet.Node, error) {
	node, err := typeNode(f.Type, opts)
	if err != nil {
		return nil, fmt.Errorf("field %q: %w", f.Name, err)
	}
	if node.Leaf() && f.Type.Kind != Bool && !opts.NoDictionary {
		node = parquet.Encoded(node, &parquet.RLEDictionary)
	}
	if f.Nullable {
		return parquet.Optional(node), nil
	}
	return parquet.Required(node), nil
}

func typeNode(t Type, opts ParquetOptions) (parquet.Node, error) {
	switch t.Kind {
	case Bool:
		return parquet.Leaf(parquet.BooleanType), nil
	case Int8, Int16, Int32, Int64:
		return parquet.Int(8 * t.Kind.Width()), nil
	case Float32:
		return parquet.Leaf(parquet.FloatType), nil
	case Float64:
		return parquet.Leaf(parquet.DoubleType), nil
	case String:
		return parquet.String(), nil
	case Binary:
		return parquet.Leaf(parquet.ByteArrayType), nil
	case Date:
		return parquet.Date(), nil
	case Timestamp, TimestampNTZ:
		return parquet.TimestampAdjusted(parquet.Microsecond, t.Kind == Timestamp), nil
	case Decimal:
		return parquet.Decimal(t.Scale, t.Precision, decimalPhysical(t.Precision)), nil
	case Struct:
		return groupNode(t.Fields, opts)
	case List:
		elem, err := fieldNode(t.Fields[0], opts)
		if err != nil {
			return nil, err
		}
		return parquet.List(elem), nil
	case Map:
		key := t.Fields[0]
		key.Nullable = false
		keyNode, err := fieldNode(key, opts)
		if err != nil {
			return nil, err
		}
		value, err := fieldNode(t.Fields[1], opts)
		if err != nil {
			return nil, err
		}
		return parquet.Map(keyNode, value), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrType, t)
}

func decimalPhysical(precision int) parquet.Type {
	switch {
	case precision <= 9:
		return parquet.Int32Type
	case precision <= 18:
		return parquet.Int64Type
	}
	return parquet.FixedLenByteArrayType(decimalBytes(precision))
}

// decimalBytes is the least number of bytes for a signed number of that many digits.
func decimalBytes(precision int) int {
	limit := int128Pow10(precision)
	n := 64 + bits.Len64(uint64(limit.Hi))
	if limit.Hi == 0 {
		n = bits.Len64(limit.Lo)
	}
	return n/8 + 1
}

// element is a node of a file's schema tree.
type element struct {
	*format.SchemaElement
	children []*element
	leaf     int // index of a leaf's column chunk, -1 for groups
}

const parquetDepthMax = 64

// elementTree builds the tree from the file's flat list. The root is the message itself.
func elementTree(list []format.SchemaElement) (*element, error) {
	leaf := 0
	next := 0
	var build func(depth int) (*element, error)
	build = func(depth int) (*element, error) {
		if next >= len(list) || depth > parquetDepthMax {
			return nil, fmt.Errorf("%w: schema tree is broken or too deep", ErrCorrupt)
		}
		e := &element{SchemaElement: &list[next], leaf: -1}
		next++
		n := int(e.NumChildren.V)
		if n == 0 && e.Type.Valid {
			e.leaf = leaf
			leaf++
			return e, nil
		}
		for range n {
			child, err := build(depth + 1)
			if err != nil {
				return nil, err
			}
			e.children = append(e.children, child)
		}
		return e, nil
	}
	return build(0)
}

func (e *element) repeated() bool {
	return e.RepetitionType.Valid && e.RepetitionType.V == format.Repeated
}

func (e *element) optional() bool {
	return e.RepetitionType.Valid && e.RepetitionType.V == format.Optional
}

func (e *element) converted(c deprecated.ConvertedType) bool {
	return e.ConvertedType.Valid && e.ConvertedType.V == c
}

func (e *element) isList() bool {
	_, ok := e.LogicalType.Value.(*format.ListType)
	return (ok || e.converted(deprecated.List)) && len(e.children) == 1 && e.children[0].repeated()
}

func (e *element) isMap() bool {
	_, ok := e.LogicalType.Value.(*format.MapType)
	return (ok || e.converted(deprecated.Map) || e.converted(deprecated.MapKeyValue)) &&
		len(e.children) == 1 && e.children[0].repeated() && len(e.children[0].children) == 2
}

// listElement finds the element below the repeated child of a list, by the format's rules for older files: the repeated
// node is the element itself if it is a leaf, has several fields, or is named array or NAME_tuple.
func listElement(list *element) (elem *element, wrapped bool) {
	r := list.children[0]
	if len(r.children) != 1 || r.Name == "array" || strings.HasSuffix(r.Name, "_tuple") && strings.HasPrefix(r.Name, list.Name) {
		return r, false
	}
	return r.children[0], true
}

// fieldType is the type of a field; a repeated one outside of a list is a list of itself.
func fieldType(e *element) (Type, error) {
	t, err := nodeType(e)
	if err != nil || !e.repeated() {
		return t, err
	}
	return Type{Kind: List, Fields: []Field{{Name: "element", Type: t}}}, nil
}

// nodeType is the type of a node apart from its being repeated.
func nodeType(e *element) (Type, error) {
	switch {
	case e.leaf >= 0:
		return leafType(e)
	case e.isList():
		elem, wrapped := listElement(e)
		typeOf := nodeType
		if wrapped {
			typeOf = fieldType
		}
		t, err := typeOf(elem)
		return Type{Kind: List, Fields: []Field{{Name: "element", Type: t, Nullable: wrapped && elem.optional()}}}, err
	case e.isMap():
		key, err := fieldType(e.children[0].children[0])
		if err != nil {
			return Type{}, err
		}
		value, err := fieldType(e.children[0].children[1])
		return Type{Kind: Map, Fields: []Field{{Name: "key", Type: key},
			{Name: "value", Type: value, Nullable: e.children[0].children[1].optional()}}}, err
	case len(e.children) == 0:
		return Type{}, fmt.Errorf("%w: group %q has no fields", ErrCorrupt, e.Name)
	}
	t := Type{Kind: Struct}
	for _, child := range e.children {
		ct, err := fieldType(child)
		if err != nil {
			return Type{}, fmt.Errorf("field %q: %w", child.Name, err)
		}
		t.Fields = append(t.Fields, Field{Name: child.Name, Type: ct, Nullable: child.optional()})
	}
	return t, nil
}

// leafType is the type of a leaf, whose physical type must be one that can hold it.
func leafType(e *element) (Type, error) {
	t, err := annotatedType(e)
	if err != nil {
		return t, err
	}
	physical := e.Type.V
	ok := true
	switch t.Kind {
	case Bool:
		ok = physical == format.Boolean
	case Int8, Int16, Int32, Date:
		ok = physical == format.Int32
	case Int64:
		ok = physical == format.Int32 || physical == format.Int64
	case Float32:
		ok = physical == format.Float
	case Float64:
		ok = physical == format.Double
	case String, Binary:
		ok = physical == format.ByteArray || physical == format.FixedLenByteArray
	case Timestamp, TimestampNTZ:
		ok = physical == format.Int64 || physical == format.Int96
	case Decimal:
		ok = physical == format.Int32 || physical == format.Int64 || physical == format.ByteArray || physical == format.FixedLenByteArray
	}
	if !ok {
		return Type{}, fmt.Errorf("%w: %s as Parquet physical type %d", ErrCorrupt, t, physical)
	}
	return t, nil
}

// annotatedType goes by the logical, the converted, or the physical type. Types that have none here (TIME, INTERVAL,
// unsigned 64 bits) are refused.
func annotatedType(e *element) (Type, error) {
	switch l := e.LogicalType.Value.(type) {
	case *format.DecimalType:
		return decimalType(int(l.Precision), int(l.Scale))
	case *format.TimestampType:
		if l.IsAdjustedToUTC {
			return Type{Kind: Timestamp}, nil
		}
		return Type{Kind: TimestampNTZ}, nil
	case *format.IntType:
		return intType(int(l.BitWidth), l.IsSigned)
	case *format.StringType, *format.EnumType, *format.JsonType:
		return Type{Kind: String}, nil
	case *format.DateType:
		return Type{Kind: Date}, nil
	case *format.TimeType:
		return Type{}, fmt.Errorf("%w: Parquet TIME", ErrType)
	}
	if e.ConvertedType.Valid {
		switch c := e.ConvertedType.V; c {
		case deprecated.UTF8, deprecated.Enum, deprecated.Json:
			return Type{Kind: String}, nil
		case deprecated.Decimal:
			return decimalType(int(e.Precision.V), int(e.Scale.V))
		case deprecated.Date:
			return Type{Kind: Date}, nil
		case deprecated.TimestampMillis, deprecated.TimestampMicros:
			return Type{Kind: Timestamp}, nil
		case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return intType(8<<(c-deprecated.Uint8), false)
		case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
			return intType(8<<(c-deprecated.Int8), true)
		case deprecated.TimeMillis, deprecated.TimeMicros, deprecated.Interval:
			return Type{}, fmt.Errorf("%w: Parquet converted type %d", ErrType, c)
		}
	}
	switch e.Type.V {
	case format.Boolean:
		return Type{Kind: Bool}, nil
	case format.Int32:
		return Type{Kind: Int32}, nil
	case format.Int64:
		return Type{Kind: Int64}, nil
	case format.Int96:
		return Type{Kind: Timestamp}, nil
	case format.Float:
		return Type{Kind: Float32}, nil
	case format.Double:
		return Type{Kind: Float64}, nil
	case format.ByteArray, format.FixedLenByteArray:
		return Type{Kind: Binary}, nil
	}
	return Type{}, fmt.Errorf("%w: Parquet physical type %d", ErrType, e.Type.V)
}

func decimalType(precision, scale int) (Type, error) {
	if precision < 1 || precision > precisionMax || scale < 0 || scale > precision {
		return Type{}, fmt.Errorf("%w: decimal(%d,%d)", ErrType, precision, scale)
	}
	return Type{Kind: Decimal, Precision: precision, Scale: scale}, nil
}

// intType maps unsigned integers to the next wider signed type.
func intType(width int, signed bool) (Type, error) {
	if !signed {
		width *= 2
	}
	switch width {
	case 8:
		return Type{Kind: Int8}, nil
	case 16:
		return Type{Kind: Int16}, nil
	case 32:
		return Type{Kind: Int32}, nil
	case 64:
		return Type{Kind: Int64}, nil
	}
	return Type{}, fmt.Errorf("%w: Parquet integer of %s bits", ErrType, strconv.Itoa(width))
}
