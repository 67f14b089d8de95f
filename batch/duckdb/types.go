package duckdb

import (
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

var flatTypes = map[columnar.Kind]struct {
	id   mapping.Type
	name string
}{
	columnar.Bool:         {mapping.TypeBoolean, "BOOLEAN"},
	columnar.Int8:         {mapping.TypeTinyInt, "TINYINT"},
	columnar.Int16:        {mapping.TypeSmallInt, "SMALLINT"},
	columnar.Int32:        {mapping.TypeInteger, "INTEGER"},
	columnar.Int64:        {mapping.TypeBigInt, "BIGINT"},
	columnar.Float32:      {mapping.TypeFloat, "FLOAT"},
	columnar.Float64:      {mapping.TypeDouble, "DOUBLE"},
	columnar.String:       {mapping.TypeVarchar, "VARCHAR"},
	columnar.Binary:       {mapping.TypeBlob, "BLOB"},
	columnar.Date:         {mapping.TypeDate, "DATE"},
	columnar.Timestamp:    {mapping.TypeTimestamp, "TIMESTAMP"},
	columnar.TimestampNTZ: {mapping.TypeTimestamp, "TIMESTAMP"},
}

// logicalType is the type in which a query sees columns of type t. The caller destroys it.
func logicalType(t columnar.Type) mapping.LogicalType {
	switch t.Kind {
	case columnar.Decimal:
		return mapping.CreateDecimalType(uint8(t.Precision), uint8(t.Scale))
	case columnar.Struct:
		var types []mapping.LogicalType
		var names []string
		for _, f := range t.Fields {
			types, names = append(types, logicalType(f.Type)), append(names, f.Name)
		}
		defer destroy(types)
		return mapping.CreateStructType(types, names)
	case columnar.List:
		elem := logicalType(t.Fields[0].Type)
		defer mapping.DestroyLogicalType(&elem)
		return mapping.CreateListType(elem)
	case columnar.Map:
		kv := []mapping.LogicalType{logicalType(t.Fields[0].Type), logicalType(t.Fields[1].Type)}
		defer destroy(kv)
		return mapping.CreateMapType(kv[0], kv[1])
	}
	l := mapping.CreateLogicalType(flatTypes[t.Kind].id)
	if t.Kind == columnar.TimestampNTZ {
		mapping.LogicalTypeSetAlias(l, aliasNTZ)
	}
	return l
}

func destroy(types []mapping.LogicalType) {
	for i := range types {
		mapping.DestroyLogicalType(&types[i])
	}
}

// sqlType is the name of the type that files get for t: instants say that they are.
func sqlType(t columnar.Type) string {
	switch t.Kind {
	case columnar.Timestamp:
		return "TIMESTAMPTZ"
	case columnar.Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case columnar.Struct:
		var fields []string
		for _, f := range t.Fields {
			fields = append(fields, quoteName(f.Name)+" "+sqlType(f.Type))
		}
		return "STRUCT(" + strings.Join(fields, ", ") + ")"
	case columnar.List:
		return sqlType(t.Fields[0].Type) + "[]"
	case columnar.Map:
		return "MAP(" + sqlType(t.Fields[0].Type) + ", " + sqlType(t.Fields[1].Type) + ")"
	}
	return flatTypes[t.Kind].name
}

// columnType is the type that a table gets for a result of type t. DuckDB has types that tables lack: those with a
// wider home get it, the others are refused.
func columnType(t mapping.LogicalType) (columnar.Type, error) {
	if mapping.LogicalTypeGetAlias(t) == aliasNTZ {
		return columnar.Type{Kind: columnar.TimestampNTZ}, nil
	}
	switch id := mapping.GetTypeId(t); id {
	case mapping.TypeUTinyInt:
		return columnar.Type{Kind: columnar.Int16}, nil
	case mapping.TypeUSmallInt:
		return columnar.Type{Kind: columnar.Int32}, nil
	case mapping.TypeUInteger:
		return columnar.Type{Kind: columnar.Int64}, nil
	case mapping.TypeUBigInt:
		return columnar.Type{Kind: columnar.Decimal, Precision: 20}, nil
	case mapping.TypeHugeInt, mapping.TypeUHugeInt:
		return columnar.Type{Kind: columnar.Decimal, Precision: 38}, nil
	case mapping.TypeTimestamp, mapping.TypeTimestampTZ, mapping.TypeTimestampS, mapping.TypeTimestampMS, mapping.TypeTimestampNS:
		return columnar.Type{Kind: columnar.Timestamp}, nil
	case mapping.TypeEnum, mapping.TypeUUID:
		return columnar.Type{Kind: columnar.String}, nil
	case mapping.TypeDecimal:
		return columnar.Type{Kind: columnar.Decimal, Precision: int(mapping.DecimalWidth(t)), Scale: int(mapping.DecimalScale(t))}, nil
	case mapping.TypeList, mapping.TypeMap, mapping.TypeStruct:
		return nestedType(id, t)
	default:
		for kind, flat := range flatTypes {
			if flat.id == id && kind != columnar.TimestampNTZ {
				return columnar.Type{Kind: kind}, nil
			}
		}
		return columnar.Type{}, fmt.Errorf("is of a type that tables do not have; cast it to one that they have, such as varchar")
	}
}

func nestedType(id mapping.Type, t mapping.LogicalType) (columnar.Type, error) {
	kid := func(name string, l mapping.LogicalType) (columnar.Field, error) {
		defer mapping.DestroyLogicalType(&l)
		kt, err := columnType(l)
		return columnar.Field{Name: name, Type: kt, Nullable: true}, err
	}
	switch id {
	case mapping.TypeList:
		elem, err := kid("element", mapping.ListTypeChildType(t))
		return columnar.Type{Kind: columnar.List, Fields: []columnar.Field{elem}}, err
	case mapping.TypeMap:
		key, err := kid("key", mapping.MapTypeKeyType(t))
		if err != nil {
			return columnar.Type{}, err
		}
		key.Nullable = false
		value, err := kid("value", mapping.MapTypeValueType(t))
		return columnar.Type{Kind: columnar.Map, Fields: []columnar.Field{key, value}}, err
	}
	s := columnar.Type{Kind: columnar.Struct}
	for i := range mapping.StructTypeChildCount(t) {
		f, err := kid(mapping.StructTypeChildName(t, i), mapping.StructTypeChildType(t, i))
		if err != nil {
			return s, err
		}
		if f.Name == "" {
			return s, fmt.Errorf("is a row whose fields have no names; name them, as in CAST(ROW(1, 'a') AS ROW(id bigint, name varchar))")
		}
		s.Fields = append(s.Fields, f)
	}
	return s, nil
}

// toFile is the expression that makes column name, of type t in the result, what files get. TIMESTAMP columns are
// reinterpreted rather than cast, which would go through a calendar.
func toFile(name string, result mapping.LogicalType, t columnar.Type) string {
	q := quoteName(name)
	if t.Kind == columnar.TimestampNTZ {
		return q + "::TIMESTAMP AS " + q
	}
	switch mapping.GetTypeId(result) {
	case mapping.TypeTimestamp:
		return "make_timestamptz(epoch_us(" + q + ")) AS " + q
	case mapping.TypeBoolean, mapping.TypeTinyInt, mapping.TypeSmallInt, mapping.TypeInteger, mapping.TypeBigInt, mapping.TypeFloat,
		mapping.TypeDouble, mapping.TypeVarchar, mapping.TypeBlob, mapping.TypeDate, mapping.TypeTimestampTZ, mapping.TypeDecimal:
		return q
	}
	return "CAST(" + q + " AS " + sqlType(t) + ") AS " + q
}
