package batch

import "github.com/weir-data/weir/internal/kpl"

// Aggregates is what a source does with records into which the Kinesis Producer Library (KPL) aggregated those of its
// users.
type Aggregates uint8

const (
	// UnpackOwn hands on the user records, as the Kinesis Client Library does. A record that holds one which does not
	// belong into its shard is refused whole: its producer saw that the shard had been split or merged, and sent it again.
	UnpackOwn Aggregates = iota
	// UnpackAll hands on the user records whatever shard they belong into, as Firehose does.
	UnpackAll
	// KeepPacked hands on the aggregated record.
	KeepPacked
)

// refusedHash is the reason of UnpackOwn.
const refusedHash = "aggregated record with a hash key outside its shard: made before the shard was split or merged, its producer sends it again"

// HashRange is the hash keys of a shard, both ends included.
type HashRange struct{ Low, High kpl.Hash }

// Unpack calls f with the user records of r, or with r itself if it is no aggregated record or refused.
func (a Aggregates) Unpack(r Record, shard HashRange, f func(Record) error) error {
	if a == KeepPacked {
		return f(r)
	}
	all, ok := kpl.Open(r.Data)
	if !ok {
		return f(r)
	}
	if a == UnpackOwn && !all.Within(shard.Low, shard.High) {
		r.Refused = refusedHash
		return f(r)
	}
	r.Aggregated = true
	for user := range all.All() {
		r.Key, r.Data = user.PartitionKey, user.Data
		if err := f(r); err != nil {
			return err
		}
		r.SubSeqNum++
	}
	return nil
}
