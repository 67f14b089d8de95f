package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// print writes the rows as a table.
func (a *answer) print(w io.Writer) error { return printTable(w, a) }

// printers are the output formats of weir sql.
var printers = map[string]func(io.Writer, *answer) error{"table": printTable, "csv": printCSV, "json": printJSON}

// cellMax is the number of characters of a value that a table shows.
const cellMax = 120

// printTable writes names, a line, and rows; numbers stand at the right.
func printTable(w io.Writer, a *answer) error {
	widths := make([]int, len(a.Columns))
	for i, c := range a.Columns {
		widths[i] = max(utf8.RuneCountInString(c), 1)
	}
	cells := make([][]string, len(a.Rows))
	for r, row := range a.Rows {
		cells[r] = make([]string, len(a.Columns))
		for i := range min(len(row), len(a.Columns)) {
			cells[r][i] = tableCell(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[r][i]))
		}
	}
	out := bufio.NewWriter(w)
	line := func(row []string, right func(i int) bool) {
		for i, c := range row {
			if i > 0 {
				out.WriteString(" |")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if right(i) {
				c, pad = pad+c, ""
			}
			out.WriteString(" " + c)
			if i < len(row)-1 {
				out.WriteString(pad)
			}
		}
		out.WriteString("\n")
	}
	numeric := func(i int) bool { return i < len(a.Types) && isNumber(a.Types[i]) }
	line(a.Columns, numeric)
	for i, n := range widths {
		if i > 0 {
			out.WriteString("+")
		}
		out.WriteString(strings.Repeat("-", n+2))
	}
	out.WriteString("\n")
	for _, row := range cells {
		line(row, numeric)
	}
	return out.Flush()
}

// tableCell is a value on one line, cut to a length that fits a screen.
func tableCell(v *string) string {
	if v == nil {
		return "NULL"
	}
	s := strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", " ").Replace(*v)
	if utf8.RuneCountInString(s) > cellMax {
		s = string([]rune(s)[:cellMax-1]) + "…"
	}
	return s
}

func isNumber(typ string) bool {
	switch typ {
	case "tinyint", "smallint", "integer", "bigint", "float", "real", "double", "decimal":
		return true
	}
	return false
}

// printCSV writes a header and rows; values are quoted where they must be. NULL is empty, an empty text is "".
func printCSV(w io.Writer, a *answer) error {
	out := bufio.NewWriter(w)
	for i, c := range a.Columns {
		writeField(out, i, &c)
	}
	out.WriteString("\n")
	for _, row := range a.Rows {
		for i, v := range row {
			writeField(out, i, v)
		}
		out.WriteString("\n")
	}
	return out.Flush()
}

func writeField(out *bufio.Writer, i int, v *string) {
	if i > 0 {
		out.WriteString(",")
	}
	switch {
	case v == nil:
	case *v == "" || strings.ContainsAny(*v, ",\"\r\n"):
		out.WriteString(`"` + strings.ReplaceAll(*v, `"`, `""`) + `"`)
	default:
		out.WriteString(*v)
	}
}

// printJSON writes one object a line; numbers and booleans as such, where JSON can hold them.
func printJSON(w io.Writer, a *answer) error {
	out := bufio.NewWriter(w)
	for _, row := range a.Rows {
		out.WriteString("{")
		for i, v := range row {
			if i > 0 {
				out.WriteString(",")
			}
			name, typ := "_col"+strconv.Itoa(i), ""
			if i < len(a.Columns) {
				name, typ = a.Columns[i], a.Types[i]
			}
			key, err := json.Marshal(name)
			if err != nil {
				return fmt.Errorf("write column name: %w", err)
			}
			out.Write(key)
			out.WriteString(":" + jsonCell(v, typ))
		}
		out.WriteString("}\n")
	}
	return out.Flush()
}

func jsonCell(v *string, typ string) string {
	switch {
	case v == nil:
		return "null"
	case (isNumber(typ) || typ == "boolean") && json.Valid([]byte(*v)):
		return *v
	}
	text, err := json.Marshal(*v)
	if err != nil {
		return "null"
	}
	return string(text)
}
