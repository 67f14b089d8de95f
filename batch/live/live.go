// Package live answers what a pipeline would write if it ran now: the rows that its table lacks, up to the newest record of its
// sources or up to a cut that the caller chooses. FOR LIVE in SQL is made of it.
//
// Since says where the table stands: the newest batch that a version of it holds, as the progress of the pipeline knows it. Run goes on
// from there with the pipeline's own engine (batch.Engine), so that decoding, query and watermarks are the same, but with other ends: the
// sources end at a cut, the sink keeps the rows as Parquet files in a folder, and progress, dead letters and state go nowhere. The Tail
// has the files, and the cut. Where the table holds more than a Choice, Run fails with a PassedError, and Before finds a batch that an older
// version of the table may end with.
//
// The order of calls matters: the progress is read before the table, which is read before Run. Then every batch that the progress calls
// done is in the table, whatever the pipeline does meanwhile, and no record is in both the table and the tail, or in neither. A batch that
// the table holds and the progress does not call done is run again for the state that follows from it, and its rows are left out.
//
// Nothing is kept, and nothing is changed but in the folder.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// ErrTooMuch says that more is waiting than a tail may have.
var ErrTooMuch = errors.New("too much is waiting for the pipeline")

// Source is a source of a pipeline that can be cut: it is a batch.Tipper, which knows its newest records beforehand, or a Walker, which
// learns them by reading.
type Source interface {
	batch.Source
	batch.Starter
}

// Walker is a Source that finds its newest records as it plans.
type Walker interface {
	// Tips are the shards that the newest Plan read to their newest record, with that record; those of them that have ended, which others may
	// follow; and those that it did not read so far.
	Tips() (tips batch.Offset, ended, short []string)
}

// Options of Run. All are required but Tables, State and StateKept, which only some queries need, and those with defaults.
type Options struct {
	Pipeline *batch.Pipeline
	Sources  map[string]Source
	Compile  func(p *batch.Pipeline, inputs map[string]*columnar.Schema) (*batch.Program, error)
	Runner   batch.Runner
	Tables   batch.Tables
	State    func(ctx context.Context) (batch.StateStore, error) // a copy, which Run changes
	// StateKept tells the newest batch of that copy, -1 for none.
	StateKept func(ctx context.Context) (int64, error)
	// From is where the table stands, as Since tells, and Held the newest batch that it holds, -1 for none.
	From batch.Progress
	Held int64
	// Choice is where the sources are cut; nil: at their newest records.
	Choice *Choice
	// PartitionBy are the table's columns by which rows of mode Append go into files; the files lack them.
	PartitionBy []string
	Dir         string // an existing, empty folder for the rows
	// BytesMax bounds the records that are read; default 1 GiB.
	BytesMax int64
	Now      func() time.Time
}

const (
	bytesMaxDefault = 1 << 30
	writtenMax      = 4 << 30 // bytes of files
)

// Tail is what a table lacks.
type Tail struct {
	// Mode says what becomes of Files: rows of Append are added; those of Update replace what has the same Keys, the newer file's before
	// those of older ones; those of Complete replace all, if Batches is not 0.
	Mode  batch.OutputMode
	Keys  []string
	Files []File

	Batch     int64     // the newest that the table holds, -1 for none
	Batches   int       // that were run behind it
	Records   int64     // that were read behind it
	Letters   int64     // records among them that are no rows, or not wholly
	Rows      int64     // in Files
	Watermark time.Time // with which the newest batch worked; zero: none
	Cuts      []Cut     // in the order of the pipeline's sources
}

// File holds rows of one batch.
type File struct {
	batch.ParquetFile
	Batch int64
}

// Run returns what the table lacks. It fails with ErrTooMuch, ErrCut, a *PassedError, or as the pipeline itself would.
func Run(ctx context.Context, opts Options) (*Tail, error) {
	if opts.BytesMax == 0 {
		opts.BytesMax = bytesMaxDefault
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	p := *opts.Pipeline
	p.Trigger, p.DeadLetters, p.Sources = batch.Trigger{}, "", slices.Clone(p.Sources)
	for i := range p.Sources { // the limits are for the pipeline's latency
		p.Sources[i].Limit = batch.DefaultLimit
	}
	r := &run{opts: opts, tail: &Tail{Mode: p.Mode, Batch: -1}, left: opts.BytesMax}
	if plan := opts.From.Plan; plan != nil && (opts.From.Mark.Batch == plan.Batch || opts.Held >= plan.Batch) {
		r.tail.Batch = plan.Batch
	}
	sources, err := r.cut(ctx, &p)
	if err != nil {
		return nil, err
	}
	engine, err := batch.New(batch.Options{
		Pipeline: &p, Sources: sources, Compile: opts.Compile, Runner: opts.Runner, Tables: opts.Tables, State: opts.State, StateKept: opts.StateKept,
		Sinks: []batch.Sink{r}, Letters: nowhere{}, Progress: &progress{opts.From}, Once: true, OnProgress: r.count,
		RetryFor: retryFor, Logger: slog.New(slog.DiscardHandler), Now: opts.Now,
	})
	if err != nil {
		return nil, err
	}
	if err := engine.Run(ctx); err != nil {
		return nil, err
	}
	return r.tail, r.complete(ctx)
}

// retryFor is short: somebody waits.
const retryFor = 3 * time.Second

// run is one Run. It is the sink of the engine.
type run struct {
	opts    Options
	tail    *Tail
	sources []*source
	left    int64 // bytes of records that may still be read
	out     batch.Output
	folders int
	written int64 // bytes of files
}

// cut makes the sources of the engine, which end at the choice or at what is there now.
func (r *run) cut(ctx context.Context, p *batch.Pipeline) (map[string]batch.Source, error) {
	if err := r.opts.Choice.check(p, r.opts.Now()); err != nil {
		return nil, err
	}
	all, chosen, passed := map[string]batch.Source{}, map[string]batch.Offset{}, ""
	for i := range p.Sources {
		spec := &p.Sources[i]
		src := r.opts.Sources[spec.Name]
		if src == nil {
			return nil, fmt.Errorf("nothing reads source %s", spec.Name)
		}
		s := &source{Source: src, run: r, dated: spec.Kind == batch.FileSource}
		if err := s.aim(ctx, r.opts.Choice, spec.Name); err != nil {
			return nil, fmt.Errorf("source %s: %w", spec.Name, err)
		}
		var err error
		if s.at, err = r.start(ctx, s, spec); err != nil {
			return nil, fmt.Errorf("start of source %s: %w", spec.Name, err)
		}
		if r.opts.Choice != nil {
			chosen[spec.Name] = s.to
			if shard, in := within(r.planned(spec.Name, s.at), s.to); !in {
				passed = heldText(spec.Name, shard, r.planned(spec.Name, s.at)[shard])
			}
		}
		r.sources, all[spec.Name] = append(r.sources, s), s
		r.tail.Cuts = append(r.tail.Cuts, Cut{Source: spec.Name, Stream: spec.Stream, After: s.at.Clone(), To: s.to})
	}
	if passed != "" {
		return nil, &PassedError{Cut: chosen, Held: passed}
	}
	return all, nil
}

// start is the position behind what the table holds.
func (r *run) start(ctx context.Context, s *source, spec *batch.SourceSpec) (batch.Offset, error) {
	plan := r.opts.From.Plan
	if plan == nil {
		return s.Position(ctx, spec.Start)
	}
	if r.tail.Batch == plan.Batch {
		return plan.Sources[spec.Name].End, nil
	}
	return plan.Sources[spec.Name].Start, nil
}

// planned is how far a source is read in any case: to the end of a batch that was planned, if there is one, else to at.
func (r *run) planned(source string, at batch.Offset) batch.Offset {
	if plan := r.opts.From.Plan; plan != nil {
		return plan.Sources[source].End
	}
	return at
}

// count adds up what the engine tells of a batch.
func (r *run) count(b batch.Report) {
	for i, s := range b.Sources {
		r.sources[i].at = s.EndOffset
	}
	if b.EventTime.Watermark != "" {
		if at, err := time.Parse(time.RFC3339Nano, b.EventTime.Watermark); err == nil {
			r.tail.Watermark = at
		}
	}
	if b.BatchID <= r.tail.Batch {
		return
	}
	r.tail.Batches++
	r.tail.Records += b.NumInputRows
	r.tail.Letters += b.DeadLetters
}

// complete checks that every record up to the cut was read, and tells where the cut came to be of sources that are read to find it.
func (r *run) complete(ctx context.Context) error {
	for i, s := range r.sources {
		cut := &r.tail.Cuts[i]
		cut.To = s.to
		if s.dated {
			continue // Read fails if a planned file is gone
		}
		shard, in := within(s.to, s.at)
		if in {
			continue
		}
		if tipper, ok := s.Source.(batch.Tipper); ok {
			now, err := tipper.Latest(ctx)
			if err != nil {
				return err
			}
			if shard, in = notRead(s.to, s.at, now); in {
				continue // a shard that retention took meanwhile has none
			}
		} else if r.opts.Choice != nil {
			return fmt.Errorf("%w: source %s has no record %s in shard %s yet, or no longer, or has no such shard", ErrCut, cut.Source, s.to[shard], shard)
		}
		return fmt.Errorf("source %s was read to %q of shard %s, and not to the cut at %s", cut.Source, s.at[shard], shard, s.to[shard])
	}
	return nil
}

// notRead is a shard that is still there, and was not read to the cut.
func notRead(cut, at, now batch.Offset) (shard string, in bool) {
	for shard, seq := range cut {
		if _, there := now[shard]; there && behind(at[shard], seq) {
			return shard, false
		}
	}
	return "", true
}
