package stream

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/kpl"
	"github.com/weir-data/weir/stream"
)

// putPacked puts an aggregated record of n user records into shard 0; with stray, one of them belongs into another shard.
func putPacked(t *testing.T, s *stream.Store, n int, stray bool) {
	t.Helper()
	var all []kpl.Record
	for i := range n {
		all = append(all, kpl.Record{PartitionKey: fmt.Appendf(nil, "user-%d", i%3), ExplicitHashKey: []byte("7"), Data: fmt.Appendf(nil, "u%d", i)})
	}
	if stray {
		all[n-1].ExplicitHashKey = []byte(stream.MaxHashKey.String())
	}
	e := stream.Entry{PartitionKey: []byte("k"), ExplicitHashKey: "0", Data: kpl.Append(nil, all)}
	if _, err := s.Put(context.Background(), "s", []stream.Entry{e}); err != nil {
		t.Fatal(err)
	}
}

// line is what matters of a record here.
func line(r batch.Record) string {
	switch {
	case r.Refused != "":
		return fmt.Sprintf("refused %d bytes", len(r.Data))
	case r.Aggregated:
		return fmt.Sprintf("%s:%s/%d", r.Key, r.Data, r.SubSeqNum)
	case kpl.Marked(r.Data):
		return fmt.Sprintf("packed %d bytes", len(r.Data))
	}
	return fmt.Sprintf("%s:%s", r.Key, r.Data)
}

func TestAggregatedRecords(t *testing.T) {
	s := openStore(t, 2)
	put(t, s, 0, 1, 1)
	putPacked(t, s, 4, false)
	putPacked(t, s, 2, true)
	put(t, s, 0, 2, 1)
	for how, want := range map[batch.Aggregates]string{
		batch.UnpackOwn:  "k:0001 user-0:u0/0 user-1:u1/1 user-2:u2/2 user-0:u3/3 refused 100 bytes k:0002",
		batch.UnpackAll:  "k:0001 user-0:u0/0 user-1:u1/1 user-2:u2/2 user-0:u3/3 user-0:u0/0 user-1:u1/1 k:0002",
		batch.KeepPacked: "k:0001 packed 87 bytes packed 100 bytes k:0002",
	} {
		src := NewWith(s, "s", how)
		end, err := src.Plan(t.Context(), nil, batch.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		seqs := map[string]bool{}
		err = src.Read(t.Context(), nil, end, func(recs []batch.Record) error {
			for _, r := range recs {
				got = append(got, line(r))
				seqs[r.SequenceNumber()] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got, " "); text != want || len(seqs) != 4 {
			t.Errorf("way %d: %s\nwant %s\n%d sequence numbers", how, text, want, len(seqs))
		}
	}
}

func TestOneAggregateCanFillManyChunks(t *testing.T) {
	s := openStore(t, 1)
	put(t, s, 0, 1, 1)
	putPacked(t, s, 2*chunkMax+5, false)
	put(t, s, 0, 2, 1)
	src := New(s, "s")
	end, err := src.Plan(t.Context(), nil, batch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	next, total := 0, 0
	err = src.Read(t.Context(), nil, end, func(recs []batch.Record) error {
		if total += len(recs); len(recs) > chunkMax {
			t.Errorf("a chunk of %d", len(recs))
		}
		for _, r := range recs {
			if r.Aggregated {
				if string(r.Data) != fmt.Sprintf("u%d", next) || r.SubSeqNum != next {
					t.Fatalf("record %d is %s, number %d", next, r.Data, r.SubSeqNum)
				}
				next++
			}
		}
		return nil
	})
	if err != nil || next != 2*chunkMax+5 || total != next+2 {
		t.Errorf("%d records, %d user records: %v", total, next, err)
	}
}
