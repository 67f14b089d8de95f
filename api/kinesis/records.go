package kinesis

// Answers that carry records, of GetRecords and SubscribeToShard, are written by hand: a structure whose first member is
// the list Records, then what else there is.

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	fast "github.com/segmentio/asm/base64"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// recordFormat appends an answer to b, piece by piece: begin, record for each, endRecords, the other members, end.
type recordFormat interface {
	begin(b []byte) []byte
	record(b []byte, r *stream.Record, first bool) []byte
	endRecords(b []byte) []byte
	text(b []byte, name, value string) []byte
	integer(b []byte, name string, value int64) []byte
	children(b []byte, shards []stream.ShardInfo) []byte
	end(b []byte) []byte
}

// formatOf is the format of the answer to r.
func formatOf(r *wire.Request) recordFormat {
	switch r.ContentType {
	case "application/x-amz-json-1.1", "application/x-amz-json-1.0":
		return jsonFormat{}
	case "application/x-amz-cbor-1.1":
		return cborFormat{millis: true}
	}
	return cborFormat{}
}

type jsonFormat struct{}

func (jsonFormat) begin(b []byte) []byte      { return append(b, `{"Records":[`...) }
func (jsonFormat) endRecords(b []byte) []byte { return append(b, ']') }
func (jsonFormat) end(b []byte) []byte        { return append(b, '}') }

func (jsonFormat) record(b []byte, r *stream.Record, first bool) []byte {
	if !first {
		b = append(b, ',')
	}
	b = append(b, `{"SequenceNumber":"`...)
	b = r.SeqNum.AppendText(b)
	b = append(b, `","ApproximateArrivalTimestamp":`...)
	b = appendSeconds(b, r.Arrival.UnixMilli())
	b = append(b, `,"Data":"`...)
	b = appendBase64(b, r.Data)
	b = append(b, '"')
	if len(r.PartitionKey) > 0 { // else the stream needed none
		b = append(b, `,"PartitionKey":`...)
		b = appendText(b, r.PartitionKey)
	}
	if r.Encrypted {
		b = append(b, `,"EncryptionType":"KMS"`...)
	}
	return append(b, '}')
}

func (jsonFormat) text(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	b = append(b, value...) // of letters that need no escape
	return append(b, '"')
}

func (jsonFormat) integer(b []byte, name string, value int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendInt(b, value, 10)
}

func (jsonFormat) children(b []byte, shards []stream.ShardInfo) []byte {
	b = append(b, `,"ChildShards":[`...)
	for i, sh := range shards {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"ShardId":"`...)
		b = append(b, sh.ID...)
		b = append(b, `","ParentShards":[`...)
		for i, parent := range sh.Parents {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, parent...)
			b = append(b, '"')
		}
		b = append(b, `],"HashKeyRange":{"StartingHashKey":"`...)
		b = append(b, sh.HashStart.String()...)
		b = append(b, `","EndingHashKey":"`...)
		b = append(b, sh.HashEnd.String()...)
		b = append(b, `"}}`...)
	}
	return append(b, ']')
}

// appendSeconds appends a time as AWS JSON has it: seconds with up to three decimals, never an exponent.
func appendSeconds(b []byte, ms int64) []byte {
	b = strconv.AppendInt(b, ms/1000, 10)
	if f := ms % 1000; f > 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	return b
}

func appendBase64(b, data []byte) []byte {
	n := base64.StdEncoding.EncodedLen(len(data))
	at := len(b)
	if cap(b)-at < n {
		b = append(make([]byte, 0, 2*cap(b)+n), b...)
	}
	b = b[:at+n]
	fast.StdEncoding.Encode(b[at:], data)
	return b
}

func appendText(b, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(string(text))
			if err != nil {
				panic(err) // a string always has a JSON form
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// cborFormat is CBOR (RFC 8949). Structures and Records have indefinite length.
type cborFormat struct {
	millis bool // times are integer milliseconds, as the Java SDK has them; else seconds as doubles
}

// Major types, in the top three bits of an item's first byte, and first bytes with a meaning of their own.
const (
	cborInteger = 0 << 5
	cborBytes   = 2 << 5
	cborText    = 3 << 5
	cborArray   = 4 << 5
	cborMap     = 5 << 5

	cborOpenArray = 0x9f
	cborOpenMap   = 0xbf
	cborTime      = 0xc1
	cborDouble    = 0xfb
	cborBreak     = 0xff
)

// cborHead appends the head of an item: its major type and its value or length.
func cborHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func cborString[T string | []byte](b []byte, major byte, value T) []byte {
	return append(cborHead(b, major, uint64(len(value))), value...)
}

func (cborFormat) begin(b []byte) []byte {
	return append(cborString(append(b, cborOpenMap), cborText, "Records"), cborOpenArray)
}

func (cborFormat) endRecords(b []byte) []byte { return append(b, cborBreak) }
func (cborFormat) end(b []byte) []byte        { return append(b, cborBreak) }

func (f cborFormat) record(b []byte, r *stream.Record, _ bool) []byte {
	members := uint64(3)
	if len(r.PartitionKey) > 0 {
		members++
	}
	if r.Encrypted {
		members++
	}
	b = cborHead(b, cborMap, members)
	b = cborString(b, cborText, "SequenceNumber")
	at := len(b)
	b = append(b, cborText|24, 0) // all numbers have 24 digits or more, and less than 256
	b = r.SeqNum.AppendText(b)
	b[at+1] = byte(len(b) - at - 2)
	b = cborString(b, cborText, "ApproximateArrivalTimestamp")
	b = append(b, cborTime)
	if ms := r.Arrival.UnixMilli(); f.millis {
		b = cborHead(b, cborInteger, uint64(ms))
	} else {
		b = binary.BigEndian.AppendUint64(append(b, cborDouble), math.Float64bits(float64(ms)/1000))
	}
	b = cborString(b, cborText, "Data")
	b = cborString(b, cborBytes, r.Data)
	if len(r.PartitionKey) > 0 {
		b = cborString(b, cborText, "PartitionKey")
		b = cborString(b, cborText, r.PartitionKey)
	}
	if r.Encrypted {
		b = cborString(b, cborText, "EncryptionType")
		b = cborString(b, cborText, "KMS")
	}
	return b
}

func (cborFormat) text(b []byte, name, value string) []byte {
	return cborString(cborString(b, cborText, name), cborText, value)
}

func (cborFormat) integer(b []byte, name string, value int64) []byte { // never negative
	return cborHead(cborString(b, cborText, name), cborInteger, uint64(value))
}

func (f cborFormat) children(b []byte, shards []stream.ShardInfo) []byte {
	b = cborString(b, cborText, "ChildShards")
	b = cborHead(b, cborArray, uint64(len(shards)))
	for _, sh := range shards {
		b = cborHead(b, cborMap, 3)
		b = f.text(b, "ShardId", sh.ID)
		b = cborString(b, cborText, "ParentShards")
		b = cborHead(b, cborArray, uint64(len(sh.Parents)))
		for _, parent := range sh.Parents {
			b = cborString(b, cborText, parent)
		}
		b = cborString(b, cborText, "HashKeyRange")
		b = cborHead(b, cborMap, 2)
		b = f.text(b, "StartingHashKey", sh.HashStart.String())
		b = f.text(b, "EndingHashKey", sh.HashEnd.String())
	}
	return b
}
