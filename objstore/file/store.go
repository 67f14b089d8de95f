// Package file keeps objects as ordinary files under their own names, <dir>/<bucket>/<key>, so that any program can read
// them, with an index in the metadata store: order of keys, sizes, ETags, times, attributes, versions.
//
// A Store is opened once per directory and closed once. Object is what it knows of one version of one object; PutOptions
// says how to write one. Files that other programs place in a bucket's folder become objects too (see scan.go).
//
// # What survives a crash
//
// A write goes through these steps:
//
//  1. The body is written to a file in the temp folder, which is synced, and so is the temp folder.
//  2. With the key locked, conditions are checked, and one synced batch of the metadata store sets the object's record and
//     adds a pending record that names the temp file. This is the moment at which the write happens.
//  3. The temp file gets its name in the bucket's folder as a second one, in the place of the old file (link for a
//     put-if-absent), and the call returns.
//  4. Later, for many writes at once, the folders are synced, the pending records are removed, and then the temp names.
//
// After a crash before 2 nobody knows the temp file, and Open removes it: the old object is there. After 2 the temp file
// is there until 4, and Open repeats step 3 for every pending record: the new object is there. The old file is replaced by
// a rename only, so in neither case is it half of each. A pending record is obeyed only if its number is that of the
// object's record, so a temp file that a crash brought back cannot undo a later write. Deletes are the same with removal
// in place of the naming; imports of many files are one batch, so all or none of them happen.
//
// Put-if-absent holds against other processes that write to the folder themselves, because the name is then given by
// link(2) alone, which fails if it exists; the record is then taken back. The metadata store refuses a second process, so between
// Stores there is nothing to agree on. Readers in this process wait for steps 2 and 3 of their key, so they see the old
// object or the new. A reader that has a file open keeps reading that file whatever happens to its name.
//
// An object whose key cannot be a file name (a//b, .., segments over 255 bytes, a/), or whose name is taken by a folder
// (foo beside foo/bar), lies under the hash of its key in .weir/odd instead. Versions that are not the current one lie in
// .weir/versions, parts of uploads in .weir/uploads. docs/formats/objects.md describes all of it.
package file

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
)

// Errors beside those of package objstore; test for them with errors.Is.
var (
	ErrBucketExists   = errors.New("bucket exists")
	ErrBucketNotEmpty = errors.New("bucket is not empty")
	ErrNoSuchVersion  = errors.New("version does not exist")
	ErrMarker         = errors.New("version is a delete marker")
	ErrNoSuchConfig   = errors.New("bucket has no such configuration")
	ErrNoSuchUpload   = errors.New("multipart upload does not exist")
	ErrInvalidPart    = errors.New("part was not uploaded or has another ETag")
	ErrPartOrder      = errors.New("parts are not in ascending order")
	ErrPartTooSmall   = errors.New("part other than the last is too small")
)

// Options of Open. Zero fields are defaults.
type Options struct {
	FS  vfs.FS           // default vfs.Default
	Now func() time.Time // default time.Now
	// SettleAfter is how long folder syncs may wait for company; default 200 ms. No promise depends on it.
	SettleAfter time.Duration
	// ReserveBytes stay free on the disk, so that the metadata store can always write; default 64 MiB.
	ReserveBytes int64
}

// Store keeps objects below one directory. It is safe for concurrent use.
type Store struct {
	opts Options
	disk disk
	meta *meta.Store

	buckets  meta.Space // name -> bucketRecord
	configs  meta.Space // bucket 0 name -> configuration, as it was sent
	index    meta.Space // bucket 0 key -> record of the current version
	versions meta.Space // versionKey -> record of another version
	pendings meta.Space // number -> pending
	uploads  meta.Space // uploadKey -> uploadRecord
	parts    meta.Space // upload id 0 part number -> partRecord
	numbers  meta.Space // "next" -> first number that was not reserved

	seed  maphash.Seed
	locks [1024]sync.RWMutex // of keys, by hash; held over steps 2 and 3 of the package comment

	mu   sync.Mutex // guards the fields below; never held over a disk operation
	open map[string]*bucket
	next uint64 // number to hand out
	last uint64 // first number that is not reserved
	todo unsettled

	reserve sync.Mutex // held over the reservation of numbers
	settle  sync.Mutex // held over a settling
	quit    chan struct{}
	kick    chan struct{}
	done    sync.WaitGroup
}

var (
	_ objstore.Store = (*Store)(nil)
	_ objstore.Local = (*Store)(nil)
)

// Open opens the store in dir, creating it, and finishes what a crash interrupted. db must be the same at every opening.
func Open(dir string, db *meta.Store, opts Options) (*Store, error) {
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.SettleAfter == 0 {
		opts.SettleAfter = 200 * time.Millisecond
	}
	if opts.ReserveBytes == 0 {
		opts.ReserveBytes = 64 << 20
	}
	d, err := openDisk(opts.FS, dir)
	if err != nil {
		return nil, fmt.Errorf("open object store %s: %w", dir, err)
	}
	s := &Store{
		opts: opts, disk: d, meta: db,
		buckets: db.Space("objects.buckets"), configs: db.Space("objects.configs"),
		index: db.Space("objects.index"), versions: db.Space("objects.versions"), pendings: db.Space("objects.pending"),
		uploads: db.Space("objects.uploads"), parts: db.Space("objects.parts"), numbers: db.Space("objects.numbers"),
		seed: maphash.MakeSeed(),
		open: make(map[string]*bucket),
		quit: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	if err := s.recover(); err != nil {
		d.Close()
		return nil, fmt.Errorf("open object store %s: %w", dir, err)
	}
	s.done.Go(s.settler)
	return s, nil
}

// Close ends background work. The metadata store stays open.
func (s *Store) Close() error {
	close(s.quit)
	s.done.Wait()
	return errors.Join(s.Settle(), s.disk.Close())
}

func (s *Store) lockOf(bucket, key string) *sync.RWMutex {
	return &s.locks[s.stripe(bucket, key)]
}

func (s *Store) stripe(bucket, key string) int {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(bucket)
	h.WriteByte(0)
	h.WriteString(key)
	return int(h.Sum64() % uint64(len(s.locks)))
}

// lockAll locks many keys of a bucket, in an order that all callers share, and returns the unlocking.
func (s *Store) lockAll(bucket string, keys []string) (unlock func()) {
	stripes := make([]int, 0, len(keys))
	for _, k := range keys {
		stripes = append(stripes, s.stripe(bucket, k))
	}
	slices.Sort(stripes)
	stripes = slices.Compact(stripes)
	for _, i := range stripes {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range stripes {
			s.locks[i].Unlock()
		}
	}
}

const numbersAtOnce = 1 << 20

// takeNumbers returns the first of n consecutive numbers, greater than all that were ever returned.
func (s *Store) takeNumbers(n uint64) (uint64, error) {
	for {
		s.mu.Lock()
		if s.next+n <= s.last {
			first := s.next
			s.next += n
			s.mu.Unlock()
			return first, nil
		}
		s.mu.Unlock()
		if err := s.reserveNumbers(n); err != nil {
			return 0, err
		}
	}
}

func (s *Store) reserveNumbers(n uint64) error {
	s.reserve.Lock()
	defer s.reserve.Unlock()
	s.mu.Lock()
	enough, last := s.next+n <= s.last, s.last
	s.mu.Unlock()
	if enough {
		return nil
	}
	last += n + numbersAtOnce
	if err := meta.Save(s.numbers, "next", last); err != nil {
		return err
	}
	s.mu.Lock()
	s.last = last
	s.mu.Unlock()
	return nil
}

// diskErr makes a full disk recognisable.
func diskErr(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", objstore.ErrNoSpace, err)
	}
	return err
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
