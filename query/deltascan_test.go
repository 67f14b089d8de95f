package query_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// written is where UNLOAD put its only file, below a prefix of bucket data.
func (l *lake) written(prefix string) objstore.Info {
	l.t.Helper()
	page, err := l.objects.List(l.t.Context(), "data", objstore.ListOptions{Prefix: prefix})
	if err != nil || len(page.Objects) != 1 {
		l.t.Fatal(err, page)
	}
	return page.Objects[0]
}

// TestDeltaOfOthers reads a table as other writers leave it: its columns have physical names, nested ones too, older
// files hold narrower types and lack columns, and rows are deleted by deletion vectors.
func TestDeltaOfOthers(t *testing.T) {
	l := newLake(t, true)
	l.run("CREATE DATABASE lake")
	for _, c := range []struct{ sql, to string }{
		{"SELECT CAST(n AS smallint) AS c1, CAST(n AS real) / 10 AS c2, CAST(ROW(n) AS ROW(s1 bigint)) AS c3 FROM UNNEST(sequence(0, 9)) AS t(n)", "old"},
		{"SELECT CAST(n AS bigint) AS c1, CAST(n AS double) / 10 AS c2, CAST(ROW(n, 'x') AS ROW(s1 bigint, s2 varchar)) AS c3, ARRAY[CAST(ROW(n) AS ROW(e1 bigint))] AS c4, CAST(IF(n % 2 = 0, 1000 + n) AS bigint) AS rid FROM UNNEST(sequence(10, 19)) AS t(n)", "new"},
	} {
		if x := l.run("UNLOAD (" + c.sql + ") TO 's3://data/t/" + c.to + "/' WITH (format = 'PARQUET')"); x.State != "SUCCEEDED" {
			t.Fatal(x.Reason)
		}
	}
	data, err := delta.NewRows(2, 3, 9).Encode()
	if err != nil {
		t.Fatal(err)
	}
	vectors := binary.BigEndian.AppendUint32([]byte{1}, uint32(len(data)))
	vectors = binary.BigEndian.AppendUint32(append(vectors, data...), crc32.ChecksumIEEE(data))
	l.put("t/dv.bin", string(vectors))

	field := func(name, physical, typ, more string) string {
		return `{"name":"` + name + `","type":` + typ + `,"nullable":true,"metadata":{"delta.columnMapping.physicalName":"` + physical + `","delta.columnMapping.id":1` + more + `}}`
	}
	row := func(fields ...string) string { return `{"type":"struct","fields":[` + strings.Join(fields, ",") + `]}` }
	schema := row(
		field("Number", "c1", `"long"`, `,"delta.typeChanges":[{"fromType":"short","toType":"long"}]`),
		field("tenth", "c2", `"double"`, `,"delta.typeChanges":[{"fromType":"float","toType":"double"}]`),
		field("r", "c3", row(field("n", "s1", `"long"`, ""), field("Word", "s2", `"string"`, "")), ""),
		field("l", "c4", `{"type":"array","elementType":`+row(field("in", "e1", `"long"`, ""))+`,"containsNull":true}`, ""),
		field("part", "p1", `"string"`, ""))
	old, now := l.written("t/old/"), l.written("t/new/")
	commit := fmt.Sprintf(`{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["columnMapping","deletionVectors","typeWidening"],"writerFeatures":["columnMapping","deletionVectors","typeWidening"]}}
{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":%q,"partitionColumns":["part"],"configuration":{"delta.columnMapping.mode":"name","delta.enableRowTracking":"true","delta.rowTracking.materializedRowIdColumnName":"rid"}}}
{"add":{"path":%q,"partitionValues":{"p1":"a"},"size":%d,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":10,\"tightBounds\":false,\"minValues\":{\"c1\":0,\"c2\":0},\"maxValues\":{\"c1\":9,\"c2\":0.9}}","deletionVector":{"storageType":"p","pathOrInlineDv":"dv.bin","offset":1,"sizeInBytes":%d,"cardinality":3},"baseRowId":100,"defaultRowCommitVersion":5}}
{"add":{"path":%q,"partitionValues":{"p1":null},"size":%d,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":10,\"minValues\":{\"c1\":10},\"maxValues\":{\"c1\":19}}","baseRowId":200,"defaultRowCommitVersion":6}}
`, schema, strings.TrimPrefix(old.Key, "t/"), old.Size, len(data), strings.TrimPrefix(now.Key, "t/"), now.Size)
	l.put("t/_delta_log/00000000000000000000.json", commit)
	if err := l.catalog.CreateTable(t.Context(), catalog.Table{Database: "lake", Name: "t", Type: "EXTERNAL_TABLE",
		Storage: catalog.Storage{Location: "s3://data/t/"}, Parameters: map[string]string{"table_type": "DELTA"}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sql, want string }{
		{"SELECT count(*), sum(number), count(part), min(tenth) FROM t", "17,176,7,0.0"},
		{"SELECT number FROM t WHERE part = 'a' ORDER BY 1", "0|1|4|5|6|7|8"},
		{"SELECT number, r, l, part FROM t WHERE number IN (8, 9, 10) ORDER BY 1", "8,{n=8, word=null},NULL,a|10,{n=10, word=x},[{in=10}],NULL"},
		{"SELECT r.word, l[1].\"in\" FROM t WHERE number = 11", "x,11"},
		{"SELECT \"$path\" LIKE '%/old/%', count(*) FROM t GROUP BY 1 ORDER BY 1", "false,10|true,7"},
		{"SELECT count(*) FROM t AS a JOIN t AS b ON a.number = b.number", "17"},
		{"SELECT number, \"$row_id\", \"$row_commit_version\" FROM t WHERE number IN (0, 4, 10, 11) ORDER BY 1", "0,100,5|4,104,5|10,1010,6|11,201,6"},
		{"SELECT number FROM t WHERE tenth > 0.8000001 AND tenth < 0.95", ""}, // row 9 is deleted
	} {
		if got := l.csv(l.run(c.sql)); got != c.want {
			t.Errorf("%s = %s, want %s", c.sql, got, c.want)
		}
	}
	for sql, files := range map[string]string{
		"SELECT r FROM t WHERE number = 12":                   "1 files",
		"SELECT r FROM t WHERE part = 'b'":                    "0 files",
		"SELECT r FROM t WHERE tenth = 0.90000003":            "2 files", // the float 0.9 is more than the text that bounds it
		"SELECT r FROM t WHERE tenth > 0.901 AND number <= 9": "0 files",
	} {
		if got := l.show(l.run("EXPLAIN " + sql)); !strings.Contains(got, "parquet, "+files) {
			t.Errorf("%s reads not %s:\n%s", sql, files, got)
		}
	}

	l.clone(commit, strings.TrimPrefix(old.Key, "t/"), strings.TrimPrefix(now.Key, "t/"))
}

// clone makes tables that share the files of table t, as shallow clones do, by absolute paths.
func (l *lake) clone(commit, first, second string) {
	l.t.Helper()
	here, err := l.objects.(objstore.Local).Path(l.t.Context(), "data", "t/"+second)
	if err != nil {
		l.t.Fatal(err)
	}
	for name, places := range map[string][2]string{
		"clone":  {"s3a://data/t/" + first, "file://" + here},
		"inside": {first, second},
		"away":   {"s3://data/t/" + first, "file:///etc/passwd"},
	} {
		text := strings.NewReplacer(`"path":"`+first, `"path":"`+places[0], `"path":"`+second, `"path":"`+places[1], `"dv.bin"`, `"s3://data/t/dv.bin"`).Replace(commit)
		l.put(name+"/_delta_log/00000000000000000000.json", text)
		if err := l.catalog.CreateTable(l.t.Context(), catalog.Table{Database: "lake", Name: name, Type: "EXTERNAL_TABLE",
			Storage: catalog.Storage{Location: "s3://data/" + name + "/"}, Parameters: map[string]string{"table_type": "DELTA"}}); err != nil {
			l.t.Fatal(err)
		}
	}
	if got := l.csv(l.run("SELECT count(*), sum(number) FROM clone")); got != "17,176" {
		l.t.Errorf("clone: %s", got)
	}
	if x := l.run("SELECT count(*) FROM away"); !strings.Contains(x.Reason, "NOT_SUPPORTED") || !strings.Contains(x.Reason, "/etc/passwd") {
		l.t.Errorf("a file of this machine: %s %s", x.State, x.Reason)
	}
	if x := l.run("SELECT count(*) FROM inside"); !strings.Contains(x.Reason, second) {
		l.t.Errorf("files that are not there: %s %s", x.State, x.Reason)
	}
	// Absolute paths below the table's own folder are the same as relative ones.
	add := strings.Split(commit, "\n")[2]
	l.put("t/_delta_log/00000000000000000001.json", `{"remove":{"path":"s3://data/t/`+first+`","dataChange":true,"deletionVector":`+
		strings.SplitN(strings.TrimSuffix(add, "}}"), `"deletionVector":`, 2)[1]+`}}`)
	if got := l.csv(l.run("SELECT count(*) FROM t")); got != "10" {
		l.t.Errorf("after a remove by absolute path: %s", got)
	}
}

// TestDeltaChars reads columns that Spark calls char(n): blanks fill them up, and do not count when they are compared. Neither
// statistics nor partition values hide a row whose writer left the blanks out.
func TestDeltaChars(t *testing.T) {
	l := newLake(t, true)
	l.run("CREATE DATABASE lake")
	x := l.run("UNLOAD (SELECT * FROM (VALUES (1, 'ab', CAST(ROW('x', 1) AS ROW(A varchar, n integer)), ARRAY['p'], 'v'), (2, 'abcd  ', NULL, NULL, 'w   '), (3, NULL, NULL, ARRAY['q ', NULL], NULL)) " +
		"AS t(id, c, s, l, v)) TO 's3://data/t/new/' WITH (format = 'PARQUET')")
	if x.State != "SUCCEEDED" {
		t.Fatal(x.Reason)
	}
	field := func(name, typ, text string) string {
		meta := ""
		if text != "" {
			meta = `"__CHAR_VARCHAR_TYPE_STRING":"` + text + `"`
		}
		return `{"name":"` + name + `","type":` + typ + `,"nullable":true,"metadata":{` + meta + `}}`
	}
	schema := `{"type":"struct","fields":[` + strings.Join([]string{field("id", `"integer"`, ""), field("c", `"string"`, "char(4)"),
		field("s", `{"type":"struct","fields":[`+field("A", `"string"`, "")+`,`+field("n", `"integer"`, "")+`]}`, "struct<A:char(2),n:int>"),
		field("l", `{"type":"array","elementType":"string","containsNull":true}`, "array<char(3)>"), field("v", `"string"`, "varchar(1)"),
		field("p", `"string"`, "char(3)")}, ",") + `]}`
	file := l.written("t/new/")
	l.put("t/_delta_log/00000000000000000000.json", fmt.Sprintf(`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":%q,"partitionColumns":["p"],"configuration":{}}}
{"add":{"path":%q,"partitionValues":{"p":"k"},"size":%d,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":3,\"minValues\":{\"c\":\"ab\"},\"maxValues\":{\"c\":\"abcd  \"}}"}}
`, schema, strings.TrimPrefix(file.Key, "t/"), file.Size))
	if err := l.catalog.CreateTable(t.Context(), catalog.Table{Database: "lake", Name: "t", Type: "EXTERNAL_TABLE",
		Storage: catalog.Storage{Location: "s3://data/t/"}, Parameters: map[string]string{"table_type": "DELTA"}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sql, want string }{
		{"SELECT * FROM t WHERE id = 1", "1,ab  ,{a=x , n=1},[p  ],v,k  "},
		{"SELECT c || '|', v || '|' FROM t WHERE id = 2", "abcd  |,w   |"},
		{"SELECT id, l FROM t WHERE id = 3", "3,[q  , null]"},
		{"SELECT id FROM t WHERE c = 'ab'", "1"},
		{"SELECT id FROM t WHERE 'ab   ' = c AND p = 'k' AND p IN ('z', 'k ')", "1"},
		{"SELECT id FROM t WHERE c BETWEEN 'abcd' AND 'abcd'", "2"},
		{"SELECT count(*) FROM t AS a JOIN t AS b ON a.s.a = b.v", "0"},
		{"SELECT id FROM t WHERE c < 'abc'", "1"},
		{"SELECT id FROM t WHERE p = 'kk'", ""},
	} {
		if x := l.run(c.sql); x.State != "SUCCEEDED" || l.csv(x) != c.want {
			t.Errorf("%s = %q %s, want %q", c.sql, l.csv(x), x.Reason, c.want)
		}
	}
	if got := l.show(l.run("DESCRIBE t")); !strings.Contains(got, "char(4)") || !strings.Contains(got, "struct<a:char(2),n:int>") {
		t.Errorf("DESCRIBE: %s", got)
	}
}
