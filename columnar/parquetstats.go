package columnar

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// boundBytesMax is the length of texts up to which a chunk's statistics hold them.
const boundBytesMax = 64

// join takes the bounds of other values of the same column in.
func (s *leafStats) join(o *leafStats) {
	s.nan = s.nan || o.nan
	if !o.some {
		return
	}
	switch {
	case s.typ.Kind == Float32 || s.typ.Kind == Float64:
		s.float(o.minF)
		s.float(o.maxF)
	case s.typ.Kind == String:
		s.bytes(o.minB)
		s.bytes(o.maxB)
	case s.typ.Kind == Decimal:
		s.decimal(o.minD)
		s.decimal(o.maxD)
	default:
		s.int(o.minI)
		s.int(o.maxI)
	}
}

// chunk are the bounds as the footer has them; none where readers could be led astray: a NaN, long texts.
func (s *leafStats) chunk(physical format.Type) (out format.Statistics) {
	if !s.some || s.nan {
		return out
	}
	var low, high []byte
	switch s.typ.Kind {
	case String:
		if len(s.minB) > boundBytesMax || len(s.maxB) > boundBytesMax {
			return out
		}
		low, high = append(make([]byte, 0, 1), s.minB...), append(make([]byte, 0, 1), s.maxB...) // empty is not nil
	case Float32, Float64:
		low, high = floatBound(physical, s.minF, -1), floatBound(physical, s.maxF, 1)
	case Decimal:
		low, high = decimalBound(physical, s.typ, s.minD), decimalBound(physical, s.typ, s.maxD)
	default:
		low, high = intBound(physical, s.minI), intBound(physical, s.maxI)
	}
	out.MinValue, out.MaxValue = low, high
	return out
}

// floatBound is a bound; a zero has the sign that lets both zeros in.
func floatBound(physical format.Type, v float64, sign float64) []byte {
	if v == 0 {
		v = math.Copysign(0, sign)
	}
	if physical == format.Float {
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
	}
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
}

func intBound(physical format.Type, v int64) []byte {
	if physical == format.Int32 {
		return binary.LittleEndian.AppendUint32(nil, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(v))
}

func decimalBound(physical format.Type, t Type, v Int128) []byte {
	if physical != format.FixedLenByteArray {
		return intBound(physical, int64(v.Lo))
	}
	wide := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(v.Hi)), v.Lo)
	return wide[16-decimalBytes(t.Precision):]
}
