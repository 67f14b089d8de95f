package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// FOR LIVE reads a table as its pipelines would leave it if they ran now: a version of the table, and the rows that they have yet to write,
// cut at the newest records, or where FOR LIVE AS OF says. All places of a statement that read a table so have one cut, which "name$live" tells.

// Live finds the pipelines that write tables.
type Live interface {
	// Find returns the pipelines that write the table at a location, s3://bucket/folder, where each stands now. The table is read after
	// that and before their tails.
	Find(ctx context.Context, location string) ([]LivePipeline, error)
}

// LivePipeline is a pipeline as it stood when it was found.
type LivePipeline interface {
	Name() string
	// Tail returns what a version of the table lacks. ErrMoved: find it again. A *PassedError: the version holds more than the cut. What is
	// wrong with the pipeline is an *sql.Error.
	Tail(ctx context.Context, req TailRequest) (*Tail, error)
}

// TailRequest says of a version of the table, and of the rows that it lacks.
type TailRequest struct {
	Held  int64    // the newest batch of the pipeline that the version holds, -1 for none
	Below int64    // a batch that it lacks, as do all behind it, whatever the pipeline has done; math.MaxInt64 for the newest version
	Cut   *LiveCut // of the pipeline's sources; nil: at the newest records
	// Rows that are added come in files by partition, which lack the columns of PartitionBy.
	PartitionBy []string
	Dir         string // an empty folder for the files
}

// PassedError says that a version of the table holds more of a pipeline than a chosen cut.
type PassedError struct {
	Batch int64 // the newest that a version may hold, -1 if the pipeline does not know such a batch any more
	Why   string
}

// Error implements error.
func (e *PassedError) Error() string { return e.Why }

// ErrMoved says that a pipeline went on so far that what it had when it was found is gone.
var ErrMoved = errors.New("the pipeline has gone on meanwhile")

// Tail is what a table lacks of a pipeline.
type Tail struct {
	Files []TailFile
	// Whole: Files are all of the table. Else, if Keys is not nil, their rows replace those of the same keys, and rows of newer batches
	// those of older ones. Else they are added.
	Whole bool
	Keys  []string

	Batch     int64 // the newest that the table holds, -1 for none
	Records   int64 // behind it, up to the cut
	Letters   int64 // records that are no rows, or not wholly
	Rows      int64 // in Files
	Watermark time.Time
	Cuts      []TailCut
}

// TailFile is a Parquet file on this machine.
type TailFile struct {
	Path      string
	Size      int64
	Partition map[string]*string // as the Delta log would have it
	Batch     int64
}

// TailCut says which records of a shard the tail is made of: those behind After (empty: from the oldest) up to and including To.
type TailCut struct{ Source, Stream, Shard, After, To string }

// liveTable is a table for all the places of a statement that read it FOR LIVE.
type liveTable struct {
	*deltaTable
	names []string // of the pipelines
	tails []*Tail  // of each
}

// livePart is what a table of the view is that puts a liveTable together.
type livePart struct {
	delta *deltaTable
	tail  []TailFile // if delta is nil
	cols  []sql.Column
}

const (
	liveAttempts = 3
	// liveDatabase is where the parts of a liveTable are, for the statement only: the catalog has no such name.
	liveDatabase = "$live"
	batchColumn  = "$batch"
)

// live reads a table and its tails, once for the statement.
func (p *planner) live(t *planned) (*liveTable, error) {
	cut, text, err := p.liveCut(t.ref)
	if err != nil {
		return nil, err
	}
	key := t.table.Storage.Location + text
	if l := p.lives[key]; l != nil {
		return l, nil
	}
	if !isDelta(t.table) || p.s.opts.Live == nil {
		return nil, &sql.Error{Code: "NOT_SUPPORTED", Pos: t.ref.Name.Pos, Msg: "FOR LIVE is for Delta tables that pipelines of this server write"}
	}
	dir, err := os.MkdirTemp(p.s.scratch(), "live-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for rows: %w", err)
	}
	p.temp(dir)
	var l *liveTable
	for attempt := range liveAttempts {
		l, err = p.openLive(t, cut, filepath.Join(dir, strconv.Itoa(attempt)))
		if !errors.Is(err, ErrMoved) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if p.lives == nil {
		p.lives = map[string]*liveTable{}
	}
	p.lives[key] = l
	p.notes = append(p.notes, l.note(t.table.Database+"."+t.table.Name))
	return l, nil
}

// openLive finds the pipelines, reads the table, and then the tails. In this order nothing is missing and nothing twice. Where the table holds
// more than the cut it goes back to an older version.
func (p *planner) openLive(t *planned, cut *LiveCut, dir string) (*liveTable, error) {
	found, err := p.s.opts.Live.Find(p.ctx, t.table.Storage.Location)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refusedLive(t, "no pipeline of this server writes %s.%s (%s). Keep its file here: weir pipeline create FILE, with --paused "+
			"if it runs elsewhere against this server", t.table.Database, t.table.Name, t.table.Storage.Location)
	}
	if err := cut.check(found); err != nil {
		return nil, refusedLive(t, "%s", err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	at := &liveVersion{version: -1}
	for round := 0; ; round++ {
		l := &liveTable{names: names}
		if l.deltaTable, err = p.openDelta(t); err == nil && at.version >= 0 {
			l.snapshot, err = l.known.table.SnapshotAt(p.ctx, at.version)
		}
		if err == nil {
			err = l.checkColumns(t)
		}
		if err != nil {
			return nil, err
		}
		passed, err := p.tails(t, l, found, at, cut, filepath.Join(dir, strconv.Itoa(round)))
		if passed == nil || err != nil {
			return l, err
		}
		ok := passed.Batch >= 0 && round <= len(found)
		if ok {
			ok, err = p.older(at, l.known.table, names, names[len(l.tails)], passed.Batch)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, refusedLive(t, "%s, and there is no older version before it; FOR VERSION AS OF reads older versions as they are", passed.Why)
		}
	}
}

// ownValues are the metadata of columns whose values, where a row does not give them, are made when it is committed.
var ownValues = map[string]string{"delta.generationExpression": "generated", "delta.identity.start": "an identity", "CURRENT_DEFAULT": "one with a default"}

// checkColumns refuses columns that rows get when they are committed.
func (l *liveTable) checkColumns(t *planned) error {
	for _, f := range l.snapshot.Schema().Fields {
		for key, what := range ownValues {
			if f.Metadata[key] != nil {
				return refusedLive(t, "column %s of %s.%s is %s: its values are known when rows are committed", f.Name, t.table.Database, t.table.Name, what)
			}
		}
	}
	return nil
}

// tails fills in the tails of all pipelines, up to one whose cut the table has passed.
func (p *planner) tails(t *planned, l *liveTable, found []LivePipeline, at *liveVersion, cut *LiveCut, dir string) (*PassedError, error) {
	for i, f := range found {
		req := TailRequest{Held: heldOf(l.snapshot, f.Name()), Below: at.bound(f.Name()), Dir: filepath.Join(dir, strconv.Itoa(i))}
		if l.inFiles() {
			req.PartitionBy = l.snapshot.PartitionBy()
		}
		var err error
		if req.Cut, err = cut.of(f.Name(), len(found)); err != nil {
			return nil, refusedLive(t, "%s", err)
		}
		if err := os.MkdirAll(req.Dir, 0o755); err != nil {
			return nil, err
		}
		tail, err := f.Tail(p.ctx, req)
		if passed := new(PassedError); errors.As(err, &passed) {
			return passed, nil
		}
		if err != nil {
			return nil, err
		}
		if len(found) > 1 && (tail.Whole || tail.Keys != nil) {
			return nil, refusedLive(t, "%d pipelines write %s.%s, and %s changes its rows", len(found), t.table.Database, t.table.Name, f.Name())
		}
		l.tails = append(l.tails, tail)
	}
	return nil, nil
}

func refusedLive(t *planned, format string, args ...any) error {
	return &sql.Error{Code: "NOT_SUPPORTED", Pos: t.ref.Name.Pos, Msg: "FOR LIVE: " + fmt.Sprintf(format, args...)}
}

// inFiles says whether rows of a tail can be read as files of the table: not where files of the table have other names for its columns.
func (l *liveTable) inFiles() bool { return l.snapshot.Mapping() == delta.MapNone }

// resolveLive makes the source of a table FOR LIVE.
func (p *planner) resolveLive(t *planned) (*sql.Source, error) {
	l, err := p.live(t)
	if err != nil {
		return nil, err
	}
	switch tail := l.tails[0]; {
	case tail.Whole:
		part := p.part(&livePart{tail: tail.Files, cols: l.columns()})
		return p.liveView("SELECT " + nameList(l.columns()) + " FROM " + part)
	case tail.Keys != nil && len(tail.Files) > 0:
		committed := p.part(&livePart{delta: l.deltaTable, cols: l.columns()})
		return p.liveView(merged(committed, p.part(&livePart{tail: tail.Files, cols: l.columns()}), l.columns(), tail.Keys))
	case !l.inFiles():
		return p.liveView(p.added(l))
	}
	t.delta = l.deltaTable
	for i, tail := range l.tails {
		for _, f := range tail.Files {
			d, err := l.uncommitted(f, l.names[i])
			if err != nil {
				return nil, err
			}
			t.tail = append(t.tail, d)
		}
	}
	t.source.Columns, t.source.Hidden = l.columns(), append(t.source.Hidden, l.rowColumns()...)
	p.tables = append(p.tables, t)
	return t.source, nil
}

// added is the query of a table with rows that are added to it.
func (p *planner) added(l *liveTable) string {
	names := nameList(l.columns())
	text := "SELECT " + names + " FROM " + p.part(&livePart{delta: l.deltaTable, cols: l.columns()})
	for _, tail := range l.tails {
		if len(tail.Files) > 0 {
			text += " UNION ALL SELECT " + names + " FROM " + p.part(&livePart{tail: tail.Files, cols: l.columns()})
		}
	}
	return text
}

// uncommitted is a file of rows that are added, as the log would have it.
func (l *liveTable) uncommitted(f TailFile, pipeline string) (dataFile, error) {
	values, err := l.partition(&delta.File{Path: f.Path, Partition: f.Partition})
	return dataFile{path: f.Path, label: "live://" + pipeline, size: f.Size, values: values}, err
}

// part names a part for the view that is made of it.
func (p *planner) part(part *livePart) (name string) {
	p.parts = append(p.parts, part)
	return quoted(liveDatabase) + "." + quoted(strconv.Itoa(len(p.parts)-1))
}

// resolvePart is resolve for the tables of such a view.
func (p *planner) resolvePart(name string) (*sql.Source, error) {
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || i >= len(p.parts) {
		return nil, &sql.Error{Code: "SCHEMA_NOT_FOUND", Msg: fmt.Sprintf("Schema '%s' does not exist", liveDatabase)}
	}
	part := p.parts[i]
	src := &sql.Source{Binding: fmt.Sprintf("weir_t%d", len(p.tables)+1), Columns: part.cols}
	if part.delta == nil {
		src.Hidden = []sql.Column{{Name: batchColumn, Type: sql.Type{Name: "bigint"}}}
	}
	p.tables = append(p.tables, &planned{source: src, delta: part.delta, part: part})
	return src, nil
}

// bindTail is bind for rows that stand in no table.
func (t *planned) bindTail() (b *Binding, scanned int64) {
	b = &Binding{Name: t.source.Binding, Format: Parquet}
	for _, c := range t.part.cols {
		b.Columns = append(b.Columns, BoundColumn{Name: c.Name, Type: c.Type})
	}
	batches := PartitionColumn{Name: batchColumn, Type: sql.Type{Name: "bigint"}}
	for _, f := range t.part.tail {
		b.Files = append(b.Files, f.Path)
		batches.Values = append(batches.Values, textOf(&f.Batch))
		scanned += f.Size
	}
	if t.source.Used[batchColumn] {
		b.Partitions = append(b.Partitions, batches)
	}
	return b, scanned
}

func (p *planner) liveView(text string) (*sql.Source, error) {
	stmt, err := sql.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read FOR LIVE: %w", err)
	}
	return &sql.Source{View: stmt.(*sql.SelectStmt).Query}, nil
}

// merged is the query of a table with rows that replace others: the newest of each key, and those of the table whose keys have none.
func merged(committed, tail string, cols []sql.Column, keys []string) string {
	var same, by []string
	for _, k := range keys {
		by = append(by, quoted(k))
		same = append(same, "n."+quoted(k)+" IS NOT DISTINCT FROM t."+quoted(k))
	}
	names := nameList(cols)
	return "SELECT " + names + " FROM " + committed + " AS t WHERE NOT EXISTS (SELECT 1 FROM " + tail + " AS n WHERE " + strings.Join(same, " AND ") + ")" +
		" UNION ALL SELECT " + names + " FROM (SELECT " + names + ", row_number() OVER (PARTITION BY " + strings.Join(by, ", ") +
		" ORDER BY " + quoted(batchColumn) + " DESC) AS " + quoted("$newest") + " FROM " + tail + ") WHERE " + quoted("$newest") + " = 1"
}

func nameList(cols []sql.Column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}

func quoted(name string) string {
	return `"` + strings.ReplaceAll(strings.ToLower(name), `"`, `""`) + `"`
}

// cuts is the table "name$live": a row for each shard, or for a source without records.
func (l *liveTable) cuts() *shown {
	return &shown{
		schema: shownSchema("pipeline:string,source:string,stream:string,shard:string,after_sequence_number:string,to_sequence_number:string," +
			"table_version:bigint,batch:bigint,records:bigint,dead_letters:bigint,rows:bigint,watermark:timestamp,cut:string"),
		rows: func(_ context.Context, add func(...any) error) error {
			cut := l.cutText()
			for i, t := range l.tails {
				for _, c := range t.Cuts {
					var watermark any
					if !t.Watermark.IsZero() {
						watermark = t.Watermark
					}
					err := add(l.names[i], c.Source, c.Stream, orNil(c.Shard), orNil(c.After), orNil(c.To), l.snapshot.Version(),
						t.Batch, t.Records, t.Letters, t.Rows, watermark, cut)
					if err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

// noteBytes bounds the cut that a note tells.
const noteBytes = 8 << 10

// note says in a line what was read.
func (l *liveTable) note(table string) string {
	var b strings.Builder
	if cut := l.cutText(); len(cut) <= noteBytes {
		fmt.Fprintf(&b, "%s FOR LIVE AS OF '%s': version %d", table, cut, l.snapshot.Version())
	} else {
		fmt.Fprintf(&b, "%s FOR LIVE (its cut is in \"%s$live\"): version %d", table, table[strings.LastIndexByte(table, '.')+1:], l.snapshot.Version())
	}
	for i, t := range l.tails {
		fmt.Fprintf(&b, ", and after batch %d of pipeline %s %d rows of %d records", t.Batch, l.names[i], t.Rows, t.Records)
	}
	return b.String()
}
