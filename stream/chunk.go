package stream

import (
	"sync"
	"sync/atomic"
)

// A chunk is a piece of the log in memory: Puts copy their frames into it, the writer writes it to the segment group by
// group, and until it is evicted readers near the tip are served from it. Its buffer goes back to the pool when the last
// of them lets go.
type chunk struct {
	buf  []byte
	used int  // reserved by Puts; guarded by Store.appendMu
	roll bool // its first group begins a new segment

	refs   atomic.Int32
	pool   *chunkPool
	shards []*shard // that have frames here; used by the writer only
}

func (c *chunk) retain() { c.refs.Add(1) }

func (c *chunk) release() {
	if c.refs.Add(-1) == 0 {
		c.pool.put(c.buf)
		c.buf = nil
	}
}

// chunkPool keeps a few buffers of one size.
type chunkPool struct {
	size int
	mu   sync.Mutex // guards free
	free [][]byte
}

const maxFreeChunks = 4

// get returns a chunk, with one reference, that has room for n bytes.
func (p *chunkPool) get(n int) *chunk {
	c := &chunk{pool: p}
	c.refs.Store(1)
	if n > p.size {
		c.buf = make([]byte, n)
		return c
	}
	p.mu.Lock()
	if last := len(p.free) - 1; last >= 0 {
		c.buf = p.free[last]
		p.free = p.free[:last]
	}
	p.mu.Unlock()
	if c.buf == nil {
		c.buf = make([]byte, p.size)
	}
	return c
}

func (p *chunkPool) put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b) == p.size && len(p.free) < maxFreeChunks {
		p.free = append(p.free, b)
	}
}

// recentFrame is a durable frame that is still in memory.
type recentFrame struct {
	chunk *chunk
	off   int
	first uint64 // counter
	last  uint64
}

// tail is the list of chunks that readers are served from.
type tail struct {
	limit  int64
	bytes  int64
	chunks []*chunk // used by the writer only
}

// add makes c, which the writer begins to write, part of the cache, and evicts old chunks.
func (t *tail) add(c *chunk) {
	c.retain()
	t.chunks = append(t.chunks, c)
	t.bytes += int64(len(c.buf))
	for t.bytes > t.limit && len(t.chunks) > 1 {
		old := t.chunks[0]
		t.chunks[0] = nil
		t.chunks = t.chunks[1:]
		t.bytes -= int64(len(old.buf))
		for _, sh := range old.shards {
			sh.forget(old)
		}
		old.shards = nil
		old.release()
	}
}
