package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errGone = errors.New("connection refused")

// fakeClient takes records into a map and fails as told.
type fakeClient struct {
	mu    sync.Mutex
	rng   *rand.Rand
	flaky bool
	final error // every call fails with this
	calls int
	got   map[string]int
	order []string
}

func (c *fakeClient) Temporary(err error) bool { return errors.Is(err, errGone) }

func (c *fakeClient) PutRecord(ctx context.Context, stream string, e Entry) (Result, error) {
	r, err := c.PutRecords(ctx, stream, []Entry{e})
	if err != nil {
		return Result{}, err
	}
	if r[0].ErrorCode != "" {
		return Result{}, errGone
	}
	return r[0], nil
}

func (c *fakeClient) PutRecords(ctx context.Context, stream string, entries []Entry) ([]Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.final != nil {
		return nil, c.final
	}
	if c.flaky && c.rng.IntN(3) == 0 {
		return nil, errGone
	}
	results := make([]Result, len(entries))
	for i, e := range entries {
		if c.flaky && c.rng.IntN(10) == 0 {
			results[i].ErrorCode = "ProvisionedThroughputExceededException"
			continue
		}
		c.got[string(e.Data)]++
		c.order = append(c.order, string(e.Data))
		results[i] = Result{Shard: "shardId-000000000000", SeqNum: fmt.Sprint(len(c.order))}
	}
	return results, nil
}

// numbers yields n records "0", "1", …
type numbers struct{ i, n int }

func (s *numbers) Next(dst []byte) ([]byte, string, error) {
	if s.i == s.n {
		return dst, "", io.EOF
	}
	s.i++
	return fmt.Appendf(dst, "%d", s.i-1), "k", nil
}

func TestSendRetriesUntilAllAreIn(t *testing.T) {
	for _, batch := range []int{1, 7, 500} {
		synctest.Test(t, func(t *testing.T) {
			c := &fakeClient{rng: rand.New(rand.NewPCG(1, 2)), flaky: true, got: map[string]int{}}
			var acked sync.Map
			s := NewSender(c, &numbers{n: 2000}, SendOptions{Stream: "s", Batch: batch, Acked: func(r Result) { acked.Store(r.SeqNum, true) }})
			if err := s.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			st := s.Stats()
			if st.Records != 2000 || len(c.got) != 2000 || st.Retries == 0 {
				t.Fatalf("batch %d: %+v, %d in the stream", batch, st, len(c.got))
			}
			n := 0
			acked.Range(func(any, any) bool { n++; return true })
			if n != 2000 {
				t.Fatalf("batch %d: %d acknowledged", batch, n)
			}
			for i, rec := range c.order {
				if batch == 1 && rec != fmt.Sprint(i) {
					t.Fatalf("record %s at place %d", rec, i)
				}
			}
		})
	}
}

// full is a service that takes no records after some calls, as one whose disk is full.
type full struct {
	*fakeClient
	takes int
}

func (c *full) PutRecords(ctx context.Context, stream string, entries []Entry) ([]Result, error) {
	if c.takes--; c.takes >= 0 {
		return c.fakeClient.PutRecords(ctx, stream, entries)
	}
	results := make([]Result, len(entries))
	for i := range results {
		results[i] = Result{ErrorCode: "InternalFailure", ErrorMessage: "no space left"}
	}
	return results, nil
}

func TestSendGivesUpWhenNothingIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &full{&fakeClient{got: map[string]int{}}, 3}
		began, told := time.Now(), 0
		s := NewSender(c, &numbers{n: 100}, SendOptions{Stream: "s", Batch: 10, Concurrency: 1, RetryFor: time.Minute, Retried: func(error) { told++ }})
		err := s.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "nothing was acknowledged for 1m0s: InternalFailure: no space left") || told == 0 {
			t.Errorf("told %d times, then %v", told, err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+2*lastPause {
			t.Errorf("gave up after %v", took)
		}
		if n := s.Stats().Records; n != 30 {
			t.Errorf("%d records acknowledged", n)
		}
	})
}

func TestSendKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{got: map[string]int{}}
		began := time.Now()
		s := NewSender(c, &numbers{n: 1000}, SendOptions{Rate: 100})
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 9900*time.Millisecond || took > 10*time.Second {
			t.Fatalf("1000 records at 100/s took %v", took)
		}
		if c.calls != 100 {
			t.Fatalf("%d calls", c.calls)
		}
	})
}

func TestSendStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		final := errors.New("ResourceNotFoundException")
		c := &fakeClient{final: final, got: map[string]int{}}
		s := NewSender(c, &numbers{n: 1 << 30}, SendOptions{})
		if err := s.Run(t.Context()); !errors.Is(err, final) {
			t.Fatalf("got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c := &fakeClient{final: errGone, got: map[string]int{}}
		s := NewSender(c, &numbers{n: 1 << 30}, SendOptions{})
		if err := s.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if s.Stats().Records != 0 {
			t.Fatal("counted what nobody acknowledged")
		}
	})
}

// sizes yields records of the given sizes in bytes.
type sizes []int

func (s *sizes) Next(dst []byte) ([]byte, string, error) {
	if len(*s) == 0 {
		return dst, "", io.EOF
	}
	n := (*s)[0]
	*s = (*s)[1:]
	return append(dst, make([]byte, n)...), "k", nil
}

func TestBatchesFitIntoACall(t *testing.T) {
	s := NewSender(nil, &sizes{4 << 20, 2 << 20, 1 << 20, 6 << 20, 10, 10}, SendOptions{})
	var got [][]int
	for {
		batch, end := s.nextBatch()
		var lens []int
		for _, e := range batch {
			lens = append(lens, len(e.Data))
		}
		got = append(got, lens)
		if end != nil {
			break
		}
	}
	want := [][]int{{4 << 20}, {2 << 20, 1 << 20}, {6 << 20}, {10, 10}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("batches %v, want %v", got, want)
	}
}

func TestPaceAfterAnOutage(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPace(10, now)
	if at := p.next(now, 10); !at.Equal(now) {
		t.Errorf("first at %v", at)
	}
	if at := p.next(now, 10); !at.Equal(now.Add(time.Second)) {
		t.Errorf("second at %v", at)
	}
	now = now.Add(time.Hour)
	sent := 0
	for p.next(now, 1); !p.due.After(now); p.next(now, 1) {
		sent++
	}
	if sent > 10 {
		t.Errorf("%d records at once after an hour's outage", sent)
	}
}
