package delta

import (
	"container/list"
	"context"
	"sync"
)

// vectorsBytesMax bounds the deletion vectors that a table handle keeps in memory.
const vectorsBytesMax = 64 << 20

// vectors reads the deletion vectors of a table and keeps the ones used last.
type vectors struct {
	objects  Objects
	bytesMax int64

	mu    sync.Mutex // guards the fields below; not held while a vector is read
	bytes int64
	order *list.List // of *keptVector, used last first
	byID  map[string]*list.Element
}

type keptVector struct {
	id   string
	rows *Rows
}

func newVectors(objects Objects, bytesMax int64) *vectors {
	return &vectors{objects: objects, bytesMax: bytesMax, order: list.New(), byID: map[string]*list.Element{}}
}

// get returns a vector's rows. Inline ones are at hand already and not kept: the log's text of them may be long.
func (c *vectors) get(ctx context.Context, v *DeletionVector) (*Rows, error) {
	if v.StorageType == "i" {
		return v.read(ctx, c.objects)
	}
	id := v.id()
	if rows := c.kept(id); rows != nil {
		return rows, nil
	}
	rows, err := v.read(ctx, c.objects)
	if err != nil {
		return nil, err
	}
	c.keep(id, rows)
	return rows, nil
}

func (c *vectors) kept(id string) *Rows {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*keptVector).rows
}

func (c *vectors) keep(id string, rows *Rows) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[id] != nil || rows.sizeBytes() > c.bytesMax {
		return
	}
	c.byID[id] = c.order.PushFront(&keptVector{id, rows})
	c.bytes += rows.sizeBytes()
	for c.bytes > c.bytesMax {
		last := c.order.Remove(c.order.Back()).(*keptVector)
		delete(c.byID, last.id)
		c.bytes -= last.rows.sizeBytes()
	}
}
