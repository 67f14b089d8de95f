// Package columnar turns bytes into columns and back: decoders of JSON, CSV, Avro and text compiled from a schema,
// Parquet in and out.
//
// A Batch is the one row format that travels between weir's packages: decoders fill it, the engine
// hands its buffers to SQL, Delta and the Parquet writer read it. Its layout is Arrow's, so that
// nothing is copied twice. The usual order of calls is: get a Schema (written by hand, parsed from
// Spark's or Hive's type names, or inferred), compile a decoder from it, Append records, take the Batch. A RecordDecoder
// is the decoder of any Format, with the columns that are about the record itself; an Inference learns a Schema.
package columnar

import "fmt"

// Kind is the physical and logical family of a Type.
type Kind uint8

// The kinds. Widths are those of one value in Column.Data.
const (
	Bool         Kind = iota // 1 byte, 0 or 1
	Int8                     // 1 byte
	Int16                    // 2 bytes
	Int32                    // 4 bytes
	Int64                    // 8 bytes
	Float32                  // 4 bytes
	Float64                  // 8 bytes
	String                   // UTF-8, variable
	Binary                   // bytes, variable
	Date                     // 4 bytes: days since 1970-01-01
	Timestamp                // 8 bytes: microseconds since 1970-01-01T00:00:00Z, an instant
	TimestampNTZ             // 8 bytes: microseconds since 1970-01-01T00:00:00, a wall clock without zone
	Decimal                  // 16 bytes, little-endian two's complement, scaled by 10^Scale; Precision <= 38
	Struct                   // Fields
	List                     // Fields[0] is the element
	Map                      // Fields[0] is the key, Fields[1] the value
)

// Type is the type of a column. Precision and Scale belong to Decimal, Fields to Struct, List and Map.
type Type struct {
	Kind      Kind
	Precision int
	Scale     int
	Fields    []Field
}

// Field is a named column of a schema or a struct. Metadata is nil or Spark's field metadata.
type Field struct {
	Name     string
	Type     Type
	Nullable bool
	Metadata map[string]any
}

// Schema is the ordered list of a table's fields.
type Schema struct {
	Fields []Field
}

// Index returns the position of the field called name, or -1.
func (s *Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Width is the number of bytes of one value in Column.Data, 0 for String, Binary and the nested kinds.
func (k Kind) Width() int {
	switch k {
	case Bool, Int8:
		return 1
	case Int16:
		return 2
	case Int32, Float32, Date:
		return 4
	case Int64, Float64, Timestamp, TimestampNTZ:
		return 8
	case Decimal:
		return 16
	}
	return 0
}

// Column holds the values of one field for Len rows, in Arrow's layout, little-endian.
type Column struct {
	Type Type
	Len  int
	// Valid has one bit a row, least significant first, set where the value is not null. Nil means that
	// no value is null. Its capacity is rounded up to 8 bytes so that it can be read as 64-bit words.
	Valid []byte
	// Data holds Len fixed-width values, or the bytes of all strings one after the other.
	Data []byte
	// Offsets, for String, Binary, List and Map, has Len+1 entries into Data or into the child's rows.
	Offsets []int32
	// Children are the columns of the nested kinds: the fields of a struct, the element of a list, the
	// key and the value of a map.
	Children []*Column
}

// Null says whether row i is null.
func (c *Column) Null(i int) bool { return c.Valid != nil && c.Valid[i>>3]&(1<<(i&7)) == 0 }

// Bytes returns the value of row i of a String or Binary column, without copying.
func (c *Column) Bytes(i int) []byte { return c.Data[c.Offsets[i]:c.Offsets[i+1]] }

// Batch is Len rows of a schema. Its buffers belong to the one who made it: a decoder that is reset
// reuses them, so a reader that keeps values copies them.
type Batch struct {
	Schema  *Schema
	Len     int
	Columns []*Column
}

// String is the type in Spark's simpleString form: bigint, decimal(10,2), struct<a:int>, array<string>.
func (t Type) String() string {
	switch t.Kind {
	case Bool:
		return "boolean"
	case Int8:
		return "tinyint"
	case Int16:
		return "smallint"
	case Int32:
		return "int"
	case Int64:
		return "bigint"
	case Float32:
		return "float"
	case Float64:
		return "double"
	case String:
		return "string"
	case Binary:
		return "binary"
	case Date:
		return "date"
	case Timestamp:
		return "timestamp"
	case TimestampNTZ:
		return "timestamp_ntz"
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Struct:
		s := "struct<"
		for i, f := range t.Fields {
			if i > 0 {
				s += ","
			}
			s += f.Name + ":" + f.Type.String()
		}
		return s + ">"
	case List:
		return "array<" + t.Fields[0].Type.String() + ">"
	case Map:
		return "map<" + t.Fields[0].Type.String() + "," + t.Fields[1].Type.String() + ">"
	}
	return fmt.Sprintf("Kind(%d)", t.Kind)
}
