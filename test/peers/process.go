package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a server that runs beside us, with its output in a file.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when the program has
}

// program is what to run, with more environment than ours, in a folder: empty is the one that the data is in.
type program struct {
	name string
	args []string
	env  []string
	in   string
}

// launch starts a program with its data in dir, and returns when something listens at addr.
func launch(ctx context.Context, dir, addr string, prog program) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, prog.name, prog.args...), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = cmp.Or(prog.in, dir), out, out
	p.cmd.Env = append(os.Environ(), prog.env...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait() // why it ended is in its output
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		select {
		case <-p.ended:
			return nil, fmt.Errorf("%s ended before it listened\n%s", prog.name, p.output())
		case <-time.After(50 * time.Millisecond):
		}
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return p, nil
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("%s does not listen at %s\n%s", prog.name, addr, p.output())
		}
	}
}

// output is the end of what the program wrote.
func (p *process) output() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-2000):])
}

// stop kills the program: nobody wants its data any more.
func (p *process) stop() {
	p.cmd.Process.Kill() // an error is that it has ended
	<-p.ended
}

// freeAddr is an address of this machine that nobody listens at.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// peakMiB is the greatest resident size that a process had; 0 where /proc does not tell.
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

// ride is a taxi ride in JSON of 450 bytes.
func ride(i int) []byte {
	s := fmt.Sprintf(`{"VendorID": %d, "tpep_pickup_datetime": "2019-01-%02dT%02d:%02d:12", "passenger_count": 1.0, "trip_distance": %d.5, "PULocationID": %d, `+
		`"DOLocationID": %d, "payment_type": 1, "fare_amount": %d.5, "total_amount": %d.75`, 1+i%2, 1+i/5000%28, i/200%24, i%60, i%20, 1+i%263, 1+i*31%263, 5+i%40, 9+i%40)
	return []byte(s + strings.Repeat(" ", 449-len(s)) + "}")
}

// rideKey is the partition key of a ride.
func rideKey(i int) string { return strconv.Itoa(i * 7919) }
