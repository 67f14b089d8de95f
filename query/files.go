package query

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/weir-data/weir/objstore"
)

// files gives objects a path on this machine: their own if the store is made of files, else a copy in a bounded cache.
type files struct {
	store objstore.Store
	local objstore.Local // nil if the store is elsewhere
	dir   string
	max   int64 // bytes

	mu    sync.Mutex
	used  int64
	order *list.List               // of *cached, most recently used first
	byKey map[string]*list.Element // by path
}

type cached struct {
	path string
	size int64
}

// newFiles empties dir: what another process left there is of no use.
func newFiles(store objstore.Store, dir string, max int64) (*files, error) {
	f := &files{store: store, dir: dir, max: max, order: list.New(), byKey: map[string]*list.Element{}}
	if local, ok := store.(objstore.Local); ok {
		f.local = local
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("empty the query cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the query cache: %w", err)
	}
	return f, nil
}

func (f *files) path(ctx context.Context, d dataFile) (string, error) {
	if f.local != nil {
		return f.local.Path(ctx, d.bucket, d.key)
	}
	sum := sha256.Sum256([]byte(d.bucket + "\x00" + d.key + "\x00" + d.etag))
	name := filepath.Join(f.dir, hex.EncodeToString(sum[:])+extension(d.key))
	f.mu.Lock()
	if e := f.byKey[name]; e != nil {
		f.order.MoveToFront(e)
		f.mu.Unlock()
		return name, nil
	}
	f.mu.Unlock()
	size, err := f.fetch(ctx, d, name)
	if err != nil {
		return "", err
	}
	f.remember(name, size)
	return name, nil
}

// extension keeps what engines tell compression by.
func extension(key string) string {
	if ext := filepath.Ext(key); len(ext) <= 8 && !strings.ContainsAny(ext, "=/ ") {
		return ext
	}
	return ""
}

func (f *files) fetch(ctx context.Context, d dataFile, name string) (int64, error) {
	if d.size > f.max {
		return 0, fmt.Errorf("the object is larger (%d bytes) than the query cache", d.size)
	}
	r, _, err := f.store.Get(ctx, d.bucket, d.key, nil)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	tmp, err := os.CreateTemp(f.dir, "fetch-*")
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(tmp, r)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return n, err
}

// remember counts a new file and removes those that were not used for longest. A query that still reads one of them
// fails with a missing file: the cache must be larger than what queries read at a time.
func (f *files) remember(name string, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey[name] != nil {
		return
	}
	f.byKey[name] = f.order.PushFront(&cached{name, size})
	f.used += size
	for f.used > f.max && f.order.Len() > 1 {
		last := f.order.Remove(f.order.Back()).(*cached)
		delete(f.byKey, last.path)
		f.used -= last.size
		os.Remove(last.path)
	}
}
