package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// Versioning is a bucket's versioning state.
type Versioning string

// The states; a bucket that left Unversioned never returns to it.
const (
	Unversioned Versioning = ""
	Enabled     Versioning = "Enabled"
	Suspended   Versioning = "Suspended"
)

// Bucket describes a bucket.
type Bucket struct {
	Name       string
	Created    time.Time
	Versioning Versioning
}

type bucketRecord struct {
	Created    int64      `json:"created"` // ms since 1970
	Versioning Versioning `json:"versioning,omitempty"`
}

// bucket is an existing bucket. Writers hold mu for reading, so that the bucket neither goes nor changes its versioning
// under them.
type bucket struct {
	name string
	mu   sync.RWMutex
	rec  bucketRecord // guarded by mu
	gone bool         // guarded by mu

	scan scanCache
}

// versioning needs mu.
func (b *bucket) versioning() Versioning { return b.rec.Versioning }

func (b *bucket) describe() Bucket {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return Bucket{b.name, time.UnixMilli(b.rec.Created).UTC(), b.rec.Versioning}
}

func (s *Store) loadBuckets() error {
	for e, err := range s.buckets.Scan("", "") {
		if err != nil {
			return err
		}
		b := &bucket{name: e.Key}
		if err := json.Unmarshal(e.Value, &b.rec); err != nil {
			return fmt.Errorf("record of bucket %q: %w", e.Key, err)
		}
		s.open[b.name] = b
	}
	return nil
}

func (s *Store) bucket(name string) (*bucket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.open[name]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("bucket %q: %w", name, objstore.ErrNoSuchBucket)
}

// CreateBucket makes a bucket; one that exists is no error.
func (s *Store) CreateBucket(_ context.Context, name string) error {
	err := s.CreateBucketWith(name, nil)
	if errors.Is(err, ErrBucketExists) {
		return nil
	}
	return err
}

// CreateBucketWith makes a bucket that has the given configurations from the start, or returns ErrBucketExists.
func (s *Store) CreateBucketWith(name string, configs map[string][]byte) error {
	if err := objstore.CheckBucket(name); err != nil {
		return err
	}
	if err := s.room(0); err != nil {
		return err
	}
	if err := s.disk.MkdirAll(name); err != nil {
		return fmt.Errorf("create bucket %q: %w", name, diskErr(err))
	}
	if err := s.disk.SyncDir("."); err != nil {
		return fmt.Errorf("create bucket %q: %w", name, err)
	}
	b := &bucket{name: name, rec: bucketRecord{Created: s.opts.Now().UnixMilli()}}
	batch := new(meta.Batch)
	batch.Put(s.buckets, name, encode(b.rec))
	for config, blob := range configs {
		batch.Put(s.configs, name+"\x00"+config, blob)
	}
	b.mu.Lock() // held until the bucket is durable: those who find it wait
	defer b.mu.Unlock()
	s.mu.Lock()
	if s.open[name] != nil {
		s.mu.Unlock()
		return fmt.Errorf("bucket %q: %w", name, ErrBucketExists)
	}
	s.open[name] = b
	s.mu.Unlock()
	if err := s.meta.Commit(batch); err != nil {
		b.gone = true
		s.forget(b)
		return err
	}
	return nil
}

func (s *Store) forget(b *bucket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[b.name] == b {
		delete(s.open, b.name)
	}
}

// Buckets returns all buckets by name.
func (s *Store) Buckets() []Bucket {
	s.mu.Lock()
	open := make([]*bucket, 0, len(s.open))
	for _, b := range s.open {
		open = append(open, b)
	}
	s.mu.Unlock()
	var list []Bucket
	for _, b := range open {
		list = append(list, b.describe())
	}
	slices.SortFunc(list, func(a, b Bucket) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Bucket returns one bucket, or ErrNoSuchBucket.
func (s *Store) Bucket(name string) (Bucket, error) {
	b, err := s.bucket(name)
	if err != nil {
		return Bucket{}, err
	}
	return b.describe(), nil
}

// SetVersioning changes a bucket's versioning to Enabled or Suspended.
func (s *Store) SetVersioning(name string, v Versioning) error {
	return s.changeBucket(name, func(b *bucket, batch *meta.Batch) error {
		rec := b.rec
		rec.Versioning = v
		batch.Put(s.buckets, name, encode(rec))
		if err := s.meta.Commit(batch); err != nil {
			return err
		}
		b.rec = rec
		return nil
	})
}

// changeBucket runs f while no writer is at work in the bucket.
func (s *Store) changeBucket(name string, f func(*bucket, *meta.Batch) error) error {
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return fmt.Errorf("bucket %q: %w", name, objstore.ErrNoSuchBucket)
	}
	if err := s.room(0); err != nil {
		return err
	}
	return f(b, new(meta.Batch))
}

// DeleteBucket removes a bucket with its configurations and unfinished uploads; ErrBucketNotEmpty if it holds an object, a
// version, a delete marker, or another program's file.
func (s *Store) DeleteBucket(name string) error {
	return s.changeBucket(name, func(b *bucket, batch *meta.Batch) error {
		for _, space := range []meta.Space{s.index, s.versions} {
			for _, err := range space.Scan(name+"\x00", "") {
				if err != nil {
					return err
				}
				return fmt.Errorf("bucket %q: %w", name, ErrBucketNotEmpty)
			}
		}
		if err := s.Settle(); err != nil {
			return err
		}
		if err := s.removeEmptyTree(name); err != nil {
			return err
		}
		return s.dropBucket(b, batch)
	})
}

func (s *Store) dropBucket(b *bucket, batch *meta.Batch) error {
	for e, err := range s.configs.Scan(b.name+"\x00", "") {
		if err != nil {
			return err
		}
		batch.Delete(s.configs, e.Key)
	}
	var ids []string
	for e, err := range s.uploads.Scan(b.name+"\x00", "") {
		if err != nil {
			return err
		}
		_, id, _ := cutOrdered(b.name, e.Key)
		ids = append(ids, id)
		if err := s.dropUpload(batch, new(meta.Batch), e.Key, id); err != nil {
			return err
		}
	}
	batch.Delete(s.buckets, b.name)
	if err := s.meta.Commit(batch); err != nil {
		return err
	}
	b.gone = true
	s.forget(b)
	for _, id := range ids {
		s.removeUploadDir(id)
	}
	return nil
}

// removeEmptyTree removes a folder that holds nothing but folders.
func (s *Store) removeEmptyTree(dir string) error {
	names, err := s.disk.List(dir)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		fi, err := s.disk.Stat(dir + "/" + n)
		if err != nil || !fi.IsDir() {
			return fmt.Errorf("folder %q holds %q: %w", dir, n, ErrBucketNotEmpty)
		}
		if err := s.removeEmptyTree(dir + "/" + n); err != nil {
			return err
		}
	}
	return s.disk.Remove(dir)
}

// Config returns a configuration of the bucket as it was set, or ErrNoSuchConfig.
func (s *Store) Config(bucket, name string) ([]byte, error) {
	if _, err := s.bucket(bucket); err != nil {
		return nil, err
	}
	blob, err := s.configs.Get(bucket + "\x00" + name)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, fmt.Errorf("%s of bucket %q: %w", name, bucket, ErrNoSuchConfig)
	}
	return blob, err
}

// SetConfig sets a configuration of the bucket; nil removes it.
func (s *Store) SetConfig(bucketName, name string, blob []byte) error {
	return s.changeBucket(bucketName, func(_ *bucket, batch *meta.Batch) error {
		if blob == nil {
			batch.Delete(s.configs, bucketName+"\x00"+name)
		} else {
			batch.Put(s.configs, bucketName+"\x00"+name, blob)
		}
		return s.meta.Commit(batch)
	})
}
