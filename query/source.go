package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// catalogName is the name of the only data catalog, as statements and answers know it.
const catalogName = "awsdatacatalog"

// planner turns one statement's table names into bindings. It lives for one statement.
type planner struct {
	ctx      context.Context
	s        *Service
	database string // for names without one
	params   []sql.Expr
	now      time.Time // of the statement
	tables   []*planned
	volatile bool                  // a view gives another answer each time
	lives    map[string]*liveTable // by location and cut
	parts    []*livePart
	notes    []string          // that go with the result
	temp     func(path string) // takes a file or folder that is to be removed when the statement has ended; nil: no rows are read
}

// planned is one occurrence of a table in a statement.
type planned struct {
	table  catalog.Table
	source *sql.Source
	ref    *sql.TableRef
	inline [][]string  // rows of information_schema
	delta  *deltaTable // of Delta tables
	shown  *shown      // what is read is worked out from the log
	tail   []dataFile  // FOR LIVE: files beside those of the table
	part   *livePart   // what is read is a part of a table FOR LIVE; nil: it is no such part
}

// split is a name as catalog, database and table.
func (p *planner) split(n sql.Name) (database, table string, err error) {
	switch parts := n.Parts; len(parts) {
	case 1:
		return p.database, parts[0], nil
	case 2:
		return parts[0], parts[1], nil
	default:
		if parts[0] != catalogName && parts[0] != "hive" {
			return "", "", &sql.Error{Code: "CATALOG_NOT_FOUND", Pos: n.Pos, Msg: fmt.Sprintf("Catalog '%s' does not exist", parts[0])}
		}
		return parts[1], parts[2], nil
	}
}

// resolve is sql.Options.Table.
func (p *planner) resolve(ref *sql.TableRef) (*sql.Source, error) {
	database, name, err := p.split(ref.Name)
	if err != nil {
		return nil, err
	}
	if database == liveDatabase {
		return p.resolvePart(name)
	}
	if database == "information_schema" && !ref.Live {
		return p.informationSchema(ref, name)
	}
	base, kind, isMetadata := strings.Cut(name, "$")
	t, err := p.s.opts.Catalog.Table(p.ctx, database, base)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, p.notFound(ref.Name.Pos, database, name)
	}
	if err != nil {
		return nil, fmt.Errorf("look up table %s.%s: %w", database, name, err)
	}
	if ref.Live && (isView(t) || isMetadata && kind != "live") {
		return nil, &sql.Error{Code: "NOT_SUPPORTED", Pos: ref.Name.Pos, Msg: "FOR LIVE is for tables: a view has it in its query"}
	}
	if isView(t) && !isMetadata {
		q, err := viewQuery(t)
		if err != nil {
			return nil, err
		}
		p.volatile = p.volatile || volatile(q)
		return &sql.Source{View: q}, nil
	}
	src := &sql.Source{Binding: fmt.Sprintf("weir_t%d", len(p.tables)+1), Hidden: []sql.Column{{Name: "$path", Type: sql.Type{Name: "varchar"}}}}
	planned := &planned{table: t, source: src, ref: ref}
	if isMetadata {
		if src, err = p.metadata(ref, planned, kind); err != nil {
			return nil, err
		}
		if src == nil {
			return nil, p.notFound(ref.Name.Pos, database, name)
		}
		p.tables = append(p.tables, planned)
		return src, nil
	}
	if ref.Live && p.temp != nil {
		return p.resolveLive(planned)
	}
	if isDelta(t) {
		if planned.delta, err = p.openDelta(planned); err != nil {
			return nil, err
		}
		src.Columns, src.Hidden = planned.delta.columns(), append(src.Hidden, planned.delta.rowColumns()...)
	} else if src.Columns, err = tableColumns(t); err != nil {
		return nil, err
	}
	if ref.AsOf != nil && !isDelta(t) {
		return nil, &sql.Error{Code: "NOT_SUPPORTED", Pos: ref.Name.Pos, Msg: "This connector does not support versioned tables"}
	}
	p.tables = append(p.tables, planned)
	return src, nil
}

func (p *planner) notFound(at sql.Pos, database, name string) error {
	if _, err := p.s.opts.Catalog.Database(p.ctx, database); errors.Is(err, catalog.ErrNotFound) {
		return &sql.Error{Code: "SCHEMA_NOT_FOUND", Pos: at, Msg: fmt.Sprintf("Schema '%s' does not exist", database)}
	}
	return &sql.Error{Code: "TABLE_NOT_FOUND", Pos: at, Msg: fmt.Sprintf("Table '%s.%s.%s' does not exist", catalogName, database, name)}
}

// tableColumns are the columns of a table, partition keys last, as the catalog has them.
func tableColumns(t catalog.Table) ([]sql.Column, error) {
	cols := make([]sql.Column, 0, len(t.Storage.Columns)+len(t.PartitionKeys))
	for _, c := range append(append([]catalog.Column(nil), t.Storage.Columns...), t.PartitionKeys...) {
		typ, err := sql.ParseHiveType(c.Type)
		if err != nil {
			return nil, &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: fmt.Sprintf("table %s.%s: column %q has a type that cannot be read: %s", t.Database, t.Name, c.Name, c.Type)}
		}
		cols = append(cols, sql.Column{Name: strings.ToLower(c.Name), Type: typ})
	}
	return cols, nil
}

// bindings finds the files of all tables that translation met.
func (p *planner) bindings() (bs []Binding, scanned int64, err error) {
	for _, t := range p.tables {
		b, n, err := p.bind(t, t.source.Used["$path"])
		if err != nil {
			return nil, 0, err
		}
		scanned += n
		bs = append(bs, *b)
	}
	return bs, scanned, nil
}

func (p *planner) bind(t *planned, wantPath bool) (*Binding, int64, error) {
	if t.inline != nil {
		b := &Binding{Name: t.source.Binding, Format: Inline, Rows: t.inline}
		for _, c := range t.source.Columns {
			b.Columns = append(b.Columns, BoundColumn{Name: c.Name, Type: c.Type})
		}
		return b, 0, nil
	}
	if t.shown != nil {
		b, err := p.bindShown(t)
		return b, 0, err
	}
	if t.part != nil && t.delta == nil {
		b, n := t.bindTail()
		return b, n, nil
	}
	var files []dataFile
	var err error
	if t.delta != nil && t.delta.changed {
		files, err = t.delta.changes(p.ctx, p.s.files, t.source.Predicates)
	} else if t.delta != nil {
		files, err = t.delta.files(p.ctx, p.s.files, t.source.Predicates)
	} else {
		files, err = p.folderFiles(t)
	}
	if err != nil {
		return nil, 0, err
	}
	if len(t.tail) > 0 {
		files = slices.Concat(files, t.tail)
	}
	b, err := p.layout(t)
	if err != nil {
		return nil, 0, err
	}
	return b, totalSize(files), p.attach(b, t, files, wantPath)
}

// layout is a binding without files: format and columns.
func (p *planner) layout(t *planned) (*Binding, error) {
	b := &Binding{Name: t.source.Binding, Format: Parquet}
	if t.delta == nil {
		if err := setFormat(b, t.table); err != nil {
			return nil, err
		}
	}
	keys := map[string]bool{}
	for _, k := range p.partitionNames(t) {
		keys[k] = true
	}
	for _, c := range t.source.Columns {
		if !keys[c.Name] {
			b.Columns = append(b.Columns, BoundColumn{Name: c.Name, Type: c.Type})
			if t.delta != nil {
				t.delta.locate(&b.Columns[len(b.Columns)-1])
			}
			continue
		}
		if t.source.Used[c.Name] {
			b.Partitions = append(b.Partitions, PartitionColumn{Name: c.Name, Type: c.Type})
		}
	}
	if t.delta != nil {
		t.delta.bindRows(b, t.source.Used)
		t.delta.bindChange(b)
	}
	return b, nil
}

// partitionNames are the partition columns of a table, in lower case.
func (p *planner) partitionNames(t *planned) []string {
	var names []string
	for _, k := range t.table.PartitionKeys {
		names = append(names, strings.ToLower(k.Name))
	}
	if t.delta != nil {
		names = names[:0]
		for _, n := range t.delta.snapshot.PartitionBy() {
			names = append(names, strings.ToLower(n))
		}
		if t.delta.changed {
			for _, c := range changeColumns() {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// dataFile is one file of a table with its partition values.
type dataFile struct {
	bucket, key string
	size        int64
	etag        string
	values      map[string]*string // by partition column in lower case
	path        string             // on this machine, if it is known already
	label       string             // what "$path" shows, if it is no object
	vector      *delta.File        // nil if no rows of it are deleted
	gone        *delta.Rows        // rows that are left out without being deleted by vector
	baseRow     *int64             // id of its first row, if the table tracks rows
	rowVersion  *int64             // version that brought its rows, if the table tracks rows
}

func totalSize(files []dataFile) int64 {
	var n int64
	for _, f := range files {
		n += f.size
	}
	return n
}

// attach puts files into a binding, fetching those that are not on this machine.
func (p *planner) attach(b *Binding, t *planned, files []dataFile, wantPath bool) error {
	b.Files = make([]string, len(files))
	if wantPath {
		b.Paths = make([]string, len(files))
	}
	for i := range b.Partitions {
		b.Partitions[i].Values = make([]*string, len(files))
	}
	for i, f := range files {
		b.Files[i] = f.path
		if f.path == "" {
			path, err := p.s.files.path(p.ctx, f)
			if err != nil {
				return fmt.Errorf("open s3://%s/%s: %w", f.bucket, f.key, err)
			}
			b.Files[i] = path
		}
		if wantPath {
			b.Paths[i] = cmp.Or(f.label, "s3://"+f.bucket+"/"+f.key)
		}
		for j, part := range b.Partitions {
			switch part.Name {
			case rowIDColumn:
				b.Partitions[j].Values[i] = textOf(f.baseRow)
			case rowVersionColumn:
				b.Partitions[j].Values[i] = textOf(f.rowVersion)
			default:
				b.Partitions[j].Values[i] = f.values[part.Name]
			}
		}
	}
	if t.delta != nil {
		return t.delta.attachDeleted(p.ctx, b, files)
	}
	if b.Format == JSON && len(files) > 0 {
		return p.s.jsonNames(p.ctx, b, t.table, files)
	}
	return nil
}

func isView(t catalog.Table) bool { return strings.EqualFold(t.Type, "VIRTUAL_VIEW") }

func isDelta(t catalog.Table) bool {
	return strings.EqualFold(t.Parameters["table_type"], "DELTA") || strings.EqualFold(t.Parameters["spark.sql.sources.provider"], "delta")
}
