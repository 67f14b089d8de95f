package crawler

import (
	"strings"

	"github.com/weir-data/weir/columnar"
)

// merge is the narrowest type that holds both a and b; string holds all.
func merge(a, b columnar.Type) columnar.Type { return columnar.Widen(a, b, true) }

// mergeFields has the fields of a, then those that only b has. Names are matched without regard to case, as Hive does.
func mergeFields(a, b []columnar.Field) []columnar.Field { return columnar.WidenFields(a, b, true) }

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
	case columnar.Unknown:
		return "string"
	case columnar.TimestampNTZ:
		return "timestamp"
	case columnar.Struct:
		if len(t.Fields) == 0 {
			return "string" // Hive has no struct without fields
		}
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
