package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore"
)

var operations = map[string]func(*lake, context.Context, *request) (answer, error){
	"create":     (*lake).create,
	"append":     change(appendRows),
	"delete":     change(deleteRows),
	"update":     change(updateRows),
	"merge":      change(mergeRows),
	"optimize":   change(optimize),
	"alter":      change(alter),
	"read":       (*lake).read,
	"checkpoint": (*lake).checkpoint,
	"vacuum":     (*lake).vacuum,
	"restore":    (*lake).restore,
	"changes":    (*lake).changes,
	"history":    (*lake).history,
}

// create makes a table. New tables ask for little, so that properties and columns which need table features come by a second commit.
func (l *lake) create(ctx context.Context, r *request) (answer, error) {
	schema, err := columnar.ParseSchemaJSON([]byte(r.Schema))
	if err != nil {
		return answer{}, err
	}
	first, later := map[string]string{}, map[string]string{}
	for k, v := range r.Properties {
		if strings.HasPrefix(k, "delta.enable") || strings.HasPrefix(k, "delta.columnMapping.") {
			later[k] = v
		} else {
			first[k] = v
		}
	}
	plain := &columnar.Schema{Fields: slices.Clone(schema.Fields)}
	for i := range plain.Fields {
		plain.Fields[i].Metadata = nil
	}
	_, err = delta.Create(ctx, l.objectsOf(r.Table), delta.CreateOptions{Schema: plain, PartitionBy: r.PartitionBy, Properties: first})
	if err != nil || len(later) == 0 && string(plain.JSON()) == string(schema.JSON()) {
		return answer{}, err
	}
	t, err := l.table(ctx, r.Table)
	if err != nil {
		return answer{}, err
	}
	_, err = t.Alter(ctx, rewrite.Alteration{Schema: schema, Properties: later})
	return answer{}, err
}

// read writes the rows of a table into Parquet files in a folder, by a statement as any user would give it.
func (l *lake) read(ctx context.Context, r *request) (answer, error) {
	table, err := delta.Open(ctx, l.objectsOf(r.Table))
	if err != nil {
		return answer{}, err
	}
	s, err := snapshotOf(ctx, table, r.Version)
	if err != nil {
		return answer{}, err
	}
	if err := l.register(ctx, r.Table); err != nil {
		return answer{}, err
	}
	place := "rows-" + uuid.NewString()
	from := fmt.Sprintf("%q", r.Table)
	if r.Version != nil {
		from += fmt.Sprintf(" FOR VERSION AS OF %d", *r.Version)
	}
	columns := "*"
	if len(r.Columns) > 0 {
		columns = `"` + strings.Join(r.Columns, `", "`) + `"`
	}
	statement := fmt.Sprintf("UNLOAD (SELECT %s FROM %s) TO 's3://%s/%s/' WITH (format = 'PARQUET')", columns, from, resultsBucket, place)
	if _, err := l.run(ctx, statement); err != nil {
		return answer{}, err
	}
	if err := l.fetch(ctx, place+"/", r.To); err != nil {
		return answer{}, err
	}
	return answer{Version: s.Version(), Schema: string(s.Schema().JSON())}, nil
}

func snapshotOf(ctx context.Context, t *delta.Table, version *int64) (*delta.Snapshot, error) {
	if version != nil {
		return t.SnapshotAt(ctx, *version)
	}
	return t.Snapshot(ctx)
}

// fetch links the objects of a prefix into a folder.
func (l *lake) fetch(ctx context.Context, prefix, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	page, err := l.objects.List(ctx, resultsBucket, objstore.ListOptions{Prefix: prefix})
	if err != nil {
		return err
	}
	for i, o := range page.Objects {
		path, err := l.objects.Path(ctx, resultsBucket, o.Key)
		if err != nil {
			return err
		}
		if err := os.Link(path, filepath.Join(to, fmt.Sprintf("%d.parquet", i))); err != nil {
			return err
		}
	}
	return nil
}

func (l *lake) checkpoint(ctx context.Context, r *request) (answer, error) {
	table, err := delta.Open(ctx, l.objectsOf(r.Table))
	if err != nil {
		return answer{}, err
	}
	v, err := table.Checkpoint(ctx)
	return answer{Version: v}, err
}

// vacuum removes all files that the newest version does not need, as the other two do in these trips.
func (l *lake) vacuum(ctx context.Context, r *request) (answer, error) {
	table, err := delta.Open(ctx, l.objectsOf(r.Table))
	if err != nil {
		return answer{}, err
	}
	v, err := table.Vacuum(ctx, delta.VacuumOptions{Force: true, NoRetention: true, Record: true})
	return answer{Result: v}, err
}

func (l *lake) restore(ctx context.Context, r *request) (answer, error) {
	table, err := delta.Open(ctx, l.objectsOf(r.Table))
	if err != nil {
		return answer{}, err
	}
	if r.Version == nil {
		return answer{}, fmt.Errorf("restore to which version?")
	}
	v, err := table.Restore(ctx, *r.Version, delta.RestoreOptions{})
	return answer{Result: v}, err
}

// history says in milliseconds when each version was committed.
func (l *lake) history(ctx context.Context, r *request) (answer, error) {
	table, err := delta.Open(ctx, l.objectsOf(r.Table))
	if err != nil {
		return answer{}, err
	}
	times := map[int64]int64{}
	for c, err := range table.History(ctx) {
		if err != nil {
			return answer{}, err
		}
		times[c.Version] = c.Time.UnixMilli()
	}
	return answer{Result: times}, nil
}

// changes writes the rows that changed since a version into a Parquet file.
func (l *lake) changes(ctx context.Context, r *request) (answer, error) {
	t, err := l.table(ctx, r.Table)
	if err != nil {
		return answer{}, err
	}
	s, err := t.Log().Snapshot(ctx)
	if err != nil {
		return answer{}, err
	}
	if r.Version == nil {
		return answer{}, fmt.Errorf("changes since which version?")
	}
	var batches []*columnar.Batch
	for b, err := range t.Changes(ctx, *r.Version, s.Version()) {
		if err != nil {
			return answer{}, err
		}
		batches = append(batches, b)
	}
	if err := os.MkdirAll(r.To, 0o755); err != nil || len(batches) == 0 {
		return answer{}, err
	}
	f, err := os.Create(filepath.Join(r.To, "0.parquet"))
	if err != nil {
		return answer{}, err
	}
	_, err = columnar.WriteParquet(f, columnar.ParquetOptions{}, batches...)
	return answer{}, errors.Join(err, f.Close())
}
