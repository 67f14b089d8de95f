package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/objstore"
)

// CheckOptions say what to look at.
type CheckOptions struct {
	LogOnly  bool                            // leave out the data files
	Progress func(what string, done, of int) // told from time to time; of is 0 where it is not known; may be nil
}

// Report is what a check found.
type Report struct {
	Oldest      int64     `json:"oldest"` // versions that were replayed
	Newest      int64     `json:"newest"`
	Commits     int       `json:"commits"`
	Checkpoints int       `json:"checkpoints"`
	Files       int       `json:"files"`
	Bytes       int64     `json:"bytes"`
	Rows        int64     `json:"rows"` // by footers where they were read, else by statistics
	Problems    []Problem `json:"problems,omitempty"`
	More        int       `json:"more,omitempty"` // problems that are not listed
}

// Problem is something that is wrong with a table.
type Problem struct {
	Where string `json:"where"` // the object
	What  string `json:"what"`  // what is wrong, and what it means
}

// problemsMax bounds the problems that a report lists.
const problemsMax = 1000

func (r *Report) problem(where, format string, args ...any) {
	if len(r.Problems) == problemsMax {
		r.More++
		return
	}
	r.Problems = append(r.Problems, Problem{where, fmt.Sprintf(format, args...)})
}

// Check reads the whole log: every commit, each checkpoint against what the commits say, version checksums, the hint; then every
// data file of the newest version: that it is there, its size, its footer against the statistics, its deletion vector. What is wrong
// with the table is in the report; an error says that the check could not be made.
func (t *Table) Check(ctx context.Context, opts CheckOptions) (*Report, error) {
	c := &check{table: t, opts: opts, report: &Report{Oldest: -1, Newest: -1}}
	if c.opts.Progress == nil {
		c.opts.Progress = func(string, int, int) {}
	}
	listing, err := listLog(ctx, t.objects, "")
	if err != nil {
		return nil, err
	}
	if listing.newest() < 0 {
		return nil, ErrNoTable
	}
	c.hint(ctx, listing)
	s, err := c.log(ctx, listing)
	if err != nil || s == nil || opts.LogOnly {
		return c.report, err
	}
	return c.report, c.files(ctx, s)
}

type check struct {
	table    *Table
	opts     CheckOptions
	report   *Report
	inCommit *int64 // of the last commit
}

func (c *check) hint(ctx context.Context, l *logListing) {
	body, err := readAll(ctx, c.table.objects, lastCheckpointKey, hintBytesMax)
	if errors.Is(err, objstore.ErrNoSuchKey) {
		if len(l.checkpoints) > 0 {
			c.report.problem(lastCheckpointKey, "is missing although there are checkpoints: readers list the whole log")
		}
		return
	}
	var hint lastCheckpoint
	if err == nil {
		hint, err = decodeHint(body)
	}
	if err != nil {
		c.report.problem(lastCheckpointKey, "cannot be read: %v; readers list the whole log", err)
		return
	}
	if !slices.ContainsFunc(l.checkpoints, func(f checkpointFiles) bool { return f.version == hint.Version }) {
		c.report.problem(lastCheckpointKey, "names a checkpoint of version %d that is not there, or not whole", hint.Version)
	}
}

// log replays every version from the oldest that can be and returns the newest, nil if it cannot be made.
func (c *check) log(ctx context.Context, l *logListing) (*Snapshot, error) {
	t, first := c.table, int64(0)
	r := t.newReplay(nil)
	checkpoints := l.checkpoints
	if len(l.commits) == 0 || l.commits[0].version > 0 {
		if len(checkpoints) == 0 {
			c.report.problem(commitKey(0), "is missing and there is no checkpoint: no version can be rebuilt")
			return nil, nil
		}
		if err := readCheckpoint(ctx, t.objects, &checkpoints[0], r); err != nil {
			c.report.problem(checkpoints[0].files[0].key, "cannot be read: %v", err)
			return nil, ctx.Err()
		}
		if err := r.flush(never); err != nil {
			return nil, err
		}
		first, checkpoints = checkpoints[0].version+1, checkpoints[1:]
		c.report.Checkpoints++
	}
	c.report.Oldest = first
	var s *Snapshot
	last := first - 1
	for v := first; len(l.commits) > 0 && v <= l.commits[len(l.commits)-1].version; v++ {
		f := logFile{version: v, to: v, key: commitKey(v)}
		var err error
		if s, err = c.commit(ctx, r, s, f); err != nil || s == nil {
			return nil, err
		}
		last = f.version
		c.report.Commits++
		c.opts.Progress("versions", c.report.Commits, len(l.commits))
		if _, ok := slices.BinarySearch(l.sums, f.version); ok {
			if err := t.checkSum(ctx, s); err != nil {
				c.report.problem(crcKey(f.version), "%v", err)
			}
		}
		for len(checkpoints) > 0 && checkpoints[0].version <= f.version {
			if checkpoints[0].version == f.version {
				c.checkpoint(ctx, &checkpoints[0], s)
			}
			checkpoints = checkpoints[1:]
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if s == nil { // nothing after the oldest checkpoint
		var err error
		if s, err = r.snapshot(last, nil, t.cutoff); err != nil {
			c.report.problem(commitKey(last), "%v", err)
			return nil, nil
		}
	}
	s.vectors = t.vectors
	c.report.Newest = last
	return s, nil
}

// commit replays one commit over the version before it, and says where they do not fit.
func (c *check) commit(ctx context.Context, r *replay, before *Snapshot, f logFile) (*Snapshot, error) {
	seen := map[string]bool{}
	files := r.files
	err := readLogFile(ctx, c.table.objects, f.key, func(a Action) error {
		e, err := r.entry(a)
		if err != nil {
			return err
		}
		if e != nil {
			live, _ := files.look(e.key)
			switch {
			case seen[e.key]:
				c.report.problem(f.key, "names the data file %q twice: which of the two counts is not defined", e.path())
			case e.remove != nil && !live:
				c.report.problem(f.key, "removes the data file %q, which the table does not have", e.path())
			}
			seen[e.key] = true
			return r.put(e)
		}
		return nil
	})
	if errors.Is(err, objstore.ErrNoSuchKey) {
		c.report.problem(f.key, "is missing: no version from %d on can be rebuilt from here", f.version)
		return nil, nil
	}
	if err != nil {
		c.report.problem(f.key, "cannot be read: %s", strings.TrimPrefix(err.Error(), f.key+": "))
		return nil, ctx.Err()
	}
	s, err := r.snapshot(f.version, before, func(*Metadata) int64 { return never })
	if err != nil {
		c.report.problem(f.key, "%v", err)
		return nil, ctx.Err()
	}
	if before != nil && inCommitTimes(s.protocol, s.metadata) {
		switch {
		case r.inCommit == nil:
			c.report.problem(f.key, "has no inCommitTimestamp, which the table asks for")
		case c.inCommit != nil && *r.inCommit <= *c.inCommit:
			c.report.problem(f.key, "has inCommitTimestamp %d, the version before has %d: time travel may find the wrong version", *r.inCommit, *c.inCommit)
		}
	}
	c.inCommit, r.inCommit = r.inCommit, nil
	return s, nil
}

// checkpoint compares a checkpoint with what the commits say.
func (c *check) checkpoint(ctx context.Context, f *checkpointFiles, want *Snapshot) {
	r := c.table.newReplay(nil)
	key := f.files[0].key
	if err := readCheckpoint(ctx, c.table.objects, f, r); err != nil {
		c.report.problem(key, "cannot be read: %v", err)
		return
	}
	c.report.Checkpoints++
	got, err := r.snapshot(f.version, nil, c.table.cutoff)
	if err != nil {
		c.report.problem(key, "%v", err)
		return
	}
	for p := range joined(want.files, got.files) {
		switch {
		case p.then == nil:
			c.report.problem(key, "lacks the data file %q: readers lose its rows", pathOf(string(p.key)))
		case p.before == nil:
			c.report.problem(key, "has the data file %q, which the table does not have: readers see its rows", pathOf(string(p.key)))
		}
	}
	if got.metadata.SchemaString != want.metadata.SchemaString {
		c.report.problem(key, "has another schema than the commits")
	}
	for app, txn := range want.txns {
		if got.txns[app].Version != txn.Version {
			c.report.problem(key, "has txn %q at version %d, the commits say %d: a batch may be written twice", app, got.txns[app].Version, txn.Version)
		}
	}
}

// files looks at every data file of a version.
func (c *check) files(ctx context.Context, s *Snapshot) error {
	total, _ := s.NumFiles()
	before := len(c.report.Problems)
	found := make(chan fileCheck, headersMax)
	go func() {
		defer close(found)
		var g errgroup.Group
		g.SetLimit(headersMax)
		defer g.Wait()
		for f, err := range s.Files(nil) {
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				found <- fileCheck{where: fmt.Sprint("version ", s.version), problems: []string{err.Error()}}
				return
			}
			g.Go(func() error {
				found <- c.file(ctx, s, f)
				return nil
			})
		}
	}()
	for one := range found {
		c.report.Files++
		c.report.Bytes += one.bytes
		c.report.Rows += one.rows
		for _, p := range one.problems {
			c.report.problem(one.where, "%s", p)
		}
		c.opts.Progress("data files", c.report.Files, total)
	}
	slices.SortFunc(c.report.Problems[before:], func(a, b Problem) int { return strings.Compare(a.Where, b.Where) })
	return ctx.Err()
}

// fileCheck is what was found about one data file.
type fileCheck struct {
	where       string
	bytes, rows int64
	problems    []string
}

func (f *fileCheck) problem(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

func (c *check) file(ctx context.Context, s *Snapshot, f *File) (out fileCheck) {
	out.where, out.bytes = f.Path, f.Size
	if f.Outside {
		if f.Stats != nil {
			out.rows = f.Stats.NumRecords
		}
		return out
	}
	info, err := c.table.head(ctx, f.Path)
	switch {
	case errors.Is(err, objstore.ErrNoSuchKey):
		out.problem("is gone: its rows are lost; restore the table to a version without it, or put the file back")
		return out
	case err != nil:
		out.problem("cannot be looked at: %v", err)
		return out
	case info.Size != f.Size:
		out.problem("has %d bytes, the log says %d", info.Size, f.Size)
		return out
	}
	rows, err := footerRows(ctx, c.table.objects, f.Path, info.Size)
	if err != nil {
		out.problem("cannot be read: %v", err)
		return out
	}
	if f.Stats != nil && f.Stats.NumRecords != rows {
		out.problem("holds %d rows, its statistics say %d: counts are wrong", rows, f.Stats.NumRecords)
	}
	out.rows = rows
	if f.DeletionVector == nil {
		return out
	}
	deleted, err := s.Deleted(ctx, f)
	if err != nil {
		out.problem("its deletion vector cannot be read: %v", err)
		return out
	}
	if n := deleted.Cardinality(); n != f.DeletionVector.Cardinality {
		out.problem("its deletion vector holds %d rows, the log says %d", n, f.DeletionVector.Cardinality)
	}
	if deleted.Cardinality() > 0 && deleted.last() >= rows {
		out.problem("its deletion vector names row %d of %d", deleted.last(), rows)
	}
	out.rows -= deleted.Cardinality()
	return out
}

// footerRows reads the number of rows from a parquet file's footer.
func footerRows(ctx context.Context, objects Objects, key string, size int64) (rows int64, err error) {
	defer recoverParquet(&err)
	at, err := openFooter(ctx, objects, key, size)
	if err != nil {
		return 0, err
	}
	if err := checkFooter(at, size); err != nil {
		return 0, err
	}
	f, err := parquet.OpenFile(at, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return f.NumRows(), nil
}

// tailBytes is how much of a data file's end is read at once: most footers are shorter.
const tailBytes = 64 << 10

// openFooter gives access to a file of which little more than the end is read.
func openFooter(ctx context.Context, objects Objects, key string, size int64) (io.ReaderAt, error) {
	ranges, ok := objects.(rangeGetter)
	if !ok {
		at, _, err := openAt(ctx, objects, key, size)
		return at, err
	}
	r := &tailReader{start: max(size-tailBytes, 0), rest: newBlockReader(ctx, ranges, key, size)}
	var err error
	if r.tail, err = readRange(ctx, objects, key, r.start, size-r.start); err != nil {
		return nil, err
	}
	return r, nil
}

// tailReader is random access to an object whose end is at hand.
type tailReader struct {
	tail  []byte
	start int64
	rest  io.ReaderAt
}

func (r *tailReader) ReadAt(p []byte, pos int64) (int, error) {
	if pos < r.start {
		return r.rest.ReadAt(p, pos)
	}
	if pos-r.start > int64(len(r.tail)) {
		return 0, io.EOF
	}
	n := copy(p, r.tail[pos-r.start:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
