package cloudwatch

import (
	"testing"
	"time"
)

type fakeSource struct{}

func (fakeSource) value(id string) (value, error) {
	if id != "m1" {
		return value{}, mathErrorf("no %s", id)
	}
	return value{kind: aSeries, one: series{time.Minute, map[int64]float64{0: 1, 60: 0, 180: -2}}}, nil
}

func (f fakeSource) metrics(string) ([]series, error) {
	v, err := f.value("m1")
	return []series{v.one, v.one}, err
}

func FuzzEvaluate(f *testing.F) {
	for _, text := range []string{"m1 + 2 * -m1 ^ .5", "SUM([m1, m1]) / AVG(METRICS('m'))", "FILL(RATE(m1), 0)", "((((m1", "PERIOD(m1)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > expressionMax {
			return
		}
		v, err := evaluate(text, fakeSource{})
		if err != nil {
			if _, ok := err.(mathError); !ok {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if v.kind == aSeries && len(v.one.points) > 4 {
			t.Fatalf("%q gave %d points", text, len(v.one.points))
		}
	})
}
