package worker

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// LimitsMemory says whether LimitMemory and WatchMemory bound anything: not with the race detector, which takes many times of what it
// watches.
const LimitsMemory = !raceDetector

// Native code does not count all that it takes: for what it says it keeps to, as much again is allowed, and what a process needs to be
// there, with the stacks of its threads.
func allowance(bytes int64) int64 {
	return 2*bytes + int64(512<<20+runtime.NumCPU()*(16<<20))
}

// LimitMemory bounds what this process, a worker whose native code keeps to a limit of so many bytes, may allocate. Beyond that
// allocations fail, which native code tells as an error where it can and dies of elsewhere. It counts what is reserved: it is not for
// work that reserves much more than it uses.
func LimitMemory(bytes int64) error {
	if !LimitsMemory {
		return nil
	}
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &r); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	r.Cur = min(uint64(allowance(bytes)), r.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &r); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}

// exitMemory is the exit status of a worker that used too much memory.
const exitMemory = 86

// watchEvery is how often WatchMemory looks. Memory that is touched for the first time comes at about 2 GB/s: some 40 MB in between.
const watchEvery = 20 * time.Millisecond

// WatchMemory ends this process, a worker whose native code keeps to a limit of so many bytes, when it uses much more, until stop is
// called. The parent sees it with Process.UsedMemory. It counts what is used, not what is reserved. Elsewhere than on Linux it does nothing.
func WatchMemory(bytes int64) (stop func()) {
	if !LimitsMemory {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			if used := usedMemory(); used > allowance(bytes) {
				fmt.Fprintf(os.Stderr, "%d MiB of memory in use\n", used>>20)
				os.Exit(exitMemory)
			}
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done) }
}

// usedMemory is the memory in bytes that only this process has, 0 if the system does not say.
func usedMemory() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(raw) // in pages: size, resident, shared …
	if len(fields) < 3 {
		return 0
	}
	resident, err := strconv.ParseInt(string(fields[1]), 10, 64)
	shared, err2 := strconv.ParseInt(string(fields[2]), 10, 64)
	if err != nil || err2 != nil {
		return 0
	}
	return (resident - shared) * int64(os.Getpagesize())
}

// UsedMemory says whether the process, which is gone, was ended by WatchMemory.
func (p *Process) UsedMemory() bool {
	p.wait()
	return p.cmd.ProcessState.ExitCode() == exitMemory
}
