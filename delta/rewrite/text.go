package rewrite

import (
	"fmt"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

var typeNames = map[columnar.Kind]string{
	columnar.Bool: "BOOLEAN", columnar.Int8: "TINYINT", columnar.Int16: "SMALLINT", columnar.Int32: "INTEGER", columnar.Int64: "BIGINT",
	columnar.Float32: "FLOAT", columnar.Float64: "DOUBLE", columnar.String: "VARCHAR", columnar.Binary: "BLOB",
	columnar.Date: "DATE", columnar.Timestamp: "TIMESTAMP", columnar.TimestampNTZ: "TIMESTAMP",
}

// typeText is the type that columns of type t have in queries. Instants are timestamps in UTC there.
func typeText(t columnar.Type) string {
	switch t.Kind {
	case columnar.Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case columnar.Struct:
		var fields []string
		for _, f := range t.Fields {
			fields = append(fields, quoteName(f.Name)+" "+typeText(f.Type))
		}
		return "STRUCT(" + strings.Join(fields, ", ") + ")"
	case columnar.List:
		return typeText(t.Fields[0].Type) + "[]"
	case columnar.Map:
		return "MAP(" + typeText(t.Fields[0].Type) + ", " + typeText(t.Fields[1].Type) + ")"
	}
	return typeNames[t.Kind]
}

// converter writes expressions that give a value another type: fields of structs are found by name, or null if they are missing,
// and may get another name.
type converter struct {
	lambdas int
	leaf    func(x string, from, to columnar.Type) string
}

// convert writes x, of type from, as type to. names has the shape of to, and the names that from has.
func (c *converter) convert(x string, from, names, to columnar.Type) string {
	if from.Kind != to.Kind {
		return c.leaf(x, from, to)
	}
	switch to.Kind {
	case columnar.Struct:
		if len(to.Fields) == 0 {
			return x
		}
		var items []string
		for i, f := range to.Fields {
			value := "CAST(NULL AS " + typeText(f.Type) + ")"
			if k := indexOf(from.Fields, names.Fields[i].Name); k >= 0 {
				value = c.convert("("+x+")."+quoteName(from.Fields[k].Name), from.Fields[k].Type, names.Fields[i].Type, f.Type)
			}
			items = append(items, quoteName(f.Name)+" := "+value)
		}
		return "CASE WHEN " + x + " IS NOT NULL THEN struct_pack(" + strings.Join(items, ", ") + ") END"
	case columnar.List:
		v := c.lambda()
		return "list_transform(" + x + ", lambda " + v + ": " + c.convert(v, from.Fields[0].Type, names.Fields[0].Type, to.Fields[0].Type) + ")"
	case columnar.Map:
		v := c.lambda()
		return "CASE WHEN " + x + " IS NOT NULL THEN map_from_entries(list_transform(map_entries(" + x + "), lambda " + v + ": struct_pack(k := " +
			c.convert("("+v+").key", from.Fields[0].Type, names.Fields[0].Type, to.Fields[0].Type) + ", v := " +
			c.convert("("+v+").value", from.Fields[1].Type, names.Fields[1].Type, to.Fields[1].Type) + "))) END"
	}
	return c.leaf(x, from, to)
}

func (c *converter) lambda() string {
	c.lambdas++
	return fmt.Sprintf("weir_v%d", c.lambdas)
}

// indexOf finds a field by name, else by name apart from case.
func indexOf(fields []columnar.Field, name string) int {
	other := -1
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
		if strings.EqualFold(fields[i].Name, name) {
			other = i
		}
	}
	return other
}

// inExpr is a column of a file as queries have it.
func inExpr(x string, from, names, to columnar.Type) string {
	if plain(to) && from.Kind == to.Kind && from.Precision == to.Precision && from.Scale == to.Scale {
		return x
	}
	c := converter{leaf: func(x string, from, to columnar.Type) string {
		switch {
		case from.Kind == columnar.Timestamp && (to.Kind == columnar.Timestamp || to.Kind == columnar.TimestampNTZ):
			return "make_timestamp(epoch_us(" + x + "))"
		case from.Kind == to.Kind && from.Precision == to.Precision && from.Scale == to.Scale:
			return x
		}
		return "CAST(" + x + " AS " + typeText(to) + ")"
	}}
	return c.convert(x, from, names, to)
}

func plain(t columnar.Type) bool {
	return len(t.Fields) == 0 && t.Kind != columnar.Timestamp
}

// outExpr is a column of a query as files have it, with the names of the type to.
func outExpr(x string, from, to columnar.Type) string {
	if len(from.Fields) == 0 {
		return x
	}
	c := converter{leaf: func(x string, from, _ columnar.Type) string {
		if from.Kind == columnar.Timestamp {
			return "make_timestamptz(epoch_us(" + x + "))"
		}
		return x
	}}
	return c.convert(x, from, from, to)
}

// valueText is a partition value as an SQL literal.
func valueText(t columnar.Type, text *string) (string, error) {
	v, err := delta.ParsePartition(t, text)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "CAST(NULL AS " + typeText(t) + ")", nil
	case time.Time:
		return "CAST(" + quoteText(v.Format("2006-01-02 15:04:05.999999")) + " AS " + typeText(t) + ")", nil
	case []byte:
		var b strings.Builder
		for _, c := range v {
			fmt.Fprintf(&b, "%02X", c)
		}
		return "unhex('" + b.String() + "')", nil
	}
	return "CAST(" + quoteText(*text) + " AS " + typeText(t) + ")", nil
}

// partitionExpr is a partition column as its text is taken. Empty text is null, as Delta has it.
func partitionExpr(f *columnar.Field) string {
	q := quoteName(f.Name)
	switch f.Type.Kind {
	case columnar.String:
		return "nullif(" + q + ", '')"
	case columnar.Binary:
		return "nullif(hex(" + q + "), '')"
	}
	return q
}

// partitionText is DuckDB's text of a partition value as the log has it.
func partitionText(t columnar.Type, text *string) (*string, error) {
	if text == nil {
		return nil, nil
	}
	s := *text
	if t.Kind == columnar.Binary {
		raw := make([]byte, 0, len(s)/2)
		for i := 0; i+1 < len(s); i += 2 {
			var c byte
			if _, err := fmt.Sscanf(s[i:i+2], "%02X", &c); err != nil {
				return nil, err
			}
			raw = append(raw, c)
		}
		return delta.FormatPartition(t, raw)
	}
	if t.Kind == columnar.Float32 || t.Kind == columnar.Float64 {
		v, err := delta.ParsePartition(t, &s)
		if err != nil {
			return nil, err
		}
		return delta.FormatPartition(t, v)
	}
	return delta.FormatPartition(t, s)
}
