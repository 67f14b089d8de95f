package rewrite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// Changes yields the rows that the versions from..to changed, in the order of versions: the columns of the table as it is at version
// to, then _change_type (insert, delete, update_preimage, update_postimage), _commit_version and _commit_timestamp. A batch holds the changes
// of one file.
func (t *Table) Changes(ctx context.Context, from, to int64) iter.Seq2[*columnar.Batch, error] {
	return func(yield func(*columnar.Batch, error) bool) {
		if err := t.changes(ctx, from, to, yield); err != nil {
			yield(nil, fmt.Errorf("table %s: %w", t.opts.Location, err))
		}
	}
}

func (t *Table) changes(ctx context.Context, from, to int64, yield func(*columnar.Batch, error) bool) (err error) {
	s, err := t.table.SnapshotAt(ctx, to)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(t.opts.Staging, "changes-")
	if err != nil {
		return fmt.Errorf("stage files: %w", err)
	}
	defer os.RemoveAll(dir)
	j := newJob(ctx, t, s, dir)
	for c, err := range t.table.Changes(ctx, s, from) {
		if err != nil {
			return err
		}
		b, err := j.changedRows(c)
		if errors.Is(err, objstore.ErrNoSuchKey) {
			err = fmt.Errorf("%w: file %q of version %d was vacuumed", delta.ErrNoVersion, c.File.Path, c.Version)
		}
		if err != nil {
			return err
		}
		if b.Len > 0 && !yield(b, nil) {
			return nil
		}
	}
	return nil
}

// changedRows reads the rows of a change.
func (j *job) changedRows(c *delta.Change) (*columnar.Batch, error) {
	in := input{file: c.File, path: j.path(".parquet"), gone: c.Without}
	if err := j.fetch(j.ctx, c.File, in.path); err != nil {
		return nil, err
	}
	defer drop([]input{in})
	var err error
	if in.schema, in.rows, err = j.footer(in.path); err != nil {
		return nil, fmt.Errorf("file %q: %w", c.File.Path, err)
	}
	kind := quoteText(string(c.Kind))
	if c.Kind == delta.RowsChanged {
		if in.schema.Index(changeType.Name) < 0 {
			return nil, fmt.Errorf("%w: file of changes %q without %s", delta.ErrCorrupt, c.File.Path, changeType.Name)
		}
		kind = "weir_s." + changeType.Name
	}
	items, err := j.columns(j.schema, in.schema, c.File.Partition)
	if err != nil {
		return nil, err
	}
	items = append(items, kind+" AS "+changeType.Name, fmt.Sprintf("CAST(%d AS BIGINT) AS _commit_version", c.Version),
		"CAST("+quoteText(c.Time.UTC().Format("2006-01-02 15:04:05.999"))+" AS TIMESTAMP) AS _commit_timestamp")
	row := "CAST(weir_s.file_row_number AS BIGINT)"
	query := "SELECT " + strings.Join(items, ", ") + " FROM read_parquet([" + quoteText(in.path) + "], hive_partitioning = false) AS weir_s WHERE true"
	if in.gone != nil {
		query += " AND " + row + " NOT IN (SELECT p FROM " + goneName + ")"
	}
	if c.Rows != nil {
		query += " AND " + row + " IN (SELECT p FROM " + hitsName + ")"
	}
	var gone, hits markRows
	gone.add(0, in.gone, 0)
	hits.add(0, c.Rows, 1)
	return j.t.opts.DB.Query(j.ctx, query, gone.table(goneName), hits.table(hitsName))
}
