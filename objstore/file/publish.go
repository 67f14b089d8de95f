package file

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// write is a synced file on its way to become the current version of an object: steps 2 and 3 of the package comment.
type write struct {
	key      string
	rec      *record
	src      string // where the file is
	ifAbsent bool
	ifMatch  string
	also     func(batch, undo *meta.Batch) error // adds further changes to the same batch; may be nil

	place string
	old   *record     // current version before; nil if there was none
	trash []string    // files that nothing refers to after the write
	undo  *meta.Batch // takes the records back
	done  bool        // it is the object
}

// publish makes all ws objects of b, in one batch. On a failure to move a file that write is taken back, its file is still
// at src, and the error joins those of all such writes.
func (s *Store) publish(b *bucket, ws ...*write) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return fmt.Errorf("bucket %q: %w", b.name, objstore.ErrNoSuchBucket)
	}
	keys := make([]string, len(ws))
	for i, w := range ws {
		keys[i] = w.key
	}
	defer s.lockAll(b.name, keys)()
	seq, err := s.takeNumbers(uint64(len(ws)))
	if err != nil {
		return err
	}
	batch := new(meta.Batch)
	for i, w := range ws {
		if err := s.prepare(b, w, seq+uint64(i), batch); err != nil {
			return fmt.Errorf("object %s/%s: %w", b.name, w.key, err)
		}
	}
	if err := s.room(int64(len(ws)) << 12); err != nil {
		return err
	}
	if err := s.meta.Commit(batch); err != nil {
		return err
	}
	var errs []error
	for _, w := range ws {
		if err := s.move(b.name, w); err != nil {
			errs = append(errs, fmt.Errorf("object %s/%s: %w", b.name, w.key, errors.Join(err, s.meta.Commit(w.undo))))
			continue
		}
		w.done = true
		for _, name := range w.trash {
			s.disk.Remove(name) // nothing refers to it: what stays is found by Rescan
		}
		s.unsettle(w.rec.Seq, w.src, w.place)
	}
	return errors.Join(errs...)
}

// prepare checks w's conditions and adds its changes to batch. Nothing of it is visible until the batch is committed.
func (s *Store) prepare(b *bucket, w *write, seq uint64, batch *meta.Batch) error {
	var err error
	versioning := b.versioning()
	if w.ifAbsent || w.ifMatch != "" || versioning != Unversioned {
		w.old, err = s.lookLocked(b.name, w.key)
	} else {
		w.old, err = s.loadRecord(b.name, w.key)
	}
	if err != nil {
		return err
	}
	if err := checkConditions(w.old, w.ifAbsent, w.ifMatch); err != nil {
		return err
	}
	if w.place, err = s.choosePlace(b.name, w.key); err != nil {
		return err
	}
	w.rec.Seq = seq
	w.rec.ModTime = s.opts.Now().UnixMilli()
	w.rec.setPlace(b.name, w.key, w.place)
	w.undo = new(meta.Batch)
	if versioning == Enabled {
		w.rec.Version = newVersion()
	}
	if err := s.retire(b, w, batch); err != nil {
		return err
	}
	batch.Put(s.index, indexKey(b.name, w.key), encode(w.rec))
	s.addPending(batch, pending{Bucket: b.name, Key: w.key, Seq: seq, Src: w.src, Exclusive: w.exclusive(b.name)}, seq)
	w.undo.Delete(s.pendings, pendingKey(seq))
	if w.old == nil {
		w.undo.Delete(s.index, indexKey(b.name, w.key))
	} else {
		w.undo.Put(s.index, indexKey(b.name, w.key), encode(w.old))
	}
	if w.also != nil {
		return w.also(batch, w.undo)
	}
	return nil
}

// retire decides what becomes of the version that w replaces: it goes, or it becomes an older version.
func (s *Store) retire(b *bucket, w *write, batch *meta.Batch) error {
	if w.rec.Version == "" && b.versioning() == Suspended {
		if err := s.dropNullVersion(b.name, w.key, batch, w.undo, &w.trash); err != nil {
			return err
		}
	}
	if w.old == nil {
		return nil
	}
	if w.rec.Version == "" && w.old.Version == "" {
		if old := w.old.place(b.name, w.key); old != w.place {
			w.trash = append(w.trash, old)
		}
		return nil
	}
	return s.archive(b.name, w.key, w.old, batch, w.undo)
}

func checkConditions(old *record, ifAbsent bool, ifMatch string) error {
	switch {
	case ifAbsent && old != nil:
		return fmt.Errorf("exists: %w", objstore.ErrPrecondition)
	case ifMatch != "" && old == nil:
		return objstore.ErrNoSuchKey
	case ifMatch != "" && ifMatch != "*" && ifMatch != old.ETag:
		return fmt.Errorf("has ETag %s, not %s: %w", old.ETag, ifMatch, objstore.ErrPrecondition)
	}
	return nil
}

// exclusive says that the place must not exist: another program may be creating the same object.
func (w *write) exclusive(bucket string) bool {
	return w.ifAbsent && w.place == bucket+"/"+w.key
}

// move takes the file to its place, or to the odd one if a folder has meanwhile taken the plain one.
func (s *Store) move(bucket string, w *write) error {
	err := s.moveFile(w.src, w.place, w.exclusive(bucket))
	if err == nil || errors.Is(err, objstore.ErrPrecondition) || !s.blocked(w.place) {
		return err
	}
	w.place = oddPlace(bucket, w.key)
	w.rec.setPlace(bucket, w.key, w.place)
	if err := s.disk.MkdirAll(path.Dir(w.place)); err != nil {
		return diskErr(err)
	}
	if err := s.index.Put(indexKey(bucket, w.key), encode(w.rec)); err != nil {
		return err
	}
	return s.moveFile(w.src, w.place, false)
}

// moveFile gives the file src the name dst too, in the place of a file that has it, unless exclusive. The name src stays
// until the new one is durable: see settleThese. It tries again when the folder went away meanwhile: deletes remove
// folders that they leave empty.
func (s *Store) moveFile(src, dst string, exclusive bool) error {
	var err error
	for range 5 {
		err = s.disk.Link(src, dst)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrExist) && exclusive:
			return fmt.Errorf("another program created it: %w", objstore.ErrPrecondition)
		case errors.Is(err, fs.ErrExist):
			return diskErr(s.replaceFile(src, dst))
		case !missing(err):
			return diskErr(err)
		}
		if err := s.disk.MkdirAll(path.Dir(dst)); err != nil {
			return diskErr(err)
		}
	}
	return diskErr(err)
}

// replaceFile is moveFile for a name that is taken.
func (s *Store) replaceFile(src, dst string) error {
	second := path.Join(tempDir, "link-"+rand.Text())
	if err := s.disk.Link(src, second); err != nil {
		return err
	}
	err := s.disk.Rename(second, dst)
	if err != nil {
		s.disk.Remove(second) // best effort: Open empties the folder
	}
	return err
}

// removeFile removes a file and the folders of the bucket that this leaves empty.
func (s *Store) removeFile(bucket, place string) error {
	if err := s.disk.Remove(place); err != nil && !missing(err) {
		return err
	}
	for _, dir := range parents(place) {
		if !strings.HasPrefix(dir, bucket+"/") || s.disk.Remove(dir) != nil {
			break // the bucket's own, or not empty
		}
	}
	return nil
}
