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
func (w *writer) filesOf(stats *columnar.Batch) ([]batch.ParquetFile, error) {
	at := map[string]*columnar.Column{}
	for i, f := range stats.Schema.Fields {
		at[f.Name] = stats.Columns[i]
	}
	for _, name := range []string{"filename", "count", "file_size_bytes", "column_statistics", "partition_keys"} {
		if at[name] == nil {
			return nil, fmt.Errorf("statistics of written files lack %s", name)
		}
	}
	var files []batch.ParquetFile
	for i := range stats.Len {
		f := batch.ParquetFile{
			Path: string(at["filename"].Bytes(i)),
			Rows: int64(at["count"].Int128(i).Lo), Size: int64(at["file_size_bytes"].Int128(i).Lo),
		}
		if f.Rows == 0 {
			if err := os.Remove(f.Path); err != nil {
				return nil, err
			}
			continue
		}
		f.Columns = w.columnStats(textMaps(at["column_statistics"], i))
		f.Partition = textMap(at["partition_keys"], i)
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

// columnStats picks the top-level columns: nested ones have paths of several quoted names.
func (w *writer) columnStats(raw map[string]map[string]*string) map[string]batch.ColumnStats {
	stats := map[string]batch.ColumnStats{}
	for _, r := range w.results {
		values, ok := raw[quoteName(r.field.Name)]
		if !ok {
			continue
		}
		s := batch.ColumnStats{Nulls: -1}
		if text := values["null_count"]; text != nil {
			if n, err := strconv.ParseInt(*text, 10, 64); err == nil {
				s.Nulls = n
			}
		}
		if nan := values["has_nan"]; nan == nil || *nan == "false" {
			s.Min, s.Max = boundOf(r.field.Type.Kind, values["min"]), boundOf(r.field.Type.Kind, values["max"])
		}
		if s.Min == nil || s.Max == nil {
			s.Min, s.Max = nil, nil
		}
		stats[r.field.Name] = s
	}
	return stats
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
