package rewrite

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/sql"
)

const location = "s3://lake/t"

// lake is a table in memory with what changes it.
type lake struct {
	testing.TB
	store objstore.Store
	db    *duckdb.DB
	dir   string
	table *Table
}

func newStore(t testing.TB) objstore.Store {
	t.Helper()
	s := mem.New(nil)
	if err := s.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	return s
}

func newLake(t testing.TB) *lake {
	t.Helper()
	l := &lake{TB: t, store: newStore(t), dir: t.TempDir()}
	var err error
	l.db, err = duckdb.Open(duckdb.Options{Dirs: []string{l.dir}, Threads: 2})
	l.must(err)
	t.Cleanup(l.db.Close)
	return l
}

func (l *lake) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func now() time.Time { return time.Unix(1700000000, 0) }

// create makes a table of a schema in Spark's notation: a int, b string.
func (l *lake) create(columns string, by []string, props map[string]string) {
	l.Helper()
	l.createWith(schemaOf(l, columns), by, props)
}

func (l *lake) createWith(schema *columnar.Schema, by []string, props map[string]string) {
	l.Helper()
	objects := delta.InBucket(l.store, "lake", "t")
	_, err := delta.Create(l.Context(), objects, delta.CreateOptions{Schema: &columnar.Schema{Fields: bare(schema.Fields)}, PartitionBy: by, Now: now})
	l.must(err)
	l.open()
	if props == nil {
		props = map[string]string{}
	}
	_, err = l.table.Alter(l.Context(), Alteration{Schema: schema, Properties: props})
	l.must(err)
}

// bare are fields without metadata.
func bare(fields []columnar.Field) []columnar.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Metadata = nil
	}
	return out
}

func (l *lake) open() {
	l.Helper()
	var err error
	l.table, err = Open(l.Context(), Options{Store: l.store, Location: location, DB: l.db, Staging: l.dir, Now: now})
	l.must(err)
}

func schemaOf(t testing.TB, columns string) *columnar.Schema {
	t.Helper()
	typ, err := columnar.ParseType("struct<" + strings.ReplaceAll(strings.ReplaceAll(columns, ", ", ","), " ", ":") + ">")
	if err != nil {
		t.Fatal(err)
	}
	return &columnar.Schema{Fields: typ.Fields}
}

// rows makes rows of JSON lists.
func (l *lake) rows(columns string, lines ...string) Rows {
	l.Helper()
	schema := schemaOf(l, columns)
	b := columnar.NewBuilder(schema)
	for _, line := range lines {
		var values []any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		l.must(d.Decode(&values))
		for i, v := range values {
			values[i] = goValue(l, schema.Fields[i].Type, v)
		}
		l.must(b.Append(values...))
	}
	return Rows{Schema: schema, Rows: []*columnar.Batch{b.Batch()}}
}

// goValue is a value of JSON as a builder takes it.
func goValue(t testing.TB, typ columnar.Type, v any) any {
	t.Helper()
	switch v := v.(type) {
	case json.Number:
		if typ.Kind == columnar.Decimal {
			return v.String()
		}
		if n, err := v.Int64(); err == nil && typ.Kind <= columnar.Int64 {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case string:
		if columnar.Date <= typ.Kind && typ.Kind <= columnar.TimestampNTZ {
			at, err := delta.ParseTimestamp(v)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	case map[string]any:
		for _, f := range typ.Fields {
			if x, ok := v[f.Name]; ok {
				v[f.Name] = goValue(t, f.Type, x)
			}
		}
	case []any:
		for i := range v {
			v[i] = goValue(t, typ.Fields[0].Type, v[i])
		}
	}
	return v
}

// read are the table's rows as JSON lists, sorted.
func (l *lake) read() []string {
	l.Helper()
	s, err := l.table.table.Snapshot(l.Context())
	l.must(err)
	return l.readAt(s)
}

func (l *lake) readAt(s *delta.Snapshot) []string {
	l.Helper()
	dir, err := os.MkdirTemp(l.dir, "read-")
	l.must(err)
	defer os.RemoveAll(dir)
	j := newJob(context.Background(), l.table, s, dir)
	var files []*delta.File
	for f, err := range s.Files(nil) {
		l.must(err)
		files = append(files, f)
	}
	inputs, err := j.open(files)
	l.must(err)
	query, tables, err := j.target(inputs, nil)
	l.must(err)
	var names []string
	for _, f := range s.Schema().Fields {
		names = append(names, quoteName(f.Name))
	}
	b, err := l.db.Query(l.Context(), "SELECT "+strings.Join(names, ", ")+" FROM ("+query+")", tables...)
	l.must(err)
	return textRows(b)
}

func textRows(b *columnar.Batch) []string {
	var out []string
	for i := range b.Len {
		var values []any
		for _, c := range b.Columns {
			v := c.Value(i)
			if at, ok := v.(time.Time); ok {
				v = at.Format("2006-01-02 15:04:05.999999")
			}
			values = append(values, v)
		}
		text, _ := json.Marshal(values)
		out = append(out, string(text))
	}
	slices.Sort(out)
	return out
}

func (l *lake) want(lines ...string) {
	l.Helper()
	got := l.read()
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		l.Errorf("rows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func (l *lake) where(text string) Condition {
	l.Helper()
	c, err := Where(text)
	l.must(err)
	return c
}

func (l *lake) set(pairs ...string) []Assignment {
	l.Helper()
	var out []Assignment
	for i := 0; i < len(pairs); i += 2 {
		x, err := sql.ParseExpr(pairs[i+1])
		l.must(err)
		out = append(out, Assignment{pairs[i], x})
	}
	return out
}

func (l *lake) append(columns string, lines ...string) {
	l.Helper()
	_, err := l.table.Append(l.Context(), l.rows(columns, lines...), WriteOptions{})
	l.must(err)
}

// each runs a test with files written anew and with deletion vectors.
func each(t *testing.T, props map[string]string, test func(t *testing.T, props map[string]string)) {
	for _, vectors := range []string{"false", "true"} {
		t.Run("vectors="+vectors, func(t *testing.T) {
			p := maps.Clone(props)
			if p == nil {
				p = map[string]string{}
			}
			p["delta.enableDeletionVectors"] = vectors
			test(t, p)
		})
	}
}

func TestDeleteAndUpdate(t *testing.T) {
	each(t, nil, func(t *testing.T, props map[string]string) {
		l := newLake(t)
		const columns = "id int, name string, p string, at timestamp"
		l.create(columns, []string{"p"}, props)
		l.append(columns, `[1,"a","x","2020-01-01 00:00:00"]`, `[2,"b","x",null]`, `[3,null,"y","2020-01-02 00:00:00"]`)
		l.append(columns, `[4,"d",null,null]`, `[5,"e","y",null]`)
		r, err := l.table.Delete(t.Context(), l.where("id = 2 OR name = 'e'"), "")
		l.must(err)
		if r.Deleted != 2 || !r.Committed {
			t.Errorf("%+v", r)
		}
		l.want(`[1,"a","x","2020-01-01 00:00:00"]`, `[3,null,"y","2020-01-02 00:00:00"]`, `[4,"d",null,null]`)
		r, err = l.table.Update(t.Context(), l.set("name", "name || '!'", "p", "'z'"), l.where("id <> 3"), "")
		l.must(err)
		if r.Updated != 2 {
			t.Errorf("%+v", r)
		}
		l.want(`[1,"a!","z","2020-01-01 00:00:00"]`, `[3,null,"y","2020-01-02 00:00:00"]`, `[4,"d!","z",null]`)
		if r, err = l.table.Delete(t.Context(), l.where("p = 'z'"), ""); err != nil || r.Deleted != 2 || r.AddedFiles != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		l.want(`[3,null,"y","2020-01-02 00:00:00"]`)
		if r, err = l.table.Delete(t.Context(), l.where("id = 77"), ""); err != nil || r.Committed {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err = l.table.Update(t.Context(), l.set("id", "'x'"), Condition{}, ""); !errors.Is(err, delta.ErrInvalid) {
			t.Errorf("text into a number: %v", err)
		}
		r, err = l.table.Delete(t.Context(), Condition{}, "")
		l.must(err)
		l.want()
	})
}
