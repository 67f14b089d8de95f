package batch

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// sinks reads a sink, or a list of them.
func (r *yamlReader) sinks(n ast.Node, path string) []SinkSpec {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return []SinkSpec{r.sink(n, path)}
	}
	var all []SinkSpec
	for _, value := range list.Values {
		if len(all) == sinksMax {
			r.failf(value, path, "has more sinks than %d", sinksMax)
			break
		}
		all = append(all, r.sink(value, path))
	}
	return all
}

// sinksMax bounds the sinks of a pipeline.
const sinksMax = 16

// sinkKeys are the keys of each kind of sink, the first of which says the kind.
var sinkKeys = map[SinkKind][]string{
	DeltaSink:   {"delta", "table", "partition_by", "mode", "compression", "compact", "deletion_vectors"},
	ParquetSink: {"parquet", "partition_by", "mode", "compression"},
	StreamSink:  {"stream", "partition_key", "format", "mode"},
	WebhookSink: {"webhook", "headers", "mode"},
	ConsoleSink: {"console", "rows", "mode"},
	DiscardSink: {"discard", "mode"},
}

// sinkKinds are the kinds in the order in which messages name them.
var sinkKinds = []SinkKind{DeltaSink, ParquetSink, StreamSink, WebhookSink, ConsoleSink, DiscardSink}

func (r *yamlReader) sink(n ast.Node, path string) SinkSpec {
	s := SinkSpec{Compression: "snappy"}
	m, _ := n.(*ast.MappingNode)
	for _, kind := range sinkKinds {
		if m != nil && has(m, string(kind)) {
			s.Kind = kind
			break
		}
	}
	if s.Kind == "" {
		r.failf(n, path, "must say what it writes to: one of delta, parquet, stream, webhook, console, discard")
		return s
	}
	s.Compact = s.Kind == DeltaSink
	for key, value := range r.entries(n, path, sinkKeys[s.Kind]...) {
		at := path + "." + key
		switch key {
		case "delta":
			s.Location = r.location(value, at)
		case "parquet":
			s.Location = r.place(value, at)
		case "stream":
			s.Location = r.text(value, at)
		case "webhook":
			s.Location = r.webURL(value, at)
		case "console", "discard":
			if !r.boolean(value, at) {
				r.failf(value, at, "can only be true; leave the sink out")
			}
		case "table":
			s.Database, s.Table = r.table(value, at)
		case "partition_by":
			s.PartitionBy = r.names(value, at)
		case "mode":
			r.modes = append(r.modes, sinkMode{r.outputMode(value, at), value, at})
		case "compression":
			s.Compression = compressions[r.oneOf(value, at, compressions...)]
		case "compact":
			s.Compact = r.boolean(value, at)
		case "deletion_vectors":
			s.Vectors = r.boolean(value, at)
		case "partition_key":
			s.PartitionKey = r.text(value, at)
		case "format":
			r.oneOf(value, at, "json")
		case "headers":
			s.Headers = r.texts(value, at)
		case "rows":
			s.Rows = int(r.number(value, at, 1, 100_000))
		}
	}
	return s
}

// sinkMode is an output mode that a sink says.
type sinkMode struct {
	mode OutputMode
	node ast.Node
	path string
}

var compressions = []string{"snappy", "zstd", "gzip", "uncompressed"}

func (r *yamlReader) outputMode(n ast.Node, path string) OutputMode {
	return OutputMode(r.oneOf(n, path, "append", "update", "complete"))
}

// webURL reads a URL that requests are sent to.
func (r *yamlReader) webURL(n ast.Node, path string) string {
	text := r.text(n, path)
	if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		r.failf(n, path, "%q is not a URL of http or https", text)
	}
	return text
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
