package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weir-data/weir/batch"
)

// A frame is its kind (one byte), the length of what follows (four bytes, little-endian), and that: records, or the JSON of an
// answer. A record is, each with its length in front as a uvarint: shard, sequence number, key, data, the reason why it is
// refused; before these its flags, its arrival in nanoseconds since 1970 and its place in an aggregated record as varints. A
// shard that is the one of the record before in the frame is empty.
const (
	frameRecords = 'r'
	frameEnd     = 'e'
)

const (
	flagAggregated = 1
	flagNumber     = 2 // the sequence number is 24 bytes, without a length
)

// errFrame says that a frame breaks its format.
var errFrame = errors.New("malformed frame of records")

// appendRecord adds r to frame; last is the shard of the record before it in the frame.
func appendRecord(frame []byte, r *batch.Record, last string) []byte {
	var flags uint64
	if r.Aggregated {
		flags = flagAggregated
	}
	if r.Number != nil {
		flags |= flagNumber
	}
	frame = binary.AppendUvarint(frame, flags)
	frame = binary.AppendVarint(frame, r.Arrival.UnixNano())
	frame = binary.AppendUvarint(frame, uint64(r.SubSeqNum))
	shard := r.Shard
	if shard == last {
		shard = ""
	}
	frame = append(binary.AppendUvarint(frame, uint64(len(shard))), shard...)
	if r.Number != nil {
		frame = append(frame, r.Number[:]...)
	} else {
		frame = append(binary.AppendUvarint(frame, uint64(len(r.SeqNum))), r.SeqNum...)
	}
	frame = append(binary.AppendUvarint(frame, uint64(len(r.Key))), r.Key...)
	frame = append(binary.AppendUvarint(frame, uint64(len(r.Data))), r.Data...)
	return append(binary.AppendUvarint(frame, uint64(len(r.Refused))), r.Refused...)
}

// parseRecords appends the records of a frame to recs. Numbers, keys and data point into the frame.
func parseRecords(frame []byte, recs []batch.Record) ([]batch.Record, error) {
	d := fields{rest: frame}
	shard := ""
	for len(d.rest) > 0 {
		flags, arrival, sub := d.uvarint(), d.varint(), d.uvarint()
		r := batch.Record{Aggregated: flags&flagAggregated != 0, Arrival: time.Unix(0, arrival), SubSeqNum: int(sub)}
		if s := d.bytes(); len(s) > 0 {
			shard = string(s)
		}
		if r.Shard = shard; flags&flagNumber != 0 {
			r.Number = d.number()
		} else {
			r.SeqNum = string(d.bytes())
		}
		r.Key, r.Data, r.Refused = d.bytes(), d.bytes(), string(d.bytes())
		if d.bad || flags > flagAggregated|flagNumber || sub > 1<<31 {
			return recs, fmt.Errorf("%w: record %d of %d bytes", errFrame, len(recs), len(frame))
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// shardOf is the shard of the first record of a frame; nothing of a frame that breaks its format.
func shardOf(frame []byte) []byte {
	d := fields{rest: frame}
	d.uvarint()
	d.varint()
	d.uvarint()
	return d.bytes()
}

// fields reads a frame from its front.
type fields struct {
	rest []byte
	bad  bool
}

func (d *fields) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.skip(n)
	return v
}

func (d *fields) varint() int64 {
	v, n := binary.Varint(d.rest)
	d.skip(n)
	return v
}

func (d *fields) skip(n int) {
	if n <= 0 {
		d.bad, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

func (d *fields) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *fields) number() *batch.Number {
	if len(d.rest) < len(batch.Number{}) {
		d.bad, d.rest = true, nil
		return nil
	}
	n := (*batch.Number)(d.rest)
	d.rest = d.rest[len(n):]
	return n
}

// writeFrame sends one frame.
func writeFrame(w io.Writer, kind byte, payload []byte) error {
	head := binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readFrame returns the next frame, in buf if it is large enough.
func readFrame(r io.Reader, buf []byte) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > chunkMax {
		return 0, nil, fmt.Errorf("%w: of %d bytes, the most is %d", errFrame, n, chunkMax)
	}
	if uint32(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err = io.ReadFull(r, buf)
	return head[0], buf, err
}
