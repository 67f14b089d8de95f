package delta

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// run is an ordered part of a fileSet, packed so that a table of a million files takes little more than what tells its
// files apart: keys share what their neighbours have, partition values are numbers, statistics are compressed text that is
// unpacked when a file is wanted. Runs that are merged keep their blobs as they are, up to a point: see mergeRuns.
type run struct {
	blocks  []block
	blobs   []blob
	n       int    // entries
	last    string // key
	live    tally
	values  []map[string]*string // partition values, interned; number 0 is nil
	sources int                  // of its entries: as many blobs are read by turns
	used    int                  // bytes of unpacked blobs that entries refer to
	total   int                  // bytes of unpacked blobs
}

// block holds up to blockEntries entries. Each is in head, in the order of keys:
//
//	uvarint  bytes that its key has in common with the start of the one before
//	uvarint  and with the end of what is left of that
//	uvarint  bytes between, and these
//	byte     flags
//	uvarint  number of its partition values
//	varint   size in bytes
//	varint   modification time of an add, deletion time of a remove, in milliseconds since the epoch
//
// and if it has any of that (flagTail), in a blob:
//
//	uvarint  bytes of its statistics
//	uvarint  bytes of its rest, which follow: what few files have, as JSON
//	uvarint  number of the blob, counted from base
//	uvarint  place in the unpacked blob
type block struct {
	first string // key
	head  []byte
	base  int
}

// blob is compressed text of many entries.
type blob struct {
	body []byte
	size int // bytes, unpacked
}

const (
	blockEntries = 128
	blobBytes    = 32 << 10 // unpacked; the last entry of a blob may exceed it
)

const (
	flagRemove = 1 << iota
	flagOutside
	flagDataChange
	flagExtended // extendedFileMetadata of a remove
	flagEncoded  // the path in the log is the key's in our encoding
	flagTail
)

// codec compresses blobs. Making one is dear, using it is safe for many goroutines.
var codec = sync.OnceValue(func() (c struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}) {
	c.enc, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(64<<10), zstd.WithLowerEncoderMem(true))
	c.dec, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	return c
})

// tailPlace is where the statistics and the rest of an entry lie.
type tailPlace struct {
	stats, rest int // bytes
	blob, pos   int
}

// packer makes blocks and blobs of entries that come in the order of their keys.
type packer struct {
	blocks []block
	blobs  []blob
	n      int
	live   tally
	used   int
	total  int

	first string // key of the open block
	key   []byte // of the last entry in it
	count int    // of the entries in it
	head  []byte
	tail  []byte // of the open blob
}

// add packs an entry; values is the number of its partition values.
func (p *packer) add(r *record, values uint64) {
	t := tailPlace{stats: len(r.stats), rest: len(r.rest), blob: len(p.blobs), pos: len(p.tail)}
	p.tail = append(append(p.tail, r.stats...), r.rest...)
	p.entry(r.key, r.flags, values, r.size, r.at, t)
	if len(p.tail) >= blobBytes {
		p.flushBlob()
	}
}

// entry writes an entry whose statistics and rest are somewhere.
func (p *packer) entry(key []byte, flags byte, values uint64, size, at int64, t tailPlace) {
	if p.count == 0 {
		p.first, p.key = string(key), p.key[:0]
	}
	shared := sharedPrefix(p.key, key)
	ending := sharedSuffix(p.key[shared:], key[shared:])
	own := key[shared : len(key)-ending]
	p.key = append(p.key[:shared], key[shared:]...)
	if flags &^= flagTail; t.stats+t.rest > 0 {
		flags |= flagTail
	}
	h := binary.AppendUvarint(p.head, uint64(shared))
	h = binary.AppendUvarint(h, uint64(ending))
	h = binary.AppendUvarint(h, uint64(len(own)))
	h = append(append(h, own...), flags)
	h = binary.AppendUvarint(h, values)
	h = binary.AppendVarint(h, size)
	h = binary.AppendVarint(h, at)
	if flags&flagTail != 0 {
		h = binary.AppendUvarint(h, uint64(t.stats))
		h = binary.AppendUvarint(h, uint64(t.rest))
		h = binary.AppendUvarint(h, uint64(t.blob))
		h = binary.AppendUvarint(h, uint64(t.pos))
		p.used += t.stats + t.rest
	}
	p.head = h
	if flags&flagRemove == 0 {
		p.live.files++
		p.live.bytes += size
	}
	p.n++
	if p.count++; p.count == blockEntries {
		p.flushBlock()
	}
}

func (p *packer) flushBlock() {
	if p.count > 0 {
		p.blocks = append(p.blocks, block{first: p.first, head: append([]byte(nil), p.head...)})
		p.head, p.count = p.head[:0], 0
	}
}

func (p *packer) flushBlob() {
	if len(p.tail) == 0 {
		return
	}
	packed := codec().enc.EncodeAll(p.tail, nil)
	p.blobs = append(p.blobs, blob{append([]byte(nil), packed...), len(p.tail)})
	p.total += len(p.tail)
	p.tail = p.tail[:0]
}

// finish hands what a packer made to a run, behind what the run has.
func (r *run) finish(p *packer) {
	p.flushBlock()
	p.flushBlob()
	if len(p.blobs) > 0 {
		for i := range p.blocks {
			p.blocks[i].base += len(r.blobs)
		}
	}
	if p.n > 0 {
		r.last = string(p.key)
	}
	r.blocks = append(r.blocks, p.blocks...)
	r.blobs = append(r.blobs, p.blobs...)
	r.n += p.n
	r.live.files += p.live.files
	r.live.bytes += p.live.bytes
	r.used += p.used
	r.total += p.total
}

// valueList numbers combinations of partition values.
type valueList struct {
	list    []map[string]*string
	numbers map[string]uint64 // by partitionKey
}

func newValueList() *valueList {
	return &valueList{list: []map[string]*string{nil}, numbers: map[string]uint64{"": 0}}
}

func (v *valueList) number(values map[string]*string) uint64 {
	if len(values) == 0 {
		return 0
	}
	key := partitionKey(values)
	n, ok := v.numbers[key]
	if !ok {
		n = uint64(len(v.list))
		v.numbers[key] = n
		v.list = append(v.list, values)
	}
	return n
}

func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func sharedSuffix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[len(a)-1-i] == b[len(b)-1-i] {
		i++
	}
	return i
}
