package columnar

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// everyFlatKind is a batch of n rows with a column of each kind that is not nested; every seventh row or so is null in each from the
// nulls-th on.
func everyFlatKind(t testing.TB, n, nulls int, r *rand.Rand) *Batch {
	t.Helper()
	schema := schemaOf(t, "a:boolean,b:tinyint,c:smallint,d:int,e:bigint,f:float,g:double,h:string,i:binary,j:date,k:timestamp,l:decimal(5,2),m:decimal(17,2),n:decimal(30,2)")
	b := NewBuilder(schema)
	for i := range n {
		at := time.Unix(r.Int64N(1e9), 0)
		row := []any{r.IntN(2) == 0, r.IntN(100), r.IntN(30000), r.IntN(1e6), r.Int64N(1e15), float32(r.IntN(1e6)) / 4, float64(r.IntN(9)) / 3,
			fmt.Sprintf("%*d", r.IntN(30), r.IntN(20)), []byte{byte(i), 0}, at, at, fmt.Sprint(r.IntN(300)), fmt.Sprint(r.IntN(3e8)), fmt.Sprint(-r.IntN(3e8))}
		for k := range row {
			if i >= nulls && r.IntN(7) == 0 {
				row[k] = nil
			}
		}
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	return b.Batch()
}

func TestTake(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 50 {
		in := everyFlatKind(t, 200, r.IntN(250), r)
		for i, from := range in.Columns {
			out := &newBuilder(in.Schema.Fields[i].Type).Column
			var want []any
			for range 4 {
				var rows []int32
				for range r.IntN(100) {
					row := r.Int32N(int32(in.Len))
					rows, want = append(rows, row), append(want, from.Value(int(row)))
				}
				out.Take(from, rows)
			}
			if out.Len != len(want) {
				t.Fatalf("seed %d: %d rows, want %d", seed, out.Len, len(want))
			}
			for k, w := range want {
				if got := out.Value(k); !reflect.DeepEqual(got, w) {
					t.Fatalf("seed %d: column %s row %d: %v, want %v", seed, in.Schema.Fields[i].Name, k, got, w)
				}
			}
		}
	}
}
