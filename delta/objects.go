package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/weir-data/weir/objstore"
)

// Objects is all that package delta needs of an object store: one folder of it. Keys are relative to the folder.
type Objects interface {
	Get(ctx context.Context, key string) (io.ReadCloser, error) // objstore.ErrNoSuchKey
	// List yields the objects whose key starts with prefix and is greater than after, in byte order.
	List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error]
	Put(ctx context.Context, key string, body []byte) error
	PutIfAbsent(ctx context.Context, key string, body []byte) error // objstore.ErrPrecondition
	Delete(ctx context.Context, key string) error
}

// rangeGetter is implemented by Objects that can read part of an object. Large checkpoints are then read in blocks.
type rangeGetter interface {
	GetRange(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
}

// streamPutter is implemented by Objects that can put a body of unknown length without holding it.
type streamPutter interface {
	PutFrom(ctx context.Context, key string, body io.Reader) error
	PutIfAbsentFrom(ctx context.Context, key string, body io.Reader) error // objstore.ErrPrecondition
}

// header is implemented by Objects that can tell an object's size without listing or reading it.
type header interface {
	Head(ctx context.Context, key string) (objstore.Info, error) // objstore.ErrNoSuchKey
}

// InBucket is the folder prefix of a bucket as Objects. The prefix may be empty or lack its trailing slash.
func InBucket(s objstore.Store, bucket, prefix string) Objects {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return &folder{store: s, bucket: bucket, prefix: prefix}
}

type folder struct {
	store          objstore.Store
	bucket, prefix string
}

func (f *folder) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	body, _, err := f.store.Get(ctx, f.bucket, f.prefix+key, nil)
	return body, err
}

func (f *folder) GetRange(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, _, err := f.store.Get(ctx, f.bucket, f.prefix+key, &objstore.Range{Offset: offset, Length: length})
	return body, err
}

func (f *folder) Head(ctx context.Context, key string) (objstore.Info, error) {
	info, err := f.store.Head(ctx, f.bucket, f.prefix+key)
	info.Key = key
	return info, err
}

func (f *folder) List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		opts := objstore.ListOptions{Prefix: f.prefix + prefix}
		if after != "" {
			opts.After = f.prefix + after
			if err := f.meet(ctx, after); err != nil {
				yield(objstore.Info{}, err)
				return
			}
		}
		for {
			page, err := f.store.List(ctx, f.bucket, opts)
			if err != nil {
				yield(objstore.Info{}, fmt.Errorf("list s3://%s/%s: %w", f.bucket, opts.Prefix, err))
				return
			}
			for _, info := range page.Objects {
				info.Key = info.Key[len(f.prefix):]
				if !yield(info, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			opts.After = page.Next
		}
	}
}

// meet looks at the commits that follow a key of the log. A store of local files notices what other programs put into
// its folders when it lists them from their start, which takes long, or when it looks at the object itself.
func (f *folder) meet(ctx context.Context, after string) error {
	if _, ok := f.store.(objstore.Local); !ok {
		return nil
	}
	name, ok := strings.CutPrefix(after, logFolder)
	if !ok || len(name) < versionDigits {
		return nil
	}
	version, err := strconv.ParseInt(name[:versionDigits], 10, 64)
	if err != nil {
		return nil
	}
	if after < commitKey(version) {
		version--
	}
	for {
		version++
		_, err := f.Head(ctx, commitKey(version))
		if errors.Is(err, objstore.ErrNoSuchKey) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for version %d: %w", version, err)
		}
	}
}

func (f *folder) Put(ctx context.Context, key string, body []byte) error {
	return f.put(ctx, key, body, objstore.PutOptions{})
}

func (f *folder) PutFrom(ctx context.Context, key string, body io.Reader) error {
	_, err := f.store.Put(ctx, f.bucket, f.prefix+key, body, objstore.PutOptions{})
	return err
}

func (f *folder) PutIfAbsentFrom(ctx context.Context, key string, body io.Reader) error {
	_, err := f.store.Put(ctx, f.bucket, f.prefix+key, body, objstore.PutOptions{IfAbsent: true})
	return err
}

func (f *folder) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return f.put(ctx, key, body, objstore.PutOptions{IfAbsent: true})
}

func (f *folder) put(ctx context.Context, key string, body []byte, opts objstore.PutOptions) error {
	_, err := f.store.Put(ctx, f.bucket, f.prefix+key, bytes.NewReader(body), opts)
	return err
}

func (f *folder) Delete(ctx context.Context, key string) error {
	return f.store.Delete(ctx, f.bucket, f.prefix+key)
}
