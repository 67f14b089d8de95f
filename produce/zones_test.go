package produce

import (
	"math/rand/v2"
	"testing"
)

func TestChooserFollowsWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	c := newChooser(&pickUps)
	const n = 400_000
	var got [zones + 1]int
	inManhattan := 0
	for range n {
		z := c.zone(rng)
		got[z]++
		if manhattan(z) {
			inManhattan++
		}
	}
	sum := c.upTo[zones-1]
	for z := 1; z <= zones; z++ {
		want := float64(pickUps[z-1]) / float64(sum) * n
		if diff := float64(got[z]) - want; diff*diff > 36*want+36 {
			t.Errorf("zone %d was drawn %d times, want about %.0f", z, got[z], want)
		}
	}
	if share := float64(inManhattan) / n; share < 0.85 || share > 0.95 {
		t.Errorf("%.2f of the pick-ups are in Manhattan", share)
	}
}
