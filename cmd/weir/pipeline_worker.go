package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/feed"
	"github.com/weir-data/weir/batch/state"
	batchstream "github.com/weir-data/weir/batch/stream"
	objs3 "github.com/weir-data/weir/objstore/awss3"
	"github.com/weir-data/weir/objstore/handover"
	"github.com/weir-data/weir/pipelines"
)

// pipelineWorkerEnv is set in the environment of a process that runs one pipeline of a server; see pipeline_process.go. The
// variable decides, not an argument, so that any program that calls pipelineWorkerMain, tests included, can be its own worker.
const pipelineWorkerEnv = "WEIR_PIPELINE_WORKER"

// pipelineWorkerMain runs the pipeline and exits, if this process was started for one; else it returns at once.
func pipelineWorkerMain() {
	if os.Getenv(pipelineWorkerEnv) == "" {
		return
	}
	signal.Ignore(os.Interrupt)
	w := &pipelineWorker{events: json.NewEncoder(os.Stdout)}
	if err := w.run(bufio.NewReader(os.Stdin)); err != nil {
		w.tell(pipelines.Event{Failure: &pipelines.Failure{Reason: err.Error(), Temporary: batch.IsTemporary(err)}})
		os.Exit(1)
	}
	os.Exit(0)
}

// pipelineWorker is the process of one pipeline.
type pipelineWorker struct {
	mu     sync.Mutex // guards events
	events *json.Encoder
}

func (w *pipelineWorker) tell(e pipelines.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.events.Encode(e) != nil {
		os.Exit(1) // the server has gone
	}
}

func (w *pipelineWorker) run(in *bufio.Reader) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	var task workerTask
	if err := json.Unmarshal(line, &task); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	go func() { // when the server dies nothing is lost: the batch runs again
		io.Copy(io.Discard, in)
		os.Exit(1)
	}()
	p, err := batch.ParsePipeline(task.Name, []byte(task.File))
	if err != nil {
		return err
	}
	b := inside(&task)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run, err := startPipeline(ctx, p, b, batch.Options{
		OnProgress: func(r batch.Report) { w.tell(pipelines.Event{Report: &r}) },
		OnWait:     func(waiting *batch.Waiting) { w.tell(pipelines.Event{Waiting: cmp.Or(waiting, new(batch.Waiting))}) },
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: untimed})),
	}, nil)
	if err != nil {
		return explain(err, p.Sources[0].Stream, b.where)
	}
	w.tell(pipelines.Event{Running: true})
	select {
	case <-ctx.Done():
		run.engine.Stop() // the batch at hand is finished
	case <-run.done:
	}
	if err := run.wait(); !errors.Is(err, context.Canceled) {
		return explain(err, p.Sources[0].Stream, b.where)
	}
	return nil
}

// untimed leaves the time out: the server's own log gives it.
func untimed(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// inside are the parts of the house whose socket a worker was given: those of an endpoint, but for streams and for the files of objects.
func inside(task *workerTask) backends {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", task.Socket)
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 32,
	}}
	cfg := aws.Config{
		Region: task.Region, HTTPClient: client, BaseEndpoint: aws.String("http://localhost"), Logger: logging.Nop{},
		Credentials: credentials.NewStaticCredentialsProvider("weir", "weir", ""),
	}
	cl := &clients{
		Endpoint: "this server", Config: cfg, Glue: glue.NewFromConfig(cfg), Kinesis: kinesis.NewFromConfig(cfg),
		S3: awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true }),
	}
	b := remoteWith(cl, handover.Dial(client, handoverPath, task.Staging, objs3.New(cl.S3)), "")
	b.console = os.Stderr // standard output is for the server
	// Beside the progress as well, so that weir run against this server and this process go on where the other was.
	b.state = func(p *batch.Pipeline) (state.Options, error) {
		if progressPlace(p) == "" {
			return state.Options{}, fmt.Errorf("pipeline %s writes into no bucket, beside which its progress could be kept; weir run --keep runs it", p.Name)
		}
		return statePlace(b.objects, p, task.State, progressPlace(p)+"/state")
	}
	b.source = func(name string) batch.Source { return feed.Dial(task.Socket, feedPath, name, batchstream.ReadPlaces) }
	return b
}
