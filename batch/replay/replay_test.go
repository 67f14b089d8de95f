package replay

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
)

// shelf holds letters as lines.
type shelf struct{ lines []batch.Record }

func (s *shelf) Plan(context.Context, batch.Offset, batch.Limit) (batch.Offset, error) {
	return batch.Offset{"f": "1"}, nil
}
func (s *shelf) Wait(context.Context, batch.Offset) error                    { return nil }
func (s *shelf) Latest(context.Context) (batch.Offset, error)                { return batch.Offset{"f": "1"}, nil }
func (s *shelf) Position(context.Context, batch.Start) (batch.Offset, error) { return nil, nil }
func (s *shelf) Read(_ context.Context, _, _ batch.Offset, f func([]batch.Record) error) error {
	return f(s.lines)
}

func letters(t *testing.T, all ...batch.Letter) *shelf {
	s := new(shelf)
	for _, l := range all {
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		s.lines = append(s.lines, batch.Record{Shard: "batch-1/x.ndjson", SeqNum: "0", Data: raw})
	}
	return s
}

func TestRead(t *testing.T) {
	sub := 3
	raw := base64.StdEncoding.EncodeToString([]byte("{\xff"))
	shelf := letters(t,
		batch.Letter{Stream: "a", Shard: "s1", SeqNum: "7", PartitionKey: "k", RawData: raw, SubSeqNum: &sub},
		batch.Letter{Stream: "a", Shard: "s1", SeqNum: "8", RawData: raw, Kept: true},
		batch.Letter{Stream: "b", Shard: "s1", SeqNum: "9", RawData: raw},
		batch.Letter{Stream: "a", Shard: "s1", SeqNum: "10", RawData: "?"},
		batch.Letter{Stream: "a", Shard: "s1", SeqNum: "11", Reason: "a line of 99999999 bytes"},
	)
	shelf.lines = append(shelf.lines, batch.Record{Shard: "f", SeqNum: "5", Data: []byte("no letter")})
	for _, c := range []struct {
		opts    Options
		want    string
		skipped int64
		foreign int64
	}{
		{Options{}, "7 9 0! 0! 5!", 1, 0},
		{Options{Stream: "a"}, "7 0! 0! 5!", 1, 0},
		{Options{Stream: "a", Streams: []string{"a", "b"}}, "7 0! 0! 5!", 1, 0},
		{Options{Stream: "a", Streams: []string{"a", "c"}, Kept: true}, "7 8 0! 0! 5!", 0, 1},
	} {
		s := New(shelf, c.opts)
		var got []string
		err := s.Read(t.Context(), nil, nil, func(recs []batch.Record) error {
			for _, r := range recs {
				if r.Refused != "" {
					r.SeqNum += "!"
				} else if string(r.Data) != "{\xff" {
					t.Errorf("data %q", r.Data)
				}
				if r.SeqNum == "7" && (r.Shard != "s1" || string(r.Key) != "k" || !r.Aggregated || r.SubSeqNum != 3) {
					t.Errorf("%+v", r)
				}
				got = append(got, r.SeqNum)
			}
			return nil
		})
		if err != nil || strings.Join(got, " ") != c.want || s.Skipped != c.skipped || s.Foreign != c.foreign {
			t.Errorf("%+v: %v, %d skipped, %v", c.opts, got, s.Skipped, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"rawData":"e30=","shard":"s","subSequenceNumber":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		open(&batch.Record{Shard: "f", SeqNum: "0", Data: line})
	})
}
