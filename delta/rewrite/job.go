package rewrite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// job is one attempt at an operation: what it read, what it wrote so far, and what its commit will say.
type job struct {
	ctx      context.Context
	t        *Table
	snapshot *delta.Snapshot
	dir      string // its own staging folder
	names    int    // of files and folders in dir

	// schema and by are those of the table after the commit, props its properties.
	schema   *columnar.Schema
	by       []string
	props    map[string]string
	features []string
	alter    bool             // schema, by or props differ from the snapshot's
	identity map[string]int64 // highest value handed out, by column

	operation  string
	parameters map[string]string
	moved      bool // rows stay as they are
	readAll    bool
	readFiles  func(*delta.File) bool

	removes []*delta.File
	deleted []deletedRows
	adds    []written
	changes []written
	beside  []duckdb.Table // what statements over the table's rows may read too
	carries bool           // rows of statements take their ids along

	binBytes int64 // of files with changed rows that are written anew as one; zero: the size of a data file
	txn      func(*delta.Transaction)
	done     func() // called after the commit
	result   Result
}

// deletedRows is a file whose rows are deleted by a vector.
type deletedRows struct {
	file *delta.File
	rows *delta.Rows // those that were deleted before too
}

// written is a file in the staging folder that becomes a data file.
type written struct {
	path string
	file delta.File
}

func newJob(ctx context.Context, t *Table, s *delta.Snapshot, dir string) *job {
	j := &job{ctx: ctx, t: t, snapshot: s, dir: dir, schema: s.Schema(), by: s.PartitionBy(), props: s.Properties(), identity: map[string]int64{}}
	j.result.Version = s.Version()
	return j
}

func (j *job) path(name string) string {
	j.names++
	return filepath.Join(j.dir, strconv.Itoa(j.names)+name)
}

// branch is a job that writes files for j while others do.
func (j *job) branch(ctx context.Context, i int) (*job, error) {
	b := *j
	b.ctx, b.dir, b.names, b.adds, b.removes = ctx, filepath.Join(j.dir, fmt.Sprintf("branch%d", i)), 0, nil, nil
	return &b, os.Mkdir(b.dir, 0o755)
}

func (j *job) property(name string) bool { return j.props[name] == "true" }

// cdf says whether changed rows must be written for readers of the table's changes.
func (j *job) cdf() bool { return j.property("delta.enableChangeDataFeed") }

// vectors says whether rows are deleted by deletion vectors rather than by writing files anew.
func (j *job) vectors() bool {
	return j.property("delta.enableDeletionVectors") && slices.Contains(j.snapshot.Protocol().ReaderFeatures, "deletionVectors")
}

// mapping is how columns are mapped after the commit.
func (j *job) mapping() delta.Mapping {
	if j.alter {
		return mappingOf(j.props, j.snapshot.Mapping())
	}
	return j.snapshot.Mapping()
}

// physical is a schema with the names of data files.
func physical(s *columnar.Schema, mapping delta.Mapping) *columnar.Schema {
	if mapping == delta.MapNone {
		return s
	}
	return &columnar.Schema{Fields: physicalFields(s.Fields)}
}

func physicalFields(fields []columnar.Field) []columnar.Field {
	out := slices.Clone(fields)
	for i := range out {
		if name, ok := out[i].Metadata["delta.columnMapping.physicalName"].(string); ok {
			out[i].Name = name
		}
		out[i].Type.Fields = physicalFields(out[i].Type.Fields)
	}
	return out
}

// target is what a copy writes into.
type target struct {
	extra     []columnar.Field // columns behind those of the table, for files of changes
	partition map[string]*string
	fixed     bool  // all rows belong to partition
	oneFile   bool  // whatever its size
	serial    bool  // others are written beside it
	fileBytes int64 // if not the table's
}

// write writes the rows of a query, which has the columns of the table by their names, into Parquet files.
func (j *job) write(query string, tables []duckdb.Table, to target) ([]written, error) {
	mapping := j.mapping()
	var columns []columnar.Field
	var items []string
	names := map[string]string{} // logical by physical
	for _, f := range j.schema.Fields {
		if slices.Contains(j.by, f.Name) {
			continue
		}
		p := physical(&columnar.Schema{Fields: []columnar.Field{f}}, mapping).Fields[0]
		columns = append(columns, p)
		names[p.Name] = f.Name
		items = append(items, outExpr(quoteName(f.Name), f.Type, p.Type)+" AS "+quoteName(p.Name))
	}
	carried, err := j.carriedColumns()
	if err != nil {
		return nil, err
	}
	for i, f := range carried {
		columns = append(columns, f)
		items = append(items, j.carried()[i]+" AS "+quoteName(f.Name))
	}
	for _, f := range to.extra {
		columns = append(columns, f)
		items = append(items, quoteName(f.Name))
	}
	opts := duckdb.CopyOptions{
		Dir: j.path(""), Columns: &columnar.Schema{Fields: columns}, Compression: j.t.opts.Compression, FileBytes: j.t.opts.FileBytes,
	}
	if to.fileBytes > 0 {
		opts.FileBytes = to.fileBytes
	}
	if to.oneFile {
		opts.FileBytes = 0
	}
	opts.Serial = to.serial
	if mapping != delta.MapNone {
		opts.FieldID = delta.FieldID
	}
	if !to.fixed {
		for i, name := range j.by {
			as := fmt.Sprintf("weir_p%d", i)
			opts.PartitionBy = append(opts.PartitionBy, as)
			items = append(items, partitionExpr(j.field(name))+" AS "+as)
		}
	}
	files, err := j.copy("SELECT "+strings.Join(items, ", ")+" FROM (\n"+query+"\n)", opts, tables)
	if err != nil {
		return nil, err
	}
	out := make([]written, 0, len(files))
	for _, f := range files {
		w, err := j.fileOf(f, names, to)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

// copy writes files into the new folder opts.Dir. One thread holds less in memory at a time than several; so it is what is tried when that is
// too little.
func (j *job) copy(sql string, opts duckdb.CopyOptions, tables []duckdb.Table) ([]duckdb.CopiedFile, error) {
	if err := os.Mkdir(opts.Dir, 0o755); err != nil {
		return nil, err
	}
	files, err := j.t.opts.DB.Copy(j.ctx, sql, opts, tables...)
	if !errors.Is(err, duckdb.ErrMemory) || opts.Serial || j.ctx.Err() != nil {
		return files, err
	}
	if err := os.RemoveAll(opts.Dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(opts.Dir, 0o755); err != nil {
		return nil, err
	}
	opts.Serial = true
	return j.t.opts.DB.Copy(j.ctx, sql, opts, tables...)
}

func (j *job) field(name string) *columnar.Field { return &j.schema.Fields[j.schema.Index(name)] }

// fileOf is a written file as the log has it, its statistics by logical names.
func (j *job) fileOf(f duckdb.CopiedFile, names map[string]string, to target) (written, error) {
	w := written{path: f.Path, file: delta.File{Size: f.Size, Partition: to.partition}}
	if !to.fixed {
		w.file.Partition = map[string]*string{}
		for i, name := range j.by {
			text := f.Partition[fmt.Sprintf("weir_p%d", i)]
			value, err := partitionText(j.field(name).Type, text)
			if err != nil {
				return w, fmt.Errorf("partition column %s: %w", name, err)
			}
			w.file.Partition[name] = value
		}
	}
	stats := &delta.Stats{NumRecords: f.Rows, Min: map[string]any{}, Max: map[string]any{}, NullCount: map[string]any{}}
	for physical, logical := range names {
		t := j.field(logical).Type
		for _, c := range []struct{ to, from map[string]any }{{stats.Min, f.Min}, {stats.Max, f.Max}, {stats.NullCount, f.Null}} {
			if v, ok := c.from[physical]; ok {
				c.to[logical] = logicalBound(t, v)
			}
		}
	}
	w.file.Stats = stats
	return w, nil
}

// logicalBound renames what is inside the bounds of a struct.
func logicalBound(t columnar.Type, v any) any {
	inner, ok := v.(map[string]any)
	if !ok || t.Kind != columnar.Struct {
		return v
	}
	out := make(map[string]any, len(inner))
	for i, p := range physicalFields(t.Fields) {
		if v, ok := inner[p.Name]; ok {
			out[t.Fields[i].Name] = logicalBound(t.Fields[i].Type, v)
		}
	}
	return out
}

// add takes written files into the commit.
func (j *job) add(files []written) (rows int64) {
	for _, f := range files {
		rows += f.file.Stats.NumRecords
	}
	j.adds = append(j.adds, files...)
	return rows
}

func (j *job) remove(f *delta.File) {
	j.removes = append(j.removes, f)
	j.result.RemovedFiles++
	j.result.RemovedBytes += f.Size
}

// live is the number of rows of a file that are not deleted, -1 if its statistics do not say.
func live(f *delta.File) int64 {
	if f.Stats == nil {
		return -1
	}
	if f.DeletionVector != nil {
		return f.Stats.NumRecords - f.DeletionVector.Cardinality
	}
	return f.Stats.NumRecords
}

// setProperty changes a property.
func (j *job) setProperty(name, value string) {
	j.props = maps.Clone(j.props)
	if j.props == nil {
		j.props = map[string]string{}
	}
	j.props[name] = value
	j.alter = true
}
