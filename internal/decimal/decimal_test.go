package decimal

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestAppend(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for bits := range 189 {
		for range 20 {
			want := new(big.Int).Lsh(big.NewInt(1), uint(bits))
			want.Sub(want, big.NewInt(r.Int64N(2)))
			if bits > 8 {
				want.Sub(want, big.NewInt(int64(r.IntN(1<<8))))
			}
			if want.BitLen() > 188 {
				continue
			}
			var n [24]byte
			want.FillBytes(n[:])
			if got := string(Append([]byte("is "), n)); got != "is "+want.String() {
				t.Fatalf("%s, want %s", got, want)
			}
		}
	}
}
