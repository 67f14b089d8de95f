package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started, ended int
		fail := errors.New("no more processes")
		var failing error
		p := NewPool(2, func() (int, error) { started++; return started, failing }, func(int) { ended++ })
		a, _ := p.Take(t.Context())
		b, _ := p.Take(t.Context())
		if a == b {
			t.Fatalf("two callers have worker %d", a)
		}
		third := make(chan int)
		go func() {
			c, _ := p.Take(t.Context())
			third <- c
		}()
		synctest.Wait()
		p.Give(a)
		if c := <-third; c != a {
			t.Errorf("the third caller has worker %d, not %d which came back", c, a)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Take(stopped); !errors.Is(err, context.Canceled) {
			t.Errorf("without a slot: %v", err)
		}
		p.Drop(b)
		failing = fail
		for range 3 { // a worker that did not start takes no slot
			if _, err := p.Take(t.Context()); !errors.Is(err, fail) {
				t.Errorf("a worker that does not start: %v", err)
			}
		}
		p.Close()
		p.Give(a)
		if ended != 2 {
			t.Errorf("%d workers ended, not 2", ended)
		}
		if _, err := p.Take(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
