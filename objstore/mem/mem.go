// Package mem keeps objects in memory, for tests and for trying things out: nothing survives the process.
//
// New makes a Store; it has no Close.
package mem

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/objstore"
)

// Store is an objstore.Store in memory, safe for concurrent use.
type Store struct {
	now func() time.Time

	mu      sync.RWMutex // guards what follows; the bytes of an object never change
	buckets map[string]*bucket
}

type bucket struct {
	keys    []string // sorted
	objects map[string]object
}

type object struct {
	info objstore.Info
	data []byte
}

var _ objstore.Store = (*Store)(nil)

// New returns an empty store; now may be nil for time.Now.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{now: now, buckets: make(map[string]*bucket)}
}

// CreateBucket makes a bucket; one that exists is no error.
func (s *Store) CreateBucket(_ context.Context, name string) error {
	if err := objstore.CheckBucket(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] == nil {
		s.buckets[name] = &bucket{objects: make(map[string]object)}
	}
	return nil
}

func (s *Store) bucketLocked(name string) (*bucket, error) {
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("bucket %q: %w", name, objstore.ErrNoSuchBucket)
}

func (s *Store) find(bucket, key string) (object, error) {
	if err := objstore.CheckKey(key); err != nil {
		return object{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketLocked(bucket)
	if err != nil {
		return object{}, err
	}
	o, ok := b.objects[key]
	if !ok {
		return object{}, fmt.Errorf("object %s/%s: %w", bucket, key, objstore.ErrNoSuchKey)
	}
	return o, nil
}

// Get opens an object, or the part r of it.
func (s *Store) Get(_ context.Context, bucket, key string, r *objstore.Range) (io.ReadCloser, objstore.Info, error) {
	o, err := s.find(bucket, key)
	if err != nil {
		return nil, objstore.Info{}, err
	}
	off, n, err := r.Resolve(o.info.Size)
	if err != nil {
		return nil, objstore.Info{}, fmt.Errorf("object %s/%s: %w", bucket, key, err)
	}
	return io.NopCloser(bytes.NewReader(o.data[off : off+n])), o.describe(), nil
}

// Head describes an object.
func (s *Store) Head(_ context.Context, bucket, key string) (objstore.Info, error) {
	o, err := s.find(bucket, key)
	return o.describe(), err
}

// describe copies what the caller could change.
func (o object) describe() objstore.Info {
	info := o.info
	info.Metadata, info.Headers = maps.Clone(info.Metadata), maps.Clone(info.Headers)
	return info
}

// Put stores all of body, or nothing if body fails.
func (s *Store) Put(_ context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if err := objstore.CheckKey(key); err != nil {
		return objstore.Info{}, err
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return objstore.Info{}, fmt.Errorf("write object %s/%s: %w", bucket, key, err)
	}
	sum := md5.Sum(data)
	o := object{data: data, info: objstore.Info{
		Key: key, Size: int64(len(data)), ETag: hex.EncodeToString(sum[:]),
		ModTime: s.now().UTC().Truncate(time.Millisecond), ContentType: opts.ContentType,
		Metadata: maps.Clone(opts.Metadata), Headers: maps.Clone(opts.Headers),
	}}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketLocked(bucket)
	if err != nil {
		return objstore.Info{}, err
	}
	old, exists := b.objects[key]
	if err := checkConditions(old.info.ETag, exists, opts); err != nil {
		return objstore.Info{}, fmt.Errorf("object %s/%s: %w", bucket, key, err)
	}
	if !exists {
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, i, key)
	}
	b.objects[key] = o
	return o.describe(), nil
}

func checkConditions(etag string, exists bool, opts objstore.PutOptions) error {
	switch {
	case opts.IfAbsent && exists:
		return objstore.ErrPrecondition
	case opts.IfMatch != "" && !exists:
		return objstore.ErrNoSuchKey
	case opts.IfMatch != "" && opts.IfMatch != etag:
		return objstore.ErrPrecondition
	}
	return nil
}

// Delete removes an object; one that does not exist is no error.
func (s *Store) Delete(_ context.Context, bucket, key string) error {
	if err := objstore.CheckKey(key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketLocked(bucket)
	if err != nil {
		return err
	}
	if i, ok := slices.BinarySearch(b.keys, key); ok {
		b.keys = slices.Delete(b.keys, i, i+1)
		delete(b.objects, key)
	}
	return nil
}

// List returns objects in byte order of their keys.
func (s *Store) List(_ context.Context, bucket string, opts objstore.ListOptions) (objstore.Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketLocked(bucket)
	if err != nil {
		return objstore.Page{}, err
	}
	limit := opts.Limit
	if limit <= 0 {
		limit = 1000
	}
	var page objstore.Page
	last := opts.After
	first, _ := slices.BinarySearch(b.keys, max(opts.Prefix, opts.After))
	for _, key := range b.keys[first:] {
		if !strings.HasPrefix(key, opts.Prefix) {
			break
		}
		name, grouped := key, false
		if i := strings.Index(key[len(opts.Prefix):], opts.Delimiter); opts.Delimiter != "" && i >= 0 {
			name, grouped = key[:len(opts.Prefix)+i+len(opts.Delimiter)], true
		}
		if last != "" && name <= last {
			continue // at or before the mark, or a prefix that was returned
		}
		if len(page.Objects)+len(page.Prefixes) == limit {
			page.Next = last
			break
		}
		last = name
		if grouped {
			page.Prefixes = append(page.Prefixes, name)
		} else {
			info := b.objects[key].info
			page.Objects = append(page.Objects, objstore.Info{Key: key, Size: info.Size, ETag: info.ETag, ModTime: info.ModTime})
		}
	}
	return page, nil
}
