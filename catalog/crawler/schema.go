package crawler

import (
	"strings"

	"github.com/weir-data/weir/columnar"
)

// unknown is the kind of a value that was only ever null. It gives way to any other.
const unknown = columnar.Kind(255)

// merge is the narrowest type that holds both a and b; string holds all.
func merge(a, b columnar.Type) columnar.Type {
	switch {
	case a.Kind == unknown:
		return b
	case b.Kind == unknown:
		return a
	case a.Kind == columnar.Struct && b.Kind == columnar.Struct:
		return columnar.Type{Kind: columnar.Struct, Fields: mergeFields(a.Fields, b.Fields)}
	case a.Kind == columnar.List && b.Kind == columnar.List, a.Kind == columnar.Map && b.Kind == columnar.Map:
		fields := make([]columnar.Field, len(a.Fields))
		for i := range fields {
			fields[i] = a.Fields[i]
			fields[i].Type = merge(a.Fields[i].Type, b.Fields[i].Type)
		}
		return columnar.Type{Kind: a.Kind, Fields: fields}
	case a.Kind == columnar.Decimal && b.Kind == columnar.Decimal:
		scale := max(a.Scale, b.Scale)
		whole := max(a.Precision-a.Scale, b.Precision-b.Scale)
		return columnar.Type{Kind: columnar.Decimal, Precision: min(38, whole+scale), Scale: scale}
	case a.Kind == b.Kind:
		return a
	case isInteger(a.Kind) && isInteger(b.Kind):
		return columnar.Type{Kind: max(a.Kind, b.Kind)}
	case isNumber(a.Kind) && isNumber(b.Kind):
		return columnar.Type{Kind: columnar.Float64}
	case isTime(a.Kind) && isTime(b.Kind):
		return columnar.Type{Kind: columnar.Timestamp}
	}
	return columnar.Type{Kind: columnar.String}
}

func isInteger(k columnar.Kind) bool { return k >= columnar.Int8 && k <= columnar.Int64 }

func isNumber(k columnar.Kind) bool {
	return isInteger(k) || k == columnar.Float32 || k == columnar.Float64 || k == columnar.Decimal
}

func isTime(k columnar.Kind) bool {
	return k == columnar.Date || k == columnar.Timestamp || k == columnar.TimestampNTZ
}

// mergeFields has the fields of a, then those that only b has. Names are matched without regard to case, as Hive does.
func mergeFields(a, b []columnar.Field) []columnar.Field {
	if len(a) == 0 {
		return b
	}
	out := append([]columnar.Field(nil), a...)
	index := make(map[string]int, len(a))
	for i, f := range a {
		index[strings.ToLower(f.Name)] = i
	}
	for _, f := range b {
		name := strings.ToLower(f.Name)
		if i, ok := index[name]; ok {
			out[i].Type = merge(out[i].Type, f.Type)
			continue
		}
		index[name] = len(out)
		out = append(out, f)
	}
	return out
}

// similar says whether two schemas are those of one table: seven in ten of the columns of the smaller one are in the
// other, with types that merge into something better than text. So a table may grow columns.
func similar(a, b []columnar.Field) bool {
	types := make(map[string]columnar.Type, len(a))
	for _, f := range a {
		types[strings.ToLower(f.Name)] = f.Type
	}
	common := 0
	for _, f := range b {
		if t, ok := types[strings.ToLower(f.Name)]; ok && compatible(t, f.Type) {
			common++
		}
	}
	return common*10 >= 7*min(len(a), len(b))
}

// compatible says whether a and b merge without turning numbers, times or structs into text.
func compatible(a, b columnar.Type) bool {
	return a.Kind == columnar.String || b.Kind == columnar.String || merge(a, b).Kind != columnar.String
}

// hive is the type in the catalog's notation: Hive's names, in lower case as Hive keeps them.
func hive(t columnar.Type) string {
	switch t.Kind {
	case unknown:
		return "string"
	case columnar.TimestampNTZ:
		return "timestamp"
	case columnar.Struct:
		var b strings.Builder
		for i, f := range t.Fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.ToLower(f.Name) + ":" + hive(f.Type))
		}
		return "struct<" + b.String() + ">"
	case columnar.List:
		return "array<" + hive(t.Fields[0].Type) + ">"
	case columnar.Map:
		return "map<" + hive(t.Fields[0].Type) + "," + hive(t.Fields[1].Type) + ">"
	}
	return t.String()
}
