package file

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weir-data/weir/objstore"
)

// Reader reads an object. It keeps the version that it was opened on, whatever happens to the object meanwhile.
type Reader struct {
	f    diskFile
	pos  int64
	left int64
}

// Read reads on in the chosen part.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.f.ReadAt(p, r.pos)
	r.pos += int64(n)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		return n, io.ErrUnexpectedEOF // another program cut the file
	}
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

// WriteTo writes the rest of the chosen part to w, by sendfile(2) where w can.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	seeker, ok := r.f.(io.Seeker)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{r})
	}
	if _, err := seeker.Seek(r.pos, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(w, &io.LimitedReader{R: r.f, N: r.left})
	r.pos += n
	r.left -= n
	if err == nil && r.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Choose sets the part to read: length bytes from offset, which must lie within the object.
func (r *Reader) Choose(offset, length int64) { r.pos, r.left = offset, length }

// Close releases the file.
func (r *Reader) Close() error { return r.f.Close() }

// Get opens an object, or the part r of it. The reader also implements io.WriterTo.
func (s *Store) Get(ctx context.Context, bucket, key string, r *objstore.Range) (io.ReadCloser, objstore.Info, error) {
	body, obj, err := s.Open(ctx, bucket, key)
	if err != nil {
		return nil, objstore.Info{}, err
	}
	off, n, err := r.Resolve(obj.Size)
	if err != nil {
		return nil, objstore.Info{}, errors.Join(fmt.Errorf("object %s/%s: %w", bucket, key, err), body.Close())
	}
	body.Choose(off, n)
	return body, obj.Info, nil
}

// Open opens the current version of an object.
func (s *Store) Open(_ context.Context, bucket, key string) (*Reader, Object, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, Object{}, err
	}
	rec, f, err := s.look(bucket, key)
	if err != nil {
		return nil, Object{}, err
	}
	return &Reader{f: f, left: rec.Size}, rec.object(key), nil
}

// Head describes the current version of an object.
func (s *Store) Head(ctx context.Context, bucket, key string) (objstore.Info, error) {
	obj, err := s.Stat(ctx, bucket, key)
	return obj.Info, err
}

// Stat is Head with all attributes.
func (s *Store) Stat(ctx context.Context, bucket, key string) (Object, error) {
	r, obj, err := s.Open(ctx, bucket, key)
	if err != nil {
		return Object{}, err
	}
	return obj, r.Close()
}

// Path returns the file that holds the current version. It may be replaced or removed, and is never changed in place.
func (s *Store) Path(_ context.Context, bucket, key string) (string, error) {
	if err := objstore.CheckKey(key); err != nil {
		return "", err
	}
	rec, f, err := s.look(bucket, key)
	if err != nil {
		return "", err
	}
	return s.disk.Path(rec.place(bucket, key)), f.Close()
}

// TempDir is a folder for files to Import. Open empties it.
func (s *Store) TempDir() string { return s.disk.Path(tempDir) }
