package delivery

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Errors that callers may test for with errors.Is. Their text is for the user.
var (
	ErrNotFound = errors.New("delivery stream not found")
	ErrExists   = errors.New("delivery stream exists")
	ErrInvalid  = errors.New("invalid delivery stream")
	ErrVersion  = errors.New("delivery stream version mismatch")
	ErrLimit    = errors.New("limit of delivery streams exceeded")
	// ErrSource says that records cannot be put into a delivery stream that reads from a Kinesis stream.
	ErrSource = errors.New("delivery stream reads from a Kinesis stream")
	// ErrBusy is for a Log whose queue is full.
	ErrBusy = errors.New("slow down")
)

// failure is an error whose text is for the user and whose kind is for errors.Is.
type failure struct {
	kind error
	text string
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }

func failf(kind error, format string, args ...any) error {
	return &failure{kind, fmt.Sprintf(format, args...)}
}

// Compression is how an object's bytes are packed. Empty is not at all.
type Compression string

// The compressions, in the API's words. Zstd is for channels only.
const (
	Uncompressed Compression = "UNCOMPRESSED"
	Gzip         Compression = "GZIP"
	Zip          Compression = "ZIP"
	Snappy       Compression = "Snappy"
	HadoopSnappy Compression = "HADOOP_SNAPPY"
	Zstd         Compression = "ZSTD"
)

// Bounds of the buffering hints.
const (
	bufferMin        = 1 << 20
	bufferMax        = 128 << 20
	bufferDefault    = 5 << 20
	convertBufferMin = 64 << 20
	intervalMax      = 900 * time.Second
	intervalDefault  = 300 * time.Second
)

// Target is a bucket with the shape of the objects in it.
type Target struct {
	Bucket      string
	Prefix      string // an expression, see CompilePrefix
	ErrorPrefix string
	// Buffer and Interval bound what is gathered before an object is written; what is reached first counts. Zero fields
	// of Buffer are defaults; Interval is taken as it is, and a negative one is the default.
	Buffer      int64 // bytes
	Interval    time.Duration
	Compression Compression
}

// Config is the behaviour of a delivery stream.
type Config struct {
	Target
	FileExtension string // replaces the extension that compression or format would give; with its dot
	TimeZone      string // of prefixes and object names; empty is UTC
	// AppendDelimiter is put behind every record; nil is nothing.
	AppendDelimiter []byte
	Conversion      *Conversion // nil: records are delivered as they are
	Backup          *Target     // nil: source records are not kept
}

// Conversion turns JSON records into Parquet by the columns of a catalog table.
type Conversion struct {
	Catalog, Region, Role string // as sent, for the error records
	Database, Table       string
	Version               string // LATEST or a number
	Hive                  bool   // Hive's JSON SerDe, else OpenX's
	TimestampFormats      []string
	CaseSensitive         bool
	DotsToUnderscores     bool
	ColumnToKey           map[string]string
	Compression           string // SNAPPY, GZIP, UNCOMPRESSED
	BlockSize             int64
	PageSize              int
	NoDictionary          bool
	WriterVersion         int // 1 or 2
}

var extensionPattern = regexp.MustCompile(`^\.[0-9a-z!\-_.*'()]+$`)

// Check completes defaults and refuses what cannot be delivered. Errors wrap ErrInvalid.
func (c *Config) Check() error {
	if _, err := c.location(); err != nil {
		return err
	}
	if err := c.Target.check(); err != nil {
		return err
	}
	if c.FileExtension != "" && (!extensionPattern.MatchString(c.FileExtension) || len(c.FileExtension) > 128) {
		return failf(ErrInvalid, "FileExtension '%s' must begin with a period and may contain only 0-9a-z!-_.*'()", c.FileExtension)
	}
	if c.Conversion != nil {
		if err := c.checkConversion(); err != nil {
			return err
		}
	}
	if c.Backup != nil {
		if err := c.Backup.check(); err != nil {
			return err
		}
	}
	if c.Buffer == 0 {
		c.Buffer = bufferDefault
	}
	return nil
}

func (c *Config) checkConversion() error {
	v := c.Conversion
	if c.Compression != Uncompressed && c.Compression != "" {
		return failf(ErrInvalid, "CompressionFormat must be UNCOMPRESSED when data format conversion is enabled: the serializer compresses")
	}
	if c.Buffer == 0 {
		c.Buffer = bufferMax
	}
	if c.Buffer < convertBufferMin {
		return failf(ErrInvalid, "BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled.")
	}
	if n, err := strconv.Atoi(v.Version); v.Version != "LATEST" && (err != nil || n < 0) {
		return failf(ErrInvalid, "SchemaConfiguration.VersionId must be LATEST or a number, not '%s'", v.Version)
	}
	if v.Hive {
		if _, err := columnar.NewJSONDecoder(&columnar.Schema{}, v.decoderOptions()); err != nil {
			return failf(ErrInvalid, "HiveJsonSerDe.TimestampFormats: %v", err)
		}
	}
	return nil
}

// check completes the defaults of a target and refuses what is wrong in it.
func (t *Target) check() error {
	if t.Interval < 0 {
		t.Interval = intervalDefault
	}
	if t.Buffer != 0 && (t.Buffer < bufferMin || t.Buffer > bufferMax) || t.Interval > intervalMax {
		return failf(ErrInvalid, "BufferingHints must be 1 to 128 MB and 0 to 900 seconds")
	}
	data, err := CompilePrefix(t.Prefix)
	if err != nil {
		return err
	}
	failed, err := CompilePrefix(t.ErrorPrefix)
	if err != nil {
		return err
	}
	switch t.Compression {
	case "", Uncompressed, Gzip, Zip, Snappy, HadoopSnappy:
	default:
		return failf(ErrInvalid, "CompressionFormat '%s' is not supported", t.Compression)
	}
	return checkPrefixes(data, failed)
}

// location is the zone of prefixes and names.
func (c *Config) location() (*time.Location, error) {
	if c.TimeZone == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(c.TimeZone)
	if err != nil || c.TimeZone == "Local" {
		return nil, failf(ErrInvalid, "CustomTimeZone '%s' is not a valid time zone", c.TimeZone)
	}
	return loc, nil
}

// trigger is when a buffer is delivered.
func (i *Info) trigger() (size int64, interval time.Duration) {
	if i.Channel != nil {
		return channelBytesMax, i.Channel.Freshness
	}
	return i.Config.trigger()
}

// trigger is when a buffer is delivered: the smaller hints of target and backup.
func (c *Config) trigger() (size int64, interval time.Duration) {
	size, interval = c.Buffer, c.Interval
	if c.Backup != nil {
		if c.Backup.Buffer > 0 {
			size = min(size, c.Backup.Buffer)
		} else {
			size = min(size, bufferDefault)
		}
		interval = min(interval, c.Backup.Interval)
	}
	return size, interval
}

// decoderOptions are the deserializer's rules in columnar's terms.
func (v *Conversion) decoderOptions() columnar.JSONOptions {
	if v.Hive {
		return columnar.JSONOptions{IgnoreCase: true, NoNestedText: true, TimestampFormats: v.TimestampFormats}
	}
	keys := make(map[string]string, len(v.ColumnToKey))
	for column, key := range v.ColumnToKey {
		keys[key] = column
	}
	return columnar.JSONOptions{IgnoreCase: !v.CaseSensitive, KeyNames: keys, DotsToUnderscores: v.DotsToUnderscores, Coerce: true}
}

func (v *Conversion) parquetOptions() columnar.ParquetOptions {
	return columnar.ParquetOptions{Compression: v.Compression, BlockSize: v.BlockSize, PageSize: v.PageSize,
		NoDictionary: v.NoDictionary, Version: v.WriterVersion}
}
