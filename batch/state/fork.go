package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weir-data/weir/internal/vfs"
)

// Fork makes a store in the folder to, on this machine, of one version of the store of opts. Nothing is locked: a pipeline may be running
// there, and what becomes of the fork is not seen there. With a Backup, what that has counts, and its files come from there where this machine
// does not have them. os.ErrNotExist if the version is not kept, or just went. Files are shared where the file system allows it; they never change.
func Fork(ctx context.Context, opts Options, to string, number int64) error {
	if err := fork(ctx, opts, to, number); err != nil {
		return fmt.Errorf("fork state %s: %w", opts.Dir, err)
	}
	return nil
}

func fork(ctx context.Context, opts Options, to string, number int64) error {
	m, err := opts.kept(ctx, number)
	if err != nil {
		return err
	}
	for _, name := range []string{versionsName, runsName} {
		if err := os.MkdirAll(filepath.Join(to, name), 0o755); err != nil {
			return err
		}
	}
	for _, run := range m.Runs {
		file := filepath.Join(to, runsName, run.File)
		err := share(filepath.Join(opts.Dir, runsName, run.File), file)
		if errors.Is(err, os.ErrNotExist) && opts.Backup != nil {
			err = copyOf(func() (io.ReadCloser, error) { return opts.Backup.Get(ctx, backupRun(run.File)) }, file)
		}
		if err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(to, versionsName, versionName(number)), m.encode(), 0o644)
}

// kept reads a manifest where it counts.
func (o Options) kept(ctx context.Context, number int64) (*manifest, error) {
	if o.Backup == nil {
		return readManifest(vfs.Default, o.Dir, number)
	}
	r, err := o.Backup.Get(ctx, backupVersion(number))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, manifestMax))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return decodeManifest(data)
}

// share gives a file a second name, or copies it.
func share(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return err
	}
	return copyOf(func() (io.ReadCloser, error) { return os.Open(from) }, to)
}

func copyOf(open func() (io.ReadCloser, error), to string) error {
	in, err := open()
	if err != nil {
		return err
	}
	_, err = copyFile(vfs.Default, to, in)
	return errors.Join(err, in.Close())
}
