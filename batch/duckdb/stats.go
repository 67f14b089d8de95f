package duckdb

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// filesOf reads what COPY … RETURN_STATS says. A file without rows is removed.
func filesOf(stats *columnar.Batch, fields []columnar.Field) ([]CopiedFile, error) {
	at := map[string]*columnar.Column{}
	for i, f := range stats.Schema.Fields {
		at[f.Name] = stats.Columns[i]
	}
	for _, name := range []string{"filename", "count", "file_size_bytes", "column_statistics"} {
		if at[name] == nil {
			return nil, fmt.Errorf("statistics of written files lack %s", name)
		}
	}
	var files []CopiedFile
	for i := range stats.Len {
		f := CopiedFile{
			Path: string(at["filename"].Bytes(i)),
			Rows: int64(at["count"].Int128(i).Lo), Size: int64(at["file_size_bytes"].Int128(i).Lo),
			Min: map[string]any{}, Max: map[string]any{}, Null: map[string]any{},
		}
		if f.Rows == 0 {
			if err := os.Remove(f.Path); err != nil {
				return nil, err
			}
			continue
		}
		f.bounds(fields, "", textMaps(at["column_statistics"], i), f.Min, f.Max, f.Null)
		files = append(files, f)
	}
	return files, nil
}

// textMap reads row i of a MAP(VARCHAR, VARCHAR).
func textMap(c *columnar.Column, i int) map[string]*string {
	m := map[string]*string{}
	for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
		var v *string
		if values := c.Children[1]; !values.Null(int(k)) {
			s := string(values.Bytes(int(k)))
			v = &s
		}
		m[string(c.Children[0].Bytes(int(k)))] = v
	}
	return m
}

// textMaps reads row i of a MAP(VARCHAR, MAP(VARCHAR, VARCHAR)).
func textMaps(c *columnar.Column, i int) map[string]map[string]*string {
	m := map[string]map[string]*string{}
	for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
		m[string(c.Children[0].Bytes(int(k)))] = textMap(c.Children[1], int(k))
	}
	return m
}

// parquetFile is a file as pipelines have it: with the statistics of columns that are not nested.
func (c *CopiedFile) parquetFile(fields []columnar.Field) batch.ParquetFile {
	out := batch.ParquetFile{Path: c.Path, Partition: c.Partition, Rows: c.Rows, Size: c.Size, Columns: map[string]batch.ColumnStats{}}
	if out.Partition == nil {
		out.Partition = map[string]*string{}
	}
	for _, f := range fields {
		if len(f.Type.Fields) > 0 {
			continue
		}
		s := batch.ColumnStats{Nulls: -1, Min: c.Min[f.Name], Max: c.Max[f.Name]}
		if n, ok := c.Null[f.Name].(int64); ok {
			s.Nulls = n
		}
		out.Columns[f.Name] = s
	}
	return out
}

// timestampForm is that of timestamps in batch.ColumnStats.
const timestampForm = "2006-01-02T15:04:05.000000Z"

// boundOf makes a typed value of DuckDB's text of it; nil if it is unknown or of a type that has no bounds.
func boundOf(k columnar.Kind, text *string) any {
	if text == nil {
		return nil
	}
	switch k {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Decimal, columnar.Float32, columnar.Float64:
		if n := json.Number(*text); json.Valid([]byte(n)) {
			return n
		}
	case columnar.String:
		return *text
	case columnar.Bool:
		if b, err := strconv.ParseBool(*text); err == nil {
			return b
		}
	case columnar.Date:
		if _, err := time.Parse(time.DateOnly, *text); err == nil {
			return *text
		}
	case columnar.Timestamp, columnar.TimestampNTZ:
		t, err := time.Parse("2006-01-02 15:04:05.999999", strings.TrimSuffix(*text, "+00"))
		if err == nil {
			return t.UTC().Format(timestampForm)
		}
	}
	return nil
}
