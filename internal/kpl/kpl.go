// Package kpl reads and writes the records into which the Kinesis Producer Library (KPL) aggregates the records of its
// users. The format is public: "KPL Aggregated Record Format" in the amazon-kinesis-producer repository.
//
// Open tells an aggregated record from an ordinary one; an Aggregate gives its user records in order, each a part of
// the aggregated record's bytes, so that nothing is copied. Append makes such a record. What has the magic bytes but
// does not keep to the format is an ordinary record, as for AWS's own consumers.
//
//	F3 89 9A C2 | protobuf message AggregatedRecord | MD5 of the message, 16 bytes
//
//	AggregatedRecord: 1 partition_key_table (repeated string), 2 explicit_hash_key_table (repeated string), 3 records (repeated Record)
//	Record:           1 partition_key_index, 2 explicit_hash_key_index (optional), 3 data (bytes), 4 tags (ignored)
package kpl

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"iter"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	magic      = "\xf3\x89\x9a\xc2"
	digestSize = md5.Size
)

// The field numbers of AggregatedRecord and of Record.
const (
	fieldKeys    = 1
	fieldHashes  = 2
	fieldRecords = 3

	fieldKeyIndex  = 1
	fieldHashIndex = 2
	fieldData      = 3
)

// Record is a user record.
type Record struct {
	PartitionKey    []byte
	ExplicitHashKey []byte // decimal text; nil: the MD5 of the partition key counts
	Data            []byte
}

// Hash is a point in the space that the shards of a stream divide among them, as 16 bytes, the highest first.
type Hash [16]byte

// MaxHash is the highest one.
var MaxHash = Hash(bytes.Repeat([]byte{0xff}, 16))

// Aggregate is an aggregated record that keeps to the format.
type Aggregate struct {
	message []byte
	keys    table
	hashes  table
	records int
}

// table holds where its strings begin in the message: at their length.
type table []uint32

func (t table) at(message []byte, index uint64) []byte {
	value, _ := protowire.ConsumeBytes(message[t[index]:])
	return value
}

// Marked reports whether data begins as an aggregated record does; Open says whether it is one.
func Marked(data []byte) bool { return len(data) > len(magic) && string(data[:len(magic)]) == magic }

// Open returns the aggregate that data is. Almost all records are none, and known by their first bytes. The aggregate
// refers to data.
func Open(data []byte) (a Aggregate, ok bool) {
	if !Marked(data) || len(data) <= len(magic)+digestSize || len(data) > math.MaxUint32 {
		return a, false
	}
	message, digest := data[len(magic):len(data)-digestSize], data[len(data)-digestSize:]
	if sum := md5.Sum(message); !bytes.Equal(sum[:], digest) {
		return a, false
	}
	return parse(message)
}

// parse checks the whole message, so that reading its records later cannot fail.
func parse(message []byte) (a Aggregate, ok bool) {
	a.message = message
	var keyMax, hashMax uint64 // one more than the highest index in use
	for f := range fields(message) {
		switch {
		case f.bad:
			return a, false
		case f.kind != protowire.BytesType:
		case f.number == fieldKeys:
			a.keys = append(a.keys, f.begin)
		case f.number == fieldHashes:
			if _, ok := ParseHash(f.value); !ok {
				return a, false
			}
			a.hashes = append(a.hashes, f.begin)
		case f.number == fieldRecords:
			r, ok := parseRecord(f.value)
			if !ok {
				return a, false
			}
			keyMax = max(keyMax, r.key+1)
			if r.hasHash {
				hashMax = max(hashMax, r.hash+1)
			}
			a.records++
		}
	}
	return a, keyMax <= uint64(len(a.keys)) && hashMax <= uint64(len(a.hashes))
}

// indexed is a user record whose keys are places in the tables.
type indexed struct {
	key, hash uint64
	hasHash   bool
	data      []byte
}

func parseRecord(message []byte) (r indexed, ok bool) {
	hasKey, hasData := false, false
	for f := range fields(message) {
		switch {
		case f.bad:
			return r, false
		case f.number == fieldKeyIndex && f.kind == protowire.VarintType:
			r.key, hasKey = f.varint, true
		case f.number == fieldHashIndex && f.kind == protowire.VarintType:
			r.hash, r.hasHash = f.varint, true
		case f.number == fieldData && f.kind == protowire.BytesType:
			r.data, hasData = f.value, true
		}
	}
	// An index is below 2^32, as the tables are; so one more than it is a number too.
	return r, hasKey && hasData && r.key < math.MaxUint32 && r.hash < math.MaxUint32
}

// field is one field of a message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	varint uint64 // of VarintType
	value  []byte // of BytesType
	begin  uint32 // where the value with its length begins
	bad    bool   // the message ends in something that is no field; none follow
}

// fields yields the fields of a message; groups are skipped.
func fields(message []byte) iter.Seq[field] {
	return func(yield func(field) bool) {
		for pos := 0; pos < len(message); {
			number, kind, n := protowire.ConsumeTag(message[pos:])
			if n < 0 {
				yield(field{bad: true})
				return
			}
			pos += n
			f := field{number: number, kind: kind, begin: uint32(pos)}
			switch kind {
			case protowire.VarintType:
				f.varint, n = protowire.ConsumeVarint(message[pos:])
			case protowire.BytesType:
				f.value, n = protowire.ConsumeBytes(message[pos:])
			default:
				n = protowire.ConsumeFieldValue(number, kind, message[pos:])
			}
			if f.bad = n < 0; !yield(f) || f.bad {
				return
			}
			pos += n
		}
	}
}

// Len is the number of user records; it may be 0.
func (a *Aggregate) Len() int { return a.records }

// All yields the user records in the order in which the producer put them. Their bytes are those of the aggregated
// record.
func (a *Aggregate) All() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for f := range fields(a.message) {
			if f.number != fieldRecords || f.kind != protowire.BytesType {
				continue
			}
			in, _ := parseRecord(f.value)
			r := Record{PartitionKey: a.keys.at(a.message, in.key), Data: in.data}
			if in.hasHash {
				r.ExplicitHashKey = a.hashes.at(a.message, in.hash)
			}
			if !yield(r) {
				return
			}
		}
	}
}

// Within reports whether the hash keys of all user records lie from low to high, both included. The Kinesis Client
// Library drops an aggregated record that has one outside its shard's range: it was aggregated for a shard that had been
// split or merged, and the KPL, which sees from the answer that it went astray, sends its records again.
func (a *Aggregate) Within(low, high Hash) bool {
	for r := range a.All() {
		h := r.hash()
		if bytes.Compare(h[:], low[:]) < 0 || bytes.Compare(h[:], high[:]) > 0 {
			return false
		}
	}
	return true
}

// hash is the effective hash key of a record that was parsed.
func (r *Record) hash() Hash {
	if r.ExplicitHashKey == nil {
		return md5.Sum(r.PartitionKey)
	}
	h, _ := ParseHash(r.ExplicitHashKey)
	return h
}

// ParseHash reads a decimal number below 2^128.
func ParseHash(text []byte) (h Hash, ok bool) {
	if len(text) == 0 || len(text) > 39 {
		return h, false
	}
	var words [4]uint32 // the lowest first
	for _, c := range text {
		if c < '0' || c > '9' {
			return h, false
		}
		carry := uint64(c - '0')
		for i := range words {
			carry += uint64(words[i]) * 10
			words[i] = uint32(carry)
			carry >>= 32
		}
		if carry != 0 {
			return h, false
		}
	}
	for i, w := range words {
		binary.BigEndian.PutUint32(h[12-4*i:], w)
	}
	return h, true
}
