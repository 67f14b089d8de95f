package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weir-data/weir/internal/vfs"
)

// Fork makes a store in the folder to, which is not there yet, of one version of the store in dir, both on this machine. Nothing is locked: a
// pipeline may be running, and what the fork does is not seen there. os.ErrNotExist if the version is not kept, or just went. The files are
// shared where the file system allows it; they never change.
func Fork(dir, to string, number int64) error {
	if err := fork(dir, to, number); err != nil {
		return fmt.Errorf("fork state %s: %w", dir, err)
	}
	return nil
}

func fork(dir, to string, number int64) error {
	m, err := readManifest(vfs.Default, dir, number)
	if err != nil {
		return err
	}
	for _, name := range []string{versionsName, runsName} {
		if err := os.MkdirAll(filepath.Join(to, name), 0o755); err != nil {
			return err
		}
	}
	for _, run := range m.Runs {
		if err := share(filepath.Join(dir, runsName, run.File), filepath.Join(to, runsName, run.File)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(to, versionsName, versionName(number)), m.encode(), 0o644)
}

// share gives a file a second name, or copies it.
func share(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
