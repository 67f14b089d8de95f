// Package files reads the files that appear in a folder, or the objects that appear below a prefix of a bucket, as a batch.Source.
//
// Every file is taken once, the oldest first. A record is a line, without its end; with Options.Whole it is a whole file. Files may
// be compressed: .gz and .zst. Names with a part that begins with "." or "_" are not taken, as in Spark, so that a writer can
// finish a file under such a name and then rename it; a file of a folder is taken when it has rested for a while: by its time, or, where that lies
// in the future, by how long this process has seen it as it is.
//
// A shard of the source is a file, by its path below the location. Its offset is "taken/size/time", in bytes and microseconds: a plain file of lines may
// be taken in parts, each of whole lines. What is written to a file after it was first seen is not read. An offset remembers every
// file that was taken and is younger than Options.MaxAge before the youngest of all; older files that appear are never taken, as
// with Spark's maxFileAge. So the same file never counts twice, in whatever order files appear.
//
// A file that is gone, cannot be opened or has become shorter when it is to be read is an error: a batch that was planned is read whole or not at all. What is
// wrong with the contents is none: a line that is too long, and a compressed file that is broken, ends too early or is too large when it is decompressed, is
// a record that is refused, without its bytes. Of such a file no line is taken.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
)

// Options of New. Zero fields are defaults.
type Options struct {
	// Whole makes each file one record, as formats with blocks of their own need it.
	Whole bool
	// Header says that the first line of each file is no record, but stands before each record, as the header of CSV that names columns.
	Header bool
	// FilesMax bounds the new files of a batch; 0: as many as its limits take.
	FilesMax int
	// MaxAge is how much older than the youngest file a new one may be; default a week.
	MaxAge time.Duration
	// Rest is how long a file of a folder must not have changed before it is taken; default one second.
	Rest time.Duration
	// PollInterval is the time between two looks; default one second.
	PollInterval time.Duration
	Now          func() time.Time

	recordMax   int   // bytes of a line or a whole file; default 64 MiB
	expandedMax int64 // bytes of a file when it is decompressed; default 1 GiB
}

// Source is a batch.Source over files. One goroutine uses it.
type Source struct {
	place   place
	opts    Options
	left    atomic.Pointer[outstanding] // by the newest Plan
	refused map[string]string           // files of the newest Read whose contents are broken, and why
}

var (
	_ batch.Source  = (*Source)(nil)
	_ batch.Starter = (*Source)(nil)
	_ batch.Tipper  = (*Source)(nil)
	_ batch.Metered = (*Source)(nil)
)

// place is where files are.
type place interface {
	// list calls f with every file, in any order.
	list(ctx context.Context, f func(entry)) error
	// open reads a file from byte from on.
	open(ctx context.Context, name string, from int64) (io.ReadCloser, error)
	String() string
}

// entry is a file: its path below the location, with slashes.
type entry struct {
	name string
	size int64
	mod  time.Time
}

// InFolder returns a Source over the files in a folder of this machine, and in those below it.
func InFolder(dir string, opts Options) (*Source, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("is no folder")
	}
	if err != nil {
		return nil, fmt.Errorf("files in %s: %w", dir, advised(err))
	}
	opts = opts.defaults()
	return &Source{place: &folder{dir: dir, rest: opts.Rest, now: opts.Now}, opts: opts}, nil
}

// InBucket returns a Source over the objects of a bucket whose keys begin with prefix.
func InBucket(store objstore.Store, bucket, prefix string, opts Options) *Source {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &Source{place: &objects{store: store, bucket: bucket, prefix: prefix}, opts: opts.defaults()}
}

func (o Options) defaults() Options {
	if o.MaxAge == 0 {
		o.MaxAge = 7 * 24 * time.Hour
	}
	if o.Rest == 0 {
		o.Rest = time.Second
	}
	if o.PollInterval == 0 {
		o.PollInterval = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.recordMax == 0 {
		o.recordMax = 64 << 20
	}
	if o.expandedMax == 0 {
		o.expandedMax = 1 << 30
	}
	return o
}

// hidden says whether a part of a path is not for readers.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") {
			return true
		}
	}
	return false
}

// folder is a place on this machine.
type folder struct {
	dir  string
	rest time.Duration
	now  func() time.Time

	mu    sync.Mutex       // guards young
	young map[string]sight // files whose time lies in the future, by name, at the newest look
}

// sight is a file as it is since a moment, by the clock of this process.
type sight struct {
	entry
	since time.Time
}

func (f *folder) String() string { return f.dir }

func (f *folder) list(ctx context.Context, yield func(entry)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.young
	f.young = map[string]sight{}
	err := filepath.WalkDir(f.dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && at != f.dir { // it went just now
				return nil
			}
			return err
		}
		rel, err := filepath.Rel(f.dir, at)
		if err != nil || rel == "." {
			return err
		}
		name := filepath.ToSlash(rel)
		if hidden(path.Base(name)) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return ctx.Err()
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if e := (entry{name, info.Size(), info.ModTime()}); f.restedLocked(e, before) {
			yield(e)
		}
		return nil
	})
	return advised(err)
}

// restedLocked says whether nobody has written to a file for a while. Where clocks disagree its time lies in the future, and tells nothing.
func (f *folder) restedLocked(e entry, before map[string]sight) bool {
	now := f.now()
	if !e.mod.After(now) {
		return now.Sub(e.mod) >= f.rest
	}
	at, seen := before[e.name]
	if !seen || at.size != e.size || !at.mod.Equal(e.mod) {
		at = sight{e, now}
	}
	f.young[e.name] = at
	return now.Sub(at.since) >= f.rest
}

// advised says what to do about what only the operator can change.
func advised(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: let the user read it that this runs as, and start the pipeline again", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: bring the folder back, and start the pipeline again", err)
	}
	return err
}

func (f *folder) open(_ context.Context, name string, from int64) (io.ReadCloser, error) {
	file, err := os.OpenInRoot(f.dir, filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// objects is a place in a bucket.
type objects struct {
	store          objstore.Store
	bucket, prefix string
}

func (o *objects) String() string { return "s3://" + o.bucket + "/" + o.prefix }

func (o *objects) list(ctx context.Context, yield func(entry)) error {
	opts := objstore.ListOptions{Prefix: o.prefix}
	for {
		page, err := o.store.List(ctx, o.bucket, opts)
		if err != nil {
			return err
		}
		for _, info := range page.Objects {
			name := strings.TrimPrefix(info.Key, o.prefix)
			if name != "" && !strings.HasSuffix(name, "/") && !hidden(name) {
				yield(entry{name, info.Size, info.ModTime})
			}
		}
		if page.Next == "" {
			return nil
		}
		opts.After = page.Next
	}
}

func (o *objects) open(ctx context.Context, name string, from int64) (io.ReadCloser, error) {
	var part *objstore.Range
	if from > 0 {
		part = &objstore.Range{Offset: from, Length: -1}
	}
	r, _, err := o.store.Get(ctx, o.bucket, o.prefix+name, part)
	return r, err
}
