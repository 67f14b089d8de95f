package nexmark

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
)

// draw makes the random parts of an event.
type draw struct{ *rand.Rand }

var (
	states     = []string{"AZ", "CA", "ID", "OR", "WA", "WY"}
	cities     = []string{"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"}
	firstNames = []string{"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"}
	lastNames  = []string{"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"}
)

func (r draw) of(all []string) string { return all[r.IntN(len(all))] }

// price is from a dollar to a million of them, in cents; its logarithm is uniform.
func (r draw) price() int64 { return int64(math.Round(math.Pow(10, r.Float64()*6) * 100)) }

// person is a seller or bidder at event n: mostly the hot one, which has the given place among the last hundred people.
func (r draw) person(n, place int64) int64 {
	if r.IntN(4) > 0 {
		return firstID + lastPerson(n)/hotEvery*hotEvery + place
	}
	people := lastPerson(n) + 1
	recent := min(people, active)
	return firstID + people - recent + r.Int64N(recent+lead)
}

// word is up to most letters, with special now and then.
func (r draw) word(most int, special byte) string {
	const least = 3
	b := make([]byte, least+r.IntN(most-least))
	for i := range b {
		if b[i] = special; r.IntN(13) > 0 {
			b[i] = 'a' + byte(r.IntN(26))
		}
	}
	return strings.TrimSpace(string(b))
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(r.IntN(26))
	}
	return string(b)
}

func baseURL(r *rand.Rand) string {
	d := draw{r}
	return "https://www.nexmark.com/" + d.word(5, '_') + "/" + d.word(5, '_') + "/" + d.word(5, '_') + "/item.htm?query=1"
}

// reversed is the id of a channel: its number with the bits in the opposite order, without the sign.
func reversed(i uint32) int {
	n := int(int32(bits.Reverse32(i)))
	return max(n, -n)
}

// mix spreads numbers that follow each other over all of 64 bits, so that they make good seeds (the finalizer of SplitMix64).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
