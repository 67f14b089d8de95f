// Package nexmark makes the events of the Nexmark benchmark: an online auction, with people who join it, auctions that they open, and
// bids. The distributions are those of the generator of Flink's Nexmark (github.com/nexmark/nexmark), which are Apache Beam's.
//
// A Generator is a produce.Source of JSON records; Event gives the same events as values, by their number, in any order, so that an
// answer can be worked out without weir's decoders. The same options give the same events.
//
// Of 50 events one is a person, three are auctions and 46 bids. Three of four auctions are by a hot seller, the first of the last
// hundred people, and three of four bids by a hot bidder, the second of them; every other bid is on a hot auction, the first of the
// last hundred. The others are spread over the last 1,000 people and 100 auctions, and over some that do not exist yet.
package nexmark

import (
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Kind says which of the parts an Event has. The numbers are those of event_type in the records.
type Kind int

// The kinds of events.
const (
	PersonEvent Kind = iota
	AuctionEvent
	BidEvent
	// EndEvent has nothing but its time. It stands behind all other events and far after them, so that everything becomes final.
	EndEvent
)

// Person joined.
type Person struct {
	ID                                   int64
	Name, Email, CreditCard, City, State string
	Extra                                string
}

// Auction was opened.
type Auction struct {
	ID                    int64
	ItemName, Description string
	InitialBid, Reserve   int64 // cents
	Expires               time.Time
	Seller, Category      int64
	Extra                 string
}

// Bid was made.
type Bid struct {
	Auction, Bidder int64
	Price           int64 // cents
	Channel, URL    string
	Extra           string
}

// Event is what happened at DateTime, which is in whole milliseconds. Only the part that Kind names is set.
type Event struct {
	Kind     Kind
	DateTime time.Time
	Person   Person
	Auction  Auction
	Bid      Bid
}

// Options shape the events. Zero fields are defaults.
type Options struct {
	Seed   uint64
	Events int64     // until io.EOF, the last of them an EndEvent if End is set; 0: no end
	Start  time.Time // of the first event; default 2026-01-01, midnight in UTC
	// Rate is how many events happen in a second of their own time; default 100,000.
	Rate float64
	// Shuffle is the number of events in groups that come out of order; default 1, in order.
	Shuffle int64
	End     bool
}

// The generator's settings, as Flink's Nexmark has them by default.
const (
	cycle      = persons + auctions + bids // events, in which the kinds have their proportions
	persons    = 1
	auctions   = 3
	bids       = 46
	firstID    = 1000 // of people and auctions, so that a small number of events finds partners too
	lead       = 10   // ids that do not exist yet
	inFlight   = 100  // auctions that bids are on
	active     = 1000 // people who bid and sell
	hotEvery   = 100  // people or auctions have one that is hot
	categories = 5
	firstCat   = 10
	channels   = 10_000

	personBytes, auctionBytes, bidBytes = 200, 500, 100 // what extra fills up to, on average

	rateDefault = 100_000
	endAfter    = time.Hour
)

// Generator makes events. Event may be called from several goroutines, Next by one.
type Generator struct {
	opts     Options
	pool     string    // that extras are cut from
	channels []channel // the first are hot
	next     int64
	event    Event
}

type channel struct{ name, url string }

// New returns a generator.
func New(o Options) *Generator {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Rate <= 0 {
		o.Rate = rateDefault
	}
	o.Shuffle = max(o.Shuffle, 1)
	g := &Generator{opts: o}
	r := rand.New(rand.NewPCG(o.Seed, 0x6e65786d61726b))
	g.pool = letters(r, 1<<20)
	for _, name := range []string{"Google", "Facebook", "Baidu", "Apple"} {
		g.channels = append(g.channels, channel{name, baseURL(r)})
	}
	for i := range uint32(channels) {
		url := baseURL(r)
		if r.IntN(10) > 0 {
			url += "&channel_id=" + strconv.Itoa(reversed(i))
		}
		g.channels = append(g.channels, channel{"channel-" + strconv.Itoa(int(i)), url})
	}
	return g
}

// Next appends the next event as JSON. The keys spread the events, whatever they are about.
func (g *Generator) Next(dst []byte) ([]byte, string, error) {
	n := g.next
	if g.opts.Events > 0 && n >= g.opts.Events {
		return dst, "", io.EOF
	}
	g.next++
	g.Event(n, &g.event)
	return g.event.AppendJSON(dst), strconv.FormatInt(n%997, 10), nil
}

// Event sets e to event number n, from 0.
func (g *Generator) Event(n int64, e *Event) {
	if g.opts.End && n == g.opts.Events-1 {
		*e = Event{Kind: EndEvent, DateTime: g.at(n).Add(endAfter)}
		return
	}
	n = shuffled(n, g.opts.Shuffle)
	r := draw{rand.New(rand.NewPCG(g.opts.Seed, mix(uint64(n))))}
	*e = Event{DateTime: g.at(n)}
	switch place := n % cycle; {
	case place < persons:
		e.Kind, e.Person = PersonEvent, g.person(n, r)
	case place < persons+auctions:
		e.Kind, e.Auction = AuctionEvent, g.auction(n, e.DateTime, r)
	default:
		e.Kind, e.Bid = BidEvent, g.bid(n, r)
	}
}

// at is when event n happens.
func (g *Generator) at(n int64) time.Time {
	return g.opts.Start.Add(time.Duration(float64(n)*1000/g.opts.Rate) * time.Millisecond)
}

// shuffled is the number of the event that comes as number n.
func shuffled(n, group int64) int64 { return n/group*group + n*953%group }

func (g *Generator) person(n int64, r draw) Person {
	p := Person{
		ID:    firstID + lastPerson(n),
		Name:  r.of(firstNames) + " " + r.of(lastNames),
		Email: r.word(7, ' ') + "@" + r.word(5, ' ') + ".com",
		City:  r.of(cities), State: r.of(states),
	}
	for i := range 4 {
		if i > 0 {
			p.CreditCard += " "
		}
		p.CreditCard += strconv.Itoa(10_000 + r.IntN(10_000))[1:]
	}
	p.Extra = g.extra(r, 8+len(p.Name)+len(p.Email)+len(p.CreditCard)+len(p.City)+len(p.State), personBytes)
	return p
}

func (g *Generator) auction(n int64, at time.Time, r draw) Auction {
	a := Auction{ID: firstID + lastAuction(n), Seller: r.person(n, 0), Category: firstCat + r.Int64N(categories), InitialBid: r.price()}
	// So long that, on average, a hundred auctions are open.
	horizon := g.at(n + inFlight*cycle/auctions).Sub(at).Milliseconds()
	a.Expires = at.Add(time.Duration(1+r.Int64N(max(2*horizon, 1))) * time.Millisecond)
	a.ItemName, a.Description = r.word(20, ' '), r.word(100, ' ')
	a.Reserve = a.InitialBid + r.price()
	a.Extra = g.extra(r, 8+len(a.ItemName)+len(a.Description)+5*8, auctionBytes)
	return a
}

func (g *Generator) bid(n int64, r draw) Bid {
	b := Bid{Auction: firstID + lastAuction(n)/hotEvery*hotEvery}
	if r.IntN(2) == 0 {
		last := lastAuction(n)
		first := max(last-inFlight, 0)
		b.Auction = firstID + first + r.Int64N(last-first+1+lead)
	}
	// Flink's generator adds the first id twice for bidders; so a bidder is somebody else than the person who joined under that id.
	b.Bidder = firstID + r.person(n, 1)
	b.Price = r.price()
	c := g.channels[r.IntN(hotChannels)]
	if r.IntN(2) == 0 {
		c = g.channels[hotChannels+r.IntN(channels)]
	}
	b.Channel, b.URL = c.name, c.url
	b.Extra = g.extra(r, 4*8, bidBytes)
	return b
}

const hotChannels = 4

// extra is text that fills a record of size bytes up to about average.
func (g *Generator) extra(r draw, size, average int) string {
	if size > average {
		return ""
	}
	wanted := average - size
	delta := int(math.Round(float64(wanted) * 0.2))
	length := wanted - delta
	if delta > 0 {
		length += r.IntN(2 * delta)
	}
	from := r.IntN(len(g.pool) - length)
	return g.pool[from : from+length]
}

// lastPerson is the number, from 0, of the person that event n is, or the last one before it.
func lastPerson(n int64) int64 { return n/cycle*persons + min(n%cycle, persons-1) }

// lastAuction is the same for auctions; -1 before the first.
func lastAuction(n int64) int64 {
	switch place := n % cycle; {
	case place < persons:
		return n/cycle*auctions - 1
	case place < persons+auctions:
		return n/cycle*auctions + place - persons
	}
	return n/cycle*auctions + auctions - 1
}
