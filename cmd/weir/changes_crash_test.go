package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// slowUpdate is a statement over the rows that manyRows made which takes minutes.
const (
	manyRows   = "INSERT INTO t SELECT x, 'old', NULL, 1 FROM UNNEST(sequence(1, 100000)) AS u(x)"
	slowUpdate = "UPDATE t SET name = array_join(transform(sequence(1, 5000), x -> regexp_replace(CAST(x + k AS varchar), '[0-9]+$', 'z')), '')"
	digest     = "SELECT count(*), count_if(name = 'old'), sum(k) FROM t"
	before     = "100000,100000,5000050000\n"
)

// begin starts a statement and returns when its rows are being worked on in another process.
func begin(t *testing.T, h *house, s *session, text string) (id string) {
	t.Helper()
	out, err := s.api.StartQueryExecution(t.Context(), &athena.StartQueryExecutionInput{
		QueryString: &text, QueryExecutionContext: &types.QueryExecutionContext{Database: &s.database}, ResultConfiguration: &types.ResultConfiguration{OutputLocation: &s.place},
	})
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); len(staged(t, h)) == 0; runtime.Gosched() {
		if time.Since(began) > time.Minute {
			t.Fatal("the statement does not begin")
		}
	}
	return aws.ToString(out.QueryExecutionId)
}

// staged are files that statements are working on.
func staged(t *testing.T, h *house) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.objects.TempDir(), "rows-*", "rewrite-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ended waits for the end of a statement.
func ended(t *testing.T, h *house, id string) *query.Execution {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	x, err := h.queries.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// rowsWorkers are the processes of this one that change rows.
func rowsWorkers(t *testing.T) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it is gone
		}
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		var state string
		var parent int
		if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil || parent != os.Getpid() || state == "Z" {
			continue
		}
		env, err := os.ReadFile(filepath.Join(filepath.Dir(name), "environ"))
		if err != nil || !bytes.Contains(env, []byte("WEIR_WORKER=rows")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// unharmed checks that a statement which failed has left nothing, and that the next ones work.
func unharmed(t *testing.T, h *house, s *session) {
	t.Helper()
	if got := s.ask(t, digest); got != before {
		t.Errorf("afterwards the table has %s, want %s", got, before)
	}
	if left := staged(t, h); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	s.ask(t, "UPDATE t SET name = 'new' WHERE k <= 10")
	if got := s.ask(t, "SELECT count(*) FROM t WHERE name = 'new'"); got != "10\n" {
		t.Errorf("the next update changed %s", got)
	}
	s.ask(t, "UPDATE t SET name = 'old' WHERE k <= 10")
}

// killUntilEnded kills the processes that change rows until a statement has ended: the first may die before it has been given the rows, and
// is replaced then.
func killUntilEnded(t *testing.T, h *house, id string) {
	t.Helper()
	for began := time.Now(); ; {
		pids := rowsWorkers(t)
		if len(pids) > 1 {
			t.Fatalf("processes %v change rows, want one", pids)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := h.queries.Wait(ctx, id)
		cancel()
		if err == nil {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatal("the statement goes on without its process")
		}
	}
}

// TestChangeCrash kills the process of an UPDATE in the middle, and stops another.
func TestChangeCrash(t *testing.T) {
	h, cl := testHouse(t)
	s := lakeTable(t, h, cl)
	s.ask(t, manyRows)

	id := begin(t, h, s, slowUpdate)
	killUntilEnded(t, h, id)
	if x := ended(t, h, id); x.State != query.Failed || !strings.Contains(x.Reason, "signal: killed") {
		t.Errorf("the statement under a crash: %s %s", x.State, x.Reason)
	} else {
		t.Log(x.Reason)
	}
	unharmed(t, h, s)

	id = begin(t, h, s, slowUpdate)
	began := time.Now()
	if _, err := s.api.StopQueryExecution(t.Context(), &athena.StopQueryExecutionInput{QueryExecutionId: &id}); err != nil {
		t.Fatal(err)
	}
	if x := ended(t, h, id); x.State != query.Cancelled {
		t.Errorf("a statement that was stopped: %s %s", x.State, x.Reason)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("stopping took %v", took)
	} else {
		t.Log("stopping took", took)
	}
	unharmed(t, h, s)
}

// TestChangeMemory runs a statement that needs more memory than its process may use.
func TestChangeMemory(t *testing.T) {
	t.Parallel()
	h, cl := testHouse(t)
	s := lakeTable(t, h, cl)
	s.ask(t, manyRows)
	workers := batchduckdb.NewWorkers(batchduckdb.WorkersOptions{Dir: h.objects.TempDir(), MemoryLimit: 16 << 20, TempDir: t.TempDir()})
	defer workers.Close()
	c := &changer{objects: h.objects, workers: workers}
	st, err := sql.Parse("UPDATE t SET name = array_join(sequence(1, 1000 + k), ',')")
	if err != nil {
		t.Fatal(err)
	}
	ch := &query.Change{Location: "s3://lake/t", Statement: st, Target: "t"}
	if _, err := c.Change(t.Context(), ch); !errors.Is(err, query.ErrMemory) {
		t.Errorf("a statement beyond the limit: %v", err)
	}
	unharmed(t, h, s)
}

// BenchmarkDelete deletes a row of a small table, with DuckDB in a process of its own and in this one.
func BenchmarkDelete(b *testing.B) {
	h, cl := testHouse(b)
	s := lakeTable(b, h, cl)
	s.ask(b, "INSERT INTO t SELECT x, 'old', NULL, 1 FROM UNNEST(sequence(1, 20000)) AS u(x)")
	dir := h.objects.TempDir()
	own, err := batchduckdb.Open(batchduckdb.Options{Dirs: []string{dir}, MemoryLimit: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer own.Close()
	n := 0
	run := func(b *testing.B, db rewrite.DB, dir, text string) {
		n++
		where, err := rewrite.Where(fmt.Sprintf(text, n))
		if err != nil {
			b.Fatal(err)
		}
		t, err := rewrite.Open(b.Context(), rewrite.Options{Store: h.objects, Location: "s3://lake/t", DB: db, Staging: dir})
		if err != nil {
			b.Fatal(err)
		}
		if _, err = t.Delete(b.Context(), where, "t"); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct{ name, where string }{{"none", "k %% 1000 = 1000 + %d"}, {"one", "k = %d"}} {
		b.Run(c.name+"/this", func(b *testing.B) {
			for b.Loop() {
				run(b, own, dir, c.where)
			}
		})
		b.Run(c.name+"/other", func(b *testing.B) {
			for b.Loop() {
				w, err := h.workers.Take(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				run(b, w, w.Dir(), c.where)
				w.Release()
			}
		})
	}
}
