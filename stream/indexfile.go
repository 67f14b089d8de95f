package stream

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
)

// The index file of a sealed segment says what the segment holds of each shard, and how far each shard that exists had
// come by its end, also those that have nothing in it. So the newest index tells where all counters stand, and the
// segment with a certain record, or of a certain time, is found by binary search over the indexes. It is derived from the
// segment and the index before, except for the end. It is read in pieces, each under its own checksum:
//
//	head       fixed size; all positions follow from it
//	directory  one entry a shard, sorted, in blocks
//	summary    the first shard of each block; the streams in the segment, each with its greatest arrival
//	extents    of each shard
const (
	indexMagic      = "weiridx\x02"
	indexHeadBytes  = 64
	dirEntryBytes   = 80
	dirBlockEntries = 51
	dirBlockTail    = 16 // number of entries, zeros, checksum
	fenceBytes      = 24
	streamSpanBytes = 16
	maxIndexShards  = 1 << 24
)

// indexHead is the beginning of an index file.
type indexHead struct {
	number       uint64 // of the segment
	end          int64  // frames at or past it never were acknowledged
	size         int64  // of the segment file
	shards       uint32
	streams      uint32
	extentsBytes int64
}

func (h *indexHead) blocks() int { return int(h.shards+dirBlockEntries-1) / dirBlockEntries }

// block is the place of a block of the directory.
func (h *indexHead) block(i int) (pos int64, size int) {
	const full = dirBlockEntries*dirEntryBytes + dirBlockTail
	entries := min(int(h.shards)-i*dirBlockEntries, dirBlockEntries)
	return indexHeadBytes + int64(i)*full, entries*dirEntryBytes + dirBlockTail
}

// summary is the place of the summary.
func (h *indexHead) summary() (pos int64, size int) {
	return indexHeadBytes + int64(h.shards)*dirEntryBytes + int64(h.blocks())*dirBlockTail,
		h.blocks()*fenceBytes + int(h.streams)*streamSpanBytes + 4
}

// fileBytes is the size of the index file.
func (h *indexHead) fileBytes() int64 {
	pos, size := h.summary()
	return pos + int64(size) + h.extentsBytes
}

func (h *indexHead) encode() []byte {
	b := make([]byte, indexHeadBytes)
	copy(b, indexMagic)
	le := binary.LittleEndian
	le.PutUint64(b[8:], h.number)
	le.PutUint64(b[16:], uint64(h.end))
	le.PutUint64(b[24:], uint64(h.size))
	le.PutUint32(b[32:], h.shards)
	le.PutUint32(b[36:], h.streams)
	le.PutUint64(b[40:], uint64(h.extentsBytes))
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// decodeIndexHead reads the head; anything odd gives ErrCorrupt.
func decodeIndexHead(b []byte) (indexHead, error) {
	if len(b) < indexHeadBytes || string(b[:8]) != indexMagic {
		return indexHead{}, fmt.Errorf("%w: no index", ErrCorrupt)
	}
	le := binary.LittleEndian
	if le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return indexHead{}, fmt.Errorf("%w: checksum of an index's head", ErrCorrupt)
	}
	h := indexHead{
		number:       le.Uint64(b[8:]),
		end:          int64(le.Uint64(b[16:])),
		size:         int64(le.Uint64(b[24:])),
		shards:       le.Uint32(b[32:]),
		streams:      le.Uint32(b[36:]),
		extentsBytes: int64(le.Uint64(b[40:])),
	}
	if h.end < segmentHeaderBytes || h.end > 1<<32 || h.size < 0 || h.shards > maxIndexShards || h.streams > h.shards ||
		h.extentsBytes < 0 || h.extentsBytes > 1<<32 {
		return indexHead{}, fmt.Errorf("%w: index of %d shards up to %d", ErrCorrupt, h.shards, h.end)
	}
	return h, nil
}

// dirEntry is a shard in the directory.
type dirEntry struct {
	standing              // at the end of the segment
	first          uint64 // counter of its first record in the segment, 0 if there is none
	records        uint64 // in the segment
	segmentArrival int64  // the greatest in the segment
	extentsPos     int64  // in the file; a checksum of 4 bytes follows them
	extentsBytes   uint32
}

func (e *dirEntry) append(b []byte) []byte {
	le := binary.LittleEndian
	b = appendShardKey(b, e.shardKey)
	b = le.AppendUint32(b, e.extentsBytes)
	b = le.AppendUint64(b, e.last)
	b = le.AppendUint64(b, uint64(e.lastArrival))
	b = le.AppendUint64(b, uint64(e.maxArrival))
	b = le.AppendUint64(b, e.first)
	b = le.AppendUint64(b, e.records)
	b = le.AppendUint64(b, uint64(e.segmentArrival))
	return le.AppendUint64(b, uint64(e.extentsPos))
}

func appendShardKey(b []byte, k shardKey) []byte {
	b = binary.LittleEndian.AppendUint64(b, k.stream)
	b = binary.LittleEndian.AppendUint64(b, k.created)
	return binary.LittleEndian.AppendUint32(b, k.index)
}

func decodeShardKey(b []byte) shardKey {
	le := binary.LittleEndian
	return shardKey{stream: le.Uint64(b), created: le.Uint64(b[8:]), index: le.Uint32(b[16:])}
}

func decodeDirEntry(b []byte) dirEntry {
	le := binary.LittleEndian
	return dirEntry{
		standing: standing{
			shardKey: decodeShardKey(b), last: le.Uint64(b[24:]), lastArrival: int64(le.Uint64(b[32:])), maxArrival: int64(le.Uint64(b[40:])),
		},
		extentsBytes:   le.Uint32(b[20:]),
		first:          le.Uint64(b[48:]),
		records:        le.Uint64(b[56:]),
		segmentArrival: int64(le.Uint64(b[64:])),
		extentsPos:     int64(le.Uint64(b[72:])),
	}
}

func compareKeys(a, b shardKey) int {
	return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.created, b.created), cmp.Compare(a.index, b.index))
}

// streamSpan is a stream in the summary.
type streamSpan struct {
	stream     uint64
	maxArrival int64 // in the segment
}

// encodeIndex builds an index file. Standings are those at the end of the segment, sorted by key, and include those of
// all runs, which are sorted likewise.
func encodeIndex(number uint64, end, size int64, standings []standing, runs []*run) []byte {
	spans := streamSpans(runs)
	h := indexHead{number: number, end: end, size: size, shards: uint32(len(standings)), streams: uint32(len(spans))}
	at, summaryBytes := h.summary()
	at += int64(summaryBytes)

	var directory, fences, tail []byte
	block := 0 // where the block under way begins
	for i, s := range standings {
		e := dirEntry{standing: s}
		if len(runs) > 0 && runs[0].shardKey == s.shardKey {
			r := runs[0]
			runs = runs[1:]
			e.first, e.records, e.segmentArrival, e.extentsPos = r.first, r.records, r.maxArrival, at+int64(len(tail))
			from := len(tail)
			tail = r.extents.appendLast(append(tail, r.extents.encoded...))
			e.extentsBytes = uint32(len(tail) - from)
			tail = appendSum(tail, tail[from:])
		}
		if i%dirBlockEntries == 0 {
			fences = append(appendShardKey(fences, s.shardKey), 0, 0, 0, 0)
		}
		directory = e.append(directory)
		if n := i%dirBlockEntries + 1; n == dirBlockEntries || i == len(standings)-1 {
			directory = binary.LittleEndian.AppendUint64(directory, uint64(n))
			directory = append(directory, 0, 0, 0, 0)
			directory = appendSum(directory, directory[block:])
			block = len(directory)
		}
	}
	summary := fences
	for _, s := range spans {
		summary = binary.LittleEndian.AppendUint64(summary, s.stream)
		summary = binary.LittleEndian.AppendUint64(summary, uint64(s.maxArrival))
	}
	summary = appendSum(summary, summary)
	h.extentsBytes = int64(len(tail))
	b := make([]byte, 0, h.fileBytes())
	b = append(b, h.encode()...)
	b = append(b, directory...)
	b = append(b, summary...)
	return append(b, tail...)
}

// streamSpans sums up runs, sorted by key, by stream.
func streamSpans(runs []*run) []streamSpan {
	var spans []streamSpan
	for _, r := range runs {
		if n := len(spans); n > 0 && spans[n-1].stream == r.stream {
			spans[n-1].maxArrival = max(spans[n-1].maxArrival, r.maxArrival)
			continue
		}
		spans = append(spans, streamSpan{r.stream, r.maxArrival})
	}
	return spans
}

func appendSum(b, of []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(of, castagnoli))
}

// checkSum verifies a piece that ends with its checksum.
func checkSum(b []byte, what string) error {
	if n := len(b) - 4; n < 0 || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return fmt.Errorf("%w: checksum of an index's %s", ErrCorrupt, what)
	}
	return nil
}

// searchBlock finds a shard in a block of the directory.
func searchBlock(block []byte, key shardKey) (dirEntry, bool) {
	n := len(block) / dirEntryBytes
	at := func(i int) []byte { return block[i*dirEntryBytes:] }
	i := sort.Search(n, func(i int) bool { return compareKeys(decodeShardKey(at(i)), key) >= 0 })
	if i == n {
		return dirEntry{}, false
	}
	e := decodeDirEntry(at(i))
	return e, e.shardKey == key
}

// searchFences is the number of the block that has a shard if any has; -1 if none can.
func searchFences(fences []byte, key shardKey) int {
	n := len(fences) / fenceBytes
	return sort.Search(n, func(i int) bool { return compareKeys(decodeShardKey(fences[i*fenceBytes:]), key) > 0 }) - 1
}

// indexEndV1 returns where the segment ends by an index of the first version. The rest of such an index is not used: the
// segment is read instead, once.
func indexEndV1(b []byte, number uint64) (int64, bool) {
	if len(b) < 32 || string(b[:8]) != "weiridx\x01" || checkSum(b, "first version") != nil || binary.LittleEndian.Uint64(b[8:]) != number {
		return 0, false
	}
	end := int64(binary.LittleEndian.Uint64(b[16:]))
	return end, end >= segmentHeaderBytes
}
