package produce

import (
	"math/rand/v2"
	"slices"
)

// zones is the number of taxi zones; they are numbered from 1.
const zones = 263

// Zones with an airport.
const (
	newark    = 1
	kennedy   = 132
	laGuardia = 138
)

// pickUps and dropOffs are how often each zone occurs in a sample of the Commission's yellow-taxi data of 2019, plus one.
var pickUps = [zones]int{
	16, 1, 2, 162, 2, 2, 172, 1, 2, 51, 3, 54, 1002, 8, 4, 2, 28, 5, 3, 3, 3, 13, 1, 348,
	113, 7, 2, 21, 3, 1, 1, 4, 120, 1, 16, 9, 20, 1, 14, 51, 462, 199, 1831, 1, 224, 2, 10, 3849,
	30, 1102, 6, 57, 7, 4, 8, 14, 2, 1, 1, 2, 36, 9, 6, 6, 152, 64, 2, 2818, 10, 27, 9, 10,
	2, 480, 854, 22, 8, 5, 3026, 34, 7, 38, 15, 1, 12, 2, 845, 467, 22, 2074, 10, 4, 41, 3, 15, 2,
	99, 4, 1, 2400, 4, 3, 1, 1, 1, 18, 2733, 4, 1, 1, 1, 38, 1768, 1534, 1, 166, 3, 2, 8, 2,
	5, 4, 4, 6, 690, 3, 12, 2, 62, 20, 6, 3827, 14, 14, 13, 4, 1400, 3141, 5, 2175, 2781, 3632, 1426, 1176,
	152, 106, 4, 1520, 7, 3, 1049, 116, 5, 2, 9, 1, 10, 1194, 9, 4, 4905, 4364, 3228, 2770, 10, 642, 8, 20,
	6, 3649, 5, 1, 7, 6, 3, 1, 11, 2, 53, 2, 100, 5, 3, 1, 3, 4303, 1, 19, 16, 4, 9, 5,
	97, 7, 13, 13, 17, 5, 1, 3, 3, 11, 7, 1, 18, 1, 8, 6, 244, 7, 939, 5, 11, 1, 18, 16,
	11, 9, 20, 9, 1, 6, 72, 235, 21, 188, 2, 14, 2298, 4147, 1886, 169, 1611, 3598, 9, 4659, 5283, 2401, 3094, 1,
	1, 10, 20, 120, 1, 1976, 19, 7, 2320, 5, 1, 4, 2, 6, 89, 71, 5, 6, 3, 63, 700, 1503, 2192,
}

var dropOffs = [zones]int{
	256, 2, 7, 527, 3, 5, 433, 3, 11, 93, 18, 85, 1078, 87, 15, 23, 140, 23, 12, 20, 16, 22, 5, 450,
	218, 28, 2, 43, 18, 1, 9, 15, 343, 19, 22, 75, 127, 14, 41, 119, 779, 490, 1530, 2, 284, 5, 12, 3210,
	200, 1478, 17, 92, 14, 26, 18, 40, 3, 2, 2, 11, 202, 47, 21, 10, 212, 158, 17, 2704, 57, 65, 35, 29,
	11, 962, 1438, 42, 18, 11, 2606, 169, 6, 114, 44, 3, 19, 10, 990, 481, 96, 1737, 36, 57, 93, 17, 157, 2,
	174, 21, 1, 1914, 12, 15, 1, 1, 2, 60, 2474, 6, 2, 1, 1, 289, 1583, 1173, 2, 358, 8, 4, 29, 4,
	18, 8, 17, 17, 610, 17, 101, 12, 231, 71, 27, 1091, 44, 45, 38, 21, 1622, 1316, 25, 2112, 3028, 3163, 1584, 1038,
	401, 167, 12, 1264, 17, 16, 1044, 207, 8, 3, 27, 4, 32, 1219, 40, 39, 4682, 3644, 2815, 2616, 28, 947, 24, 95,
	23, 3868, 10, 4, 45, 22, 9, 3, 25, 13, 154, 9, 361, 12, 6, 2, 11, 3098, 2, 97, 119, 26, 19, 13,
	104, 17, 58, 47, 47, 48, 1, 35, 15, 48, 21, 1, 35, 5, 10, 19, 378, 20, 947, 22, 27, 3, 31, 98,
	42, 22, 48, 59, 7, 6, 230, 517, 101, 286, 33, 62, 2308, 3655, 1979, 500, 1750, 3115, 28, 4827, 4581, 2504, 3065, 5,
	23, 17, 194, 397, 3, 2271, 49, 13, 1914, 21, 2, 24, 6, 16, 314, 292, 49, 22, 12, 121, 597, 1500, 2260,
}

// manhattanZones pay the congestion surcharge here.
var manhattanZones = [zones + 1]bool{
	4: true, 12: true, 13: true, 24: true, 41: true, 42: true, 43: true, 45: true, 48: true, 50: true,
	68: true, 74: true, 75: true, 79: true, 87: true, 88: true, 90: true, 100: true, 103: true, 104: true,
	105: true, 107: true, 113: true, 114: true, 116: true, 120: true, 125: true, 127: true, 128: true, 137: true,
	140: true, 141: true, 142: true, 143: true, 144: true, 148: true, 151: true, 152: true, 153: true, 158: true,
	161: true, 162: true, 163: true, 164: true, 166: true, 170: true, 186: true, 194: true, 202: true, 209: true,
	211: true, 224: true, 229: true, 230: true, 231: true, 232: true, 233: true, 234: true, 236: true, 237: true,
	238: true, 239: true, 243: true, 244: true, 246: true, 249: true, 261: true, 262: true, 263: true,
}

func manhattan(zone int) bool { return manhattanZones[zone] }

// chooser draws zones by weight.
type chooser struct {
	upTo []int // sums of the weights of all zones up to each
}

func newChooser(weights *[zones]int) chooser {
	c := chooser{upTo: make([]int, zones)}
	sum := 0
	for i, w := range weights {
		sum += w
		c.upTo[i] = sum
	}
	return c
}

func (c chooser) zone(rng *rand.Rand) int {
	x := rng.IntN(c.upTo[zones-1])
	i, found := slices.BinarySearch(c.upTo, x)
	if found { // x is the first that belongs to the next zone
		i++
	}
	return i + 1
}
