package file

import (
	"context"
	"crypto/rand"
	"fmt"
	"path"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// NullVersion is how callers name the version that was written while versioning was not enabled.
const NullVersion = "null"

// newVersion returns an id that nobody can guess.
func newVersion() string { return rand.Text() + "." + rand.Text()[:5] }

// found is a version and where its record is kept.
type found struct {
	rec      *record
	space    meta.Space
	spaceKey string
	current  bool
}

// findLocked returns a version of an object; version nil is the current one. The key must be locked.
func (s *Store) findLocked(bucket, key string, version *string) (found, error) {
	cur, err := s.lookLocked(bucket, key)
	if err != nil {
		return found{}, err
	}
	want := ""
	if version != nil && *version != NullVersion {
		want = *version
	}
	if cur != nil && (version == nil || cur.Version == want) {
		return found{cur, s.index, indexKey(bucket, key), true}, nil
	}
	for v, err := range s.olderVersions(bucket, key) {
		if err != nil {
			return found{}, err
		}
		if version == nil && v.rec.Marker {
			return found{}, fmt.Errorf("object %s/%s is deleted: %w", bucket, key, objstore.ErrNoSuchKey)
		}
		if version == nil {
			break
		}
		if v.rec.Version == want {
			return v, nil
		}
	}
	if version == nil {
		return found{}, orNoSuchKey(bucket, key, nil)
	}
	return found{}, fmt.Errorf("object %s/%s version %q: %w", bucket, key, *version, ErrNoSuchVersion)
}

// olderVersions yields the versions that are not in the index, newest first. The first is the latest of all if the index
// has none; it is a delete marker then.
func (s *Store) olderVersions(bucket, key string) func(func(found, error) bool) {
	return func(yield func(found, error) bool) {
		for e, err := range s.versions.Scan(orderedKey(bucket, key), "") {
			if err != nil {
				yield(found{}, err)
				return
			}
			rec, err := decodeRecord(e.Value)
			if err != nil {
				err = fmt.Errorf("version of %s/%s: %w", bucket, key, err)
			}
			if !yield(found{rec, s.versions, e.Key, false}, err) || err != nil {
				return
			}
		}
	}
}

// archive gives the current version old a second name in the versions folder and adds its record to batch. The name is
// durable before the caller commits and takes the plain name away.
func (s *Store) archive(bucket, key string, old *record, batch, undo *meta.Batch) error {
	name := rand.Text() // never the one that the version had when it was archived before
	place := path.Join(versionsDir, bucket, name[:2], name)
	if err := s.disk.MkdirAll(path.Dir(place)); err != nil {
		return diskErr(err)
	}
	if err := s.disk.Link(old.place(bucket, key), place); err != nil {
		return diskErr(fmt.Errorf("keep version: %w", err))
	}
	for _, dir := range parents(place) {
		if err := s.disk.SyncDir(dir); err != nil {
			return fmt.Errorf("keep version: %w", err)
		}
	}
	rec := *old
	rec.Place = place
	batch.Put(s.versions, versionKey(bucket, key, rec.Seq), encode(rec))
	undo.Delete(s.versions, versionKey(bucket, key, rec.Seq))
	return nil
}

// dropNullVersion removes the archived null version, which a new null version replaces.
func (s *Store) dropNullVersion(bucket, key string, batch, undo *meta.Batch, trash *[]string) error {
	for v, err := range s.olderVersions(bucket, key) {
		if err != nil {
			return err
		}
		if v.rec.Version != "" {
			continue
		}
		batch.Delete(s.versions, v.spaceKey)
		undo.Put(s.versions, v.spaceKey, encode(v.rec))
		if !v.rec.Marker {
			*trash = append(*trash, v.rec.Place)
		}
	}
	return nil
}

// OpenVersion opens a version of an object by id. A delete marker is returned with ErrMarker.
func (s *Store) OpenVersion(_ context.Context, bucket, key, version string) (*Reader, Object, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, Object{}, err
	}
	if _, err := s.bucket(bucket); err != nil {
		return nil, Object{}, err
	}
	lock := s.lockOf(bucket, key)
	lock.Lock() // lookLocked may write
	defer lock.Unlock()
	v, err := s.findLocked(bucket, key, &version)
	if err != nil {
		return nil, Object{}, err
	}
	if v.rec.Marker {
		return nil, v.rec.object(key), fmt.Errorf("object %s/%s version %q: %w", bucket, key, version, ErrMarker)
	}
	f, err := s.disk.Open(v.rec.place(bucket, key))
	if err != nil {
		return nil, Object{}, fmt.Errorf("object %s/%s version %q: %w", bucket, key, version, err)
	}
	return &Reader{f: f, left: v.rec.Size}, v.rec.object(key), nil
}

// LatestMarker returns the delete marker that hides an object; ok is false if none does.
func (s *Store) LatestMarker(bucket, key string) (marker Object, ok bool, err error) {
	rec, err := s.loadRecord(bucket, key)
	if err != nil || rec != nil {
		return Object{}, false, err
	}
	for v, err := range s.olderVersions(bucket, key) {
		if err != nil || !v.rec.Marker {
			return Object{}, false, err
		}
		return v.rec.object(key), true, nil
	}
	return Object{}, false, nil
}
