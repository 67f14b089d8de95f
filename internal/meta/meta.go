// Package meta is the one metadata store of a data directory: small values under text keys, kept in
// pebble. Streams, catalog, access, delivery and query state, and the object index live in it, each in
// a Space of its own.
//
// A Put, Delete or Commit that returned nil survives kill -9 and power loss (pebble's write-ahead log
// is synced, and concurrent writers share one sync). Record data never goes here; it has its own log.
package meta

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weir-data/weir/internal/vfs"
)

// ErrNotFound says that a key has no value.
var ErrNotFound = errors.New("not found")

// ErrNoSpace says that a write was refused because the disk is nearly full. Nothing was written; deletions still pass.
var ErrNoSpace = errors.New("no space left for metadata")

// reserveBytes stay free on the disk. A write-ahead log that cannot be written is the end of a process, so that writes are
// refused before; what is reserved lets the store flush and compact what it has taken.
const reserveBytes = 32 << 20

// Store is an open metadata store. It is safe for concurrent use.
type Store struct {
	db  *pebble.DB
	fs  vfs.FS
	dir string
}

// Open opens or creates the store in dir. A second process opening the same directory gets an error.
func Open(fs vfs.FS, dir string) (*Store, error) { return open(fs, dir, false) }

// OpenReadOnly opens an existing store and changes no file of it. It can only be read.
func OpenReadOnly(fs vfs.FS, dir string) (*Store, error) { return open(fs, dir, true) }

func open(fs vfs.FS, dir string, readOnly bool) (*Store, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		FS:                 fs,
		ReadOnly:           readOnly,
		Logger:             quiet{},
		FormatMajorVersion: pebble.FormatNewest,
		MemTableSize:       8 << 20,
		CacheSize:          16 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("open metadata store %s: %w", dir, err)
	}
	return &Store{db: db, fs: fs, dir: dir}, nil
}

// NewMem returns an empty store in memory, for tests and for serving without a data directory.
func NewMem() *Store {
	s, err := Open(vfs.NewCrashable(), "meta")
	if err != nil {
		panic(err) // an empty in-memory store always opens
	}
	return s
}

// Close releases the store. No call may follow or be under way.
func (s *Store) Close() error { return s.db.Close() }

// Space returns the named part of the store. Names must not contain a zero byte.
func (s *Store) Space(name string) Space {
	return Space{store: s, prefix: name + "\x00"}
}

// Commit applies the changes of b, all or none, durably.
func (s *Store) Commit(b *Batch) error { return s.apply(b) }

// Space is a set of keys that shares nothing with other spaces. The zero value is not usable.
type Space struct {
	store  *Store
	prefix string
}

// Entry is a key, without the space's prefix, and its value.
type Entry struct {
	Key   string
	Value []byte
}

// Get returns a copy of the value of key, or ErrNotFound.
func (s Space) Get(key string) ([]byte, error) {
	v, closer, err := s.store.db.Get([]byte(s.prefix + key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read metadata %q: %w", key, err)
	}
	defer closer.Close()
	return append([]byte(nil), v...), nil
}

// Put sets key to value durably.
func (s Space) Put(key string, value []byte) error {
	b := new(Batch)
	b.Put(s, key, value)
	return s.store.apply(b)
}

// Delete removes key durably; a key that is not there is no error.
func (s Space) Delete(key string) error {
	b := new(Batch)
	b.Delete(s, key)
	return s.store.apply(b)
}

// Scan yields the entries whose key starts with prefix and is greater than after, in byte order, as of
// the moment of the call. Values are copies. After an error nothing more is yielded.
func (s Space) Scan(prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lower := s.prefix + prefix
		if start := s.prefix + after + "\x00"; after != "" && start > lower {
			lower = start
		}
		it, err := s.store.db.NewIter(&pebble.IterOptions{
			LowerBound: []byte(lower),
			UpperBound: prefixEnd([]byte(s.prefix + prefix)),
		})
		if err != nil {
			yield(Entry{}, fmt.Errorf("scan metadata %q: %w", prefix, err))
			return
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			e := Entry{string(it.Key()[len(s.prefix):]), append([]byte(nil), it.Value()...)}
			if !yield(e, nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(Entry{}, fmt.Errorf("scan metadata %q: %w", prefix, err))
		}
	}
}

// SpacedEntry is an entry with the name of its space.
type SpacedEntry struct {
	Space string
	Entry
}

// All yields the entries of all spaces, for dumps. After an error nothing more is yielded.
func (s *Store) All() iter.Seq2[SpacedEntry, error] {
	return func(yield func(SpacedEntry, error) bool) {
		for e, err := range (Space{store: s}).Scan("", "") {
			space, key, _ := strings.Cut(e.Key, "\x00")
			if !yield(SpacedEntry{space, Entry{key, e.Value}}, err) {
				return
			}
		}
	}
}

// Batch collects changes to one or several spaces of one store. The zero value is empty and ready.
type Batch struct {
	changes []change
}

type change struct {
	key    []byte
	value  []byte
	remove bool
}

// Put adds the setting of key in s. The batch keeps value until it is committed.
func (b *Batch) Put(s Space, key string, value []byte) {
	b.changes = append(b.changes, change{key: []byte(s.prefix + key), value: value})
}

// Delete adds the removal of key in s.
func (b *Batch) Delete(s Space, key string) {
	b.changes = append(b.changes, change{key: []byte(s.prefix + key), remove: true})
}

// Len is the number of changes.
func (b *Batch) Len() int { return len(b.changes) }

// Load reads the JSON value of key into a T, or returns ErrNotFound.
func Load[T any](s Space, key string) (T, error) {
	var v T
	raw, err := s.Get(key)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("metadata %q: %w", key, err)
	}
	return v, nil
}

// Save sets key to the JSON form of v durably.
func Save[T any](s Space, key string, v T) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("metadata %q: %w", key, err)
	}
	return s.Put(key, raw)
}

func (s *Store) apply(b *Batch) error {
	w := s.db.NewBatch()
	defer w.Close()
	if err := s.checkSpace(b); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	for _, c := range b.changes {
		var err error
		if c.remove {
			err = w.Delete(c.key, nil)
		} else {
			err = w.Set(c.key, c.value, nil)
		}
		if err != nil {
			return fmt.Errorf("write metadata: %w", err)
		}
	}
	if err := w.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	return nil
}

// checkSpace refuses a batch that would take of the reserve. A file system that cannot say how full it is has room.
func (s *Store) checkSpace(b *Batch) error {
	size := 0
	for _, c := range b.changes {
		size += len(c.value)
	}
	if size == 0 {
		return nil
	}
	if usage, err := s.fs.GetDiskUsage(s.dir); err == nil && usage.AvailBytes < uint64(reserveBytes+size) {
		return ErrNoSpace
	}
	return nil
}

// prefixEnd is the smallest key greater than all that start with p; nil if there is none.
func prefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := append([]byte(nil), p[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// quiet drops pebble's own progress messages; errors reach the caller as errors.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("metadata store: "+format, args...))
}
