package duckdb

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// TestMark compares with asking the set for each row, in any order.
func TestMark(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		set := roaring64.New()
		for range random.IntN(300) {
			from := random.Uint64N(1 << 20)
			set.AddRange(from, from+random.Uint64N(1+random.Uint64N(2000)))
		}
		if random.IntN(4) == 0 { // whole blocks
			set.AddRange(random.Uint64N(1<<17), 1<<18+random.Uint64N(1<<17))
		}
		rows := make([]int64, random.IntN(3000))
		at := random.Int64N(1 << 20)
		for i := range rows {
			if at++; random.IntN(10) == 0 {
				at += random.Int64N(5000)
			}
			if random.IntN(500) == 0 {
				at = random.Int64N(1 << 20)
			}
			rows[i] = at
		}
		answers := make([]bool, len(rows))
		deletedRowsOf(set).mark(answers, rows)
		for i, row := range rows {
			if answers[i] != set.Contains(uint64(row)) {
				t.Fatalf("seed %d: row %d is %v", seed, row, answers[i])
			}
		}
	}
}

// BenchmarkDeleted sums a column of four million rows, of which none, every fourth, or one long run is deleted.
func BenchmarkDeleted(b *testing.B) {
	db, err := openDatabase()
	if err != nil {
		b.Fatal(err)
	}
	defer db.close()
	const rows = 4 << 20
	file := filepath.Join(b.TempDir(), "x.parquet")
	if err := db.exec("COPY (SELECT range AS id, range % 1000 AS v FROM range(4194304)) TO " + quote(file)); err != nil {
		b.Fatal(err)
	}
	fourth, run := roaring64.New(), roaring64.New()
	for i := uint64(0); i < rows; i += 4 {
		fourth.Add(i)
	}
	run.AddRange(1<<20, 3<<20)
	bigint := sql.Type{Name: "bigint"}
	for name, gone := range map[string]*roaring64.Bitmap{"none": nil, "every-fourth": fourth, "a-run": run} {
		b.Run(name, func(b *testing.B) {
			t := &query.Binding{Name: "t_" + name, Format: query.Parquet, Files: []string{file}, Columns: []query.BoundColumn{{Name: "v", Type: bigint}}}
			if gone != nil {
				body, err := gone.ToPortableBytes()
				if err != nil {
					b.Fatal(err)
				}
				t.Deleted = [][]byte{body}
			}
			for i := 0; b.Loop(); i++ {
				t.Name = t.Name + "x" // a function's name is used once
				if err := db.define(t, false); err != nil {
					b.Fatal(err)
				}
				err := db.query("SELECT sum(v) FROM "+ident(t.Name), func([]sql.Column) error { return nil }, func([]*vector, int) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
