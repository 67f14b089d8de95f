// Package worker runs parts of this program in child processes, so that a crash of native code there takes nothing else along.
//
// A child is this program started again. Main, called first thing in main and in TestMain, serves in a child and does nothing
// elsewhere. Start makes a child, a Process, to which frames are written and from which they are read; Kill ends it. A child
// has a pipe to read from that ends when its parent does, however that ends: then it must exit. It inherits no credentials, unless
// StartTrusted makes it.
package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// kindEnv says in the environment of a child what it is. The variable decides, not an argument, so that any program that
// calls Main, tests included, can be its own child.
const kindEnv = "WEIR_WORKER"

// Main runs serve and exits, if this process was started as a worker of this kind; else it returns at once. serve returns
// when there is nothing more to read.
func Main(kind string, serve func(in io.Reader, out io.Writer) error) {
	if os.Getenv(kindEnv) != kind {
		return
	}
	signal.Ignore(os.Interrupt)                                 // ctrl-C reaches all processes of a terminal: the parent decides
	os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // where memory runs out, Linux takes a worker and not its parent
	in, out := os.NewFile(3, "tasks"), os.NewFile(4, "results")
	if err := serve(in, out); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(os.Stderr, "%s worker: %v\n", kind, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Process is a worker as its parent sees it. In and Out are for one goroutine each.
type Process struct {
	In  io.Writer
	Out *bufio.Reader

	cmd     *exec.Cmd
	tasks   *os.File
	results *os.File
	stderr  tail

	reap   sync.Once
	reaped error
}

// Start runs this program again as a worker of a kind.
func Start(kind string) (*Process, error) {
	return started(kind, withoutSecrets(os.Environ()))
}

// StartTrusted is Start for work that uses the credentials of this process, and that its owner has written.
func StartTrusted(kind string) (*Process, error) { return started(kind, os.Environ()) }

func started(kind string, env []string) (*Process, error) {
	p, err := start(kind, env)
	if err != nil {
		return nil, fmt.Errorf("start %s worker: %w", kind, err)
	}
	return p, nil
}

func start(kind string, env []string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	taskRead, taskWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer taskRead.Close()
	resultRead, resultWrite, err := os.Pipe()
	if err != nil {
		taskWrite.Close()
		return nil, err
	}
	defer resultWrite.Close()
	p := &Process{In: taskWrite, Out: bufio.NewReaderSize(resultRead, 64<<10), cmd: exec.Command(self), tasks: taskWrite, results: resultRead}
	p.cmd.Env = append(slices.Clip(env), kindEnv+"="+kind)
	p.cmd.ExtraFiles = []*os.File{taskRead, resultWrite}
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		taskWrite.Close()
		resultRead.Close()
		return nil, err
	}
	return p, nil
}

// withoutSecrets leaves out what a worker needs not know.
func withoutSecrets(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, "AWS_") })
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process now. Who reads from it sees the end; who owns it calls Kill too.
func (p *Process) Stop() { p.cmd.Process.Kill() } // it may be gone already

// Kill ends the process and waits until it is gone. It may be called more than once.
func (p *Process) Kill() {
	p.tasks.Close()
	p.Stop()
	p.results.Close()
	p.wait()
}

func (p *Process) wait() error {
	p.reap.Do(func() { p.reaped = p.cmd.Wait() })
	return p.reaped
}

// Death says why the process went away, when reading from it or writing to it gave err.
func (p *Process) Death(err error) string {
	gone := []error{io.EOF, io.ErrUnexpectedEOF, os.ErrClosed, syscall.EPIPE}
	if !slices.ContainsFunc(gone, func(target error) bool { return errors.Is(err, target) }) {
		return err.Error()
	}
	p.Stop()
	p.wait()
	return p.cmd.ProcessState.String() + p.stderr.first()
}

// tailMax bounds what is kept of a worker's standard error.
const tailMax = 4096

// tail keeps the end of what is written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > tailMax {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailMax:]...)
	}
	return len(b), nil
}

// first is the first line, of a panic or fault, if there is one.
func (t *tail) first() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(string(t.buf)), "\n")
	if line == "" {
		return ""
	}
	return ": " + line
}
