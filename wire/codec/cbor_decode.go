package codec

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// DecodeCBOR reads a CBOR document (RFC 8949) into the struct that into points to. Lengths may be definite or
// not. Empty input is an empty structure.
func DecodeCBOR(data []byte, into any, epoch Epoch, unions Unions) error {
	if len(data) == 0 {
		return nil
	}
	s := &cborSource{data: data, epoch: epoch}
	if err := decode(s, into, unions); err != nil {
		return err
	}
	if s.pos != len(data) {
		return malformed("Unexpected bytes after the document")
	}
	return nil
}

// openLength marks a map or array that ends with a break.
const openLength = math.MaxUint64

// cborSource is a pull reader of CBOR.
type cborSource struct {
	data  []byte
	pos   int
	epoch Epoch
	left  []uint64 // elements still to come of each open map and array, or openLength
}

// head steps over the first bytes of the next item. For floats n holds the bits.
func (s *cborSource) head() (major byte, info byte, n uint64, err error) {
	if s.pos == len(s.data) {
		return 0, 0, 0, errEnd
	}
	major, info = s.data[s.pos]>>5, s.data[s.pos]&31
	s.pos++
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info == 31 {
		return major, info, openLength, nil
	}
	if info > 27 {
		return 0, 0, 0, malformed("Bad CBOR item")
	}
	size := 1 << (info - 24)
	if len(s.data)-s.pos < size {
		return 0, 0, 0, errEnd
	}
	b := s.data[s.pos : s.pos+size]
	s.pos += size
	switch size {
	case 1:
		n = uint64(b[0])
	case 2:
		n = uint64(binary.BigEndian.Uint16(b))
	case 4:
		n = uint64(binary.BigEndian.Uint32(b))
	default:
		n = binary.BigEndian.Uint64(b)
	}
	if major == cborSimple && size == 1 && n < 32 {
		return 0, 0, 0, malformed("Bad CBOR item") // it has a shorter form, and RFC 8949 allows no other
	}
	return major, info, n, nil
}

// untag steps over the tags before an item; they say nothing that the wanted type does not.
func (s *cborSource) untag() error {
	for s.pos < len(s.data) && s.data[s.pos]>>5 == cborTag {
		if _, info, _, err := s.head(); err != nil || info == 31 {
			return malformed("Bad CBOR tag")
		}
	}
	return nil
}

func (s *cborSource) null() (bool, error) {
	if s.pos < len(s.data) && (s.data[s.pos] == cborNull || s.data[s.pos] == cborUndef) {
		s.pos++
		return true, nil
	}
	return false, nil
}

// mismatch names the item at pos, which is not what was wanted.
func (s *cborSource) mismatch(pos int, wanted string) error {
	switch major := s.data[pos] >> 5; {
	case major == cborUint || major == cborNegInt:
		return notConvertible("NUMBER_VALUE", wanted)
	case major == cborBytes:
		return notConvertible("BINARY_VALUE", wanted)
	case major == cborText:
		return notConvertible("STRING_VALUE", wanted)
	case major == cborArray:
		return malformed("Start of list found where not expected")
	case major == cborMap:
		return malformed("Start of structure or map found where not expected.")
	case s.data[pos] == cborTrue:
		return notConvertible("TRUE_VALUE", wanted)
	case s.data[pos] == cborFalse:
		return notConvertible("FALSE_VALUE", wanted)
	}
	return malformed("Unexpected CBOR item")
}

func (s *cborSource) begin(want shape) error {
	if err := s.untag(); err != nil {
		return err
	}
	start := s.pos
	major, _, n, err := s.head()
	if err != nil {
		return err
	}
	if wanted := byte(cborMap); want == list && major != cborArray || want != list && major != wanted {
		return s.mismatch(start, "Structure")
	}
	return s.enter(n)
}

func (s *cborSource) enter(n uint64) error {
	if len(s.left) == depthMax {
		return errDepth
	}
	s.left = append(s.left, n)
	return nil
}

func (s *cborSource) next() (bool, error) {
	top := &s.left[len(s.left)-1]
	switch {
	case *top == openLength:
		if s.pos == len(s.data) {
			return false, errEnd
		}
		if s.data[s.pos] != cborBreak {
			return true, nil
		}
		s.pos++
	case *top > 0:
		*top--
		return true, nil
	}
	s.left = s.left[:len(s.left)-1]
	return false, nil
}

func (s *cborSource) key() (string, bool, error) {
	more, err := s.next()
	if err != nil || !more {
		return "", false, err
	}
	name, err := s.text()
	return name, err == nil, err
}

func (s *cborSource) text() (string, error) {
	b, err := s.chunks(cborText, "String")
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", malformed("Text is not valid UTF-8")
	}
	return string(b), nil
}

func (s *cborSource) blob() ([]byte, error) {
	b, err := s.chunks(cborBytes, "Blob")
	return append([]byte{}, b...), err
}

// chunks reads a byte or text string, whole or in pieces. The result may share memory with the input.
func (s *cborSource) chunks(want byte, wanted string) ([]byte, error) {
	if err := s.untag(); err != nil {
		return nil, err
	}
	start := s.pos
	major, info, n, err := s.head()
	if err != nil {
		return nil, err
	}
	if major != want {
		return nil, s.mismatch(start, wanted)
	}
	if info != 31 {
		return s.take(n)
	}
	var out []byte
	for {
		major, info, n, err := s.head()
		if err != nil {
			return nil, err
		}
		if major == cborSimple && info == 31 {
			return out, nil
		}
		if major != want || info == 31 {
			return nil, malformed("Bad piece of a CBOR string")
		}
		piece, err := s.take(n)
		if err != nil {
			return nil, err
		}
		out = append(out, piece...)
	}
}

func (s *cborSource) take(n uint64) ([]byte, error) {
	if n > uint64(len(s.data)-s.pos) {
		return nil, errEnd
	}
	b := s.data[s.pos : s.pos+int(n)]
	s.pos += int(n)
	return b, nil
}

// number reads an integer or a float; exact says that i holds it.
func (s *cborSource) number(wanted string) (i int64, f float64, exact bool, err error) {
	if err := s.untag(); err != nil {
		return 0, 0, false, err
	}
	start := s.pos
	major, info, n, err := s.head()
	if err != nil {
		return 0, 0, false, err
	}
	switch {
	case major == cborUint && info != 31 && n <= math.MaxInt64:
		return int64(n), float64(n), true, nil
	case major == cborNegInt && info != 31 && n <= math.MaxInt64:
		return -1 - int64(n), -1 - float64(n), true, nil
	case major == cborUint || major == cborNegInt:
		return 0, 0, false, malformed("Number is out of range")
	}
	switch s.data[start] {
	case cborHalf:
		return 0, halfFloat(uint16(n)), false, nil
	case cborSingle:
		return 0, float64(math.Float32frombits(uint32(n))), false, nil
	case cborDouble:
		return 0, math.Float64frombits(n), false, nil
	}
	return 0, 0, false, s.mismatch(start, wanted)
}

// halfFloat is the value of an IEEE 754 half-precision number.
func halfFloat(bits uint16) float64 {
	exp, mant := int(bits>>10&31), float64(bits&1023)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(mant, -24)
	case 31:
		v = math.Inf(1)
		if mant != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(mant+1024, exp-25)
	}
	if bits&0x8000 != 0 {
		return -v
	}
	return v
}

func (s *cborSource) integer() (int64, error) {
	i, f, exact, err := s.number("Long")
	if err != nil || exact {
		return i, err
	}
	if math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return 0, malformed("Number is out of range")
	}
	return int64(f), nil
}

func (s *cborSource) float() (float64, error) {
	_, f, _, err := s.number("Double")
	return f, err
}

func (s *cborSource) boolean() (bool, error) {
	if err := s.untag(); err != nil {
		return false, err
	}
	if s.pos == len(s.data) {
		return false, errEnd
	}
	c := s.data[s.pos]
	if c != cborTrue && c != cborFalse {
		return false, s.mismatch(s.pos, "Boolean")
	}
	s.pos++
	return c == cborTrue, nil
}

func (s *cborSource) time(bool) (time.Time, error) {
	_, f, _, err := s.number("Timestamp")
	if err != nil {
		return time.Time{}, err
	}
	if s.epoch == Milliseconds {
		f /= 1000
	}
	return epochTime(f)
}

func (s *cborSource) skip() error {
	if err := s.untag(); err != nil {
		return err
	}
	if s.pos == len(s.data) {
		return errEnd
	}
	switch s.data[s.pos] >> 5 {
	case cborBytes, cborText:
		_, err := s.chunks(s.data[s.pos]>>5, "")
		return err
	case cborArray, cborMap:
		major, _, n, err := s.head()
		if err != nil {
			return err
		}
		if err := s.enter(n); err != nil {
			return err
		}
		for {
			more, err := s.next()
			if err != nil || !more {
				return err
			}
			if major == cborMap {
				if err := s.skip(); err != nil {
					return err
				}
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	}
	if s.data[s.pos] == cborBreak {
		return malformed("Unexpected CBOR break")
	}
	_, info, _, err := s.head()
	if err == nil && info == 31 {
		return malformed("Bad CBOR item")
	}
	return err
}
