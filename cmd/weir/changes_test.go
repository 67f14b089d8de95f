package main

import (
	"strings"
	"testing"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// lakeTable makes the Delta table lake.t and a session on it.
func lakeTable(t testing.TB, h *house, cl *clients) *session {
	t.Helper()
	if err := h.objects.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	typ, err := columnar.ParseType("struct<k:bigint,Name:string,at:timestamp,p:int>")
	if err != nil {
		t.Fatal(err)
	}
	objects := delta.InBucket(h.objects, "lake", "t")
	if _, err := delta.Create(t.Context(), objects, delta.CreateOptions{Schema: &columnar.Schema{Fields: typ.Fields}, PartitionBy: []string{"p"}}); err != nil {
		t.Fatal(err)
	}
	if err := h.catalog.CreateDatabase(t.Context(), catalog.Database{Name: "lake"}); err != nil {
		t.Fatal(err)
	}
	table := catalog.Table{Database: "lake", Name: "t", Type: "EXTERNAL_TABLE", Parameters: map[string]string{"table_type": "DELTA"}}
	table.Storage.Location = "s3://lake/t"
	table.Storage.Columns = []catalog.Column{{Name: "k", Type: "bigint"}}
	if err := h.catalog.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	s := &session{api: cl.Athena, database: "lake", workgroup: "primary"}
	if s.place, err = defaultPlace(t.Context(), cl, "primary"); err != nil {
		t.Fatal(err)
	}
	return s
}

// ask runs a statement that must succeed and returns its rows as lines.
func (s *session) ask(t testing.TB, sql string) string {
	t.Helper()
	a, err := s.run(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return a.lines()
}

// lines are the rows of an answer, their values between commas.
func (a *answer) lines() string {
	var b strings.Builder
	for _, row := range a.Rows {
		for i, v := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			if v != nil {
				b.WriteString(*v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestChangeDelta runs statements that change a Delta table, as a client of Athena does.
func TestChangeDelta(t *testing.T) {
	t.Parallel()
	h, cl := testHouse(t)
	s := lakeTable(t, h, cl)
	rows := "SELECT k, name, at, p FROM t ORDER BY k"
	for _, c := range []struct{ sql, want string }{
		{"INSERT INTO t VALUES (1, 'a', TIMESTAMP '2020-01-01 00:00:00', 1), (2, 'b', NULL, 1), (3, 'c', NULL, 2)", ""},
		{"INSERT INTO t (p, k) SELECT p + 1, k + 3 FROM t WHERE k = 3", ""},
		{"DELETE FROM t WHERE k = 2 OR t.name = 'nobody'", ""},
		{"UPDATE t SET name = upper(name) || '!', p = 7 WHERE k = 1", ""},
		{rows, "1,A!,2020-01-01 00:00:00.000,7\n3,c,,2\n6,,,3\n"},
		{`MERGE INTO t USING (SELECT k AS id, name FROM t WHERE k < 6 UNION ALL SELECT 9, 'new') AS s ON t.k = s.id
			WHEN MATCHED AND t.k = 3 THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name || '?'
			WHEN NOT MATCHED THEN INSERT (k, name, p) VALUES (s.id, s.name, 0)`, ""},
		{"OPTIMIZE t REWRITE DATA USING BIN_PACK WHERE p >= 0", ""},
		{"VACUUM t", ""},
		{rows, "1,A!?,2020-01-01 00:00:00.000,7\n6,,,3\n9,new,,0\n"},
		{"DELETE FROM t", ""},
		{"SELECT count(*) FROM t", "0\n"},
		{"DELETE FROM t WHERE k IN (SELECT k FROM t)", "!NOT_SUPPORTED"},
		{"UPDATE t SET k = 'x'", "!TYPE_MISMATCH"},
		{"UPDATE t SET nothing = 1", "!no column nothing"},
		{"DELETE FROM nowhere", "!TABLE_NOT_FOUND"},
		{"INSERT INTO t (k, p) VALUES (1, 1); ", ""},
		{"MERGE INTO t USING (SELECT 1 AS id UNION ALL SELECT 1) AS s ON t.k = s.id WHEN MATCHED THEN UPDATE SET name = 'x'", "!MERGE_TARGET_ROW_MULTIPLE_MATCHES"},
	} {
		if want, refused := strings.CutPrefix(c.want, "!"); refused {
			if _, err := s.run(t.Context(), c.sql); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.sql, err, want)
			}
			continue
		}
		if got := s.ask(t, c.sql); c.want != "" && got != c.want {
			t.Errorf("%s gives\n%s\nwant\n%s", c.sql, got, c.want)
		}
	}
}
