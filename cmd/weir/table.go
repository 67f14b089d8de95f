package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// TableCmd looks at Delta tables and looks after them.
type TableCmd struct {
	Show     TableShowCmd     `cmd:"" help:"Version, size, schema, properties."`
	History  TableHistoryCmd  `cmd:"" help:"Who changed what, and when; newest first."`
	Files    TableFilesCmd    `cmd:"" help:"Data files of a version."`
	Diff     TableDiffCmd     `cmd:"" help:"What changed from one version to another."`
	Check    TableCheckCmd    `cmd:"" help:"Verify the whole log and every data file."`
	Optimize TableOptimizeCmd `cmd:"" help:"Write small files together into large ones."`
	Vacuum   TableVacuumCmd   `cmd:"" help:"Remove files that no version within the retention needs."`
	Restore  TableRestoreCmd  `cmd:"" help:"Make the table what it was at a version or time."`
	Set      TableSetCmd      `cmd:"" help:"Set and remove properties, and add table features."`
}

// tableTarget is the table that a command is about.
type tableTarget struct {
	Table    string `arg:"" help:"db.table of the catalog, s3://bucket/folder, or a folder of this machine."`
	JSON     bool   `help:"Print JSON, an object a line."`
	Endpoint string `help:"Endpoint to ask. Default: AWS_ENDPOINT_URL, else a weir on this machine, else one is started on the data directory." placeholder:"URL"`
	Data     string `help:"Data directory of a weir that is started for this." default:"./weir-data" type:"path"`
}

const tableTargets = `
The table is db.table of the catalog, s3://bucket/folder, or a folder of this machine; a folder needs no server.`

// openTable is a table that was opened for a command.
type openTable struct {
	*delta.Table
	store    objstore.Store
	location string // s3://…, in store
	folder   string // of this machine; empty for a table in a bucket
	close    func()
}

// open finds the table, and a server if it takes one.
func (t *tableTarget) open(ctx context.Context) (*openTable, error) {
	if !strings.Contains(t.Table, "://") {
		if info, err := os.Stat(t.Table); err == nil && info.IsDir() {
			return t.openFolder(ctx)
		}
		if strings.ContainsRune(t.Table, filepath.Separator) {
			return nil, fmt.Errorf("there is no folder %s", t.Table)
		}
		if !strings.Contains(t.Table, ".") {
			return nil, fmt.Errorf("%s is no folder here, and no table of the catalog, which is written db.table", t.Table)
		}
	}
	b, done, err := t.backends(ctx)
	if err != nil {
		return nil, err
	}
	o, err := t.openIn(ctx, b)
	if err != nil {
		done()
		return nil, t.explain(err)
	}
	o.close = done
	return o, nil
}

func (t *tableTarget) openFolder(ctx context.Context) (*openTable, error) {
	table, err := delta.Open(ctx, delta.Dir(t.Table))
	if err != nil {
		return nil, t.explain(err)
	}
	return &openTable{Table: table, folder: t.Table, close: func() {}}, nil
}

func (t *tableTarget) backends(ctx context.Context) (backends, func(), error) {
	if endpoint := findEndpoint(ctx, t.Endpoint); endpoint != "" {
		cl, err := newClients(ctx, endpoint)
		return remote(cl, ""), func() {}, err
	}
	if _, err := os.Stat(t.Data); err != nil {
		return backends{}, nil, fmt.Errorf("no weir answers on http://%s and there is no data directory %s: start one with \"weir serve\", or name one with --data", defaultListen, t.Data)
	}
	h, err := openHouse(ctx, houseConfig{Dir: t.Data, Listen: "127.0.0.1:0"})
	if err != nil {
		return backends{}, nil, err
	}
	return embedded(h), func() {
		if err := h.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "weir: close the data directory:", err)
		}
	}, nil
}

// openIn opens a table of the catalog or of a bucket.
func (t *tableTarget) openIn(ctx context.Context, b backends) (*openTable, error) {
	location := t.Table
	if !strings.Contains(location, "://") {
		database, name, _ := strings.Cut(location, ".")
		entry, err := b.catalog.Table(ctx, database, name)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, fmt.Errorf("the catalog at %s has no such table. List its tables with: weir sql \"SHOW TABLES IN %s\"", b.where, database)
		}
		if err != nil {
			return nil, err
		}
		if location = entry.Storage.Location; location == "" {
			return nil, fmt.Errorf("%s has no location in the catalog", t.Table)
		}
	}
	bucket, prefix, err := objstore.ParseURL(location)
	if err != nil {
		return nil, err
	}
	table, err := delta.Open(ctx, delta.InBucket(b.objects, bucket, strings.TrimSuffix(prefix, "/")))
	if err != nil {
		return nil, err
	}
	return &openTable{Table: table, store: b.objects, location: location}, nil
}

// explain says what to do next about errors that users meet.
func (t *tableTarget) explain(err error) error {
	var missing *delta.MissingFiles
	switch {
	case err == nil:
		return nil
	case errors.Is(err, delta.ErrNoTable):
		return fmt.Errorf("%s: %w: it has no _delta_log. Name the folder that holds _delta_log", t.Table, err)
	case errors.As(err, &missing):
		return fmt.Errorf("%s: %w. Restore the rest with --ignore-missing, or choose a later version: weir table history %s", t.Table, err, t.Table)
	case errors.Is(err, delta.ErrNoVersion):
		return fmt.Errorf("%s: %w. Versions that are there: weir table history %s", t.Table, err, t.Table)
	case errors.Is(err, delta.ErrUnsupported):
		return fmt.Errorf("%s: %w. Nothing was changed", t.Table, err)
	case errors.Is(err, delta.ErrConflict):
		return fmt.Errorf("%s: %w. Nothing was changed; run the command again", t.Table, err)
	case errors.Is(err, delta.ErrUnresolved):
		return fmt.Errorf("%s: %w. See whether it was written: weir table history %s", t.Table, err, t.Table)
	case errors.Is(err, delta.ErrCorrupt):
		return fmt.Errorf("%s: %w. See all that is wrong: weir table check %s", t.Table, err, t.Table)
	}
	return explain(fmt.Errorf("%s: %w", t.Table, err), "", t.Endpoint)
}

// with opens the table, does something with it, and explains what goes wrong.
func (t *tableTarget) with(ctx context.Context, do func(*openTable) error) error {
	o, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	return t.explain(do(o))
}

// version finds the version that a user means by a number or a time.
func (o *openTable) version(ctx context.Context, text string) (int64, error) {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return v, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			s, err := o.SnapshotAsOf(ctx, at)
			if err != nil {
				return 0, err
			}
			return s.Version(), nil
		}
	}
	return 0, fmt.Errorf("%q is no version and no time: write 12, 2026-01-31 or \"2026-01-31 12:00:00\" (UTC)", text)
}

// snapshot is a version, the newest if none is named.
func (o *openTable) snapshot(ctx context.Context, text string) (*delta.Snapshot, error) {
	if text == "" {
		return o.Snapshot(ctx)
	}
	v, err := o.version(ctx, text)
	if err != nil {
		return nil, err
	}
	return o.SnapshotAt(ctx, v)
}

// printJSONLine writes a value as a line of JSON.
func printJSONLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// sizeText is a size for people: 12 B, 3.4 MiB.
func sizeText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// timeText is a time to the second, in UTC.
func timeText(at time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return at.UTC().Format("2006-01-02 15:04:05")
}

// counted is a number with its noun: 1 file, 1,200 files.
func counted(n int64, noun string) string { return count(n) + " " + plural(int(n), noun) }

// progressLine is a line on a terminal that is written over and over; in a pipe it is nothing.
type progressLine struct {
	scr  *screen
	last time.Time
}

func newProgressLine() *progressLine { return &progressLine{scr: newScreen(os.Stderr)} }

// show writes the line, at most ten times a second.
func (p *progressLine) show(format string, args ...any) {
	if now := time.Now(); p.scr.tty && now.Sub(p.last) >= 100*time.Millisecond {
		p.last = now
		p.scr.printf("\r\x1b[K%s", p.scr.dim(fmt.Sprintf(format, args...)))
	}
}

// end removes the line.
func (p *progressLine) end() {
	if p.scr.tty {
		p.scr.printf("\r\x1b[K")
	}
}
