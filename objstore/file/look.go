package file

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// loadRecord returns the index record of the current version; nil if there is none.
func (s *Store) loadRecord(bucket, key string) (*record, error) {
	raw, err := s.index.Get(indexKey(bucket, key))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeRecord(raw)
}

// lookLocked returns the record of the current version after comparing it with the folder: what another program wrote or
// removed there counts. nil means that there is no object. The key must be locked for writing.
func (s *Store) lookLocked(bucket, key string) (*record, error) {
	rec, err := s.loadRecord(bucket, key)
	if err != nil {
		return nil, err
	}
	place, ok := plainPlace(bucket, key)
	if rec != nil {
		place, ok = rec.place(bucket, key), true
	}
	if !ok {
		return nil, nil
	}
	fi, err := s.disk.Stat(place)
	switch {
	case err != nil && (missing(err) || s.blocked(place)):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("object %s/%s: %w", bucket, key, err)
	case !fi.Mode().IsRegular():
		return nil, nil
	case rec != nil && rec.unchanged(fi):
		return rec, nil
	}
	return s.adopt(bucket, key, place, rec, fi)
}

// adopt makes a file that is not the one of the record old (which may be nil) the object. If only its time differs, as in a
// copied data directory, the record stays.
func (s *Store) adopt(bucket, key, place string, old *record, fi fs.FileInfo) (*record, error) {
	if old != nil && old.Sum != "" && old.Size == fi.Size() {
		sum, err := s.sumOf(place)
		if err != nil {
			return nil, err
		}
		if sum == old.Sum {
			rec := *old
			rec.FileTime = fi.ModTime().UnixNano()
			return &rec, s.index.Put(indexKey(bucket, key), encode(rec))
		}
	}
	seq, err := s.takeNumbers(1)
	if err != nil {
		return nil, err
	}
	rec := &record{
		Seq: seq, Size: fi.Size(), ETag: foreignETag(fi),
		ModTime: fi.ModTime().UnixMilli(), FileTime: fi.ModTime().UnixNano(),
	}
	rec.setPlace(bucket, key, place)
	return rec, s.index.Put(indexKey(bucket, key), encode(rec))
}

// foreignETag changes when the file does. The -1 tells clients that it is no MD5 of the content.
func foreignETag(fi fs.FileInfo) string {
	sum := md5.Sum(fmt.Appendf(nil, "%d %d", fi.Size(), fi.ModTime().UnixNano()))
	return hex.EncodeToString(sum[:]) + "-1"
}

// sumETag is the ETag of imported files: their MD5 would cost more than all the rest of an import.
func sumETag(sum uint64, size int64) string {
	return fmt.Sprintf("%016x%016x-1", sum, size)
}

// look returns the record of the current version and its open file. It waits for a write of the same key.
func (s *Store) look(bucket, key string) (*record, diskFile, error) {
	if _, err := s.bucket(bucket); err != nil {
		return nil, nil, err
	}
	lock := s.lockOf(bucket, key)
	lock.RLock()
	rec, f, err := s.openCurrent(bucket, key)
	lock.RUnlock()
	if err != nil || f == nil {
		return nil, nil, orNoSuchKey(bucket, key, err)
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	if rec != nil && rec.unchanged(fi) {
		return rec, f, nil
	}
	f.Close()

	lock.Lock()
	defer lock.Unlock()
	if rec, err = s.lookLocked(bucket, key); err != nil || rec == nil {
		return nil, nil, orNoSuchKey(bucket, key, err)
	}
	f, err = s.disk.Open(rec.place(bucket, key))
	if err != nil {
		return nil, nil, fmt.Errorf("object %s/%s: %w", bucket, key, err)
	}
	return rec, f, nil
}

// openCurrent opens the file of the current version, or the file that lies where it would be. All three results may be nil.
func (s *Store) openCurrent(bucket, key string) (*record, diskFile, error) {
	rec, err := s.loadRecord(bucket, key)
	if err != nil {
		return nil, nil, err
	}
	place, ok := plainPlace(bucket, key)
	if rec != nil {
		place, ok = rec.place(bucket, key), true
	}
	if !ok {
		return nil, nil, nil
	}
	f, err := s.disk.Open(place)
	if err != nil && (missing(err) || s.blocked(place)) {
		return nil, nil, nil
	}
	return rec, f, err
}

func orNoSuchKey(bucket, key string, err error) error {
	if err == nil {
		err = objstore.ErrNoSuchKey
	}
	return fmt.Errorf("object %s/%s: %w", bucket, key, err)
}
