package kpl

import (
	"crypto/md5"

	"google.golang.org/protobuf/encoding/protowire"
)

// Append appends the aggregated record of some user records to dst. Equal keys are stored once. It is to be put under the
// first record's partition key and explicit hash key, and all records should belong into the same shard.
func Append(dst []byte, records []Record) []byte {
	var keys, hashes keySet
	for _, r := range records {
		keys.add(r.PartitionKey)
		if r.ExplicitHashKey != nil {
			hashes.add(r.ExplicitHashKey)
		}
	}
	dst = append(dst, magic...)
	begin := len(dst)
	for _, key := range keys.all {
		dst = appendBytes(dst, fieldKeys, key)
	}
	for _, hash := range hashes.all {
		dst = appendBytes(dst, fieldHashes, hash)
	}
	var message []byte
	for _, r := range records {
		message = appendVarint(message[:0], fieldKeyIndex, keys.place[string(r.PartitionKey)])
		if r.ExplicitHashKey != nil {
			message = appendVarint(message, fieldHashIndex, hashes.place[string(r.ExplicitHashKey)])
		}
		message = appendBytes(message, fieldData, r.Data)
		dst = appendBytes(dst, fieldRecords, message)
	}
	sum := md5.Sum(dst[begin:])
	return append(dst, sum[:]...)
}

// keySet is a table while it is made.
type keySet struct {
	all   [][]byte
	place map[string]uint64
}

func (s *keySet) add(key []byte) {
	if _, ok := s.place[string(key)]; ok {
		return
	}
	if s.place == nil {
		s.place = map[string]uint64{}
	}
	s.place[string(key)] = uint64(len(s.all))
	s.all = append(s.all, key)
}

func appendBytes(dst []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), value)
}

func appendVarint(dst []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), value)
}
