package accept

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

// shelf is an object store whose bucket "tables" is a folder of this machine, read only; the other buckets are in memory.
type shelf struct {
	*mem.Store
	root string
	keys []string // of the bucket, in order
}

const tablesBucket = "tables"

var _ objstore.Local = (*shelf)(nil)

func newShelf(root string, other *mem.Store) (*shelf, error) {
	s := &shelf{Store: other, root: root}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			s.keys = append(s.keys, filepath.ToSlash(strings.TrimPrefix(path, root+"/")))
		}
		return err
	})
	sort.Strings(s.keys)
	return s, err
}

func (s *shelf) Path(_ context.Context, bucket, key string) (string, error) {
	path := filepath.Join(s.root, filepath.FromSlash(key))
	if _, err := os.Stat(path); bucket != tablesBucket || err != nil {
		return "", objstore.ErrNoSuchKey
	}
	return path, nil
}

func (s *shelf) Import(context.Context, string, string, string, objstore.PutOptions) (objstore.Info, error) {
	return objstore.Info{}, errors.New("the shelf is read only")
}

func (s *shelf) ImportAll(context.Context, string, []objstore.LocalFile) ([]objstore.Info, error) {
	return nil, errors.New("the shelf is read only")
}

func (s *shelf) TempDir() string { return os.TempDir() }

func (s *shelf) Head(ctx context.Context, bucket, key string) (objstore.Info, error) {
	if bucket != tablesBucket {
		return s.Store.Head(ctx, bucket, key)
	}
	return s.info(key)
}

func (s *shelf) info(key string) (objstore.Info, error) {
	f, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(key)))
	if err != nil || f.IsDir() {
		return objstore.Info{}, objstore.ErrNoSuchKey
	}
	return objstore.Info{Key: key, Size: f.Size(), ModTime: f.ModTime().UTC()}, nil
}

func (s *shelf) Get(ctx context.Context, bucket, key string, r *objstore.Range) (io.ReadCloser, objstore.Info, error) {
	if bucket != tablesBucket {
		return s.Store.Get(ctx, bucket, key, r)
	}
	info, err := s.info(key)
	if err != nil {
		return nil, info, err
	}
	f, err := os.Open(filepath.Join(s.root, filepath.FromSlash(key)))
	if err != nil || r == nil {
		return f, info, err
	}
	length := r.Length
	if length < 0 {
		length = info.Size - r.Offset
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, r.Offset, length), f}, info, nil
}

func (s *shelf) List(ctx context.Context, bucket string, opts objstore.ListOptions) (objstore.Page, error) {
	if bucket != tablesBucket {
		return s.Store.List(ctx, bucket, opts)
	}
	var page objstore.Page
	for i := sort.SearchStrings(s.keys, max(opts.Prefix, opts.After)); i < len(s.keys) && strings.HasPrefix(s.keys[i], opts.Prefix); i++ {
		if s.keys[i] <= opts.After {
			continue
		}
		info, err := s.info(s.keys[i])
		if err != nil {
			return page, err
		}
		page.Objects = append(page.Objects, info)
	}
	return page, nil
}
