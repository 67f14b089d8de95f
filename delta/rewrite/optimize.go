package rewrite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/delta"
)

// OptimizeOptions of Optimize.
type OptimizeOptions struct {
	Where Condition // on partition columns; which partitions
	// ZOrderBy are columns by all of which rows are to lie near each other; then all files are written anew. A clustered table has such
	// columns of its own, by which files are written anew that were not yet.
	ZOrderBy []string
	// Purge writes files anew that have deletion vectors, whatever their size.
	Purge    bool
	Progress func(OptimizeProgress) // called after each group of files
}

// OptimizeProgress says how far an Optimize is.
type OptimizeProgress struct {
	Files, FilesTotal int // of those that are written anew
	Bytes, BytesTotal int64
}

// Bounds of an Optimize.
const (
	optimizersMax = 4       // groups of files that are written at the same time
	commitGroups  = 256     // groups of files of one commit
	commitBytes   = 2 << 30 // of files of one commit, if there are several groups
)

// optimizers is the number of groups of files that are written at the same time: each core has one.
func optimizers() int { return min(max(runtime.GOMAXPROCS(0), 2), optimizersMax) }

// group is files of one partition that become one, or a few in a new order.
type group struct {
	paths  []string
	bytes  int64
	purges bool // there are rows to get rid of
}

// Optimize writes small files together into files near the table's file size, without changing rows: its commits do not
// conflict with appends. Files that another commit removes meanwhile are left alone.
func (t *Table) Optimize(ctx context.Context, opts OptimizeOptions) (Result, error) {
	groups, clustered, err := t.plan(ctx, opts)
	if err != nil {
		return Result{}, err
	}
	order := zOrder(opts.ZOrderBy)
	if len(clustered) > 0 {
		order = hilbertOrder(clustered)
	}
	var total Result
	p := OptimizeProgress{}
	for _, g := range groups {
		p.FilesTotal, p.BytesTotal = p.FilesTotal+len(g.paths), p.BytesTotal+g.bytes
	}
	for _, part := range commits(groups) {
		r, _, err := t.optimizeGroups(ctx, part, map[string]string{
			"predicate": predicateText(opts.Where), "zOrderBy": namesText(opts.ZOrderBy), "clusterBy": namesText(dotted(clustered)), "auto": "false",
		}, order)
		if err != nil {
			return total, err
		}
		total.add(r)
		for _, g := range part {
			p.Files, p.Bytes = p.Files+len(g.paths), p.Bytes+g.bytes
		}
		if opts.Progress != nil {
			opts.Progress(p)
		}
	}
	if total.Version == 0 {
		s, err := t.table.Snapshot(ctx)
		if err != nil {
			return total, err
		}
		total.Version = s.Version()
	}
	return total, nil
}

// commits cuts groups into those of one commit each, so that what is written does not wait for all the rest.
func commits(groups []group) (out [][]group) {
	var bytes int64
	from := 0
	for i, g := range groups {
		if i > from && (i-from >= commitGroups || bytes+g.bytes > commitBytes) {
			out = append(out, groups[from:i])
			from, bytes = i, 0
		}
		bytes += g.bytes
	}
	if from < len(groups) {
		out = append(out, groups[from:])
	}
	return out
}

func (r *Result) add(o Result) {
	r.Version, r.Committed = o.Version, r.Committed || o.Committed
	r.Inserted, r.Updated, r.Deleted, r.Copied = r.Inserted+o.Inserted, r.Updated+o.Updated, r.Deleted+o.Deleted, r.Copied+o.Copied
	r.AddedFiles, r.RemovedFiles = r.AddedFiles+o.AddedFiles, r.RemovedFiles+o.RemovedFiles
	r.AddedBytes, r.RemovedBytes = r.AddedBytes+o.AddedBytes, r.RemovedBytes+o.RemovedBytes
}

// plan groups the files that are worth writing anew, and says by which columns the table is clustered.
func (t *Table) plan(ctx context.Context, opts OptimizeOptions) (groups []group, clustered [][]string, err error) {
	s, err := t.table.Snapshot(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("table %s: %w", t.opts.Location, err)
	}
	j := newJob(ctx, t, s, "")
	if err := j.checkZOrder(opts.ZOrderBy); err != nil {
		return nil, nil, err
	}
	if clustered, err = s.ClusteredBy(); err != nil {
		return nil, nil, err
	}
	if len(clustered) > 0 && len(opts.ZOrderBy) > 0 {
		return nil, nil, fmt.Errorf("%w: Z-order of a table that is clustered by columns of its own, %s", delta.ErrInvalid, namesText(dotted(clustered)))
	}
	if len(clustered) > orderColumnsMax {
		return nil, nil, fmt.Errorf("%w: a table that is clustered by more than %d columns", delta.ErrUnsupported, orderColumnsMax)
	}
	files, err := j.inWhere(opts.Where)
	if err != nil {
		return nil, nil, err
	}
	if len(clustered) > 0 {
		return t.unclustered(files, opts), clustered, nil
	}
	list, of := partitions(files, s.PartitionBy())
	for _, partition := range list {
		groups = append(groups, t.groupsOf(of[partitionKey(partition, s.PartitionBy())], opts)...)
	}
	return groups, nil, nil
}

// unclustered are the files of a clustered table that are put in its order, small ones that were before among them.
func (t *Table) unclustered(files []*delta.File, opts OptimizeOptions) []group {
	var g group
	fresh := false
	for _, f := range files {
		purge := opts.Purge && f.DeletionVector != nil
		if f.ClusteringProvider != "" && f.Size >= t.opts.FileBytes*3/4 && !purge {
			continue
		}
		fresh = fresh || f.ClusteringProvider == "" || purge
		g.paths, g.bytes = append(g.paths, f.Path), g.bytes+f.Size
	}
	if len(g.paths) == 0 || len(g.paths) == 1 && !fresh {
		return nil
	}
	return []group{g}
}

// groupsOf groups files of one partition.
func (t *Table) groupsOf(files []*delta.File, opts OptimizeOptions) []group {
	if len(opts.ZOrderBy) > 0 {
		return []group{groupOf(files)}
	}
	small := slices.DeleteFunc(slices.Clone(files), func(f *delta.File) bool {
		return f.Size >= t.opts.FileBytes*3/4 && (f.DeletionVector == nil || !opts.Purge)
	})
	slices.SortStableFunc(small, func(a, b *delta.File) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	var groups []group
	for _, bin := range bins(small, t.opts.FileBytes) {
		purge := opts.Purge && slices.ContainsFunc(bin, func(f *delta.File) bool { return f.DeletionVector != nil })
		if len(bin) > 1 || purge {
			groups = append(groups, groupOf(bin))
		}
	}
	return groups
}

func groupOf(files []*delta.File) group {
	var g group
	for _, f := range files {
		g.paths, g.bytes = append(g.paths, f.Path), g.bytes+f.Size
	}
	return g
}

// inWhere are the files of the partitions that fulfil a condition.
func (j *job) inWhere(where Condition) ([]*delta.File, error) {
	if where.X == nil {
		return j.candidates(nil)
	}
	target := j.targetOf("")
	t, err := j.translate([]item{{column(target, fileColumn), fileColumn}}, target.ref(), where.X, where.Params, target)
	if err != nil {
		return nil, err
	}
	if !j.onlyPartitions(t.used) {
		return nil, fmt.Errorf("%w: optimize: the condition %s names columns that are not partition columns", delta.ErrInvalid, printed(where))
	}
	files, err := j.candidates(t.predicates)
	if err != nil {
		return nil, err
	}
	return j.inPartitions(t, files)
}

func (j *job) checkZOrder(columns []string) error {
	if len(columns) > orderColumnsMax {
		return fmt.Errorf("%w: Z-order by more than %d columns", delta.ErrUnsupported, orderColumnsMax)
	}
	for _, name := range columns {
		i := indexOf(j.schema.Fields, name)
		if i < 0 {
			return fmt.Errorf("%w: the table has no column %s", delta.ErrInvalid, name)
		}
		if f := j.schema.Fields[i]; slices.Contains(j.by, f.Name) || len(f.Type.Fields) > 0 {
			return fmt.Errorf("%w: Z-order by column %s, which is a partition column or nested", delta.ErrInvalid, name)
		}
	}
	return nil
}

// optimizeGroups writes groups anew in one commit, and returns the files that came of them.
func (t *Table) optimizeGroups(ctx context.Context, groups []group, parameters map[string]string, by *order) (r Result, made []delta.File, err error) {
	r, err = t.change(ctx, func(j *job) error {
		j.operation, j.moved, j.parameters = "OPTIMIZE", true, parameters
		wanted := map[string]*delta.File{}
		for _, g := range groups {
			for _, p := range g.paths {
				wanted[p] = nil
			}
		}
		for f, err := range j.snapshot.Files(func(f *delta.File) bool { _, ok := wanted[f.Path]; return ok }) {
			if err != nil {
				return err
			}
			wanted[f.Path] = f
		}
		j.done = func() {
			made = nil
			for _, w := range j.adds {
				made = append(made, w.file)
			}
		}
		return j.optimize(groups, wanted, by)
	})
	if errors.Is(err, delta.ErrConflict) {
		err = nil // others change these files all the time; the next optimize may find them quiet
	}
	return r, made, err
}

func (j *job) optimize(groups []group, files map[string]*delta.File, by *order) error {
	out := make([][]written, len(groups))
	in := make([][]*delta.File, len(groups))
	g, ctx := errgroup.WithContext(j.ctx)
	side := optimizers()
	g.SetLimit(side)
	for i := range groups {
		for _, p := range groups[i].paths {
			if files[p] != nil {
				in[i] = append(in[i], files[p])
			}
		}
		if len(in[i]) == 0 || len(in[i]) < len(groups[i].paths) {
			continue
		}
		part, err := j.branch(ctx, i)
		if err != nil {
			return err
		}
		g.Go(func() (err error) {
			out[i], err = part.together(in[i], by, len(groups) > side)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range groups {
		if len(in[i]) == 0 || len(in[i]) < len(groups[i].paths) {
			continue
		}
		j.result.Copied += j.add(out[i])
		for _, f := range in[i] {
			j.remove(f)
		}
	}
	return nil
}

// together writes files of one partition as one, or in an order as many as their size asks for.
func (j *job) together(files []*delta.File, by *order, serial bool) ([]written, error) {
	to := target{partition: files[0].Partition, fixed: true, oneFile: true, serial: serial}
	if by == nil {
		if j.concatenable(files) {
			if out, err := j.concatenate(files, to); err == nil || !needsStatement(err) {
				return out, err
			}
		}
		return j.writeFrom(files, nil, func(query string) (string, error) { return query, nil }, to)
	}
	to.oneFile, to.serial = false, false
	out, err := j.writeFrom(files, nil, func(query string) (string, error) { return by.sorted(query), nil }, to)
	for i := range out {
		out[i].file.ClusteringProvider = by.provider
	}
	return out, err
}
