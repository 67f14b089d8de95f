package sql

import (
	"fmt"
	"strconv"
	"strings"
)

// Type is a SQL type in Trino's terms. The zero Type is "not known", which every check lets pass.
type Type struct {
	// Name is Trino's: boolean tinyint smallint integer bigint real double decimal varchar char varbinary json date
	// time timestamp "timestamp with time zone" "interval day to second" "interval year to month" uuid array map row
	// unknown (the type of NULL).
	Name string
	// Args are the element of an array, key and value of a map, the fields of a row.
	Args []Type
	// Fields are the names of a row's fields; empty for one without a name.
	Fields []string
	// Len is n of varchar(n) and char(n), 0 if unbounded; the precision of a decimal; else unused.
	Len int
	// Scale of a decimal.
	Scale int
}

// Known says whether the type was found out.
func (t Type) Known() bool { return t.Name != "" }

// String is the type as Athena shows it: varchar(3), decimal(10,2), array(integer), row(a integer).
func (t Type) String() string {
	switch t.Name {
	case "varchar", "char":
		if t.Len > 0 {
			return fmt.Sprintf("%s(%d)", t.Name, t.Len)
		}
	case "decimal":
		return fmt.Sprintf("decimal(%d,%d)", t.Len, t.Scale)
	case "timestamp":
		return "timestamp(3)"
	case "timestamp with time zone":
		return "timestamp(3) with time zone"
	case "time":
		return "time(3)"
	case "array":
		return "array(" + t.Args[0].String() + ")"
	case "map":
		return "map(" + t.Args[0].String() + ", " + t.Args[1].String() + ")"
	case "row":
		parts := make([]string, len(t.Args))
		for i, a := range t.Args {
			parts[i] = a.String()
			if t.Fields[i] != "" {
				parts[i] = quoteIfNeeded(t.Fields[i]) + " " + parts[i]
			}
		}
		return "row(" + strings.Join(parts, ", ") + ")"
	}
	return t.Name
}

// duckTypes are DuckDB's names of Trino's plain types.
var duckTypes = map[string]string{
	"boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT",
	"real": "FLOAT", "double": "DOUBLE", "varchar": "VARCHAR", "char": "VARCHAR", "varbinary": "BLOB", "json": "JSON",
	"date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP", "timestamp with time zone": "TIMESTAMPTZ", "uuid": "UUID",
	"interval day to second": "INTERVAL", "interval year to month": "INTERVAL", "unknown": "INTEGER",
}

// DuckDB is the type as DuckDB writes it.
func (t Type) DuckDB() string {
	switch t.Name {
	case "decimal":
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Len, t.Scale)
	case "array":
		return t.Args[0].DuckDB() + "[]"
	case "map":
		return "MAP(" + t.Args[0].DuckDB() + ", " + t.Args[1].DuckDB() + ")"
	case "row":
		parts := make([]string, len(t.Args))
		for i, a := range t.Args {
			name := t.Fields[i]
			if name == "" {
				name = "field" + strconv.Itoa(i)
			}
			parts[i] = duckIdent(name) + " " + a.DuckDB()
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	}
	if d, ok := duckTypes[t.Name]; ok {
		return d
	}
	return "VARCHAR"
}

// typeNames maps what users write, in either grammar, to Trino's names.
var typeNames = map[string]string{
	"boolean": "boolean", "tinyint": "tinyint", "smallint": "smallint", "int": "integer", "integer": "integer",
	"bigint": "bigint", "long": "bigint", "real": "real", "float": "real", "double": "double", "decimal": "decimal",
	"numeric": "decimal", "dec": "decimal", "varchar": "varchar", "string": "varchar", "char": "char",
	"varbinary": "varbinary", "binary": "varbinary", "json": "json", "date": "date", "time": "time",
	"timestamp": "timestamp", "uuid": "uuid", "array": "array", "map": "map", "row": "row", "struct": "row",
	"timestamp_ntz": "timestamp", "short": "smallint", "byte": "tinyint", "unknown": "unknown",
}

// maxTypeDepth bounds the nesting of types.
const maxTypeDepth = 64

// ParseHiveType reads a type as Glue and Hive DDL write it: int, array<string>, struct<a:int,b:map<string,double>>.
func ParseHiveType(text string) (Type, error) {
	tokens, err := lex(text)
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", text, err)
	}
	p := &parser{tokens: tokens, text: text}
	t, err := p.hiveType(0)
	if err == nil && p.cur().Kind != tokEOF {
		err = p.mismatch("<EOF>")
	}
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", text, err)
	}
	return t, nil
}

// Hive is the type in Hive notation, as the catalog stores it.
func (t Type) Hive() string {
	switch t.Name {
	case "integer":
		return "int"
	case "real":
		return "float"
	case "varchar":
		if t.Len == 0 {
			return "string"
		}
		return fmt.Sprintf("varchar(%d)", t.Len)
	case "char":
		return fmt.Sprintf("char(%d)", max(t.Len, 1))
	case "decimal":
		return fmt.Sprintf("decimal(%d,%d)", t.Len, t.Scale)
	case "varbinary":
		return "binary"
	case "timestamp with time zone":
		return "timestamp"
	case "array":
		return "array<" + t.Args[0].Hive() + ">"
	case "map":
		return "map<" + t.Args[0].Hive() + "," + t.Args[1].Hive() + ">"
	case "row":
		parts := make([]string, len(t.Args))
		for i, a := range t.Args {
			name := t.Fields[i]
			if name == "" {
				name = "field" + strconv.Itoa(i)
			}
			parts[i] = name + ":" + a.Hive()
		}
		return "struct<" + strings.Join(parts, ",") + ">"
	}
	return t.Name
}

// family groups types that can be compared with each other.
func (t Type) family() string {
	switch t.Name {
	case "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal":
		return "number"
	case "varchar", "char":
		return "text"
	case "date", "timestamp", "timestamp with time zone":
		return "datetime"
	}
	return t.Name
}

func (t Type) integral() bool {
	switch t.Name {
	case "tinyint", "smallint", "integer", "bigint":
		return true
	}
	return false
}

// comparable says whether Trino can compare a and b; types that are not known always pass.
func comparable(a, b Type) bool {
	if !a.Known() || !b.Known() || a.Name == "unknown" || b.Name == "unknown" {
		return true
	}
	return a.family() == b.family()
}

var numberRank = map[string]int{
	"unknown": 0, "tinyint": 1, "smallint": 2, "integer": 3, "bigint": 4, "decimal": 5, "real": 6, "double": 7,
}

// commonType is the type that both sides are coerced to, or the zero Type.
func commonType(a, b Type) Type {
	switch {
	case !a.Known() || !b.Known():
		return Type{}
	case a.Name == "unknown":
		return b
	case b.Name == "unknown":
		return a
	case a.family() == "number" && b.family() == "number":
		if a.Name == "decimal" && b.Name == "decimal" {
			return Type{Name: "decimal", Len: min(38, max(a.Len-a.Scale, b.Len-b.Scale)+max(a.Scale, b.Scale)), Scale: max(a.Scale, b.Scale)}
		}
		if numberRank[a.Name] >= numberRank[b.Name] {
			return a
		}
		return b
	case a.family() == "text" && b.family() == "text":
		if a.Len == 0 || b.Len == 0 {
			return Type{Name: "varchar"}
		}
		return Type{Name: "varchar", Len: max(a.Len, b.Len)}
	case a.Name == b.Name:
		return a
	case a.family() == "datetime" && b.family() == "datetime":
		if a.Name == "date" {
			return b
		}
		return a
	}
	return Type{}
}

// Assignable says whether a value of type from may go into a column of type to without a cast that Trino would ask for.
func Assignable(from, to Type) bool {
	if !comparable(from, to) {
		return false
	}
	if from.family() == "number" && to.family() == "number" {
		return numberRank[from.Name] <= numberRank[to.Name] || to.Name == "decimal" || from.Name == "decimal" || from.integral() && to.integral()
	}
	return true
}
