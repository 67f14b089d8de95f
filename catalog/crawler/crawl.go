package crawler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
)

// finding is a table that a crawl found.
type finding struct {
	table      catalog.Table
	partitions []catalog.Partition
	partial    bool // its columns are those of a part of its objects
}

// crawl looks at all targets of c, then writes what was found into the catalog. Its result has no times.
func crawl(ctx context.Context, store *catalog.Store, objects objstore.Store, c catalog.Crawler, now time.Time) (catalog.Crawl, error) {
	r := &registration{store: store, crawler: &c, now: now, seen: map[string]bool{}}
	r.crawl.ID = uuid.NewString()
	var err error
	if r.config, err = parseConfiguration(c.Configuration); err != nil {
		return r.crawl, err
	}
	found, err := r.look(ctx, objects)
	if err != nil {
		return r.crawl, err
	}
	if n := r.config.tablesMax; n > 0 && len(found) > n {
		return r.crawl, fmt.Errorf("the crawl found %d tables, more than its TableThreshold of %d", len(found), n)
	}
	err = store.CreateDatabase(ctx, catalog.Database{Name: c.Database})
	if err != nil && !errors.Is(err, catalog.ErrExists) {
		return r.crawl, err
	}
	for _, f := range found {
		if err := ctx.Err(); err != nil {
			return r.crawl, err
		}
		if err := r.table(ctx, f); err != nil {
			return r.crawl, err
		}
	}
	return r.crawl, r.vanished(ctx)
}

// look finds the tables of all targets and changes nothing.
func (r *registration) look(ctx context.Context, objects objstore.Store) ([]finding, error) {
	known, err := r.known(ctx)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, target := range r.crawler.S3 {
		bucket, root, count, err := walk(ctx, objects, target)
		if err != nil {
			return nil, err
		}
		g := &grouper{objects, bucket, r.config, known, recordsLimit(count)}
		units, err := g.units(ctx, root)
		if err != nil {
			return nil, err
		}
		for _, u := range units {
			t, ps := u.table(bucket, r.crawler)
			found = append(found, finding{t, ps, u.partial()})
		}
	}
	for _, target := range r.crawler.Delta {
		for _, path := range target.Tables {
			bucket, key, err := objstore.ParseURL(path)
			if err != nil {
				return nil, err
			}
			key = strings.TrimSuffix(key, "/") + "/"
			sh, err := classifyDelta(ctx, objects, bucket, key)
			if err != nil {
				return nil, err
			}
			u := &unit{root: newFolder(nil, key), shape: sh}
			t, _ := u.table(bucket, r.crawler)
			found = append(found, finding{table: t})
		}
	}
	return found, nil
}

// recordsLimit is how many records of each object are looked at: many if there are few objects, fewer of many.
func recordsLimit(objects int64) int64 {
	return min(10_000, max(200, 1_000_000/max(1, objects)))
}

// known are the locations of the tables that this crawler made, with a slash at the end.
func (r *registration) known(ctx context.Context) (map[string]bool, error) {
	all, err := r.store.Tables(ctx, r.crawler.Database)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	out := map[string]bool{}
	for _, t := range all {
		if t.Parameters[paramCrawler] == r.crawler.Name && t.Parameters[paramDeprecated] == "" {
			out[slash(t.Storage.Location)] = true
		}
	}
	return out, nil
}
