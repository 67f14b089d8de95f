package nexmark

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"
)

// The events have the proportions, the order and the skew that the benchmark asks for.
func TestDistribution(t *testing.T) {
	const n = 200_000
	g := New(Options{Seed: 1})
	var kinds [4]int
	hotBids, hotSellers, hotBidders, hotChannel, open := 0, 0, 0, 0, 0
	last := time.Time{}
	var e Event
	for i := range int64(n) {
		g.Event(i, &e)
		kinds[e.Kind]++
		if e.DateTime.Before(last) {
			t.Fatalf("event %d is before the one before it", i)
		}
		last = e.DateTime
		switch e.Kind {
		case PersonEvent:
			if want := firstID + i/cycle; e.Person.ID != want {
				t.Fatalf("event %d is person %d, want %d", i, e.Person.ID, want)
			}
		case AuctionEvent:
			if want := firstID + i/cycle*3 + i%cycle - 1; e.Auction.ID != want {
				t.Fatalf("event %d is auction %d, want %d", i, e.Auction.ID, want)
			}
			if e.Auction.Seller == firstID+i/cycle/100*100 {
				hotSellers++
			}
			open += int(e.Auction.Expires.Sub(e.DateTime).Milliseconds())
		case BidEvent:
			newest := lastAuction(i)
			if a := e.Bid.Auction - firstID; a == newest/100*100 {
				hotBids++
			} else if a < newest-inFlight || a > newest+lead {
				t.Fatalf("event %d is a bid on auction %d, the newest is %d", i, a, newest)
			}
			if e.Bid.Bidder == 2*firstID+i/cycle/100*100+1 {
				hotBidders++
			}
			if len(e.Bid.Channel) < 9 {
				hotChannel++
			}
			if e.Bid.Price < 100 || e.Bid.Price > 100_000_000 {
				t.Fatalf("event %d: price %d", i, e.Bid.Price)
			}
		}
	}
	if kinds != [4]int{n / 50, n / 50 * 3, n / 50 * 46, 0} {
		t.Errorf("kinds %v", kinds)
	}
	near(t, "bids on hot auctions", hotBids, kinds[BidEvent], 0.505)
	near(t, "hot sellers", hotSellers, kinds[AuctionEvent], 0.75)
	near(t, "hot bidders", hotBidders, kinds[BidEvent], 0.75)
	near(t, "hot channels", hotChannel, kinds[BidEvent], 0.5)
	if ms := float64(open) / float64(kinds[AuctionEvent]); ms < 15 || ms > 19 { // 1666 events at 100 a millisecond
		t.Errorf("auctions are open for %.1f ms", ms)
	}
	if want := 1999 * time.Millisecond; last.Sub(g.opts.Start) != want {
		t.Errorf("the last event is after %v, want %v", last.Sub(g.opts.Start), want)
	}
}

func near(t *testing.T, what string, n, of int, want float64) {
	t.Helper()
	if got := float64(n) / float64(of); got < want-0.02 || got > want+0.02 {
		t.Errorf("%s: %.3f, want %.3f", what, got, want)
	}
}

// A record is the event, the same each time, and the last one ends everything.
func TestRecords(t *testing.T) {
	opts := Options{Seed: 7, Events: 2000, Shuffle: 100, End: true}
	g, again := New(opts), New(opts)
	var e Event
	seen := map[int64]bool{}
	for n := int64(0); ; n++ {
		record, key, err := g.Next(nil)
		if errors.Is(err, io.EOF) {
			if n != opts.Events {
				t.Fatalf("%d events", n)
			}
			break
		}
		var got struct {
			Type     Kind      `json:"event_type"`
			DateTime time.Time `json:"dateTime"`
			Person   *struct{ ID int64 }
			Auction  *struct {
				ID      int64
				Expires time.Time
				Extra   string
			}
			Bid *struct{ Auction, Bidder, Price int64 }
		}
		if err := json.Unmarshal(record, &got); err != nil || key == "" {
			t.Fatalf("%s: key %q, %v", record, key, err)
		}
		again.Event(n, &e)
		same := got.Type == e.Kind && got.DateTime.Equal(e.DateTime) &&
			(got.Person != nil) == (e.Kind == PersonEvent) && (got.Auction != nil) == (e.Kind == AuctionEvent) && (got.Bid != nil) == (e.Kind == BidEvent)
		switch {
		case !same:
		case e.Kind == PersonEvent:
			same = got.Person.ID == e.Person.ID
		case e.Kind == AuctionEvent:
			same = got.Auction.ID == e.Auction.ID && got.Auction.Expires.Equal(e.Auction.Expires) && got.Auction.Extra == e.Auction.Extra
			seen[got.Auction.ID] = true
		case e.Kind == BidEvent:
			same = got.Bid.Auction == e.Bid.Auction && got.Bid.Bidder == e.Bid.Bidder && got.Bid.Price == e.Bid.Price
		}
		if !same {
			t.Fatalf("event %d is %+v, its record %s", n, e, record)
		}
	}
	if e.Kind != EndEvent || len(seen) != 2000/50*3 {
		t.Errorf("the last event is %+v; %d auctions", e, len(seen))
	}
}

func BenchmarkNext(b *testing.B) {
	g := New(Options{Seed: 1})
	var buf []byte
	bytes := 0
	for b.Loop() {
		buf, _, _ = g.Next(buf[:0])
		bytes += len(buf)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "B/event")
}
