package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/minio/crc64nvme"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// pending is a change of the index whose change of the folder may not be on disk yet.
type pending struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	Seq       uint64 `json:"seq"`           // of the record that it belongs to
	Src       string `json:"src,omitempty"` // file to be moved to the record's place; empty: a removal
	Exclusive bool   `json:"exclusive,omitempty"`
}

// unsettled is what Settle has to do.
type unsettled struct {
	dirs    map[string]bool
	numbers []uint64
	sources []string // files whose other name is in dirs
}

func pendingKey(number uint64) string { return fmt.Sprintf("%016x", number) }

func (s *Store) addPending(b *meta.Batch, p pending, number uint64) {
	b.Put(s.pendings, pendingKey(number), encode(p))
}

// unsettle notes that the folders above places have changed on behalf of a pending record, and that src, if not empty, is
// to be removed once that is durable.
func (s *Store) unsettle(number uint64, src string, places ...string) {
	s.mu.Lock()
	if s.todo.dirs == nil {
		s.todo.dirs = make(map[string]bool)
	}
	for _, p := range places {
		for _, dir := range parents(p) {
			s.todo.dirs[dir] = true
		}
	}
	s.todo.numbers = append(s.todo.numbers, number)
	if src != "" {
		s.todo.sources = append(s.todo.sources, src)
	}
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// settler settles a while after the first change, so that many share the syncs.
func (s *Store) settler() {
	for {
		select {
		case <-s.quit:
			return
		case <-s.kick:
		}
		select {
		case <-s.quit:
			return
		case <-time.After(s.opts.SettleAfter):
		}
		s.Settle() // an error keeps the pending records; the next change, or Open, tries again
	}
}

// Settle syncs the folders that have changed, so that other programs see the changes even after a power loss that no
// Open follows. The store itself does not need it.
func (s *Store) Settle() error {
	s.settle.Lock()
	defer s.settle.Unlock()
	s.mu.Lock()
	todo := s.todo
	s.todo = unsettled{}
	s.mu.Unlock()
	err := s.settleThese(todo)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.todo.dirs == nil {
			s.todo.dirs = make(map[string]bool)
		}
		for d := range todo.dirs {
			s.todo.dirs[d] = true
		}
		s.todo.numbers = append(s.todo.numbers, todo.numbers...)
		s.todo.sources = append(s.todo.sources, todo.sources...)
	}
	return err
}

func (s *Store) settleThese(todo unsettled) error {
	if len(todo.numbers) == 0 {
		return nil
	}
	for dir := range todo.dirs {
		if err := s.disk.SyncDir(dir); err != nil && !missing(err) {
			return fmt.Errorf("sync folder %s: %w", dir, err)
		}
	}
	batch := new(meta.Batch)
	for _, n := range todo.numbers {
		batch.Delete(s.pendings, pendingKey(n))
	}
	if err := s.meta.Commit(batch); err != nil {
		return err
	}
	for _, src := range todo.sources {
		s.disk.Remove(src) // best effort: nothing refers to it
	}
	return nil
}

// recover brings folders and index together after whatever ended the last run.
func (s *Store) recover() error {
	for _, dir := range []string{tempDir, oddDir, versionsDir, uploadsDir} {
		if err := s.disk.MkdirAll(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{ownDir, "."} {
		if err := s.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := s.loadBuckets(); err != nil {
		return err
	}
	next, err := meta.Load[uint64](s.numbers, "next")
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	s.next, s.last = next+1, next+1
	if err := s.finishPendings(); err != nil {
		return err
	}
	return errors.Join(s.emptyTemp(), s.dropOrphanUploads())
}

func (s *Store) finishPendings() error {
	for e, err := range s.pendings.Scan("", "") {
		if err != nil {
			return err
		}
		var p pending
		if err := json.Unmarshal(e.Value, &p); err != nil {
			return fmt.Errorf("pending record %s: %w", e.Key, err)
		}
		var number uint64
		if _, err := fmt.Sscanf(e.Key, "%x", &number); err != nil {
			return fmt.Errorf("pending record %q: %w", e.Key, err)
		}
		places, err := s.finish(p)
		if err != nil {
			return fmt.Errorf("finish write of %s/%s: %w", p.Bucket, p.Key, err)
		}
		s.unsettle(number, p.Src, places...)
	}
	return s.Settle()
}

// finish repeats the change of the folder that p announces, if the index still says so, and returns the places touched.
func (s *Store) finish(p pending) (places []string, err error) {
	rec, err := s.loadRecord(p.Bucket, p.Key)
	if err != nil {
		return nil, err
	}
	if p.Src == "" {
		plain, ok := plainPlace(p.Bucket, p.Key)
		if rec != nil || !ok || s.blocked(plain) {
			return nil, nil
		}
		return []string{plain}, s.removeFile(p.Bucket, plain)
	}
	if rec == nil || rec.Seq != p.Seq {
		return nil, nil
	}
	if fi, err := s.disk.Stat(rec.place(p.Bucket, p.Key)); err == nil && rec.unchanged(fi) {
		return []string{rec.place(p.Bucket, p.Key)}, nil // moved already
	}
	w := &write{key: p.Key, rec: rec, src: p.Src, place: rec.place(p.Bucket, p.Key), ifAbsent: p.Exclusive}
	if err := s.disk.MkdirAll(path.Dir(w.place)); err != nil && !s.blocked(w.place) {
		return nil, err
	}
	err = s.move(p.Bucket, w)
	if !errors.Is(err, objstore.ErrPrecondition) {
		return []string{w.place}, err
	}
	return nil, s.index.Delete(indexKey(p.Bucket, p.Key)) // another program was faster; nobody was told otherwise
}

// sumOf reads a whole file.
func (s *Store) sumOf(name string) (string, error) {
	f, err := s.disk.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	for sum := uint64(0); ; {
		n, err := readFull(f, buf[:])
		sum = crc64nvme.Update(sum, buf[:n])
		if err == io.EOF {
			return sumText(sum), nil
		}
		if err != nil {
			return "", err
		}
	}
}

func (s *Store) emptyTemp() error {
	names, err := s.disk.List(tempDir)
	for _, n := range names {
		err = errors.Join(err, s.disk.RemoveAll(path.Join(tempDir, n)))
	}
	return err
}

// dropOrphanUploads removes the parts of uploads that were completed or aborted.
func (s *Store) dropOrphanUploads() error {
	ids, err := s.disk.List(uploadsDir)
	if err != nil || len(ids) == 0 {
		return err
	}
	var live []string
	for e, err := range s.uploads.Scan("", "") {
		if err != nil {
			return err
		}
		live = append(live, e.Key[strings.LastIndexByte(e.Key, 1)+1:])
	}
	for _, id := range ids {
		if !slices.Contains(live, id) {
			err = errors.Join(err, s.disk.RemoveAll(path.Join(uploadsDir, id)))
		}
	}
	return err
}
