package file

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// Other programs may write into a bucket's folder: delta-rs a table, a person a CSV file. Their files are objects:
//
//   - Get, Head, Path and conditional writes compare the record with the file that is there (size and time; the content
//     if only the time differs), and take a file without a record as an object without attributes.
//   - The first page of a List compares every folder below the prefix with the index, if the folder's time says that it
//     has changed since it was last compared (one stat(2) a folder, else). With the delimiter "/" only the folder of the
//     prefix is compared. A file that was overwritten in place is noticed by the former rule only.
//   - Rescan compares everything, also files whose size or time has changed.
//
// Their ETag changes when the file does and is no MD5. Named pipes, devices and links that lead out of the data directory
// are no objects.

// scanCache remembers folders that agreed with the index.
type scanCache struct {
	mu      sync.Mutex // held over a comparison
	folders map[string]folder
}

type folder struct {
	modTime time.Time
	subs    []string // names of folders in it
}

const (
	cachedFoldersMax = 1 << 20
	// A folder that changed this recently may change again without a new time.
	timeGrain = 50 * time.Millisecond
)

// discover brings the index up to date for a listing of prefix.
func (s *Store) discover(b *bucket, prefix string, flat bool) error {
	dir, ok := plainDir(b.name, prefix)
	if !ok {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.scan.mu.Lock()
	defer b.scan.mu.Unlock()
	if b.gone {
		return nil
	}
	if b.scan.folders == nil || len(b.scan.folders) > cachedFoldersMax {
		b.scan.folders = make(map[string]folder)
	}
	return s.compare(b, dir, prefix, flat)
}

// plainDir is the folder in which the objects of a prefix lie.
func plainDir(bucket, prefix string) (string, bool) {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return bucket, true
	}
	return plainPlace(bucket, prefix[:i])
}

// compare does one folder and, unless flat, those below that can hold keys of the prefix.
func (s *Store) compare(b *bucket, dir, prefix string, flat bool) error {
	fi, err := s.disk.Stat(dir)
	if err != nil && missing(err) || err == nil && !fi.IsDir() {
		delete(b.scan.folders, dir)
		return nil
	}
	if err != nil {
		return err
	}
	f, ok := b.scan.folders[dir]
	if !ok || !f.modTime.Equal(fi.ModTime()) {
		looked := time.Now()
		if f.subs, err = s.compareNames(b, dir); err != nil {
			return fmt.Errorf("folder %s: %w", dir, err)
		}
		f.modTime = fi.ModTime()
		delete(b.scan.folders, dir)
		if looked.Sub(f.modTime) > timeGrain {
			b.scan.folders[dir] = f
		}
	}
	for _, sub := range f.subs {
		name := dir + "/" + sub
		below := strings.TrimPrefix(name, b.name+"/") + "/"
		if !strings.HasPrefix(below, prefix) && !strings.HasPrefix(prefix, below) {
			continue
		}
		if flat {
			if known, err := s.anyKey(b.name, below); err != nil || known {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := s.compare(b, name, prefix, flat); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) anyKey(bucket, prefix string) (bool, error) {
	for _, err := range s.index.Scan(indexKey(bucket, prefix), "") {
		return err == nil, err
	}
	return false, nil
}

// compareNames compares the names in one folder with the index and returns the folders among them.
func (s *Store) compareNames(b *bucket, dir string) (subs []string, err error) {
	names, err := s.disk.List(dir)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimPrefix(dir+"/", b.name+"/")
	unknown := make(map[string]bool, len(names))
	for _, n := range names {
		unknown[n] = true
	}
	for r, err := range s.rows(b.name, objstore.ListOptions{Prefix: prefix, Delimiter: "/"}) {
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(r.name[len(prefix):], "/")
		if r.value == nil && !unknown[name] {
			err = s.forgetBelow(b, r.name)
		} else if r.value != nil && !unknown[name] {
			err = s.recheck(b.name, r.name)
		}
		if err != nil {
			return nil, err
		}
		if r.value != nil {
			delete(unknown, name)
		}
	}
	for name := range unknown {
		fi, err := s.disk.Stat(dir + "/" + name)
		if err != nil {
			continue // gone again, or a link that leads out
		}
		if fi.IsDir() {
			subs = append(subs, name)
			continue
		}
		if key, ok := plainKey(b.name, dir+"/"+name); ok && objstore.CheckKey(key) == nil {
			if err := s.recheck(b.name, key); err != nil {
				return nil, err
			}
		}
	}
	return subs, nil
}

// forgetBelow rechecks the objects below a folder that is gone.
func (s *Store) forgetBelow(b *bucket, prefix string) error {
	for r, err := range s.rows(b.name, objstore.ListOptions{Prefix: prefix}) {
		if err != nil {
			return err
		}
		if err := s.recheck(b.name, r.name); err != nil {
			return err
		}
	}
	return nil
}

// recheck compares one key with the folder; the record of a file that is gone goes too.
func (s *Store) recheck(bucket, key string) error {
	lock := s.lockOf(bucket, key)
	lock.Lock()
	defer lock.Unlock()
	rec, err := s.lookLocked(bucket, key)
	if err != nil || rec != nil {
		return err
	}
	if rec, err = s.loadRecord(bucket, key); err != nil || rec == nil {
		return err
	}
	if _, err := s.disk.Stat(rec.place(bucket, key)); !missing(err) {
		return nil
	}
	return s.index.Delete(indexKey(bucket, key))
}

// Rescan compares a bucket's folder with the index, file by file, and removes files in the store's own folders that
// nothing refers to.
func (s *Store) Rescan(ctx context.Context, bucketName string) error {
	b, err := s.bucket(bucketName)
	if err != nil {
		return err
	}
	for r, err := range s.rows(bucketName, objstore.ListOptions{}) {
		if err == nil {
			err = errors.Join(s.recheck(bucketName, r.name), ctx.Err())
		}
		if err != nil {
			return fmt.Errorf("rescan bucket %q: %w", bucketName, err)
		}
	}
	b.scan.mu.Lock()
	b.scan.folders = nil
	b.scan.mu.Unlock()
	if err := errors.Join(s.discover(b, "", false), s.sweep(b)); err != nil {
		return fmt.Errorf("rescan bucket %q: %w", bucketName, err)
	}
	return nil
}

// sweep removes what crashes left of a bucket's versions and oddly named objects.
func (s *Store) sweep(b *bucket) error {
	b.mu.Lock() // no writer is between its file and its record
	defer b.mu.Unlock()
	used := make(map[string]bool)
	for _, space := range []meta.Space{s.index, s.versions} {
		for e, err := range space.Scan(b.name+"\x00", "") {
			if err != nil {
				return err
			}
			rec, err := decodeRecord(e.Value)
			if err != nil {
				return err
			}
			if rec.Place != "" {
				used[rec.Place] = true
			}
		}
	}
	return errors.Join(s.sweepTree(path.Join(oddDir, b.name), used), s.sweepTree(path.Join(versionsDir, b.name), used))
}

func (s *Store) sweepTree(dir string, used map[string]bool) error {
	names, err := s.disk.List(dir)
	if missing(err) {
		return nil
	}
	for _, n := range names {
		name := dir + "/" + n
		if fi, err := s.disk.Stat(name); err == nil && fi.IsDir() {
			if err := s.sweepTree(name, used); err != nil {
				return err
			}
		} else if err == nil && !used[name] {
			if err := s.disk.Remove(name); err != nil {
				return err
			}
		}
	}
	return err
}
