package stream

import "time"

// A shard takes up to so many records and bytes a second (Options.Limits; AWS: 1,000 records and 1 MiB, keys included).
// It has a bucket of each that holds what one second brings. A record that is larger than that needs a full bucket and
// leaves it in debt, as with AWS, which takes records of up to 10 MiB: what follows waits until the debt is paid.

// bucket is what a shard may still take.
type bucket struct {
	records, bytes float64
	filled         int64 // Unix nanoseconds up to which it was filled; 0: never, and it is full
}

// fill adds what has come in since the last time. A clock that steps back brings nothing.
func (b *bucket) fill(l Limits, now int64) {
	if b.filled == 0 {
		b.records, b.bytes, b.filled = float64(l.Records), float64(l.Bytes), now
		return
	}
	seconds := float64(max(now-b.filled, 0)) / float64(time.Second)
	b.records = min(b.records+seconds*float64(l.Records), float64(l.Records))
	b.bytes = min(b.bytes+seconds*float64(l.Bytes), float64(l.Bytes))
	b.filled = max(b.filled, now)
}

// take takes a record of size bytes, or says that there is no room for it.
func (b *bucket) take(l Limits, size int) bool {
	if l.Records > 0 && b.records < 1 {
		return false
	}
	if l.Bytes > 0 && b.bytes < float64(min(int64(size), l.Bytes)) {
		return false
	}
	b.records--
	b.bytes -= float64(size)
	return true
}

// admit takes the entries that are beyond the limits of their shards out of the parts. Store.appendMu is held.
func (p *placing) admit(l Limits, entries []Entry, now int64) {
	for _, at := range p.used {
		p.layout.open[at].bucket.fill(l, now)
	}
	for i := range entries {
		e := &entries[i]
		at := p.shardOf[i]
		if p.layout.open[at].bucket.take(l, len(e.PartitionKey)+len(e.Data)) {
			continue
		}
		p.shardOf[i] = refused(at)
		part := &p.parts[at]
		part.records--
		part.bytes -= recordBytes(e)
		part.throttled++
	}
}

// refused stands in shardOf for an entry that was not admitted to the shard at a place, and gives the place back.
func refused(at int32) int32 { return ^at }
