package columnar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrType says that a text names no type that columnar knows.
var ErrType = errors.New("unknown type")

const (
	typeTextMax  = 128 << 10 // bytes; Hive's own bound of a column's type
	typeDepthMax = 64
	precisionMax = 38
)

// simpleTypes are the names without parameters, in lower case.
var simpleTypes = map[string]Kind{
	"boolean": Bool, "bool": Bool,
	"tinyint": Int8, "byte": Int8,
	"smallint": Int16, "short": Int16,
	"int": Int32, "integer": Int32,
	"bigint": Int64, "long": Int64,
	"float": Float32, "real": Float32,
	"double": Float64, "double precision": Float64,
	"string": String, "varchar": String, "char": String,
	"binary": Binary, "varbinary": Binary,
	"date":      Date,
	"timestamp": Timestamp, "timestamp_ltz": Timestamp,
	"timestamp_ntz": TimestampNTZ,
}

// ParseType reads a type in Spark's or Hive's notation: int, bigint, double, decimal(10,2), varchar(20),
// array<struct<a:int>>, map<string,double>, timestamp_ntz, and Spark's long names (integer, long, short, byte).
// Names are matched without regard to case; the case of struct field names is kept, and such a name may
// stand in backticks. Behind the type of such a field NOT NULL and COMMENT 'text' may stand, as in Spark's DDL; both are forgotten: nested
// fields are nullable, as Spark's readers make them. The length of varchar and char is checked and forgotten. Errors wrap ErrType.
func ParseType(text string) (Type, error) {
	if len(text) > typeTextMax {
		return Type{}, fmt.Errorf("%w: text of %d bytes is longer than %d", ErrType, len(text), typeTextMax)
	}
	return parseType(typeParser{text: text})
}

// ParseSparkType is ParseType for the schema of records: it refuses, with the reason, the types of Spark SQL that records or tables
// cannot have. Errors wrap ErrType.
func ParseSparkType(text string) (Type, error) {
	if len(text) > typeTextMax {
		return Type{}, fmt.Errorf("%w: text of %d bytes is longer than %d", ErrType, len(text), typeTextMax)
	}
	return parseType(typeParser{text: text, refused: typesRefused})
}

// typesRefused are the types of Spark SQL that the schema of records cannot have, and why.
var typesRefused = map[string]string{
	"varchar":   "Spark's readers do not take it either, as nothing would hold its length; use string",
	"char":      "Spark's readers do not take it either, as nothing would hold its length; use string",
	"variant":   "tables written here have no variant; use string, which keeps the JSON as it is written, or a struct",
	"interval":  "no table format has columns of intervals; use string, or bigint for a number of seconds",
	"void":      "a column that only holds nulls cannot be stored; leave the field out",
	"null":      "a column that only holds nulls cannot be stored; leave the field out",
	"time":      "no table format here has a time of day; use string",
	"geometry":  "tables written here have no geometry; use binary or string",
	"geography": "tables written here have no geography; use binary or string",
}

func parseType(p typeParser) (Type, error) {
	text := p.text
	t, err := p.parse(0)
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", clip(text, 200), err)
	}
	p.spaces()
	if p.pos < len(text) {
		return Type{}, fmt.Errorf("type %q: %w: unexpected %q", clip(text, 200), ErrType, clip(text[p.pos:], 20))
	}
	return t, nil
}

// typeParser is a cursor over the text of a type.
type typeParser struct {
	text    string
	pos     int
	refused map[string]string // types that are not taken, and why
}

func (p *typeParser) parse(depth int) (Type, error) {
	if depth > typeDepthMax {
		return Type{}, fmt.Errorf("%w: nested deeper than %d", ErrType, typeDepthMax)
	}
	name := p.word()
	if reason, ok := p.refused[name]; ok {
		return Type{}, fmt.Errorf("%w %s: %s", ErrType, name, reason)
	}
	switch name {
	case "":
		return Type{}, fmt.Errorf("%w: name expected at byte %d", ErrType, p.pos)
	case "decimal", "numeric", "dec":
		return p.decimal()
	case "array":
		return p.nested(List, 1, depth)
	case "map":
		return p.nested(Map, 2, depth)
	case "struct":
		return p.structure(depth)
	}
	kind, ok := simpleTypes[name]
	if !ok {
		return Type{}, fmt.Errorf("%w %q", ErrType, clip(name, 40))
	}
	if (name == "varchar" || name == "char") && p.take('(') {
		if n, err := p.number(); err != nil || n < 1 || n > 65535 || !p.take(')') {
			return Type{}, fmt.Errorf("%w: %s needs a length of 1 to 65535", ErrType, name)
		}
	}
	return Type{Kind: kind}, nil
}

func (p *typeParser) decimal() (Type, error) {
	t := Type{Kind: Decimal, Precision: 10}
	if !p.take('(') {
		return t, nil
	}
	var err error
	if t.Precision, err = p.number(); err != nil {
		return Type{}, err
	}
	if p.take(',') {
		if t.Scale, err = p.number(); err != nil {
			return Type{}, err
		}
	}
	if !p.take(')') {
		return Type{}, fmt.Errorf("%w: decimal lacks ')'", ErrType)
	}
	if t.Precision < 1 || t.Precision > precisionMax || t.Scale > t.Precision {
		return Type{}, fmt.Errorf("%w: decimal(%d,%d): the precision is from 1 to %d, the scale at most the precision", ErrType, t.Precision, t.Scale, precisionMax)
	}
	return t, nil
}

// nested reads <T> of an array or <K,V> of a map.
func (p *typeParser) nested(kind Kind, n, depth int) (Type, error) {
	names := []string{"element"}
	if kind == Map {
		names = []string{"key", "value"}
	}
	t := Type{Kind: kind}
	for i := range n {
		if open := [...]byte{'<', ','}[i]; !p.take(open) {
			return Type{}, fmt.Errorf("%w: %q expected at byte %d", ErrType, open, p.pos)
		}
		child, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		t.Fields = append(t.Fields, Field{Name: names[i], Type: child, Nullable: kind == List || i == 1})
	}
	if !p.take('>') {
		return Type{}, fmt.Errorf("%w: '>' expected at byte %d", ErrType, p.pos)
	}
	return t, nil
}

func (p *typeParser) structure(depth int) (Type, error) {
	t := Type{Kind: Struct}
	if !p.take('<') {
		return Type{}, fmt.Errorf("%w: '<' expected at byte %d", ErrType, p.pos)
	}
	if p.take('>') {
		return t, nil
	}
	for {
		name, err := p.fieldName()
		if err != nil {
			return Type{}, err
		}
		child, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		t.Fields = append(t.Fields, Field{Name: name, Type: child, Nullable: true})
		if err := p.fieldEnd(); err != nil {
			return Type{}, err
		}
		if p.take(',') {
			continue
		}
		if p.take('>') {
			return t, nil
		}
		return Type{}, fmt.Errorf("%w: ',' or '>' expected at byte %d", ErrType, p.pos)
	}
}

// fieldName reads the name of a struct field and the colon behind it.
func (p *typeParser) fieldName() (string, error) {
	p.spaces()
	rest := p.text[p.pos:]
	if strings.HasPrefix(rest, "`") {
		name, size := backticked(rest)
		if size == 0 {
			return "", fmt.Errorf("%w: field name without end at byte %d", ErrType, p.pos)
		}
		p.pos += size
		if !p.take(':') {
			return "", fmt.Errorf("%w: ':' expected at byte %d", ErrType, p.pos)
		}
		return name, nil
	}
	end := strings.IndexAny(rest, ":<>,()`")
	if end < 0 || rest[end] != ':' {
		return "", fmt.Errorf("%w: struct field without ':' at byte %d", ErrType, p.pos)
	}
	name := strings.TrimSpace(rest[:end])
	if name == "" {
		return "", fmt.Errorf("%w: empty field name at byte %d", ErrType, p.pos)
	}
	p.pos += end + 1
	return name, nil
}

// fieldEnd reads what may stand behind the type of a struct field.
func (p *typeParser) fieldEnd() error {
	start := p.pos
	word := p.word()
	if word == "not" {
		if p.word() != "null" {
			return fmt.Errorf("%w: NOT NULL expected at byte %d", ErrType, start)
		}
		start = p.pos
		word = p.word()
	}
	switch word {
	case "":
		return nil
	case "comment":
		return p.quoted()
	}
	return fmt.Errorf("%w: ',' or '>' expected at byte %d", ErrType, start)
}

// quoted reads over a text in single or double quotes, in which a backslash, or the quote itself, may stand before a quote.
func (p *typeParser) quoted() error {
	p.spaces()
	start := p.pos
	if p.pos == len(p.text) || p.text[p.pos] != '\'' && p.text[p.pos] != '"' {
		return fmt.Errorf("%w: COMMENT without text in quotes at byte %d", ErrType, start)
	}
	quote := p.text[p.pos]
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '\\':
			p.pos++
		case c == quote && p.pos+1 < len(p.text) && p.text[p.pos+1] == quote:
			p.pos++
		case c == quote:
			p.pos++
			return nil
		}
	}
	p.pos = len(p.text)
	return fmt.Errorf("%w: COMMENT without end at byte %d", ErrType, start)
}

// backticked reads a name in backticks, in which two of them are one; size is 0 if it is empty or has no end.
func backticked(text string) (name string, size int) {
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '`':
			out.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == '`':
			out.WriteByte('`')
			i++
		case out.Len() == 0:
			return "", 0
		default:
			return out.String(), i + 1
		}
	}
	return "", 0
}

// DDL is the type as ParseType reads it: like String, with names of fields in backticks where they need them.
func (t Type) DDL() string {
	switch t.Kind {
	case Struct:
		var fields []string
		for _, f := range t.Fields {
			name := f.Name
			if name == "" || strings.ContainsAny(name, ":<>,()`") || strings.TrimSpace(name) != name {
				name = "`" + strings.ReplaceAll(name, "`", "``") + "`"
			}
			fields = append(fields, name+":"+f.Type.DDL())
		}
		return "struct<" + strings.Join(fields, ",") + ">"
	case List:
		return "array<" + t.Fields[0].Type.DDL() + ">"
	case Map:
		return "map<" + t.Fields[0].Type.DDL() + "," + t.Fields[1].Type.DDL() + ">"
	}
	return t.String()
}

// word reads letters, digits and underscores and returns them in lower case; "double precision" is one word.
func (p *typeParser) word() string {
	p.spaces()
	start := p.pos
	for p.pos < len(p.text) && isWordByte(p.text[p.pos]) {
		p.pos++
	}
	w := strings.ToLower(p.text[start:p.pos])
	const tail = " precision"
	if rest := p.text[p.pos:]; w == "double" && len(rest) >= len(tail) && strings.EqualFold(rest[:len(tail)], tail) {
		p.pos += len(tail)
	}
	return w
}

func (p *typeParser) number() (int, error) {
	p.spaces()
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos]-'0' <= 9 {
		p.pos++
	}
	n, err := strconv.Atoi(p.text[start:p.pos])
	if err != nil {
		return 0, fmt.Errorf("%w: number expected at byte %d", ErrType, start)
	}
	return n, nil
}

func (p *typeParser) take(c byte) bool {
	p.spaces()
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *typeParser) spaces() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t' || p.text[p.pos] == '\n' || p.text[p.pos] == '\r') {
		p.pos++
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c-'0' <= 9 || c-'a' <= 25 || c-'A' <= 25
}

// clip shortens text for an error message.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return text[:n] + "…"
}
