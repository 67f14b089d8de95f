package incremental

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
)

func openDB(t testing.TB) *duckdb.DB {
	t.Helper()
	db, err := duckdb.Open(duckdb.Options{Threads: 1, MemoryLimit: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// schema reads "a int, ts timestamp".
func schema(t testing.TB, text string) *columnar.Schema {
	t.Helper()
	s := &columnar.Schema{}
	for _, col := range strings.Split(text, ", ") {
		name, typ, _ := strings.Cut(col, " ")
		ct, err := columnar.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, columnar.Field{Name: name, Type: ct, Nullable: true})
	}
	return s
}

func rowsOfSchema(t testing.TB, s *columnar.Schema, rows [][]any) []*columnar.Batch {
	t.Helper()
	if len(rows) == 0 {
		return nil
	}
	b := columnar.NewBuilder(s)
	for _, r := range rows {
		if err := b.Append(r...); err != nil {
			t.Fatal(err)
		}
	}
	return []*columnar.Batch{b.Batch()}
}

// machine runs a program batch by batch, with state in memory, as engine, runner and store do together.
type machine struct {
	t       testing.TB
	db      *duckdb.DB
	in      Inputs
	p       *batch.Program
	state   map[string]*columnar.Batch
	max     map[string]time.Time
	late    time.Time
	mark    time.Time // the watermark
	static  []duckdb.Table
	dropped int64
	compact *rand.Rand // draws states together now and then; nil: never
	engine  *engine    // runs the program instead, if there is one
}

func newMachine(t testing.TB, db *duckdb.DB, query string, in Inputs, static ...duckdb.Table) *machine {
	t.Helper()
	p, err := Compile(query, in)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return &machine{t: t, db: db, in: in, p: p, state: map[string]*columnar.Batch{}, max: map[string]time.Time{}, static: static}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "TIMESTAMP '0001-01-01 00:00:00'"
	}
	return "TIMESTAMP '" + t.UTC().Format("2006-01-02 15:04:05.000000") + "'"
}

// queryOf runs steps up to and including name.
func (m *machine) query(name, sql string, tables []duckdb.Table) *columnar.Batch {
	m.t.Helper()
	var with []string
	for _, s := range m.p.Steps {
		with = append(with, quote(s.Name)+" AS MATERIALIZED ("+s.SQL+")")
		if s.Name == name {
			break
		}
	}
	q := "WITH " + strings.Join(with, ",\n") + "\n" + sql
	for fn, at := range map[string]time.Time{"weir_late()": m.late, "weir_watermark()": m.mark, "weir_batch_time()": time.Unix(1e9, 0)} {
		q = strings.ReplaceAll(q, fn, stamp(at))
	}
	b, err := m.db.Query(context.Background(), q, tables...)
	if err != nil {
		m.t.Fatalf("step %s: %v\n%s", name, err, q)
	}
	return b
}

// run runs a batch of rows by stream and returns the rows of its output. With commit false nothing is kept.
func (m *machine) run(rows map[string][][]any, commit bool) []string {
	m.t.Helper()
	if m.engine != nil {
		return m.runEngine(rows, commit)
	}
	tables := append([]duckdb.Table{}, m.static...)
	for name, s := range m.in.Streams {
		tables = append(tables, duckdb.Table{Name: name, Schema: s.Columns, Rows: rowsOfSchema(m.t, s.Columns, rows[name])})
	}
	for _, spec := range m.p.States {
		like := m.query(spec.Like, "SELECT * FROM "+quote(spec.Like)+" LIMIT 0", tables)
		table := duckdb.Table{Name: spec.Name, Schema: like.Schema}
		if b := m.state[spec.Name]; b != nil {
			table.Rows = []*columnar.Batch{b}
		}
		tables = append(tables, table)
	}
	out := m.query(m.p.Output, "SELECT * FROM "+quote(m.p.Output), tables)
	next := map[string]*columnar.Batch{}
	for _, spec := range m.p.States {
		if spec.Late != "" {
			b := m.query(spec.Late, "SELECT * FROM "+quote(spec.Late), tables)
			if commit {
				m.dropped += b.Columns[0].Int(0)
			}
		}
		sql := "SELECT * FROM " + quote(spec.Update)
		if !spec.Replace {
			sql = "SELECT * FROM " + quote(spec.Name) + " UNION ALL " + sql
		}
		if spec.Until != "" && (m.compact == nil || m.compact.IntN(2) == 0) { // files go as a whole: rows may stay longer
			sql = "SELECT * FROM (" + sql + ") WHERE " + quote(spec.Until) + " IS NULL OR " + quote(spec.Until) + " > weir_watermark()"
		}
		b := m.query(spec.Update, sql, tables)
		if spec.Compact != "" && m.compact != nil && m.compact.IntN(3) == 0 {
			c, err := m.db.Query(context.Background(), spec.Compact, duckdb.Table{Name: "runs", Schema: b.Schema, Rows: []*columnar.Batch{b}})
			if err != nil {
				m.t.Fatalf("compact %s: %v\n%s", spec.Name, err, spec.Compact)
			}
			b = c
		}
		next[spec.Name] = b
	}
	if commit {
		m.state = next
		m.advance(rows)
	}
	return texts(out)
}

// advance moves the watermark for the next batch.
func (m *machine) advance(rows map[string][][]any) {
	m.late = m.mark
	var least time.Time
	known := true
	for name, s := range m.in.Streams {
		if s.EventTime == "" {
			continue
		}
		i := s.Columns.Index(s.EventTime)
		for _, r := range rows[name] {
			if i < 0 {
				break // runEngine has asked the program
			}
			if at, ok := r[i].(time.Time); ok && at.After(m.max[name]) {
				m.max[name] = at
			}
		}
		if m.max[name].IsZero() {
			known = false
			continue
		}
		if w := m.max[name].Add(-s.Delay).Truncate(time.Millisecond); least.IsZero() || w.Before(least) {
			least = w
		}
	}
	if known && least.After(m.mark) {
		m.mark = least
	}
}

func texts(b *columnar.Batch) []string {
	var out []string
	for i := range b.Len {
		var vals []any
		for k := range b.Columns {
			vals = append(vals, plain(b.Columns[k].Value(i)))
		}
		text, err := json.Marshal(vals)
		if err != nil {
			panic(err)
		}
		out = append(out, string(text))
	}
	sort.Strings(out)
	return out
}

// plain rounds doubles, whose last digits depend on the order of sums, and writes times short.
func plain(v any) any {
	switch v := v.(type) {
	case float64:
		if math.Abs(v) < 1e-9 { // what is left of a sum that is zero
			return "0"
		}
		return fmt.Sprintf("%.9g", v*(1+1e-11)) // no tie stays one
	case time.Time:
		return v.UTC().Format("15:04:05.999")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	}
	return v
}

func base() time.Time { return time.Date(2024, 1, 1, 10, 0, 0, 0, time.UTC) }

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func contains(s, part string) bool { return strings.Contains(s, part) }

// fields lists the columns of a schema.
func fields(s *columnar.Schema) string {
	var names []string
	for _, f := range s.Fields {
		names = append(names, f.Name+" "+f.Type.String())
	}
	return strings.Join(names, ", ")
}
