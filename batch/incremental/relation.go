package incremental

import (
	"fmt"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/sql"
)

// timeKind says how a column carries event time.
type timeKind int

const (
	noTime  timeKind = iota
	instant          // a timestamp
	span             // a struct of start and end, final at its end
)

// column is a column of a relation.
type column struct {
	name string // in lower case unless it is the program's own
	// label is the name as the input writes it, if that has capitals; the output gives columns back under it.
	label string
	typ   sql.Type
	time  timeKind
	// lag: no row that comes in a batch has an event time at or before weir_late() less lag, but for rows that came too late.
	lag time.Duration
}

// relation is an input, a step or a static table: rows of known columns.
type relation struct {
	name   string
	cols   []column
	stream bool
	// complete says that each batch gives all rows of the result, not those that are new or changed.
	complete bool
	// keys are the columns that name a row, if rows replace those of batches before (update mode).
	keys []string
	// replaces says that rows replace those of batches before: by keys, all rows if there are none. lost says why they cannot, as what
	// names them is not there.
	replaces bool
	lost     string
}

func (r *relation) index(name string) int {
	for i, c := range r.cols {
		if c.name == name {
			return i
		}
	}
	return -1
}

// source is the relation as package sql sees it.
func (r *relation) source() *sql.Source {
	s := &sql.Source{Binding: r.name, Columns: []sql.Column{}}
	for _, c := range r.cols {
		s.Columns = append(s.Columns, sql.Column{Name: c.name, Type: c.typ})
	}
	return s
}

// columnsOf translates the types of a schema.
func columnsOf(s *columnar.Schema) ([]column, error) {
	var cols []column
	for _, f := range s.Fields {
		t, err := sql.ParseHiveType(f.Type.String())
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		c := column{name: strings.ToLower(f.Name), typ: t}
		if c.name != f.Name {
			c.label = f.Name
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// quote writes a name of SQL.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quote(n)
	}
	return out
}

// plus writes x later by d.
func plus(x string, d time.Duration) string {
	if d == 0 {
		return x
	}
	return fmt.Sprintf("%s + to_microseconds(%d)", x, d.Microseconds())
}
