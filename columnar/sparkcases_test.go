package columnar

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

const (
	casesFile   = "testdata/spark-cases.tsv"
	reasonsFile = "../docs/types.md"
)

// sparkCase is a line of testdata/spark-cases.tsv: what Spark makes of a record, what we make of it, and why they differ.
type sparkCase struct {
	line                            int
	format, schema, options, record string
	spark, weir, reason             string
}

func readSparkCases(t *testing.T) []sparkCase {
	t.Helper()
	text, err := os.ReadFile(casesFile)
	if err != nil {
		t.Fatal(err)
	}
	var cases []sparkCase
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 7 {
			t.Fatalf("%s:%d: %d columns", casesFile, i+1, len(f))
		}
		cases = append(cases, sparkCase{i + 1, f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	return cases
}

// TestSparkCases holds our answers, and that each that differs from Spark's has a reason in docs/types.md.
func TestSparkCases(t *testing.T) {
	docs, err := os.ReadFile(reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, reasons, _ := strings.Cut(string(docs), "| reason |")
	used := map[string]bool{}
	cases := readSparkCases(t)
	for i := range cases {
		c := &cases[i]
		got := c.decode()
		if *update {
			c.weir = got
		}
		if got != c.weir {
			t.Errorf("%s:%d: %s %s from %s: %s, want %s", casesFile, c.line, c.format, c.schema, c.record, got, c.weir)
		}
		same := sameAnswer(c.spark, got)
		switch {
		case same && c.reason != "":
			t.Errorf("%s:%d: no difference, but the reason %s", casesFile, c.line, c.reason)
		case !same && !strings.Contains(reasons, "| `"+c.reason+"` |"):
			t.Errorf("%s:%d: %s from %s: Spark says %s, we say %s; the reason %q is not in %s", casesFile, c.line, c.schema, clip(c.record, 80), clip(c.spark, 80), clip(got, 80), c.reason, reasonsFile)
		}
		used[c.reason] = true
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(reasons, -1) {
		if !used[m[1]] {
			t.Errorf("%s: no case has the reason %s", reasonsFile, m[1])
		}
	}
	if *update {
		writeSparkCases(t, cases)
	}
}

func writeSparkCases(t *testing.T, cases []sparkCase) {
	t.Helper()
	out := bytes.NewBufferString("# What Spark 3.5.3 (from_json and from_csv, PERMISSIVE, spark.sql.legacy.timeParserPolicy=CORRECTED, session in UTC) and weir make of records.\n" +
		"# Columns: format, schema, options, record (bytes that are not printable ASCII, and %, as %XX), Spark's answer, ours, reason of the difference (docs/types.md).\n" +
		"# An answer is the row as JSON; \"corrupt\" behind it says that the record was put into the column for corrupt records; rows are joined by \" and \".\n")
	for _, c := range cases {
		fmt.Fprintln(out, strings.Join([]string{c.format, c.schema, c.options, c.record, c.spark, c.weir, c.reason}, "\t"))
	}
	if err := os.WriteFile(casesFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// decode gives our answer.
func (c *sparkCase) decode() string {
	format := Format{Name: c.format, CorruptRecord: "_corrupt"}
	for _, o := range strings.Split(c.options, ";") {
		if name, value, ok := strings.Cut(o, "="); ok {
			if format.Options == nil {
				format.Options = map[string]string{}
			}
			format.Options[name] = value
		}
	}
	record, err := url.PathUnescape(c.record)
	if err != nil {
		return "error: " + err.Error()
	}
	typ, err := ParseSparkType("struct<" + ddl(c.schema) + ">")
	if err != nil {
		return "error: " + err.Error()
	}
	schema, err := format.Complete(typ.Fields)
	if err != nil {
		return "error: " + err.Error()
	}
	d, err := NewRecordDecoder(schema, format)
	if err != nil {
		return "error: " + err.Error()
	}
	rows, bad, err := d.Append([]byte(record), &Origin{})
	if err != nil {
		return "error: " + err.Error()
	}
	batch := *d.Batch()
	last := len(batch.Columns) - 1
	batch.Schema, batch.Columns = &Schema{Fields: schema.Fields[:last]}, batch.Columns[:last]
	var out []string
	for i := range rows {
		text := string(batch.AppendRow(nil, i))
		if bad != nil {
			text += " corrupt"
		}
		out = append(out, text)
	}
	return strings.Join(out, " and ")
}

// ddl turns "a int, b string" into "a:int,b:string".
func ddl(schema string) string {
	var out strings.Builder
	depth, name := 0, true
	for _, r := range schema {
		switch {
		case r == '<' || r == '(':
			depth++
		case r == '>' || r == ')':
			depth--
		case r == ',' && depth == 0:
			name = true
		case r == ' ' && name && !strings.HasSuffix(out.String(), ",") && out.Len() > 0:
			r, name = ':', false
		case r == ' ' && name:
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// sameAnswer compares two answers: numbers by value, fractions of seconds without zeros at their end, null as nothing.
func sameAnswer(a, b string) bool {
	if strings.HasPrefix(a, "error") && strings.HasPrefix(b, "error") {
		return true
	}
	rowA, corruptA := strings.CutSuffix(a, " corrupt")
	rowB, corruptB := strings.CutSuffix(b, " corrupt")
	if corruptA != corruptB {
		return false
	}
	var x, y any
	if json.Unmarshal([]byte(rowA), &x) != nil || json.Unmarshal([]byte(rowB), &y) != nil {
		return rowA == rowB
	}
	return reflect.DeepEqual(plainAnswer(x), plainAnswer(y)) && decimals(rowA) == decimals(rowB)
}

var zerosOfSecond = regexp.MustCompile(`^([-+0-9]+T[0-9:]+)(?:\.0+|(\.[0-9]*[1-9])0*)?(Z?)$`)

func plainAnswer(v any) any {
	switch x := v.(type) {
	case string:
		return strings.TrimPrefix(zerosOfSecond.ReplaceAllString(x, "$1$2$3"), "+")
	case map[string]any:
		for k := range x {
			if x[k] = plainAnswer(x[k]); x[k] == nil {
				delete(x, k)
			}
		}
	case []any:
		for i := range x {
			x[i] = plainAnswer(x[i])
		}
	}
	return v
}

// decimals are the numbers that need more digits than a float64 has.
func decimals(row string) string {
	var out []string
	for _, n := range regexp.MustCompile(`[1-9][0-9]{16,}`).FindAllString(row, -1) {
		if _, err := strconv.ParseInt(n, 10, 64); err != nil || len(n) > 17 {
			out = append(out, n)
		}
	}
	return strings.Join(out, " ")
}
