package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// deltaTable is one version of a Delta table.
type deltaTable struct {
	bucket, prefix string
	snapshot       *delta.Snapshot
	known          *knownDelta
}

// deltaCache keeps handles of Delta tables: one that was read before is refreshed cheaply.
type deltaCache struct {
	mu     sync.Mutex
	tables map[string]*knownDelta // by location
}

// knownDelta is a table that was read before, with the files of the version that was last asked for in whole.
type knownDelta struct {
	table *delta.Table

	mu      sync.Mutex
	id      string // of the table: one made anew in the same place has another
	version int64
	files   []dataFile // paths are set; not to be changed
}

// Bounds of the cache: beyond deltaTablesMax some table is forgotten, and longer file lists are not kept.
const (
	deltaTablesMax = 64
	deltaFilesMax  = 100_000
)

func (c *deltaCache) open(ctx context.Context, store objstore.Store, bucket, prefix string) (*knownDelta, error) {
	key := bucket + "/" + prefix
	c.mu.Lock()
	k := c.tables[key]
	c.mu.Unlock()
	if k != nil {
		return k, nil
	}
	t, err := delta.Open(ctx, delta.InBucket(store, bucket, prefix))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for old := range c.tables {
		if len(c.tables) < deltaTablesMax {
			break
		}
		delete(c.tables, old)
	}
	k = &knownDelta{table: t, version: -1}
	c.tables[key] = k
	return k, nil
}

// forget drops a table that turned out to be gone or made anew.
func (c *deltaCache) forget(bucket, prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tables, bucket+"/"+prefix)
}

// openDelta reads the version that the statement wants: the newest, unless it says FOR … AS OF (which Athena itself does
// not offer for Delta tables).
func (p *planner) openDelta(t *planned) (*deltaTable, error) {
	bucket, prefix, err := objstore.ParseURL(t.table.Storage.Location)
	if err != nil {
		return nil, &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: err.Error()}
	}
	prefix = strings.TrimSuffix(prefix, "/")
	known, snapshot, err := p.deltaSnapshot(t, bucket, prefix)
	switch {
	case errors.Is(err, delta.ErrNoTable), errors.Is(err, objstore.ErrNoSuchBucket):
		p.s.deltas.forget(bucket, prefix)
		return nil, &sql.Error{Code: "DELTA_LAKE_INVALID_SCHEMA", Msg: fmt.Sprintf("Metadata not found in transaction log for %s.%s", t.table.Database, t.table.Name)}
	case errors.Is(err, delta.ErrUnsupported):
		return nil, &sql.Error{Code: "NOT_SUPPORTED", Msg: err.Error()}
	case err != nil:
		return nil, fmt.Errorf("read Delta table %s: %w", t.table.Storage.Location, err)
	}
	return &deltaTable{bucket, prefix, snapshot, known}, nil
}

func (p *planner) deltaSnapshot(t *planned, bucket, prefix string) (*knownDelta, *delta.Snapshot, error) {
	known, err := p.s.deltas.open(p.ctx, p.s.opts.Objects, bucket, prefix)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := snapshotOf(p.ctx, known.table, t.ref)
	return known, snapshot, err
}

func snapshotOf(ctx context.Context, table *delta.Table, ref *sql.TableRef) (*delta.Snapshot, error) {
	if ref.AsOf == nil {
		return table.Snapshot(ctx)
	}
	switch x := ref.AsOf.(type) {
	case *sql.Number:
		if v, err := strconv.ParseInt(x.Text, 10, 64); err == nil && ref.AsOfKind == "VERSION" {
			return table.SnapshotAt(ctx, v)
		}
	case *sql.Typed:
		if at, ok := parseTime(strings.TrimSuffix(x.Text, " UTC")); ok && ref.AsOfKind == "TIMESTAMP" {
			return table.SnapshotAsOf(ctx, at)
		}
	}
	return nil, &sql.Error{Code: "NOT_SUPPORTED", Pos: ref.Name.Pos, Msg: "FOR VERSION AS OF needs an integer, FOR TIMESTAMP AS OF a timestamp literal"}
}

func (d *deltaTable) columns() []sql.Column {
	var cols []sql.Column
	for _, f := range d.snapshot.Schema().Fields {
		cols = append(cols, sql.Column{Name: strings.ToLower(f.Name), Type: sqlType(f.Type)})
	}
	return cols
}

// sqlType is a column type of package columnar in Trino's terms.
func sqlType(t columnar.Type) sql.Type {
	names := map[columnar.Kind]string{columnar.Bool: "boolean", columnar.Int8: "tinyint", columnar.Int16: "smallint",
		columnar.Int32: "integer", columnar.Int64: "bigint", columnar.Float32: "real", columnar.Float64: "double",
		columnar.String: "varchar", columnar.Binary: "varbinary", columnar.Date: "date", columnar.Timestamp: "timestamp",
		columnar.TimestampNTZ: "timestamp", columnar.Decimal: "decimal", columnar.Struct: "row", columnar.List: "array",
		columnar.Map: "map"}
	out := sql.Type{Name: names[t.Kind]}
	if t.Kind == columnar.Decimal {
		out.Len, out.Scale = t.Precision, t.Scale
	}
	for _, f := range t.Fields {
		out.Args = append(out.Args, sqlType(f.Type))
		if t.Kind == columnar.Struct {
			out.Fields = append(out.Fields, strings.ToLower(f.Name))
		}
	}
	return out
}

// files are the live files that the predicates leave, by partition values and by statistics.
func (d *deltaTable) files(ctx context.Context, store *files, predicates []sql.Predicate) ([]dataFile, error) {
	pr := newPrune(predicates)
	types := map[string]sql.Type{}
	for _, c := range d.columns() {
		types[c.Name] = c.Type
	}
	isKey := map[string]bool{}
	for _, n := range d.snapshot.PartitionBy() {
		isKey[strings.ToLower(n)] = true
	}
	for column := range pr {
		if !isKey[column] {
			return d.list(pr, types)
		}
	}
	all, err := d.known.all(ctx, d, store)
	if err != nil || len(pr) == 0 {
		return all, err
	}
	var out []dataFile
	for _, f := range all {
		if keepsFolder(pr, types, f.values) {
			out = append(out, f)
		}
	}
	return out, nil
}

// all are all files of a version. They are kept, with their paths, for the next query: working them out takes longer
// than many queries.
func (k *knownDelta) all(ctx context.Context, d *deltaTable, store *files) ([]dataFile, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version == d.snapshot.Version() && k.id == d.snapshot.ID() {
		return k.files, nil
	}
	out, err := d.list(nil, nil)
	if err != nil || len(out) > deltaFilesMax || store.local == nil {
		return out, err
	}
	paths := make(map[string]string, len(k.files)) // files of a Delta table never change
	for _, f := range k.files {
		paths[f.key] = f.path
	}
	for i := range out {
		if out[i].path = paths[out[i].key]; out[i].path != "" {
			continue
		}
		if out[i].path, err = store.path(ctx, out[i]); err != nil {
			return nil, fmt.Errorf("open s3://%s/%s: %w", out[i].bucket, out[i].key, err)
		}
	}
	k.id, k.version, k.files = d.snapshot.ID(), d.snapshot.Version(), out
	return out, nil
}

// list asks the log for files; a nil prune keeps all.
func (d *deltaTable) list(pr prune, types map[string]sql.Type) ([]dataFile, error) {
	inside := func(partition map[string]*string) bool {
		for name, v := range partition {
			lower := strings.ToLower(name)
			if !pr.keepsValue(lower, types[lower], emptyIsNull(v)) {
				return false
			}
		}
		return true
	}
	keep := func(f *delta.File) bool { return keepsStats(pr, types, f.Stats) }
	if pr == nil {
		inside, keep = nil, nil
	}
	var out []dataFile
	for f, err := range d.snapshot.FilesIn(inside, keep) {
		if errors.Is(err, delta.ErrUnsupported) {
			return nil, &sql.Error{Code: "NOT_SUPPORTED", Msg: err.Error()}
		}
		if err != nil {
			return nil, fmt.Errorf("list files of Delta table: %w", err)
		}
		if f.DeletionVector != nil || d.snapshot.Mapping() != delta.MapNone {
			return nil, &sql.Error{Code: "NOT_SUPPORTED", Msg: "deletion vectors and column mapping are not supported"}
		}
		values := make(map[string]*string, len(f.Partition))
		for name, v := range f.Partition {
			values[strings.ToLower(name)] = emptyIsNull(v)
		}
		key := f.Path
		if d.prefix != "" {
			key = d.prefix + "/" + f.Path
		}
		out = append(out, dataFile{bucket: d.bucket, key: key, size: f.Size, values: values, etag: "immutable"})
	}
	return out, nil
}

// emptyIsNull follows the Delta protocol: an empty partition value is NULL.
func emptyIsNull(v *string) *string {
	if v == nil || *v == "" {
		return nil
	}
	return v
}

func keepsStats(pr prune, types map[string]sql.Type, s *delta.Stats) bool {
	if s == nil {
		return true
	}
	for name, low := range s.Min {
		high, ok := s.Max[name]
		column := strings.ToLower(name)
		if !ok || len(pr[column]) == 0 {
			continue
		}
		t := types[column]
		lowText, ok1 := boundText(low, t, 0)
		highText, ok2 := boundText(high, t, time.Millisecond) // bounds of timestamps are cut to milliseconds
		if ok1 && ok2 && !pr.keepsRange(column, t, lowText, highText) {
			return false
		}
	}
	return true
}

// boundText is a bound of the statistics as compare reads it.
func boundText(v any, t sql.Type, slack time.Duration) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case string:
		if t.Name != "timestamp" {
			return v, t.Name == "varchar" || t.Name == "date"
		}
		at, ok := parseTime(v)
		if !ok {
			at, err := time.Parse(time.RFC3339Nano, v)
			return at.UTC().Add(slack).Format(time.RFC3339Nano), err == nil
		}
		return at.Add(slack).Format("2006-01-02T15:04:05.999999999Z"), true
	}
	return "", false
}
