package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/vfs"
)

// Version is a version of the state for people who look.
type Version struct {
	Batch     int64
	Watermark time.Time // of the batch; zero: there was none
	Dir       string    // where the runs are
	Tables    []Table
}

// Table is a state in a Version. Rows whose Until is not after the version's watermark are not seen any more.
type Table struct {
	batch.StateSpec // what of it is kept
	Schema          *columnar.Schema
	Runs            []batch.StateRun
}

// Versions are the batches of which the store in a folder of this machine has versions, in order. Nothing is locked: a pipeline may be
// running.
func Versions(dir string) ([]int64, error) {
	all, err := listVersions(vfs.Default, dir)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return all, nil
}

// Newest is the newest batch after which a store in a folder, or its backup if it has one, has a version, -1 if there is none. Nothing is made and
// nothing is locked.
func Newest(ctx context.Context, opts Options) (int64, error) {
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	s := &Store{opts: opts, fs: opts.FS}
	if opts.Backup != nil {
		return s.Newest(ctx)
	}
	kept, err := listVersions(s.fs, opts.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("read state: %w", err)
	}
	return newestOf(kept), nil
}

// Read returns the version of a batch in the store in a folder of this machine. Its runs are there until some batches later.
func Read(dir string, number int64) (*Version, error) {
	m, err := readManifest(vfs.Default, dir, number)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	v := &Version{Batch: m.Batch, Dir: vfs.Default.PathJoin(dir, runsName)}
	if m.Watermark != nil {
		v.Watermark = *m.Watermark
	}
	for _, t := range m.Tables {
		schema, err := columnar.ParseSchemaJSON(t.Columns)
		if err != nil {
			return nil, fmt.Errorf("read state: %w: %w", ErrCorrupt, err)
		}
		out := Table{Schema: schema, StateSpec: batch.StateSpec{
			Name: t.Name, Operator: t.Operator, Keys: t.Keys, Until: t.Until, Compact: t.Compact, Definition: t.Definition,
		}}
		for _, run := range m.Runs {
			if run.State == t.Name {
				out.Runs = append(out.Runs, run.StateRun)
			}
		}
		v.Tables = append(v.Tables, out)
	}
	return v, nil
}
