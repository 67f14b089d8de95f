// Package state keeps what the queries of pipelines remember between batches: tables of state, as versions, each a list of
// Parquet files ("runs"). docs/formats/state.md describes the folder.
//
// A Store belongs to one pipeline and is its batch.StateStore: Open, Load the version where the pipeline stands, then for each batch
// NewDir, where the runs of the batch are written, and Commit. Read shows versions to others while the pipeline runs.
//
// What survives a crash: the version of batch N is there as a whole when Commit has returned, and not at all before its manifest
// is renamed into place; files that no manifest names are removed later. The newest versions stay, so that a batch that
// runs again begins with the state before it. With a Backup, versions are copied to another place before Commit returns, and Load
// fetches what this machine does not have.
package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/vfs"
)

// ErrCorrupt says that a file of the store breaks its format. Errors that wrap it wrap batch.ErrState too.
var ErrCorrupt = errors.New("file is corrupt")

// Options of Open. Dir is required.
type Options struct {
	Dir string // the folder of one pipeline's state; it is made if it is not there
	FS  vfs.FS // default: this machine's
	// Keep is the number of newest versions that stay; default 10, at least 2: the newest batch may have to run again.
	Keep int
	// Backup is a second place for all that is kept; nil: none.
	Backup Backup
}

const (
	keepDefault = 10
	keepMin     = 2
)

// Folders and files of a store.
const (
	lockName     = "lock"
	versionsName = "versions"
	runsName     = "runs"
	stagingName  = "staging"
)

// Store is the state of one pipeline. One goroutine uses it.
type Store struct {
	opts Options
	fs   vfs.FS
	lock io.Closer

	versions map[int64]*manifest // those kept here; nil: it cannot be read
	files    map[string]bool     // what is in the folder of runs
	backedUp map[string]bool     // what the backup has of them, since Load
	tables   []table             // what the pipeline keeps, since Load
	staged   *staging
}

// staging is a batch that is under way.
type staging struct {
	batch int64
	dir   string
	name  string            // what the names of its runs begin with
	moved map[string]runRef // by the name that the Runner gave them
}

var _ batch.StateStore = (*Store)(nil)

// Open takes the folder for this process.
func Open(opts Options) (*Store, error) {
	opts.Keep = max(cmp.Or(opts.Keep, keepDefault), keepMin)
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	s := &Store{opts: opts, fs: opts.FS, versions: map[int64]*manifest{}, files: map[string]bool{}, backedUp: map[string]bool{}}
	if err := s.open(); err != nil {
		if s.lock != nil {
			err = errors.Join(err, s.lock.Close())
		}
		return nil, fmt.Errorf("open state %s: %w", opts.Dir, err)
	}
	return s, nil
}

func (s *Store) open() (err error) {
	for _, dir := range []string{s.opts.Dir, s.path(versionsName), s.path(runsName)} {
		if err := vfs.MakeDir(s.fs, dir); err != nil {
			return err
		}
	}
	if s.lock, err = s.fs.Lock(s.path(lockName)); errors.Is(err, fs.ErrPermission) {
		return err
	} else if err != nil {
		return fmt.Errorf("another process runs this pipeline: %w", err)
	}
	numbers, err := listVersions(s.fs, s.opts.Dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		m, err := readManifest(s.fs, s.opts.Dir, n)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		s.versions[n] = m
	}
	runs, err := s.fs.List(s.path(runsName))
	for _, name := range runs {
		s.files[name] = true
	}
	return err
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// path is that of a part of the store.
func (s *Store) path(parts ...string) string {
	return s.fs.PathJoin(append([]string{s.opts.Dir}, parts...)...)
}

// Close implements batch.StateStore.
func (s *Store) Close() error {
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("close state %s: %w", s.opts.Dir, err)
	}
	return nil
}

// Newest implements batch.StateStore.
func (s *Store) Newest(ctx context.Context) (int64, error) {
	if s.opts.Backup == nil {
		return newestOf(slices.Collect(maps.Keys(s.versions))), nil
	}
	kept, err := s.backupVersions(ctx)
	return newestOf(kept), err
}

func newestOf(versions []int64) int64 {
	newest := int64(-1)
	for _, n := range versions {
		newest = max(newest, n)
	}
	return newest
}

// Load implements batch.StateStore. All files of the version are read and compared with their checksums.
func (s *Store) Load(ctx context.Context, number int64, specs []batch.StateSpec, columns map[string]*columnar.Schema) (batch.StateVersion, error) {
	v, err := s.load(ctx, number, specs, columns)
	if err != nil {
		return v, fmt.Errorf("load state %s: %w", s.opts.Dir, err)
	}
	return v, nil
}

func (s *Store) load(ctx context.Context, number int64, specs []batch.StateSpec, columns map[string]*columnar.Schema) (v batch.StateVersion, err error) {
	if s.opts.Backup != nil {
		if err := s.fetchVersions(ctx); err != nil {
			return v, err
		}
	}
	newest, err := s.Newest(ctx)
	if err != nil {
		return v, err
	}
	if newest > number+1 {
		return v, fmt.Errorf("%w: it goes to batch %d, the pipeline's progress to %d: the progress was lost or is an older copy. "+
			"Bring the right progress back, or give the pipeline another name, which begins anew", batch.ErrState, newest, number)
	}
	if s.tables, err = tablesOf(specs, columns); err != nil {
		return v, err
	}
	if number < 0 {
		return batch.StateVersion{Batch: -1, Dir: s.path(runsName)}, nil
	}
	m, err := s.manifest(number)
	if err != nil {
		return v, err
	}
	if err := fits(m.Tables, s.tables); err != nil {
		return v, fmt.Errorf("%w: %w. Change the query back, or give the pipeline another name, which begins anew", batch.ErrState, err)
	}
	for _, run := range m.Runs {
		if err := s.verify(ctx, run); err != nil {
			return v, err
		}
	}
	return s.version(m), nil
}

// manifest is the version of a batch.
func (s *Store) manifest(number int64) (*manifest, error) {
	m, here := s.versions[number]
	switch {
	case m != nil:
		return m, nil
	case here:
		return readManifest(s.fs, s.opts.Dir, number) // which says what is wrong with it
	case len(s.versions) == 0:
		return nil, fmt.Errorf("%w: none was kept until batch %d: the query needed none, or the folder was deleted. Give the pipeline "+
			"another name, which begins anew", batch.ErrState, number)
	}
	kept := slices.Sorted(maps.Keys(s.versions))
	return nil, fmt.Errorf("%w: there is no version of batch %d, only those of %d to %d", batch.ErrState, number, kept[0], kept[len(kept)-1])
}

// version is what a Runner gets to know of m.
func (s *Store) version(m *manifest) batch.StateVersion {
	v := batch.StateVersion{Batch: m.Batch, Dir: s.path(runsName)}
	for _, run := range m.Runs {
		v.Runs = append(v.Runs, run.StateRun)
	}
	return v
}

// verify reads a run and compares it with its checksum. One that is not here comes from the backup.
func (s *Store) verify(ctx context.Context, run runRef) error {
	path := s.path(runsName, run.File)
	size, sum, err := checksum(s.fs, path)
	if err != nil || size != run.Bytes || sum != run.Checksum {
		if s.opts.Backup != nil {
			return s.fetchRun(ctx, run)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: run: %w", batch.ErrState, err)
	case size != run.Bytes:
		return fmt.Errorf("%w: %w: %s has %d bytes, not %d", batch.ErrState, ErrCorrupt, path, size, run.Bytes)
	case sum != run.Checksum:
		return fmt.Errorf("%w: %w: %s has checksum %08x, not %08x", batch.ErrState, ErrCorrupt, path, sum, run.Checksum)
	}
	return nil
}
