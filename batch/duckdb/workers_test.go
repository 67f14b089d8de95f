package duckdb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/worker"
)

// parentEnv makes this program one that has a statement under way, for TestParentDies to kill.
const parentEnv = "WEIR_TEST_PARENT"

func TestMain(m *testing.M) {
	WorkerMain()
	if os.Getenv(parentEnv) != "" {
		k, err := NewWorkers(WorkersOptions{Dir: os.TempDir()}).Take(context.Background())
		if err != nil {
			panic(err)
		}
		p, err := k.process()
		if err != nil {
			panic(err)
		}
		fmt.Println(p.PID())
		_, err = k.Query(context.Background(), slow)
		panic(err)
	}
	os.Exit(m.Run())
}

// TestParentDies leaves a process without its parent while a statement runs in it.
func TestParentDies(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"=1", "TMPDIR="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	_, err = fmt.Fscan(out, &pid)
	parent.Process.Kill()
	parent.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); running(pid); runtime.Gosched() {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("process %d goes on without its parent", pid)
		}
	}
}

// running says whether a process is there and is not only waiting to be reaped.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}

func newWorkers(t testing.TB, opts WorkersOptions) *Workers {
	t.Helper()
	opts.Dir, opts.TempDir = t.TempDir(), t.TempDir()
	w := NewWorkers(opts)
	t.Cleanup(func() {
		w.Close()
		for _, dir := range []string{opts.Dir, opts.TempDir} {
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("folders are left: %v %v", left, err)
			}
		}
	})
	return w
}

func take(t testing.TB, w *Workers) *Worker {
	t.Helper()
	k, err := w.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestWorkerAgrees asks a DB and a Worker the same.
func TestWorkerAgrees(t *testing.T) {
	k := take(t, newWorkers(t, WorkersOptions{}))
	defer k.Release()
	dir := k.Dir()
	db := open(t, dir)
	rows := everyKindRows(t, 2000) // of one vector, so that their order is certain
	table := Table{Name: "t", Schema: rows.Schema, Rows: []*columnar.Batch{rows}}
	for _, sql := range []string{
		"SELECT * FROM t", "SELECT * FROM t WHERE false", "SELECT count(*), max(s), sum(d38) FROM t", "SELECT l, st, m, ls FROM t WHERE i32 > 1000",
	} {
		want, err := db.Query(t.Context(), sql, table)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Query(t.Context(), sql, table)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if w, g := streamOf(t, want), streamOf(t, got); !bytes.Equal(w, g) || !bytes.Equal(want.Schema.JSON(), got.Schema.JSON()) {
			t.Errorf("%s: %d rows that differ, want %d", sql, got.Len, want.Len)
		}
	}
	opts := CopyOptions{Columns: &columnar.Schema{Fields: rows.Schema.Fields[3:9]}, PartitionBy: []string{"b"},
		FieldID: func(f *columnar.Field) (int32, bool) { return int32(100 + rows.Schema.Index(f.Name)), true }}
	var files [2][]CopiedFile
	for i, c := range []func(context.Context, string, CopyOptions, ...Table) ([]CopiedFile, error){db.Copy, k.Copy} {
		opts.Dir = filepath.Join(dir, string(rune('a'+i)))
		if err := os.Mkdir(opts.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if files[i], err = c(t.Context(), "SELECT * FROM t", opts, table); err != nil {
			t.Fatal(err)
		}
		for k := range files[i] {
			files[i][k].Path = strings.TrimPrefix(files[i][k].Path, opts.Dir)
		}
	}
	if len(files[0]) < 3 || !reflect.DeepEqual(files[0], files[1]) {
		t.Errorf("a Worker copied %+v\nwant %+v", files[1], files[0])
	}
	_, want := db.Query(t.Context(), "SELECT error('so so')")
	if _, err := k.Query(t.Context(), "SELECT error('so so')"); err == nil || err.Error() != want.Error() {
		t.Errorf("an error comes as %v, want %v", err, want)
	}
}

func streamOf(t testing.TB, b *columnar.Batch) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := columnar.WriteBatch(&buf, b); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// slow runs for minutes.
const slow = "SELECT sum(a.i * b.i % 7) FROM range(1000000) a(i), range(1000000) b(i)"

// alive checks that a worker answers.
func alive(t *testing.T, k *Worker) {
	t.Helper()
	if b, err := k.Query(t.Context(), "SELECT 42"); err != nil || b.Len != 1 || b.Columns[0].Int(0) != 42 {
		t.Errorf("the next statement: %v %v", b, err)
	}
}

func TestWorkerCancel(t *testing.T) {
	k := take(t, newWorkers(t, WorkersOptions{CancelGrace: time.Minute}))
	defer k.Release()
	alive(t, k)
	pid := k.p.PID()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := k.Query(ctx, slow); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a cancelled statement: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("cancelling took %v", took)
	}
	alive(t, k)
	if k.p.PID() != pid {
		t.Error("a process that heard the cancellation was ended")
	}
}

// TestWorkerCrash kills the process under two statements: both fail, the worker goes on in another process, others never notice.
func TestWorkerCrash(t *testing.T) {
	workers := newWorkers(t, WorkersOptions{})
	k, other := take(t, workers), take(t, workers)
	defer k.Release()
	defer other.Release()
	alive(t, other)
	p, err := k.process()
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := k.Query(t.Context(), slow)
			failed <- err
		}()
	}
	for p.idle() { // until a statement is under way
		runtime.Gosched()
	}
	p.Stop()
	if err := <-failed; !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("a statement under a crash: %v", err)
	}
	again := k.p // the second statement may have come after the crash: then it runs in the next process
	if again != p && again != nil {
		again.Stop()
	}
	if err := <-failed; !errors.Is(err, ErrCrashed) {
		t.Errorf("a statement under a crash: %v", err)
	}
	alive(t, k)
	alive(t, other)
}

// TestWorkerDiesIdle ends a process between two workers.
func TestWorkerDiesIdle(t *testing.T) {
	workers := newWorkers(t, WorkersOptions{Processes: 1})
	k := take(t, workers)
	alive(t, k)
	k.Release()
	k.p.Stop()
	for k.p.alive() {
		runtime.Gosched()
	}
	k = take(t, workers)
	defer k.Release()
	alive(t, k)
}

// TestWorkerMemory runs statements that need much: what DuckDB counts, and what it does not.
func TestWorkerMemory(t *testing.T) {
	k := take(t, newWorkers(t, WorkersOptions{MemoryLimit: 40 << 20}))
	defer k.Release()
	statements := []string{"SELECT count(*) FROM (SELECT i, array_agg(repeat('x', 100) || i) FROM range(3000000) r(i) GROUP BY i % 7, i)"}
	if worker.LimitsMemory {
		statements = append(statements, "SELECT max(length(repeat('x', 3000000) || i)) FROM range(2000) r(i)")
	}
	for _, sql := range statements {
		if _, err := k.Query(t.Context(), sql); !errors.Is(err, ErrMemory) || strings.Count(err.Error(), ErrMemory.Error()) != 1 {
			t.Errorf("a statement beyond the limit: %v", err)
		}
	}
	alive(t, k)
}

// TestWorkerFolders shows that each worker sees its own folder only, and nothing there of what was before.
func TestWorkerFolders(t *testing.T) {
	workers := newWorkers(t, WorkersOptions{})
	one := &columnar.Schema{Fields: []columnar.Field{{Name: "a", Type: columnar.Type{Kind: columnar.Int32}}}}
	both := []*Worker{take(t, workers), take(t, workers)}
	for i, k := range both {
		files, err := k.Copy(t.Context(), "SELECT 1 AS a", CopyOptions{Dir: k.Dir(), Columns: one})
		if err != nil {
			t.Fatal(err)
		}
		for n, reader := range both {
			_, err := reader.Query(t.Context(), "SELECT * FROM read_parquet("+quoteText(files[0].Path)+")")
			if mine := n == i; mine != (err == nil) {
				t.Errorf("worker %d reads from worker %d: %v", n, i, err)
			}
		}
		for _, sql := range []string{"SELECT * FROM read_text('/proc/self/environ')", "SELECT * FROM glob('/etc/*')"} {
			if out, err := k.Query(t.Context(), sql); err == nil {
				t.Errorf("%s gives %d rows", sql, out.Len)
			}
		}
	}
	for _, k := range both {
		k.Release()
	}
	for range both {
		k := take(t, workers)
		defer k.Release()
		if left, err := os.ReadDir(k.Dir()); err != nil || len(left) > 0 {
			t.Errorf("files of others: %v %v", left, err)
		}
	}
}

// TestWorkersWait has more workers than processes.
func TestWorkersWait(t *testing.T) {
	workers := newWorkers(t, WorkersOptions{Processes: 1})
	first := take(t, workers)
	alive(t, first)
	pid := first.p.PID()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := workers.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a process: %v", err)
	}
	first.Release()
	second := take(t, workers)
	alive(t, second)
	if second.p.PID() != pid {
		t.Error("a process that was released was not taken again")
	}
	workers.Close()
	second.Release()
	if _, err := workers.Take(t.Context()); err == nil {
		t.Error("closed workers can be taken")
	}
}

// FuzzAnswer hands over what a process that lost its mind may say.
func FuzzAnswer(f *testing.F) {
	rows := everyKindRows(f, 20)
	var buf bytes.Buffer
	w := bufio.NewWriter(&buf)
	n := int64(5)
	for _, a := range []answer{{ID: 1, Schema: rows.Schema.JSON()}, {ID: 1, Message: "no", Memory: true}, {ID: 1, Files: []CopiedFile{{Path: "a", Null: map[string]any{"x": n}}}}} {
		for _, kind := range []byte{frameRows, frameFiles, frameFailed} {
			buf.Reset()
			if err := writeMessage(w, kind, a, rows); err != nil {
				f.Fatal(err)
			}
			f.Add(bytes.Clone(buf.Bytes()))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		done := make(chan *outcome, 1)
		p := &process{Process: &worker.Process{Out: bufio.NewReader(bytes.NewReader(raw))}, calls: map[int64]chan *outcome{1: done}}
		if len(raw) > 4 && (raw[3] > 0 || raw[4] > 0) { // frames of megabytes
			return
		}
		kind, payload, err := worker.ReadFrame(p.Out, nil)
		if err != nil || p.answered(kind, payload) != nil {
			return
		}
		if out := <-done; out.rows != nil {
			streamOf(t, out.rows)
		}
	})
}

// FuzzCall reads calls as a process does.
func FuzzCall(f *testing.F) {
	rows := everyKindRows(f, 20)
	c, batches, err := newCall("SELECT 1", nil, []Table{{Name: "t", Schema: rows.Schema, Rows: []*columnar.Batch{rows}}})
	if err != nil {
		f.Fatal(err)
	}
	head, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head, streamOf(f, batches[0]))
	f.Fuzz(func(t *testing.T, head, body []byte) {
		c := new(call)
		if json.Unmarshal(head, c) != nil {
			return
		}
		tables, err := c.readTables(bytes.NewReader(body))
		if err == nil && len(tables) != len(c.Tables) {
			t.Fatalf("%d tables of %d", len(tables), len(c.Tables))
		}
	})
}
