package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// Bounds of a concatenation.
const (
	concatFileMax  = 32 << 20 // bytes of a file: one is in memory at a time
	concatGroupMax = 32 << 20 // bytes of a column of a row group that is read
	concatGroup    = 16 << 20 // about what a row group that is written holds
)

// errUnlike says that a file must be read by a statement, as its rows are not those of the table as they lie in it.
var errUnlike = errors.New("the file's rows are not the table's as they lie")

// concatenable says whether files of the table as it is may be written together without a statement: every row is there as it will be.
func (j *job) concatenable(files []*delta.File) bool {
	if j.mapping() != delta.MapNone || j.tracksRows() {
		return false
	}
	nested := slices.ContainsFunc(j.schema.Fields, func(f columnar.Field) bool { return len(f.Type.Fields) > 0 })
	return !nested && !slices.ContainsFunc(files, func(f *delta.File) bool {
		return f.DeletionVector != nil || f.Outside || f.Size > concatFileMax
	})
}

// concatenate writes files of one partition as one, column by column. It fails with errUnlike if that cannot be.
func (j *job) concatenate(files []*delta.File, to target) ([]written, error) {
	schema, names := &columnar.Schema{}, map[string]string{}
	for _, f := range j.schema.Fields {
		if !slices.Contains(j.by, f.Name) {
			schema.Fields = append(schema.Fields, columnar.Field{Name: f.Name, Type: f.Type, Nullable: true})
			names[f.Name] = f.Name
		}
	}
	path := j.path(".parquet")
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	stats, err := j.concatenateInto(out, schema, files)
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	if stats.Rows == 0 {
		return nil, os.Remove(path)
	}
	w, err := j.fileOf(duckdb.FileOf(path, stats), names, to)
	return []written{w}, err
}

func (j *job) concatenateInto(out io.Writer, schema *columnar.Schema, files []*delta.File) (columnar.ParquetStats, error) {
	w, err := columnar.NewGroupWriter(out, schema, columnar.ParquetOptions{Compression: strings.ToUpper(j.t.opts.Compression)})
	if err != nil {
		return columnar.ParquetStats{}, err
	}
	var names []string
	for _, f := range schema.Fields {
		names = append(names, f.Name)
	}
	var body []byte
	var held []*columnar.Batch // less than a row group
	var size int64
	for _, f := range files {
		if body, err = j.load(j.ctx, f, body); err != nil {
			return columnar.ParquetStats{}, fmt.Errorf("data file %q: %w", f.Path, err)
		}
		r, err := openLike(body, schema)
		if err != nil {
			return columnar.ParquetStats{}, fmt.Errorf("data file %q: %w", f.Path, err)
		}
		for i := range r.Groups() {
			b, err := r.ReadGroupWithin(concatGroupMax, i, names...)
			if err != nil {
				return columnar.ParquetStats{}, fmt.Errorf("data file %q: %w", f.Path, err)
			}
			if held, size = append(held, b), size+b.Bytes(); size < concatGroup {
				continue
			}
			if err := w.Write(held...); err != nil {
				return columnar.ParquetStats{}, err
			}
			held, size = nil, 0
		}
	}
	if err := w.Write(held...); err != nil {
		return columnar.ParquetStats{}, err
	}
	return w.Close()
}

// load reads a data file into buf, or into a larger one.
func (j *job) load(ctx context.Context, f *delta.File, buf []byte) ([]byte, error) {
	body, _, err := j.t.opts.Store.Get(ctx, j.t.bucket, j.t.prefix+f.Path, nil)
	if err != nil {
		return buf, err
	}
	defer body.Close()
	buf = slices.Grow(buf[:0], int(f.Size)+1)[:f.Size+1]
	n, err := io.ReadFull(body, buf)
	if err != io.ErrUnexpectedEOF || int64(n) != f.Size {
		return buf, fmt.Errorf("%w: it has not the size that the log says", errUnlike)
	}
	return buf[:n], nil
}

// openLike opens a file that has the columns of a schema in their very types, and that cannot unpack to very much.
func openLike(body []byte, schema *columnar.Schema) (*columnar.ParquetReader, error) {
	r, err := columnar.OpenParquet(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	for _, f := range schema.Fields {
		k := indexOf(r.Schema().Fields, f.Name)
		if k < 0 || r.Schema().Fields[k].Name != f.Name || r.Schema().Fields[k].Type.String() != f.Type.String() {
			return nil, fmt.Errorf("%w: column %s", errUnlike, f.Name)
		}
	}
	if r.Packed() {
		return nil, fmt.Errorf("%w: compression", errUnlike)
	}
	return r, nil
}

// needsStatement says whether a concatenation failed over a file that a statement may read, or whose fault it tells better.
func needsStatement(err error) bool {
	return errors.Is(err, errUnlike) || errors.Is(err, columnar.ErrFull) || errors.Is(err, columnar.ErrCorrupt) || errors.Is(err, columnar.ErrType)
}
