package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/vfs"
)

// sink is the limit that HTTP sets: a server that reads the same requests and does nothing, with an answer of so many bytes.
func sink(answerBytes int) (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	answer := bytes.Repeat([]byte("x"), answerBytes)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.Write(answer)
	})}
	go srv.Serve(ln)
	return ln.Addr().String(), func() { srv.Close() }, nil
}

// diskFileBytes is the size of the file that rawDisk writes over and over, as the log does with its recycled segments.
const diskFileBytes = 256 << 20

// rawDisk is the limit that the disk sets: how many bytes a second can be written and synced one after the other, group
// bytes at a time, to a file that was filled with zeros before.
func rawDisk(dir string, group int, d time.Duration) (bytesPerSecond float64, err error) {
	name := filepath.Join(dir, "raw-disk")
	f, err := vfs.Default.OpenReadWrite(name, vfs.Category)
	if err != nil {
		return 0, err
	}
	defer os.Remove(name)
	defer f.Close()
	block := bytes.Repeat([]byte{0}, 1<<20)
	for pos := int64(0); pos < diskFileBytes; pos += int64(len(block)) {
		if _, err := f.WriteAt(block, pos); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	data := bytes.Repeat([]byte("weir"), group/4+1)[:group]
	began, written, pos := time.Now(), 0, int64(0)
	for time.Since(began) < d {
		if pos+int64(group) > diskFileBytes {
			pos = 0
		}
		if _, err := f.WriteAt(data, pos); err != nil {
			return 0, err
		}
		if err := f.SyncData(); err != nil {
			return 0, err
		}
		written, pos = written+group, pos+int64(group)
	}
	return float64(written) / time.Since(began).Seconds(), nil
}

// cpuTimes are clock ticks so far: of the machine, all and idle (waiting for the disk is idle), and of a process.
type cpuTimes struct{ all, idle, process float64 }

// cpuNow reads the times; zeros where /proc does not tell.
func cpuNow(pid int) (t cpuTimes) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, _ := strconv.ParseFloat(field, 64)
		if i < 8 { // guests are counted as user already
			t.all += n
		}
		if i == 3 || i == 4 {
			t.idle += n
		}
	}
	raw, err = os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return t
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	if fields := strings.Fields(rest); len(fields) > 12 {
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		t.process = user + system
	}
	return t
}

// clockTicks of /proc are hundredths of a second on all of Linux.
const clockTicks = 100

// addCPU says how busy machine and server were since t.
func (m *measurement) addCPU(t cpuTimes, pid int, elapsed time.Duration) {
	now := cpuNow(pid)
	if all := now.all - t.all; all > 0 {
		m.CPUBusy = 1 - (now.idle-t.idle)/all
	}
	m.ServerCPUs = (now.process - t.process) / clockTicks / elapsed.Seconds()
}

// From here on a resource counts as used up: what is left is lost where one waits for the other.
const (
	cpuBound  = 0.85
	diskBound = 0.75
)

// bind says which limit holds the rate down.
func (m *measurement) bind() {
	switch {
	case m.DiskRatio >= diskBound:
		m.Binds = "disk"
	case m.CPUBusy >= cpuBound:
		m.Binds = "cpu"
	default:
		m.Binds = "round trip"
	}
}

// errNoRoom says that the disk is too full for a benchmark.
var errNoRoom = errors.New("not enough room")

// checkRoom refuses to begin what would fill the disk.
func checkRoom(dir string, bytes uint64) error {
	usage, err := vfs.Default.GetDiskUsage(dir)
	if err != nil {
		return fmt.Errorf("room on the disk of %s: %w", dir, err)
	}
	if usage.AvailBytes < bytes {
		return fmt.Errorf("%w on the disk of %s: %d GiB are free, %d are needed; choose another with --dir", errNoRoom, dir, usage.AvailBytes>>30, bytes>>30+1)
	}
	return nil
}
