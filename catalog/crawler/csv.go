package crawler

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weir-data/weir/columnar"
)

// Bounds of what is read as CSV.
const (
	csvColumnsMax = 4096
	csvHeaderMax  = 150 // characters of a header's cell, AWS's bound
)

// csvTable is what a sample of delimited text looks like.
type csvTable struct {
	fields    []columnar.Field
	delimiter byte
	header    bool
	quoted    bool
	records   int64
	read      int64 // bytes
}

var csvDelimiters = []byte{',', '|', '\t', ';', 0x01}

// inferCSV learns the shape of delimited text: the delimiter that splits all rows into the same number of columns, two
// at least, and of several such the one that makes the most; two rows at least. ok is false if there is none. No more than limit rows are looked at.
func inferCSV(data []byte, whole bool, limit int64) (best csvTable, ok bool) {
	if !utf8.Valid(trimPartialRune(data)) || bytes.IndexByte(data, 0) >= 0 {
		return best, false
	}
	var rows [][]string
	for _, d := range csvDelimiters {
		r, read, quoted := csvRows(data, d, whole, limit)
		if r != nil && (rows == nil || len(r[0]) > len(rows[0])) {
			rows, best.delimiter, best.quoted, best.read = r, d, quoted, read
		}
	}
	if rows == nil {
		return best, false
	}
	types := csvTypes(rows[1:])
	best.header = isHeader(rows[0], types)
	names := rows[0]
	if !best.header {
		types = csvTypes(rows)
		names = make([]string, len(types))
		for i := range names {
			names[i] = "col" + strconv.Itoa(i)
		}
	}
	best.records = int64(len(rows))
	if best.header {
		best.records--
	}
	for i, t := range types {
		if best.quoted { // only OpenCSVSerde understands quotes, and to it all is text
			t = columnar.String
		}
		best.fields = append(best.fields, columnar.Field{Name: names[i], Type: columnar.Type{Kind: t}, Nullable: true})
	}
	return best, true
}

// trimPartialRune removes a character that the end of the sample cuts.
func trimPartialRune(data []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(data)); i++ {
		if c := data[len(data)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(data[len(data)-i:]) {
				return data[:len(data)-i]
			}
			break
		}
	}
	return data
}

// csvRows splits data into rows of equally many cells; nil if the delimiter does not do that. A row that the sample
// cuts, and those after limit, are left out.
func csvRows(data []byte, delimiter byte, whole bool, limit int64) (rows [][]string, read int64, quoted bool) {
	all := len(data)
	for int64(len(rows)) < limit {
		if data = bytes.TrimLeft(data, "\r\n"); len(data) == 0 {
			break
		}
		row, rest, complete, q := csvRow(data, delimiter)
		if !complete && !whole {
			break
		}
		data = rest
		quoted = quoted || q
		if len(row) < 2 || len(row) > csvColumnsMax || len(rows) > 0 && len(row) != len(rows[0]) {
			return nil, 0, false
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 {
		return nil, 0, false
	}
	return rows, int64(all - len(data)), quoted
}

// csvRow cuts one row off data. complete says that its line end was seen; quoted that a cell stands in quotes.
func csvRow(data []byte, delimiter byte) (row []string, rest []byte, complete, quoted bool) {
	for {
		cell, after, q := csvCell(data, delimiter)
		quoted = quoted || q
		row = append(row, cell)
		if len(after) > 0 && after[0] == delimiter {
			data = after[1:]
			continue
		}
		if len(after) == 0 {
			return row, nil, false, quoted
		}
		after = bytes.TrimPrefix(after, []byte("\r"))
		return row, bytes.TrimPrefix(after, []byte("\n")), true, quoted
	}
}

// csvCell cuts one cell off data; rest starts with the delimiter or line end.
func csvCell(data []byte, delimiter byte) (cell string, rest []byte, quoted bool) {
	if len(data) == 0 || data[0] != '"' {
		n := bytes.IndexFunc(data, func(r rune) bool { return r == rune(delimiter) || r == '\n' || r == '\r' })
		if n < 0 {
			n = len(data)
		}
		return string(data[:n]), data[n:], false
	}
	var b strings.Builder
	for i := 1; i < len(data); i++ {
		switch {
		case data[i] != '"':
			b.WriteByte(data[i])
		case i+1 < len(data) && data[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			tail, rest, _ := csvCell(bytes.TrimLeft(data[i+1:], `"`), delimiter)
			return b.String() + tail, rest, true
		}
	}
	return b.String(), nil, true
}

// csvTypes is the type of each column over rows: bigint, double, boolean, or string. Empty cells say nothing.
func csvTypes(rows [][]string) []columnar.Kind {
	types := make([]columnar.Kind, len(rows[0]))
	for i := range types {
		t := columnar.Type{Kind: columnar.Unknown}
		for _, row := range rows {
			if row[i] != "" {
				t = merge(t, columnar.Type{Kind: cellKind(row[i])})
			}
		}
		if t.Kind == columnar.Unknown {
			t.Kind = columnar.String
		}
		types[i] = t.Kind
	}
	return types
}

var decimalText = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

func cellKind(text string) columnar.Kind {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return columnar.Int64
	}
	switch {
	case len(text) < 64 && decimalText.MatchString(text):
		return columnar.Float64
	case strings.EqualFold(text, "true") || strings.EqualFold(text, "false"):
		return columnar.Bool
	}
	return columnar.String
}

// isHeader applies AWS's rule: all cells of the first row are text, of fewer than 150 characters, usable as names and
// different, and some column below is not text. The last cell may be empty.
func isHeader(first []string, below []columnar.Kind) bool {
	differs := false
	seen := map[string]bool{}
	for i, cell := range first {
		last := i == len(first)-1
		name := strings.ToLower(strings.TrimSpace(cell))
		if name == "" && !last || utf8.RuneCountInString(cell) >= csvHeaderMax || cell != "" && cellKind(cell) != columnar.String || seen[name] {
			return false
		}
		seen[name] = true
		differs = differs || below[i] != columnar.String
	}
	return differs
}
