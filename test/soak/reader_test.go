package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/internal/load"
)

// group is an application that reads the whole stream: a reader for each shard, children after all their parents, as the
// Kinesis Client Library does.
type group struct {
	*world
	name   string
	fanOut bool
	read   atomic.Int64

	mu       sync.Mutex // guards the fields below
	shards   map[string]*reader
	consumer string // ARN, with enhanced fan-out
	number   int    // of the consumer's registration
	readers  sync.WaitGroup
}

// reader reads one shard of a group. Only its goroutine uses it, but for what is said.
type reader struct {
	group   *group // nil: of a guest
	id      string
	parents []string
	last    string            // sequence number of the last record
	newest  map[uint64]uint64 // counter of the last record of each producer

	account account            // guarded by group.mu
	begun   bool               // guarded by group.mu
	ended   bool               // guarded by group.mu
	leave   context.CancelFunc // guarded by group.mu
}

// child is a shard as the end of its parents names it.
type child struct {
	ShardId      string
	ParentShards []string
}

// errEnded says that a shard was read to its end.
var errEnded = errors.New("shard has ended")

func newGroup(w *world, fanOut bool) *group {
	g := &group{world: w, name: "polling", fanOut: fanOut, shards: map[string]*reader{}}
	if fanOut {
		g.name = "fan-out"
	}
	return g
}

// run reads until ctx is done.
func (g *group) run(ctx context.Context) error {
	if g.fanOut {
		if err := g.register(); err != nil {
			return err
		}
	}
	var out struct{ Shards []struct{ ShardId string } }
	if err := g.server.call("ListShards", map[string]any{"StreamName": streamName}, &out); err != nil {
		return err
	}
	var first []child
	for _, s := range out.Shards {
		first = append(first, child{ShardId: s.ShardId})
	}
	g.adopt(ctx, nil, first)
	<-ctx.Done()
	g.readers.Wait()
	return nil
}

// register gives the group a consumer, in place of the one that it had.
func (g *group) register() error {
	g.mu.Lock()
	old := g.consumer
	g.number++
	name := fmt.Sprintf("group-%d", g.number)
	g.mu.Unlock()
	arn, err := g.registerConsumer(name)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.consumer = arn
	g.mu.Unlock()
	if old == "" {
		return nil
	}
	return g.server.call("DeregisterStreamConsumer", map[string]any{"ConsumerARN": old}, nil)
}

func (w *world) registerConsumer(name string) (arn string, err error) {
	var out struct{ Consumer struct{ ConsumerARN string } }
	in := map[string]any{"StreamARN": w.server.streams.StreamARN(streamName), "ConsumerName": name}
	err = w.server.call("RegisterStreamConsumer", in, &out)
	return out.Consumer.ConsumerARN, err
}

// adopt notes that parent was read to its end, and begins the shards of which no parent is left.
func (g *group) adopt(ctx context.Context, parent *reader, children []child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if parent != nil {
		parent.ended = true
	}
	for _, c := range children {
		if g.shards[c.ShardId] == nil {
			g.shards[c.ShardId] = &reader{group: g, id: c.ShardId, parents: c.ParentShards, newest: map[uint64]uint64{}}
		}
	}
	for _, c := range children {
		r := g.shards[c.ShardId]
		waits := slices.ContainsFunc(r.parents, func(id string) bool { p := g.shards[id]; return p != nil && !p.ended })
		if r.begun || waits {
			continue
		}
		r.begun = true
		for _, id := range r.parents {
			if p := g.shards[id]; p != nil {
				for producer, counter := range p.newest {
					r.newest[producer] = max(r.newest[producer], counter)
				}
			}
		}
		g.readers.Go(func() { g.must(r.follow(ctx)) })
	}
}

// account is what was read of a shard.
func (g *group) account(id string) account {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.shards[id]; r != nil {
		return r.account
	}
	return account{}
}

// active are the shards that are being read, by id.
func (g *group) active() []*reader {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []*reader
	for _, id := range slices.Sorted(maps.Keys(g.shards)) {
		if r := g.shards[id]; r.begun && !r.ended && r.leave != nil {
			out = append(out, r)
		}
	}
	return out
}

// follow reads the shard to its end. When the one who reads is told to leave, another goes on where he was.
func (r *reader) follow(ctx context.Context) error {
	g := r.group
	var vacant time.Time // since when nobody may subscribe
	for ctx.Err() == nil {
		turn, leave := context.WithCancel(ctx)
		g.mu.Lock()
		r.leave = leave
		consumer := g.consumer
		g.mu.Unlock()
		children, err := r.readAs(turn, g.world, consumer)
		left := turn.Err() != nil
		leave()
		switch {
		case errors.Is(err, errEnded):
			g.adopt(ctx, r, children)
			return nil
		case errors.Is(err, errRefused):
			if vacant.IsZero() {
				vacant = time.Now()
			}
			if d := int64(time.Since(vacant)); d > g.meter.vacant.Load() {
				g.meter.vacant.Store(d)
			}
			pause(ctx, 5*time.Millisecond)
			continue
		case left || errors.Is(err, errReplaced):
			pause(ctx, time.Millisecond)
		case err != nil:
			return fmt.Errorf("%s, %s after %q: %w", g.name, r.id, r.last, err)
		}
		vacant = time.Time{}
	}
	return nil
}

// errReplaced says that a subscription ended because of another one, or with its consumer or its time.
var errReplaced = errors.New("subscription has ended")

// errRefused says that there is a subscription already, or the consumer no more.
var errRefused = errors.New("subscription refused")

// readAs reads with enhanced fan-out if there is a consumer, else by polling.
func (r *reader) readAs(ctx context.Context, w *world, consumer string) ([]child, error) {
	conn, err := load.Dial(w.server.addr)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	if consumer != "" {
		return r.subscribe(conn, w, consumer)
	}
	return r.poll(ctx, conn, w)
}

func (r *reader) poll(ctx context.Context, conn *load.Conn, w *world) ([]child, error) {
	in := map[string]any{"StreamName": streamName, "ShardId": r.id, "ShardIteratorType": "TRIM_HORIZON"}
	if r.last != "" {
		in["ShardIteratorType"], in["StartingSequenceNumber"] = "AFTER_SEQUENCE_NUMBER", r.last
	}
	var at struct{ ShardIterator string }
	if err := w.server.call("GetShardIterator", in, &at); err != nil {
		return nil, err
	}
	next := at.ShardIterator
	for ctx.Err() == nil {
		resp, err := conn.Do(w.server.request("GetRecords", []byte(`{"ShardIterator":"`+next+`"}`)))
		if err != nil {
			return nil, err
		}
		if resp.Status != 200 {
			return nil, &load.Refused{Status: resp.Status, Body: string(resp.Body)}
		}
		n, err := r.take(resp.Body, w.secret)
		if err != nil {
			return nil, err
		}
		if next = string(load.Member(resp.Body, "NextShardIterator")); next == "" {
			return childrenIn(resp.Body)
		}
		if n == 0 {
			pause(ctx, 3*time.Millisecond)
		}
	}
	return nil, ctx.Err()
}

func (r *reader) subscribe(conn *load.Conn, w *world, consumer string) ([]child, error) {
	at := map[string]any{"Type": "TRIM_HORIZON"}
	if r.last != "" {
		at = map[string]any{"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": r.last}
	}
	body, err := json.Marshal(map[string]any{"ConsumerARN": consumer, "ShardId": r.id, "StartingPosition": at})
	if err != nil {
		return nil, err
	}
	events, err := conn.Subscribe(w.server.request("SubscribeToShard", body))
	var refused *load.Refused
	if errors.As(err, &refused) && replaced(refused.Body) {
		return nil, errRefused
	}
	if err != nil {
		return nil, err
	}
	for {
		ev, err := events.Next()
		switch {
		case err != nil && strings.HasSuffix(err.Error(), "EOF"):
			return nil, errReplaced // five minutes are over, say
		case err != nil:
			return nil, err
		case ev.Exception && replaced(ev.Type):
			return nil, errReplaced
		case ev.Exception:
			return nil, fmt.Errorf("%s: %s", ev.Type, ev.Payload)
		case ev.Type != "SubscribeToShardEvent":
			continue
		}
		if _, err := r.take(ev.Payload, w.secret); err != nil {
			return nil, err
		}
		if load.Member(ev.Payload, "ContinuationSequenceNumber") == nil {
			return childrenIn(ev.Payload)
		}
	}
}

// replaced says whether an exception means that another reader, or another consumer, has come.
func replaced(text string) bool {
	return strings.Contains(text, "ResourceInUseException") || strings.Contains(text, "ResourceNotFoundException")
}

// childrenIn are those that the last answer of a shard names; there must be some.
func childrenIn(body []byte) ([]child, error) {
	var out struct{ ChildShards []child }
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, err
	}
	if len(out.ChildShards) == 0 {
		return nil, errors.New("the end of the shard names no children")
	}
	return out.ChildShards, errEnded
}

// take checks the records of a page and notes them.
func (r *reader) take(body []byte, secret uint64) (records int, err error) {
	var page account
	err = load.Each(body, "Records", []string{"SequenceNumber", "Data"}, func(v [][]byte) error {
		if seq := v[0]; len(seq) < len(r.last) || len(seq) == len(r.last) && string(seq) <= r.last {
			return fmt.Errorf("%s: record %s after %s", r.id, seq, r.last)
		}
		m, err := readMark(v[1], secret)
		if err != nil {
			return fmt.Errorf("%s, record %s: %w", r.id, v[0], err)
		}
		if before := r.newest[m.producer]; m.counter <= before {
			return fmt.Errorf("%s: record %d of producer %d after its record %d", r.id, m.counter, m.producer, before)
		}
		r.newest[m.producer] = m.counter
		r.last = string(v[0])
		page.add(v[0], m)
		return nil
	})
	if r.group == nil || page.records == 0 {
		return int(page.records), err
	}
	r.group.mu.Lock()
	r.account.records += page.records
	r.account.sum += page.sum
	r.group.mu.Unlock()
	r.group.read.Add(page.records)
	return int(page.records), err
}

// disturb has readers leave, so that others take their places; now and then a group's consumer is exchanged.
func (w *world) disturb(ctx context.Context, rng *rand.Rand) error {
	for {
		pause(ctx, between(rng, every(100*time.Millisecond, time.Second)))
		if ctx.Err() != nil {
			return nil
		}
		g := w.groups[rng.IntN(len(w.groups))]
		// For five seconds after a call nobody else may subscribe for the same consumer. A short run has no time for that.
		if g.fanOut && (rng.IntN(4) == 0 || *duration < long) {
			if err := g.register(); err != nil {
				return err
			}
			w.meter.replaced.Add(1)
			continue
		}
		if active := g.active(); len(active) > 0 {
			r := active[rng.IntN(len(active))]
			g.mu.Lock()
			r.leave()
			g.mu.Unlock()
			w.meter.replaced.Add(1)
		}
	}
}

// visit has guests come, who begin to read a shard somewhere and go again after a while.
func (w *world) visit(ctx context.Context, rng *rand.Rand) error {
	for ctx.Err() == nil {
		pause(ctx, between(rng, every(200*time.Millisecond, 2*time.Second)))
		active := w.groups[0].active()
		if len(active) == 0 || ctx.Err() != nil {
			continue
		}
		guest := &reader{id: active[rng.IntN(len(active))].id, newest: map[uint64]uint64{}}
		consumer := ""
		if rng.IntN(2) == 0 {
			var err error
			if consumer, err = w.registerConsumer(fmt.Sprintf("guest-%d", rng.Uint64())); err != nil {
				return err
			}
		}
		stay, leave := context.WithTimeout(ctx, between(rng, every(200*time.Millisecond, 2*time.Second)))
		_, err := guest.readAs(stay, w, consumer)
		if stay.Err() == nil && !errors.Is(err, errEnded) && !errors.Is(err, errReplaced) && !errors.Is(err, errRefused) && !replaced(fmt.Sprint(err)) {
			leave()
			return fmt.Errorf("guest: %w", err)
		}
		leave()
		w.meter.guests.Add(1)
		if consumer != "" {
			if err := w.server.call("DeregisterStreamConsumer", map[string]any{"ConsumerARN": consumer}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
