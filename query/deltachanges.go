package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// "name$changes" is the change data feed of a Delta table: its columns, and for each row that a version changed what happened to
// it, in which version and when. Predicates on _commit_version choose the versions; without any they are all that the log holds.
const (
	changeTypeColumn = "_change_type"
	changeVersion    = "_commit_version"
	changeTime       = "_commit_timestamp"
)

// changeColumns are the columns of the feed behind those of the table.
func changeColumns() []sql.Column {
	return []sql.Column{{Name: changeTypeColumn, Type: sql.Type{Name: "varchar"}}, {Name: changeVersion, Type: sql.Type{Name: "bigint"}},
		{Name: changeTime, Type: sql.Type{Name: "timestamp"}}}
}

// bindChange makes _change_type readable: files of changes have it, for others it follows from the log.
func (d *deltaTable) bindChange(b *Binding) {
	for i := range b.Partitions {
		if b.Partitions[i].Name == changeTypeColumn {
			b.Partitions[i].Own = "weir_own" + changeTypeColumn
			b.Columns = append(b.Columns, BoundColumn{Name: b.Partitions[i].Own, File: changeTypeColumn, Type: b.Partitions[i].Type, Hidden: true})
		}
	}
}

// versions are those that the predicates leave.
func (d *deltaTable) versions(ctx context.Context, predicates []sql.Predicate) (from, to int64, err error) {
	from, to = 0, d.snapshot.Version()
	for _, p := range predicates {
		if p.Column != changeVersion {
			continue
		}
		low, high := int64(math.MaxInt64), int64(math.MinInt64) // of the values
		for _, v := range p.Values {
			n, err := strconv.ParseInt(v.Text, 10, 64)
			if err != nil {
				low, high = math.MinInt64, math.MaxInt64
				break
			}
			low, high = min(low, n), max(high, n)
		}
		switch p.Op {
		case "=", "IN":
			from, to = max(from, low), min(to, high)
		case ">", ">=": // one too many is left to the statement
			from = max(from, low)
		case "<", "<=":
			to = min(to, high)
		}
	}
	held, err := d.known.table.Versions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("list versions of Delta table: %w", err)
	}
	if len(held) > 0 {
		from = max(from, held[0])
	}
	return from, to, nil
}

// changes are the files whose rows the versions changed.
func (d *deltaTable) changes(ctx context.Context, store *files, predicates []sql.Predicate) ([]dataFile, error) {
	from, to, err := d.versions(ctx, predicates)
	if err != nil || from > to {
		return nil, err
	}
	at := d.snapshot
	if to < at.Version() {
		// The columns stay those of the newest version, or of the one that the statement names.
		if at, err = d.known.table.SnapshotAt(ctx, to); err != nil {
			return nil, deltaError(err)
		}
	}
	var out []dataFile
	for c, err := range d.known.table.Changes(ctx, at, from) {
		if err != nil {
			return nil, deltaError(err)
		}
		file, err := d.changedFile(ctx, store, c)
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	return out, nil
}

// changedFile is a change as a file with deleted rows.
func (d *deltaTable) changedFile(ctx context.Context, store *files, c *delta.Change) (dataFile, error) {
	file, err := d.object(ctx, store, c.File)
	if err != nil {
		return file, err
	}
	if file.values, err = d.partition(c.File); err != nil {
		return file, err
	}
	version, at := strconv.FormatInt(c.Version, 10), c.Time.UTC().Format("2006-01-02 15:04:05.000")
	file.values[changeVersion], file.values[changeTime] = &version, &at
	if c.Kind != delta.RowsChanged {
		kind := string(c.Kind)
		file.values[changeTypeColumn] = &kind
	}
	file.gone = c.Without
	if c.Rows == nil {
		return file, nil
	}
	rows, _ := rowsOf(c.File)
	if rows < 0 {
		return file, &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("changes by the deletion vector of %q, a file without statistics", c.File.Path)}
	}
	file.gone = delta.NewRows()
	for row := range rows {
		if !c.Rows.Contains(row) {
			file.gone.Add(row)
		}
	}
	return file, nil
}

// deltaError says what is wrong with a table in Trino's words.
func deltaError(err error) error {
	switch {
	case errors.Is(err, delta.ErrUnsupported):
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: err.Error()}
	case errors.Is(err, delta.ErrNoVersion):
		return &sql.Error{Code: "INVALID_ARGUMENTS", Msg: err.Error()}
	}
	return fmt.Errorf("read Delta table: %w", err)
}
