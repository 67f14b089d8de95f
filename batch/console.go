package batch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/weir-data/weir/columnar"
)

// ConsolePrinter shows micro-batches as Spark's console sink does. The zero fields are Spark's defaults.
type ConsolePrinter struct {
	W io.Writer
	// NumRows is the number of rows shown of each batch; default 20.
	NumRows int
	// Truncate is the width at which a cell is cut; default 20, negative: never.
	Truncate int
}

const (
	consoleRows  = 20
	consoleWidth = 20
	cellWidthMin = 3
)

var _ Sink = (*ConsolePrinter)(nil)

// About implements Sink.
func (p *ConsolePrinter) About() SinkInfo {
	return SinkInfo{Description: "ConsoleSink", Guarantee: AtLeastOnce}
}

// Open implements Sink.
func (p *ConsolePrinter) Open(context.Context, Output) (int64, error) { return -1, nil }

// Write implements Sink: it prints batch number id.
func (p *ConsolePrinter) Write(ctx context.Context, id int64, r Rows) (Written, error) {
	rows, width := p.NumRows, p.Truncate
	if rows == 0 {
		rows = consoleRows
	}
	if width == 0 {
		width = consoleWidth
	}
	result, err := r.First(ctx, rows+1)
	if err != nil {
		return Written{}, err
	}
	line := strings.Repeat("-", 43)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nBatch: %d\n%s\n", line, id, line)
	writeTable(&b, result, rows, width)
	_, err = p.W.Write(b.Bytes())
	return Written{Rows: max(r.Len(), int64(min(result.Len, rows)))}, err
}

// writeTable draws at most limit rows of t as Dataset.show does: cells right-aligned (left-aligned when nothing is
// cut), the columns as wide as their widest cell.
func writeTable(b *bytes.Buffer, t *columnar.Batch, limit, width int) {
	shown := min(t.Len, limit)
	cells := make([][]string, shown+1)
	for _, f := range t.Schema.Fields {
		cells[0] = append(cells[0], cut(f.Name, width))
	}
	for row := range shown {
		for _, c := range t.Columns {
			cells[row+1] = append(cells[row+1], cut(cellText(c, row), width))
		}
	}
	widths := make([]int, len(cells[0]))
	for i := range widths {
		widths[i] = cellWidthMin
		for _, row := range cells {
			widths[i] = max(widths[i], columnsOf(row[i]))
		}
	}
	rule := "+"
	for _, w := range widths {
		rule += strings.Repeat("-", w) + "+"
	}
	fmt.Fprintln(b, rule)
	for i, row := range cells {
		for j, cell := range row {
			pad := strings.Repeat(" ", widths[j]-columnsOf(cell))
			if width > 0 {
				cell = pad + cell
			} else {
				cell += pad
			}
			b.WriteString("|" + cell)
		}
		fmt.Fprintln(b, "|")
		if i == 0 {
			fmt.Fprintln(b, rule)
		}
	}
	fmt.Fprintln(b, rule)
	if t.Len > limit {
		noun := "rows"
		if limit == 1 {
			noun = "row"
		}
		fmt.Fprintf(b, "only showing top %d %s\n", limit, noun)
	}
	fmt.Fprintln(b)
}

// cut shortens a cell to width characters, the last three of them dots where there is room.
func cut(s string, width int) string {
	s = escapes.Replace(s)
	if width <= 0 || utf8.RuneCountInString(s) <= width {
		return s
	}
	r := []rune(s)
	if width < 4 {
		return string(r[:width])
	}
	return string(r[:width-3]) + "..."
}

// escapes are the characters that would break the table, as Spark writes them.
var escapes = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`, "\b", `\b`, "\v", `\v`, "\a", `\a`, "\x1b", `\x1b`)

// columnsOf is the width of s on a terminal: East Asian wide characters take two columns.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
			r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe4f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6) {
			n++
		}
	}
	return n
}
