package rewrite

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
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
	txn     func(*delta.Transaction)
	done    func() // called after the commit
	result  Result
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
	if err := os.Mkdir(opts.Dir, 0o755); err != nil {
		return nil, err
	}
	files, err := j.t.opts.DB.Copy(j.ctx, "SELECT "+strings.Join(items, ", ")+" FROM (\n"+query+"\n)", opts, tables...)
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

var suffixes = map[string]string{"snappy": ".snappy.parquet", "zstd": ".zstd.parquet", "gzip": ".gz.parquet", "uncompressed": ".parquet"}

// place gives files their keys and makes them objects.
func (j *job) place(files []written, folder, kind string) error {
	if len(files) == 0 {
		return nil
	}
	name := uuid.New()
	all := make([]File, len(files))
	for i := range files {
		f := &files[i]
		f.file.Path = fmt.Sprintf("%s%s%s-%05d-%s.c000%s", folder, delta.PartitionPath(j.by, f.file.Partition), kind, i, name, suffixes[j.t.opts.Compression])
		f.file.ModTime = j.t.opts.Now()
		all[i] = File{Key: j.t.prefix + f.file.Path, Path: f.path}
	}
	return j.t.importAll(j.ctx, all)
}

// commit puts the files at their places and writes the commit. Without any change there is none.
func (j *job) commit() error {
	if len(j.removes)+len(j.deleted)+len(j.adds) == 0 && !j.alter && j.txn == nil {
		return nil
	}
	if err := j.checkRowTracking(); err != nil {
		return err
	}
	if err := j.place(j.adds, "", "part"); err != nil {
		return err
	}
	if err := j.place(j.changes, "_change_data/", "cdc"); err != nil {
		return err
	}
	tx := j.t.table.Begin(j.snapshot)
	tx.ChecksRows()
	if j.moved {
		tx.RowsStay()
	}
	if j.txn != nil {
		j.txn(tx)
	}
	j.setIdentity()
	if j.alter {
		tx.Alter(delta.Alteration{Schema: j.schema, PartitionBy: j.by, Properties: j.props, Features: j.features})
	}
	for _, f := range j.removes {
		tx.RemoveFile(f)
	}
	if err := j.setDeleted(tx); err != nil {
		return err
	}
	for _, w := range j.adds {
		tx.Add(w.file)
		j.result.AddedFiles++
		j.result.AddedBytes += w.file.Size
	}
	for _, w := range j.changes {
		tx.AddChanges(w.file)
	}
	if j.readAll {
		tx.ReadTable()
	}
	if j.readFiles != nil {
		tx.ReadFiles(j.readFiles)
	}
	tx.SetInfo(j.operation, j.parameters, j.metrics())
	version, err := tx.Commit(j.ctx)
	if err != nil {
		return err
	}
	j.result.Version, j.result.Committed = version, true
	if j.done != nil {
		j.done()
	}
	return nil
}

func (j *job) setDeleted(tx *delta.Transaction) error {
	if len(j.deleted) == 0 {
		return nil
	}
	w := j.t.table.NewVectorWriter()
	for _, d := range j.deleted {
		v, err := w.Add(d.rows)
		if err != nil {
			return err
		}
		tx.SetDeleted(d.file, v)
	}
	return w.Close(j.ctx)
}

// metrics are those that Spark writes for the operation.
func (j *job) metrics() map[string]string {
	r := &j.result
	m := map[string]string{
		"numAddedFiles": strconv.Itoa(r.AddedFiles), "numRemovedFiles": strconv.Itoa(r.RemovedFiles),
		"numAddedBytes": strconv.FormatInt(r.AddedBytes, 10), "numRemovedBytes": strconv.FormatInt(r.RemovedBytes, 10),
	}
	for name, n := range map[string]int64{
		"numInsertedRows": r.Inserted, "numUpdatedRows": r.Updated, "numDeletedRows": r.Deleted, "numCopiedRows": r.Copied,
		"numDeletionVectorsAdded": int64(len(j.deleted)),
	} {
		if n > 0 {
			m[name] = strconv.FormatInt(n, 10)
		}
	}
	if r.Inserted+r.Updated > 0 {
		m["numOutputRows"] = strconv.FormatInt(r.Inserted+r.Updated+r.Copied, 10)
	}
	return m
}

// checkRowTracking refuses what would give rows other ids than they have.
func (j *job) checkRowTracking() error {
	if j.property("delta.enableRowTracking") && j.result.Copied+j.result.Updated > 0 {
		return fmt.Errorf("%w: rowTracking: rows that are written anew would lose their ids", delta.ErrUnsupported)
	}
	return nil
}

// importersMax bounds the files that are made objects at the same time.
const importersMax = 16

func (t *Table) importAll(ctx context.Context, files []File) error {
	if t.opts.Import != nil {
		return t.opts.Import(ctx, t.bucket, files)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(importersMax)
	for _, f := range files {
		g.Go(func() error { return t.importFile(ctx, f) })
	}
	return g.Wait()
}

func (t *Table) importFile(ctx context.Context, f File) error {
	opts := objstore.PutOptions{ContentType: "application/octet-stream"}
	if l, ok := t.opts.Store.(objstore.Local); ok && filepath.Clean(t.opts.Staging) == filepath.Clean(l.TempDir()) {
		_, err := l.Import(ctx, t.bucket, f.Key, f.Path, opts)
		return err
	}
	body, err := os.Open(f.Path)
	if err != nil {
		return fmt.Errorf("upload %s: %w", f.Key, err)
	}
	defer body.Close()
	_, err = t.opts.Store.Put(ctx, t.bucket, f.Key, body, opts)
	return err
}

// withProps changes properties.
func (j *job) setProperty(name, value string) {
	j.props = maps.Clone(j.props)
	if j.props == nil {
		j.props = map[string]string{}
	}
	j.props[name] = value
	j.alter = true
}
