package rewrite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/delta"
)

// OptimizeOptions of Optimize.
type OptimizeOptions struct {
	Where Condition // on partition columns; which partitions
	// ZOrderBy are columns by all of which rows are to lie near each other; then all files are written anew.
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
	optimizers   = 3       // groups of files that are written at the same time
	commitGroups = 256     // groups of files of one commit
	commitBytes  = 2 << 30 // of files of one commit, if there are several groups
	zColumnsMax  = 6
	zBits        = 10 // of a column's part of the order
)

// group is files of one partition that become one, or a few in a new order.
type group struct {
	paths []string
	bytes int64
}

// Optimize writes small files together into files near the table's file size, without changing rows: its commits do not
// conflict with appends. Files that another commit removes meanwhile are left alone.
func (t *Table) Optimize(ctx context.Context, opts OptimizeOptions) (Result, error) {
	groups, err := t.plan(ctx, opts)
	if err != nil {
		return Result{}, err
	}
	var total Result
	p := OptimizeProgress{}
	for _, g := range groups {
		p.FilesTotal, p.BytesTotal = p.FilesTotal+len(g.paths), p.BytesTotal+g.bytes
	}
	for _, part := range commits(groups) {
		r, _, err := t.optimizeGroups(ctx, part, map[string]string{
			"predicate": predicateText(opts.Where), "zOrderBy": namesText(opts.ZOrderBy), "auto": "false",
		}, opts.ZOrderBy)
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

// plan groups the files that are worth writing anew.
func (t *Table) plan(ctx context.Context, opts OptimizeOptions) ([]group, error) {
	s, err := t.table.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.opts.Location, err)
	}
	j := newJob(ctx, t, s, "")
	if err := j.checkZOrder(opts.ZOrderBy); err != nil {
		return nil, err
	}
	files, err := j.inWhere(opts.Where)
	if err != nil {
		return nil, err
	}
	var groups []group
	list, of := partitions(files, s.PartitionBy())
	for _, partition := range list {
		groups = append(groups, t.groupsOf(of[partitionKey(partition, s.PartitionBy())], opts)...)
	}
	return groups, nil
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
	if len(columns) > zColumnsMax {
		return fmt.Errorf("%w: Z-order by more than %d columns", delta.ErrUnsupported, zColumnsMax)
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
func (t *Table) optimizeGroups(ctx context.Context, groups []group, parameters map[string]string, zOrder []string) (r Result, made []delta.File, err error) {
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
		return j.optimize(groups, wanted, zOrder)
	})
	if errors.Is(err, delta.ErrConflict) {
		err = nil // others change these files all the time; the next optimize may find them quiet
	}
	return r, made, err
}

func (j *job) optimize(groups []group, files map[string]*delta.File, zOrder []string) error {
	out := make([][]written, len(groups))
	in := make([][]*delta.File, len(groups))
	g, ctx := errgroup.WithContext(j.ctx)
	g.SetLimit(optimizers)
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
			out[i], err = part.together(in[i], zOrder, len(groups) > optimizers)
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

// together writes files of one partition as one, or in Z-order as many as their size asks for.
func (j *job) together(files []*delta.File, zOrder []string, serial bool) ([]written, error) {
	change := func(query string) (string, error) { return query, nil }
	to := target{partition: files[0].Partition, fixed: true, oneFile: true, serial: serial}
	if len(zOrder) > 0 {
		to.oneFile, to.serial = false, false
		change = func(query string) (string, error) { return zOrdered(query, zOrder), nil }
	}
	return j.writeFrom(files, nil, change, to)
}

// zOrdered is a query in the order of a curve through all of columns: the bits of each column's place among the rows, one bit of each
// after the other.
func zOrdered(query string, columns []string) string {
	var ranks, bits []string
	for i, name := range columns {
		ranks = append(ranks, fmt.Sprintf("CAST(floor(percent_rank() OVER (ORDER BY %s) * %d) AS BIGINT) AS weir_z%d", quoteName(name), 1<<zBits-1, i))
		for b := range zBits {
			bits = append(bits, fmt.Sprintf("(((weir_z%d >> %d) & 1) << %d)", i, b, b*len(columns)+len(columns)-1-i))
		}
	}
	return "SELECT * FROM (SELECT *, " + strings.Join(ranks, ", ") + " FROM (" + query + ")) ORDER BY " + strings.Join(bits, " | ")
}
