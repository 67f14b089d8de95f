package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
)

// Options of Open. Meta and Start are required.
type Options struct {
	Meta  *meta.Store
	Start Start
	// Observe is told of every micro-batch, for metrics.
	Observe func(batch.Report)
	// StopTimeout is how long a process may take to finish its batch before it is killed; default one minute.
	StopTimeout time.Duration
	Logger      *slog.Logger
	Now         func() time.Time

	restartFirst time.Duration // the first pause before a process is started again; default one second
}

// Manager keeps pipelines. It is safe for concurrent use.
type Manager struct {
	opts  Options
	space meta.Space

	mu     sync.Mutex // guards all; not held while a process starts or stops
	all    map[string]*pipeline
	closed bool
	done   sync.WaitGroup // runners
}

// space is where files are kept in the metadata store.
const space = "pipeline-files"

// record is what is kept of a pipeline, as JSON under its name.
type record struct {
	File    string    `json:"file"`
	Paused  bool      `json:"paused"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
}

// Open reads what is kept and starts the pipelines that are wanted to run.
func Open(opts Options) (*Manager, error) {
	if opts.StopTimeout == 0 {
		opts.StopTimeout = time.Minute
	}
	if opts.restartFirst == 0 {
		opts.restartFirst = time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	m := &Manager{opts: opts, space: opts.Meta.Space(space), all: map[string]*pipeline{}}
	for e, err := range m.space.Scan("", "") {
		if err != nil {
			return nil, fmt.Errorf("read pipelines: %w", err)
		}
		p := m.newPipeline(e.Key)
		if err := json.Unmarshal(e.Value, &p.record); err != nil {
			return nil, fmt.Errorf("read pipeline %s: %w", e.Key, err)
		}
		m.all[e.Key] = p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.all {
		if p.record.Paused {
			p.enter(Paused, "")
		} else {
			p.startLocked()
		}
	}
	return m, nil
}

// Files are the pipeline files that a Manager keeps in a store, by the names of the pipelines: those that run and those that do not. No
// Manager needs to be open.
func Files(store *meta.Store) (map[string]string, error) {
	all := map[string]string{}
	for e, err := range store.Space(space).Scan("", "") {
		var r record
		if err == nil {
			err = json.Unmarshal(e.Value, &r)
		}
		if err != nil {
			return nil, fmt.Errorf("read pipelines: %w", err)
		}
		all[e.Key] = r.File
	}
	return all, nil
}

// Close lets every pipeline finish its batch, and returns when all have.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	for _, p := range m.all {
		p.stopLocked()
	}
	m.mu.Unlock()
	m.done.Wait()
	return nil
}

// Create keeps and starts the pipeline of a pipeline file; paused, it is only kept.
func (m *Manager) Create(ctx context.Context, file string, paused bool) (Status, error) {
	name, err := nameOf(file)
	if err != nil {
		return Status{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all[name] != nil {
		return Status{}, fmt.Errorf("pipeline %s: %w", name, ErrExists)
	}
	if len(m.all) >= pipelinesMax {
		return Status{}, ErrFull
	}
	p := m.newPipeline(name)
	now := m.opts.Now().UTC()
	p.record = record{File: file, Paused: paused, Created: now, Changed: now}
	if err := p.save(); err != nil {
		return Status{}, err
	}
	m.all[name] = p
	if paused {
		p.enter(Paused, "")
	} else {
		p.startLocked()
	}
	return p.statusLocked(), nil
}

// Replace gives a pipeline another file, of the same name in it. A running one finishes its batch and goes on with the new file.
func (m *Manager) Replace(ctx context.Context, name, file string) (Status, error) {
	switch said, err := nameOf(file); {
	case err != nil:
		return Status{}, err
	case said != name:
		return Status{}, fmt.Errorf("%w %s: the file is that of pipeline %s", ErrInvalid, name, said)
	}
	return m.change(ctx, name, func(p *pipeline) {
		p.record.File, p.record.Changed = file, m.opts.Now().UTC()
	})
}

// Pause has a pipeline finish its batch and rest, also over a restart of the server. It returns when the pipeline rests.
func (m *Manager) Pause(ctx context.Context, name string) (Status, error) {
	return m.change(ctx, name, func(p *pipeline) { p.record.Paused = true })
}

// Resume starts a pipeline that rests, has failed or is done. One that runs goes on.
func (m *Manager) Resume(ctx context.Context, name string) (Status, error) {
	p, release, err := m.takeLocked(ctx, name)
	if err != nil {
		return Status{}, err
	}
	defer release()
	if p.record.Paused {
		p.record.Paused = false
		if err := p.save(); err != nil {
			p.record.Paused = true
			return Status{}, err
		}
	}
	p.startLocked()
	return p.statusLocked(), nil
}

// change stops a pipeline, changes and saves what is kept of it, and starts it again if it is wanted to run and did.
func (m *Manager) change(ctx context.Context, name string, edit func(*pipeline)) (Status, error) {
	p, release, err := m.takeLocked(ctx, name)
	if err != nil {
		return Status{}, err
	}
	defer release()
	rested := p.state == Failed || p.state == Done
	if err := p.restLocked(ctx); err != nil {
		return Status{}, err
	}
	before := p.record
	edit(p)
	if err := p.save(); err != nil {
		p.record = before
		p.enter(Failed, err.Error())
		return Status{}, err
	}
	switch {
	case p.record.Paused:
		p.enter(Paused, "")
	case !rested || before.File != p.record.File:
		p.startLocked()
	}
	return p.statusLocked(), nil
}

// Remove stops a pipeline and forgets it. Its table, dead letters and progress stay: a pipeline of the same name goes on where it
// was.
func (m *Manager) Remove(ctx context.Context, name string) error {
	p, release, err := m.takeLocked(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	if err := p.restLocked(ctx); err != nil {
		return err
	}
	if err := m.space.Delete(name); err != nil {
		p.enter(Failed, err.Error())
		return fmt.Errorf("remove pipeline %s: %w", name, err)
	}
	delete(m.all, name)
	return nil
}

// List returns all pipelines by name.
func (m *Manager) List() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Status, 0, len(m.all))
	for _, p := range m.all {
		all = append(all, p.statusLocked())
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Status returns one pipeline.
func (m *Manager) Status(name string) (Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.getLocked(name)
	if err != nil {
		return Status{}, err
	}
	return p.statusLocked(), nil
}

// Reports returns the newest reports of a pipeline, the oldest first, of batches after number after.
func (m *Manager) Reports(name string, after int64) ([]batch.Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.getLocked(name)
	if err != nil {
		return nil, err
	}
	from := slices.IndexFunc(p.reports, func(r batch.Report) bool { return r.BatchID > after })
	if from < 0 {
		return nil, nil
	}
	return slices.Clone(p.reports[from:]), nil
}

// Changes returns what is closed when next something happens to a pipeline. Ask for it before you look, so that you miss nothing.
func (m *Manager) Changes(name string) (changed <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.getLocked(name)
	if err != nil {
		return nil, err
	}
	return p.changed, nil
}

// takeLocked is getLocked for one who changes the pipeline, which only one does at a time. The Manager is locked until release.
func (m *Manager) takeLocked(ctx context.Context, name string) (p *pipeline, release func(), err error) {
	m.mu.Lock()
	for {
		if p, err = m.getLocked(name); err != nil {
			m.mu.Unlock()
			return nil, nil, err
		}
		if !p.taken {
			p.taken = true
			return p, func() { p.taken = false; p.tellLocked(); m.mu.Unlock() }, nil
		}
		changed := p.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("pipeline %s is being changed by somebody else: %w", name, ctx.Err())
		}
		m.mu.Lock()
	}
}

func (m *Manager) getLocked(name string) (*pipeline, error) {
	if m.closed {
		return nil, errors.New("the server stops")
	}
	p := m.all[name]
	if p == nil {
		return nil, fmt.Errorf("pipeline %q: %w", name, ErrNotFound)
	}
	return p, nil
}

// nameOf checks a pipeline file as far as that can be done without running it.
func nameOf(file string) (string, error) {
	if len(file) > textMax {
		return "", fmt.Errorf("%w: the file has %d bytes, the most is %d", ErrInvalid, len(file), textMax)
	}
	p, err := batch.ParsePipeline("pipeline", []byte(file))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p.Name, nil
}
