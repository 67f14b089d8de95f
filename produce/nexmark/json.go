package nexmark

import (
	"strconv"
	"time"
)

// AppendJSON appends e as a record: event_type, dateTime, and person, auction or bid with their fields under Flink's names. No text in
// an event needs an escape.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"event_type":`...)
	dst = strconv.AppendInt(dst, int64(e.Kind), 10)
	dst = appendTime(dst, `,"dateTime":"`, e.DateTime)
	switch e.Kind {
	case PersonEvent:
		p := &e.Person
		dst = appendInt(dst, `,"person":{"id":`, p.ID)
		dst = appendText(dst, `,"name":"`, p.Name)
		dst = appendText(dst, `,"emailAddress":"`, p.Email)
		dst = appendText(dst, `,"creditCard":"`, p.CreditCard)
		dst = appendText(dst, `,"city":"`, p.City)
		dst = appendText(dst, `,"state":"`, p.State)
		dst = appendText(dst, `,"extra":"`, p.Extra)
	case AuctionEvent:
		a := &e.Auction
		dst = appendInt(dst, `,"auction":{"id":`, a.ID)
		dst = appendText(dst, `,"itemName":"`, a.ItemName)
		dst = appendText(dst, `,"description":"`, a.Description)
		dst = appendInt(dst, `,"initialBid":`, a.InitialBid)
		dst = appendInt(dst, `,"reserve":`, a.Reserve)
		dst = appendTime(dst, `,"expires":"`, a.Expires)
		dst = appendInt(dst, `,"seller":`, a.Seller)
		dst = appendInt(dst, `,"category":`, a.Category)
		dst = appendText(dst, `,"extra":"`, a.Extra)
	case BidEvent:
		b := &e.Bid
		dst = appendInt(dst, `,"bid":{"auction":`, b.Auction)
		dst = appendInt(dst, `,"bidder":`, b.Bidder)
		dst = appendInt(dst, `,"price":`, b.Price)
		dst = appendText(dst, `,"channel":"`, b.Channel)
		dst = appendText(dst, `,"url":"`, b.URL)
		dst = appendText(dst, `,"extra":"`, b.Extra)
	case EndEvent:
		return append(dst, '}')
	}
	return append(dst, '}', '}')
}

func appendInt(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(dst, name...), n, 10)
}

func appendText(dst []byte, name, text string) []byte {
	return append(append(append(dst, name...), text...), '"')
}

func appendTime(dst []byte, name string, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(dst, name...), "2006-01-02T15:04:05.000Z"), '"')
}
