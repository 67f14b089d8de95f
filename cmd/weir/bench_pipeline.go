package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/examples"
)

// benchPipeline measures the rides pipeline of the tutorial, from a full stream to a committed Delta table partitioned by
// hour: weir run --once in a process of its own on the data directory that a server filled.
func benchPipeline(b *bench) error {
	m := measurement{Peer: "put in the same run"}
	data := filepath.Join(b.dir, "data")
	if err := b.fill(data, &m); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "rides.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(examples.RidesPipeline, []byte("input-stream"), []byte(benchStream)), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, exe, "run", file, "--once", "--progress", "--embedded", "--data", data)
	cmd.Env = withoutAWS(os.Environ())
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, log.String())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.PeakMiB = float64(usage.Maxrss) / 1024
	}
	if err := m.addReports(&out); err != nil {
		return err
	}
	return b.emit(m)
}

// fill puts rides into a stream for the time of the benchmark, and makes the bucket.
func (b *bench) fill(data string, m *measurement) error {
	s, err := startChild(b.ctx, data, false)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := call(s.addr, "CreateStream", map[string]any{"StreamName": benchStream, "ShardCount": 4}, nil, false); err != nil {
		return err
	}
	cl, err := newClients(b.ctx, "http://"+s.addr)
	if err != nil {
		return err
	}
	if _, err := cl.S3.CreateBucket(b.ctx, &s3.CreateBucketInput{Bucket: aws.String("lake")}); err != nil {
		return err
	}
	requests, err := rides.requests(s.addr, 8, false)
	if err != nil {
		return err
	}
	calls, elapsed, err := drive(s.addr, requests, b.Duration)
	m.PeerRate = float64(len(calls)*benchBatch) / elapsed.Seconds()
	return err
}

// addReports takes rate and latency from the progress of the run, one report a line.
func (m *measurement) addReports(out io.Reader) error {
	var records, ms, batches, slowest int64
	for in := json.NewDecoder(out); ; {
		var r batch.Report
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("progress of the run: %w", err)
		}
		if r.DeadLetters > 0 {
			return fmt.Errorf("batch %d has %d dead letters", r.BatchID, r.DeadLetters)
		}
		records, ms, batches, slowest = records+r.NumInputRows, ms+r.BatchDuration, batches+1, max(slowest, r.BatchDuration)
	}
	if ms == 0 {
		return errors.New("the run reported no batch")
	}
	m.Records = float64(records) / float64(ms) * 1000
	m.MB = m.Records * benchRecord / 1e6
	m.Ratio = m.Records / m.PeerRate
	m.Note = fmt.Sprintf("%s records in %d batches, slowest %d ms, %d cores", count(records), batches, slowest, runtime.NumCPU())
	return nil
}

// withoutAWS drops the user's AWS settings from an environment.
func withoutAWS(env []string) []string {
	var out []string
	for _, s := range env {
		if !strings.HasPrefix(s, "AWS_") {
			out = append(out, s)
		}
	}
	return out
}
