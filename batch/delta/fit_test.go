package delta_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
	batchdelta "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore/mem"
)

// selected is Rows that a statement gives.
type selected struct {
	batch.Rows // not asked for
	db         *duckdb.DB
	schema     *columnar.Schema
	sql        string
}

func (s selected) Len() int64 { return -1 }

func (s selected) Write(ctx context.Context, opts batch.WriteOptions) (files []batch.ParquetFile, err error) {
	copied, err := s.db.Copy(ctx, s.sql, duckdb.CopyOptions{Dir: opts.Dir, Columns: s.schema})
	for _, c := range copied {
		files = append(files, batch.ParquetFile{Path: c.Path, Rows: c.Rows, Size: c.Size})
	}
	return files, err
}

// lakeWith is a bucket with a table t, and what a Sink of it needs.
type lakeWith struct {
	store   *mem.Store
	db      *duckdb.DB
	staging string
	table   *rewrite.Table
}

func newLake(t *testing.T, opts delta.CreateOptions) *lakeWith {
	t.Helper()
	l := &lakeWith{store: mem.New(nil), staging: t.TempDir()}
	var err error
	if l.db, err = duckdb.Open(duckdb.Options{Dirs: []string{l.staging}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.db.Close() })
	if err := l.store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	if _, err := delta.Create(t.Context(), delta.InBucket(l.store, "lake", "t/"), opts); err != nil {
		t.Fatal(err)
	}
	l.table, err = rewrite.Open(t.Context(), rewrite.Options{Store: l.store, Location: "s3://lake/t", DB: l.db, Staging: l.staging})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lakeWith) sink(t *testing.T, schema *columnar.Schema) *batchdelta.Sink {
	t.Helper()
	s, err := batchdelta.New(batchdelta.Options{Store: l.store, Location: "s3://lake/t", DB: l.db, Staging: l.staging})
	if err == nil {
		_, err = s.Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: schema})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rows are those of the table, as JSON.
func (l *lakeWith) rows(t *testing.T) string {
	t.Helper()
	s, err := l.table.Log().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	query, err := l.table.Export(t.Context(), s.Version(), l.staging)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.db.Query(t.Context(), "SELECT * FROM ("+query+") ORDER BY ALL")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range b.Len {
		var row []any
		for _, c := range b.Columns {
			row = append(row, c.Value(i))
		}
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, " ")
}

func typed(t *testing.T, name, typ string, nullable bool, metadata map[string]any) columnar.Field {
	t.Helper()
	parsed, err := columnar.ParseType(typ)
	if err != nil {
		t.Fatal(err)
	}
	return columnar.Field{Name: name, Type: parsed, Nullable: nullable, Metadata: metadata}
}

// TestRulesOfTables appends to tables that ask something of their rows: what they ask is checked, what they make themselves is made.
func TestRulesOfTables(t *testing.T) {
	id, note := typed(t, "id", "bigint", true, nil), typed(t, "note", "string", true, nil)
	inner := typed(t, "s", "struct<a:int>", true, nil)
	inner.Type.Fields[0].Nullable = false
	for name, c := range map[string]struct {
		fields     []columnar.Field  // of the table
		properties map[string]string // set when it is there
		give       []columnar.Field
		sql        string
		want       string // rows, or what the error says
		fails      bool
	}{
		"null where none may be": {fields: []columnar.Field{typed(t, "id", "bigint", false, nil), note}, give: []columnar.Field{id, note},
			sql: "SELECT NULL AS id, 'x' AS note", want: "null in column id", fails: true},
		"no null where none may be": {fields: []columnar.Field{typed(t, "id", "bigint", false, nil), note}, give: []columnar.Field{id, note},
			sql: "SELECT 1 AS id, NULL AS note", want: `[1,null]`},
		"a column without null that is not given": {fields: []columnar.Field{typed(t, "id", "bigint", false, nil), note}, give: []columnar.Field{note},
			sql: "SELECT 'x' AS note", want: "null in column id", fails: true},
		"null in a struct": {fields: []columnar.Field{id, inner}, give: []columnar.Field{id, typed(t, "s", "struct<a:int>", true, nil)},
			sql: "SELECT 1 AS id, {a: CAST(NULL AS INT)} AS s", want: "null in column s.a", fails: true},
		"a constraint": {fields: []columnar.Field{id, note}, properties: map[string]string{"delta.constraints.small": "id < 10"}, give: []columnar.Field{id, note},
			sql: "SELECT 10 AS id, '' AS note", want: "CHECK constraint small", fails: true},
		"a constraint that holds": {fields: []columnar.Field{id, note}, properties: map[string]string{"delta.constraints.small": "id < 10"}, give: []columnar.Field{id, note},
			sql: "SELECT 9 AS id, '' AS note", want: `[9,""]`},
		"a text that is too long": {fields: []columnar.Field{id, typed(t, "note", "string", true, map[string]any{"__CHAR_VARCHAR_TYPE_STRING": "varchar(3)"})},
			give: []columnar.Field{id, note}, sql: "SELECT 1 AS id, 'long' AS note", want: "longer than varchar(3)", fails: true},
		"a text that is not too long": {fields: []columnar.Field{id, typed(t, "note", "string", true, map[string]any{"__CHAR_VARCHAR_TYPE_STRING": "varchar(3)"})},
			give: []columnar.Field{id, note}, sql: "SELECT 1 AS id, 'not' AS note", want: `[1,"not"]`},
		"a default and a generated column": {
			fields: []columnar.Field{id, typed(t, "note", "string", true, map[string]any{"CURRENT_DEFAULT": "'none'"}),
				typed(t, "twice", "bigint", true, map[string]any{"delta.generationExpression": "id * 2"})},
			give: []columnar.Field{id}, sql: "SELECT 7 AS id", want: `[7,"none",14]`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, delta.CreateOptions{Schema: &columnar.Schema{Fields: c.fields}, Properties: map[string]string{"delta.feature.allowColumnDefaults": "supported", "delta.feature.generatedColumns": "supported"}})
			if _, err := l.table.Alter(t.Context(), rewrite.Alteration{Properties: c.properties}); c.properties != nil && err != nil {
				t.Fatal(err)
			}
			given := &columnar.Schema{Fields: c.give}
			_, err := l.sink(t, given).Write(t.Context(), 0, selected{db: l.db, schema: given, sql: c.sql})
			got := l.rows(t)
			if c.fails {
				if !errors.Is(err, rewrite.ErrViolation) || !strings.Contains(fmt.Sprint(err), c.want) || got != "" {
					t.Errorf("error %v, rows %s", err, got)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("rows %s, want %s; error %v", got, c.want, err)
			}
			for commit, err := range l.table.Log().History(t.Context()) {
				if err != nil || commit.Info.Operation != "STREAMING UPDATE" || commit.Info.OperationParameters["epochId"] != "0" {
					t.Errorf("history %+v, %v", commit, err)
				}
				break
			}
		})
	}
}

// TestColumnsChangeMeanwhile changes the columns of a table between two batches of a pipeline that stays open.
func TestColumnsChangeMeanwhile(t *testing.T) {
	id, note, n := typed(t, "id", "bigint", true, nil), typed(t, "note", "string", true, nil), typed(t, "n", "int", true, nil)
	given := &columnar.Schema{Fields: []columnar.Field{id, note, n}}
	// schema is the table's with a change.
	schema := func(change func(*columnar.Schema)) func(*columnar.Schema) rewrite.Alteration {
		return func(s *columnar.Schema) rewrite.Alteration {
			s = &columnar.Schema{Fields: slices.Clone(s.Fields)}
			change(s)
			return rewrite.Alteration{Schema: s}
		}
	}
	for name, c := range map[string]struct {
		alter func(*columnar.Schema) rewrite.Alteration
		want  string // rows, or what the error says
		fails bool
	}{
		"another column": {schema(func(s *columnar.Schema) { s.Fields = append(s.Fields, typed(t, "more", "int", true, nil)) }), `[0,"x",3,null] [1,"x",3,null]`, false},
		"a column less":  {func(*columnar.Schema) rewrite.Alteration { return rewrite.Alteration{Drop: []string{"note"}} }, `[0,3,null] [1,3,"x"]`, false},
		"another name": {func(*columnar.Schema) rewrite.Alteration {
			return rewrite.Alteration{Rename: map[string]string{"note": "text"}}
		},
			`[0,"x",3,null] [1,null,3,"x"]`, false},
		"a wider type": {schema(func(s *columnar.Schema) { s.Fields[2].Type.Kind = columnar.Int64 }), "has column n of type bigint, the query gives int: cast it", true},
	} {
		for _, mapping := range []string{"none", "name"} {
			if mapping == "none" && (name == "a column less" || name == "another name") { // which need it
				continue
			}
			t.Run(name+", mapping "+mapping, func(t *testing.T) {
				l := newLake(t, delta.CreateOptions{Schema: given, Properties: map[string]string{"delta.columnMapping.mode": mapping, "delta.enableTypeWidening": "true"}})
				s := l.sink(t, given)
				write := func(i int64) error {
					_, err := s.Write(t.Context(), i, selected{db: l.db, schema: given, sql: fmt.Sprintf("SELECT %d AS id, 'x' AS note, 3 AS n", i)})
					return err
				}
				if err := write(0); err != nil {
					t.Fatal(err)
				}
				snapshot, err := l.table.Log().Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.table.Alter(t.Context(), c.alter(snapshot.Schema())); err != nil {
					t.Fatal(err)
				}
				err = write(1)
				if c.fails {
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("error %v", err)
					}
					return
				}
				if got := l.rows(t); err != nil || got != c.want {
					t.Errorf("rows %s, want %s; error %v", got, c.want, err)
				}
			})
		}
	}
}
