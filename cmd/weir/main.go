// Command weir is the whole product in one binary: the server of all APIs, and the commands that produce records, run
// pipelines, ask SQL and measure.
//
// Every command stands in a file of its own. house.go is the wiring of the server, backends.go the choice between what is
// embedded and what is at AWS.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/query/duckdb"
)

// cli is the command line.
type cli struct {
	Demo     DemoCmd     `cmd:"" help:"Run both tutorials end to end in this terminal and check every count."`
	Serve    ServeCmd    `cmd:"" help:"Serve all APIs on one port."`
	Produce  ProduceCmd  `cmd:"" help:"Send records to a stream: generated rides or users, or the rows of a file."`
	Tail     TailCmd     `cmd:"" help:"Follow the records of a stream as they arrive."`
	Run      RunCmd      `cmd:"" help:"Run a pipeline: from a stream, through SQL, into a Delta table."`
	Pipeline PipelineCmd `cmd:"" help:"Pipelines of a server: create, list, show, pause, resume, remove."`
	Infer    InferCmd    `cmd:"" help:"Write the schema of the records of a stream or a file, for a pipeline file."`
	Replay   ReplayCmd   `cmd:"" help:"Feed the dead letters of a pipeline through it again, corrected by now."`
	SQL      SQLCmd      `cmd:"" name:"sql" help:"Ask SQL of the catalog's tables."`
	Table    TableCmd    `cmd:"" help:"Look at Delta tables, and look after them: show, history, check, vacuum, restore …"`
	State    StateCmd    `cmd:"" help:"Look at what the query of a pipeline remembers, by SQL."`
	Dump     DumpCmd     `cmd:"" help:"Print a file of weir's own formats."`
	Check    CheckCmd    `cmd:"" help:"Verify a whole data directory."`
	Bench    BenchCmd    `cmd:"" help:"Measure this machine."`
}

// workerMain does not return in a process that was started to work for another.
func workerMain() {
	duckdb.WorkerMain()
	batchduckdb.WorkerMain()
	liveWorkerMain()
	pipelineWorkerMain()
}

func main() {
	workerMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("weir"), kong.UsageOnError(),
		kong.Description("Streams of records in, tables out, SQL on top, through the APIs of AWS."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		os.Exit(1)
	}
}
