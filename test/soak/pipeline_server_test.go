package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/pipelines"
)

// weirProcess is a weir serve of its own, so that its memory can be told apart from that of the producer.
type weirProcess struct {
	binary string
	data   string
	addr   string
	pid    int
}

// weirBinary is the weir of this source, unless another is asked for.
func weirBinary(t *testing.T, dir string) string {
	if *weirFile != "" {
		return *weirFile
	}
	out := filepath.Join(dir, "weir")
	if msg, err := exec.Command("go", "build", "-o", out, "github.com/weir-data/weir/cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("build weir: %v\n%s", err, msg)
	}
	return out
}

// environment is without the user's AWS settings.
func environment() []string {
	var env []string
	for _, s := range os.Environ() {
		if !strings.HasPrefix(s, "AWS_") {
			env = append(env, s)
		}
	}
	return append(env, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
}

// startWeir starts a server, with a bucket and a stream, that ends with the test.
func startWeir(t *testing.T, binary, data string) (*weirProcess, error) {
	cmd := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", data, "--retention", logLife.String())
	cmd.Env, cmd.Stderr = environment(), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("weir serve: %v", err)
		}
	})
	w := &weirProcess{binary: binary, data: data, pid: cmd.Process.Pid}
	for lines := bufio.NewScanner(out); w.addr == "" && lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), "http://"); ok {
			w.addr, _, _ = strings.Cut(url, " ")
		}
	}
	if w.addr == "" {
		return nil, errors.New("weir serve ended before it was ready")
	}
	go io.Copy(io.Discard, out)
	if _, err := w.call(t.Context(), http.MethodPut, "/lake", nil, ""); err != nil {
		return nil, err
	}
	_, err = w.call(t.Context(), http.MethodPost, "/", []byte(`{"StreamName":"`+streamName+`","ShardCount":4}`), "Kinesis_20131202.CreateStream")
	return w, err
}

// call makes a request and returns the body of its answer.
func (w *weirProcess) call(ctx context.Context, method, path string, body []byte, target string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+w.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, out)
	}
	return out, err
}

// ridesPipeline is the tutorial's, with the number of the ride.
const ridesPipeline = `
name: ` + pipelineName + `
source:
  stream: ` + streamName + `
  schema:
    {ride: bigint, tpep_pickup_datetime: timestamp, tpep_dropoff_datetime: timestamp, VendorID: string, passenger_count: double, trip_distance: double,
     RatecodeID: string, store_and_fwd_flag: string, PULocationID: string, DOLocationID: string, payment_type: string, fare_amount: double,
     extra: double, mta_tax: double, tip_amount: double, tolls_amount: double, improvement_surcharge: double, total_amount: double,
     congestion_surcharge: double, Airport_fee: double}
query: |
  SELECT *, year(tpep_pickup_datetime) AS year, month(tpep_pickup_datetime) AS month, day(tpep_pickup_datetime) AS day,
         hour(tpep_pickup_datetime) AS hour
  FROM source
sink: {delta: "s3://lake/rides", table: lake.rides, partition_by: [year, month, day, hour]}
dead_letters: s3://lake/_dead/rides
`

func (w *weirProcess) createPipeline() error {
	_, err := w.call(context.Background(), http.MethodPost, "/_weir/pipelines", []byte(ridesPipeline), "")
	return err
}

// pipeline is how the pipeline goes. One that fails or loses records is an error.
func (w *weirProcess) pipeline(ctx context.Context) (s pipelines.Status, err error) {
	raw, err := w.call(ctx, http.MethodGet, "/_weir/pipelines/"+pipelineName, nil, "")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, err
	}
	if s.State == pipelines.Failed || s.Restarts > 0 || s.Totals.DeadLetters > 0 {
		return s, fmt.Errorf("the pipeline is %s, restarted %d times, with %d dead letters: %s", s.State, s.Restarts, s.Totals.DeadLetters, s.Error)
	}
	return s, nil
}

// metric is a number that the server tells Prometheus.
func (w *weirProcess) metric(ctx context.Context, name string) (float64, error) {
	raw, err := w.call(ctx, http.MethodGet, "/metrics", nil, "")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(text), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// command runs weir against the server.
func (w *weirProcess) command(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.binary, append(args, "--endpoint", "http://"+w.addr)...)
	cmd.Env = environment()
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("weir %s: %w: %s", strings.Join(args, " "), err, said.Bytes())
	}
	return out, err
}

// worker is the process of the pipeline, 0 if there is none.
func (w *weirProcess) worker() int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", w.pid))
	for _, name := range tasks {
		raw, _ := os.ReadFile(name)
		for _, text := range strings.Fields(string(raw)) {
			env, _ := os.ReadFile("/proc/" + text + "/environ")
			if strings.Contains(string(env), "WEIR_PIPELINE_WORKER=") {
				pid, _ := strconv.Atoi(text)
				return pid
			}
		}
	}
	return 0
}
