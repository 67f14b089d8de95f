package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/columnar"
)

// partitions writes the rows of a statement into files by partition. The rows are gathered in memory, and what does not fit there in files
// that are written together with the rest at the end.
type partitions struct {
	db      *DB
	conn    *conn       // of the statement
	opts    CopyOptions // Columns are those that are gathered
	ids     string      // of fields, as DuckDB's option has them
	columns string      // their expressions as files have them
	max     int64       // bytes of rows in memory
	own     bool        // rows in memory are written here, whatever their number
	small   int         // rows up to which a file is written here else
	carried *carried    // nil: all columns are gathered

	spilled map[string][]string // files of rows by partition
	err     error               // of spilling

	mu    sync.Mutex // guards the fields below
	names int
	files []CopiedFile
}

// gathered are the columns of the files that are gathered.
func (p *partitions) gathered() *columnar.Schema {
	if p.carried == nil {
		return p.opts.Columns
	}
	s := &columnar.Schema{}
	for i, f := range p.opts.Columns.Fields {
		if p.carried.of[i] < 0 {
			s.Fields = append(s.Fields, f)
		}
	}
	return s
}

// smallRows is the number of rows up to which a file with nested columns is written without a statement, which takes longer to begin.
const smallRows = 500

// gatheredMax bounds the rows that one statement gathers in memory, whatever DuckDB may take.
const gatheredMax = 256 << 20

func (d *DB) partitions(c *conn, opts CopyOptions, ids string) *partitions {
	opts.Columns = &columnar.Schema{Fields: optional(opts.Columns.Fields)}
	p := &partitions{
		db: d, conn: c, opts: opts, ids: ids, columns: fileColumns(opts.Columns.Fields), max: min(2*d.opts.MemoryLimit, gatheredMax), own: flat(opts.Columns), small: smallRows, spilled: map[string][]string{},
	}
	if ids != "" {
		p.small, p.own = 0, false
	}
	return p
}

// flat says whether no column is nested.
func flat(s *columnar.Schema) bool {
	return !slices.ContainsFunc(s.Fields, func(f columnar.Field) bool { return len(f.Type.Fields) > 0 })
}

// here says whether the rows of a partition are written by this process, as one file.
func (p *partitions) here(part *part) bool {
	if len(p.spilled[part.key]) > 0 || p.opts.FileBytes > 0 && part.bytes > p.opts.FileBytes {
		return false
	}
	return p.own || part.rows <= p.small
}

// write gathers the rows of query, which has the columns that are gathered and the texts of PartitionBy or integers, and writes them. The
// column of the numbers of rows, if columns are carried, is called row.
func (p *partitions) write(ctx context.Context, query, row string) ([]CopiedFile, error) {
	g := openGather(p.gathered(), len(p.opts.PartitionBy), p.max, func(part *part) error {
		p.err = p.spill(ctx, part)
		return p.err
	})
	defer g.close()
	var names []string
	for _, f := range g.schema.Fields {
		names = append(names, f.Name)
	}
	if p.carried != nil {
		g.carried = p.carried
		names = append(names, row)
	}
	if _, err := p.conn.query(ctx, g.statement(query, p.opts.PartitionBy, names)); err != nil {
		return nil, errors.Join(p.err, err)
	}
	parts := g.parts()
	for key := range p.spilled {
		if parts[key] == nil {
			parts[key] = &part{key: key}
		}
	}
	err := p.writeAll(ctx, parts)
	slices.SortFunc(p.files, func(a, b CopiedFile) int { return strings.Compare(a.Path, b.Path) })
	return p.files, err
}

// optional are fields that may be null, as those of queries may.
func optional(fields []columnar.Field) []columnar.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Nullable = true
		out[i].Type.Fields = optional(out[i].Type.Fields)
		if out[i].Type.Kind == columnar.Map {
			out[i].Type.Fields[0].Nullable = false
		}
	}
	return out
}

// path is a new one in the folder.
func (p *partitions) path() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names++
	return filepath.Join(p.opts.Dir, fmt.Sprintf("%06d", p.names))
}

// spill writes rows to a file that is read again at the end. Rows that lie elsewhere cannot be.
func (p *partitions) spill(ctx context.Context, part *part) error {
	if p.carried != nil {
		return fmt.Errorf("%w: more than %d bytes of computed columns", ErrMemory, p.max)
	}
	c, err := p.db.connect() // that of the statement is busy
	if err != nil {
		return err
	}
	defer c.disconnect()
	s := openScan(p.opts.Columns, piecesOf(part.blocks))
	defer s.close()
	path := p.path() + ".spilled"
	err = c.exec(ctx, "COPY (SELECT * FROM "+s.call()+") TO "+quoteText(path)+" (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE_BYTES '"+rowGroupBytes+"')")
	p.spilled[part.key] = append(p.spilled[part.key], path)
	return err
}

// writeAll writes partitions side by side, the largest first.
func (p *partitions) writeAll(ctx context.Context, parts map[string]*part) error {
	list := slices.Collect(maps.Values(parts))
	slices.SortFunc(list, func(a, b *part) int {
		if a.rows != b.rows {
			return b.rows - a.rows
		}
		return strings.Compare(a.key, b.key)
	})
	workers := min(len(list), p.db.opts.Threads, connsMax)
	conns := make(chan *conn, workers)
	if workers > 0 {
		conns <- p.conn
	}
	for range workers - 1 {
		c, err := p.db.connect()
		if err != nil {
			return err
		}
		defer c.disconnect()
		conns <- c
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(workers, 1))
	for i, part := range list {
		list[i] = nil // its rows go when they are written
		path := p.path()
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			c := <-conns
			defer func() { conns <- c }()
			return p.writeOne(ctx, c, part, path, workers == p.db.opts.Threads)
		})
	}
	clear(parts)
	return g.Wait()
}

func (p *partitions) writeOne(ctx context.Context, c *conn, part *part, path string, serial bool) error {
	partition := partitionOf(part.key, p.opts.PartitionBy)
	var files []CopiedFile
	if p.here(part) {
		f, err := p.writeFile(path+".parquet", part)
		if err != nil {
			return err
		}
		files = []CopiedFile{f}
	} else {
		spilled := p.spilled[part.key]
		s := openScan(p.opts.Columns, piecesOf(part.blocks))
		s.serial = serial
		defer s.close()
		from := s.call()
		if len(spilled) > 0 {
			from = "(SELECT * FROM read_parquet([" + quoteTexts(spilled) + "], hive_partitioning = false) UNION ALL SELECT * FROM " + from + ")"
		}
		opts := p.opts
		opts.Dir = path
		var err error
		if files, err = c.copy(ctx, "SELECT "+p.columns+" FROM "+from, opts, p.ids); err != nil {
			return err
		}
		for _, path := range spilled {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for i := range files {
		files[i].Partition = partition
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, files...)
	return nil
}

func quoteTexts(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, quoteText(t))
	}
	return strings.Join(all, ", ")
}

// groupBytes bounds the values of a row group of a file that is written without DuckDB.
const groupBytes = 32 << 20

// dictionaryMin is the number of rows from which a dictionary makes a file smaller.
const dictionaryMin = 100

// writeFile writes the rows of a partition without DuckDB.
func (p *partitions) writeFile(path string, part *part) (CopiedFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return CopiedFile{}, err
	}
	opts := columnar.ParquetOptions{Compression: strings.ToUpper(p.opts.Compression), NoDictionary: part.rows < dictionaryMin, BlockSize: groupBytes}
	var stats columnar.ParquetStats
	if p.carried != nil {
		stats, err = columnar.WriteParquetRows(f, p.opts.Columns, opts, p.carried.rows(part))
	} else {
		stats, err = columnar.WriteParquet(f, opts, part.blocks...)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return CopiedFile{}, err
	}
	return FileOf(path, stats), nil
}

// FileOf is a file that was written without DuckDB as Copy tells of those that it wrote.
func FileOf(path string, stats columnar.ParquetStats) CopiedFile {
	out := CopiedFile{Path: path, Rows: stats.Rows, Size: stats.Bytes, Min: map[string]any{}, Max: map[string]any{}, Null: map[string]any{}}
	for _, c := range stats.Columns {
		put(out.Null, c.Path, c.Nulls)
		low, high := bound(c.Type.Kind, c.Min), bound(c.Type.Kind, c.Max)
		if !c.NaN && low != nil && high != nil {
			put(out.Min, c.Path, low)
			put(out.Max, c.Path, high)
		}
	}
	return out
}

// put sets a value below the names of a path.
func put(values map[string]any, path []string, v any) {
	for _, name := range path[:len(path)-1] {
		below, ok := values[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			values[name] = below
		}
		values = below
	}
	values[path[len(path)-1]] = v
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
