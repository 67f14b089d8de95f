package delta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	table "github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore"
)

// Tables are the Delta tables of a catalog that queries of pipelines read beside their sources: it is batch.Tables. The rows of a version
// are brought to this machine once, as plain files. One goroutine uses it.
type Tables struct {
	opts TablesOptions
	open map[string]*static
}

// TablesOptions are all required but Staging.
type TablesOptions struct {
	Store   objstore.Store
	Catalog interface {
		Table(ctx context.Context, database, name string) (catalog.Table, error)
	}
	DB      rewrite.DB
	Staging string // a folder below one of the DB's; default StagingDir(Store)
}

// static is a table and the version that is here.
type static struct {
	*rewrite.Table
	version int64
	dir     string // empty: none is here
	query   string
}

var _ batch.Tables = (*Tables)(nil)

// NewTables returns the tables of a catalog.
func NewTables(opts TablesOptions) *Tables {
	if opts.Staging == "" {
		opts.Staging = StagingDir(opts.Store)
	}
	return &Tables{opts: opts, open: map[string]*static{}}
}

// Close removes what was brought here.
func (t *Tables) Close() error {
	var errs []error
	for _, s := range t.open {
		errs = append(errs, s.drop())
	}
	return errors.Join(errs...)
}

func (s *static) drop() error {
	if s.dir == "" {
		return nil
	}
	err := os.RemoveAll(s.dir)
	s.dir = ""
	return err
}

func (t *Tables) table(ctx context.Context, name string) (*static, error) {
	if s := t.open[name]; s != nil {
		return s, nil
	}
	database, short, _ := strings.Cut(name, ".")
	entry, err := t.opts.Catalog.Table(ctx, database, short)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(entry.Parameters["table_type"], "delta") && !strings.EqualFold(entry.Parameters["spark.sql.sources.provider"], "delta") {
		return nil, errors.New("is no Delta table")
	}
	r, err := rewrite.Open(ctx, rewrite.Options{
		Store: t.opts.Store, Location: strings.TrimRight(entry.Storage.Location, "/"), DB: t.opts.DB, Staging: t.opts.Staging,
	})
	if err != nil {
		return nil, err
	}
	t.open[name] = &static{Table: r}
	return t.open[name], nil
}

func (t *Tables) snapshot(ctx context.Context, name string) (*table.Snapshot, error) {
	s, err := t.table(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.Log().Snapshot(ctx)
}

// Columns implements batch.Tables.
func (t *Tables) Columns(ctx context.Context, name string) (*columnar.Schema, error) {
	s, err := t.snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.Schema(), nil
}

// State implements batch.Tables.
func (t *Tables) State(ctx context.Context, name string) (batch.TableState, error) {
	s, err := t.snapshot(ctx, name)
	if err != nil {
		return batch.TableState{}, err
	}
	return batch.TableState{Version: s.Version()}, nil
}

// Select implements batch.Tables.
func (t *Tables) Select(ctx context.Context, name string, state batch.TableState) (string, error) {
	if state.Files != nil {
		return "", fmt.Errorf("table %s: the batch was planned when it was no Delta table", name)
	}
	version := state.Version
	s, err := t.table(ctx, name)
	if err != nil {
		return "", fmt.Errorf("table %s: %w", name, err)
	}
	if s.dir != "" && s.version == version {
		return s.query, nil
	}
	if err := s.drop(); err != nil {
		return "", fmt.Errorf("table %s: %w", name, err)
	}
	dir, err := os.MkdirTemp(t.opts.Staging, "static-")
	if err != nil {
		return "", fmt.Errorf("table %s: %w", name, err)
	}
	query, err := s.Export(ctx, version, dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	s.version, s.dir, s.query = version, dir, query
	return query, nil
}
