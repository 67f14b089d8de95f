package stream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// A frame is the unit of the log: the records that one Put gave to one shard. docs/formats/segment.md has the layout.
const (
	frameHeaderBytes  = 64
	recordHeaderBytes = 8
	frameVersion      = 1
	frameEncrypted    = 2 // version of a frame whose payload is encrypted
	// maxPayload bounds what a damaged length can make a reader allocate.
	maxPayload = 32 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameHeader is the decoded head of a frame.
type frameHeader struct {
	payloadBytes uint32
	payloadSum   uint32
	records      uint32
	segment      uint64 // number of the segment that it was written to: old frames of a recycled file have another
	shardKey
	first   uint64 // counter of the first record
	arrival int64  // Unix milliseconds
	key     uint16 // number of the stream's key that the payload is encrypted under; 0: it is not
}

// shardKey identifies a shard of one incarnation of a stream for ever.
type shardKey struct {
	stream  uint64 // number of the stream, never used again
	created uint64 // Unix second in which the shard was made
	index   uint32
}

func (k shardKey) seqNum(counter uint64, arrival int64) SeqNum {
	return NewSeqNum(Parts{Created: k.created, Shard: k.index, Counter: counter, Second: uint64(max(arrival, 0)) / 1000})
}

// last is the counter of the last record.
func (h *frameHeader) last() uint64 { return h.first + uint64(h.records) - 1 }

func (h *frameHeader) size() int { return frameHeaderBytes + int(h.payloadBytes) }

func (h *frameHeader) version() uint16 {
	if h.key != 0 {
		return frameEncrypted
	}
	return frameVersion
}

// overhead is what the payload has beside the records.
func (h *frameHeader) overhead() int {
	if h.key != 0 {
		return sealBytes
	}
	return 0
}

// encode writes the header with its checksum into b.
func (h *frameHeader) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[4:], h.payloadBytes)
	le.PutUint32(b[8:], h.payloadSum)
	le.PutUint32(b[12:], h.records)
	le.PutUint64(b[16:], h.segment)
	le.PutUint64(b[24:], h.stream)
	le.PutUint64(b[32:], h.first)
	le.PutUint64(b[40:], uint64(h.arrival))
	le.PutUint64(b[48:], h.created)
	le.PutUint32(b[56:], h.index)
	le.PutUint16(b[60:], h.version())
	le.PutUint16(b[62:], h.key)
	le.PutUint32(b[0:], crc32.Checksum(b[4:frameHeaderBytes], castagnoli))
}

// finishHeader sets the segment of a header that encode wrote, and the checksum again.
func finishHeader(b []byte, segment uint64) {
	binary.LittleEndian.PutUint64(b[16:], segment)
	binary.LittleEndian.PutUint32(b[0:], crc32.Checksum(b[4:frameHeaderBytes], castagnoli))
}

// decodeFrameHeader reads the header at the start of b. An error wraps ErrCorrupt and means that no frame of the
// segment starts here.
func decodeFrameHeader(b []byte, segment uint64) (frameHeader, error) {
	var h frameHeader
	if len(b) < frameHeaderBytes {
		return h, fmt.Errorf("%w: %d bytes are no frame header", ErrCorrupt, len(b))
	}
	le := binary.LittleEndian
	if le.Uint32(b) != crc32.Checksum(b[4:frameHeaderBytes], castagnoli) {
		return h, fmt.Errorf("%w: frame header checksum", ErrCorrupt)
	}
	h = frameHeader{
		payloadBytes: le.Uint32(b[4:]),
		payloadSum:   le.Uint32(b[8:]),
		records:      le.Uint32(b[12:]),
		segment:      le.Uint64(b[16:]),
		shardKey:     shardKey{stream: le.Uint64(b[24:]), created: le.Uint64(b[48:]), index: le.Uint32(b[56:])},
		first:        le.Uint64(b[32:]),
		arrival:      int64(le.Uint64(b[40:])),
		key:          le.Uint16(b[62:]),
	}
	switch {
	case h.segment != segment:
		return h, fmt.Errorf("%w: frame of segment %d in segment %d", ErrCorrupt, h.segment, segment)
	case le.Uint16(b[60:]) != h.version():
		return h, fmt.Errorf("%w: frame version %d with key %d", ErrCorrupt, le.Uint16(b[60:]), h.key)
	case h.payloadBytes > maxPayload || h.records == 0 ||
		uint64(h.records)*recordHeaderBytes+uint64(h.overhead()) > uint64(h.payloadBytes):
		return h, fmt.Errorf("%w: frame of %d records in %d bytes", ErrCorrupt, h.records, h.payloadBytes)
	case h.first == 0 || h.first > maxCounter-uint64(h.records):
		return h, fmt.Errorf("%w: frame with counter %d", ErrCorrupt, h.first)
	}
	return h, nil
}

// putRecord writes a record into b, which has exactly its room, and returns the room after it.
func putRecord(b []byte, e *Entry) []byte {
	binary.LittleEndian.PutUint32(b, uint32(len(e.Data)))
	binary.LittleEndian.PutUint16(b[4:], uint16(len(e.PartitionKey)))
	binary.LittleEndian.PutUint16(b[6:], 0)
	b = b[recordHeaderBytes:]
	b = b[copy(b, e.PartitionKey):]
	return b[copy(b, e.Data):]
}

func recordBytes(e *Entry) int { return recordHeaderBytes + len(e.PartitionKey) + len(e.Data) }

// checkPayload verifies the checksum of a frame's payload.
func (h *frameHeader) checkPayload(payload []byte) error {
	if crc32.Checksum(payload, castagnoli) != h.payloadSum {
		return fmt.Errorf("%w: payload checksum of records %d to %d of stream %d shard %d",
			ErrCorrupt, h.first, h.last(), h.stream, h.index)
	}
	return nil
}

// appendRecords appends the records of a frame to dst, without copying keys and data. The payload is one that is not
// encrypted, or no longer. A malformed one gives ErrCorrupt.
func (h *frameHeader) appendRecords(dst []Record, payload []byte) ([]Record, error) {
	seq := h.seqNum(h.first, h.arrival)
	arrival := time.UnixMilli(h.arrival)
	for i := range uint64(h.records) {
		if len(payload) < recordHeaderBytes {
			return dst, fmt.Errorf("%w: frame payload ends within record %d", ErrCorrupt, h.first+i)
		}
		data := uint64(binary.LittleEndian.Uint32(payload))
		key := uint64(binary.LittleEndian.Uint16(payload[4:]))
		payload = payload[recordHeaderBytes:]
		if uint64(len(payload)) < data+key {
			return dst, fmt.Errorf("%w: frame payload ends within record %d", ErrCorrupt, h.first+i)
		}
		seq.setCounter(h.first + i)
		dst = append(dst, Record{
			SeqNum:       seq,
			PartitionKey: payload[:key:key],
			Data:         payload[key : key+data : key+data],
			Arrival:      arrival,
			Encrypted:    h.key != 0,
		})
		payload = payload[key+data:]
	}
	if len(payload) != 0 {
		return dst, fmt.Errorf("%w: %d bytes after the last record of a frame", ErrCorrupt, len(payload))
	}
	return dst, nil
}

// frameSegment is the number of the segment in an encoded header.
func frameSegment(b []byte) uint64 { return binary.LittleEndian.Uint64(b[16:]) }
