package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// memory is a folder of objects in memory that notes what is asked of it and can fail.
type memory struct {
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	objects map[string]stored
	ops     []string
	// fault, if not nil, is asked before each operation; after says that the operation takes place all the same.
	fault func(op, key string) (err error, after bool)
}

type stored struct {
	body    []byte
	modTime time.Time
}

func newMemory() *memory {
	return &memory{objects: map[string]stored{}, now: time.Now}
}

func (m *memory) do(op, key string, act func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops = append(m.ops, op+" "+key)
	if m.fault != nil {
		if err, after := m.fault(op, key); err != nil {
			if after {
				_ = act()
			}
			return err
		}
	}
	return act()
}

func (m *memory) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	var body []byte
	err := m.do("get", key, func() error {
		o, ok := m.objects[key]
		if !ok {
			return fmt.Errorf("%q: %w", key, objstore.ErrNoSuchKey)
		}
		body = o.body
		return nil
	})
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

func (m *memory) Head(ctx context.Context, key string) (info objstore.Info, err error) {
	err = m.do("head", key, func() error {
		o, ok := m.objects[key]
		if !ok {
			return fmt.Errorf("%q: %w", key, objstore.ErrNoSuchKey)
		}
		info = objstore.Info{Key: key, Size: int64(len(o.body)), ModTime: o.modTime}
		return nil
	})
	return info, err
}

func (m *memory) List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		var list []objstore.Info
		err := m.do("list", prefix+" after "+after, func() error {
			for _, key := range slices.Sorted(maps.Keys(m.objects)) {
				if strings.HasPrefix(key, prefix) && key > after {
					o := m.objects[key]
					list = append(list, objstore.Info{Key: key, Size: int64(len(o.body)), ModTime: o.modTime})
				}
			}
			return nil
		})
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		for _, info := range list {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (m *memory) Put(ctx context.Context, key string, body []byte) error {
	return m.do("put", key, func() error {
		m.objects[key] = stored{bytes.Clone(body), m.now()}
		return nil
	})
}

func (m *memory) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return m.do("put-if-absent", key, func() error {
		if _, ok := m.objects[key]; ok {
			return fmt.Errorf("%q: %w", key, objstore.ErrPrecondition)
		}
		m.objects[key] = stored{bytes.Clone(body), m.now()}
		return nil
	})
}

func (m *memory) Delete(ctx context.Context, key string) error {
	return m.do("delete", key, func() error {
		delete(m.objects, key)
		return nil
	})
}

// set stores an object without noting it.
func (m *memory) set(key, body string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = stored{[]byte(body), m.now()}
}

// takeOps returns the operations since the last call.
func (m *memory) takeOps() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	ops := m.ops
	m.ops = nil
	return ops
}

// directory is a folder of the file system as Objects, for reading tables of others.
type directory string

func (d directory) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(string(d), filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q: %w", key, objstore.ErrNoSuchKey)
	}
	return f, err
}

func (d directory) List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		var list []objstore.Info
		err := filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			rel, err := filepath.Rel(string(d), path)
			if err != nil {
				return err
			}
			key := filepath.ToSlash(rel)
			if !strings.HasPrefix(key, prefix) || key <= after {
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			list = append(list, objstore.Info{Key: key, Size: info.Size(), ModTime: info.ModTime()})
			return nil
		})
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		slices.SortFunc(list, func(a, b objstore.Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range list {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (d directory) Put(ctx context.Context, key string, body []byte) error {
	path := filepath.Join(string(d), filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o644)
}

func (d directory) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	path := filepath.Join(string(d), filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%q: %w", key, objstore.ErrPrecondition)
	}
	if err != nil {
		return err
	}
	if _, err := f.Write(body); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (d directory) Delete(ctx context.Context, key string) error {
	return os.Remove(filepath.Join(string(d), filepath.FromSlash(key)))
}

func text(s string) *string { return &s }

func ridesSchema() *columnar.Schema {
	return &columnar.Schema{Fields: []columnar.Field{
		{Name: "id", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true},
		{Name: "name", Type: columnar.Type{Kind: columnar.String}, Nullable: true},
		{Name: "at", Type: columnar.Type{Kind: columnar.Timestamp}, Nullable: true},
		{Name: "year", Type: columnar.Type{Kind: columnar.Int32}, Nullable: true},
	}}
}

func createRides(t testing.TB, objects Objects, properties map[string]string) *Table {
	t.Helper()
	table, err := Create(t.Context(), objects, CreateOptions{
		Name: "rides", Schema: ridesSchema(), PartitionBy: []string{"year"}, Properties: properties,
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func snapshot(t testing.TB, table *Table) *Snapshot {
	t.Helper()
	s, err := table.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func paths(t testing.TB, s *Snapshot) []string {
	t.Helper()
	var list []string
	for f, err := range s.Files(nil) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f.Path)
	}
	return list
}

func ride(path string) File {
	return File{Path: path, Partition: map[string]*string{"year": text("2019")}, Size: 10, Stats: &Stats{NumRecords: 3}}
}

func appendFile(t testing.TB, table *Table, path string) int64 {
	t.Helper()
	tx := table.Begin(snapshot(t, table))
	tx.Add(ride(path))
	version, err := tx.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// checkpointBytes is a snapshot's classic checkpoint.
func checkpointBytes(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	objects := newMemory()
	if _, err := newTable(objects, Options{}).writeClassic(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return objects.objects[checkpointKey(s.version)].body
}
