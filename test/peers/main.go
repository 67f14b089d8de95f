// Command peers puts the same load on weir and on others, one at a time, and prints a table: kinesalite and kinesis-local,
// which are Kinesis for tests, and an Apache Kafka broker.
//
// The client is weir's own load generator: requests that were encoded beforehand, over plain TCP connections, each waiting
// for its answer; Kafka gets its own protocol in the same way. All get the same records, and all have their defaults, but
// that Kafka acknowledges with acks=all. The Kinesis peers keep everything in memory. Kafka leaves syncing to the kernel;
// weir answers when a record is synced.
//
// run.sh installs what is needed and runs it: make peers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	duration = flag.Duration("duration", 10*time.Second, "time for each load")
	only     = flag.String("peers", "kinesalite,kinesis-local,kafka,weir", "who takes part")
	tools    = flag.String("tools", "", "folder with node_modules and the Kafka broker's jars in kafka")
	weir     = flag.String("weir", "", "the weir binary")
	dir      = flag.String("dir", "", "folder for the data; its disk is what is measured")
	lines    = flag.String("json", "", "file that gets a JSON line for each result")
)

// peer is a server that takes records.
type peer interface {
	// start runs the server with its data in dir, and makes a stream of four shards (topic of four partitions).
	start(ctx context.Context, dir string) error
	// pid of the server.
	pid() int
	// putter is a connection that puts rides again and again, batch of them in a call.
	putter(connection, batch int) (putter, error)
	// reader is a connection that reads one shard, from its beginning again when it has come to the end.
	reader(shard int) (reader, error)
	stop()
}

type putter interface {
	put() error
	close()
}

type reader interface {
	read() (records int, err error)
	close()
}

// measure is one load. Its result is in records a second.
type measure struct {
	name        string
	connections int
	batch       int // records in a call; 0: it reads
}

// measures in the order in which they run: reading reads what was put before.
var measures = []measure{
	{"put 500 x 450 B, 8 connections", 8, 500},
	{"read, 4 connections", 4, 0},
	{"put 1 x 450 B, 1 connection", 1, 1},
	{"put 1 x 450 B, 8 connections", 8, 1},
	{"put 1 x 450 B, 64 connections", 64, 1},
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	all := map[string]peer{
		"kinesalite":    newKinesalite(*tools),
		"kinesis-local": newKinesisLocal(*tools),
		"kafka":         newKafka(*tools),
		"weir":          newWeir(*weir),
	}
	var t table
	for name := range strings.SplitSeq(*only, ",") {
		p := all[name]
		if p == nil {
			return fmt.Errorf("there is no peer %q", name)
		}
		place, err := os.MkdirTemp(*dir, "weir-peers-")
		if err != nil {
			return err
		}
		results, err := measureAll(ctx, name, p, place)
		os.RemoveAll(place)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.add(name, results)
	}
	t.print(os.Stdout)
	return t.writeJSON(*lines)
}

// measureAll runs all measures on one peer.
func measureAll(ctx context.Context, name string, p peer, place string) (results []result, err error) {
	fmt.Fprintf(os.Stderr, "%s: starting\n", name)
	if place, err = filepath.Abs(place); err != nil {
		return nil, err
	}
	defer p.stop()
	if err := p.start(ctx, place); err != nil {
		return nil, err
	}
	// Virtual machines compile what is run often; nobody shall be measured before that.
	if _, err := measures[0].on(ctx, p, min(*duration, warmUpMost)); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	for _, m := range measures {
		r, err := m.on(ctx, p, *duration)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %s: %.0f records/s\n", name, m.name, r.RecordsPerSecond)
		results = append(results, r)
	}
	return append(results, result{Measure: "peak memory, MiB", PeakMiB: peakMiB(p.pid())}), nil
}

// warmUpMost bounds the load before the measures.
const warmUpMost = 5 * time.Second

// on puts the load on p for d.
func (m measure) on(ctx context.Context, p peer, d time.Duration) (result, error) {
	type part struct {
		records int
		took    []time.Duration
		err     error
	}
	parts := make(chan part)
	end := time.Now().Add(d)
	began := time.Now()
	for i := range m.connections {
		go func() {
			var part part
			step, closer, err := m.worker(p, i)
			if err == nil {
				defer closer()
			}
			for part.err = err; part.err == nil && ctx.Err() == nil && time.Now().Before(end); {
				at := time.Now()
				var n int
				n, part.err = step()
				part.records += n
				part.took = append(part.took, time.Since(at))
			}
			parts <- part
		}()
	}
	var total part
	for range m.connections {
		part := <-parts
		total.records += part.records
		total.took = append(total.took, part.took...)
		total.err = errors.Join(total.err, part.err)
	}
	if total.err = errors.Join(total.err, ctx.Err()); total.err != nil {
		return result{}, total.err
	}
	slices.Sort(total.took)
	return result{
		Measure: m.name, RecordsPerSecond: float64(total.records) / time.Since(began).Seconds(),
		P50ms: milliseconds(total.took, 0.5), P99ms: milliseconds(total.took, 0.99),
	}, nil
}

// worker is what one connection does again and again.
func (m measure) worker(p peer, i int) (step func() (int, error), closer func(), err error) {
	if m.batch == 0 {
		r, err := p.reader(i)
		if err != nil {
			return nil, nil, err
		}
		return r.read, r.close, nil
	}
	w, err := p.putter(i, m.batch)
	if err != nil {
		return nil, nil, err
	}
	return func() (int, error) { return m.batch, w.put() }, w.close, nil
}

func milliseconds(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(p*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
}
