package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/weir-data/weir/internal/load"
)

const (
	benchBatch  = 500 // records in a PutRecords call
	benchRecord = 450 // bytes of data in a record
	benchStream = "bench"
	benchKey    = "AKIDBENCH"
	benchSecret = "bench-secret"
)

// child is a weir serve of its own, so that its memory and start can be told apart from the loader's.
type child struct {
	cmd   *exec.Cmd
	addr  string
	ready time.Duration
}

// serve is startChild on the benchmark's folder, with a profile if one is wanted.
func (b *bench) serve(signed bool, variant string) (*child, error) {
	var more []string
	if b.CPUProfile != "" {
		more = append(more, "--cpu-profile", filepath.Join(b.CPUProfile, b.name+variant+".pprof"))
	}
	return startChild(b.ctx, filepath.Join(b.dir, "data"+variant), signed, more...)
}

// startChild runs weir serve on dir and returns when it says that it is ready.
func startChild(ctx context.Context, dir string, signed bool, more ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", dir}, more...)
	if signed {
		file := filepath.Join(filepath.Dir(dir), filepath.Base(dir)+".credentials")
		text := "[default]\naws_access_key_id = " + benchKey + "\naws_secret_access_key = " + benchSecret + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		defer os.Remove(file)
		args = append(args, "--credentials", file)
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = withoutAWS(os.Environ())
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "http://"); ok {
			addr, _, _ := strings.Cut(url, " ")
			c := &child{cmd, strings.Trim(addr, "/"), time.Since(began)}
			go io.Copy(io.Discard, stdout)
			return c, nil
		}
	}
	return nil, errors.Join(errors.New("weir serve ended before it was ready"), cmd.Wait())
}

// stop ends the server and returns its peak resident memory in MiB.
func (c *child) stop() float64 {
	peak := peakMiB(c.cmd.Process.Pid)
	c.cmd.Process.Signal(os.Interrupt)
	c.cmd.Wait()
	return peak
}

// peakMiB reads the greatest resident size that a process ever had; 0 where /proc does not tell.
func peakMiB(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// putShape is what a call of the load puts.
type putShape struct {
	records int  // in a call
	bytes   int  // of data in a record
	one     bool // by PutRecord
}

// requests encodes calls of a shape, one per connection: rides as the tutorial's producer sends them, or filler of another
// size. Keys are spread over all shards.
func (p putShape) requests(addr string, connections int, signed bool) ([][]byte, error) {
	requests := make([][]byte, connections)
	for i := range requests {
		if i > 0 && p.records*p.bytes > 4<<20 { // large ones are shared: what costs is their bytes
			requests[i] = requests[0]
			continue
		}
		operation, body := "PutRecords", p.body(i)
		if p.one {
			operation = "PutRecord"
		}
		r, err := encodeCall(addr, operation, body, signed)
		if err != nil {
			return nil, err
		}
		requests[i] = r
	}
	return requests, nil
}

func (p putShape) body(connection int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"StreamName":"` + benchStream + `",`)
	if !p.one {
		b.WriteString(`"Records":[`)
	}
	for j := range p.records {
		n := connection*p.records + j
		data := benchRide(n, p.bytes)
		switch {
		case p.one:
			fmt.Fprintf(&b, `"Data":"%s","PartitionKey":"%d"`, base64.StdEncoding.EncodeToString(data), n*7919)
			continue
		case j > 0:
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Data":"%s","PartitionKey":"%d"}`, base64.StdEncoding.EncodeToString(data), n*7919)
	}
	if !p.one {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// benchRide is a ride as the tutorial's producer sends it, padded to size bytes.
func benchRide(i, size int) []byte {
	s := fmt.Sprintf(`{"VendorID":%d, "tpep_pickup_datetime":"2019-01-%02dT%02d:%02d:12", "tpep_dropoff_datetime":"2019-01-%02dT%02d:%02d:59", `+
		`"passenger_count":1.0, "trip_distance":%d.5, "RatecodeID":1.0, "store_and_fwd_flag":"N", "PULocationID":%d, "DOLocationID":%d, "payment_type":1, `+
		`"fare_amount":%d.5, "extra":0.5, "mta_tax":0.5, "tip_amount":1.95, "tolls_amount":0.0, "improvement_surcharge":0.3, "total_amount":%d.75, "congestion_surcharge":2.5, "Airport_fee":0.0`,
		1+i%2, 1+i/5000%28, i/200%24, i%60, 1+i/5000%28, i/200%24, i%60, i%20, 1+i%263, 1+i*31%263, 5+i%40, 9+i%40)
	return append([]byte(s+strings.Repeat(" ", max(0, size-1-len(s)))), '}')
}

// encodeCall is a whole Kinesis request; a signed one is good for five minutes.
func encodeCall(addr, operation string, body []byte, signed bool) ([]byte, error) {
	headers := []load.Header{
		{Name: "X-Amz-Target", Value: "Kinesis_20131202." + operation},
		{Name: "Content-Type", Value: "application/x-amz-json-1.1"},
	}
	if signed {
		req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		for _, h := range headers {
			req.Header.Set(h.Name, h.Value)
		}
		sum := sha256.Sum256(body)
		cred := aws.Credentials{AccessKeyID: benchKey, SecretAccessKey: benchSecret}
		if err := v4.NewSigner().SignHTTP(context.Background(), cred, req, hex.EncodeToString(sum[:]), "kinesis", "us-east-1", time.Now()); err != nil {
			return nil, err
		}
		headers = headers[:0]
		for name, values := range req.Header {
			headers = append(headers, load.Header{Name: name, Value: values[0]})
		}
	}
	return load.Request(addr, "/", body, headers...), nil
}

// call sends one JSON request and decodes the answer.
func call(addr, operation string, in, out any, signed bool) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := encodeCall(addr, operation, body, signed)
	if err != nil {
		return err
	}
	c, err := load.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", operation, resp.Status, resp.Body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(resp.Body, out)
}

// drive has one connection per request send it again and again for d, and returns the time of every call.
func drive(addr string, requests [][]byte, d time.Duration) (latencies []time.Duration, elapsed time.Duration, err error) {
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		stopped atomic.Bool
		began   = time.Now()
	)
	for _, request := range requests {
		wg.Go(func() {
			mine, e := repeat(addr, request, &stopped)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, mine...)
			err = errors.Join(err, e)
		})
	}
	time.Sleep(d)
	stopped.Store(true)
	wg.Wait()
	slices.Sort(latencies)
	return latencies, time.Since(began), err
}

func repeat(addr string, request []byte, stopped *atomic.Bool) ([]time.Duration, error) {
	c, err := load.Dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var latencies []time.Duration
	for !stopped.Load() {
		t := time.Now()
		resp, err := c.Do(request)
		if err != nil {
			return latencies, err
		}
		if resp.Status != http.StatusOK || bytes.Contains(resp.Body, []byte(`"ErrorCode":"`)) {
			return latencies, fmt.Errorf("status %d: %.200s", resp.Status, resp.Body)
		}
		latencies = append(latencies, time.Since(t))
	}
	return latencies, nil
}
