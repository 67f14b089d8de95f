// Command load makes the records of make pipeline-bench and brings them where a pipeline reads them: into a stream by PutRecords, or
// into a folder as files. Both get the same records, and both say when which records were there. It also watches a Delta table's log.
//
//	load files DIR       files of records, as many and as large as -n and -per say
//	load drop DIR        the same, each renamed into place when it is due at -rate
//	load put HOST:PORT   PutRecords into -stream, at -rate or as fast as they are taken
//	load watch DIR       a line for each version of the table in DIR, with the time at which it was seen, until it is interrupted
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weir-data/weir/test/traffic"
)

// options of all commands.
type options struct {
	records     traffic.Options
	per         int
	rate        float64
	duration    time.Duration
	stream      string
	shards      int
	connections int
	log         string
}

func main() {
	var o options
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&o.records.Shape, "shape", "rides", "rides or events")
	flags.IntVar(&o.records.Total, "n", 0, "records; 0: for -for")
	flags.DurationVar(&o.duration, "for", 0, "how long to put or drop")
	flags.IntVar(&o.per, "per", 62_500, "records of a file of files")
	flags.Float64Var(&o.rate, "rate", 0, "records a second; 0: as fast as they are taken")
	flags.StringVar(&o.stream, "stream", "input-stream", "stream to put into; created with -shards if it is not there")
	flags.IntVar(&o.shards, "shards", 4, "shards of a new stream")
	flags.IntVar(&o.connections, "connections", 8, "connections that put")
	flags.StringVar(&o.records.Times, "times", "order", "event times: order and mixed spread -n records over -span; now is the time of sending")
	flags.DurationVar(&o.records.Span, "span", 24*time.Hour, "event time between the first and the last of -n records")
	flags.IntVar(&o.records.Keys, "keys", 1_000_000, "different keys of events")
	flags.StringVar(&o.log, "log", "", "file that gets first record, records and Unix microseconds of each call or file; of watch: version and microseconds")
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: load files|drop|put|watch WHERE [FLAG…]")
		os.Exit(2)
	}
	if err := flags.Parse(os.Args[3:]); err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], o); err != nil {
		fmt.Fprintf(os.Stderr, "load %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// outcome is what a command prints when it is done.
type outcome struct {
	Records int     `json:"records"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

func run(ctx context.Context, command, where string, o options) error {
	log, err := openTimes(o.log)
	if err != nil {
		return err
	}
	began := time.Now()
	var out outcome
	switch command {
	case "files":
		out, err = writeFiles(o, where)
	case "drop":
		out, err = dropFiles(ctx, o, where, log)
	case "put":
		out, err = put(ctx, o, where, log)
	case "watch":
		err = watch(ctx, where, log)
	default:
		err = fmt.Errorf("there is no such command")
	}
	out.Seconds = time.Since(began).Seconds()
	if e := log.close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// put puts records and notes when each call was answered.
func put(ctx context.Context, o options, addr string, log *times) (outcome, error) {
	if o.duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.duration)
		defer stop()
	}
	p := &traffic.Putter{
		Addr: addr, Stream: o.stream, Shards: o.shards, Connections: o.connections, Records: o.records, Total: o.records.Total, Rate: o.rate,
		Answered: func(first, n int, _ time.Duration) { log.add(first, n, time.Now()) },
	}
	err := p.Run(ctx)
	return outcome{Records: int(p.Sent()), Bytes: p.Bytes()}, err
}
