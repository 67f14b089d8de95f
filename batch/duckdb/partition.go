package duckdb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// splitPartitions takes the rows of sql out of DuckDB, sorted by partition, and writes a file for each partition.
func (w *writer) splitPartitions(ctx context.Context, sql string) error {
	var columns, keys []string
	for _, r := range w.results {
		if q := quoteName(r.field.Name); !slices.Contains(w.opts.PartitionBy, r.field.Name) {
			columns = append(columns, q)
		}
	}
	for _, name := range w.opts.PartitionBy {
		keys = append(keys, "CAST("+quoteName(name)+" AS VARCHAR)")
	}
	rows, err := w.conn.query(ctx, "SELECT "+strings.Join(append(columns, keys...), ", ")+" FROM ("+sql+
		") ORDER BY "+quoteNames(w.opts.PartitionBy))
	if err != nil {
		return err
	}
	values := rows.Columns[len(columns):]
	rows.Columns = rows.Columns[:len(columns)]
	rows.Schema = &columnar.Schema{Fields: rows.Schema.Fields[:len(columns)]}
	var starts []int
	for i := range rows.Len {
		if i == 0 || !sameKeys(values, i-1, i) {
			starts = append(starts, i)
		}
	}
	files := make([]batch.ParquetFile, len(starts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, from := range starts {
		to := rows.Len
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			path := filepath.Join(w.dir, fmt.Sprintf("%06d.parquet", i))
			files[i], err = writeFile(path, slice(rows, from, to-from), w.opts.Compression)
			files[i].Partition = w.partition(values, from)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.files = append(w.files, files...)
	return nil
}

func sameKeys(values []*columnar.Column, i, k int) bool {
	for _, c := range values {
		if c.Null(i) != c.Null(k) || !bytes.Equal(c.Bytes(i), c.Bytes(k)) {
			return false
		}
	}
	return true
}

func (w *writer) partition(values []*columnar.Column, row int) map[string]*string {
	p := make(map[string]*string, len(values))
	for i, name := range w.opts.PartitionBy {
		p[name] = nil
		if c := values[i]; !c.Null(row) {
			text := string(c.Bytes(row))
			p[name] = &text
		}
	}
	return p
}

// slice returns n rows of b from row from, which share its buffers but for the bitmaps.
func slice(b *columnar.Batch, from, n int) *columnar.Batch {
	out := &columnar.Batch{Schema: b.Schema, Len: n}
	for _, c := range b.Columns {
		out.Columns = append(out.Columns, sliceColumn(c, from, n))
	}
	return out
}

func sliceColumn(c *columnar.Column, from, n int) *columnar.Column {
	out := &columnar.Column{Type: c.Type, Len: n, Data: c.Data, Children: c.Children}
	if c.Valid != nil {
		out.Valid = make([]byte, (n+63)/64*8)
		copyBits(out.Valid, c.Valid, from, n)
	}
	switch width := c.Type.Kind.Width(); {
	case width > 0:
		out.Data = c.Data[from*width : (from+n)*width]
	case c.Type.Kind == columnar.Struct:
		out.Children = nil
		for _, kid := range c.Children {
			out.Children = append(out.Children, sliceColumn(kid, from, n))
		}
	default:
		out.Offsets = c.Offsets[from : from+n+1]
	}
	return out
}

// dictionaryMin is the number of rows from which a dictionary makes a file smaller.
const dictionaryMin = 100

func writeFile(path string, b *columnar.Batch, compression string) (batch.ParquetFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return batch.ParquetFile{}, err
	}
	stats, err := columnar.WriteParquet(f, columnar.ParquetOptions{
		Compression: strings.ToUpper(compression), NoDictionary: b.Len < dictionaryMin,
	}, b)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return batch.ParquetFile{}, err
	}
	file := batch.ParquetFile{Path: path, Rows: stats.Rows, Size: stats.Bytes, Columns: map[string]batch.ColumnStats{}}
	for _, c := range stats.Columns {
		if len(c.Path) > 1 {
			continue
		}
		s := batch.ColumnStats{Nulls: c.Nulls}
		if !c.NaN {
			s.Min, s.Max = bound(c.Type.Kind, c.Min), bound(c.Type.Kind, c.Max)
		}
		file.Columns[c.Path[0]] = s
	}
	return file, nil
}

// bound writes a value, in columnar's form, as batch.ColumnStats has it.
func bound(k columnar.Kind, v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		if n := json.Number(strconv.FormatFloat(v, 'g', -1, 64)); json.Valid([]byte(n)) {
			return n
		}
	case string:
		if k == columnar.Decimal {
			return json.Number(v)
		}
		return v
	case time.Time:
		if k == columnar.Date {
			return v.Format(time.DateOnly)
		}
		return v.Format(timestampForm)
	}
	return nil
}
