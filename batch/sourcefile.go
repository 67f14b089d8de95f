package batch

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/weir-data/weir/columnar"
)

var sourceNameForm = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// sources reads the sources of a pipeline by name.
func (r *yamlReader) sources(n ast.Node) []SourceSpec {
	var all []SourceSpec
	for name, value := range r.entries(n, "sources") {
		if !sourceNameForm.MatchString(name) {
			r.failf(value, "sources."+name, "%q is no name for a source: use lower-case letters, digits and '_', at most 63", name)
		}
		if len(all) == sourcesMax {
			r.failf(value, "sources."+name, "is one too many; the most is %d", sourcesMax)
			break
		}
		all = append(all, r.source(value, "sources."+name, name))
	}
	if len(all) == 0 {
		r.failf(n, "sources", "has none; write name: {stream: …, schema: …}")
	}
	return all
}

// sourcesMax bounds the sources of a pipeline.
const sourcesMax = 16

func (r *yamlReader) source(n ast.Node, path, name string) SourceSpec {
	s := SourceSpec{Name: name, Kind: StreamSource, Format: columnar.Format{Name: "json"}, Limit: DefaultLimit}
	before := len(r.errs)
	var fields []columnar.Field
	var schema, options, perFile ast.Node
	for key, value := range r.entries(n, path, "stream", "start", "format", "options", "schema", "mode", "corrupt_record", "rescued", "evolve",
		"query", "watermark", "deduplicate", "max_records_per_trigger", "max_bytes_per_trigger", "max_files_per_trigger") {
		at := path + "." + key
		switch key {
		case "stream":
			r.streamOf(value, at, &s)
		case "start":
			s.Start = r.start(value, at)
		case "format":
			s.Format.Name = formats[r.oneOf(value, at, formats...)]
		case "options":
			options, s.Format.Options = value, r.texts(value, at)
		case "schema":
			schema, fields = value, r.schema(value, at)
		case "mode":
			s.Mode = Mode(r.oneOf(value, at, "permissive", "drop", "fail"))
		case "corrupt_record":
			s.Format.CorruptRecord = r.text(value, at)
		case "rescued":
			s.Format.Rescued = r.text(value, at)
		case "evolve":
			s.Format.Evolve = r.boolean(value, at)
		case "query":
			s.Query = strings.TrimSpace(r.text(value, at))
		case "watermark":
			s.Watermark = r.watermark(value, at)
		case "deduplicate":
			s.Deduplicate = r.deduplicate(value, at)
		case "max_records_per_trigger":
			s.Limit.Records = int(r.number(value, at, 1, maxLimitRecords))
		case "max_files_per_trigger":
			s.FilesMax = int(r.number(value, at, 1, 100_000))
			perFile = value
		case "max_bytes_per_trigger":
			s.Limit.Bytes = r.size(value, at, 1<<20, maxLimitBytes)
		}
	}
	r.require(n, path, "stream")
	if perFile != nil && s.Kind != FileSource {
		r.failf(perFile, path+".max_files_per_trigger", "is for files only, which %s is not", s.Stream)
	}
	if schema == nil && (s.Format.Name == "json" || s.Format.Name == "csv") {
		r.failf(n, path+".schema", "is missing; weir infer writes it by the records that are there")
		return s
	}
	var err error
	if s.Schema, err = s.Format.Complete(fields); err != nil {
		r.failf(n, path+".schema", "%v", err)
		return s
	}
	if len(r.errs) == before {
		r.checkFormat(n, schema, options, path, &s)
	}
	r.checkColumns(n, path, &s)
	return s
}

// checkFormat sees to it that records of the format can be read by the schema, with the options. n is where the source is.
func (r *yamlReader) checkFormat(n, schema, options ast.Node, path string, s *SourceSpec) {
	_, err := columnar.NewRecordDecoder(s.Schema, s.Format)
	if err == nil {
		return
	}
	plain := s.Format
	plain.Options = nil
	_, without := columnar.NewRecordDecoder(s.Schema, plain)
	switch {
	case options != nil && (without == nil || schema == nil):
		r.failf(options, path+".options", "%v", err)
	case schema != nil:
		r.failf(schema, path+".schema", "%v", err)
	default:
		r.failf(n, path, "%v", err)
	}
}

var formats = []string{"json", "csv", "avro", "text", "binary"}

// streamOf reads the name of a stream, or a location of another kind.
func (r *yamlReader) streamOf(n ast.Node, path string, s *SourceSpec) {
	s.Stream = r.text(n, path)
	scheme, rest, ok := strings.Cut(s.Stream, "://")
	if !ok {
		return
	}
	switch scheme {
	case "kinesis":
		s.Kind = KinesisSource
		s.Stream, s.Settings = r.settings(n, path, rest, "endpoint", "region", "consumer")
		if s.Stream == "" {
			r.failf(n, path, "names no stream; write kinesis://NAME?endpoint=URL")
		}
	case "kafka":
		s.Kind = KafkaSource
		rest, s.Settings = r.settings(n, path, rest, "tls", "sasl")
		brokers, topic, _ := strings.Cut(rest, "/")
		if brokers == "" || topic == "" || strings.Contains(topic, "/") {
			r.failf(n, path, "%q is not of the form kafka://HOST:PORT/TOPIC", s.Stream)
		}
		s.Stream = topic
		s.Settings["brokers"] = brokers
	case "s3", "file":
		s.Kind = FileSource
		s.Stream = strings.TrimRight(s.Stream, "/")
		r.place(n, path) // the form only
	default:
		r.failf(n, path, "sources of scheme %q are not supported; write the name of a stream, kinesis://…, kafka://…, s3://… or file:///…", scheme)
	}
}

// settings cuts the query of a location off, which may have the given keys.
func (r *yamlReader) settings(n ast.Node, path, text string, known ...string) (name string, settings map[string]string) {
	name, query, _ := strings.Cut(text, "?")
	settings = map[string]string{}
	values, err := url.ParseQuery(query)
	if err != nil {
		r.failf(n, path, "%q: %v", query, err)
	}
	for key, v := range values {
		switch {
		case !slices.Contains(known, key):
			r.failf(n, path, "%s is not a known setting%s", key, meant(key, known))
		case len(v) != 1 || v[0] == "":
			r.failf(n, path, "%s must have one value", key)
		default:
			settings[key] = v[0]
		}
	}
	return name, settings
}

// watermark reads {column: …, delay: …}.
func (r *yamlReader) watermark(n ast.Node, path string) *Watermark {
	w := new(Watermark)
	for key, value := range r.entries(n, path, "column", "delay") {
		switch key {
		case "column":
			w.Column = r.text(value, path+".column")
		case "delay":
			w.Delay = r.duration(value, path+".delay", delayMax)
		}
	}
	r.require(n, path, "column", "delay")
	return w
}

// delayMax bounds how late a row may be.
const delayMax = 10 * 365 * 24 * time.Hour

func (r *yamlReader) deduplicate(n ast.Node, path string) *Deduplicate {
	d := new(Deduplicate)
	for key, value := range r.entries(n, path, "columns", "within_watermark") {
		switch key {
		case "columns":
			d.Columns = r.names(value, path+".columns")
		case "within_watermark":
			d.WithinWatermark = r.boolean(value, path+".within_watermark")
		}
	}
	r.require(n, path, "columns")
	return d
}

// checkColumns sees to it that watermark and deduplicate name columns of the schema. What the source's own query gives is known when that is compiled.
func (r *yamlReader) checkColumns(n ast.Node, path string, s *SourceSpec) {
	if s.Schema == nil || s.Query != "" {
		return
	}
	if w := s.Watermark; w != nil && w.Column != "" {
		i := s.Schema.Index(w.Column)
		switch {
		case i < 0:
			r.failf(n, path, "watermark: the schema has no column %s", w.Column)
		case s.Schema.Fields[i].Type.Kind != columnar.Timestamp:
			r.failf(n, path, "watermark: column %s is of type %s; event time must be a timestamp%s", w.Column, s.Schema.Fields[i].Type, asTime(s, i))
		}
	}
	if d := s.Deduplicate; d != nil {
		for _, name := range d.Columns {
			if s.Schema.Index(name) < 0 {
				r.failf(n, path, "deduplicate: the schema has no column %s", name)
			}
		}
	}
}

// asTime says what to write for times that are something else in the records.
func asTime(s *SourceSpec, column int) string {
	if s.Schema.Fields[column].Type.Kind != columnar.Int64 || s.Format.Name != "json" && s.Format.Name != "csv" {
		return fmt.Sprintf("; make one in the source's query, such as SELECT *, from_iso8601_timestamp(%s) AS event_time FROM %s", s.Schema.Fields[column].Name, s.Name)
	}
	return "; for numbers, make it one and say what they count, such as options: {timestampUnit: ms}"
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
func (r *yamlReader) schema(n ast.Node, path string) []columnar.Field {
	var fields []columnar.Field
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
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		r.failf(n, path, "has no fields; list them as name: type, such as fare_amount: double")
	}
	if len(fields) > fieldsMax {
		r.failf(n, path, "has %d fields, the most is %d", len(fields), fieldsMax)
	}
	return fields
}

// fieldsMax bounds the columns of a pipeline.
const fieldsMax = 2000

func (r *yamlReader) columnType(n ast.Node, path string) columnar.Type {
	text := r.text(n, path)
	if text == "" {
		return columnar.Type{}
	}
	t, err := columnar.ParseSparkType(text)
	if err != nil {
		r.failf(n, path, "%v; types are Spark's: string, int, bigint, double, decimal(10,2), boolean, date, timestamp, binary, "+
			"array<…>, struct<…>, map<…>", err)
		return t
	}
	if a, b, twice := sameName(t); twice {
		r.failf(n, path, "its fields %s and %s differ only in case, and SQL takes both for one; rename or remove one", a, b)
	}
	return t
}

// sameName finds two fields of a struct, at any depth, whose names differ only in case.
func sameName(t columnar.Type) (a, b string, found bool) {
	seen := map[string]string{}
	for _, f := range t.Fields {
		if a, found = seen[strings.ToLower(f.Name)]; found {
			return a, f.Name, true
		}
		seen[strings.ToLower(f.Name)] = f.Name
		if a, b, found = sameName(f.Type); found {
			return a, b, true
		}
	}
	return "", "", false
}
