package state

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/vfs"
)

// NewDir implements batch.StateStore.
func (s *Store) NewDir(_ context.Context, v batch.StateVersion) (string, error) {
	if err := s.fs.RemoveAll(s.path(stagingName)); err != nil {
		return "", fmt.Errorf("make a folder for state: %w", err)
	}
	number := v.Batch + 1
	st := &staging{batch: number, dir: s.path(stagingName, versionName(number)), moved: map[string]runRef{}}
	if err := s.fs.MkdirAll(st.dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for state: %w", err)
	}
	// Attempts at a batch have different files: those of an earlier one may belong to a version.
	for attempt := 1; st.name == ""; attempt++ {
		name := fmt.Sprintf("%s-%d-", versionName(number), attempt)
		if !s.taken(name) {
			st.name = name
		}
	}
	s.staged = st
	return st.dir, nil
}

// taken says whether files were named by an attempt.
func (s *Store) taken(prefix string) bool {
	for name := range s.files {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Commit implements batch.StateStore. The runs are in the folder of the last NewDir. After an error it may be tried again.
func (s *Store) Commit(ctx context.Context, v batch.StateVersion, number int64, watermark time.Time, runs []batch.StateRun) (batch.StateVersion, error) {
	next, err := s.commit(ctx, v, number, watermark, runs)
	if err != nil {
		return v, fmt.Errorf("commit state of batch %d to %s: %w", number, s.opts.Dir, err)
	}
	return next, nil
}

func (s *Store) commit(ctx context.Context, v batch.StateVersion, number int64, watermark time.Time, runs []batch.StateRun) (next batch.StateVersion, err error) {
	if s.tables == nil {
		return next, errors.New("nothing was loaded")
	}
	before, err := s.refs(v)
	if err != nil {
		return next, err
	}
	added, err := s.moveIn(number, runs)
	if err != nil {
		return next, err
	}
	m := &manifest{Batch: number, Tables: s.tables, Runs: nextRuns(before, added, watermark)}
	if !watermark.IsZero() {
		m.Watermark = &watermark
	}
	if err := s.backUp(ctx, m, added); err != nil {
		return next, err
	}
	if err := s.writeManifest(ctx, m); err != nil {
		return next, err
	}
	if err := s.forget(ctx); err != nil {
		return next, err
	}
	s.staged = nil
	return s.version(m), nil
}

// refs are the runs of the version that v is.
func (s *Store) refs(v batch.StateVersion) ([]runRef, error) {
	if v.Batch < 0 {
		return nil, nil
	}
	m := s.versions[v.Batch]
	if m == nil {
		return nil, fmt.Errorf("%w: there is no version of batch %d", batch.ErrState, v.Batch)
	}
	return m.Runs, nil
}

// moveIn makes the files of runs durable, under names of their own. A file that an earlier call has moved is known.
func (s *Store) moveIn(number int64, runs []batch.StateRun) ([]runRef, error) {
	if s.staged == nil || s.staged.batch != number {
		return nil, errors.New("the batch has no folder")
	}
	var added []runRef
	for _, run := range runs {
		ref := runRef{StateRun: run}
		if run.Rows > 0 {
			var err error
			if ref, err = s.moveRun(run); err != nil {
				return nil, err
			}
		}
		added = append(added, ref)
	}
	return added, syncDir(s.fs, s.path(runsName))
}

func (s *Store) moveRun(run batch.StateRun) (runRef, error) {
	if ref, ok := s.staged.moved[run.File]; ok {
		return ref, nil
	}
	ref := runRef{StateRun: run}
	ref.File = s.staged.name + run.File
	if err := checkFileName(ref.File); err != nil {
		return ref, err
	}
	from := s.fs.PathJoin(s.staged.dir, run.File)
	var err error
	if ref.Bytes, ref.Checksum, err = syncFile(s.fs, from); err != nil {
		return ref, err
	}
	if err := s.fs.Rename(from, s.path(runsName, ref.File)); err != nil {
		return ref, err
	}
	s.files[ref.File], s.staged.moved[run.File] = true, ref
	return ref, nil
}

// nextRuns is the version after before: with what was added, without what that replaces and what the watermark has passed.
func nextRuns(before, added []runRef, watermark time.Time) []runRef {
	gone := map[string]bool{}     // files
	replaced := map[string]bool{} // states
	for _, run := range added {
		replaced[run.State] = replaced[run.State] || run.Replaces
		for _, file := range run.Merges {
			gone[file] = true
		}
	}
	var runs []runRef
	for _, run := range before {
		if !gone[run.File] && !replaced[run.State] && !passed(run.StateRun, watermark) {
			runs = append(runs, run)
		}
	}
	for _, run := range added {
		if run.Rows > 0 && !passed(run.StateRun, watermark) {
			run.Merges, run.Replaces = nil, false
			runs = append(runs, run)
		}
	}
	return runs
}

// passed says whether no row of run will be seen again.
func passed(run batch.StateRun, watermark time.Time) bool {
	return !run.Until.IsZero() && !run.Until.After(watermark)
}

// writeManifest makes m the version of its batch, and drops old versions and those of later batches, which came from an attempt that
// is given up.
func (s *Store) writeManifest(ctx context.Context, m *manifest) error {
	if err := s.putManifest(m); err != nil {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(s.versions)) {
		if n <= m.Batch && n > m.Batch-int64(s.opts.Keep) {
			continue
		}
		if err := s.fs.Remove(s.path(versionsName, versionName(n))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if s.opts.Backup != nil {
			if err := s.opts.Backup.Delete(ctx, backupVersion(n)); err != nil {
				return fmt.Errorf("remove an old version from its backup: %w", err)
			}
		}
		delete(s.versions, n)
	}
	return syncDir(s.fs, s.path(versionsName))
}

// putManifest puts m into place. Its name is not yet durable.
func (s *Store) putManifest(m *manifest) error {
	path := s.path(versionsName, versionName(m.Batch))
	if err := writeFile(s.fs, path+temporarySuffix, m.encode()); err != nil {
		return err
	}
	if err := s.fs.Rename(path+temporarySuffix, path); err != nil {
		return err
	}
	s.versions[m.Batch] = m
	return nil
}

// forget removes the files that no version names.
func (s *Store) forget(ctx context.Context) error {
	used := map[string]bool{}
	for _, m := range s.versions {
		if m == nil {
			return nil // nobody knows what it names; it goes with time
		}
		for _, run := range m.Runs {
			used[run.File] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if used[name] {
			continue
		}
		if err := s.fs.Remove(s.path(runsName, name)); err != nil {
			return err
		}
		delete(s.files, name)
	}
	return s.forgetBackup(ctx, used)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// syncFile makes a file durable that somebody else wrote, and returns its size and checksum.
func syncFile(fs vfs.FS, path string) (size int64, sum uint32, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, 0, err
	}
	size, sum, err = sumOf(f)
	if err == nil {
		err = f.Sync()
	}
	return size, sum, errors.Join(err, f.Close())
}

// checksum reads a file.
func checksum(fs vfs.FS, path string) (size int64, sum uint32, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, 0, err
	}
	size, sum, err = sumOf(f)
	return size, sum, errors.Join(err, f.Close())
}

func sumOf(r io.Reader) (int64, uint32, error) {
	h := crc32.New(castagnoli)
	size, err := io.Copy(h, r)
	return size, h.Sum32(), err
}

// writeFile writes a file and makes its bytes durable, but not its name.
func writeFile(fs vfs.FS, path string, data []byte) error {
	f, err := fs.Create(path, vfs.Category)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
