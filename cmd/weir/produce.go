package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/schollz/progressbar/v3"

	"github.com/weir-data/weir/produce"
	"github.com/weir-data/weir/produce/awskinesis"
	"github.com/weir-data/weir/produce/nexmark"
)

// ProduceCmd sends records to a stream.
type ProduceCmd struct {
	What     string        `arg:"" help:"rides, users, events of the Nexmark benchmark, or a file: .csv, .json, .ndjson or .jsonl, also with .gz." placeholder:"rides|users|nexmark|FILE"`
	Stream   string        `help:"Stream to send to." default:"input-stream"`
	Create   bool          `help:"Create the stream (on-demand) if it is not there."`
	Amount   int           `help:"Number of records; 0 is without end, or all of the file." default:"0"`
	Rate     float64       `help:"Records a second; 0 is as fast as they are taken." default:"0"`
	Batch    int           `help:"Records in a call: 1 uses PutRecord, up to 500 PutRecords. Default: by the rate."`
	Loop     bool          `help:"Begin the file anew when it ends."`
	Gap      time.Duration `help:"Mean time between the pick-ups of generated rides." default:"8s"`
	Seed     uint64        `help:"Seed of generated records; 0 takes one from the clock."`
	Endpoint string        `help:"Endpoint to send to. Default: AWS_ENDPOINT_URL, else a weir on this machine." placeholder:"URL"`
	RetryFor time.Duration `help:"How long the stream may take no record at all before the command gives up; 0 is for ever." default:"5m"`
	AckLog   string        `help:"File that gets shard and sequence number of every acknowledged record." type:"path" placeholder:"FILE"`
	Output   string        `help:"Write the records to this file instead, one a line; - is standard output." placeholder:"FILE"`
}

// Help is shown by weir produce --help.
func (ProduceCmd) Help() string {
	return `What gets no answer is sent again until it is acknowledged, also while the server restarts. A stream that takes
nothing is told of every ten seconds, and given up after --retry-for. Ctrl-C stops and says how many records were acknowledged.

Examples:
  weir produce rides --create --amount 10000          taxi rides into input-stream, at full speed
  weir produce users --stream people --rate 50        50 people a second, until ctrl-C
  weir produce nexmark --stream nexmark --create --amount 1000000    an online auction, for examples/nexmark
  weir produce trips.csv.gz --rate 1000 --loop        your own rows
  weir produce rides --amount 5 --output -            look at some records`
}

// Run sends until the amount is reached or ctx ends.
func (c *ProduceCmd) Run(ctx context.Context) error {
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	src, err := c.source()
	if err != nil {
		return err
	}
	if c.Output != "" {
		return writeRecords(ctx, src, c.Output)
	}
	endpoint := findEndpoint(ctx, c.Endpoint)
	if endpoint == "" {
		return errors.New("no weir answers on http://" + defaultListen + ": start one with \"weir serve\", or say where to send with --endpoint or AWS_ENDPOINT_URL")
	}
	cl, err := newClients(ctx, endpoint)
	if err != nil {
		return err
	}
	if c.Create {
		if err := createStream(ctx, cl, c.Stream); err != nil {
			return explain(err, c.Stream, endpoint)
		}
	}
	acks, closeAcks, err := openAckLog(c.AckLog)
	if err != nil {
		return err
	}
	waits := &waitNotice{stream: c.Stream, out: os.Stderr, now: time.Now}
	s := produce.NewSender(awskinesis.New(cl.Config), src, produce.SendOptions{
		Stream: c.Stream, Rate: c.Rate, Batch: c.Batch, Acked: acks, RetryFor: c.RetryFor, Retried: waits.tell,
	})
	waits.acked = func() int64 { return s.Stats().Records }
	began := time.Now()
	done := showSending(s, c.Amount)
	err = s.Run(ctx)
	done()
	err = errors.Join(err, closeAcks())
	st, took := s.Stats(), time.Since(began)
	fmt.Fprintf(os.Stderr, "%s records acknowledged by %s in %.1f s (%s/s, %s sent again)\n",
		count(st.Records), c.Stream, took.Seconds(), human(float64(st.Records)/took.Seconds()), count(st.Retries))
	if ctx.Err() != nil {
		return nil // ctrl-C is how an endless producer ends
	}
	return explain(err, c.Stream, endpoint)
}

// source is what the command was asked to send, cut to the amount.
func (c *ProduceCmd) source() (produce.Source, error) {
	switch c.What {
	case "rides":
		return produce.NewRides(produce.RidesOptions{Seed: c.Seed, Amount: c.Amount, Gap: c.Gap}), nil
	case "users":
		return produce.NewUsers(c.Seed, c.Amount, nil), nil
	case "nexmark":
		return nexmark.New(nexmark.Options{Seed: c.Seed, Events: int64(c.Amount), Start: time.Now(), Rate: c.Rate}), nil
	}
	f, err := produce.OpenFile(c.What)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is neither \"rides\" nor \"users\" nor \"nexmark\" nor a file", c.What)
	}
	if err != nil {
		return nil, err
	}
	return &fileSource{file: f, name: c.What, left: c.Amount, limited: c.Amount > 0, loop: c.Loop}, nil
}

// fileSource is a file, cut to an amount or begun anew at its end.
type fileSource struct {
	file    *produce.File
	name    string
	left    int
	limited bool
	loop    bool
	some    bool // the file has at least one record
}

func (s *fileSource) Next(dst []byte) ([]byte, string, error) {
	if s.limited && s.left == 0 {
		return dst, "", io.EOF
	}
	rec, key, err := s.file.Next(dst)
	if errors.Is(err, io.EOF) && s.loop && s.some {
		if err := s.file.Close(); err != nil {
			return dst, "", err
		}
		if s.file, err = produce.OpenFile(s.name); err != nil {
			return dst, "", err
		}
		rec, key, err = s.file.Next(dst)
		if err != nil {
			return dst, "", err
		}
	}
	if err != nil {
		return dst, "", err
	}
	s.some = true
	s.left--
	return rec, key, nil
}

// createStream makes an on-demand stream unless it is there, and waits until it takes records.
func createStream(ctx context.Context, cl *clients, name string) error {
	_, err := cl.Kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: aws.String(name), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	var there *types.ResourceInUseException
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("create stream %s: %w", name, err)
	}
	err = kinesis.NewStreamExistsWaiter(cl.Kinesis).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(name)}, time.Minute)
	if err != nil {
		return fmt.Errorf("wait for stream %s: %w", name, err)
	}
	return nil
}

// openAckLog returns the function that notes acknowledgements in the file, and the one that completes it.
func openAckLog(name string) (acked func(produce.Result), done func() error, err error) {
	if name == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	w := bufio.NewWriterSize(f, 256<<10)
	acked = func(r produce.Result) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, r.Shard, r.SeqNum) // an error shows at Flush
	}
	return acked, func() error { return errors.Join(w.Flush(), f.Close()) }, nil
}

// waitEvery is the time between two notices that records are not taken.
const waitEvery = 10 * time.Second

// waitNotice tells that a stream has taken no record since the notice before, and why.
type waitNotice struct {
	stream string
	out    io.Writer
	now    func() time.Time
	acked  func() int64 // records acknowledged so far

	mu   sync.Mutex // guards the fields below
	last time.Time  // of a notice, or of the first refusal
	had  int64      // acknowledged then
}

func (w *waitNotice) tell(reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked, now := w.acked(), w.now()
	if w.last.IsZero() || acked > w.had {
		w.last, w.had = now, acked
		return
	}
	if now.Sub(w.last) < waitEvery {
		return
	}
	w.last = now
	fmt.Fprintf(w.out, "\rstream %s takes no records for now, after %s acknowledged; trying again: %v\n", w.stream, count(acked), reason)
}

// showSending draws a progress bar on a terminal until the returned function is called.
func showSending(s *produce.Sender, amount int) (done func()) {
	scr := newScreen(os.Stderr)
	if !scr.tty {
		return func() {}
	}
	total := int64(amount)
	if total == 0 {
		total = -1
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("sending"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"), progressbar.OptionClearOnFinish())
	stop, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-stop:
				bar.Finish()
				return
			case <-time.After(100 * time.Millisecond):
				bar.Set64(s.Stats().Records)
			}
		}
	}()
	return func() { close(stop); <-gone }
}

// writeRecords writes all of src to a file, one record a line.
func writeRecords(ctx context.Context, src produce.Source, name string) error {
	f := os.Stdout
	if name != "-" {
		var err error
		if f, err = os.Create(name); err != nil {
			return err
		}
		defer f.Close()
	}
	w := bufio.NewWriterSize(f, 256<<10)
	var rec []byte
	for ctx.Err() == nil {
		var err error
		if rec, _, err = src.Next(rec[:0]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if _, err := w.Write(append(rec, '\n')); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
