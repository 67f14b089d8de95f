package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

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
	changed        bool // what is read are its changes
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
	case errors.Is(err, delta.ErrUnsupported), errors.Is(err, delta.ErrNoVersion):
		return nil, deltaError(err)
	case err != nil:
		return nil, fmt.Errorf("read Delta table %s: %w", t.table.Storage.Location, err)
	}
	return &deltaTable{bucket: bucket, prefix: prefix, snapshot: snapshot, known: known}, nil
}

func (p *planner) deltaSnapshot(t *planned, bucket, prefix string) (*knownDelta, *delta.Snapshot, error) {
	known, err := p.s.deltas.open(p.ctx, p.s.opts.Objects, bucket, prefix)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := p.snapshotOf(known.table, t.ref)
	return known, snapshot, err
}

// snapshotOf is the newest version, or that which FOR VERSION AS OF or FOR TIMESTAMP AS OF asks for.
func (p *planner) snapshotOf(table *delta.Table, ref *sql.TableRef) (*delta.Snapshot, error) {
	if ref.AsOf == nil || ref.Live {
		return table.Snapshot(p.ctx)
	}
	text, err := p.constant(ref.AsOf)
	if err != nil {
		return nil, err
	}
	if ref.AsOfKind == "VERSION" {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return table.SnapshotAt(p.ctx, v)
		}
	} else if at, ok := parseTime(strings.TrimSuffix(text, " UTC")); ok {
		return table.SnapshotAsOf(p.ctx, at)
	}
	return nil, &sql.Error{Code: "INVALID_ARGUMENTS", Pos: ref.Name.Pos, Msg: "FOR VERSION AS OF needs an integer, FOR TIMESTAMP AS OF a timestamp"}
}

// constant is the text of an expression that reads no table.
func (p *planner) constant(x sql.Expr) (string, error) {
	switch x := x.(type) {
	case *sql.Number:
		return x.Text, nil
	case *sql.Typed:
		return x.Text, nil
	}
	q := &sql.Query{Body: &sql.Select{Items: []sql.SelectItem{{X: x}}}}
	t, err := sql.Translate(q, sql.Options{Params: p.params, Now: p.now})
	if err != nil {
		return "", err
	}
	var out cell
	_, err = p.s.opts.Engine.Run(p.ctx, &Request{SQL: t.Text}, &out)
	return out.text, err
}

// cell is the Sink of one value.
type cell struct{ text string }

func (c *cell) Columns([]sql.Column) error { return nil }

func (c *cell) Rows(cells [][]byte) error {
	if len(cells) > 0 {
		c.text = string(cells[0])
	}
	return nil
}

func (d *deltaTable) columns() []sql.Column {
	var cols []sql.Column
	for _, f := range d.snapshot.Schema().Fields {
		cols = append(cols, sql.Column{Name: strings.ToLower(f.Name), Type: withChars(sqlType(f.Type), &f)})
	}
	if d.changed {
		cols = append(cols, changeColumns()...)
	}
	return cols
}

// sqlType is a column type of package columnar in Trino's terms, which know no upper case.
func sqlType(t columnar.Type) sql.Type { return namedType(t, strings.ToLower) }

// withChars is the type of a column in which text that Spark's metadata calls char(n) is that: it is read with blanks up to n, as Spark
// and Trino read it. The length of varchar(n) matters to writers only.
func withChars(t sql.Type, f *columnar.Field) sql.Type {
	text, ok := f.Metadata["__CHAR_VARCHAR_TYPE_STRING"].(string)
	if !ok || !strings.Contains(strings.ToLower(text), "char") {
		return t
	}
	raw, err := sql.ParseHiveType(text)
	if err != nil {
		return t // a name of a field that cannot be told from the type's text; Spark does not read such a type either
	}
	return sql.TextLengths(t, unbounded(raw))
}

// unbounded is a type without the lengths of varchar.
func unbounded(t sql.Type) sql.Type {
	if t.Name == "varchar" {
		t.Len = 0
	}
	t.Args = slices.Clone(t.Args)
	for i := range t.Args {
		t.Args[i] = unbounded(t.Args[i])
	}
	return t
}

// fileType is sqlType with the names that fields have in files.
func fileType(t columnar.Type) sql.Type {
	return namedType(t, func(name string) string { return name })
}

func namedType(t columnar.Type, name func(string) string) sql.Type {
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
		out.Args = append(out.Args, namedType(f.Type, name))
		if t.Kind == columnar.Struct {
			out.Fields = append(out.Fields, name(f.Name))
		}
	}
	return out
}
