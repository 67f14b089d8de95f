package columnar

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// ParquetOptions of a writer. Zero fields are defaults.
type ParquetOptions struct {
	Compression  string // SNAPPY (default), GZIP, ZSTD or UNCOMPRESSED
	BlockSize    int64  // bytes of a row group's values before encoding; default 128 MiB
	PageSize     int    // bytes of a page's values before encoding; default 1 MiB
	NoDictionary bool   // write plain values only
	Version      int    // of data pages: 1 (default, read by everything) or 2
	// Metadata are key-value pairs of the footer.
	Metadata map[string]string
}

// ParquetStats describe a written file.
type ParquetStats struct {
	Rows  int64
	Bytes int64
	// Columns has the leaves outside of lists and maps, in the order of the schema.
	Columns []ColumnStats
}

// ColumnStats are the bounds of one column of a file.
type ColumnStats struct {
	Path  []string // a, or a and b for a.b
	Type  Type
	Nulls int64
	// Min and Max are in Column.Value's forms, exact and not shortened; nil if all values are null (or NaN). Bool and
	// Binary columns have none.
	Min, Max any
	NaN      bool // some value is NaN
}

// ParquetWriter writes batches of one schema as a Parquet file. Finished row groups go to the underlying writer at once;
// the present one is held in memory, compressed.
type ParquetWriter struct {
	opts ParquetOptions
	out  countingWriter
	//lint:ignore SA1019 the generic writer wants a Go type; only this one takes columns of a schema known at run time
	file   *parquet.Writer
	schema *Schema
	leaves []*leafWriter
	rows   int64
	group  int64 // bytes of values in the present row group
}

const (
	blockSizeDefault = 128 << 20
	pageSizeDefault  = 1 << 20
	createdBy        = "weir version 1.0.0(build 0)"
)

// dictionaryMax is the size in bytes beyond which a column of a row group goes on without dictionary.
const dictionaryMax = 1 << 20

// chunkRows is how many rows are handed to a column at a time.
const chunkRows = 1024

// NewParquetWriter begins a file. Nothing is written before the first row group is full or Close.
func NewParquetWriter(w io.Writer, schema *Schema, opts ParquetOptions) (*ParquetWriter, error) {
	codec, err := parquetCodec(opts.Compression)
	if err != nil {
		return nil, err
	}
	if opts.BlockSize == 0 {
		opts.BlockSize = blockSizeDefault
	}
	if opts.PageSize == 0 {
		opts.PageSize = pageSizeDefault
	}
	if opts.Version == 0 {
		opts.Version = 1
	}
	root, err := groupNode(schema.Fields, opts)
	if err != nil {
		return nil, err
	}
	p := &ParquetWriter{opts: opts, schema: schema, out: countingWriter{w: w}}
	settings := []parquet.WriterOption{
		parquet.NewSchema("spark_schema", root),
		parquet.Compression(codec),
		parquet.PageBufferSize(opts.PageSize),
		parquet.DataPageVersion(opts.Version),
		parquet.DataPageStatistics(true),
		parquet.DictionaryMaxBytes(dictionaryMax),
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain), // Spark reads DELTA_LENGTH_BYTE_ARRAY wrongly in nested columns
		parquet.CreatedBy("weir", "1.0.0", "0"),
	}
	for _, k := range sortedKeys(opts.Metadata) {
		settings = append(settings, parquet.KeyValueMetadata(k, opts.Metadata[k]))
	}
	p.file = parquet.NewWriter(&p.out, settings...)
	for i, f := range schema.Fields {
		p.leaves = appendLeaves(p.leaves, []int{i}, []Field{f})
	}
	for i, l := range p.leaves {
		l.index = i
	}
	return p, nil
}

// sortedKeys are the names of metadata in order: the same file for the same input.
func sortedKeys(metadata map[string]string) []string { return slices.Sorted(maps.Keys(metadata)) }

func parquetCodec(name string) (compress.Codec, error) {
	switch name {
	case "", "SNAPPY":
		return &parquet.Snappy, nil
	case "GZIP":
		return &parquet.Gzip, nil
	case "ZSTD":
		return &parquet.Zstd, nil
	case "UNCOMPRESSED", "NONE":
		return &parquet.Uncompressed, nil
	}
	return nil, fmt.Errorf("Parquet compression %q: must be SNAPPY, GZIP, ZSTD or UNCOMPRESSED", name)
}

// WriteParquet writes batches of one schema as a whole file.
func WriteParquet(w io.Writer, opts ParquetOptions, batches ...*Batch) (ParquetStats, error) {
	if len(batches) == 0 {
		return ParquetStats{}, fmt.Errorf("write Parquet: no batch, so no schema")
	}
	if flat(batches[0].Schema) && opts.Version <= 1 {
		return writeGroups(w, opts, batches)
	}
	p, err := NewParquetWriter(w, batches[0].Schema, opts)
	if err != nil {
		return ParquetStats{}, err
	}
	for _, b := range batches {
		if err := p.Write(b); err != nil {
			return ParquetStats{}, err
		}
	}
	return p.Close()
}

// Write appends the rows of b, which are not needed after it returns. A null where the schema allows none is an
// error; the file is then useless.
func (p *ParquetWriter) Write(b *Batch) error {
	if len(b.Columns) != len(p.schema.Fields) {
		return fmt.Errorf("write Parquet: batch has %d columns, the file %d", len(b.Columns), len(p.schema.Fields))
	}
	columns := p.file.ColumnWriters()
	for _, l := range p.leaves {
		l.resolve(b)
	}
	for from := 0; from < b.Len; from += chunkRows {
		to := min(from+chunkRows, b.Len)
		for _, l := range p.leaves {
			if err := l.collect(from, to); err != nil {
				return err
			}
			if _, err := columns[l.index].WriteRowValues(l.values); err != nil {
				return fmt.Errorf("write Parquet column %s: %w", strings.Join(l.path, "."), err)
			}
			p.group += l.size
		}
		p.rows += int64(to - from)
		if p.group >= p.opts.BlockSize {
			if err := p.file.Flush(); err != nil {
				return fmt.Errorf("write Parquet row group: %w", err)
			}
			p.group = 0
		}
	}
	return nil
}

// Close writes what is left and the footer. The underlying writer stays open.
func (p *ParquetWriter) Close() (ParquetStats, error) {
	if err := p.file.Close(); err != nil {
		return ParquetStats{}, fmt.Errorf("write Parquet footer: %w", err)
	}
	stats := ParquetStats{Rows: p.rows, Bytes: p.out.n}
	for _, l := range p.leaves {
		if l.lists == 0 {
			stats.Columns = append(stats.Columns, l.stats.result(l.path))
		}
	}
	return stats, nil
}

// countingWriter knows how many bytes went through.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
