package crawler

import (
	"context"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore"
)

// unit is a table as it was found: a folder whose leaf folders, all at the same depth, hold objects of one shape.
type unit struct {
	root   *folder
	file   string // key, if the table is this one object
	depth  int    // partition levels below root
	shape  *shape
	leaves []leaf
}

// leaf is a folder with objects; path are the folder names below the unit's root.
type leaf struct {
	folder *folder
	path   []string
}

// grouper turns folders into units.
type grouper struct {
	store  objstore.Store
	bucket string
	config configuration
	// known are the locations, with slash, of the tables that this crawler made before: a folder that is a table stays
	// one as long as the formats allow it, however its schema changes.
	known map[string]bool
	// limit is how many records of one object are looked at.
	limit int64
}

// combine says that schemas in f need not be similar to make it one table.
func (g *grouper) combine(f *folder) bool {
	return g.config.combine || g.config.tableLevel == f.level() || g.known["s3://"+g.bucket+"/"+f.key]
}

// units finds the tables below f.
func (g *grouper) units(ctx context.Context, f *folder) ([]*unit, error) {
	if f.isDelta {
		sh, err := classifyDelta(ctx, g.store, g.bucket, f.key)
		if err != nil {
			return nil, err
		}
		return []*unit{{root: f, shape: sh}}, nil
	}
	own, err := g.own(ctx, f)
	if err != nil {
		return nil, err
	}
	var below [][]*unit
	for _, child := range f.inOrder() {
		us, err := g.units(ctx, child)
		if err != nil {
			return nil, err
		}
		if len(us) > 0 {
			below = append(below, us)
		}
	}
	return g.fold(f, own, below), nil
}

// own makes units of the objects directly in f: one if they are alike, else one for each that was looked at.
func (g *grouper) own(ctx context.Context, f *folder) ([]*unit, error) {
	var all []*unit
	for _, o := range f.sampled {
		sh, err := classify(ctx, g.store, g.bucket, o, g.limit)
		if err != nil {
			return nil, err
		}
		if sh != nil {
			all = append(all, &unit{root: f, file: o.Key, shape: sh, leaves: []leaf{{folder: f}}})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	alike, _, ok := g.majority(all, g.combine(f))
	if !ok {
		return all, nil
	}
	one := &unit{root: f, shape: alike[0].shape, leaves: []leaf{{folder: f}}}
	for _, u := range alike[1:] {
		one.shape = one.shape.join(u.shape)
	}
	return []*unit{one}, nil
}

// majority splits all into those alike and the rest; ok says that those alike are seven in ten at least.
func (g *grouper) majority(all []*unit, combine bool) (alike, rest []*unit, ok bool) {
	for _, i := range []int{0, len(all) / 2, len(all) - 1} {
		alike, rest = nil, nil
		for _, u := range all {
			if u.depth == all[i].depth && u.shape.alike(all[i].shape, combine) {
				alike = append(alike, u)
			} else {
				rest = append(rest, u)
			}
		}
		if len(alike)*10 >= 7*len(all) {
			return alike, rest, true
		}
	}
	return nil, all, false
}

// fold decides whether what was found in f and in its folders is one table with partitions, and makes it so.
func (g *grouper) fold(f *folder, own []*unit, below [][]*unit) []*unit {
	var children []*unit
	single := true
	for _, us := range below {
		single = single && len(us) == 1 && us[0].file == "" && us[0].shape.delta == nil
		children = append(children, us...)
	}
	apart := append(own, children...)
	if len(children) == 0 || !single || !g.mayFold(f, children) {
		return apart
	}
	combine := g.combine(f) || keyed(children)
	alike, rest, ok := g.majority(children, combine)
	if !ok {
		return apart
	}
	if len(own) == 0 {
		return append([]*unit{partitioned(f, alike)}, rest...)
	}
	if len(own) == 1 && own[0].file == "" && len(rest) == 0 && !keyed(children) && own[0].shape.alike(alike[0].shape, combine) {
		return []*unit{flat(f, append(own, alike...))}
	}
	return apart
}

// mayFold says whether f may be a table with its folders as partitions: not above the configured level, and a bucket
// only if its folders are named like partitions or the configuration says so.
func (g *grouper) mayFold(f *folder, children []*unit) bool {
	if g.config.tableLevel > 0 {
		return f.level() >= g.config.tableLevel
	}
	return f.key != "" || g.config.combine || keyed(children)
}

// keyed says whether all units lie in folders named key=value with one key.
func keyed(all []*unit) bool {
	key, _, ok := strings.Cut(all[0].root.name, "=")
	return ok && !slices.ContainsFunc(all, func(u *unit) bool { return !strings.HasPrefix(u.root.name, key+"=") })
}

// partitioned makes one unit of alike ones in folders of f, which become its first partition level.
func partitioned(f *folder, all []*unit) *unit {
	out := &unit{root: f, depth: all[0].depth + 1, shape: all[0].shape}
	for i, u := range all {
		if i > 0 {
			out.shape = out.shape.join(u.shape)
		}
		for _, l := range u.leaves {
			out.leaves = append(out.leaves, leaf{l.folder, append([]string{u.root.name}, l.path...)})
		}
	}
	return out
}

// flat makes one unit without partitions of alike ones in f and below.
func flat(f *folder, all []*unit) *unit {
	out := &unit{root: f, shape: all[0].shape}
	for i, u := range all {
		if i > 0 {
			out.shape = out.shape.join(u.shape)
		}
		for _, l := range u.leaves {
			out.leaves = append(out.leaves, leaf{folder: l.folder})
		}
	}
	return out
}

// partial says that the unit may hold what was not looked at.
func (u *unit) partial() bool {
	return u.shape.partial || slices.ContainsFunc(u.leaves, func(l leaf) bool {
		return u.file == "" && l.folder.objects > int64(len(l.folder.sampled))
	})
}

// size counts what lies in the unit's folders, read or not.
func (u *unit) size() (objects, bytes int64) {
	if u.file != "" {
		for _, o := range u.root.sampled {
			if o.Key == u.file {
				return 1, o.Size
			}
		}
	}
	for _, l := range u.leaves {
		objects += l.folder.objects
		bytes += l.folder.bytes
	}
	return objects, bytes
}
