package kinesis

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/wire"
)

const (
	takeoverAfter  = 5 * time.Second
	subscribersMax = 50000
	crowdedBytes   = 64 << 20 // of events that wait for slow readers
)

// place is what one subscriber at a time can have.
type place struct {
	consumer string // ARN, which a consumer that is registered again does not keep
	shard    uint32
}

// subscriber is the last one that took a place.
type subscriber struct {
	since time.Time
	end   context.CancelCauseFunc // nil when it has left
}

// subscribers knows who subscribes to what. It remembers those who left for as long as they keep others away. The zero
// value is ready.
type subscribers struct {
	unsent atomic.Int64 // bytes of events that readers have not taken yet

	mu    sync.Mutex // guards the fields below
	at    map[place]*subscriber
	sweep int // number of places at which those who left long ago are forgotten
}

// enter makes the caller the subscriber of a place. One that came less than five seconds ago keeps it, and the caller
// gets taken; an older one is ended with taken. A dry run changes nothing and gives nil.
func (t *subscribers) enter(at place, now time.Time, dry bool, end context.CancelCauseFunc, taken error) (*subscriber, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at[at]
	if old != nil && now.Sub(old.since) < takeoverAfter {
		return nil, taken
	}
	if dry {
		return nil, nil
	}
	t.forgetLocked(now)
	if old == nil && len(t.at) >= subscribersMax {
		return nil, wire.Errorf("LimitExceededException", http.StatusBadRequest, "There are %d subscriptions already.", len(t.at))
	}
	if old != nil && old.end != nil {
		old.end(taken)
	}
	if t.at == nil {
		t.at = map[place]*subscriber{}
	}
	sub := &subscriber{since: now, end: end}
	t.at[at] = sub
	return sub, nil
}

// forgetLocked forgets, from time to time, who left and keeps nobody away any more.
func (t *subscribers) forgetLocked(now time.Time) {
	if len(t.at) < t.sweep {
		return
	}
	for at, sub := range t.at {
		if sub.end == nil && now.Sub(sub.since) >= takeoverAfter {
			delete(t.at, at)
		}
	}
	t.sweep = 2*len(t.at) + 64
}

// leave says that a subscription is over.
func (t *subscribers) leave(sub *subscriber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sub.end = nil
}

// dismiss ends the subscriptions of a consumer with a reason and forgets them.
func (t *subscribers) dismiss(consumer string, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, sub := range t.at {
		if at.consumer != consumer {
			continue
		}
		if sub.end != nil {
			sub.end(reason)
		}
		delete(t.at, at)
	}
}

// eventBytes is how much the next event may carry: less while readers that do not keep up hold much already.
func (t *subscribers) eventBytes() int64 {
	if t.unsent.Load() > crowdedBytes {
		return eventBytesCrowded
	}
	return eventBytesMax
}

// sending counts bytes that are to be sent, or negative ones that have been.
func (t *subscribers) sending(n int) { t.unsent.Add(int64(n)) }
