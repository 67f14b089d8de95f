package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// ErrTemporary marks errors that may go away by themselves: throttling, a service that restarts, a full disk.
var ErrTemporary = errors.New("temporary")

// ErrThrottled marks errors of a source that others ask for so much that it gives nothing now. They are temporary, and never the end of a
// pipeline: it waits for its turn, however long that takes.
var ErrThrottled = errors.New("throttled")

// Throttled marks err as ErrThrottled and ErrTemporary.
func Throttled(err error) error { return &temporary{fmt.Errorf("%w: %w", ErrThrottled, err)} }

// Temporary marks err as one to try again after.
func Temporary(err error) error { return &temporary{err} }

type temporary struct{ error }

func (t *temporary) Unwrap() []error { return []error{t.error, ErrTemporary} }

// IsTemporary says whether what failed with err is worth another try: errors marked by Temporary, refused, broken
// and timed-out connections, and a full disk.
func IsTemporary(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	for _, known := range []error{ErrTemporary, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
		syscall.ETIMEDOUT, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

const (
	retryFirst = 100 * time.Millisecond
	retryMax   = 15 * time.Second
	// throttledMax is the longest pause of one that is throttled, who tries again by itself with pauses of random length.
	throttledMax = time.Second
)

// retry does f until it succeeds, fails for good, or has failed for longer than e.opts.RetryFor; being throttled does not count. Stop ends the waiting: a
// batch that cannot be finished now runs again at the next start.
func (e *Engine) retry(ctx context.Context, what string, f func() error) error {
	since := e.opts.Now()
	for wait := retryFirst; ; wait = min(2*wait, retryMax) {
		err := f()
		if errors.Is(err, ErrThrottled) {
			since, wait = e.opts.Now(), min(wait, throttledMax)
		}
		if !IsTemporary(err) || ctx.Err() != nil || e.stopped() || e.opts.Now().Sub(since) > e.opts.RetryFor {
			return err
		}
		e.opts.Logger.Warn("will try again", "pipeline", e.pipeline.Name, "doing", what, "after", wait, "error", err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-e.stop:
			t.Stop()
			return err
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
