package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/examples"
	"github.com/weir-data/weir/produce"
	"github.com/weir-data/weir/produce/nexmark"
	"github.com/weir-data/weir/stream"
)

// nexmarkFigures are of one query of Nexmark.
type nexmarkFigures struct {
	Query    string  `json:"query"`
	Sink     string  `json:"sink"`
	Events   int64   `json:"events"`
	Seconds  float64 `json:"seconds"` // from the start of the process to its end
	Cores    float64 `json:"cores"`   // that it kept busy, on average
	PerCore  float64 `json:"events_per_s_and_core"`
	Batches  int     `json:"batches"`
	Rows     int64   `json:"rows_out"`
	StateMiB float64 `json:"state_mib"` // on disk, the most after a batch
	Verified bool    `json:"verified"`
}

func (n *nexmarkFigures) line() string {
	text := fmt.Sprintf("%s of %s events in %.1f s, %.2f cores, %s events/s and core, %s rows, %.1f MiB of state", n.Query, count(n.Events), n.Seconds,
		n.Cores, human(n.PerCore), count(n.Rows), n.StateMiB)
	if n.Verified {
		text += ", verified"
	}
	return text
}

// benchNexmark stores events in a stream, and then runs the pipeline of each query over all of them: weir run --once in a process of
// its own on the data directory, so that what is measured begins with the start of a process and ends with its end.
func benchNexmark(b *bench) error {
	queries := b.Queries
	if len(queries) == 1 && queries[0] == "all" {
		queries = examples.NexmarkQueries()
	}
	for _, q := range queries {
		if _, err := examples.NexmarkPipeline(q); err != nil {
			return err
		}
	}
	if b.Verify && b.Sink != "delta" {
		return errors.New("--verify needs tables: leave out --sink")
	}
	if err := checkRoom(b.dir, uint64(b.Events)*nexmarkRoom); err != nil {
		return err
	}
	options := nexmark.Options{Events: b.Events, Rate: b.EventRate, End: true}
	var put measurement
	if err := b.fillNexmark(options, &put); err != nil {
		return fmt.Errorf("store the events: %w", err)
	}
	var answers *nexmarkAnswers
	if b.Verify {
		var err error
		if answers, err = newNexmarkAnswers(b.ctx, filepath.Join(b.dir, "answers"), options); err != nil {
			return fmt.Errorf("answers: %w", err)
		}
		defer answers.close()
	}
	var all []measurement
	for _, q := range queries {
		m, err := b.nexmarkQuery(q, put, answers)
		if err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
		if err := b.emit(m); err != nil {
			return err
		}
		all = append(all, m)
	}
	fmt.Fprint(os.Stderr, "\n", nexmarkTable(all))
	return nil
}

// nexmarkRoom is what an event may take on disk: in the log, in the answers' files, and in a table.
const nexmarkRoom = 1000

// fillNexmark puts the events into a stream of one shard, and makes the bucket. The one that ends all comes last; the others are put by
// several callers, so that they are out of order by some hundreds.
func (b *bench) fillNexmark(options nexmark.Options, put *measurement) error {
	return b.withHouse(func(h *house) error {
		if err := h.streams.Create(b.ctx, stream.Config{Name: "nexmark", Shards: 1}); err != nil {
			return err
		}
		if err := h.objects.CreateBucket(b.ctx, "lake"); err != nil {
			return err
		}
		events := nexmark.New(options)
		began := time.Now()
		all := produce.NewSender(directClient{h.streams}, &allBut{events, options.Events - 1}, produce.SendOptions{Stream: "nexmark"})
		if err := all.Run(b.ctx); err != nil {
			return err
		}
		last := produce.NewSender(directClient{h.streams}, events, produce.SendOptions{Stream: "nexmark"})
		err := last.Run(b.ctx)
		put.PeerRate = float64(options.Events) / time.Since(began).Seconds()
		put.RecordBytes = int((all.Stats().Bytes + last.Stats().Bytes) / options.Events)
		return err
	})
}

// withHouse opens the data directory of the benchmark for f.
func (b *bench) withHouse(f func(h *house) error) error {
	h, err := openHouse(b.ctx, houseConfig{Dir: filepath.Join(b.dir, "data"), Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	return errors.Join(f(h), h.Close())
}

// allBut is the first records of a source.
type allBut struct {
	produce.Source
	left int64
}

func (s *allBut) Next(dst []byte) ([]byte, string, error) {
	if s.left == 0 {
		return dst, "", io.EOF
	}
	s.left--
	return s.Source.Next(dst)
}

// directClient puts into streams of this process.
type directClient struct{ streams *stream.Store }

func (c directClient) PutRecord(ctx context.Context, name string, e produce.Entry) (produce.Result, error) {
	r, err := c.PutRecords(ctx, name, []produce.Entry{e})
	if err != nil {
		return produce.Result{}, err
	}
	return r[0], nil
}

func (c directClient) PutRecords(ctx context.Context, name string, entries []produce.Entry) ([]produce.Result, error) {
	in := make([]stream.Entry, len(entries))
	for i, e := range entries {
		in[i] = stream.Entry{PartitionKey: []byte(e.Key), Data: e.Data}
	}
	placed, err := c.streams.Put(ctx, name, in)
	if err != nil {
		return nil, err
	}
	out := make([]produce.Result, len(placed))
	for i, p := range placed {
		out[i] = produce.Result{Shard: p.Shard, SeqNum: p.SeqNum.String()}
	}
	return out, nil
}

func (directClient) Temporary(err error) bool { return errors.Is(err, stream.ErrThrottled) }

// nexmarkQuery runs one pipeline, and compares its table with the answer if there is one.
func (b *bench) nexmarkQuery(query string, put measurement, answers *nexmarkAnswers) (m measurement, err error) {
	file, err := b.nexmarkFile(query)
	if err != nil {
		return m, err
	}
	exe, err := os.Executable()
	if err != nil {
		return m, err
	}
	cmd := exec.CommandContext(b.ctx, exe, "run", file, "--once", "--progress", "--embedded", "--data", filepath.Join(b.dir, "data"))
	cmd.Env = withoutAWS(os.Environ())
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	began := time.Now()
	peak, err := runWatched(cmd)
	if err != nil {
		return m, fmt.Errorf("%w: %s", err, log.String())
	}
	took := time.Since(began).Seconds()
	cpu := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	n := &nexmarkFigures{Query: query, Sink: b.Sink, Events: b.Events, Seconds: took, Cores: cpu / took, PerCore: float64(b.Events) / cpu}
	if err := n.addReports(&out); err != nil {
		return m, err
	}
	m = measurement{nexmarkFigures: n, RecordBytes: put.RecordBytes, Records: float64(b.Events) / took, Peer: "put in the same run", PeerRate: put.PeerRate}
	m.MB, m.Ratio = m.Records*float64(put.RecordBytes)/1e6, m.Records/put.PeerRate
	m.PeakMiB = peak
	if answers != nil {
		if err := b.withHouse(func(h *house) error { return answers.compare(b.ctx, h, query) }); err != nil {
			return m, err
		}
		n.Verified = true
	}
	return m, nil
}

// runWatched runs a command, and returns the greatest resident size that was seen, in MiB. What the system says of a process that has
// ended counts the one that it was forked from.
func runWatched(cmd *exec.Cmd) (peak float64, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return peak, err
		case <-tick.C:
			peak = max(peak, peakMiB(cmd.Process.Pid))
		}
	}
}

// nexmarkFile writes the pipeline file of a query as it is run.
func (b *bench) nexmarkFile(query string) (name string, err error) {
	text, err := examples.NexmarkPipeline(query)
	if err != nil {
		return "", err
	}
	name = filepath.Join(b.dir, query+".yaml")
	if b.Sink == "discard" {
		p, err := batch.ParsePipeline(query+".yaml", text)
		if err != nil {
			return "", err
		}
		above, _, _ := strings.Cut(string(text), "\nsink:")
		text = fmt.Appendf(nil, "%s\nsink: {discard: true, mode: %s}\n", above, p.Mode)
	}
	return name, os.WriteFile(name, text, 0o644)
}

// addReports takes from the progress of the run what came out, and checks that all events went in and none was too late.
func (n *nexmarkFigures) addReports(out io.Reader) error {
	var read int64
	for in := json.NewDecoder(out); ; {
		var r batch.Report
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("progress of the run: %w", err)
		}
		read, n.Batches, n.Rows = read+r.NumInputRows, n.Batches+1, n.Rows+r.Sink.NumOutputRows
		var state int64
		for _, op := range r.StateOps {
			state += op.Memory
			if op.RowsLate > 0 {
				return fmt.Errorf("batch %d: %d rows were too late for %s", r.BatchID, op.RowsLate, op.Operator)
			}
		}
		n.StateMiB = max(n.StateMiB, float64(state)/(1<<20))
	}
	if read != n.Events {
		return fmt.Errorf("the pipeline read %d of %d events", read, n.Events)
	}
	return nil
}
