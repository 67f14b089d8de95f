package delta

import (
	"bytes"
	"iter"
)

// pair is what two sets have under one key: whether it is live in each. Entries are unpacked when asked for.
type pair struct {
	key          []byte // valid until the next pair
	before, then *source
}

// joined yields every key that is live in one of two sets or both, in order.
func joined(before, then fileSet) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		a, b := before.merger(), then.merger()
		inA, inB := a.nextLive(), b.nextLive()
		for inA || inB {
			order := 0
			switch {
			case !inB:
				order = -1
			case !inA:
				order = 1
			default:
				order = bytes.Compare(a.top.name, b.top.name)
			}
			var p pair
			if order <= 0 {
				p.key, p.before = a.top.name, a.top
			}
			if order >= 0 {
				p.key, p.then = b.top.name, b.top
			}
			if !yield(p) {
				return
			}
			if order <= 0 {
				inA = a.nextLive()
			}
			if order >= 0 {
				inB = b.nextLive()
			}
		}
	}
}

// nextLive moves to the next entry that is a live file.
func (m *merger) nextLive() bool {
	for m.next() {
		if !m.top.removed() {
			return true
		}
	}
	return false
}
