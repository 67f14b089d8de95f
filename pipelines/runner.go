package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weir-data/weir/batch"
)

// pipeline is one of a Manager's, whose mu guards it.
type pipeline struct {
	m      *Manager
	name   string
	record record

	state    State
	reason   string
	since    time.Time
	waiting  *batch.Waiting
	restarts int
	totals   Totals
	reports  []batch.Report
	changed  chan struct{} // closed, and replaced, when something happens

	run   *run // nil when nothing runs
	taken bool // somebody is changing it; see takeLocked
}

// run is the work of a pipeline from its start to the end of its last process.
type run struct {
	stop    chan struct{} // closed when it is to end
	stopped bool
	ended   chan struct{}
}

func (m *Manager) newPipeline(name string) *pipeline {
	return &pipeline{m: m, name: name, changed: make(chan struct{})}
}

func (p *pipeline) save() error {
	raw, err := json.Marshal(p.record)
	if err == nil {
		err = p.m.space.Put(p.name, raw)
	}
	if err != nil {
		return fmt.Errorf("keep pipeline %s: %w", p.name, err)
	}
	return nil
}

// enter notes a state and tells those who wait.
func (p *pipeline) enter(s State, reason string) {
	p.state, p.reason, p.since, p.waiting = s, reason, p.m.opts.Now().UTC(), nil
	p.tellLocked()
}

func (p *pipeline) tellLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipeline) statusLocked() Status {
	s := Status{
		Name: p.name, File: p.record.File, State: p.state, Error: p.reason, Since: p.since,
		Created: p.record.Created, Changed: p.record.Changed, Restarts: p.restarts, Totals: p.totals, Waiting: p.waiting,
	}
	if n := len(p.reports); n > 0 {
		last := p.reports[n-1]
		s.Last = &last
	}
	return s
}

// startLocked lets the pipeline run, if it does not.
func (p *pipeline) startLocked() {
	if p.run != nil || p.m.closed {
		return
	}
	p.restarts = 0
	p.enter(Starting, "")
	r := &run{stop: make(chan struct{}), ended: make(chan struct{})}
	p.run = r
	p.m.done.Go(func() { p.work(r) })
}

// stopLocked asks the pipeline to end.
func (p *pipeline) stopLocked() {
	if p.run == nil || p.run.stopped {
		return
	}
	p.run.stopped = true
	close(p.run.stop)
	p.enter(Stopping, "")
}

// restLocked stops the pipeline and waits until it rests; the lock is free meanwhile.
func (p *pipeline) restLocked(ctx context.Context) error {
	r := p.run
	if r == nil {
		return nil
	}
	p.stopLocked()
	p.m.mu.Unlock()
	defer p.m.mu.Lock()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("pipeline %s still finishes its batch: %w", p.name, ctx.Err())
	}
}

const (
	restartMax = time.Minute // the longest pause before a process is started again
	// steadyAfter is how long a process must have run for the next crash to count as a first one.
	steadyAfter = 5 * time.Minute
)

// work runs processes until one has an end that counts.
func (p *pipeline) work(r *run) {
	wait, told := p.m.opts.restartFirst, ""
	for { // told is the reason that the log has
		began := p.m.opts.Now()
		end, reason := p.process(r)
		if end != Starting {
			p.finish(r, end, reason)
			return
		}
		if p.m.opts.Now().Sub(began) > steadyAfter {
			wait, told = p.m.opts.restartFirst, ""
		}
		if reason != told {
			p.m.opts.Logger.Warn("pipeline will be started again", "pipeline", p.name, "after", wait, "reason", reason)
			told = reason
		}
		p.m.mu.Lock()
		p.restarts++
		p.enter(Starting, reason)
		p.m.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-r.stop:
			t.Stop()
			p.finish(r, Paused, "")
			return
		}
		wait = min(2*wait, restartMax)
	}
}

// finish notes the end of a run. Who asked for it says what comes next.
func (p *pipeline) finish(r *run, end State, reason string) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.run = nil
	p.enter(end, reason)
	if end == Failed {
		p.m.opts.Logger.Error("pipeline stopped", "pipeline", p.name, "reason", reason)
	}
	close(r.ended)
}

// process runs one process to its end, and returns the state that follows: Starting if it is to be started again.
func (p *pipeline) process(r *run) (State, string) {
	p.m.mu.Lock()
	file := p.record.File
	p.m.mu.Unlock()
	var failure *Failure
	proc, err := p.m.opts.Start(context.Background(), p.name, file, func(e Event) {
		if e.Failure != nil {
			failure = e.Failure
			return
		}
		p.take(r, e)
	})
	if err != nil {
		return Starting, "cannot start: " + err.Error()
	}
	ended := make(chan struct{})
	go p.attend(r, proc, ended)
	err = proc.Wait()
	close(ended)
	stopped := false
	select {
	case <-r.stop:
		stopped = true
	default:
	}
	switch {
	case stopped && (failure == nil || failure.Temporary):
		return Paused, ""
	case failure != nil && failure.Temporary:
		return Starting, failure.Reason
	case failure != nil:
		return Failed, failure.Reason
	case err != nil:
		return Starting, "its process died: " + err.Error()
	}
	return Done, ""
}

// attend passes a stop on to a process, and kills one that takes too long.
func (p *pipeline) attend(r *run, proc Process, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-r.stop:
	}
	proc.Stop()
	t := time.NewTimer(p.m.opts.StopTimeout)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
		p.m.opts.Logger.Warn("pipeline did not finish its batch in time and is killed; the batch runs again at the next start",
			"pipeline", p.name, "after", p.m.opts.StopTimeout)
		proc.Kill()
	}
}

// take notes what a process tells.
func (p *pipeline) take(r *run, e Event) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.state == Starting && !r.stopped {
		p.enter(Running, "")
	}
	if e.Waiting != nil {
		if p.waiting = e.Waiting; e.Waiting.Doing == "" {
			p.waiting = nil
		}
		p.tellLocked()
	}
	if e.Report == nil {
		return
	}
	if len(p.reports) >= reportsKept {
		p.reports = append(p.reports[:0], p.reports[1:]...)
	}
	p.reports = append(p.reports, *e.Report)
	p.totals.Batches++
	p.totals.Records += e.Report.NumInputRows
	p.totals.DeadLetters += e.Report.DeadLetters
	p.totals.RowsLate += e.Report.RowsLate()
	p.tellLocked()
	if p.m.opts.Observe != nil {
		p.m.opts.Observe(*e.Report)
	}
}
