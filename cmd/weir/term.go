package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen writes for a person: colours and live lines on a terminal, plain text in a pipe.
type screen struct {
	w     io.Writer
	tty   bool
	width int // of what is drawn; of the terminal, see columns
	fd    int
}

func newScreen(f *os.File) *screen {
	s := &screen{w: f, tty: term.IsTerminal(int(f.Fd())), width: 100, fd: int(f.Fd())}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
		s.width = min(w, 120)
	}
	return s
}

func (s *screen) colour(code, text string) string {
	if !s.tty || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) bold(text string) string  { return s.colour("1", text) }
func (s *screen) dim(text string) string   { return s.colour("2", text) }
func (s *screen) green(text string) string { return s.colour("32", text) }
func (s *screen) red(text string) string   { return s.colour("31", text) }

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.w, format, args...) }

// live replaces the line at the bottom of a terminal. What the terminal has no columns for is left out, since a line that is broken in two
// cannot be replaced; terminals may change their size.
func (s *screen) live(text string) {
	columns, _, err := term.GetSize(s.fd)
	if err != nil || columns <= 0 {
		columns = s.width
	}
	s.printf("\r\x1b[K%s", cut(text, columns))
}

// cut shortens text to some columns; the last one tells that something is missing.
func cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:max(columns-1, 0)]) + "…"
}

// title opens a section.
func (s *screen) title(text string) {
	s.printf("\n%s\n%s\n", s.bold(text), s.dim(strings.Repeat("─", min(s.width, 78))))
}

// chart draws values as vertical bars, height lines high, with the greatest value at the left edge.
func chart(values []float64, height, width int, unit string) string {
	if len(values) == 0 {
		return ""
	}
	values = fold(values, width)
	top := values[0]
	for _, v := range values {
		top = max(top, v)
	}
	if top == 0 {
		top = 1
	}
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	var b strings.Builder
	for line := height - 1; line >= 0; line-- {
		label := ""
		if line == height-1 {
			label = human(top)
		} else if line == 0 {
			label = "0"
		}
		fmt.Fprintf(&b, "%8s │", label)
		for _, v := range values {
			eighths := int(v/top*float64(height*8)+0.5) - line*8
			b.WriteRune(blocks[min(max(eighths, 0), 8)])
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%8s └%s %s\n", "", strings.Repeat("─", len(values)), unit)
	return b.String()
}

// fold averages neighbours until at most width values are left.
func fold(values []float64, width int) []float64 {
	if len(values) <= width {
		return values
	}
	out := make([]float64, width)
	for i := range out {
		from, to := i*len(values)/width, (i+1)*len(values)/width
		for _, v := range values[from:to] {
			out[i] += v / float64(to-from)
		}
	}
	return out
}

// human writes a number with a unit prefix: 950, 1.2k, 3.4M.
func human(v float64) string {
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%.1fG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 1e3:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}

// count writes n with commas: 1,234,567.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
