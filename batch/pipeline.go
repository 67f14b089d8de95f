package batch

import (
	"fmt"
	"net/url"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Pipeline is what a pipeline file says; docs/pipeline.md is its reference.
type Pipeline struct {
	// Name is the pipeline's identity: its progress is kept under it, and tables remember it as the application
	// that wrote a batch.
	Name    string
	Sources []SourceSpec // in the order of the file
	Query   string       // SQL over the sources, by name
	Sinks   []SinkSpec   // all take the same rows
	Mode    OutputMode
	// MaxWatermark is the policy for several watermarks: the greatest counts, instead of the least.
	MaxWatermark bool
	Trigger      Trigger
	DeadLetters  string // s3://bucket/prefix; empty only if every source has mode fail
	State        string // where state is kept, s3://bucket/prefix or a folder; empty: beside the progress
}

// Source returns the source of that name.
func (p *Pipeline) Source(name string) *SourceSpec {
	for i := range p.Sources {
		if p.Sources[i].Name == name {
			return &p.Sources[i]
		}
	}
	return nil
}

// SourceKind says what an adapter reads.
type SourceKind string

// The kinds of sources.
const (
	StreamSource  SourceKind = "stream"  // a stream of this weir, or of the endpoint that the pipeline runs against
	KinesisSource SourceKind = "kinesis" // a stream of any Kinesis endpoint
	KafkaSource   SourceKind = "kafka"   // a topic
	FileSource    SourceKind = "files"   // objects of a bucket, or files of a folder, as they appear
)

// SourceSpec says what a pipeline reads and how records become rows.
type SourceSpec struct {
	Name   string // in the query
	Kind   SourceKind
	Stream string // name of the stream or topic; of files the location, s3://bucket/prefix or file:///folder
	// Settings are what else the location says: endpoint, region, consumer, brokers.
	Settings map[string]string
	Start    Start
	Format   columnar.Format
	Schema   *columnar.Schema // as Format.Complete makes it
	Mode     Mode
	Limit    Limit // of one micro-batch
	FilesMax int   // new files of one micro-batch; 0: as many as fit
	// Query makes rows of the records, row by row; empty: each is one. Watermark and Deduplicate name columns of the rows.
	Query string
	// Watermark is nil if the source has no event time.
	Watermark   *Watermark
	Deduplicate *Deduplicate // nil: not
}

// Location is the URL of a topic.
func (s *SourceSpec) Location() string {
	query := url.Values{}
	for key, value := range s.Settings {
		if key != "brokers" {
			query.Set(key, value)
		}
	}
	location := "kafka://" + s.Settings["brokers"] + "/" + s.Stream
	if len(query) > 0 {
		location += "?" + query.Encode()
	}
	return location
}

// Watermark says by which column the time of events goes on, and how late they may come.
type Watermark struct {
	Column string // of type timestamp
	Delay  time.Duration
}

// Deduplicate keeps the first of the records that have the same values in Columns.
type Deduplicate struct {
	Columns []string
	// WithinWatermark looks back as far as the watermark's delay, whatever the columns are.
	WithinWatermark bool
}

// SinkKind says what an adapter writes to.
type SinkKind string

// The kinds of sinks.
const (
	DeltaSink   SinkKind = "delta"
	ParquetSink SinkKind = "parquet"
	StreamSink  SinkKind = "stream"
	WebhookSink SinkKind = "webhook"
	ConsoleSink SinkKind = "console"
	DiscardSink SinkKind = "discard"
)

// SinkSpec says where a pipeline's rows go.
type SinkSpec struct {
	Kind        SinkKind
	Location    string // of a table or folder, name of a stream, URL of a webhook
	Database    string // with Table: the name in the catalog; empty: not registered
	Table       string
	PartitionBy []string
	Compression string // snappy | zstd | gzip | uncompressed
	Compact     bool   // small files are written together between batches
	Vectors     bool   // rows that batches replace are deleted by deletion vectors
	// PartitionKey is the column that gives a stream its keys; empty: they are spread.
	PartitionKey string
	Headers      map[string]string // of a webhook's requests
	Rows         int               // that a console shows of each batch; 0: the default
}

// Mode says what happens to records that do not fit the schema. The names are those of Spark's JSON reader.
type Mode int

const (
	// Permissive keeps the row with null in the fields that do not fit, and writes the record to the dead letters
	// as well. A record that has no row at all (not JSON, or null where the schema forbids it) only goes there.
	Permissive Mode = iota
	// Drop writes the record to the dead letters and keeps no row of it.
	Drop
	// Fail stops the pipeline at the first such record, before anything of its batch is written.
	Fail
)

// String is the name of the mode in a pipeline file.
func (m Mode) String() string {
	switch m {
	case Permissive:
		return "permissive"
	case Drop:
		return "drop"
	case Fail:
		return "fail"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// StartKind says where a pipeline without progress begins.
type StartKind int

const (
	TrimHorizon StartKind = iota // the oldest record the stream still has
	Latest                       // only what arrives from now on
	AtTime                       // the first record that arrived at Start.Time or later
)

// Start is a position in a source by meaning. Time belongs to AtTime.
type Start struct {
	Kind StartKind
	Time time.Time
}

// Trigger says when micro-batches run. The zero value runs the next batch as soon as there is data.
type Trigger struct {
	// Interval is the time from the start of one batch to the next. A batch that was cut off by its limit is followed
	// by the next at once, so that a backlog is not slowed down by the interval.
	Interval time.Duration
	// AvailableNow runs what the source holds, in as many batches as that takes, and ends.
	AvailableNow bool
	// Once runs one batch of what the source holds, as much as a batch may have, and ends.
	Once bool
}

// DefaultLimit keeps two micro-batches of wide JSON records, one at work and one that is read meanwhile, their columns and Parquet files well
// under 500 MiB.
var DefaultLimit = Limit{Records: 500_000, Bytes: 96 << 20}

// Bounds of Limit in a pipeline file.
const (
	maxLimitRecords = 5_000_000
	maxLimitBytes   = 1 << 30
)
