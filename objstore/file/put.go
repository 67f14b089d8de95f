package file

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"

	"github.com/weir-data/weir/objstore"
)

// PutOptions are the conditions and attributes of an object that is written.
type PutOptions struct {
	objstore.PutOptions
	Attributes
	// Seal, if not nil, is called when all of the body was read, before anything is visible; it may set the attributes that
	// are known only then. Its error fails the write.
	Seal func(Body, *Attributes) error
}

// Body is what is known of a body that was read.
type Body struct {
	Size      int64
	MD5       []byte // empty for the parts of an upload put together
	CRC64NVME uint64
}

func newRecord(opts PutOptions) *record {
	return &record{
		ContentType: opts.ContentType, Metadata: opts.Metadata, Headers: opts.Headers, Attributes: opts.Attributes,
	}
}

// Put stores all of body, or nothing if body fails.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	obj, err := s.PutObject(ctx, bucket, key, body, PutOptions{PutOptions: opts, Attributes: Attributes{StorageClass: opts.StorageClass}})
	return obj.Info, err
}

// PutObject is Put with all attributes.
func (s *Store) PutObject(ctx context.Context, bucketName, key string, body io.Reader, opts PutOptions) (Object, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return Object{}, err
	}
	if err := s.precheck(b, key, opts.PutOptions); err != nil {
		return Object{}, err
	}
	st, err := s.stage(ctx, tempDir, body, md5.New())
	if err != nil {
		return Object{}, fmt.Errorf("write object %s/%s: %w", bucketName, key, err)
	}
	obj, err := s.publishStaged(b, key, st, opts)
	if err != nil {
		s.disk.Remove(st.file)
		return Object{}, fmt.Errorf("write: %w", err)
	}
	return obj, nil
}

func (s *Store) publishStaged(b *bucket, key string, st staged, opts PutOptions) (Object, error) {
	if opts.Seal != nil {
		if err := opts.Seal(st.body(), &opts.Attributes); err != nil {
			return Object{}, err
		}
	}
	rec := newRecord(opts)
	rec.Size, rec.ETag, rec.Sum, rec.FileTime = st.size, st.etag(), sumText(st.sum), st.fileTime
	w := &write{key: key, rec: rec, src: st.file, ifAbsent: opts.IfAbsent, ifMatch: opts.IfMatch}
	if err := s.publish(b, w); err != nil {
		return Object{}, err
	}
	return rec.object(key), nil
}

// precheck fails early what publish would refuse, before the body is read.
func (s *Store) precheck(b *bucket, key string, opts objstore.PutOptions) error {
	if err := objstore.CheckKey(key); err != nil {
		return err
	}
	if !opts.IfAbsent && opts.IfMatch == "" {
		return nil
	}
	lock := s.lockOf(b.name, key)
	lock.Lock()
	defer lock.Unlock()
	old, err := s.lookLocked(b.name, key)
	if err != nil {
		return err
	}
	if err := checkConditions(old, opts.IfAbsent, opts.IfMatch); err != nil {
		return fmt.Errorf("object %s/%s: %w", b.name, key, err)
	}
	return nil
}

// SetTags replaces the tags of a version of an object; version nil is the current one.
func (s *Store) SetTags(bucket, key string, version *string, tags []Tag) (Object, error) {
	if err := objstore.CheckKey(key); err != nil {
		return Object{}, err
	}
	if _, err := s.bucket(bucket); err != nil {
		return Object{}, err
	}
	lock := s.lockOf(bucket, key)
	lock.Lock()
	defer lock.Unlock()
	v, err := s.findLocked(bucket, key, version)
	if err != nil {
		return Object{}, err
	}
	if v.rec.Marker {
		return Object{}, fmt.Errorf("object %s/%s: %w", bucket, key, ErrMarker)
	}
	v.rec.Tags = tags
	if err := s.room(0); err != nil {
		return Object{}, err
	}
	return v.rec.object(key), v.space.Put(v.spaceKey, encode(v.rec))
}
