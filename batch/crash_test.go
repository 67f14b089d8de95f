package batch_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	sink "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

// faultyStore fails at a write, before it or after it.
type faultyStore struct {
	objstore.Store
	f *faults
}

func (s faultyStore) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (info objstore.Info, err error) {
	err = s.f.step(func() (err error) { info, err = s.Store.Put(ctx, bucket, key, body, opts); return err })
	return info, err
}

// TestDeltaExactlyOnceThroughCrashes is TestExactlyOnceThroughCrashes with all parts real but the disk: it dies at each write
// to the object store in turn.
func TestDeltaExactlyOnceThroughCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	staging := t.TempDir()
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{staging}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	p := parse(t, numbersFile)
	p.Query = "SELECT *, n % 3 AS part FROM source"
	p.Sinks[0].PartitionBy = []string{"part"}
	for point := 1; ; point++ {
		store, progress, source, n := mem.New(nil), newMemProgress(), newMemSource(2, numbers(0, 100)), 100
		if err := store.CreateBucket(t.Context(), "lake"); err != nil {
			t.Fatal(err)
		}
		for i, left := range []int{point, 1 + r.IntN(30), 0} {
			faulty := faultyStore{store, &faults{left: left}}
			letters, err := sink.NewLetters(faulty, p.DeadLetters)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sink.New(sink.Options{Store: faulty, Location: p.Sinks[0].Location, PartitionBy: p.Sinks[0].PartitionBy, Staging: staging})
			if err != nil {
				t.Fatal(err)
			}
			e, err := batch.New(batch.Options{
				Pipeline: p, Sources: one(source), Runner: duckdb.NewRowwise(db), Sinks: []batch.Sink{s}, Letters: letters, Progress: progress,
			})
			if err != nil {
				t.Fatal(err)
			}
			err = e.Run(t.Context())
			if err != nil && (!errors.Is(err, errCrash) || left == 0) {
				t.Fatalf("point %d, run %d: %v", point, i, err)
			}
			if err == nil && i == 0 {
				t.Logf("%d points", point)
				return
			}
			if i == 0 {
				source.put(numbers(100, 120))
				n = 120
			}
		}
		if checkTable(t, store, n); t.Failed() {
			t.Fatalf("after a crash at point %d", point)
		}
	}
}

// checkTable sees to it that the table has each of the numbers below n that has a row, once.
func checkTable(t *testing.T, store objstore.Store, n int) {
	t.Helper()
	table, err := delta.Open(t.Context(), delta.InBucket(store, "lake", "numbers"))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := table.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []int64
	for f, err := range snapshot.Files(nil) {
		if err != nil {
			t.Fatal(err)
		}
		body, info, err := store.Get(t.Context(), "lake", "numbers/"+f.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err != nil || info.Size != f.Size {
			t.Fatalf("%s: %d bytes, the log says %d, %v", f.Path, info.Size, f.Size, err)
		}
		b, err := columnar.ReadParquet(readerAt(data), info.Size)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Len {
			got = append(got, b.Columns[b.Schema.Index("n")].Int(i))
		}
	}
	for i := range n {
		if i%7 != 3 && i%11 != 5 {
			want = append(want, int64(i))
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r)) {
		return 0, io.EOF
	}
	n := copy(p, r[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
