package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/files"
	"github.com/weir-data/weir/batch/replay"
	"github.com/weir-data/weir/objstore"
)

// ReplayCmd feeds the dead letters of a pipeline through it again.
type ReplayCmd struct {
	pipelineTarget
	Kept bool `help:"Also records that are in the table already, with null where they did not fit. They will be there twice."`
}

// Help is shown by weir replay --help.
func (ReplayCmd) Help() string {
	return `Correct the pipeline file first (a wider type, a looser schema, another query), then replay: the records of all dead letters that were
not replayed before go through it into its sinks, exactly once, also when this is killed in between. What still does not fit goes to
DEAD_LETTERS/_replay. Letters stay where they are. The pipeline itself may run meanwhile.

Examples:
  weir replay rides.yaml
  weir replay rides.yaml --print                 with the rows
  weir replay rides.yaml --keep ./progress       if the pipeline runs with --keep`
}

// replayAge is how much older than the youngest a letter may be.
const replayAge = 100 * 365 * 24 * time.Hour

// Run replays what is there.
func (c *ReplayCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	p, err := batch.ParsePipeline(c.File, text)
	if err != nil {
		return err
	}
	if p.DeadLetters == "" {
		return fmt.Errorf("pipeline %s has no dead_letters", p.Name)
	}
	b, done, err := c.backends(ctx)
	if err != nil {
		return err
	}
	defer done()
	sources, err := letterSources(p, b.objects, c.Kept)
	if err != nil {
		return err
	}
	opts := batch.Options{Sources: map[string]batch.Source{}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	for name, s := range sources {
		opts.Sources[name] = s
	}
	if c.Print {
		opts.Print = &batch.ConsolePrinter{W: os.Stdout, NumRows: c.Rows}
	}
	total := new(runTotal)
	opts.OnProgress = total.add
	run, err := startPipeline(ctx, replayOf(p), b, opts, checkRowwise)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		run.engine.Stop()
	case <-run.done:
	}
	if err := run.wait(); err != nil {
		return explain(err, p.Sources[0].Stream, b.where)
	}
	skipped, foreign := int64(0), int64(0)
	for _, s := range sources {
		skipped += s.Skipped
		foreign = s.Foreign // each has seen all of them
	}
	fmt.Fprintf(os.Stderr, "pipeline %s: %s dead letters replayed, %s do not fit even now\n", p.Name, count(total.records), count(total.dead))
	if skipped > 0 {
		fmt.Fprintf(os.Stderr, "%s letters left out, whose records have rows already (see --kept)\n", count(skipped))
	}
	if foreign > 0 {
		fmt.Fprintf(os.Stderr, "%s letters left out, of streams that the pipeline does not read: put their records into its stream again\n", count(foreign))
	}
	return nil
}

// letterSources are the letters of each source of a pipeline.
func letterSources(p *batch.Pipeline, objects objstore.Store, kept bool) (map[string]*replay.Source, error) {
	bucket, prefix, err := objstore.ParseURL(p.DeadLetters)
	if err != nil {
		return nil, fmt.Errorf("dead_letters: %w", err)
	}
	all := map[string]*replay.Source{}
	var streams []string
	for _, s := range p.Sources {
		streams = append(streams, s.Stream)
	}
	for _, s := range p.Sources {
		all[s.Name] = replay.New(files.InBucket(objects, bucket, prefix, files.Options{MaxAge: replayAge}), replay.Options{Stream: s.Stream, Streams: streams, Kept: kept})
	}
	return all, nil
}

// replayOf is the pipeline by which the letters of p are replayed: one of its own to tables and progress, so that neither disturbs the
// other.
func replayOf(p *batch.Pipeline) *batch.Pipeline {
	r := *p
	r.Name = p.Name + ".replay"
	r.DeadLetters = p.DeadLetters + "/_replay"
	r.Trigger = batch.Trigger{AvailableNow: true}
	r.Sources = append([]batch.SourceSpec(nil), p.Sources...)
	for i := range r.Sources {
		r.Sources[i].Start = batch.Start{}
	}
	return &r
}

// checkRowwise refuses queries whose state a replay would not see.
func checkRowwise(p *batch.Program) error {
	if len(p.States) == 0 {
		return nil
	}
	return fmt.Errorf("remembers something between batches (%s), which late records would come too late for; "+
		"put their stream's records into the stream again instead", p.States[0].Operator)
}
