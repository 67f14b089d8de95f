package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// AppendCBOR appends the CBOR form (RFC 8949) of the struct v to b. Structures have indefinite length.
func AppendCBOR(b []byte, v any, epoch Epoch) ([]byte, error) {
	s := &cborSink{b: b, epoch: epoch}
	err := encode(s, v)
	return s.b, err
}

// CBOR major types, in the top three bits of an item's first byte.
const (
	cborUint   = 0
	cborNegInt = 1
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7
)

// First bytes with a meaning of their own.
const (
	cborFalse   = 0xf4
	cborTrue    = 0xf5
	cborNull    = 0xf6
	cborUndef   = 0xf7
	cborHalf    = 0xf9
	cborSingle  = 0xfa
	cborDouble  = 0xfb
	cborBreak   = 0xff
	cborOpenMap = 0xbf
	cborEpoch   = 0xc1
)

type cborSink struct {
	b     []byte
	epoch Epoch
}

// head writes the first bytes of an item of a major type with its length or value n.
func (s *cborSink) head(major byte, n uint64) {
	major <<= 5
	switch {
	case n < 24:
		s.b = append(s.b, major|byte(n))
	case n <= math.MaxUint8:
		s.b = append(s.b, major|24, byte(n))
	case n <= math.MaxUint16:
		s.b = binary.BigEndian.AppendUint16(append(s.b, major|25), uint16(n))
	case n <= math.MaxUint32:
		s.b = binary.BigEndian.AppendUint32(append(s.b, major|26), uint32(n))
	default:
		s.b = binary.BigEndian.AppendUint64(append(s.b, major|27), n)
	}
}

func (s *cborSink) beginStructure()    { s.b = append(s.b, cborOpenMap) }
func (s *cborSink) member(name string) { s.text(name) }
func (s *cborSink) endStructure()      { s.b = append(s.b, cborBreak) }
func (s *cborSink) beginList(n int)    { s.head(cborArray, uint64(n)) }
func (s *cborSink) item()              {}
func (s *cborSink) endList()           {}
func (s *cborSink) beginMap(n int)     { s.head(cborMap, uint64(n)) }
func (s *cborSink) entry(key string)   { s.text(key) }
func (s *cborSink) endEntry()          {}
func (s *cborSink) endMap()            {}
func (s *cborSink) null()              { s.b = append(s.b, cborNull) }

func (s *cborSink) text(v string) {
	s.head(cborText, uint64(len(v)))
	s.b = append(s.b, v...)
}

func (s *cborSink) integer(v int64) {
	if v < 0 {
		s.head(cborNegInt, uint64(-1-v))
		return
	}
	s.head(cborUint, uint64(v))
}

func (s *cborSink) float(v float64) {
	s.b = binary.BigEndian.AppendUint64(append(s.b, cborDouble), math.Float64bits(v))
}

func (s *cborSink) boolean(v bool) {
	if v {
		s.b = append(s.b, cborTrue)
		return
	}
	s.b = append(s.b, cborFalse)
}

func (s *cborSink) blob(v []byte) {
	s.head(cborBytes, uint64(len(v)))
	s.b = append(s.b, v...)
}

func (s *cborSink) time(t time.Time, _ bool) {
	s.b = append(s.b, cborEpoch)
	if s.epoch == Milliseconds {
		s.integer(t.UnixMilli())
		return
	}
	s.float(float64(t.UnixMilli()) / 1000)
}

func (s *cborSink) json([]byte) error { return errors.New("encode document: not possible in CBOR") }
