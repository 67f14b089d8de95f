package query_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

func itoa(i int) string { return strconv.Itoa(i) }

// csv is a result's rows without the header: commas between values, bars between rows.
func (l *lake) csv(x *query.Execution) string {
	l.t.Helper()
	if x.State != query.Succeeded {
		return string(x.State) + " " + x.Reason
	}
	page, err := l.Results(x, "", 1000)
	if err != nil {
		return err.Error()
	}
	var rows []string
	for _, r := range page.Rows[1:] {
		var cells []string
		for _, c := range r {
			if c == nil {
				cells = append(cells, "NULL")
				continue
			}
			cells = append(cells, *c)
		}
		rows = append(rows, strings.Join(cells, ","))
	}
	return strings.Join(rows, "|")
}

const slow = "SELECT sum(a.x * b.x % 7) FROM UNNEST(sequence(1, 1000000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(x)"

func (l *lake) start(in query.StartInput) string {
	l.t.Helper()
	if in.Result.OutputLocation == "" {
		in.Result.OutputLocation = "s3://results/"
	}
	id, err := l.Start(in)
	if err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *lake) await(id string, state query.State) *query.Execution {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	x, err := l.Wait(ctx, id)
	if err != nil {
		l.t.Fatal(err)
	}
	if x.State != state {
		l.t.Fatalf("%s: %s %s, want %s", x.SQL, x.State, x.Reason, state)
	}
	return x
}

func TestStop(t *testing.T) {
	l := newLake(t, false)
	id := l.start(query.StartInput{SQL: slow})
	if err := l.Stop(id); err != nil {
		t.Fatal(err)
	}
	x := l.await(id, query.Cancelled)
	if _, err := l.Results(x, "", 0); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("results of a cancelled query: %v", err)
	}
	if err := l.Stop(id); err != nil {
		t.Errorf("stop again: %v", err)
	}
	if err := l.Stop("nosuch"); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("stop what is not there: %v", err)
	}
}

// TestQueue fills the queue; what runs and waits fails when the service stops, and says so after a restart.
func TestQueue(t *testing.T) {
	l := newLake(t, false)
	l.Close()
	l.opts.Queue, l.opts.Parallel = 1, 1
	l.open()
	var ids []string
	for {
		id, err := l.Start(query.StartInput{SQL: slow, Result: query.ResultConfig{OutputLocation: "s3://results/"}})
		if errors.Is(err, query.ErrBusy) {
			break
		}
		if err != nil || len(ids) > 3 {
			t.Fatal(err, ids)
		}
		ids = append(ids, id)
	}
	l.Close()
	l.open()
	for _, id := range ids {
		x, err := l.Get(id)
		if err != nil || !x.State.Final() || x.State == query.Succeeded {
			t.Errorf("after a restart: %+v %v", x, err)
		}
	}
	if got, _, err := l.List(query.PrimaryGroup, "", 50); err != nil || len(got) != len(ids) {
		t.Errorf("listed %v of %v: %v", got, ids, err)
	}
}

func TestToken(t *testing.T) {
	l := newLake(t, false)
	in := query.StartInput{SQL: "SELECT 1", Token: strings.Repeat("t", 32)}
	first, second := l.start(in), l.start(in)
	if first != second {
		t.Errorf("the same token gave %s and %s", first, second)
	}
	in.SQL, in.Result.OutputLocation = "SELECT 2", "s3://results/"
	if _, err := l.Start(in); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("the same token for another statement: %v", err)
	}
	in.Token = "short"
	if _, err := l.Start(in); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("a short token: %v", err)
	}
}

func TestOutputLocation(t *testing.T) {
	l := newLake(t, false)
	if _, err := l.Start(query.StartInput{SQL: "SELECT 1"}); !errors.Is(err, query.ErrInvalid) || !strings.Contains(err.Error(), "No output location provided") {
		t.Errorf("no location: %v", err)
	}
	if err := l.CreateWorkGroup(query.WorkGroup{Name: "wg", Enforce: true, Result: query.ResultConfig{OutputLocation: "s3://results/wg"}}, nil); err != nil {
		t.Fatal(err)
	}
	x := l.await(l.start(query.StartInput{SQL: "SELECT 1", WorkGroup: "wg", Result: query.ResultConfig{OutputLocation: "s3://results/mine/"}}), query.Succeeded)
	if x.OutputLocation != "s3://results/wg/"+x.ID+".csv" {
		t.Errorf("an enforced workgroup wrote to %s", x.OutputLocation)
	}
	x = l.await(l.start(query.StartInput{SQL: "SELECT 1", Result: query.ResultConfig{OutputLocation: "s3://nosuchbucket/"}}), query.Failed)
	if !strings.Contains(x.Reason, "bucket") {
		t.Errorf("a bucket that does not exist: %s", x.Reason)
	}
	if x := l.run("CREATE TABLE t WITH (external_location = 's3://data/t/') AS SELECT 1 AS a"); x.State == query.Succeeded {
		t.Error("CTAS into a database that does not exist")
	}
}

func TestPages(t *testing.T) {
	l := newLake(t, false)
	x := l.run(`SELECT x, IF(x % 3 = 0, NULL, 'a"b' || chr(10) || ',') AS s FROM UNNEST(sequence(1, 2500)) AS t(x) ORDER BY x`)
	rows, token := 0, ""
	for {
		page, err := l.Results(x, token, 1000)
		if err != nil {
			t.Fatal(err, x.Reason)
		}
		for _, r := range page.Rows {
			switch {
			case rows == 0 && (*r[0] != "x" || *r[1] != "s"):
				t.Errorf("header %v", r)
			case rows > 0 && *r[0] != itoa(rows):
				t.Fatalf("row %d is %s", rows, *r[0])
			case rows > 0 && rows%3 == 0 && r[1] != nil, rows > 0 && rows%3 != 0 && *r[1] != "a\"b\n,":
				t.Fatalf("row %d holds %v", rows, r[1])
			}
			rows++
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if rows != 2501 {
		t.Errorf("%d rows", rows)
	}
	for _, bad := range []string{"nosuch!", "-1", "zzzzzzzzzz"} {
		if _, err := l.Results(x, bad, 10); !errors.Is(err, query.ErrInvalid) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
}

func TestScanLimit(t *testing.T) {
	l := newLake(t, false)
	l.run("CREATE DATABASE lake")
	l.put("big/a.csv", strings.Repeat("1\n", 6<<20))
	l.run("CREATE EXTERNAL TABLE big (a int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://data/big/'")
	if err := l.ChangeWorkGroup(query.PrimaryGroup, func(g *query.WorkGroup) { g.ScanLimit = 10000000 }); err != nil {
		t.Fatal(err)
	}
	if x := l.run("SELECT count(*) FROM big"); x.State != query.Cancelled || x.Reason != "Bytes scanned limit was exceeded" {
		t.Errorf("%s %s", x.State, x.Reason)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	l := newLake(t, false)
	l.Close()
	l.opts.History = 3
	l.open()
	for range 6 {
		l.run("SHOW DATABASES")
	}
	if ids, _, err := l.List(query.PrimaryGroup, "", 50); err != nil || len(ids) != 3 {
		t.Errorf("%v %v", ids, err)
	}
}

// TestText reads the kinds of text files.
func TestText(t *testing.T) {
	l := newLake(t, false)
	l.run("CREATE DATABASE lake")
	l.put("csv/a.csv", "id,name,when\n1,\"Ann, B\",2020-01-02\n2,,\n")
	l.put("csv/_hidden", "9,x,y\n")
	l.put("lazy/a.txt.gz", "1\tx\\N\t2020-01-02 03:04:05\n2\t\\N\tnonsense\n3\n")
	for _, ddl := range []string{
		`CREATE EXTERNAL TABLE open (id string, name string, day string) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://data/csv/' TBLPROPERTIES ('skip.header.line.count'='1')`,
		`CREATE EXTERNAL TABLE lazy (id int, name string, ts timestamp) ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' LOCATION 's3://data/lazy/'`,
		`CREATE EXTERNAL TABLE empty (id int) STORED AS PARQUET LOCATION 's3://data/nothing/'`,
		`CREATE EXTERNAL TABLE orc (id int) STORED AS ORC LOCATION 's3://data/csv/'`,
	} {
		if x := l.run(ddl); x.State != query.Succeeded {
			t.Fatal(ddl, x.Reason)
		}
	}
	for sql, want := range map[string]string{
		"SELECT * FROM open ORDER BY id":                                                         "1,Ann, B,2020-01-02|2,,",
		"SELECT * FROM lazy ORDER BY id":                                                         "1,x\\N,2020-01-02 03:04:05.000|2,NULL,NULL|3,NULL,NULL",
		"SELECT count(*), max(id) FROM empty":                                                    "0,NULL",
		"SELECT count(*) FROM lazy WHERE name IS NULL":                                           "2",
		"SELECT a.id, b.name FROM lazy a JOIN open b ON CAST(a.id AS varchar) = b.id ORDER BY 1": "1,Ann, B|2,",
	} {
		if got := l.csv(l.run(sql)); got != want {
			t.Errorf("%s = %s, want %s", sql, got, want)
		}
	}
	if x := l.run("SELECT * FROM orc"); !strings.Contains(x.Reason, "NOT_SUPPORTED") {
		t.Errorf("ORC: %s", x.Reason)
	}
}

// TestProjection reads partitions that are worked out, not registered.
func TestProjection(t *testing.T) {
	l := newLake(t, false)
	l.run("CREATE DATABASE lake")
	for _, day := range []string{"2026/11/20", "2026/11/21", "2026/11/22", "2026/11/23"} {
		l.put("events/eu/"+day+"/a.json", `{"n": 1}`)
		l.put("events/us/"+day+"/a.json", `{"n": 2}`)
	}
	x := l.run(`CREATE EXTERNAL TABLE events (n int) PARTITIONED BY (region string, day string)
		ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://data/events/' TBLPROPERTIES ('projection.enabled'='true',
		'projection.region.type'='enum', 'projection.region.values'='eu, us', 'projection.day.type'='date',
		'projection.day.format'='yyyy/MM/dd', 'projection.day.range'='NOW-2DAYS,NOW', 'storage.location.template'='s3://data/events/${region}/${day}/')`)
	if x.State != query.Succeeded {
		t.Fatal(x.Reason)
	}
	for sql, want := range map[string]string{
		"SELECT count(*), sum(n) FROM events":                                       "6,9",
		"SELECT day, sum(n) FROM events WHERE region = 'us' GROUP BY 1 ORDER BY 1":  "2026/11/20,2|2026/11/21,2|2026/11/22,2",
		"SELECT count(*) FROM events WHERE day > '2026/11/21' AND region IN ('eu')": "1",
		"SELECT count(*) FROM events WHERE region = 'mars'":                         "0",
	} {
		if got := l.csv(l.run(sql)); got != want {
			t.Errorf("%s = %s, want %s", sql, got, want)
		}
	}
	l.run("ALTER TABLE events SET TBLPROPERTIES ('projection.region.type'='injected')")
	if x := l.run("SELECT count(*) FROM events"); !strings.Contains(x.Reason, "HIVE_METASTORE_ERROR") {
		t.Errorf("an injected key without a condition: %s", x.Reason)
	}
	if got := l.csv(l.run("SELECT count(*) FROM events WHERE region = 'eu'")); got != "3" {
		t.Errorf("an injected key: %s", got)
	}
}

// TestPartitions registers partitions in all the ways there are.
func TestPartitions(t *testing.T) {
	l := newLake(t, true)
	l.run("CREATE DATABASE lake")
	for i := range 20 {
		l.put("t/p="+itoa(i)+"/a.json", `{"n": `+itoa(i)+`}`)
	}
	l.put("t/p=0/sub/b.json", `{"n": 100}`)
	l.put("elsewhere/c.json", `{"n": 1000}`)
	l.run("CREATE EXTERNAL TABLE t (n int) PARTITIONED BY (p int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://data/t/'")
	steps := []struct{ sql, want string }{
		{"SELECT count(*) FROM t", "0"},
		{"ALTER TABLE t ADD PARTITION (p = 50) LOCATION 's3://data/elsewhere/'", ""},
		{"SELECT sum(n), max(p) FROM t", "1000,50"},
		{"MSCK REPAIR TABLE t", ""},
		{"SELECT sum(n), count(*), count(DISTINCT p) FROM t", "1290,22,21"},
		{"SELECT sum(n) FROM t WHERE p BETWEEN 1 AND 3", "6"},
		{"ALTER TABLE t DROP PARTITION (p = 50)", ""},
		{"ALTER TABLE t PARTITION (p = 19) RENAME TO PARTITION (p = 99)", ""},
		{"SELECT sum(n), max(p) FROM t", "290,99"},
	}
	for _, s := range steps {
		x := l.run(s.sql)
		if x.State != query.Succeeded {
			t.Fatalf("%s: %s", s.sql, x.Reason)
		}
		if s.want == "" {
			continue
		}
		if got := l.csv(x); got != s.want {
			t.Errorf("%s = %s, want %s", s.sql, got, s.want)
		}
	}
	if x := l.run("ALTER TABLE t ADD PARTITION (p = 1)"); x.State != query.Failed {
		t.Errorf("a partition that is there: %s", x.State)
	}
}

// TestViewsFromElsewhere reads a view whose names are in another database.
func TestViewsFromElsewhere(t *testing.T) {
	l := newLake(t, false)
	l.run("CREATE DATABASE lake")
	l.run("CREATE DATABASE other")
	l.run("CREATE TABLE t WITH (external_location = 's3://data/t/') AS SELECT 1 AS a")
	l.run("CREATE VIEW other.v AS WITH q AS (SELECT a FROM t) SELECT q.a, (SELECT max(a) FROM t) AS m FROM q")
	id := l.start(query.StartInput{SQL: "SELECT * FROM v", Database: "other"})
	if got := l.csv(l.await(id, query.Succeeded)); got != "1,1" {
		t.Error(got)
	}
	l.run("CREATE VIEW loop AS SELECT a FROM t")
	l.run("CREATE OR REPLACE VIEW loop AS SELECT a FROM loop")
	if x := l.run("SELECT * FROM loop"); x.State != query.Failed {
		t.Errorf("a view of itself: %s", x.State)
	}
	if err := l.catalog.CreateTable(t.Context(), catalog.Table{Database: "lake", Name: "broken", Type: "VIRTUAL_VIEW", ViewOriginal: "/* Presto View: !!! */"}); err != nil {
		t.Fatal(err)
	}
	if x := l.run("SELECT * FROM broken"); !strings.Contains(x.Reason, "HIVE_INVALID_VIEW_DATA") {
		t.Errorf("a broken view: %s", x.Reason)
	}
}

func TestDescribeColumns(t *testing.T) {
	for typ, want := range map[string]query.ColumnInfo{
		"int":           {Type: "integer", Precision: 10},
		"float":         {Type: "float", Precision: 17},
		"string":        {Type: "varchar", Precision: 2147483647, CaseSensitive: true},
		"varchar(7)":    {Type: "varchar", Precision: 7, CaseSensitive: true},
		"decimal(10,2)": {Type: "decimal", Precision: 10, Scale: 2},
		"timestamp":     {Type: "timestamp", Precision: 3},
		"array<int>":    {Type: "array"},
		"struct<a:int>": {Type: "row"},
		"binary":        {Type: "varbinary", Precision: 1073741824},
	} {
		parsed, err := sql.ParseHiveType(typ)
		if err != nil {
			t.Fatal(err)
		}
		if got := query.Describe(sql.Column{Type: parsed}); got != want {
			t.Errorf("%s: %+v, want %+v", typ, got, want)
		}
	}
}
