package rewrite

import (
	"context"
	"slices"

	"github.com/weir-data/weir/delta"
)

// Compactor keeps the files of a table near their size while one process appends small ones to it. It is called between two
// appends, Run or, when there is no time, Skip; Run does a bounded amount of work, and commits it as a change that moves rows only. Files that are alike in size are
// written together, eight at a time, so that a row is written anew only a few times until its file is large.
type Compactor struct {
	t    *Table
	opts CompactorOptions

	known  bool // small holds the files that were there at the start
	more   bool // there are more small files than are remembered
	count  int  // of small files that are remembered
	calls  int64
	loaded int64                  // the call that looked up what is there
	small  map[string]*smallFiles // by partition
}

// CompactorOptions bound a Compactor. Zero fields are defaults.
type CompactorOptions struct {
	Together    int   // files alike in size that are written together; default 8
	BudgetBytes int64 // that one call reads at the most; default 128 MiB
	// IdleCalls is after how many calls without a new file the small files of a partition are written together whatever their sizes;
	// default 64.
	IdleCalls int64
}

// smallFilesMax bounds the files that a compactor remembers; of a table with more, others are looked up when these are done.
const smallFilesMax = 100_000

// smallFiles are the files of a partition that are below the table's file size.
type smallFiles struct {
	files []smallFile
	last  int64 // the call that added the newest
}

type smallFile struct {
	path   string
	size   int64 // of the rows that are not deleted
	hollow bool  // most rows are deleted: to write it anew frees more than it writes
}

// NewCompactor returns a compactor; nothing is read before the first call of Run.
func (t *Table) NewCompactor(opts CompactorOptions) *Compactor {
	if opts.Together < 2 {
		opts.Together = 8
	}
	if opts.BudgetBytes <= 0 {
		opts.BudgetBytes = 128 << 20
	}
	if opts.IdleCalls <= 0 {
		opts.IdleCalls = 64
	}
	return &Compactor{t: t, opts: opts, small: map[string]*smallFiles{}}
}

// Compact is Run for callers that need not know what it did.
func (c *Compactor) Compact(ctx context.Context, added []delta.File) error {
	_, err := c.Run(ctx, added)
	return err
}

// Skip says that there was an append: the next Run will be told of its files. A partition becomes idle by it as by a Run.
func (c *Compactor) Skip() { c.calls++ }

// Run is told of files that were added since the Run before, and writes small files together if that is due. It is for one goroutine.
func (c *Compactor) Run(ctx context.Context, added []delta.File) (Result, error) {
	c.calls++
	if !c.known {
		if err := c.load(ctx); err != nil {
			return Result{}, err
		}
	} else if len(added) > 0 {
		s, err := c.t.table.Snapshot(ctx)
		if err != nil {
			c.known = false // what is there is looked up again
			return Result{}, err
		}
		for i := range added {
			c.note(&added[i], s.PartitionBy())
		}
	}
	groups := c.due()
	if len(groups) == 0 {
		c.known = !c.more || c.calls-c.loaded < c.opts.IdleCalls
		return Result{}, nil
	}
	r, made, err := c.t.optimizeGroups(ctx, groups, map[string]string{"predicate": "[]", "zOrderBy": "[]", "auto": "true"}, nil)
	if err != nil {
		c.known = false // what is there is looked up again
		return r, err
	}
	s, err := c.t.table.Snapshot(ctx)
	if err != nil {
		c.known = false
		return r, err
	}
	for i := range made {
		c.note(&made[i], s.PartitionBy())
	}
	return r, nil
}

// load looks up the small files of the newest version.
func (c *Compactor) load(ctx context.Context) error {
	s, err := c.t.table.Snapshot(ctx)
	if err != nil {
		return err
	}
	clear(c.small)
	c.count, c.more, c.loaded = 0, false, c.calls
	for f, err := range s.Files(nil) {
		if err != nil {
			return err
		}
		c.note(f, s.PartitionBy())
	}
	c.known = true
	return nil
}

func (c *Compactor) note(f *delta.File, by []string) {
	size := liveBytes(f)
	if size >= c.t.opts.FileBytes*3/4 {
		return
	}
	if c.count >= smallFilesMax {
		c.more = true
		return
	}
	c.count++
	key := partitionKey(f.Partition, by)
	if c.small[key] == nil {
		c.small[key] = &smallFiles{}
	}
	c.small[key].files = append(c.small[key].files, smallFile{f.Path, size, size < f.Size/2})
	c.small[key].last = c.calls
}

// liveBytes is about what a file's rows take that are not deleted.
func liveBytes(f *delta.File) int64 {
	if f.DeletionVector == nil || f.Stats == nil || f.Stats.NumRecords <= 0 {
		return f.Size
	}
	return int64(float64(f.Size) * float64(live(f)) / float64(f.Stats.NumRecords))
}

// tier is about the logarithm of a size: files of one tier are alike.
func (c *Compactor) tier(size int64) int {
	n := 0
	for limit := c.t.opts.FileBytes / 128; size >= limit; limit *= int64(c.opts.Together) {
		n++
	}
	return n
}

// due takes groups of files that are to be written together, within the budget.
func (c *Compactor) due() []group {
	var groups []group
	budget := c.opts.BudgetBytes
	for key, s := range c.small {
		if budget <= 0 {
			break
		}
		g := c.dueIn(s, min(budget, c.t.opts.FileBytes))
		if len(g.paths) == 0 || len(g.paths) == 1 && !g.purges {
			if len(s.files) == 0 || c.calls-s.last > 2*c.opts.IdleCalls {
				c.count -= len(s.files)
				delete(c.small, key) // nothing more to be done there
			}
			continue
		}
		budget -= g.bytes
		c.count -= len(g.paths)
		s.files = slices.DeleteFunc(s.files, func(f smallFile) bool { return slices.Contains(g.paths, f.path) })
		groups = append(groups, g)
	}
	return groups
}

// dueIn takes the files of the lowest tier that is full, or all when the partition is idle, and hollow ones in any case.
func (c *Compactor) dueIn(s *smallFiles, bytesMax int64) group {
	tiers := map[int]int{}
	for _, f := range s.files {
		tiers[c.tier(f.size)]++
	}
	full := -1
	for tier, n := range tiers {
		if n >= c.opts.Together && (full < 0 || tier < full) {
			full = tier
		}
	}
	idle := full < 0 && c.calls-s.last >= c.opts.IdleCalls
	var g group
	for _, f := range s.files {
		if !f.hollow && !idle && c.tier(f.size) > full || g.bytes+f.size > bytesMax {
			continue
		}
		g.paths, g.bytes, g.purges = append(g.paths, f.path), g.bytes+f.size, g.purges || f.hollow
	}
	return g
}
