package stream

import (
	"context"
	"fmt"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// A plan and a wait that find one new record among many shards.
func BenchmarkManyShards(b *testing.B) {
	for _, shards := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint("shards=", shards), func(b *testing.B) {
			m := meta.NewMem()
			defer m.Close()
			s, err := stream.Open(stream.Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if err := s.Create(context.Background(), stream.Config{Name: "s", Shards: shards}); err != nil {
				b.Fatal(err)
			}
			src := New(s, "s")
			var at batch.Offset
			for i := range b.N {
				if _, err := s.Put(context.Background(), "s", []stream.Entry{{PartitionKey: fmt.Append(nil, i)}}); err != nil {
					b.Fatal(err)
				}
				if err := src.Wait(context.Background(), at); err != nil {
					b.Fatal(err)
				}
				if at, err = src.Plan(context.Background(), at, batch.Limit{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
