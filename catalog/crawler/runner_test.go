package crawler

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

// gate is a store whose listings wait until they are let through or cancelled.
type gate struct {
	objstore.Store
	waiting chan struct{} // gets one for each listing that waits
	open    chan struct{} // lets one through
}

func (g *gate) List(ctx context.Context, bucket string, opts objstore.ListOptions) (objstore.Page, error) {
	g.waiting <- struct{}{}
	select {
	case <-g.open:
		return g.Store.List(ctx, bucket, opts)
	case <-ctx.Done():
		return objstore.Page{}, ctx.Err()
	}
}

func newGate(t *testing.T) *gate {
	objects := mem.New(nil)
	if err := objects.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	return &gate{objects, make(chan struct{}, 10), make(chan struct{})}
}

func definition() catalog.Crawler {
	return catalog.Crawler{Name: "c", Role: "r", Database: "db", UpdateBehavior: update, DeleteBehavior: logOnly, S3: []catalog.S3Target{{Path: "s3://lake/x/"}}}
}

func openStore(t *testing.T, m *meta.Store) *catalog.Store {
	t.Helper()
	store, err := catalog.New(m, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func state(t *testing.T, store *catalog.Store) string {
	t.Helper()
	c, err := store.Crawler(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	text := string(c.State)
	if last, ok := c.LastCrawl(); ok {
		text += " " + last.Status
	}
	return text
}

func TestRunnerStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meta.NewMem()
		defer m.Close()
		store, objects := openStore(t, m), newGate(t)
		r := New(store, objects, Options{Logger: slog.New(slog.DiscardHandler)})
		ctx := t.Context()
		expect := func(err, kind error, want string) {
			t.Helper()
			if !errors.Is(err, kind) {
				t.Errorf("got error %v, want %v", err, kind)
			}
			synctest.Wait()
			if got := state(t, store); got != want {
				t.Errorf("state %q, want %q", got, want)
			}
		}
		if err := r.Start(ctx, "c"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("start of nothing: %v", err)
		}
		expect(r.Create(ctx, definition(), nil), nil, "READY")
		expect(r.Create(ctx, definition(), nil), catalog.ErrExists, "READY")
		expect(r.Stop(ctx, "c"), catalog.ErrCrawlerIdle, "READY")
		expect(r.Start(ctx, "c"), nil, "RUNNING")
		expect(r.Start(ctx, "c"), catalog.ErrCrawlerRunning, "RUNNING")
		expect(store.DeleteCrawler(ctx, "c"), catalog.ErrCrawlerRunning, "RUNNING")
		expect(r.Update(ctx, "c", func(*catalog.Crawler) error { return nil }), catalog.ErrCrawlerRunning, "RUNNING")
		objects.open <- struct{}{}
		expect(nil, nil, "READY SUCCEEDED")
		expect(r.Start(ctx, "c"), nil, "RUNNING SUCCEEDED")
		expect(r.Stop(ctx, "c"), nil, "READY CANCELLED")
		bad := func(c *catalog.Crawler) error { c.S3[0].Path = "/tmp"; return nil }
		expect(r.Update(ctx, "c", bad), catalog.ErrInvalid, "READY CANCELLED")
		gone := func(c *catalog.Crawler) error { c.S3[0].Path = "s3://gone/x/"; return nil }
		expect(r.Update(ctx, "c", gone), nil, "READY CANCELLED")
		expect(r.Start(ctx, "c"), nil, "RUNNING CANCELLED")
		objects.open <- struct{}{}
		expect(nil, nil, "READY FAILED")
		expect(r.Start(ctx, "c"), nil, "RUNNING FAILED")
		expect(r.Close(), nil, "READY CANCELLED")
		if err := r.Start(ctx, "c"); err == nil {
			t.Error("a closed runner starts crawls")
		}
	})
}

func TestRunnerFollowsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meta.NewMem()
		defer m.Close()
		store, objects := openStore(t, m), newGate(t)
		close(objects.open)
		r := New(store, objects, Options{})
		defer r.Close()
		c := definition()
		c.Schedule, c.Scheduled = "cron(0/15 * * * ? *)", true
		if err := r.Create(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		crawls := func() int {
			synctest.Wait()
			c, err := store.Crawler(t.Context(), "c")
			if err != nil {
				t.Fatal(err)
			}
			return len(c.Crawls)
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour + 7*time.Minute))) // the bubble's clock
		before := crawls()
		time.Sleep(time.Hour)
		if n := crawls() - before; n != 4 {
			t.Errorf("%d crawls in an hour, want 4", n)
		}
		off := func(c *catalog.Crawler) error { c.Scheduled = false; return nil }
		if err := r.Update(t.Context(), "c", off); err != nil {
			t.Fatal(err)
		}
		before = crawls()
		time.Sleep(3 * time.Hour)
		if n := crawls() - before; n != 0 {
			t.Errorf("%d crawls without schedule", n)
		}
	})
}

func TestInterruptedCrawlFailed(t *testing.T) {
	m := meta.NewMem()
	defer m.Close()
	store := openStore(t, m)
	if err := store.CreateCrawler(t.Context(), definition(), nil); err != nil {
		t.Fatal(err)
	}
	if err := store.BeginCrawl(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if got := state(t, openStore(t, m)); got != "READY FAILED" {
		t.Errorf("after a restart: %s", got)
	}
}
