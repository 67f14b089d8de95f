package kinesis

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire/codec"
)

// The answers that are written by hand are what the general decoders read.
func TestRecordFormats(t *testing.T) {
	decoders := map[string]struct {
		format recordFormat
		decode func([]byte, any) error
	}{
		"JSON":         {jsonFormat{}, func(b []byte, v any) error { return codec.DecodeJSON(b, v, nil) }},
		"CBOR":         {cborFormat{millis: true}, func(b []byte, v any) error { return codec.DecodeCBOR(b, v, codec.Milliseconds, nil) }},
		"CBOR seconds": {cborFormat{}, func(b []byte, v any) error { return codec.DecodeCBOR(b, v, codec.Seconds, nil) }},
	}
	const seed = 5
	for name, c := range decoders {
		rng := rand.New(rand.NewPCG(seed, 6))
		for range 300 {
			records := someRecords(rng)
			b := c.format.begin(nil)
			for i := range records {
				b = c.format.record(b, &records[i], i == 0)
			}
			b = c.format.endRecords(b)
			b = c.format.text(b, "ContinuationSequenceNumber", "123")
			b = c.format.integer(b, "MillisBehindLatest", 1<<40)
			b = c.format.children(b, []stream.ShardInfo{
				{ID: "shardId-000000000002", Parents: []string{"a", "b"}, HashStart: stream.HashKey{Lo: 7}, HashEnd: stream.MaxHashKey},
				{ID: "shardId-000000000003", Parents: []string{"a"}},
			})
			b = c.format.end(b)
			var out types.SubscribeToShardEvent
			if err := c.decode(b, &out); err != nil {
				t.Fatalf("%s: seed %d: %q: %v", name, seed, b, err)
			}
			if len(out.Records) != len(records) || *out.ContinuationSequenceNumber != "123" || *out.MillisBehindLatest != 1<<40 {
				t.Fatalf("%s: seed %d: %+v", name, seed, out)
			}
			for i, r := range out.Records {
				sameRecord(t, r, records[i])
			}
			first := out.ChildShards[0]
			if len(out.ChildShards) != 2 || *first.ShardId != "shardId-000000000002" || !reflect.DeepEqual(first.ParentShards, []string{"a", "b"}) ||
				*first.HashKeyRange.StartingHashKey != "7" || *first.HashKeyRange.EndingHashKey != "340282366920938463463374607431768211455" {
				t.Fatalf("%s: children %+v", name, out.ChildShards)
			}
		}
	}
}

// Whatever a record holds, general decoders read it from each format.
func FuzzRecordFormats(f *testing.F) {
	f.Add([]byte("data"), "key", int64(1795334403123), uint64(7))
	f.Add([]byte{}, "", int64(0), uint64(1)) // without a key
	f.Add([]byte{}, "\"\\\u2028<", int64(0), uint64(1<<63-1))
	f.Fuzz(func(t *testing.T, data []byte, key string, ms int64, counter uint64) {
		if !utf8.ValidString(key) || ms < 0 || ms > 1<<40 {
			return
		}
		want := stream.Record{SeqNum: stream.NewSeqNum(stream.Parts{Created: 1, Counter: counter >> 1}), PartitionKey: []byte(key), Data: data, Arrival: time.UnixMilli(ms)}
		for _, format := range []recordFormat{jsonFormat{}, cborFormat{millis: true}, cborFormat{}} {
			b := format.end(format.endRecords(format.record(format.begin(nil), &want, true)))
			var out types.SubscribeToShardEvent
			var err error
			switch format {
			case jsonFormat{}:
				err = codec.DecodeJSON(b, &out, nil)
			case cborFormat{millis: true}:
				err = codec.DecodeCBOR(b, &out, codec.Milliseconds, nil)
			default:
				err = codec.DecodeCBOR(b, &out, codec.Seconds, nil)
			}
			if err != nil || len(out.Records) != 1 {
				t.Fatalf("%T %q: %v", format, b, err)
			}
			sameRecord(t, out.Records[0], want)
		}
	})
}

func someRecords(rng *rand.Rand) []stream.Record {
	records := make([]stream.Record, rng.IntN(4))
	for i := range records {
		data := make([]byte, []int{0, 1, 23, 24, 255, 256, 70000}[rng.IntN(7)])
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		records[i] = stream.Record{
			SeqNum:       stream.NewSeqNum(stream.Parts{Created: 1, Counter: rng.Uint64N(1 << 60), Second: 5}),
			PartitionKey: []byte([]string{"plain", `quo"te`, "back\\slash", "ünïcode", "tab\t", "<&>", "\u2028"}[rng.IntN(7)]),
			Data:         data,
			Arrival:      time.UnixMilli(rng.Int64N(2e12)),
			Encrypted:    rng.IntN(2) == 0,
		}
	}
	return records
}

func sameRecord(t *testing.T, got types.Record, want stream.Record) {
	t.Helper()
	if aws.ToString(got.PartitionKey) != string(want.PartitionKey) || !bytes.Equal(got.Data, want.Data) || *got.SequenceNumber != want.SeqNum.String() ||
		got.ApproximateArrivalTimestamp.UnixMilli() != want.Arrival.UnixMilli() || (got.EncryptionType == types.EncryptionTypeKms) != want.Encrypted {
		t.Fatalf("got %q %x %s %s %q", aws.ToString(got.PartitionKey), got.Data, *got.SequenceNumber, got.ApproximateArrivalTimestamp, got.EncryptionType)
	}
}

// The Java SDK takes only integers for times.
func TestCBORTimes(t *testing.T) {
	b := cborFormat{millis: true}.record(nil, &stream.Record{Arrival: time.UnixMilli(1795334403123)}, true)
	if bytes.Contains(b, []byte{0xc1, 0xfb}) || !bytes.Contains(b, []byte{0xc1, 0x1b, 0, 0, 1, 0xa2}) {
		t.Fatalf("%x", b)
	}
}
