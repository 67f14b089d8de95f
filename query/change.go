package query

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// Changer changes rows and files of Delta tables, each statement in one commit. Athena itself changes Iceberg tables only.
type Changer interface {
	// Change returns how many rows were changed. What is wrong with the statement is an *sql.Error.
	Change(ctx context.Context, c *Change) (rows int64, err error)
}

// Change is a statement for a Changer.
type Change struct {
	Location  string        // s3://bucket/folder of the table
	Statement sql.Statement // *sql.Insert, *sql.Delete, *sql.Update, *sql.Merge, *sql.Optimize or *sql.Vacuum
	Params    []sql.Expr
	// Target and Source are what the statement's expressions call the table, and a Merge's source.
	Target, Source string
	Files          []string // Parquet files with the rows of an Insert or of a Merge's source
}

// change runs a statement that changes a Delta table.
func (s *Service) change(r *running, name sql.Name) error {
	table, err := s.changeable(r, name)
	if err != nil {
		return err
	}
	c := &Change{Location: table.Storage.Location, Statement: r.stmt, Params: r.params, Target: name.Parts[len(name.Parts)-1]}
	dir, err := s.stage(r, c, table)
	if dir != "" {
		defer os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	rows, err := s.opts.Changer.Change(r.ctx, c)
	if err != nil {
		return err
	}
	r.ctx = context.WithoutCancel(r.ctx) // committed: who stops the statement now is late
	bucket, prefix, err := location(table.Storage.Location)
	if err != nil {
		return &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: err.Error()}
	}
	return s.finishWrite(r, &target{bucket: bucket, prefix: prefix}, nil, rows)
}

// changeable finds the table of a statement that changes rows: only those of Delta tables can be.
func (s *Service) changeable(r *running, name sql.Name) (catalog.Table, error) {
	d := &definer{Service: s, r: r}
	database, object, err := d.split(name)
	if err != nil {
		return catalog.Table{}, err
	}
	table, err := s.opts.Catalog.Table(r.ctx, database, object)
	if err != nil {
		return table, (&planner{ctx: r.ctx, s: s}).notFound(name.Pos, database, object)
	}
	if isView(table) || !isDelta(table) || s.opts.Changer == nil {
		return table, &sql.Error{Code: "NOT_SUPPORTED", Pos: name.Pos, Msg: "Modifying Hive table rows is only supported for transactional tables"}
	}
	return table, nil
}

// stage writes the rows that a change reads beside the table into files below dir.
func (s *Service) stage(r *running, c *Change, table catalog.Table) (dir string, err error) {
	var q *sql.Query
	switch st := c.Statement.(type) {
	case *sql.Insert:
		q = st.Query
	case *sql.Merge:
		if st.Alias != nil {
			c.Target = st.Alias.Name
		}
		c.Source = sourceName(st.Source)
		q = &sql.Query{Body: &sql.Select{Items: []sql.SelectItem{{}}, From: []sql.Relation{st.Source}}}
	default:
		return "", nil
	}
	tr, req, err := s.prepare(r, q)
	if err != nil {
		return "", err
	}
	copy := &Copy{Format: "parquet", Compression: "snappy"}
	if st, ok := c.Statement.(*sql.Insert); ok {
		if req.SQL, copy.Columns, err = s.insertInto(r, st, tr, table); err != nil {
			return "", err
		}
	} else {
		for _, col := range tr.Columns {
			if slices.Contains(copy.Columns, col.Name) {
				return "", &sql.Error{Code: "AMBIGUOUS_NAME", Msg: "Column '" + col.Name + "' is ambiguous in the source of MERGE"}
			}
			copy.Columns = append(copy.Columns, col.Name)
		}
	}
	if dir, err = os.MkdirTemp(s.scratch(), "query-*"); err != nil {
		return "", fmt.Errorf("make a directory for rows: %w", err)
	}
	copy.Dir, req.Copy = dir, copy
	report, err := s.opts.Engine.Run(r.ctx, req, discard{})
	if err != nil {
		return dir, err
	}
	for _, w := range report.Written {
		c.Files = append(c.Files, w.Path)
	}
	return dir, nil
}

// scratch is a folder for files of statements, which engines can read and write.
func (s *Service) scratch() string {
	if s.files.local != nil {
		return s.files.local.TempDir()
	}
	return s.opts.CacheDir
}

// insertInto is the query of an INSERT with the names and types of the columns that it gives.
func (s *Service) insertInto(r *running, st *sql.Insert, tr *sql.Translation, table catalog.Table) (text string, names []string, err error) {
	ref := &planned{table: table, ref: &sql.TableRef{Name: st.Table}}
	delta, err := (&planner{ctx: r.ctx, s: s}).openDelta(ref)
	if err != nil {
		return "", nil, err
	}
	cols := delta.columns()
	if len(st.Columns) > 0 {
		cols = slices.DeleteFunc(cols, func(c sql.Column) bool {
			return !slices.ContainsFunc(st.Columns, func(id sql.Ident) bool { return id.Name == c.Name })
		})
	}
	text, err = fitColumns(st, tr, cols)
	for _, c := range cols {
		names = append(names, c.Name)
	}
	return text, names, err
}

// sourceName is what expressions call a relation.
func sourceName(r sql.Relation) string {
	switch r := r.(type) {
	case *sql.Aliased:
		return r.Alias.Name
	case *sql.TableRef:
		return strings.ToLower(r.Name.Parts[len(r.Name.Parts)-1])
	}
	return ""
}
