package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/minio/crc64nvme"

	"github.com/weir-data/weir/objstore"
)

// importWorkers read and sync files at the same time: syncs wait for the disk, and share its flushes.
const importWorkers = 16

// Import makes the file at path an object without copying it. After an error the file is still there.
func (s *Store) Import(ctx context.Context, bucket, key, path string, opts objstore.PutOptions) (objstore.Info, error) {
	infos, err := s.ImportAll(ctx, bucket, []objstore.LocalFile{{Key: key, Path: path, Opts: opts}})
	if err != nil {
		return objstore.Info{}, err
	}
	return infos[0], nil
}

// ImportAll makes many files objects with one synced batch of the index, so that a crash leaves all of them or none, and
// returns their descriptions in order. Keys must differ. The ETags are no MD5. After an error that concerns single files,
// such as a failed condition at the last moment, others may have been imported; files that were not are still there.
func (s *Store) ImportAll(ctx context.Context, bucketName string, files []objstore.LocalFile) ([]objstore.Info, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return nil, err
	}
	if err := checkImport(files); err != nil || len(files) == 0 {
		return nil, err
	}
	ws := make([]*write, len(files))
	defer s.giveBack(ws, files)
	for i, f := range files {
		src, err := s.ownName(f.Path)
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", f.Path, err)
		}
		opts := PutOptions{PutOptions: f.Opts}
		ws[i] = &write{key: f.Key, src: src, rec: newRecord(opts), ifAbsent: f.Opts.IfAbsent, ifMatch: f.Opts.IfMatch}
	}
	if err := s.syncFiles(ctx, ws); err != nil {
		return nil, err
	}
	if err := s.publish(b, ws...); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	infos := make([]objstore.Info, len(ws))
	for i, w := range ws {
		infos[i] = w.rec.object(w.key).Info
	}
	return infos, nil
}

func checkImport(files []objstore.LocalFile) error {
	seen := make(map[string]bool, len(files))
	for _, f := range files {
		if err := objstore.CheckKey(f.Key); err != nil {
			return fmt.Errorf("import %s: %w", f.Path, err)
		}
		if seen[f.Key] {
			return fmt.Errorf("import %s: key %q is there twice: %w", f.Path, f.Key, objstore.ErrInvalidKey)
		}
		seen[f.Key] = true
	}
	return nil
}

// ownName moves the file to a name of the store's own: its maker may use the old one again.
func (s *Store) ownName(file string) (string, error) {
	name := path.Join(tempDir, "import-"+rand.Text())
	return name, diskErr(s.disk.Adopt(file, name))
}

// giveBack returns files after an error.
func (s *Store) giveBack(ws []*write, files []objstore.LocalFile) {
	for i, w := range ws {
		if w != nil && !w.done {
			s.disk.Return(w.src, files[i].Path)
		}
	}
}

// syncFiles makes the files and their names durable and fills in what the records say of them.
func (s *Store) syncFiles(ctx context.Context, ws []*write) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importWorkers)
	for _, w := range ws {
		group.Go(func() error {
			if err := errors.Join(ctx.Err(), s.syncFile(w)); err != nil {
				return fmt.Errorf("import %s: %w", s.disk.Path(w.src), diskErr(err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := s.disk.SyncDir(tempDir); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

func (s *Store) syncFile(w *write) error {
	f, err := s.disk.Open(w.src)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	if err := f.Sync(); err != nil {
		return err
	}
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	var sum uint64
	var size int64
	for more := true; more; {
		n, err := readFull(f, buf[:])
		if more = err == nil; !more && err != io.EOF {
			return err
		}
		sum = crc64nvme.Update(sum, buf[:n])
		size += int64(n)
	}
	w.rec.Size, w.rec.Sum, w.rec.ETag, w.rec.FileTime = size, sumText(sum), sumETag(sum, size), fi.ModTime().UnixNano()
	return nil
}
