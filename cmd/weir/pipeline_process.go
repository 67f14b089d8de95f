package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/weir-data/weir/api/s3"
	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/feed"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/objstore/handover"
	"github.com/weir-data/weir/pipelines"
	"github.com/weir-data/weir/wire"
)

// openInside opens the house for processes of its own, in which native code runs that must not take streams down when it crashes. They
// come back through a Unix socket that only this user may open, where streams are read by batch/feed, files become objects by
// objstore/handover, and everything else goes through the AWS APIs, unsigned.
func (h *house) openInside() (err error) {
	tmp := h.dir("tmp", "pipelines")
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o700)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	h.socket, err = h.serveInside()
	return err
}

// openPipelines starts the pipelines of the data directory, each in a process of its own.
func (h *house) openPipelines() (err error) {
	starter := &processStarter{
		socket: h.socket, tmp: h.dir("tmp", "pipelines"), staging: h.objects.TempDir(), state: h.dir("pipelines"),
		region: h.cfg.Region, logger: h.cfg.Logger,
	}
	h.pipelines, err = pipelines.Open(pipelines.Options{
		Meta: h.meta, Start: starter.start, Observe: func(r batch.Report) { observeBatch(h.metrics, r) }, Logger: h.cfg.Logger,
	})
	if err != nil {
		return err
	}
	h.closers.add(h.pipelines.Close)
	return nil
}

// socketPathMax is about what systems allow the path of a socket to have.
const socketPathMax = 100

// socketPath is where the socket lies: in the data directory, or elsewhere if that has too long a name.
func (h *house) socketPath() (string, error) {
	if path := h.dir("tmp", "pipelines", "socket"); len(path) <= socketPathMax {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "weir-") // 0700
	if err != nil {
		return "", err
	}
	h.closers.add(func() error { return os.RemoveAll(dir) })
	return filepath.Join(dir, "socket"), nil
}

// serveInside serves the house on a Unix socket and returns its path.
func (h *house) serveInside() (socket string, err error) {
	if socket, err = h.socketPath(); err != nil {
		return "", fmt.Errorf("socket for pipelines: %w", err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		return "", fmt.Errorf("socket for pipelines: %w", err)
	}
	all, err := h.services()
	if err != nil {
		return "", err
	}
	var front *wire.Server
	bucket := s3.New(s3.Options{
		Store: h.objects, Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger,
		Authenticate: func(r *http.Request) (*http.Request, error) { return front.Authenticate(r) },
	})
	front, err = wire.NewServer(wire.Options{Account: h.cfg.Account, Region: h.cfg.Region, Fallback: bucket, Logger: h.cfg.Logger}, all...)
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.Handle(feedPath+"/", http.StripPrefix(feedPath, feed.Handler(func(name string) (batch.Source, error) {
		return batchstream.New(h.streams, name), nil
	})))
	mux.Handle(handoverPath+"/", http.StripPrefix(handoverPath, handover.Handler(h.objects)))
	mux.Handle("/", front)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- wire.Serve(ctx, ln, mux) }()
	h.closers.add(func() error {
		cancel()
		return <-served
	})
	return socket, nil
}

// Where batch/feed and objstore/handover lie at the socket.
const (
	feedPath     = "/_weir/feed"
	handoverPath = "/_weir/objects"
)

// workerTask is what a process is told at its start, as one line of JSON.
type workerTask struct {
	Name   string `json:"name"`
	File   string `json:"file"`
	Socket string `json:"socket"`
	State  string `json:"state"` // folder for what its query remembers
	Region string `json:"region"`
	// Staging is a folder of its own for files that become objects.
	Staging string `json:"staging"`
}

// processStarter starts this program again as the worker of a pipeline.
type processStarter struct {
	socket, tmp, staging, state, region string
	logger                              *slog.Logger
}

// process is a pipeline's worker. It ends when in is closed, as it is when this process dies.
type process struct {
	cmd     *exec.Cmd
	in      io.Closer
	folders []string      // of its own
	told    chan struct{} // closed when its output has ended
}

func (s *processStarter) start(_ context.Context, name, file string, tell func(pipelines.Event)) (_ pipelines.Process, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(s.tmp, name+"-")
	if err != nil {
		return nil, err
	}
	staging, err := os.MkdirTemp(s.staging, "pipeline-")
	folders := []string{tmp, staging}
	defer func() {
		if err != nil {
			removeAll(folders)
		}
	}()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), pipelineWorkerEnv+"=1", "TMPDIR="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ctrl-C is the server's, which then stops its pipelines
	cmd.Stderr = &lineLogger{logger: s.logger, name: name}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, folders: folders, told: make(chan struct{})}
	go func() {
		defer close(p.told)
		listen(out, tell)
	}()
	task := workerTask{Name: name, File: file, Socket: s.socket, State: filepath.Join(s.state, name), Region: s.region, Staging: staging}
	if err := json.NewEncoder(in).Encode(task); err != nil {
		p.Kill()
		p.Wait()
		return nil, err
	}
	return p, nil
}

// eventMax bounds a line of a worker in bytes; a report has a line for each shard.
const eventMax = 16 << 20

// listen passes on what a worker tells, until it ends.
func listen(out io.Reader, tell func(pipelines.Event)) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, eventMax)
	for lines.Scan() {
		var e pipelines.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil { // else it is torn by a crash, which Wait tells of
			tell(e)
		}
	}
	io.Copy(io.Discard, out)
}

// Wait implements pipelines.Process.
func (p *process) Wait() error {
	<-p.told
	err := p.cmd.Wait()
	p.in.Close()
	return errors.Join(err, removeAll(p.folders))
}

func removeAll(folders []string) error {
	var errs []error
	for _, f := range folders {
		errs = append(errs, os.RemoveAll(f))
	}
	return errors.Join(errs...)
}

// Stop implements pipelines.Process.
func (p *process) Stop() { p.cmd.Process.Signal(syscall.SIGTERM) }

// Kill implements pipelines.Process.
func (p *process) Kill() { p.cmd.Process.Kill() }

// lineLogger logs what a worker writes to its standard error.
type lineLogger struct {
	logger *slog.Logger
	name   string
	rest   []byte
}

func (l *lineLogger) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		n, line, err := bufio.ScanLines(l.rest, len(l.rest) > 64<<10)
		if n == 0 || err != nil {
			return len(b), nil
		}
		if len(line) > 0 && l.logger != nil {
			l.logger.Warn(string(line), "pipeline", l.name)
		}
		l.rest = l.rest[n:]
	}
}

// observeBatch publishes a micro-batch: namespace weir/Pipelines, by pipeline.
func observeBatch(r *metrics.Registry, b batch.Report) {
	observe := func(name, unit string, v float64) {
		r.Series("weir/Pipelines", name, unit, metrics.Dimension{Name: "Pipeline", Value: b.Name}).Observe(v)
	}
	observe("InputRows", "Count", float64(b.NumInputRows))
	observe("DeadLetters", "Count", float64(b.DeadLetters))
	observe("RowsDroppedByWatermark", "Count", float64(b.RowsLate()))
	observe("BatchDuration", "Milliseconds", float64(b.BatchDuration))
	observe("ProcessedRowsPerSecond", "Count/Second", b.ProcessedRate)
	for _, s := range b.Sources {
		for _, l := range lags {
			if v, err := strconv.ParseFloat(s.Metrics[l.figure], 64); err == nil {
				observe(l.name, l.unit, v)
			}
		}
	}
}

// lags are the metrics that say how far a pipeline is behind, by the figures of its sources.
var lags = []struct{ figure, name, unit string }{
	{"maxMsBehindLatest", "MillisBehindLatest", "Milliseconds"},
	{"recordsBehindLatest", "RecordsBehindLatest", "Count"},
	{"numFilesOutstanding", "FilesOutstanding", "Count"},
	{"numBytesOutstanding", "BytesOutstanding", "Bytes"},
}
