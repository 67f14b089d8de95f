package stream

import (
	"context"
	"sync"
	"sync/atomic"
)

// Await returns when ready says yes or fails, or ctx is done. Ready is asked at first, and again whenever the stream has
// more durable records, other shards, or is deleted. So one goroutine waits for thousands of shards.
func (s *Store) Await(ctx context.Context, stream string, ready func() (bool, error)) error {
	st, err := s.lookup(stream)
	if err != nil {
		return err
	}
	for {
		changed := st.bell.listen() // before looking, so that nothing is missed between
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return ErrClosed
		}
	}
}

// bell wakes all who listen. Ringing it costs nothing while nobody does.
type bell struct {
	heard atomic.Bool // somebody listens
	mu    sync.Mutex  // guards rung
	rung  chan struct{}
}

// listen returns a channel that is closed by the next ring.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
		b.heard.Store(true)
	}
	return b.rung
}

func (b *bell) ring() {
	if !b.heard.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
		b.heard.Store(false)
	}
}
