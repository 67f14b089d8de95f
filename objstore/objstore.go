// Package objstore is the object store as weir's domain packages see it: buckets of immutable objects
// with conditional put. objstore/file keeps them as plain files, objstore/mem in memory, objstore/awss3
// at any S3 endpoint; all pass the same suite.
package objstore

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that callers may test for with errors.Is.
var (
	ErrNoSuchBucket = errors.New("bucket does not exist")
	ErrNoSuchKey    = errors.New("object does not exist")
	// ErrPrecondition says that IfNoneMatch or IfMatch did not hold; nothing was written.
	ErrPrecondition = errors.New("precondition failed")
	ErrInvalidKey   = errors.New("invalid object key")
)

// Info describes an object.
type Info struct {
	Key         string
	Size        int64     // bytes
	ETag        string    // without quotes
	ModTime     time.Time // UTC, millisecond precision
	ContentType string
	// Metadata is the user's own metadata, keys in lower case without "x-amz-meta-".
	Metadata map[string]string
	// Headers are the stored standard headers: Content-Encoding, Cache-Control, Content-Disposition,
	// Content-Language, Expires.
	Headers map[string]string
}

// PutOptions are the conditions and attributes of a Put.
type PutOptions struct {
	ContentType string
	Metadata    map[string]string
	Headers     map[string]string
	// StorageClass is S3's name of one whose objects can be read at once; empty is STANDARD. It is a label where there is
	// only one kind of storage.
	StorageClass string
	// IfAbsent makes the put fail with ErrPrecondition if the key exists (If-None-Match: *). It is atomic
	// among all writers of the store, in this and in other processes.
	IfAbsent bool
	// IfMatch, if not empty, is the ETag that the current object must have.
	IfMatch string
}

// Range is a part of an object; Length < 0 means to the end, and Offset < 0 the last -Offset bytes.
type Range struct{ Offset, Length int64 }

// ListOptions choose what List returns.
type ListOptions struct {
	Prefix    string
	After     string // only keys greater than this
	Delimiter string // group keys by prefix up to it, as S3 does
	Limit     int    // at most this many objects and prefixes together; 0 is 1000
}

// Page is a part of a listing, in byte order of keys.
type Page struct {
	Objects  []Info // Key, Size, ETag, ModTime are set
	Prefixes []string
	// Next is the After of the next page; empty at the end.
	Next string
}

// Store keeps objects. All methods are safe for concurrent use. When a write returns nil the object
// survives kill -9 and power loss, whole; before that a reader sees the old object or none.
type Store interface {
	// Get opens an object, or the part r of it (nil: all). The caller closes the reader.
	Get(ctx context.Context, bucket, key string, r *Range) (io.ReadCloser, Info, error)
	Head(ctx context.Context, bucket, key string) (Info, error)
	// Put stores all of body, or nothing if body returns an error other than io.EOF.
	Put(ctx context.Context, bucket, key string, body io.Reader, opts PutOptions) (Info, error)
	// Delete removes an object; one that does not exist is no error.
	Delete(ctx context.Context, bucket, key string) error
	List(ctx context.Context, bucket string, opts ListOptions) (Page, error)
	CreateBucket(ctx context.Context, bucket string) error // existing: nil
}

// Local is implemented by stores whose objects are files on this machine.
type Local interface {
	// Path returns the file that holds the object, for readers such as DuckDB. The file is never changed
	// in place: it may only be replaced or removed.
	Path(ctx context.Context, bucket, key string) (string, error)
	// Import makes the file at path, on the same file system (see TempDir), an object without copying it.
	// The file is synced and moved; after an error it is still there.
	Import(ctx context.Context, bucket, key, path string, opts PutOptions) (Info, error)
	// ImportAll is Import of many files in one step, all of them or none: faster, and whole after a crash. Keys must differ.
	ImportAll(ctx context.Context, bucket string, files []LocalFile) ([]Info, error)
	// TempDir is a directory for files to Import; it is emptied when the store is opened.
	TempDir() string
}
