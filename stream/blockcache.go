package stream

import (
	"container/list"
	"sync"
)

// blockCache keeps the pieces of index files that were used last, so that memory does not grow with what is retained.
type blockCache struct {
	limit int

	mu    sync.Mutex // guards the fields below
	bytes int
	order list.List // of *cachedBlock, the last used in front
	items map[blockKey]*list.Element
}

// blockKey is a piece of the index of a segment.
type blockKey struct {
	segment uint64
	pos     int64
}

type cachedBlock struct {
	blockKey
	b []byte
}

// blockOverhead is about what an item costs besides its bytes.
const blockOverhead = 200

func newBlockCache(limit int) *blockCache {
	return &blockCache{limit: limit, items: map[blockKey]*list.Element{}}
}

// get returns a piece, which must not be changed; nil if it is not there.
func (c *blockCache) get(k blockKey) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[k]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedBlock).b
}

func (c *blockCache) put(k blockKey, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[k] != nil || len(b) > c.limit/4 {
		return
	}
	c.items[k] = c.order.PushFront(&cachedBlock{k, b})
	c.bytes += len(b) + blockOverhead
	for c.bytes > c.limit {
		c.removeLocked(c.order.Back())
	}
}

// forget drops the pieces of a segment whose index changes.
func (c *blockCache) forget(segment uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.items {
		if k.segment == segment {
			c.removeLocked(e)
		}
	}
}

func (c *blockCache) removeLocked(e *list.Element) {
	b := c.order.Remove(e).(*cachedBlock)
	delete(c.items, b.blockKey)
	c.bytes -= len(b.b) + blockOverhead
}
