package objstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// LocalFile is a file that becomes the object Key.
type LocalFile struct {
	Key  string
	Path string
	Opts PutOptions
}

// uploadersMax bounds the files that are put at the same time.
const uploadersMax = 16

// Upload makes the files, which lie in dir, objects of a bucket. Where dir is the store's own folder for that they are
// moved, all or none; else they are copied, and after an error some may have been.
func Upload(ctx context.Context, s Store, bucket, dir string, files []LocalFile) error {
	if l, ok := s.(Local); ok && filepath.Clean(dir) == filepath.Clean(l.TempDir()) {
		_, err := l.ImportAll(ctx, bucket, files)
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(uploadersMax)
	for _, f := range files {
		g.Go(func() error { return upload(ctx, s, bucket, f) })
	}
	return g.Wait()
}

func upload(ctx context.Context, s Store, bucket string, f LocalFile) error {
	body, err := os.Open(f.Path)
	if err != nil {
		return fmt.Errorf("upload %s: %w", f.Key, err)
	}
	defer body.Close()
	_, err = s.Put(ctx, bucket, f.Key, body, f.Opts)
	return err
}
