package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/sql"
)

// lengths is the type of a column, with fields in the table's spelling and the lengths of texts, char(n) and varchar(n), that Spark
// keeps in the column's metadata. A text there that cannot be read says nothing: names of fields are not quoted in it.
func lengths(f *columnar.Field) (sql.Type, error) {
	t, err := sqlType(f.Type)
	if err != nil {
		return t, err
	}
	t = spelled(t, f.Type)
	text, ok := f.Metadata[metaLength].(string)
	if !ok {
		return t, nil
	}
	raw, err := sql.ParseHiveType(text)
	if err != nil {
		return t, nil
	}
	return sql.TextLengths(t, raw), nil
}

// spelled gives the fields of t the names that they have in as, which is the same type.
func spelled(t sql.Type, as columnar.Type) sql.Type {
	t.Args, t.Fields = slices.Clone(t.Args), slices.Clone(t.Fields)
	for i := range t.Args {
		t.Args[i] = spelled(t.Args[i], as.Fields[i].Type)
		if t.Name == "row" {
			t.Fields[i] = as.Fields[i].Name
		}
	}
	return t
}

// someText says whether a type has, somewhere, a text for which is is true.
func someText(t sql.Type, is func(sql.Type) bool) bool {
	if t.Name == "varchar" || t.Name == "char" {
		return is(t)
	}
	return slices.ContainsFunc(t.Args, func(a sql.Type) bool { return someText(a, is) })
}

func isChar(t sql.Type) bool  { return t.Name == "char" }
func isSized(t sql.Type) bool { return t.Len > 0 }

// hasChars says whether values of a column are padded when they are read, so that what the log says of them is not what is compared.
func hasChars(f *columnar.Field) bool {
	t, err := lengths(f)
	return err == nil && someText(t, isChar)
}

// texts writes the expression x of type t with every text of it, if is says so of any, as leaf makes it.
func texts(x string, t sql.Type, is func(sql.Type) bool, leaf func(x string, t sql.Type) string) string {
	return textsBelow(x, t, is, leaf, 0)
}

func textsBelow(x string, t sql.Type, is func(sql.Type) bool, leaf func(x string, t sql.Type) string, depth int) string {
	if !someText(t, is) {
		return x
	}
	v := fmt.Sprintf("weir_t%d", depth)
	switch t.Name {
	case "row":
		var items []string
		for i, name := range t.Fields {
			items = append(items, quoteName(name)+" := "+textsBelow("struct_extract("+x+", "+quoteText(name)+")", t.Args[i], is, leaf, depth))
		}
		return "CASE WHEN " + x + " IS NOT NULL THEN struct_pack(" + strings.Join(items, ", ") + ") END"
	case "array":
		return "list_transform(" + x + ", lambda " + v + ": " + textsBelow(v, t.Args[0], is, leaf, depth+1) + ")"
	case "map":
		return "CASE WHEN " + x + " IS NOT NULL THEN map_from_entries(list_transform(map_entries(" + x + "), lambda " + v + ": struct_pack(k := " +
			textsBelow(v+".key", t.Args[0], is, leaf, depth+1) + ", v := " + textsBelow(v+".value", t.Args[1], is, leaf, depth+1) + "))) END"
	}
	return leaf(x, t)
}

// padded is a column as it is read: blanks fill char(n) up. Delta for Spark writes texts as they come, too, and refuses those that are
// longer than n, blanks or not.
func padded(x string, f *columnar.Field) (string, error) {
	t, err := lengths(f)
	if err != nil {
		return "", err
	}
	return texts(x, t, isChar, func(x string, t sql.Type) string {
		return fmt.Sprintf("CASE WHEN length(%s) < %d THEN rpad(%s, %d, ' ') ELSE %s END", x, t.Len, x, t.Len, x)
	}), nil
}

// tooLong is a condition that holds if some text of x is longer than it may be; empty if there is no such text.
func tooLong(x string, t sql.Type, depth int) string {
	if !someText(t, isSized) {
		return ""
	}
	v := fmt.Sprintf("weir_t%d", depth)
	var some []string
	in := func(list string, t sql.Type) {
		if inner := tooLong(v, t, depth+1); inner != "" {
			some = append(some, "coalesce(len(list_filter("+list+", lambda "+v+": "+inner+")) > 0, false)")
		}
	}
	switch t.Name {
	case "row":
		for i, name := range t.Fields {
			if inner := tooLong("struct_extract("+x+", "+quoteText(name)+")", t.Args[i], depth); inner != "" {
				some = append(some, "coalesce("+inner+", false)")
			}
		}
	case "array":
		in(x, t.Args[0])
	case "map":
		in("map_keys("+x+")", t.Args[0])
		in("map_values("+x+")", t.Args[1])
	default:
		return fmt.Sprintf("length(%s) > %d", x, t.Len)
	}
	return "(" + strings.Join(some, " OR ") + ")"
}
