package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/weir-data/weir/produce"
)

// rideFirst is the number of ride 0; all have the same number of digits.
const rideFirst = 100_000_000_000

const (
	timeForm   = "2006-01-02T15:04:05"
	templates  = 20_000 // different rides; number, times and so the partition are each record's own
	ridesSeed  = 19
	rideLength = 20 * time.Minute
)

// maker makes records by their number: the same number gives the same record, times of now apart. Not safe for concurrent use.
type maker struct {
	o     options
	first time.Time
	rests [][]byte // of rides: what follows number and times
	last  int64    // second whose text is in pickup and dropoff
	texts [2][]byte
}

func newMaker(o options) (*maker, error) {
	m := &maker{o: o, first: time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), last: -1}
	if o.shape == "events" {
		return m, nil
	}
	if o.shape != "rides" {
		return nil, fmt.Errorf("there is no shape %q", o.shape)
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

// append adds record n, which is sent at now, to dst.
func (m *maker) append(dst []byte, n int, now time.Time) []byte {
	if m.o.shape == "events" {
		return m.event(dst, n, now)
	}
	if at := m.time(n, now); at.Unix() != m.last {
		m.last = at.Unix()
		m.texts[0] = at.AppendFormat(m.texts[0][:0], timeForm)
		m.texts[1] = at.Add(rideLength).AppendFormat(m.texts[1][:0], timeForm)
	}
	dst = strconv.AppendInt(append(dst, `{"ride": `...), rideFirst+int64(n), 10)
	dst = append(append(dst, `, "tpep_pickup_datetime": "`...), m.texts[0]...)
	dst = append(append(dst, `", "tpep_dropoff_datetime": "`...), m.texts[1]...)
	return append(dst, m.rests[n%len(m.rests)]...)
}

// event is a small record with one of many keys.
func (m *maker) event(dst []byte, n int, now time.Time) []byte {
	dst = strconv.AppendInt(append(dst, `{"key": `...), int64(spread(n)%uint64(m.o.keys)), 10)
	dst = m.time(n, now).AppendFormat(append(dst, `, "at": "`...), timeForm+".000")
	dst = strconv.AppendFloat(append(dst, `", "amount": `...), float64(n%10_000)/100, 'f', 2, 64)
	return append(dst, '}')
}

// time is the event time of record n.
func (m *maker) time(n int, now time.Time) time.Time {
	switch m.o.times {
	case "now":
		return now.UTC()
	case "mixed":
		return m.first.Add(time.Duration(spread(n) % uint64(m.o.span)))
	}
	return m.first.Add(time.Duration(float64(m.o.span) * float64(n) / float64(max(m.o.total, 1))))
}

// spread is a number that looks like chance (splitmix64).
func spread(n int) uint64 {
	x := uint64(n) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
