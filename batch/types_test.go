package batch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/columnar"
)

const typesFile = `
name: types
source:
  stream: s
  schema:
    b: boolean
    i8: tinyint
    i16: smallint
    i32: int
    i64: bigint
    f32: float
    f64: double
    s: string
    y: binary
    d: date
    t: timestamp
    n: timestamp_ntz
    d9: decimal(9,2)
    d38: decimal(38,10)
    st: "struct<a:int,t:timestamp,n:timestamp_ntz,in:struct<x:array<string>>>"
    ar: "array<struct<d:decimal(5,1),b:binary>>"
    mp: "map<string,array<timestamp>>"
    _arrival: timestamp
    _shard_id: string
query: QUERY
sink:
  delta: s3://lake/rides
trigger: available-now
dead_letters: s3://lake/_dead
`

const typesRecord = `{"b":true,"i8":-128,"i16":-32768,"i32":2147483647,"i64":-9223372036854775808,"f32":1.5,"f64":0.1,"s":"é\u0000\"","y":"AP8=","d":"1969-12-31",` +
	`"t":"2019-01-15T03:36:12.123456+01:00","n":"2019-01-15 03:36:12.5","d9":-1234567.89,"d38":1234567890123456789012345678.0123456789,` +
	`"st":{"a":1,"t":"2019-01-15 00:00:00","n":"1969-12-31 23:59:59.999999","in":{"x":["p",null,""]}},"ar":[{"d":1.25,"b":""},null,{}],"mp":{"k":["2019-01-15 00:00:00",null],"e":[]}}`

const typesRow = `{"b":true,"i8":-128,"i16":-32768,"i32":2147483647,"i64":-9223372036854775808,"f32":1.5,"f64":0.1,"s":"é\u0000\"","y":"AP8=","d":"1969-12-31",` +
	`"t":"2019-01-15T02:36:12.123456Z","n":"2019-01-15T03:36:12.5","d9":-1234567.89,"d38":1234567890123456789012345678.0123456789,` +
	`"st":{"a":1,"t":"2019-01-15T00:00:00Z","n":"1969-12-31T23:59:59.999999","in":{"x":["p",null,""]}},"ar":[{"d":1.3,"b":""},null,{}],"mp":{"k":["2019-01-15T00:00:00Z",null],"e":[]},` +
	`"_arrival":"2001-09-09T01:46:40Z","_shard_id":"shardId-000000000000"}`

// TestTypesIntoDelta sends every type through a query into a Delta table and reads the files.
func TestTypesIntoDelta(t *testing.T) {
	for _, query := range []string{
		"SELECT * FROM source",
		"SELECT *, NULL AS x FROM source WHERE n > timestamp '2000-01-01 00:00:00' OR n IS NULL",
		"SELECT *, CAST(NULL AS varchar) AS x FROM source WHERE date_trunc('day', n) = timestamp '2019-01-15 00:00:00' AND coalesce(n, t) > t AND year(n) = 2019 OR st.n IS NULL",
		"SELECT * FROM (SELECT * FROM source WHERE i32 IS NULL UNION ALL SELECT * FROM source WHERE i32 IS NOT NULL)",
	} {
		l := newLake(t)
		p := parse(t, strings.Replace(typesFile, "QUERY", query, 1))
		want := []string{`{"_arrival":"2001-09-09T01:46:40Z","_shard_id":"shardId-000000000000"}`, typesRow}
		run(t, l.options(t, p, newMemSource(1, [][]byte{[]byte(typesRecord), []byte(`{}`)})))
		var rows []string
		l.readTable(t, func(_ map[string]*string, b *columnar.Batch) {
			for i := range b.Len {
				rows = append(rows, string(b.AppendRow(nil, i)))
			}
			for _, f := range p.Sources[0].Schema.Fields {
				if got := b.Schema.Fields[b.Schema.Index(f.Name)].Type.String(); got != f.Type.String() {
					t.Errorf("%s: column %s is %s in the file, want %s", query, f.Name, got, f.Type)
				}
			}
		})
		slices.Sort(rows)
		if !slices.Equal(rows, want) {
			t.Errorf("%s:\n%s", query, strings.Join(rows, "\n"))
		}
	}
}

const corruptFile = `
name: corrupt
source:
  stream: s
  schema: {_corrupt: string, n: bigint, s: "struct<a:int>", _sequence_number: string}
  corrupt_record: _corrupt
  rescued: _rescued
sink:
  delta: s3://lake/rides
trigger: available-now
dead_letters: s3://lake/_dead
`

// TestCorruptAndRescued finds what did not fit in the table, and what has no row otherwise in the dead letters too.
func TestCorruptAndRescued(t *testing.T) {
	l, letters := newLake(t), memLetters{}
	opts := l.options(t, parse(t, corruptFile), newMemSource(1, [][]byte{
		[]byte(`{"n":1,"s":{"a":2}}`), []byte(`{"n":"x","new":[1, 2],"s":{"a":"y","b":null}}`), []byte(`{"n":`), []byte("\xff"),
	}))
	opts.Letters = letters
	run(t, opts)
	var rows []string
	l.readTable(t, func(_ map[string]*string, b *columnar.Batch) {
		for i := range b.Len {
			rows = append(rows, string(b.AppendRow(nil, i)))
		}
	})
	slices.Sort(rows)
	want := []string{
		`{"_corrupt":"�","_sequence_number":"4"}`,
		`{"_corrupt":"{\"n\":","_sequence_number":"3"}`,
		`{"n":1,"s":{"a":2},"_sequence_number":"1"}`,
		`{"s":{},"_sequence_number":"2","_rescued":"{\"n\":\"x\",\"new\":[1, 2],\"s\":{\"a\":\"y\",\"b\":null}}"}`,
	}
	slices.Sort(want)
	if !slices.Equal(rows, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	dead := letters.all(t)
	if len(dead) != 2 || !dead[0].Kept || !dead[1].Kept || dead[0].Field != "" {
		t.Errorf("dead letters %+v", dead)
	}
}
