package batch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/weir-data/weir/columnar"
)

// ParsePipeline reads a pipeline file. The errors name file, line and column, and what to write instead; all
// that are found are returned, joined. file is only used in them. Nothing is ignored: a key that is unknown, or
// that stands for something this engine does not do yet, is an error.
func ParsePipeline(file string, text []byte) (*Pipeline, error) {
	r := &yamlReader{file: file}
	root := r.document(text)
	if root == nil {
		return nil, r.err()
	}
	p := &Pipeline{}
	for key, value := range r.entries(root, "", "name", "source", "query", "sink", "trigger", "dead_letters", "watermark") {
		switch key {
		case "name":
			p.Name = r.name(value)
		case "source":
			p.Sources = []SourceSpec{r.source(value)}
		case "query":
			p.Query = r.query(value)
		case "sink":
			p.Sinks = []SinkSpec{r.sink(value)}
		case "trigger":
			p.Trigger = r.trigger(value)
		case "dead_letters":
			p.DeadLetters = r.location(value, key)
		case "watermark":
			r.failf(value, key, "watermarks are not supported yet: this version runs queries without state, row by row; remove the key")
		}
	}
	r.require(root, "", "name", "source")
	if p.Query == "" {
		p.Query = "SELECT * FROM source"
	}
	if len(r.errs) == 0 && p.DeadLetters == "" && p.Sources[0].Mode != Fail {
		r.failf(root, "dead_letters", "is missing: in mode %s bad records are kept there; "+
			"add a location such as s3://lake/_dead/%s, or set source.mode: fail", p.Sources[0].Mode, p.Name)
	}
	return p, r.err()
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

func (r *yamlReader) name(n ast.Node) string {
	name := r.text(n, "name")
	if name != "" && !nameForm.MatchString(name) {
		r.failf(n, "name", "%q may only have letters, digits, '_', '-' and '.', at most 128, and begins with a letter or digit", name)
	}
	return name
}

func (r *yamlReader) source(n ast.Node) SourceSpec {
	s := SourceSpec{Name: "source", Kind: StreamSource, Format: columnar.Format{Name: "json"}, Limit: DefaultLimit}
	for key, value := range r.entries(n, "source", "stream", "start", "format", "schema", "mode",
		"max_records_per_trigger", "max_bytes_per_trigger", "watermark") {
		path := "source." + key
		switch key {
		case "stream":
			s.Stream = r.text(value, path)
		case "start":
			s.Start = r.start(value, path)
		case "format":
			r.oneOf(value, path, "json")
		case "schema":
			s.Schema = r.schema(value, path)
		case "mode":
			s.Mode = Mode(r.oneOf(value, path, "permissive", "drop", "fail"))
		case "max_records_per_trigger":
			s.Limit.Records = int(r.number(value, path, 1, maxLimitRecords))
		case "max_bytes_per_trigger":
			s.Limit.Bytes = r.size(value, path, 1<<20, maxLimitBytes)
		case "watermark":
			r.failf(value, path, "watermarks are not supported yet; remove the key")
		}
	}
	r.require(n, "source", "stream", "schema")
	if scheme, _, ok := strings.Cut(s.Stream, "://"); ok {
		r.failf(n, "source.stream", "sources of scheme %q are not supported yet; write the name of a stream", scheme)
	}
	return s
}

// start reads trim-horizon, latest or a time.
func (r *yamlReader) start(n ast.Node, path string) Start {
	text := r.text(n, path)
	switch strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(text)) {
	case "":
		return Start{}
	case "trim-horizon", "earliest":
		return Start{}
	case "latest":
		return Start{Kind: Latest}
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			return Start{Kind: AtTime, Time: t}
		}
	}
	r.failf(n, path, "%q is not a start: use trim-horizon, latest, or a time such as 2026-01-31T08:00:00Z", text)
	return Start{}
}

// schema reads "field: type" and "field: {type: …, nullable: …}" entries, in order.
func (r *yamlReader) schema(n ast.Node, path string) *columnar.Schema {
	s := &columnar.Schema{}
	seen := map[string]string{}
	for name, value := range r.entries(n, path) {
		at := path + "." + name
		f := columnar.Field{Name: name, Nullable: true}
		typeNode := value
		if _, ok := value.(*ast.MappingNode); ok {
			typeNode = nil
			for key, v := range r.entries(value, at, "type", "nullable") {
				switch key {
				case "type":
					typeNode = v
				case "nullable":
					f.Nullable = r.boolean(v, at+".nullable")
				}
			}
			r.require(value, at, "type")
		}
		if typeNode != nil {
			f.Type = r.columnType(typeNode, at)
		}
		if other, ok := seen[strings.ToLower(name)]; ok {
			r.failf(value, at, "differs from field %s only in case, and SQL takes both for one; rename or remove it", other)
		}
		seen[strings.ToLower(name)] = name
		s.Fields = append(s.Fields, f)
	}
	if len(s.Fields) == 0 {
		r.failf(n, path, "has no fields; list them as name: type, such as fare_amount: double")
	}
	if len(s.Fields) > fieldsMax {
		r.failf(n, path, "has %d fields, the most is %d", len(s.Fields), fieldsMax)
	}
	return s
}

// fieldsMax bounds the columns of a pipeline.
const fieldsMax = 2000

func (r *yamlReader) columnType(n ast.Node, path string) columnar.Type {
	text := r.text(n, path)
	if text == "" {
		return columnar.Type{}
	}
	t, err := columnar.ParseType(text)
	if err != nil {
		r.failf(n, path, "%v; types are Spark's: string, int, bigint, double, decimal(10,2), boolean, date, timestamp, binary, "+
			"array<…>, struct<…>, map<…>", err)
		return t
	}
	if hasKind(t, columnar.TimestampNTZ) {
		r.failf(n, path, "timestamp_ntz is not supported in pipelines yet; use timestamp (UTC) or string")
	}
	return t
}

func hasKind(t columnar.Type, k columnar.Kind) bool {
	if t.Kind == k {
		return true
	}
	for _, f := range t.Fields {
		if hasKind(f.Type, k) {
			return true
		}
	}
	return false
}

// query refuses by name what needs state; whatever else is wrong with the SQL the engine finds.
func (r *yamlReader) query(n ast.Node) string {
	q := strings.TrimSpace(r.text(n, "query"))
	if windowCall(q) {
		r.failf(n, "query", "window() groups by event time, which is not supported yet: this version runs queries without state, row by row")
	}
	return q
}

func (r *yamlReader) sink(n ast.Node) SinkSpec {
	s := SinkSpec{Kind: DeltaSink, Compression: "snappy", Compact: true}
	for key, value := range r.entries(n, "sink", "delta", "table", "partition_by", "mode", "compression", "compact") {
		path := "sink." + key
		switch key {
		case "delta":
			s.Location = r.location(value, path)
		case "table":
			s.Database, s.Table = r.table(value, path)
		case "partition_by":
			s.PartitionBy = r.names(value, path)
		case "mode":
			r.outputMode(value, path)
		case "compression":
			s.Compression = compressions[r.oneOf(value, path, compressions...)]
		case "compact":
			s.Compact = r.boolean(value, path)
		}
	}
	r.require(n, "sink", "delta")
	return s
}

var compressions = []string{"snappy", "zstd", "gzip", "uncompressed"}

func (r *yamlReader) outputMode(n ast.Node, path string) {
	switch mode := r.text(n, path); mode {
	case "append", "":
	case "update", "complete":
		r.failf(n, path, "%q needs state between batches, which is not supported yet; use append", mode)
	default:
		r.failf(n, path, "%q is not an output mode; use append", mode)
	}
}

var tableForm = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,254}\.[a-z0-9_][a-z0-9_-]{0,254}$`)

func (r *yamlReader) table(n ast.Node, path string) (database, table string) {
	text := r.text(n, path)
	if text != "" && !tableForm.MatchString(text) {
		r.failf(n, path, "%q is not of the form database.table, in lower case letters, digits, '_' and '-'", text)
	}
	database, table, _ = strings.Cut(text, ".")
	return database, table
}

func (r *yamlReader) location(n ast.Node, path string) string {
	text := strings.TrimRight(r.text(n, path), "/")
	bucket, ok := strings.CutPrefix(text, "s3://")
	if bucket, _, _ = strings.Cut(bucket, "/"); text != "" && (!ok || bucket == "") {
		r.failf(n, path, "%q is not a location of the form s3://bucket/folder", text)
	}
	return text
}

var units = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
}

var quantity = regexp.MustCompile(`^([0-9]{1,9})\s*([A-Za-z]+)$`)

// trigger reads an interval such as "5 seconds", or available-now. Once is Spark's older name: here it also runs in
// bounded batches.
func (r *yamlReader) trigger(n ast.Node) Trigger {
	text := strings.ToLower(r.text(n, "trigger"))
	switch strings.NewReplacer("_", "-", " ", "-").Replace(text) {
	case "":
		return Trigger{}
	case "available-now", "availablenow", "once":
		return Trigger{AvailableNow: true}
	}
	if m := quantity.FindStringSubmatch(text); m != nil {
		count, err := strconv.Atoi(m[1])
		if unit, ok := units[m[2]]; ok && err == nil && time.Duration(count)*unit <= 24*time.Hour {
			return Trigger{Interval: time.Duration(count) * unit}
		}
	}
	r.failf(n, "trigger", "%q is not a trigger: use an interval up to a day such as 5 seconds, or available-now, or once", text)
	return Trigger{}
}

// size reads a number of bytes such as 64 MiB.
func (r *yamlReader) size(n ast.Node, path string, low, high int64) int64 {
	text := r.text(n, path)
	factors := map[string]int64{"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9}
	digits := strings.TrimRight(text, "BKMGibkmgI ")
	count, err := strconv.ParseInt(digits, 10, 64)
	factor, ok := factors[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	if err != nil || !ok || count < 0 || count > high || count*factor < low || count*factor > high {
		r.failf(n, path, "%q is not a size between %s and %s; write it as 64 MiB", text, byteText(low), byteText(high))
		return low
	}
	return count * factor
}

func byteText(n int64) string {
	if n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
