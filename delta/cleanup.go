package delta

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Properties of the log's clean-up, with Spark's defaults.
const (
	propLogRetention = "delta.logRetentionDuration"
	propLogCleanup   = "delta.enableExpiredLogCleanup"

	logRetentionDefault = 30 * 24 * time.Hour
)

const (
	// cleanupPause is how often a handle looks for expired parts of the log.
	cleanupPause = time.Hour
	// deletersMax bounds the objects that are deleted at the same time.
	deletersMax = 8
	// strayAge is how old what no checkpoint names must be before it is removed: it may be one that is being written.
	strayAge = 24 * time.Hour
	// retentionMin is what stays of the log however short its retention is.
	retentionMin = time.Hour
)

func logRetention(props map[string]string) time.Duration {
	if d, err := parseInterval(props[propLogRetention]); err == nil {
		return max(d, retentionMin)
	}
	return logRetentionDefault
}

// cleanLog removes what is expired from the log, as the protocol's section "Metadata Cleanup" asks: the newest checkpoint
// that is not newer than the cutoff stays, with its commit and all that follows. It returns the objects that were removed.
func (t *Table) cleanLog(ctx context.Context, s *Snapshot) (removed int, err error) {
	cutoff := t.opts.now().Add(-logRetention(s.metadata.Configuration)).UTC()
	if day := cutoff.Truncate(24 * time.Hour); logRetention(s.metadata.Configuration) >= 24*time.Hour {
		cutoff = day
	}
	listing, err := listLog(ctx, t.objects, "")
	if err != nil {
		return 0, err
	}
	commit, err := t.versionAsOf(ctx, s, listing.commits, cutoff)
	if err != nil {
		return 0, err
	}
	keep := int64(-1) // version of the checkpoint that stays
	for _, c := range listing.checkpoints {
		if c.version <= commit {
			keep = c.version
		}
	}
	if keep < 0 {
		return 0, nil
	}
	d := newDeleter(ctx, t.objects)
	for info, err := range t.objects.List(ctx, logFolder, "") {
		if err != nil {
			d.wait()
			return d.n, fmt.Errorf("list the log: %w", err)
		}
		name := strings.TrimPrefix(info.Key, logFolder)
		if name > ":" {
			break
		}
		stray := strings.HasPrefix(name, tempPrefix) && info.ModTime.Before(t.opts.now().Add(-strayAge))
		if stray || expired(name, keep) {
			d.delete(info.Key)
		}
	}
	if err := d.wait(); err != nil {
		return d.n, err
	}
	n, err := t.cleanSidecars(ctx)
	return d.n + n, err
}

// expired says whether an object of the log goes when the checkpoint of a version is the oldest that stays.
func expired(name string, keep int64) bool {
	base, isCRC := strings.CutSuffix(name, ".crc")
	if isCRC {
		name = base + ".json"
	}
	n, ok := parseLogName(name)
	if !ok {
		return false
	}
	return n.version < keep || n.to > n.version && n.version <= keep
}

// cleanSidecars removes sidecars that no checkpoint names.
func (t *Table) cleanSidecars(ctx context.Context) (removed int, err error) {
	before := t.opts.now().UTC().Truncate(24 * time.Hour).Add(-strayAge)
	var named map[string]bool // by key; nil: not looked up
	d := newDeleter(ctx, t.objects)
	for info, err := range t.objects.List(ctx, sidecarFolder, "") {
		if err != nil {
			d.wait()
			return d.n, fmt.Errorf("list sidecars: %w", err)
		}
		if !info.ModTime.Before(before) {
			continue
		}
		if named == nil {
			if named, err = t.namedSidecars(ctx); err != nil {
				d.wait()
				return d.n, err
			}
		}
		if !named[info.Key] {
			d.delete(info.Key)
		}
	}
	return d.n, d.wait()
}

// namedSidecars are the sidecars of all checkpoints.
func (t *Table) namedSidecars(ctx context.Context) (map[string]bool, error) {
	listing, err := listLog(ctx, t.objects, "")
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, c := range listing.checkpoints {
		for _, f := range c.files {
			err := readSidecarNames(ctx, t.objects, f, func(s *Sidecar) error {
				key, err := sidecarKey(s)
				named[key] = true
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("checkpoint %s: %w", f.key, err)
			}
		}
	}
	return named, nil
}

// deleter deletes objects side by side.
type deleter struct {
	ctx     context.Context // of the one call that it serves
	objects Objects
	group   *errgroup.Group
	n       int // started
}

func newDeleter(ctx context.Context, objects Objects) *deleter {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(deletersMax)
	return &deleter{ctx: ctx, objects: objects, group: g}
}

func (d *deleter) delete(key string) {
	d.n++
	d.group.Go(func() error {
		if err := d.objects.Delete(d.ctx, key); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
		return nil
	})
}

func (d *deleter) wait() error { return d.group.Wait() }
