package soak

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// column is what is measured in each sample. A bound is how many times the median of the first third that of the last may be, slack how
// much more in any case; without a bound a column only tells.
type column struct {
	name  string
	bound float64
	slack float64
}

// course is what was measured in a run, sample after sample. A file has each sample as soon as it is taken, so that also a run that ended
// early tells what it saw.
type course struct {
	columns []column
	seconds []float64
	values  [][]float64 // by column
	file    *os.File    // nil: none
}

// newCourse begins a course that writes its samples as CSV into a file, if that has a name.
func newCourse(name string, columns []column) (*course, error) {
	c := &course{columns: columns, values: make([][]float64, len(columns))}
	if name == "" {
		return c, nil
	}
	var err error
	if c.file, err = os.Create(name); err != nil {
		return nil, err
	}
	header := []string{"seconds"}
	for _, col := range columns {
		header = append(header, col.name)
	}
	return c, c.write(header)
}

// openCourse begins the course of a test, which is written into the file of -csv.
func openCourse(t *testing.T, columns []column) *course {
	c, err := newCourse(*csvFile, columns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *course) write(row []string) error {
	if c.file == nil {
		return nil
	}
	return csv.NewWriter(c.file).WriteAll([][]string{row})
}

// add takes a sample: a value for each column.
func (c *course) add(at time.Duration, values ...float64) error {
	if len(values) != len(c.columns) {
		return fmt.Errorf("%d values for %d columns", len(values), len(c.columns))
	}
	c.seconds = append(c.seconds, at.Seconds())
	row := []string{fmt.Sprintf("%.1f", at.Seconds())}
	for i, v := range values {
		c.values[i] = append(c.values[i], v)
		row = append(row, fmt.Sprintf("%.2f", v))
	}
	return c.write(row)
}

// close ends the file.
func (c *course) close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// of returns the values of a column.
func (c *course) of(name string) []float64 {
	i := slices.IndexFunc(c.columns, func(col column) bool { return col.name == name })
	return c.values[i]
}

// table shows how all columns went, and what grew beyond its bound.
func (c *course) table() (text string, grown error) {
	var out strings.Builder
	for i, col := range c.columns {
		all := c.values[i]
		first, last := thirds(all[len(all)/8:]) // without the time in which caches fill
		bound := "-"
		if col.bound > 0 {
			bound = fmt.Sprintf("<= %.1f x + %g", col.bound, col.slack)
		}
		fmt.Fprintf(&out, "%-18s %12.1f %12.1f  greatest %12.1f  %-20s %s\n", col.name, first, last, slices.Max(all), bound, plot(all, 60))
		if col.bound > 0 && last > col.bound*first+col.slack {
			grown = errors.Join(grown, fmt.Errorf("%s grew from %.1f to %.1f (medians of the first and the last third), bound %s", col.name, first, last, bound))
		}
	}
	return out.String(), grown
}

func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return v[len(v)/2]
}

// thirds are the medians of the first and the last third.
func thirds(values []float64) (first, last float64) {
	third := len(values) / 3
	return medianOf(values[:third]), medianOf(values[len(values)-third:])
}

// plot draws the course of values as a line of blocks, from zero to the greatest.
func plot(values []float64, width int) string {
	width = min(width, len(values))
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for i := range width {
		v := medianOf(values[i*len(values)/width : (i+1)*len(values)/width])
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, int(v/max(top, 1e-9)*8))])
	}
	return b.String()
}

// TestCourse takes samples: each is in the file before the next, and what grows is told.
func TestCourse(t *testing.T) {
	name := t.TempDir() + "/c.csv"
	c, err := newCourse(name, []column{{"flat", 1.5, 1}, {"rising", 1.5, 1}, {"told", 0, 0}})
	if err != nil {
		t.Fatal(err)
	}
	want := "seconds,flat,rising,told\n"
	for i := range 9 {
		if err := c.add(time.Duration(i)*time.Second, 5, float64(i), float64(i)); err != nil {
			t.Fatal(err)
		}
		want += fmt.Sprintf("%d.0,5.00,%d.00,%d.00\n", i, i, i)
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Fatalf("after sample %d: %q, %v", i, got, err)
		}
	}
	if _, grown := c.table(); grown == nil || !strings.HasPrefix(grown.Error(), "rising grew") {
		t.Errorf("grown: %v", grown)
	}
	if err := errors.Join(c.close(), c.add(0, 1)); err == nil {
		t.Error("too few values were taken")
	}
}
