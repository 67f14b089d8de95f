package delta

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// run is an ordered part of a fileSet, packed so that a table of a million files takes little more than what tells its
// files apart: keys share their prefixes, partition values are numbers, statistics are compressed text that is unpacked
// when a file of their block is wanted.
type run struct {
	blocks []block
	n      int // entries
	live   tally
	values []map[string]*string // partition values, interned; number 0 is nil
}

// block holds up to blockEntries entries. Each is in head, in the order of keys:
//
//	uvarint  bytes that its key has in common with the one before
//	uvarint  bytes that follow, and these
//	byte     flags
//	uvarint  number of its partition values
//	varint   size in bytes
//	varint   modification time of an add, deletion time of a remove, in milliseconds since the epoch
//	uvarint  length of its statistics in tail
//	uvarint  length of its rest in tail: what few files have, as JSON
//
// tail is compressed: statistics and rest of one entry after the other.
type block struct {
	first string // key
	head  []byte
	tail  []byte
	size  int // bytes of tail, unpacked
}

const blockEntries = 128

const (
	flagRemove = 1 << iota
	flagOutside
	flagDataChange
	flagExtended // extendedFileMetadata of a remove
)

// rest is what few files have.
type rest struct {
	Path                    string             `json:"p,omitempty"` // as in the log, where it is not the key
	Tags                    map[string]*string `json:"t,omitempty"`
	DeletionVector          *DeletionVector    `json:"d,omitempty"`
	BaseRowID               *int64             `json:"r,omitempty"`
	DefaultRowCommitVersion *int64             `json:"c,omitempty"`
	ClusteringProvider      string             `json:"g,omitempty"`
}

func (r *rest) empty() bool {
	return r.Path == "" && r.Tags == nil && r.DeletionVector == nil && r.BaseRowID == nil &&
		r.DefaultRowCommitVersion == nil && r.ClusteringProvider == ""
}

// codec compresses blocks. Making one is dear, using it is safe for many goroutines.
var codec = sync.OnceValue(func() (c struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}) {
	c.enc, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	c.dec, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0))
	return c
})

// packer builds a run from entries that come in the order of their keys.
type packer struct {
	run     run
	numbers map[string]uint64 // of partition values, by interner.key
	key     string            // of the last entry in the open block
	last    string            // of the last entry
	count   int               // of the entries in the open block
	head    []byte
	tail    []byte
	first   string
}

func newPacker() *packer {
	return &packer{run: run{values: []map[string]*string{nil}}, numbers: map[string]uint64{"": 0}}
}

func (p *packer) add(e *entry) error {
	if p.count == 0 {
		p.first, p.key = strings.Clone(e.key), ""
	}
	shared := sharedPrefix(p.key, e.key)
	p.head = binary.AppendUvarint(p.head, uint64(shared))
	p.head = binary.AppendUvarint(p.head, uint64(len(e.key)-shared))
	p.head = append(p.head, e.key[shared:]...)
	p.key, p.last = e.key, e.key
	if e.add != nil {
		p.run.live.files++
		p.run.live.bytes += e.add.Size
	}
	flags, size, at, values, stats, more := e.parts()
	p.head = append(p.head, flags)
	p.head = binary.AppendUvarint(p.head, p.number(values))
	p.head = binary.AppendVarint(p.head, size)
	p.head = binary.AppendVarint(p.head, at)
	p.head = binary.AppendUvarint(p.head, uint64(len(stats)))
	p.tail = append(p.tail, stats...)
	var moreText []byte
	if !more.empty() {
		var err error
		if moreText, err = json.Marshal(more); err != nil {
			return fmt.Errorf("pack %q: %w", e.key, err)
		}
	}
	p.head = binary.AppendUvarint(p.head, uint64(len(moreText)))
	p.tail = append(p.tail, moreText...)
	p.run.n++
	if p.count++; p.count == blockEntries {
		p.flush()
	}
	return nil
}

// number is the place of partition values in the run's list.
func (p *packer) number(values map[string]*string) uint64 {
	if len(values) == 0 {
		return 0
	}
	key := partitionKey(values)
	n, ok := p.numbers[key]
	if !ok {
		n = uint64(len(p.run.values))
		p.numbers[key] = n
		p.run.values = append(p.run.values, values)
	}
	return n
}

func (p *packer) flush() {
	if p.count == 0 {
		return
	}
	b := block{first: p.first, head: append([]byte(nil), p.head...), size: len(p.tail)}
	if len(p.tail) > 0 {
		packed := codec().enc.EncodeAll(p.tail, nil)
		b.tail = append([]byte(nil), packed...)
	}
	p.run.blocks = append(p.run.blocks, b)
	p.head, p.tail, p.count = p.head[:0], p.tail[:0], 0
}

func (p *packer) finish() *run {
	p.flush()
	p.run.blocks = append([]block(nil), p.run.blocks...)
	return &p.run
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// parts are the members of an entry as a block keeps them.
func (e *entry) parts() (flags byte, size, at int64, values map[string]*string, stats string, more rest) {
	if e.outside {
		flags |= flagOutside
	}
	var dataChange bool
	var path string
	if a := e.add; a != nil {
		size, at, values, stats, path, dataChange = a.Size, a.ModificationTime, a.PartitionValues, a.Stats, a.Path, a.DataChange
		more = rest{"", a.Tags, a.DeletionVector, a.BaseRowID, a.DefaultRowCommitVersion, a.ClusteringProvider}
	} else {
		r := e.remove
		flags |= flagRemove
		size, at, values, path, dataChange = r.Size, r.DeletionTimestamp, r.PartitionValues, r.Path, r.DataChange
		more = rest{"", r.Tags, r.DeletionVector, r.BaseRowID, r.DefaultRowCommitVersion, ""}
		if r.ExtendedFileMetadata {
			flags |= flagExtended
		}
	}
	if dataChange {
		flags |= flagDataChange
	}
	if path != e.path() {
		more.Path = path
	}
	return flags, size, at, values, stats, more
}

// reader walks the entries of a run. The fields after next are those of the entry that it stands on.
type reader struct {
	run   *run
	block int    // number of the next block
	head  []byte // rest of the open one
	tail  []byte // of the open one, unpacked; nil: not yet
	pos   int    // in tail, of the entry's statistics

	key                []byte // valid until next
	flags              byte
	values             uint64
	size, at           int64
	statsLen, moreLen  int
	previousTailLength int
}

// newReader starts before the first entry of the block that a key is in, or would be; "" is the first.
func newReader(r *run, key string) *reader {
	low, high := 0, len(r.blocks)
	for low < high {
		if mid := (low + high) / 2; r.blocks[mid].first <= key {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return &reader{run: r, block: max(low-1, 0)}
}

func (r *reader) next() bool {
	r.pos += r.previousTailLength
	if len(r.head) == 0 {
		if r.block == len(r.run.blocks) {
			return false
		}
		r.head = r.run.blocks[r.block].head
		r.block++
		r.key, r.tail, r.pos = r.key[:0], nil, 0
	}
	shared := r.uvarint()
	own := r.uvarint()
	r.key = append(r.key[:shared], r.head[:own]...)
	r.flags = r.head[own]
	r.head = r.head[own+1:]
	r.values = r.uvarint()
	r.size, r.at = r.varint(), r.varint()
	r.statsLen, r.moreLen = int(r.uvarint()), int(r.uvarint())
	r.previousTailLength = r.statsLen + r.moreLen
	return true
}

func (r *reader) uvarint() uint64 {
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

// entry unpacks the entry. That what was packed cannot be unpacked is impossible.
func (r *reader) entry() *entry {
	key := string(r.key)
	path := pathOf(key)
	var stats string
	var more rest
	if r.statsLen+r.moreLen > 0 {
		if r.tail == nil {
			b := &r.run.blocks[r.block-1]
			var err error
			if r.tail, err = codec().dec.DecodeAll(b.tail, make([]byte, 0, b.size)); err != nil {
				panic(fmt.Sprintf("delta: unpack statistics: %v", err))
			}
		}
		stats = string(r.tail[r.pos : r.pos+r.statsLen])
		if r.moreLen > 0 {
			if err := json.Unmarshal(r.tail[r.pos+r.statsLen:][:r.moreLen], &more); err != nil {
				panic(fmt.Sprintf("delta: unpack file: %v", err))
			}
			if more.Path != "" {
				path = more.Path
			}
		}
	}
	e := &entry{key: key, outside: r.flags&flagOutside != 0}
	values, dataChange := r.run.values[r.values], r.flags&flagDataChange != 0
	if r.removed() {
		e.remove = &Remove{
			Path: path, DeletionTimestamp: r.at, DataChange: dataChange, ExtendedFileMetadata: r.flags&flagExtended != 0,
			PartitionValues: values, Size: r.size, Tags: more.Tags, DeletionVector: more.DeletionVector,
			BaseRowID: more.BaseRowID, DefaultRowCommitVersion: more.DefaultRowCommitVersion,
		}
		return e
	}
	e.add = &Add{
		Path: path, PartitionValues: values, Size: r.size, ModificationTime: r.at, DataChange: dataChange, Stats: stats,
		Tags: more.Tags, DeletionVector: more.DeletionVector, BaseRowID: more.BaseRowID,
		DefaultRowCommitVersion: more.DefaultRowCommitVersion, ClusteringProvider: more.ClusteringProvider,
	}
	return e
}
