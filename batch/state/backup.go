package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/vfs"
)

// Backup is a place such as a folder of a bucket, where files are put as a whole, under names with slashes.
type Backup interface {
	Put(ctx context.Context, name string, data io.Reader) error
	// Get opens a file; the error wraps fs.ErrNotExist if there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List returns the names that begin with prefix.
	List(ctx context.Context, prefix string) ([]string, error)
	// Delete removes a file; none of that name is no error.
	Delete(ctx context.Context, name string) error
}

func backupVersion(number int64) string { return versionsName + "/" + versionName(number) }
func backupRun(file string) string      { return runsName + "/" + file }

// backUp puts the runs that m has added, and then m.
func (s *Store) backUp(ctx context.Context, m *manifest, added []runRef) error {
	if s.opts.Backup == nil {
		return nil
	}
	for _, run := range added {
		if run.Rows == 0 || !slices.ContainsFunc(m.Runs, func(r runRef) bool { return r.File == run.File }) {
			continue
		}
		if err := s.putRun(ctx, run); err != nil {
			return fmt.Errorf("back up: %w", err)
		}
		s.backedUp[run.File] = true
	}
	if err := s.opts.Backup.Put(ctx, backupVersion(m.Batch), bytes.NewReader(m.encode())); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

func (s *Store) putRun(ctx context.Context, run runRef) error {
	f, err := s.fs.Open(s.path(runsName, run.File))
	if err != nil {
		return err
	}
	err = s.opts.Backup.Put(ctx, backupRun(run.File), f)
	return errors.Join(err, f.Close())
}

// backupVersions are the numbers of the versions that the backup has.
func (s *Store) backupVersions(ctx context.Context) ([]int64, error) {
	names, err := s.opts.Backup.List(ctx, versionsName+"/")
	if err != nil {
		return nil, fmt.Errorf("list the backup of state: %w", err)
	}
	var all []int64
	for _, name := range names {
		if n, ok := parseVersionName(strings.TrimPrefix(name, versionsName+"/")); ok {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// fetchVersions makes the versions here those of the backup, and learns which runs that has. It has all that was ever committed here:
// a version that it does not have belongs to another pipeline of the same name, or another history.
func (s *Store) fetchVersions(ctx context.Context) error {
	numbers, err := s.backupVersions(ctx)
	if err != nil {
		return err
	}
	for n := range s.versions {
		if slices.Contains(numbers, n) {
			continue
		}
		if err := s.fs.Remove(s.path(versionsName, versionName(n))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a version that the backup does not have: %w", err)
		}
		delete(s.versions, n)
	}
	for _, n := range numbers {
		if err := s.fetchManifest(ctx, n); err != nil {
			return fmt.Errorf("fetch state: %w", err)
		}
	}
	names, err := s.opts.Backup.List(ctx, runsName+"/")
	for _, name := range names {
		s.backedUp[strings.TrimPrefix(name, runsName+"/")] = true
	}
	return err
}

func (s *Store) fetchManifest(ctx context.Context, number int64) error {
	name := backupVersion(number)
	r, err := s.opts.Backup.Get(ctx, name)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r, manifestMax))
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	m, err := decodeManifest(data)
	if err == nil && m.Batch != number {
		err = fmt.Errorf("%w: it is of batch %d", ErrCorrupt, m.Batch)
	}
	if err != nil {
		return fmt.Errorf("%w: backup of %s: %w", batch.ErrState, name, err)
	}
	return s.putManifest(m)
}

// fetchRun brings a run here.
func (s *Store) fetchRun(ctx context.Context, run runRef) error {
	name := backupRun(run.File)
	r, err := s.opts.Backup.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: neither here nor in its backup is there a whole file %s", batch.ErrState, name)
	}
	if err != nil {
		return fmt.Errorf("fetch state: %w", err)
	}
	path := s.path(runsName, run.File)
	sum, err := copyFile(s.fs, path+temporarySuffix, io.LimitReader(r, run.Bytes+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("fetch state: %w", err)
	}
	if sum != run.Checksum {
		return fmt.Errorf("%w: %w: backup of %s has checksum %08x, not %08x", batch.ErrState, ErrCorrupt, name, sum, run.Checksum)
	}
	s.files[run.File] = true
	if err := s.fs.Rename(path+temporarySuffix, path); err != nil {
		return fmt.Errorf("fetch state: %w", err)
	}
	return nil
}

// copyFile writes a file durably and returns its checksum.
func copyFile(fs vfs.FS, path string, r io.Reader) (uint32, error) {
	f, err := fs.Create(path, vfs.Category)
	if err != nil {
		return 0, err
	}
	h := crc32.New(castagnoli)
	_, err = io.Copy(io.MultiWriter(h, f), r) // h first: a file may scribble over what it was given
	if err == nil {
		err = f.Sync()
	}
	return h.Sum32(), errors.Join(err, f.Close())
}

// forgetBackup removes from the backup the runs that no version names.
func (s *Store) forgetBackup(ctx context.Context, used map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(s.backedUp)) {
		if used[name] {
			continue
		}
		if err := s.opts.Backup.Delete(ctx, backupRun(name)); err != nil {
			return fmt.Errorf("remove old state from its backup: %w", err)
		}
		delete(s.backedUp, name)
	}
	return nil
}
