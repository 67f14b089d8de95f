package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
)

// fakeSource is shards in memory that outlive what reads them.
type fakeSource struct {
	mu     sync.Mutex
	shards map[string][]batch.Record
	more   chan struct{} // closed and replaced at every append
}

func newFakeSource() *fakeSource {
	return &fakeSource{shards: map[string][]batch.Record{}, more: make(chan struct{})}
}

func (s *fakeSource) append(shard string, at time.Time, data ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range data {
		n := len(s.shards[shard]) + 1
		s.shards[shard] = append(s.shards[shard], batch.Record{Shard: shard, SeqNum: strconv.Itoa(n), Data: []byte(d), Arrival: at})
	}
	close(s.more)
	s.more = make(chan struct{})
}

func at(o batch.Offset, shard string) int {
	n, _ := strconv.Atoi(o[shard])
	return n
}

func (s *fakeSource) Plan(_ context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := start.Clone()
	size := int64(0)
	for _, shard := range slices.Sorted(maps.Keys(s.shards)) {
		for i := at(start, shard); i < len(s.shards[shard]); i++ {
			if limit.Bytes > 0 && size >= limit.Bytes {
				return end, nil
			}
			size += int64(len(s.shards[shard][i].Data))
			end[shard] = strconv.Itoa(i + 1)
		}
	}
	return end, nil
}

func (s *fakeSource) Read(_ context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	for _, shard := range slices.Sorted(maps.Keys(end)) {
		s.mu.Lock()
		all := s.shards[shard][at(start, shard):at(end, shard)]
		s.mu.Unlock()
		for chunk := range slices.Chunk(all, 3) {
			if err := f(chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *fakeSource) Wait(ctx context.Context, start batch.Offset) error {
	for {
		s.mu.Lock()
		more := s.more
		ready := false
		for shard, rs := range s.shards {
			ready = ready || at(start, shard) < len(rs)
		}
		s.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Position begins at the records that arrived at the time or later.
func (s *fakeSource) Position(_ context.Context, start batch.Start) (batch.Offset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := batch.Offset{}
	for shard, rs := range s.shards {
		n := 0
		for n < len(rs) && rs[n].Arrival.Before(start.Time) {
			n++
		}
		o[shard] = strconv.Itoa(n)
	}
	return o, nil
}

// fakeLog keeps direct puts in fakeSources.
type fakeLog struct {
	mu      sync.Mutex
	logs    map[string]*fakeSource
	trimmed map[string]batch.Offset
}

func newFakeLog() *fakeLog {
	return &fakeLog{logs: map[string]*fakeSource{}, trimmed: map[string]batch.Offset{}}
}

func (l *fakeLog) log(name string) *fakeSource {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.logs[name] == nil {
		l.logs[name] = newFakeSource()
	}
	return l.logs[name]
}

func (l *fakeLog) Append(_ context.Context, name string, records [][]byte) error {
	for _, r := range records {
		l.log(name).append("0", time.Now(), string(r))
	}
	return nil
}

func (l *fakeLog) Source(_ context.Context, name string) (batch.Source, error) {
	return l.log(name), nil
}

func (l *fakeLog) Trim(_ context.Context, name string, end batch.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed[name] = end
	return nil
}

func (l *fakeLog) Remove(_ context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.logs, name)
	return nil
}

// fakeObjects is a store that can refuse or observe puts.
type fakeObjects struct {
	objstore.Store
	mu      sync.Mutex
	objects map[string][]byte
	headers map[string]map[string]string
	classes map[string]string
	fail    error
	before  func()
	after   func()
}

func newFakeObjects() *fakeObjects {
	return &fakeObjects{objects: map[string][]byte{}, headers: map[string]map[string]string{}, classes: map[string]string{}}
}

func (o *fakeObjects) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if o.before != nil {
		o.before()
	}
	o.mu.Lock()
	fail := o.fail
	o.mu.Unlock()
	if fail != nil {
		return objstore.Info{}, fail
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return objstore.Info{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if old, ok := o.objects[bucket+"/"+key]; ok && !bytes.Equal(old, data) {
		panic(fmt.Sprintf("object %s was written again with other bytes", key))
	}
	o.objects[bucket+"/"+key] = data
	o.headers[bucket+"/"+key] = opts.Headers
	o.classes[bucket+"/"+key] = opts.StorageClass
	if o.after != nil {
		o.after()
	}
	return objstore.Info{Key: key, Size: int64(len(data))}, ctx.Err()
}

// dieAt says when a put has come to its step-th border, before or after it, and holds it up there as a crash would.
func (o *fakeObjects) dieAt(step int) (reached chan struct{}) {
	reached = make(chan struct{}, 100)
	count := 0
	border := func() {
		if count++; count == step {
			reached <- struct{}{}
			time.Sleep(time.Hour) // the process dies here
		}
	}
	o.before = border
	o.after = func() {
		o.mu.Unlock()
		border()
		o.mu.Lock()
	}
	return reached
}

// List is only asked whether a bucket is there.
func (o *fakeObjects) List(_ context.Context, bucket string, _ objstore.ListOptions) (objstore.Page, error) {
	if bucket == "absent" {
		return objstore.Page{}, objstore.ErrNoSuchBucket
	}
	return objstore.Page{}, nil
}

// all returns the objects, keys in order.
func (o *fakeObjects) all() (keys []string, objects map[string][]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.objects)), maps.Clone(o.objects)
}

// fakeTables is one table, or none.
type fakeTables struct {
	mu    sync.Mutex
	table *catalog.Table
}

func (t *fakeTables) Table(_ context.Context, database, name string) (catalog.Table, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.table == nil {
		return catalog.Table{}, catalog.ErrNotFound
	}
	return *t.table, nil
}
