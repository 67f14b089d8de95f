package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
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
// and timed-out connections, a full disk, and answers of services that say so.
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
	if answer := (interface{ HTTPStatusCode() int })(nil); errors.As(err, &answer) && passing[answer.HTTPStatusCode()] {
		return true
	}
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// passing are the answers by which a service says that it cannot do now what is asked: it is asked for too much, starts, or its disk is full.
var passing = map[int]bool{429: true, 500: true, 502: true, 503: true, 504: true}

const (
	retryFirst = 100 * time.Millisecond
	retryMax   = 15 * time.Second
	// throttledMax is the longest pause of one that is throttled, who tries again by itself with pauses of random length.
	throttledMax = time.Second
)

// Waiting is a step that failed with an error that may pass, and will be tried again.
type Waiting struct {
	Doing string    `json:"doing"` // what the step does
	Error string    `json:"error"` // of the newest try
	Since time.Time `json:"since"` // of the first try that failed
	Next  time.Time `json:"next"`  // when it is tried again
}

// Text is w for people: "write: no space left on device (since 20:51:03, next try in 4s)", times in the zone of now.
func (w *Waiting) Text(now time.Time) string {
	return fmt.Sprintf("%s: %s (since %s, next try in %v)",
		w.Doing, w.Error, w.Since.In(now.Location()).Format(time.TimeOnly), max(0, w.Next.Sub(now)).Round(time.Second))
}

// Reason is what stays the same while w waits for the same thing: errors name requests, connections and temporary files by numbers.
func (w *Waiting) Reason() string { return w.Doing + ": " + numbers.ReplaceAllString(w.Error, "#") }

var numbers = regexp.MustCompile(`[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*`)

// retry does f until it succeeds, fails for good, or has failed for longer than e.opts.RetryFor; being throttled does not count. Stop ends the waiting: a
// batch that cannot be finished now runs again at the next start.
func (e *Engine) retry(ctx context.Context, what string, f func() error) error {
	since := time.Now()
	var waiting *Waiting
	defer func() { e.waited(waiting) }()
	for wait := retryFirst; ; wait = min(2*wait, retryMax) {
		err := f()
		if errors.Is(err, ErrThrottled) {
			since, wait = time.Now(), min(wait, throttledMax)
		}
		if !IsTemporary(err) || ctx.Err() != nil || e.stopped() || time.Since(since) > e.opts.RetryFor {
			return err
		}
		if waiting == nil {
			waiting = &Waiting{Doing: what, Since: e.opts.Now()}
		}
		waiting.Error, waiting.Next = reasonOf(err), e.opts.Now().Add(wait)
		e.waits(*waiting)
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

// reasonOf is why a step has failed, for people: of a service's answer what it says, without the requests and attempts that SDKs tell of before.
func reasonOf(err error) string {
	var answer interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if errors.As(err, &answer) && answer.ErrorMessage() != "" {
		return answer.ErrorCode() + ": " + answer.ErrorMessage()
	}
	return err.Error()
}

// waits tells that a step will be tried again; the log once for each reason, until a batch is done.
func (e *Engine) waits(w Waiting) {
	if e.opts.OnWait != nil {
		e.opts.OnWait(&w)
	}
	if reason := w.Reason(); !e.warned[reason] && len(e.warned) < warnedMax {
		e.warned[reason] = true
		e.opts.Logger.Warn("waiting; will try again until it works or the pipeline gives up", "pipeline", e.pipeline.Name, "doing", w.Doing, "error", w.Error)
	}
}

// warnedMax bounds the lines in the log while a batch waits.
const warnedMax = 100

// waited tells that a step no longer waits, if it did.
func (e *Engine) waited(w *Waiting) {
	if w != nil && e.opts.OnWait != nil {
		e.opts.OnWait(nil)
	}
}

// Sleep waits for as long as d, or until ctx ends, whose error it returns then.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
