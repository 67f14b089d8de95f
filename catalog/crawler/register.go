package crawler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
)

// partitionsBatch is how many partitions change in one step.
const partitionsBatch = 500

// registration writes what a crawl found into the catalog, by the crawler's policies, and counts.
type registration struct {
	store   *catalog.Store
	crawler *catalog.Crawler
	config  configuration
	now     time.Time
	seen    map[string]bool // names of tables that were found
	crawl   catalog.Crawl
}

// table creates or updates one table with its partitions.
func (r *registration) table(ctx context.Context, f finding) error {
	t, ps := f.table, f.partitions
	old, err := r.place(ctx, &t)
	if err != nil {
		return err
	}
	r.seen[t.Name] = true
	changed := false
	if old == nil {
		if err := r.store.CreateIndexedTable(ctx, t, r.indexes(t)); err != nil {
			return fmt.Errorf("create table %s: %w", t.Name, err)
		}
		r.crawl.Created++
	} else if t, changed, err = r.update(ctx, *old, t, f.partial); err != nil {
		return fmt.Errorf("update table %s: %w", t.Name, err)
	}
	if len(ps) > 0 && len(ps[0].Values) == len(t.PartitionKeys) {
		if err := r.partitions(ctx, t, ps, changed); err != nil {
			return fmt.Errorf("partitions of table %s: %w", t.Name, err)
		}
	}
	return nil
}

// place finds the table that t is to update: the one of its name, if it lies at the same place. A name that another
// table has is avoided.
func (r *registration) place(ctx context.Context, t *catalog.Table) (*catalog.Table, error) {
	for range 2 {
		old, err := r.store.Table(ctx, t.Database, t.Name)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if slash(old.Storage.Location) == slash(t.Storage.Location) {
			return &old, nil
		}
		t.Name = otherName(*t)
	}
	return nil, catalog.Failf(catalog.ErrExists, "Table %s exists at another place.", t.Name)
}

func (r *registration) indexes(t catalog.Table) []catalog.PartitionIndex {
	if !r.config.partitionIndex || len(t.PartitionKeys) == 0 {
		return nil
	}
	ix := catalog.PartitionIndex{Name: "crawler_partition_index"}
	for _, k := range t.PartitionKeys {
		ix.Keys = append(ix.Keys, k.Name)
	}
	return []catalog.PartitionIndex{ix}
}

// update brings old in line with what was found, as far as the policy allows, and returns what the table is then and
// whether its schema changed. A table that no crawler made keeps its format and only gains columns.
func (r *registration) update(ctx context.Context, old, found catalog.Table, partial bool) (catalog.Table, bool, error) {
	next := old
	next.Parameters = maps.Clone(found.Parameters)
	if old.Parameters[paramCrawler] == "" {
		next.Parameters = maps.Clone(old.Parameters)
		if next.Parameters == nil {
			next.Parameters = map[string]string{}
		}
	}
	for k, v := range old.Parameters {
		if _, set := next.Parameters[k]; !set && k != paramDeprecated {
			next.Parameters[k] = v
		}
	}
	delete(next.Parameters, paramDeprecated)
	if r.crawler.UpdateBehavior == update {
		r.updateSchema(&next, old, found, partial)
	}
	if catalog.SameSchema(old, next) && maps.Equal(old.Parameters, next.Parameters) {
		return old, false, nil
	}
	fixed := func(p map[string]string) map[string]string {
		p = maps.Clone(p)
		maps.DeleteFunc(p, func(k, _ string) bool { return slices.Contains(statistics, k) })
		return p
	}
	onlyCounts := catalog.SameSchema(old, next) && maps.Equal(fixed(old.Parameters), fixed(next.Parameters))
	if err := r.store.ReplaceTable(ctx, next, onlyCounts); err != nil {
		return next, false, err
	}
	if !onlyCounts {
		r.crawl.Updated++
	}
	if len(old.PartitionKeys) != len(next.PartitionKeys) {
		if err := r.dropPartitions(ctx, next); err != nil {
			return next, false, err
		}
	}
	return next, !catalog.SameSchema(old, next), nil
}

// updateSchema sets columns, keys and format of next. If only a part of the objects was looked at, columns stay and types
// only widen: what was not seen may still need them.
func (r *registration) updateSchema(next *catalog.Table, old, found catalog.Table, partial bool) {
	if r.config.mergeNewColumns || old.Parameters[paramCrawler] == "" {
		next.Storage.Columns = addColumns(old, found.Storage.Columns)
		return
	}
	rest := next.Storage.Rest
	next.Storage = found.Storage
	next.Storage.Location, next.Storage.Rest = old.Storage.Location, rest
	next.PartitionKeys = found.PartitionKeys
	if partial && old.Storage.SerDe.Library == found.Storage.SerDe.Library {
		next.Storage.Columns = widen(addColumns(old, found.Storage.Columns), found.Storage.Columns)
	}
}

// widen gives columns types that hold the found ones too.
func widen(columns, found []catalog.Column) []catalog.Column {
	for _, f := range found {
		i := slices.IndexFunc(columns, func(c catalog.Column) bool { return strings.EqualFold(c.Name, f.Name) })
		if i < 0 {
			continue
		}
		have, err1 := columnar.ParseType(columns[i].Type)
		seen, err2 := columnar.ParseType(f.Type)
		if err1 == nil && err2 == nil {
			columns[i].Type = hive(merge(have, seen))
		}
	}
	return columns
}

// addColumns has the columns of old and then those that only found has.
func addColumns(old catalog.Table, found []catalog.Column) []catalog.Column {
	known := map[string]bool{}
	for _, c := range slices.Concat(old.Storage.Columns, old.PartitionKeys) {
		known[strings.ToLower(c.Name)] = true
	}
	out := slices.Clone(old.Storage.Columns)
	for _, c := range found {
		if !known[c.Name] {
			out = append(out, c)
		}
	}
	return out
}

// dropPartitions removes the partitions of a table whose keys changed: their values mean nothing any more.
func (r *registration) dropPartitions(ctx context.Context, t catalog.Table) error {
	ps, err := r.store.Partitions(ctx, t.Database, t.Name, "")
	if err != nil {
		return err
	}
	values := make([][]string, len(ps))
	for i, p := range ps {
		values[i] = p.Values
	}
	_, err = r.store.DeletePartitions(ctx, t.Database, t.Name, values)
	return err
}

// partitions adds the partitions that are new, gives the others the table's schema if that changed, and treats those
// that vanished by the policy. Places of known partitions are not touched.
func (r *registration) partitions(ctx context.Context, t catalog.Table, found []catalog.Partition, changed bool) error {
	known, err := r.store.Partitions(ctx, t.Database, t.Name, "")
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(found, partitionsBatch) {
		for i := range batch {
			location := batch[i].Storage.Location
			batch[i].Storage = t.Storage
			batch[i].Storage.Location = location
		}
		existing, err := r.store.AddPartitions(ctx, t.Database, t.Name, batch)
		if err != nil {
			return err
		}
		r.crawl.PartitionsAdded += len(batch) - len(existing)
	}
	return r.reconcile(ctx, t, known, found, changed)
}

// reconcile updates and retires partitions that were known before this crawl.
func (r *registration) reconcile(ctx context.Context, t catalog.Table, known, found []catalog.Partition, changed bool) error {
	present := map[string]bool{}
	for _, p := range found {
		present[strings.Join(p.Values, "\x00")] = true
	}
	var gone [][]string
	var updates []catalog.PartitionUpdate
	for _, p := range known {
		there := present[strings.Join(p.Values, "\x00")]
		_, deprecated := p.Parameters[paramDeprecated]
		next := p
		next.Parameters = maps.Clone(p.Parameters)
		switch {
		case there && (changed || deprecated):
			next.Storage.Columns = t.Storage.Columns
			delete(next.Parameters, paramDeprecated)
		case !there && r.crawler.DeleteBehavior == deleteVanished:
			gone = append(gone, p.Values)
			continue
		case !there && r.crawler.DeleteBehavior != logOnly && !deprecated:
			next.Parameters = r.deprecate(next.Parameters)
		default:
			continue
		}
		updates = append(updates, catalog.PartitionUpdate{Old: p.Values, New: next})
	}
	for batch := range slices.Chunk(updates, partitionsBatch) {
		if _, err := r.store.UpdatePartitions(ctx, t.Database, t.Name, batch); err != nil {
			return err
		}
	}
	_, err := r.store.DeletePartitions(ctx, t.Database, t.Name, gone)
	return err
}

func (r *registration) deprecate(parameters map[string]string) map[string]string {
	out := maps.Clone(parameters)
	if out == nil {
		out = map[string]string{}
	}
	out[paramDeprecated] = strconv.FormatInt(r.now.UnixMilli(), 10)
	return out
}

// vanished treats the tables that this crawler once found below its targets and did not find now.
func (r *registration) vanished(ctx context.Context) error {
	all, err := r.store.Tables(ctx, r.crawler.Database)
	if err != nil || r.crawler.DeleteBehavior == logOnly {
		return err
	}
	for _, t := range all {
		_, deprecated := t.Parameters[paramDeprecated]
		if r.seen[t.Name] || t.Parameters[paramCrawler] != r.crawler.Name || !r.within(t.Storage.Location) {
			continue
		}
		if r.crawler.DeleteBehavior == deleteVanished {
			err = r.store.DeleteTable(ctx, t.Database, t.Name)
			r.crawl.Deleted++
		} else if !deprecated {
			t.Parameters = r.deprecate(t.Parameters)
			err = r.store.UpdateTable(ctx, t)
			r.crawl.Updated++
		}
		if err != nil {
			return fmt.Errorf("retire table %s: %w", t.Name, err)
		}
	}
	return nil
}

// slash ends a location with exactly one slash.
func slash(location string) string { return strings.TrimSuffix(location, "/") + "/" }

// within says whether a place lies below one of the crawler's targets.
func (r *registration) within(location string) bool {
	for _, target := range r.crawler.S3 {
		if strings.HasPrefix(slash(location), slash(target.Path)) {
			return true
		}
	}
	for _, target := range r.crawler.Delta {
		for _, path := range target.Tables {
			if slash(path) == slash(location) {
				return true
			}
		}
	}
	return false
}
