package produce

import (
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// RidesOptions shape generated rides. Zero fields are defaults.
type RidesOptions struct {
	Seed   uint64
	Amount int       // rides until io.EOF; 0 is endless
	Start  time.Time // pick-up time of the first; default: now, cut to the hour, less Amount times Gap
	Gap    time.Duration
	Now    func() time.Time
}

// defaultGap is the mean time between two pick-ups.
const defaultGap = 8 * time.Second

// Rides generates yellow-taxi rides that look like the Taxi and Limousine Commission's: pick-ups follow the hours of the
// day and the popularity of zones, distance, duration and fare agree, the amounts add up to the cent. The same seed and
// start give the same rides. Not safe for concurrent use.
type Rides struct {
	rng    *rand.Rand
	left   int
	ends   bool
	gap    time.Duration
	pickup time.Time
	from   chooser
	to     chooser
}

// NewRides returns a generator.
func NewRides(o RidesOptions) *Rides {
	if o.Gap <= 0 {
		o.Gap = defaultGap
	}
	if o.Start.IsZero() {
		o.Start = clock(o.Now).now().UTC().Truncate(time.Hour).Add(-time.Duration(o.Amount) * o.Gap).Truncate(time.Hour)
	}
	return &Rides{
		rng:  rand.New(rand.NewPCG(o.Seed, 0x7a71)),
		left: o.Amount, ends: o.Amount > 0,
		gap: o.Gap, pickup: o.Start,
		from: newChooser(&pickUps), to: newChooser(&dropOffs),
	}
}

// ride is one trip; money is in cents, distance in hundredths of a mile.
type ride struct {
	vendor, passengers, rate  int
	from, to, payment         int
	pickup, dropoff           time.Time
	stored                    bool
	miles                     int
	fare, extra, tax, tip     int
	tolls, improve, congested int
	airport                   int
}

func (r *ride) total() int {
	return r.fare + r.extra + r.tax + r.tip + r.tolls + r.improve + r.congested + r.airport
}

// Next appends a ride as JSON, in the tutorial's form. The key is the pick-up zone.
func (g *Rides) Next(dst []byte) ([]byte, string, error) {
	if g.ends {
		if g.left == 0 {
			return dst, "", io.EOF
		}
		g.left--
	}
	g.pickup = g.pickup.Add(g.wait())
	r := g.ride(g.pickup.Truncate(time.Second))
	return r.appendJSON(dst), strconv.Itoa(r.from), nil
}

// hourWeights are the shares of pick-ups by hour of the day, per mille, in the Commission's data of 2019.
var hourWeights = [24]float64{30, 20, 14, 10, 8, 9, 21, 37, 45, 47, 47, 49, 52, 52, 57, 56, 52, 59, 66, 63, 57, 55, 52, 41}

// wait is the time to the next pick-up: exponential around the gap, shorter in busy hours.
func (g *Rides) wait() time.Duration {
	busy := hourWeights[g.pickup.Hour()] * 24 / 1000
	return time.Duration(min(g.rng.ExpFloat64(), 8) * float64(g.gap) / busy)
}

func (g *Rides) ride(pickup time.Time) ride {
	r := ride{
		vendor: 1 + g.weighted(0.36, 0.64), passengers: 1 + g.weighted(0.70, 0.15, 0.045, 0.02, 0.045, 0.04), rate: 1,
		from: g.from.zone(g.rng), to: g.to.zone(g.rng), pickup: pickup, payment: 1 + g.weighted(0.715, 0.275, 0.007, 0.003),
		stored: g.rng.Float64() < 0.006, tax: 50, improve: 30,
	}
	r.miles = g.miles(&r)
	minutes := float64(r.miles) / 100 / speed(pickup.Hour()) * 60 * (0.85 + 0.3*g.rng.Float64())
	r.dropoff = pickup.Add(time.Duration((minutes + 1) * float64(time.Minute))).Truncate(time.Second)
	r.fare = fare(r.miles, minutes)
	r.extra = surcharge(pickup)
	g.airport(&r)
	if manhattan(r.from) || manhattan(r.to) {
		r.congested = 250
	}
	if r.payment == 1 && g.rng.Float64() < 0.96 {
		r.tip = (r.total()*(15+g.weighted(0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 0.05, 0.05)) + 50) / 100
	}
	return r
}

// miles is the distance of a trip: log-normal in the city, about fixed to and from the airports.
func (g *Rides) miles(r *ride) int {
	far := 0.0
	for _, z := range []int{r.from, r.to} {
		switch z {
		case kennedy:
			far = 1700
		case laGuardia:
			far = max(far, 900)
		case newark:
			far = max(far, 1600)
		}
	}
	if far > 0 {
		return int(far * (0.85 + 0.3*g.rng.Float64()))
	}
	return max(10, min(3500, int(100*math.Exp(0.5+0.75*g.rng.NormFloat64()))))
}

// speed is the mean speed in miles an hour at an hour of the day.
func speed(hour int) float64 {
	switch {
	case hour < 6:
		return 18
	case hour < 9 || hour >= 19:
		return 12.5
	}
	return 9.5
}

// fare is the metered fare in cents: 2.50 and 0.50 for each fifth of a mile or minute of standing.
func fare(miles int, minutes float64) int {
	moving := float64(miles) / 100 / 12 * 60 // minutes at the speed at which the meter counts distance
	standing := max(0, minutes-moving)
	return 250 + 50*(miles/20+int(standing))
}

// surcharge is the extra of the rush hours on weekdays and of the night.
func surcharge(t time.Time) int {
	h, weekday := t.Hour(), t.Weekday() != time.Saturday && t.Weekday() != time.Sunday
	switch {
	case weekday && h >= 16 && h < 20:
		return 100
	case h >= 20 || h < 6:
		return 50
	}
	return 0
}

// airport puts in force the flat fare to and from Kennedy, Newark's surcharge, tolls and the airport fee.
func (g *Rides) airport(r *ride) {
	switch {
	case r.from == r.to:
	case r.from == kennedy && manhattan(r.to) || r.to == kennedy && manhattan(r.from):
		r.rate, r.fare = 2, 5200
	case r.to == newark:
		r.rate, r.fare = 3, r.fare+2000
	}
	if r.from == kennedy || r.from == laGuardia {
		r.airport = 125
	}
	if r.miles > 800 && g.rng.Float64() < 0.55 {
		r.tolls = 612
	}
}

// weighted returns an index with the probability given at it; the last takes what is left.
func (g *Rides) weighted(shares ...float64) int {
	x := g.rng.Float64()
	for i, s := range shares {
		if x -= s; x < 0 {
			return i
		}
	}
	return len(shares) - 1
}

func (r *ride) appendJSON(b []byte) []byte {
	b = appendInt(b, `{"VendorID": `, r.vendor)
	b = appendTime(b, `, "tpep_pickup_datetime": "`, r.pickup)
	b = appendTime(b, `", "tpep_dropoff_datetime": "`, r.dropoff)
	b = appendInt(b, `", "passenger_count": `, r.passengers)
	b = appendCents(b, `.0, "trip_distance": `, r.miles)
	b = appendInt(b, `, "RatecodeID": `, r.rate)
	if r.stored {
		b = append(b, `.0, "store_and_fwd_flag": "Y"`...)
	} else {
		b = append(b, `.0, "store_and_fwd_flag": "N"`...)
	}
	b = appendInt(b, `, "PULocationID": `, r.from)
	b = appendInt(b, `, "DOLocationID": `, r.to)
	b = appendInt(b, `, "payment_type": `, r.payment)
	b = appendCents(b, `, "fare_amount": `, r.fare)
	b = appendCents(b, `, "extra": `, r.extra)
	b = appendCents(b, `, "mta_tax": `, r.tax)
	b = appendCents(b, `, "tip_amount": `, r.tip)
	b = appendCents(b, `, "tolls_amount": `, r.tolls)
	b = appendCents(b, `, "improvement_surcharge": `, r.improve)
	b = appendCents(b, `, "total_amount": `, r.total())
	b = appendCents(b, `, "congestion_surcharge": `, r.congested)
	b = appendCents(b, `, "Airport_fee": `, r.airport)
	return append(b, '}')
}

func appendInt(b []byte, name string, v int) []byte {
	return strconv.AppendInt(append(b, name...), int64(v), 10)
}

// appendCents writes hundredths as a decimal with one or two digits, as Python does: 9.75, 6.5, 3.0.
func appendCents(b []byte, name string, v int) []byte {
	b = appendInt(b, name, v/100)
	b = append(b, '.', byte('0'+v/10%10))
	if v%10 != 0 {
		b = append(b, byte('0'+v%10))
	}
	return b
}

func appendTime(b []byte, name string, t time.Time) []byte {
	return t.AppendFormat(append(b, name...), "2006-01-02T15:04:05")
}
