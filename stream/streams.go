package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Defaults and bounds of a stream, AWS's own.
const (
	DefaultRetention      = 24 * time.Hour
	DefaultMaxRecordBytes = 1 << 20
	onDemandShards        = 4
)

// Config of a new stream.
type Config struct {
	Name           string
	OnDemand       bool // four shards to begin with
	Shards         int  // provisioned
	Retention      time.Duration
	MaxRecordBytes int // of data and key; default 1 MiB
	Tags           map[string]string

	SpreadEvenly bool // records go to shards in turn, whatever their keys (RecordDistributionStrategy AUTO)
	WarmMiBps    int  // write capacity that an on-demand stream is made for, MiB a second; 0: four shards
}

// Description is what is known of a stream.
type Description struct {
	Name           string
	ARN            string
	Incarnation    uint64 // no other stream, of whatever name, ever has it
	Created        time.Time
	OnDemand       bool
	Retention      time.Duration
	MaxRecordBytes int
	Monitoring     []string // names of the shard-level metrics that are published, sorted
	Tags           map[string]string
	Consumers      []Consumer // by name
	OpenShards     int

	KeyID        string // that it is encrypted under; empty: it is not
	Policy       string // JSON; empty: none
	SpreadEvenly bool
	WarmMiBps    int
	Changes      Changes
}

// streamDoc is a stream in the metadata store.
type streamDoc struct {
	Number         uint64
	Name           string
	CreatedMillis  int64
	OnDemand       bool
	RetentionHours int
	ExpiredMillis  int64 `json:",omitempty"` // what arrived before this had expired when the retention was last made longer
	MaxRecordBytes int
	Monitoring     []string          `json:",omitempty"`
	Tags           map[string]string `json:",omitempty"`
	Consumers      []Consumer        `json:",omitempty"`
	Keys           []keyDoc          `json:",omitempty"` // that records are or were encrypted under
	Key            uint16            `json:",omitempty"` // number of the one for new records; 0: none
	Policy         string            `json:",omitempty"`
	SpreadEvenly   bool              `json:",omitempty"`
	WarmMiBps      int               `json:",omitempty"`
	Changes        Changes           `json:",omitzero"`
	NextShard      uint32            // index of the next shard; 0 in old documents, where a shard's index is its place
	Shards         []shardDoc        // by index
}

// shardDoc is a shard in the metadata store. Closed ones are taken out when their records have expired.
type shardDoc struct {
	Index         uint32
	CreatedSecond uint64
	Range         hashRange
	Parents       []uint32 `json:",omitempty"`
	Closed        bool     `json:",omitempty"`
	ClosedAt      int64    `json:",omitempty"` // Unix milliseconds
}

// spaces are the parts of the metadata store that streams live in.
type spaces struct {
	store   *meta.Store
	streams meta.Space // name -> streamDoc
	floors  meta.Space // floorKey -> floor
	deleted meta.Space // name -> second in which the shards of the last stream of that name were made
	numbers meta.Space // "last" -> number of the newest stream
	account meta.Space // commitmentKey -> commitmentDoc
}

func newSpaces(m *meta.Store) spaces {
	return spaces{
		store: m, streams: m.Space("streams"), floors: m.Space("stream-floors"), deleted: m.Space("streams-deleted"),
		numbers: m.Space("stream-numbers"), account: m.Space("stream-account"),
	}
}

func floorKey(k shardKey) string { return floorPrefix(k.stream) + fmt.Sprintf("%08x", k.index) }

// floorPrefix is what the keys of all shards of a stream begin with.
func floorPrefix(number uint64) string { return fmt.Sprintf("%016x/", number) }

// streamState is an open stream.
type streamState struct {
	name      string
	number    uint64
	layout    atomic.Pointer[layout]
	bell      bell          // rung when any of the shards has changed
	frozen    chan struct{} // not nil during a reshard, closed after it; guarded by Store.appendMu
	most      time.Duration // Options.RetentionMost
	retention atomic.Int64
	expired   atomic.Int64  // Unix milliseconds; what arrived before does not come back, however long the retention is
	monitored atomic.Uint32 // bits of the shard-level metrics
	onDemand  atomic.Bool
	keys      atomic.Pointer[[]*streamKey]
	sealing   atomic.Pointer[streamKey] // that new records are encrypted under; nil: they are not
	spread    atomic.Bool               // new records go to the shards in turn
	turn      atomic.Uint64             // records that did
	series    streamSeries
	doc       streamDoc // guarded by Store.mu; its maps and slices are never changed in place
}

func newStreamState(doc streamDoc, o *Options) *streamState {
	st := &streamState{name: doc.Name, number: doc.Number, most: o.RetentionMost}
	l := st.newLayout(new(layout), doc.Shards)
	l.close(doc.Shards)
	st.layout.Store(l)
	st.series = newStreamSeries(o.Metrics, doc.Name)
	st.use(doc)
	return st
}

// use makes the attributes of doc effective. Store.mu is held, or nobody else knows the stream yet.
func (st *streamState) use(doc streamDoc) {
	st.doc = doc
	retention := time.Duration(doc.RetentionHours) * time.Hour
	if st.most > 0 {
		retention = min(retention, st.most)
	}
	st.retention.Store(int64(retention))
	st.expired.Store(doc.ExpiredMillis)
	st.monitored.Store(monitoringBits(doc.Monitoring))
	st.onDemand.Store(doc.OnDemand)
	st.spread.Store(doc.SpreadEvenly)
	st.useKeys(&doc)
}

// horizon is the arrival, in Unix milliseconds, before which records have expired.
func (st *streamState) horizon(now time.Time) int64 {
	return max(st.expired.Load(), now.Add(-time.Duration(st.retention.Load())).UnixMilli())
}

func (st *streamState) shard(s *Store, index uint32) (Shard, error) {
	sh := st.layout.Load().shard(index)
	if sh == nil {
		return Shard{}, fmt.Errorf("stream %q shard %d: %w", st.name, index, ErrNoShard)
	}
	return Shard{store: s, shard: sh}, nil
}

// numberShards gives the shards of an old document their indexes.
func (doc *streamDoc) numberShards() {
	if doc.NextShard > 0 {
		return
	}
	for i := range doc.Shards {
		doc.Shards[i].Index = uint32(i)
	}
	doc.NextShard = uint32(len(doc.Shards))
}

// loadStreams reads all streams from the metadata store.
func (s *Store) loadStreams() error {
	for e, err := range s.spaces.streams.Scan("", "") {
		if err != nil {
			return err
		}
		var doc streamDoc
		if err := json.Unmarshal(e.Value, &doc); err != nil {
			return fmt.Errorf("stream %q: %w", e.Key, err)
		}
		doc.numberShards()
		st := newStreamState(doc, &s.opts)
		s.streams[st.name], s.numbers[st.number] = st, st
		for _, sh := range st.layout.Load().all {
			f, err := meta.Load[floor](s.spaces.floors, floorKey(sh.shardKey))
			if err != nil && !errors.Is(err, meta.ErrNotFound) {
				return err
			}
			sh.tip, sh.lastArrival, sh.next = f.Counter, f.Arrival, f.Counter+1
		}
	}
	return nil
}

// Create adds a stream; it is ACTIVE when Create returns.
func (s *Store) Create(ctx context.Context, c Config) error {
	s.change.Lock()
	defer s.change.Unlock()
	if _, err := s.lookup(c.Name); err == nil {
		return fmt.Errorf("stream %q: %w", c.Name, ErrExists)
	}
	shards := c.Shards
	if c.OnDemand {
		shards = max(onDemandShards, c.WarmMiBps)
	} else if c.SpreadEvenly || c.WarmMiBps > 0 {
		return fmt.Errorf("create stream %q: %w", c.Name, ErrProvisioned)
	}
	if shards < 1 || shards > maxShards {
		return fmt.Errorf("create stream %q: %d shards: %w", c.Name, shards, ErrLimit)
	}
	number, created, err := s.nextIncarnation(c.Name)
	if err != nil {
		return fmt.Errorf("create stream %q: %w", c.Name, err)
	}
	doc := streamDoc{
		Number:         number,
		Name:           c.Name,
		CreatedMillis:  s.opts.Now().UnixMilli(),
		OnDemand:       c.OnDemand,
		RetentionHours: int(cmp.Or(c.Retention, DefaultRetention) / time.Hour),
		MaxRecordBytes: cmp.Or(c.MaxRecordBytes, DefaultMaxRecordBytes),
		Tags:           maps.Clone(c.Tags),
		SpreadEvenly:   c.SpreadEvenly,
		WarmMiBps:      c.WarmMiBps,
	}
	for _, r := range evenRanges(shards) {
		doc.Shards = append(doc.Shards, shardDoc{Index: doc.NextShard, CreatedSecond: created, Range: r})
		doc.NextShard++
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("create stream %q: %w", c.Name, err)
	}
	batch := new(meta.Batch)
	batch.Put(s.spaces.streams, c.Name, raw)
	batch.Put(s.spaces.numbers, "last", fmt.Append(nil, number))
	if err := s.spaces.store.Commit(batch); err != nil {
		return fmt.Errorf("create stream %q: %w", c.Name, err)
	}
	st := newStreamState(doc, &s.opts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[c.Name], s.numbers[number] = st, st
	return nil
}

// nextIncarnation is the number of a new stream and the second in which its shards count as made, which is later than
// that of any deleted stream of the name, so that sequence numbers of the two never mix.
func (s *Store) nextIncarnation(name string) (number, created uint64, err error) {
	last, err := meta.Load[uint64](s.spaces.numbers, "last")
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return 0, 0, err
	}
	before, err := meta.Load[uint64](s.spaces.deleted, name)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return 0, 0, err
	}
	return last + 1, max(uint64(max(s.opts.Now().Unix(), 1)), before+1), nil
}

// Delete removes a stream and its records, with its consumers.
func (s *Store) Delete(ctx context.Context, name string) error { return s.remove(name, true) }

// DeleteUnused is Delete that refuses with ErrHasConsumers a stream that has any.
func (s *Store) DeleteUnused(ctx context.Context, name string) error { return s.remove(name, false) }

func (s *Store) remove(name string, withConsumers bool) error {
	s.change.Lock()
	defer s.change.Unlock()
	st, err := s.lookup(name)
	if err != nil {
		return err
	}
	if len(st.doc.Consumers) > 0 && !withConsumers { // the doc changes only under s.change
		return fmt.Errorf("stream %q: %w", name, ErrHasConsumers)
	}
	batch := new(meta.Batch)
	batch.Delete(s.spaces.streams, name)
	all := st.layout.Load().all
	newest := slices.MaxFunc(all, func(a, b *shard) int { return cmp.Compare(a.created, b.created) })
	batch.Put(s.spaces.deleted, name, fmt.Append(nil, newest.created))
	for e, err := range s.spaces.floors.Scan(floorPrefix(st.number), "") {
		if err != nil {
			return fmt.Errorf("delete stream %q: %w", name, err)
		}
		batch.Delete(s.spaces.floors, e.Key)
	}
	if err := s.spaces.store.Commit(batch); err != nil {
		return fmt.Errorf("delete stream %q: %w", name, err)
	}
	s.mu.Lock()
	delete(s.streams, name)
	delete(s.numbers, st.number)
	s.mu.Unlock()
	for _, sh := range all {
		sh.kill()
	}
	if !s.opts.tuning.inline { // an inline housekeeper belongs to the writer
		s.kickHousekeeper()
	}
	return nil
}

// Describe returns what is known of a stream.
func (s *Store) Describe(ctx context.Context, name string) (Description, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.streams[name]
	if st == nil {
		return Description{}, fmt.Errorf("stream %q: %w", name, ErrNotFound)
	}
	return s.describeLocked(st), nil
}

// List describes up to limit streams with names greater than after, by name; more says that others follow.
func (s *Store) List(ctx context.Context, after string, limit int) (list []Description, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		if name <= after {
			continue
		}
		if len(list) == limit {
			return list, true
		}
		list = append(list, s.describeLocked(s.streams[name]))
	}
	return list, false
}

func (s *Store) describeLocked(st *streamState) Description {
	d := &st.doc
	return Description{
		Name:           d.Name,
		ARN:            s.StreamARN(d.Name),
		Incarnation:    d.Number,
		Created:        time.UnixMilli(d.CreatedMillis),
		OnDemand:       d.OnDemand,
		Retention:      time.Duration(d.RetentionHours) * time.Hour,
		MaxRecordBytes: d.MaxRecordBytes,
		Monitoring:     d.Monitoring,
		Tags:           d.Tags,
		Consumers:      d.Consumers,
		OpenShards:     len(st.layout.Load().open),
		KeyID:          d.keyID(),
		Policy:         d.Policy,
		SpreadEvenly:   d.SpreadEvenly,
		WarmMiBps:      d.WarmMiBps,
		Changes:        d.Changes.recent(s.opts.Now()),
	}
}

// Account is the owner of the streams, 12 digits.
func (s *Store) Account() string { return s.opts.Account }

// StreamARN is the ARN of a stream of this store.
func (s *Store) StreamARN(name string) string {
	return fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.opts.Region, s.opts.Account, name)
}

// SetRetention changes for how long records are kept. What has expired does not come back.
func (s *Store) SetRetention(ctx context.Context, name string, d time.Duration) error {
	return s.update(name, func(doc *streamDoc) error {
		if before := time.Duration(doc.RetentionHours) * time.Hour; d > before {
			doc.ExpiredMillis = max(doc.ExpiredMillis, s.opts.Now().Add(-before).UnixMilli())
		}
		doc.RetentionHours = int(d / time.Hour)
		return nil
	})
}

// SetMonitoring sets which shard-level metrics are published.
func (s *Store) SetMonitoring(ctx context.Context, name string, metrics []string) error {
	return s.update(name, func(doc *streamDoc) error {
		doc.Monitoring = slices.Compact(slices.Sorted(slices.Values(metrics)))
		return nil
	})
}

// SetTags adds and replaces the tags in set and removes those in remove. More than limit tags in the end give ErrLimit.
func (s *Store) SetTags(ctx context.Context, name string, set map[string]string, remove []string, limit int) error {
	return s.update(name, func(doc *streamDoc) (err error) {
		doc.Tags, err = changeTags(doc.Tags, set, remove, limit)
		return err
	})
}

func changeTags(tags, set map[string]string, remove []string, limit int) (map[string]string, error) {
	changed := map[string]string{}
	maps.Copy(changed, tags)
	maps.Copy(changed, set)
	for _, k := range remove {
		delete(changed, k)
	}
	if len(changed) > limit {
		return nil, fmt.Errorf("%d tags: %w", len(changed), ErrLimit)
	}
	return changed, nil
}

// update changes the attributes of a stream durably. Change must not change maps and slices in place.
func (s *Store) update(name string, change func(*streamDoc) error) error {
	s.change.Lock()
	defer s.change.Unlock()
	st, err := s.lookup(name)
	if err != nil {
		return err
	}
	doc := st.doc // only update writes it, and holds s.change
	if err := change(&doc); err != nil {
		return fmt.Errorf("stream %q: %w", name, err)
	}
	if err := meta.Save(s.spaces.streams, name, doc); err != nil {
		return fmt.Errorf("stream %q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.use(doc)
	return nil
}

// SetMaxRecordBytes bounds key and data of a record from now on.
func (s *Store) SetMaxRecordBytes(ctx context.Context, name string, n int) error {
	return s.update(name, func(doc *streamDoc) error {
		doc.MaxRecordBytes = n
		return nil
	})
}
