package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/awskinesis"
	"github.com/weir-data/weir/batch/kafka"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/columnar"
)

// InferCmd writes the schema of records that are there.
type InferCmd struct {
	From     string            `arg:"" help:"A stream, a topic (kafka://HOST:PORT/TOPIC), a file (.json, .ndjson, .jsonl, .csv, also with .gz; .parquet, .avro), or - for standard input." placeholder:"STREAM|kafka://…|FILE|-"`
	Records  int64             `help:"How many records to look at." default:"10000"`
	Format   string            `help:"Format of the records; default: what the file's name says, else json." enum:",json,csv" default:""`
	Option   map[string]string `mapsep:"none" help:"Option of the format, as in source.options: header=true, sep=;." placeholder:"NAME=VALUE"`
	Strings  bool              `help:"Leave dates and timestamps strings, as Spark does."`
	Decimals bool              `help:"Make numbers with a fraction decimals rather than doubles (Spark's prefersDecimal)."`
	Pipeline bool              `help:"Write a whole pipeline file."`
	JSON     bool              `name:"json" help:"Write the schema as Spark's StructType JSON."`
	Endpoint string            `help:"Endpoint of the stream. Default: AWS_ENDPOINT_URL, else a weir on this machine, else the data directory itself." placeholder:"URL"`
	Data     string            `help:"Data directory, when no server runs." default:"./weir-data" type:"path"`
}

// Help is shown by weir infer --help.
func (InferCmd) Help() string {
	return `Looks at records, the oldest of a stream or a topic, and writes the schema for a pipeline file. Types are found as Spark finds them: whole
numbers are bigint, numbers with a fraction double, objects structs; where records disagree the type is widened, to string if
nothing else holds both. Besides, strings that are all dates or all timestamps become these types, and fields keep the order in
which they came. A comment says which fields were rarely there, and which numbers look like milliseconds since 1970.

Examples:
  weir infer input-stream                       the schema: block
  weir infer input-stream --pipeline > rides.yaml
  weir infer kafka://127.0.0.1:9092/rides --pipeline
  weir infer trips.csv.gz --option header=true
  head -1000 events.ndjson | weir infer -`
}

// inferSampleMax bounds what is read of a file, after decompression.
const inferSampleMax = 64 << 20

// Run prints the schema.
func (c *InferCmd) Run(ctx context.Context) error {
	if c.Records < 1 {
		return errors.New("--records: at least one")
	}
	fields, records, err := c.infer(ctx)
	if err != nil {
		return fmt.Errorf("infer %s: %w", c.From, err)
	}
	if c.JSON {
		s := columnar.Schema{}
		for _, f := range fields {
			if t, ok := columnar.Resolve(f.Type); ok {
				f.Type = t
				s.Fields = append(s.Fields, f.Field)
			}
		}
		fmt.Println(string(s.JSON()))
		return nil
	}
	if c.Pipeline {
		fmt.Print(c.pipelineFile(fields, records))
		return nil
	}
	fmt.Print(schemaBlock(fields, records, ""))
	return nil
}

// infer looks at a topic, or at a file, if there is one of that name, else at a stream.
func (c *InferCmd) infer(ctx context.Context) ([]columnar.InferredField, int64, error) {
	if c.From == "-" {
		return c.inferText(os.Stdin, "")
	}
	if c.topic() {
		return c.inferStream(ctx)
	}
	info, err := os.Stat(c.From)
	if err != nil || info.IsDir() {
		if strings.ContainsAny(c.From, `/\`) {
			return nil, 0, errors.New("is not a file that can be read")
		}
		return c.inferStream(ctx)
	}
	f, err := os.Open(c.From)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	switch strings.ToLower(filepath.Ext(c.From)) {
	case ".parquet":
		return inferParquet(f, info.Size())
	case ".avro":
		return inferAvro(f)
	}
	return c.inferText(f, c.From)
}

// inferAvro reads the schema at the beginning of an object container file.
func inferAvro(f *os.File) (fields []columnar.InferredField, records int64, err error) {
	head, err := io.ReadAll(io.LimitReader(f, 4<<20))
	if err != nil {
		return nil, 0, err
	}
	schema, err := columnar.AvroContainerSchema(head)
	if err != nil {
		return nil, 0, err
	}
	columns, err := columnar.AvroFields(schema)
	for _, field := range columns {
		fields = append(fields, columnar.InferredField{Field: field})
	}
	return fields, 0, err
}

func inferParquet(f *os.File, size int64) (fields []columnar.InferredField, records int64, err error) {
	p, err := columnar.OpenParquet(f, size)
	if err != nil {
		return nil, 0, err
	}
	for _, field := range p.Schema().Fields {
		fields = append(fields, columnar.InferredField{Field: field, Seen: p.Rows()})
	}
	return fields, p.Rows(), nil
}

func (c *InferCmd) options() columnar.InferOptions {
	return columnar.InferOptions{Times: !c.Strings, Decimals: c.Decimals}
}

// inferText looks at the beginning of text.
func (c *InferCmd) inferText(r io.Reader, name string) ([]columnar.InferredField, int64, error) {
	name, zipped := strings.CutSuffix(strings.ToLower(name), ".gz")
	if zipped {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, 0, err
		}
		r = z
	}
	data, err := io.ReadAll(io.LimitReader(r, inferSampleMax+1))
	if err != nil {
		return nil, 0, err
	}
	whole := len(data) <= inferSampleMax
	format := columnar.Format{Name: c.Format, Options: c.Option}
	if format.Name == "" && filepath.Ext(name) == ".csv" {
		format.Name = "csv"
	}
	return columnar.InferText(data, format, c.options(), c.Records, whole)
}

// inferStream looks at the oldest records of a stream.
func (c *InferCmd) inferStream(ctx context.Context) ([]columnar.InferredField, int64, error) {
	if c.Format == "csv" {
		return nil, 0, errors.New("records of a stream are looked at as json; take some with weir tail and infer the file")
	}
	source, done, err := c.source(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	n := columnar.NewInference(c.options())
	var refused int
	var first error
	start := batch.Offset{}
	for n.Records() < c.Records {
		end, err := source.Plan(ctx, start, batch.Limit{Records: int(c.Records - n.Records()), Bytes: inferSampleMax})
		if err != nil {
			return nil, 0, err
		}
		if end.Equal(start) {
			break
		}
		err = source.Read(ctx, start, end, func(records []batch.Record) error {
			for i := range records {
				if n.Records() == c.Records {
					break
				}
				if err := n.Add(records[i].Data); err != nil {
					refused++
					first = err
				}
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		if start = end; refused > int(c.Records) {
			break
		}
	}
	if n.Records() == 0 && refused > 0 {
		return nil, 0, fmt.Errorf("none of %d records is JSON; the last one: %w", refused, first)
	}
	if n.Records() == 0 {
		return nil, 0, errors.New("the stream holds no record")
	}
	if refused > 0 {
		fmt.Fprintf(os.Stderr, "weir: %d records were no JSON objects and are left out; the last one: %v\n", refused, first)
	}
	return n.Fields(), n.Records(), nil
}

// topic says whether the records are those of a topic of Kafka.
func (c *InferCmd) topic() bool { return strings.HasPrefix(c.From, kafka.Scheme+"://") }

// source asks the brokers of a topic; for a stream it finds a server, or opens the data directory in this process.
func (c *InferCmd) source(ctx context.Context) (_ batch.Source, done func(), err error) {
	if c.topic() {
		s, err := kafka.Open(c.From)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { s.Close() }, nil
	}
	if endpoint := findEndpoint(ctx, c.Endpoint); endpoint != "" {
		cl, err := newClients(ctx, endpoint)
		if err != nil {
			return nil, nil, err
		}
		return awskinesis.New(cl.Kinesis, c.From, awskinesis.Options{}), func() {}, nil
	}
	h, err := openHouse(ctx, houseConfig{Dir: c.Data, Listen: defaultListen, ListenElsewhere: true})
	if err != nil {
		return nil, nil, err
	}
	return batchstream.New(h.streams, c.From), func() { h.Close() }, nil
}

// schemaBlock is the schema: block of a pipeline file, indented.
func schemaBlock(fields []columnar.InferredField, records int64, indent string) string {
	var b bytes.Buffer
	if records > 0 {
		fmt.Fprintf(&b, "%sschema: # of %s records\n", indent, count(records))
	} else {
		fmt.Fprintf(&b, "%sschema:\n", indent) // the file says it
	}
	seen := map[string]string{}
	for _, f := range fields {
		t, ok := columnar.Resolve(f.Type)
		line := yamlText(f.Name) + ": " + yamlText(t.DDL())
		note := ""
		switch other, twice := seen[strings.ToLower(f.Name)]; {
		case f.Name == "":
			line, note = "# \"\": "+t.DDL(), "left out: a column needs a name"
		case !ok:
			line, note = "# "+yamlText(f.Name)+":", "left out: always an object without fields"
		case twice:
			line, note = "# "+line, "left out: SQL takes it and "+other+" for one name"
		case f.Seen == 0 && records > 0:
			note = "always null: string is a guess"
		case f.Seen*10 <= records && records > 0:
			note = fmt.Sprintf("rare: in %s records", count(f.Seen))
		case f.Seen < records:
			note = fmt.Sprintf("null or missing in %s", count(records-f.Seen))
		}
		seen[strings.ToLower(f.Name)] = f.Name
		if f.MaybeMillis && saysTime.MatchString(f.Name) {
			note = strings.TrimPrefix(note+"; milliseconds since 1970? As a time: timestamp, with options: {timestampUnit: ms}", "; ")
		}
		if note != "" {
			line = fmt.Sprintf("%-40s # %s", line, note)
		}
		fmt.Fprintf(&b, "%s  %s\n", indent, line)
	}
	return b.String()
}

// saysTime matches names of fields that hold times: event_time, ts, createdAt, date_ms.
var saysTime = regexp.MustCompile(`(?i:time|date|epoch|(^|_)(ts|at|when|ms)(_|$))|[a-z](At|Ts|TS|Ms)$`)

var yamlPlain = regexp.MustCompile("^[A-Za-z_][A-Za-z0-9_.<>(),:` -]*$")

// yamlText is text as a scalar of YAML, in quotes if it needs them.
func yamlText(text string) string {
	switch strings.ToLower(text) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return `"` + text + `"`
	}
	if yamlPlain.MatchString(text) && !strings.Contains(text, ": ") && !strings.HasSuffix(text, ":") && !strings.HasSuffix(text, " ") {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(quoted)
}

var notInNames = regexp.MustCompile(`[^a-z0-9_]+`)

// pipelineFile is a pipeline file that lands the records in a table.
func (c *InferCmd) pipelineFile(fields []columnar.InferredField, records int64) string {
	stream, called := c.From, ""
	if c.topic() {
		stream, called = withoutPassword(c.From), filepath.Base(strings.SplitN(c.From, "?", 2)[0])
	} else if name := filepath.Base(c.From); strings.ContainsAny(c.From, `./\`) || c.From == "-" {
		stream, _, _ = strings.Cut(strings.TrimLeft(name, ".-"), ".")
	}
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(cmp.Or(called, stream)), "_"), "_")
	if name == "" {
		name, stream = "records", "records"
	}
	return fmt.Sprintf(`name: %[1]s
source:
  stream: %[2]s
  format: %[4]s
%[3]s  mode: permissive
query: |
  SELECT * FROM source
sink:
  delta: s3://lake/%[1]s # the bucket must exist
  table: lake.%[1]s
trigger: 5 seconds
dead_letters: s3://lake/_dead/%[1]s
`, name, yamlText(stream), schemaBlock(fields, records, "  "), c.formatBlock())
}

// withoutPassword is the location of a topic without name and password, which the environment may give.
func withoutPassword(location string) string {
	if at := strings.LastIndexByte(location, '@'); at >= 0 {
		return kafka.Scheme + "://" + location[at+1:]
	}
	return location
}

// formatBlock is the format of the records, and its options.
func (c *InferCmd) formatBlock() string {
	name := c.Format
	switch strings.ToLower(filepath.Ext(strings.TrimSuffix(c.From, ".gz"))) {
	case ".csv":
		name = "csv"
	case ".avro":
		return "avro\n  options: {framing: container}"
	}
	if name == "" {
		name = "json"
	}
	if len(c.Option) == 0 {
		return name
	}
	var options []string
	for _, key := range slices.Sorted(maps.Keys(c.Option)) {
		options = append(options, key+": "+strconv.Quote(c.Option[key]))
	}
	return name + "\n  options: {" + strings.Join(options, ", ") + "}"
}
