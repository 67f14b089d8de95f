package delta

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// modelCommit is a commit as the model knows it.
type modelCommit struct {
	added, removed []string
	app            string
	appVersion     int64
	derived        bool
}

// model is a table as plain data: what the files and txns of each version must be.
type model struct {
	commits []modelCommit // commits[i] made version i+1
}

func (m *model) files(version int64) []string {
	live := map[string]bool{}
	for _, c := range m.commits[:version] {
		for _, f := range c.removed {
			delete(live, f)
		}
		for _, f := range c.added {
			live[f] = true
		}
	}
	return slices.Sorted(maps.Keys(live))
}

func (m *model) txn(app string, version int64) (last int64, ok bool) {
	for _, c := range m.commits[:version] {
		if c.app == app {
			last, ok = c.appVersion, true
		}
	}
	return last, ok
}

// answer is what Commit must say to c when it read a version.
func (m *model) answer(c modelCommit, read int64) error {
	if last, ok := m.txn(c.app, read); c.app != "" && ok && last >= c.appVersion {
		return ErrReplayed
	}
	for _, w := range m.commits[read:] {
		if c.app != "" && w.app == c.app {
			if w.appVersion >= c.appVersion {
				return ErrReplayed
			}
			return ErrConflict
		}
		if slices.ContainsFunc(c.removed, func(f string) bool { return slices.Contains(w.removed, f) }) {
			return ErrConflict
		}
		blind := len(w.removed) == 0 && !w.derived
		if c.derived && (len(w.removed) > 0 || len(w.added) > 0 && !blind) {
			return ErrConflict
		}
	}
	return nil
}

// open is a transaction that was begun and waits for its turn.
type open struct {
	tx     *Transaction
	commit modelCommit
	read   int64
}

// TestRandomHistories runs seeded histories of several handles against the model, with puts that fail before or after
// they took place and checkpoints that cannot be written.
func TestRandomHistories(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 10
	}
	first := uint64(time.Now().UnixNano())
	for i := range seeds {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runHistory(t, seed, 120) })
	}
}

func runHistory(t *testing.T, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	objects := newMemory()
	var m model
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	createRides(t, objects, map[string]string{
		propCheckpointInterval: fmt.Sprint(1 + rng.IntN(20)), propCompactionInterval: fmt.Sprint(2 + rng.IntN(5)),
	})
	handles := make([]*Table, 3)
	reopen := func(i int) {
		var err error
		if handles[i], err = OpenWith(t.Context(), objects, Options{Logger: logger}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range handles {
		reopen(i)
	}
	failed := 0 // puts that failed in a row: fewer than Commit tries
	objects.fault = func(op, key string) (error, bool) {
		if op == "put" && rng.IntN(4) == 0 {
			return errors.New("no checkpoint today"), false
		}
		if strings.HasSuffix(key, ".crc") {
			return nil, false
		}
		if op == "put-if-absent" && failed < putAttempts-1 && rng.IntN(5) == 0 {
			failed++
			return errors.New("connection reset"), rng.IntN(2) == 0
		}
		if op == "put-if-absent" {
			failed = 0
		}
		return nil, false
	}
	var waiting []open
	for step := range steps {
		h := handles[rng.IntN(len(handles))]
		switch n := rng.IntN(10); {
		case n == 0:
			reopen(rng.IntN(len(handles)))
		case n <= 4 && len(waiting) < 6:
			waiting = append(waiting, beginRandom(t, rng, h, &m, step))
		case n <= 8 && len(waiting) > 0:
			i := rng.IntN(len(waiting))
			finish(t, waiting[i], &m)
			waiting = slices.Delete(waiting, i, i+1)
		default:
			version := int64(rng.IntN(len(m.commits) + 1))
			s, err := h.SnapshotAt(t.Context(), version)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, s, &m)
		}
		compare(t, snapshot(t, h), &m)
	}
	objects.fault = nil
	for i := range handles {
		compare(t, snapshot(t, handles[i]), &m)
		reopen(i)
		compare(t, snapshot(t, handles[i]), &m)
	}
}

func beginRandom(t *testing.T, rng *rand.Rand, h *Table, m *model, step int) open {
	s := snapshot(t, h)
	o := open{tx: h.Begin(s), read: s.Version()}
	live := m.files(s.Version())
	for i := range 1 + rng.IntN(3) {
		name := fmt.Sprintf("f%d-%d %%", step, i)
		o.tx.Add(ride(name))
		o.commit.added = append(o.commit.added, name)
	}
	if len(live) > 0 && rng.IntN(3) == 0 {
		for _, i := range rng.Perm(len(live))[:1+rng.IntN(min(3, len(live)))] {
			o.tx.Remove(live[i])
			o.commit.removed = append(o.commit.removed, live[i])
		}
	}
	if rng.IntN(3) == 0 {
		o.commit.app = fmt.Sprint("app", rng.IntN(3))
		last, _ := m.txn(o.commit.app, s.Version())
		o.commit.appVersion = last + int64(rng.IntN(3))
		o.tx.SetTxn(o.commit.app, o.commit.appVersion)
	}
	if rng.IntN(5) == 0 {
		o.commit.derived = true
		o.tx.ReadTable()
	}
	return o
}

func finish(t *testing.T, o open, m *model) {
	t.Helper()
	want := m.answer(o.commit, o.read)
	version, err := o.tx.Commit(t.Context())
	if !errors.Is(err, want) {
		t.Fatalf("commit %+v that read version %d: %v, want %v", o.commit, o.read, err, want)
	}
	if err != nil {
		return
	}
	m.commits = append(m.commits, o.commit)
	if version != int64(len(m.commits)) {
		t.Fatalf("committed version %d, want %d", version, len(m.commits))
	}
}

func compare(t *testing.T, s *Snapshot, m *model) {
	t.Helper()
	if got, want := paths(t, s), m.files(s.Version()); !slices.Equal(got, want) {
		t.Fatalf("version %d has files %q, want %q", s.Version(), got, want)
	}
	for _, app := range []string{"app0", "app1", "app2"} {
		got, gotOK := s.Txn(app)
		want, wantOK := m.txn(app, s.Version())
		if got != want || gotOK != wantOK {
			t.Fatalf("version %d: txn %s is %d %v, want %d %v", s.Version(), app, got, gotOK, want, wantOK)
		}
	}
}

// TestConcurrentAppends has real goroutines race: each append must land exactly once.
func TestConcurrentAppends(t *testing.T) {
	objects := newMemory()
	createRides(t, objects, nil)
	const writers, each = 4, 25
	errs := make(chan error, writers)
	for w := range writers {
		go func() {
			table, err := Open(t.Context(), objects)
			for i := 0; err == nil && i < each; i++ {
				var s *Snapshot
				if s, err = table.Snapshot(t.Context()); err != nil {
					break
				}
				tx := table.Begin(s)
				tx.Add(ride(fmt.Sprintf("w%d-%d", w, i)))
				_, err = tx.Commit(t.Context())
			}
			errs <- err
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	table, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	if s := snapshot(t, table); s.Version() != writers*each || len(paths(t, s)) != writers*each {
		t.Errorf("version %d with %d files, want %d", s.Version(), len(paths(t, s)), writers*each)
	}
}
