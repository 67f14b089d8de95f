package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/produce"
	"github.com/weir-data/weir/produce/awskinesis"
)

// demoSeconds is about how long the demo takes to send generated records, so that there is a flow to look at; few take less.
const (
	demoSeconds = 4
	demoSlowest = 500 // records a second
)

// demoRate is the rate at which to send some records within seconds.
func demoRate(amount, seconds int) float64 { return max(demoSlowest, float64(amount)/float64(seconds)) }

// rideSource yields the rides that were asked for, and the rate at which to send them (0: as fast as possible).
func rideSource(c *DemoCmd) (produce.Source, float64, error) {
	if c.Rides == "" {
		return produce.NewRides(produce.RidesOptions{Seed: 1, Amount: c.Amount}), demoRate(c.Amount, demoSeconds), nil
	}
	f, err := produce.OpenFile(c.Rides)
	return f, 0, err
}

// produce sends all of src to a stream and shows a chart of the rate. It returns how many records were acknowledged.
func (d *demo) produce(ctx context.Context, stream string, src produce.Source, rate float64) (int64, error) {
	s := produce.NewSender(awskinesis.New(d.aws.Config), src, produce.SendOptions{Stream: stream, Rate: rate})
	began, rates, stop := time.Now(), make(chan []float64), make(chan struct{})
	go func() { rates <- sampleRates(s, stop) }()
	err := s.Run(ctx)
	took := time.Since(began)
	close(stop)
	sampled := <-rates
	if err != nil {
		return 0, err
	}
	n := s.Stats().Records
	d.sent[stream] = n
	d.screen.printf("\n%s records acknowledged by %s in %.1f s, %s/s\n%s", count(n), stream, took.Seconds(), human(float64(n)/took.Seconds()),
		chart(sampled, 5, min(d.screen.width-12, 60), "records/s"))
	return n, nil
}

// sampleRates takes the rate of acknowledged records ten times a second until stop is closed.
func sampleRates(s *produce.Sender, stop <-chan struct{}) []float64 {
	const every = 100 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	var rates []float64
	last, at := int64(0), time.Now()
	for {
		select {
		case <-stop:
		case <-tick.C:
		}
		n, now := s.Stats().Records, time.Now()
		if took := now.Sub(at); took > every/2 || len(rates) == 0 {
			rates = append(rates, float64(n-last)/took.Seconds())
		}
		last, at = n, now
		select {
		case <-stop:
			return rates
		default:
		}
	}
}

// demoRun is the demo's pipeline, in the server's own process.
type demoRun struct {
	*running
	records, dead, batches atomic.Int64
}

// runPipeline starts the pipeline in text and shows the first rows of its first batches.
func (d *demo) runPipeline(ctx context.Context, text []byte, showBatches int64, showRows int) (*demoRun, error) {
	p, err := batch.ParsePipeline("rides.yaml", text)
	if err != nil {
		return nil, err
	}
	p.Trigger.Interval = time.Second
	printer := &batch.ConsolePrinter{W: &cutter{w: d.screen.w, width: d.screen.width, on: d.screen.tty}, NumRows: showRows}
	r := new(demoRun)
	r.running, err = startPipeline(ctx, p, embedded(d.house), batch.Options{
		Logger: d.house.cfg.Logger, Print: printer,
		OnProgress: func(rep batch.Report) {
			r.records.Add(rep.NumInputRows)
			r.dead.Add(rep.DeadLetters)
			if r.batches.Add(1) >= showBatches {
				printer.W = io.Discard
			}
		},
	}, nil)
	return r, err
}

// drain waits until the pipeline has committed n records, and stops it.
func (r *demoRun) drain(ctx context.Context, n int64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for r.records.Load() < n {
		select {
		case <-r.done:
			return fmt.Errorf("the pipeline ended early: %w", r.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	r.engine.Stop()
	return r.wait()
}

// cutter cuts lines at the width of the screen, so that wide tables stay tables.
type cutter struct {
	w     io.Writer
	width int
	on    bool
	line  []byte
}

func (c *cutter) Write(p []byte) (int, error) {
	if !c.on {
		return c.w.Write(p)
	}
	c.line = append(c.line, p...)
	for {
		i := bytes.IndexByte(c.line, '\n')
		if i < 0 {
			return len(p), nil
		}
		if _, err := c.w.Write(append(cutLine(c.line[:i], c.width), '\n')); err != nil {
			return 0, err
		}
		c.line = c.line[i+1:]
	}
}

// cutLine is the first width characters of line, the last of them an ellipsis if there are more.
func cutLine(line []byte, width int) []byte {
	if utf8.RuneCount(line) <= width {
		return append([]byte(nil), line...)
	}
	end := 0
	for range width - 1 {
		_, n := utf8.DecodeRune(line[end:])
		end += n
	}
	return append(append([]byte(nil), line[:end]...), "…"...)
}
