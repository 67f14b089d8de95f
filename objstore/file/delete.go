package file

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// Deletion asks for the removal of one object or of one version of it.
type Deletion struct {
	Key string
	// Version is empty for the object: in a bucket that keeps versions this adds a delete marker.
	Version string
	IfMatch string // ETag that the object must have; empty: any
}

// Deleted says what a deletion did.
type Deleted struct {
	Err       error
	Version   string // that was removed, or of the marker that was added; empty: the null version
	Marker    bool   // a marker was added or removed
	Added     bool   // a marker was added
	Versioned bool   // the bucket keeps versions
}

// Delete removes an object; one that does not exist is no error.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	done, err := s.DeleteAll(ctx, bucket, []Deletion{{Key: key}})
	if err != nil {
		return err
	}
	return done[0].Err
}

// DeleteAll removes many objects with one synced batch. The results are those of ds in order; a deletion that fails does
// not stop the others.
func (s *Store) DeleteAll(_ context.Context, bucketName string, ds []Deletion) ([]Deleted, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return nil, fmt.Errorf("bucket %q: %w", bucketName, objstore.ErrNoSuchBucket)
	}
	results := make([]Deleted, len(ds))
	// Two deletions of one key see each other's effect: a batch ends before a key that it has already.
	for first := 0; first < len(ds); {
		n := distinct(ds[first:])
		if err := s.deleteSome(b, ds[first:first+n], results[first:first+n]); err != nil {
			return nil, fmt.Errorf("delete from bucket %q: %w", bucketName, err)
		}
		first += n
	}
	return results, nil
}

func distinct(ds []Deletion) int {
	seen := make(map[string]bool, len(ds))
	for i, d := range ds {
		if seen[d.Key] {
			return i
		}
		seen[d.Key] = true
	}
	return len(ds)
}

// removal is one deletion on its way.
type removal struct {
	number uint64
	trash  []string
	moves  *write // an older version becomes the current one
	plain  string // place to be settled
}

func (s *Store) deleteSome(b *bucket, ds []Deletion, results []Deleted) error {
	keys := make([]string, len(ds))
	for i, d := range ds {
		keys[i] = d.Key
	}
	defer s.lockAll(b.name, keys)()
	seq, err := s.takeNumbers(uint64(len(ds)))
	if err != nil {
		return err
	}
	batch := new(meta.Batch)
	rms := make([]*removal, len(ds))
	for i, d := range ds {
		rms[i] = &removal{number: seq + uint64(i)}
		results[i] = s.planDelete(b, d, rms[i], batch)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := s.meta.Commit(batch); err != nil {
		return err
	}
	for i, rm := range rms {
		results[i].Err = errors.Join(results[i].Err, s.carryOut(b.name, rm))
	}
	return nil
}

// carryOut does to the files what the batch did to the records.
func (s *Store) carryOut(bucket string, rm *removal) error {
	var errs []error
	for _, name := range rm.trash {
		errs = append(errs, s.removeFile(bucket, name))
	}
	src := ""
	if rm.moves != nil {
		if s.move(bucket, rm.moves) != nil { // it stays where it is: other programs do not see it, we do
			return errors.Join(append(errs, s.stay(bucket, rm))...)
		}
		rm.plain, src = rm.moves.place, rm.moves.src
	}
	if rm.plain != "" {
		s.unsettle(rm.number, src, rm.plain)
	}
	return errors.Join(errs...)
}

// stay makes the archived file of a promoted version its place.
func (s *Store) stay(bucket string, rm *removal) error {
	rm.moves.rec.Place = rm.moves.src
	batch := new(meta.Batch)
	batch.Put(s.index, indexKey(bucket, rm.moves.key), encode(rm.moves.rec))
	batch.Delete(s.pendings, pendingKey(rm.number))
	return s.meta.Commit(batch)
}

// planDelete adds the changes of one deletion to batch.
func (s *Store) planDelete(b *bucket, d Deletion, rm *removal, batch *meta.Batch) Deleted {
	if err := objstore.CheckKey(d.Key); err != nil {
		return Deleted{Err: err}
	}
	cur, err := s.lookLocked(b.name, d.Key)
	if err == nil && d.IfMatch != "" {
		err = checkConditions(cur, false, d.IfMatch)
	}
	switch {
	case err != nil:
		return Deleted{Err: err}
	case d.Version != "":
		return s.planDeleteVersion(b, d, cur, rm, batch)
	case b.versioning() == Unversioned:
		if cur != nil {
			s.removeCurrent(b.name, d.Key, cur, rm, batch)
		}
		return Deleted{}
	}
	return s.planMarker(b, d, cur, rm, batch)
}

// removeCurrent takes the current version out of the index and its file away.
func (s *Store) removeCurrent(bucket, key string, cur *record, rm *removal, batch *meta.Batch) {
	batch.Delete(s.index, indexKey(bucket, key))
	s.addPending(batch, pending{Bucket: bucket, Key: key, Seq: rm.number}, rm.number)
	rm.plain = cur.place(bucket, key)
	rm.trash = append(rm.trash, rm.plain)
}

// planMarker hides the object behind a delete marker.
func (s *Store) planMarker(b *bucket, d Deletion, cur *record, rm *removal, batch *meta.Batch) Deleted {
	marker := record{Seq: rm.number, Marker: true, ModTime: s.opts.Now().UnixMilli()}
	undo := new(meta.Batch) // not needed: nothing below can fail after the commit
	if b.versioning() == Enabled {
		marker.Version = newVersion()
	} else if err := s.dropNullVersion(b.name, d.Key, batch, undo, &rm.trash); err != nil {
		return Deleted{Err: err}
	}
	if cur != nil && (cur.Version != "" || marker.Version != "") {
		if err := s.archive(b.name, d.Key, cur, batch, undo); err != nil {
			return Deleted{Err: err}
		}
	}
	if cur != nil {
		s.removeCurrent(b.name, d.Key, cur, rm, batch)
	}
	batch.Put(s.versions, versionKey(b.name, d.Key, marker.Seq), encode(marker))
	return Deleted{Version: marker.Version, Marker: true, Added: true, Versioned: true}
}

// planDeleteVersion removes one version for good. If it was the latest, the next becomes the latest.
func (s *Store) planDeleteVersion(b *bucket, d Deletion, cur *record, rm *removal, batch *meta.Batch) Deleted {
	v, err := s.findLocked(b.name, d.Key, &d.Version)
	if errors.Is(err, ErrNoSuchVersion) {
		return Deleted{Version: d.Version, Versioned: true}
	}
	if err != nil {
		return Deleted{Err: err}
	}
	done := Deleted{Version: v.rec.Version, Marker: v.rec.Marker, Versioned: true}
	if !v.current {
		batch.Delete(s.versions, v.spaceKey)
		if !v.rec.Marker {
			rm.trash = append(rm.trash, v.rec.Place)
		}
		if cur != nil {
			return done
		}
	} else {
		s.removeCurrent(b.name, d.Key, cur, rm, batch)
	}
	done.Err = s.promote(b, d.Key, v, rm, batch)
	return done
}

// promote makes the newest version other than the removed one the current version, unless it is a delete marker.
func (s *Store) promote(b *bucket, key string, removed found, rm *removal, batch *meta.Batch) error {
	for v, err := range s.olderVersions(b.name, key) {
		if err != nil {
			return err
		}
		if v.spaceKey == removed.spaceKey {
			continue
		}
		if v.rec.Marker {
			return nil
		}
		w := &write{key: key, rec: v.rec, src: v.rec.Place}
		if removed.current {
			rm.trash = nil // the move replaces the file
			w.place = removed.rec.place(b.name, key)
		} else if w.place, err = s.choosePlace(b.name, key); err != nil {
			return err
		}
		w.rec.setPlace(b.name, key, w.place)
		batch.Delete(s.versions, v.spaceKey)
		batch.Put(s.index, indexKey(b.name, key), encode(w.rec))
		s.addPending(batch, pending{Bucket: b.name, Key: key, Seq: w.rec.Seq, Src: w.src}, rm.number)
		rm.moves = w
		return nil
	}
	return nil
}
