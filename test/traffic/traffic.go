// Package traffic makes numbered records and puts them into streams, for benchmarks and long runs of pipelines: what arrives can be counted
// and named. A Maker makes record n: the same number gives the same record, but for times of now. A Putter puts records 0, 1, 2 … by
// PutRecords over plain HTTP/1.1, at a rate or as fast as they are taken, and what is throttled again until it is stored.
package traffic

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/weir-data/weir/produce"
)

// Options shape records. Zero fields are defaults.
type Options struct {
	Shape string // rides (default): those of the tutorial, with their number as ride; events: small ones with a key, a time and an amount
	// Times says when the events took place: order (default) and mixed spread Total records over Span; now takes the time of sending.
	Times string
	Total int
	Span  time.Duration
	Keys  int // of events
}

// RideFirst is the number of ride 0; all have the same number of digits.
const RideFirst = 100_000_000_000

const (
	timeForm   = "2006-01-02T15:04:05"
	templates  = 20_000 // different rides; number, times and so the partition are each record's own
	ridesSeed  = 19
	rideLength = 20 * time.Minute
)

// Maker makes records. It is not safe for concurrent use.
type Maker struct {
	o     Options
	first time.Time
	rests [][]byte // of rides: what follows number and times
	last  int64    // second whose text is in texts
	texts [2][]byte
}

// NewMaker returns a maker.
func NewMaker(o Options) (*Maker, error) {
	m := &Maker{o: o, first: time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), last: -1}
	switch o.Times {
	case "", "order", "mixed", "now":
	default:
		return nil, fmt.Errorf("there are no times %q", o.Times)
	}
	switch o.Shape {
	case "", "rides":
	case "events":
		return m, nil
	default:
		return nil, fmt.Errorf("there is no shape %q", o.Shape)
	}
	src := produce.NewRides(produce.RidesOptions{Seed: ridesSeed, Amount: templates, Start: m.first})
	for range templates {
		ride, _, err := src.Next(nil)
		if err != nil {
			return nil, err
		}
		vendor, rest, ok := bytes.Cut(ride, []byte(`, "tpep_pickup_datetime"`))
		at := bytes.Index(rest, []byte(`"passenger_count"`))
		if !ok || at < 0 {
			return nil, fmt.Errorf("ride without pick-up or passengers: %s", ride)
		}
		text := append([]byte(`", `), vendor[1:]...)
		m.rests = append(m.rests, append(append(text, ", "...), rest[at:]...))
	}
	return m, nil
}

// Append adds record n, which is sent at now, to dst.
func (m *Maker) Append(dst []byte, n int, now time.Time) []byte {
	if m.o.Shape == "events" {
		return m.event(dst, n, now)
	}
	if at := m.time(n, now); at.Unix() != m.last {
		m.last = at.Unix()
		m.texts[0] = at.AppendFormat(m.texts[0][:0], timeForm)
		m.texts[1] = at.Add(rideLength).AppendFormat(m.texts[1][:0], timeForm)
	}
	dst = strconv.AppendInt(append(dst, `{"ride": `...), RideFirst+int64(n), 10)
	dst = append(append(dst, `, "tpep_pickup_datetime": "`...), m.texts[0]...)
	dst = append(append(dst, `", "tpep_dropoff_datetime": "`...), m.texts[1]...)
	return append(dst, m.rests[n%len(m.rests)]...)
}

// event is a small record with one of many keys.
func (m *Maker) event(dst []byte, n int, now time.Time) []byte {
	dst = strconv.AppendInt(append(dst, `{"key": `...), int64(spread(n)%uint64(max(m.o.Keys, 1))), 10)
	dst = m.time(n, now).AppendFormat(append(dst, `, "at": "`...), timeForm+".000")
	dst = strconv.AppendFloat(append(dst, `", "amount": `...), float64(n%10_000)/100, 'f', 2, 64)
	return append(dst, '}')
}

// time is the event time of record n.
func (m *Maker) time(n int, now time.Time) time.Time {
	switch m.o.Times {
	case "now":
		return now.UTC()
	case "mixed":
		return m.first.Add(time.Duration(spread(n) % uint64(max(m.o.Span, 1))))
	}
	return m.first.Add(time.Duration(float64(m.o.Span) * float64(n) / float64(max(m.o.Total, 1))))
}

// spread is a number that looks like chance (splitmix64).
func spread(n int) uint64 {
	x := uint64(n) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
