package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	batchdelta "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/folders"
	"github.com/weir-data/weir/batch/state"
)

// pipelineTarget is a pipeline file and where it runs.
type pipelineTarget struct {
	File     string `arg:"" help:"Pipeline file." type:"existingfile" placeholder:"PIPELINE.yaml"`
	Print    bool   `help:"Show every micro-batch, as Spark's console does."`
	Rows     int    `help:"Rows shown of each micro-batch." default:"20"`
	Endpoint string `help:"Endpoint to run against. Default: AWS_ENDPOINT_URL, else a weir on this machine, else the data directory itself." placeholder:"URL"`
	Keep     string `help:"Where to keep the pipeline's progress, if not beside its table: s3://BUCKET/FOLDER or a folder of this machine." placeholder:"PLACE"`
	Embedded bool   `help:"Open the data directory in this process, whatever else runs: no wire between stream and table."`
	Data     string `help:"Data directory, when no server runs." default:"./weir-data" type:"path"`
}

// RunCmd runs one pipeline until ctrl-C.
type RunCmd struct {
	pipelineTarget
	Once     bool `help:"Take what is there now, then stop."`
	Progress bool `help:"Print the progress of every batch as a line of JSON (Spark's StreamingQueryProgress)."`
}

// Help is shown by weir run --help.
func (RunCmd) Help() string {
	return `A pipeline reads a stream, parses its records by a schema, runs SQL over each micro-batch and appends the rows to a Delta
table, exactly once, also when it is killed in between. Ctrl-C finishes the batch at hand and stops; the next start goes on
where this one was. docs/pipeline.md describes the file.

Examples:
  weir run examples/rides/rides.yaml --print     with the rows of every micro-batch
  weir run rides.yaml --once                     what is there now, then stop
  weir run rides.yaml --endpoint http://weir.lan:4566`
}

// Run runs the pipeline where findEndpoint says, else inside of this process.
func (c *RunCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	p, err := batch.ParsePipeline(c.File, text)
	if err != nil {
		return err
	}
	b, done, err := c.backends(ctx)
	if err != nil {
		return err
	}
	defer done()
	scr := newScreen(os.Stdout)
	opts := batch.Options{Once: c.Once, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if c.Print {
		opts.Print = &batch.ConsolePrinter{W: os.Stdout, NumRows: c.Rows}
	}
	total := new(runTotal)
	opts.OnProgress = func(r batch.Report) {
		total.add(r)
		switch {
		case c.Progress:
			json.NewEncoder(os.Stdout).Encode(r)
		case scr.tty && !c.Print:
			scr.live(total.line(r))
		}
	}
	if scr.tty && !c.Print && !c.Progress {
		opts.OnWait = func(w *batch.Waiting) {
			if w != nil {
				scr.live("waiting: " + w.Text(time.Now()))
			}
		}
	}
	run, err := startPipeline(ctx, p, b, opts, nil)
	if err != nil {
		return explain(err, p.Sources[0].Stream, b.where)
	}
	fmt.Fprintf(os.Stderr, "pipeline %s: %s at %s\n", p.Name, sourceText(p), b.where)
	select {
	case <-ctx.Done():
		run.engine.Stop() // the batch at hand is finished
	case <-run.done:
	}
	err = run.wait()
	if scr.tty && !c.Print {
		scr.printf("\n")
	}
	if err == nil || total.batches > 0 {
		fmt.Fprintf(os.Stderr, "pipeline %s: %s records in %d batches, %s dead letters\n", p.Name, count(total.records), total.batches, count(total.dead))
	}
	return explain(err, p.Sources[0].Stream, b.where)
}

// sourceText names what a pipeline reads.
func sourceText(p *batch.Pipeline) string {
	var all []string
	for _, s := range p.Sources {
		all = append(all, string(s.Kind)+" "+s.Stream)
	}
	return strings.Join(all, ", ")
}

// backends finds a server, or opens the data directory in this process.
func (c *pipelineTarget) backends(ctx context.Context) (b backends, done func(), err error) {
	if c.Embedded && c.Endpoint != "" {
		return b, nil, errors.New("--embedded and --endpoint contradict each other")
	}
	if endpoint := c.endpoint(ctx); endpoint != "" {
		cl, err := newClients(ctx, endpoint)
		if err != nil {
			return b, nil, err
		}
		return remote(cl, c.Keep), func() {}, nil
	}
	if c.Keep != "" {
		return b, nil, errors.New("--keep needs an endpoint; without one, progress is kept in the data directory")
	}
	h, err := openHouse(ctx, houseConfig{Dir: c.Data, Listen: defaultListen, ListenElsewhere: true})
	if err != nil {
		return b, nil, err
	}
	fmt.Fprintf(os.Stderr, "no weir is running: serving %s at %s meanwhile\n", c.Data, h.URL)
	return embedded(h), func() { h.Close() }, nil
}

// endpoint is where to run against; "" is this process.
func (c *pipelineTarget) endpoint(ctx context.Context) string {
	if c.Embedded {
		return ""
	}
	return findEndpoint(ctx, c.Endpoint)
}

// running is a pipeline at work in this process.
type running struct {
	engine *batch.Engine
	cancel context.CancelFunc
	done   chan struct{}
	err    error // to be read after done
}

// startPipeline puts sources, runner, sinks, progress and state together and lets the engine run. The caller waits for it. When ctx
// ends the engine goes on: stop it with engine.Stop, so that the batch at hand is finished, or with cancel. A check, if there is one, may
// refuse the program of the query.
func startPipeline(ctx context.Context, p *batch.Pipeline, b backends, opts batch.Options, check func(*batch.Program) error) (*running, error) {
	place, err := b.state(p)
	if err != nil {
		return nil, err
	}
	if opts.Fault == nil {
		if opts.Fault, err = faultPoint(); err != nil {
			return nil, err
		}
	}
	opts.State = func(context.Context) (batch.StateStore, error) { return state.Open(place) }
	opts.StateKept = func(ctx context.Context) (int64, error) { return state.Newest(ctx, place) }
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{batchdelta.StagingDir(b.objects), place.Dir}})
	if err != nil {
		return nil, err
	}
	runner, err := db.NewRunner()
	if err != nil {
		db.Close()
		return nil, err
	}
	deltas := batchdelta.NewTables(batchdelta.TablesOptions{Store: b.objects, Catalog: b.catalog, DB: db})
	tables := folders.New(folders.Options{Store: b.objects, Catalog: b.catalog, Delta: deltas, Staging: batchdelta.StagingDir(b.objects)})
	closeDB := func() {
		tables.Close() // what stays is emptied when the store opens
		deltas.Close()
		runner.Close()
		db.Close()
	}
	opts.Runner, opts.Tables = runner, tables
	if opts.Compile = compiler(context.WithoutCancel(ctx), tables); check != nil {
		opts.Compile = checked(opts.Compile, check)
	}
	engine, err := newEngine(ctx, p, b, db, opts)
	if err != nil {
		closeDB()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{engine: engine, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = engine.Run(ctx)
		closeDB()
	}()
	return r, nil
}

// newEngine gives the engine its parts out of b, but for those that opts has.
func newEngine(ctx context.Context, p *batch.Pipeline, b backends, db *duckdb.DB, opts batch.Options) (_ *batch.Engine, err error) {
	opts.Pipeline = p
	if opts.Sources == nil {
		opts.Sources = map[string]batch.Source{}
		for i := range p.Sources {
			if opts.Sources[p.Sources[i].Name], err = b.open(ctx, &p.Sources[i]); err != nil {
				return nil, err
			}
		}
	}
	if opts.Progress, err = b.progress(p); err != nil {
		return nil, err
	}
	if p.DeadLetters != "" {
		if opts.Letters, err = batchdelta.NewLetters(b.objects, p.DeadLetters); err != nil {
			return nil, err
		}
	}
	for i := range p.Sinks {
		sink, err := newSink(&p.Sinks[i], b, db)
		if err != nil {
			return nil, err
		}
		opts.Sinks = append(opts.Sinks, sink)
	}
	return batch.New(opts)
}

// wait returns when the engine has ended, and why.
func (r *running) wait() error {
	<-r.done
	r.cancel()
	return r.err
}

// runTotal adds up what a run did.
type runTotal struct {
	batches       int
	records, dead int64
	began         time.Time
}

func (t *runTotal) add(r batch.Report) {
	if t.batches == 0 {
		t.began = time.Now()
	}
	t.batches++
	t.records += r.NumInputRows
	t.dead += r.DeadLetters
}

// line is the live line on a terminal.
func (t *runTotal) line(r batch.Report) string {
	s := fmt.Sprintf("batch %d: %s records in %d ms (%s/s), %s in all", r.BatchID, count(r.NumInputRows), r.BatchDuration, human(r.ProcessedRate), count(t.records))
	if t.dead > 0 {
		s += ", " + count(t.dead) + " dead letters"
	}
	return s
}
