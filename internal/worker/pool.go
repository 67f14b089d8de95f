package worker

import (
	"context"
	"errors"
	"sync"
)

// Pool lends out workers, whatever a T is, to one caller each, as many as there are slots at a time. Those that come back wait for the
// next caller. It is safe for concurrent use.
type Pool[T any] struct {
	start func() (T, error)
	end   func(T)
	slots chan struct{} // one token for each worker that is taken

	mu     sync.Mutex // guards the fields below
	idle   []T        // the one that was used last is last: it is warm
	closed bool
}

// ErrClosed says that a Pool lends nothing more.
var ErrClosed = errors.New("workers are closed")

// NewPool returns a pool that starts workers when callers need them, n at most, and ends them with end.
func NewPool[T any](n int, start func() (T, error), end func(T)) *Pool[T] {
	return &Pool[T]{start: start, end: end, slots: make(chan struct{}, n)}
}

// Take waits for a worker that nobody else has. The caller gives it to Give or to Drop.
func (p *Pool[T]) Take(ctx context.Context) (T, error) {
	var none T
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	t, err := p.next()
	if err != nil {
		<-p.slots
		return none, err
	}
	return t, nil
}

func (p *Pool[T]) next() (t T, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return t, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		t = p.idle[n-1]
		p.idle = p.idle[:n-1]
		return t, nil
	}
	return p.start()
}

// Give takes back a worker that is as good as new.
func (p *Pool[T]) Give(t T) {
	defer func() { <-p.slots }()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.end(t)
		return
	}
	p.idle = append(p.idle, t)
}

// Drop ends a worker that must not be used again.
func (p *Pool[T]) Drop(t T) {
	p.end(t)
	<-p.slots
}

// Close ends the workers that are idle. One that is taken ends when it comes back.
func (p *Pool[T]) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, t := range p.idle {
		p.end(t)
	}
	p.idle = nil
}
