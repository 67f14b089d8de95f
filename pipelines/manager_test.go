package pipelines

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

const file = `
name: rides
source:
  stream: rides
  schema: {n: bigint}
sink:
  delta: s3://lake/rides
dead_letters: s3://lake/_dead
`

// fakeProcess ends as its test says.
type fakeProcess struct {
	name, file string
	tell       func(Event)
	end        chan error
	stops      chan struct{} // closed by Stop
	once       sync.Once
	deaf       bool // does not end when it is stopped
}

func (p *fakeProcess) Wait() error { return <-p.end }
func (p *fakeProcess) Kill()       { p.end <- errors.New("killed") }
func (p *fakeProcess) Stop() {
	p.once.Do(func() { close(p.stops) })
	if !p.deaf {
		p.end <- nil
	}
}

// house is a Manager and the processes that it starts.
type house struct {
	*Manager
	store   *meta.Store
	started chan *fakeProcess
	deaf    bool
}

func openHouse(t *testing.T, store *meta.Store) *house {
	t.Helper()
	h := &house{store: store, started: make(chan *fakeProcess, 10)}
	m, err := Open(Options{Meta: store, StopTimeout: 20 * time.Millisecond, restartFirst: time.Millisecond,
		Start: func(_ context.Context, name, file string, tell func(Event)) (Process, error) {
			p := &fakeProcess{name: name, file: file, tell: tell, end: make(chan error, 10), stops: make(chan struct{}), deaf: h.deaf}
			h.started <- p
			return p, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	h.Manager = m
	t.Cleanup(func() { m.Close() })
	return h
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store, err := meta.Open(vfs.Default, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return openHouse(t, store)
}

// until waits for a state.
func (h *house) until(t *testing.T, name string, want State) Status {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		changed, err := h.Changes(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.Status(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.State == want {
			return s
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("pipeline is %s (%s), not %s", s.State, s.Error, want)
		}
	}
}

func TestLife(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Create(t.Context(), "name: x", false); !errors.Is(err, ErrInvalid) {
		t.Fatalf("half a file: %v", err)
	}
	s, err := h.Create(t.Context(), file, false)
	if err != nil || s.Name != "rides" || s.State != Starting {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := h.Create(t.Context(), file, false); !errors.Is(err, ErrExists) {
		t.Fatalf("the same again: %v", err)
	}
	p := <-h.started
	p.tell(Event{Running: true})
	h.until(t, "rides", Running)
	p.tell(Event{Waiting: &batch.Waiting{Doing: "write", Error: "no space left on device"}})
	if s, _ := h.Status("rides"); s.State != Running || s.Waiting == nil || s.Waiting.Doing != "write" {
		t.Errorf("waiting: %+v", s)
	}
	p.tell(Event{Waiting: &batch.Waiting{}})
	if s, _ := h.Status("rides"); s.Waiting != nil {
		t.Errorf("no longer waiting: %+v", s.Waiting)
	}
	p.tell(Event{Waiting: &batch.Waiting{Doing: "write"}})
	for i := range 3 {
		p.tell(Event{Report: &batch.Report{BatchID: int64(i), NumInputRows: 10, DeadLetters: 1, StateOps: []batch.StateReport{{RowsLate: 2}, {RowsLate: 3}}}})
	}
	if s, _ := h.Status("rides"); s.Totals != (Totals{3, 30, 3, 15}) || s.Last.BatchID != 2 {
		t.Errorf("%+v", s)
	}
	if all, err := h.Reports("rides", 0); err != nil || len(all) != 2 {
		t.Errorf("%d reports, %v", len(all), err)
	}
	if s, err = h.Pause(t.Context(), "rides"); err != nil || s.State != Paused {
		t.Fatalf("%+v, %v", s, err)
	}
	<-p.stops
	if s.Waiting != nil {
		t.Errorf("a paused pipeline waits: %+v", s.Waiting)
	}
	if s, err = h.Resume(t.Context(), "rides"); err != nil || s.State != Starting {
		t.Fatalf("%+v, %v", s, err)
	}
	<-h.started
	next := strings.Replace(file, "lake/rides", "lake/more", 1)
	if s, err = h.Replace(t.Context(), "rides", next); err != nil || s.File != next {
		t.Fatalf("%+v, %v", s, err)
	}
	if p = <-h.started; p.file != next {
		t.Errorf("runs\n%s", p.file)
	}
	if err := h.Remove(t.Context(), "rides"); err != nil {
		t.Fatal(err)
	}
	<-p.stops
	if _, err := h.Status("rides"); !errors.Is(err, ErrNotFound) || len(h.List()) != 0 {
		t.Errorf("still there: %v", err)
	}
}

func TestEnds(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	p := <-h.started
	p.end <- errors.New("signal: segmentation fault")
	p = <-h.started // again
	p.tell(Event{Failure: &Failure{Reason: "no connection", Temporary: true}})
	p.end <- nil
	p = <-h.started // again
	if s := h.until(t, "rides", Starting); s.Restarts != 2 || s.Error != "no connection" {
		t.Errorf("%+v", s)
	}
	p.tell(Event{Running: true})
	if s := h.until(t, "rides", Running); s.Error != "" {
		t.Errorf("%+v", s)
	}
	p.tell(Event{Failure: &Failure{Reason: "bad record"}})
	p.end <- nil
	if s := h.until(t, "rides", Failed); s.Error != "bad record" {
		t.Errorf("%+v", s)
	}
	if _, err := h.Resume(t.Context(), "rides"); err != nil {
		t.Fatal(err)
	}
	p = <-h.started
	p.end <- nil
	h.until(t, "rides", Done)
}

// TestStopThatTakesTooLong kills a process that does not end its batch.
func TestStopThatTakesTooLong(t *testing.T) {
	h := newHouse(t)
	h.deaf = true
	if _, err := h.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	<-h.started
	if s, err := h.Pause(t.Context(), "rides"); err != nil || s.State != Paused {
		t.Fatalf("%+v, %v", s, err)
	}
}

// TestRestart opens what another Manager kept: what ran runs, what rested rests.
func TestRestart(t *testing.T) {
	h := newHouse(t)
	for i := range 4 {
		if _, err := h.Create(t.Context(), strings.Replace(file, "name: rides", fmt.Sprint("name: p", i), 1), i%2 == 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Pause(t.Context(), "p2"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Resume(t.Context(), "p3"); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Resume(t.Context(), "p1"); err == nil {
		t.Error("a closed manager starts pipelines")
	}
	h = openHouse(t, h.store)
	ran := map[string]bool{}
	for range 2 {
		ran[(<-h.started).name] = true
	}
	if !ran["p0"] || !ran["p3"] || len(h.List()) != 4 {
		t.Errorf("runs %v of %d", ran, len(h.List()))
	}
}

// TestChangesAtTheSameTime lets many change one pipeline: each change is whole, and the last one holds.
func TestChangesAtTheSameTime(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	go func() {
		for range h.started {
		}
	}()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = h.Pause(t.Context(), "rides")
			case 1:
				_, err = h.Resume(t.Context(), "rides")
			case 2:
				_, err = h.Replace(t.Context(), "rides", fmt.Sprint(file, "# ", i, "\n"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := h.Resume(t.Context(), "rides"); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Pause(t.Context(), "rides"); err != nil || s.State != Paused {
		t.Errorf("%+v, %v", s, err)
	}
	close(h.started)
}
