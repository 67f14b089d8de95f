package delta

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// reader walks the entries of a run. The fields after next are those of the entry that it stands on.
type reader struct {
	run      *run
	from, to string // keys; from is empty once it was reached, to if there is no end
	block    int    // number of the next block
	base     int    // of the open one
	head     []byte // rest of the open one
	spare    []byte
	open     openBlobs

	key      []byte // valid until next
	flags    byte
	values   uint64
	size, at int64
	tail     tailPlace
}

// newReader starts before the first entry whose key is not less than from, and ends before to ("": never).
func newReader(r *run, from, to string) *reader {
	low, high := 0, len(r.blocks)
	for low < high {
		if mid := (low + high) / 2; r.blocks[mid].first <= from {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return &reader{run: r, from: from, to: to, block: max(low-1, 0), open: openBlobs{run: r}}
}

func (r *reader) next() bool {
	for r.step() {
		if r.from != "" && string(r.key) < r.from {
			continue
		}
		r.from = ""
		return r.to == "" || string(r.key) < r.to
	}
	return false
}

func (r *reader) step() bool {
	if len(r.head) == 0 {
		if r.block == len(r.run.blocks) {
			return false
		}
		b := &r.run.blocks[r.block]
		r.head, r.base = b.head, b.base
		r.block++
		r.key = r.key[:0]
	}
	shared, ending, own := r.uvarint(), r.uvarint(), r.uvarint()
	key := append(r.spare[:0], r.key[:shared]...)
	key = append(key, r.head[:own]...)
	r.spare, r.key = r.key, append(key, r.key[len(r.key)-int(ending):]...)
	r.flags = r.head[own]
	r.head = r.head[own+1:]
	r.values = r.uvarint()
	r.size, r.at = r.varint(), r.varint()
	r.tail = tailPlace{}
	if r.flags&flagTail != 0 {
		r.tail.stats, r.tail.rest = int(r.uvarint()), int(r.uvarint())
		r.tail.blob, r.tail.pos = int(r.uvarint())+r.base, int(r.uvarint())
	}
	return true
}

func (r *reader) uvarint() uint64 {
	if v := r.head[0]; v < 0x80 {
		r.head = r.head[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.head)
	r.head = r.head[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.head)
	r.head = r.head[n:]
	return v
}

func (r *reader) removed() bool { return r.flags&flagRemove != 0 }

// texts are the statistics and the rest of the entry, valid until the next entry's are asked for.
func (r *reader) texts() (stats, rest []byte) {
	t := r.tail
	if t.stats+t.rest == 0 {
		return nil, nil
	}
	text := r.open.get(t.blob)[t.pos:]
	return text[:t.stats], text[t.stats:][:t.rest]
}

// record is the entry as it was packed.
func (r *reader) record() record {
	stats, rest := r.texts()
	return record{key: r.key, stats: stats, rest: rest, flags: r.flags, size: r.size, at: r.at}
}

// pathIn is the path of an entry as the log has it, and what else its rest says. That what was packed cannot be unpacked is
// impossible.
func pathIn(key string, flags byte, text []byte) (path string, more rest) {
	if len(text) > 0 {
		if err := json.Unmarshal(text, &more); err != nil {
			panic(fmt.Sprintf("delta: unpack file: %v", err))
		}
	}
	switch path = pathOf(key); {
	case more.Path != "":
		return more.Path, more
	case flags&flagEncoded != 0:
		return encodePath(path), more
	}
	return path, more
}

// entry unpacks the entry.
func (r *reader) entry() *entry {
	record := r.record()
	return record.entry(r.run.values[r.values])
}

// openBlobs keeps the blobs of a run that were used last unpacked: as many as its entries refer to by turns.
type openBlobs struct {
	run   *run
	blobs map[int]*openBlob
	last  *openBlob
	turn  int
}

type openBlob struct {
	number int
	body   []byte
	used   int // turn of the last use
}

func (o *openBlobs) get(number int) []byte {
	if o.last != nil && o.last.number == number {
		return o.last.body
	}
	o.turn++
	b := o.blobs[number]
	if b == nil {
		b = o.unpack(number)
	}
	b.used = o.turn
	o.last = b
	return b.body
}

// unpack takes the place of the blob that was not used for longest.
func (o *openBlobs) unpack(number int) *openBlob {
	if o.blobs == nil {
		o.blobs = map[int]*openBlob{}
	}
	b := &openBlob{}
	if len(o.blobs) > o.run.sources {
		for _, other := range o.blobs {
			if b.body == nil || other.used < b.used {
				b = other
			}
		}
		delete(o.blobs, b.number)
	}
	from := &o.run.blobs[number]
	if cap(b.body) < from.size {
		b.body = make([]byte, 0, from.size)
	}
	body, err := codec().dec.DecodeAll(from.body, b.body[:0])
	if err != nil {
		panic(fmt.Sprintf("delta: unpack statistics: %v", err))
	}
	b.number, b.body = number, body
	o.blobs[number] = b
	return b
}
