package soak

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"sync"
)

// account is how many records a shard has, and a digest of them that does not depend on their order: answers of several
// producers come in any order. That readers get them in order is checked as they come.
type account struct {
	records int64
	sum     uint64
}

func (a *account) add(seqNum []byte, m mark) {
	a.records++
	a.sum += mix(maphash.Bytes(digestSeed, seqNum) ^ mix(m.producer<<48^m.counter))
}

var digestSeed = maphash.MakeSeed()

// mix spreads the bits of x (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ledger has an account of each shard, of what was acknowledged.
type ledger struct {
	mu     sync.Mutex // guards the fields below
	shards map[string]*account
	all    int64
}

func newLedger() *ledger { return &ledger{shards: map[string]*account{}} }

func (l *ledger) total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *ledger) accounts() map[string]account {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]account, len(l.shards))
	for id, a := range maps.All(l.shards) {
		out[id] = *a
	}
	return out
}

// addLocked notes a record that was acknowledged. The caller holds l.mu.
func (l *ledger) addLocked(shard, seqNum []byte, m mark) {
	a := l.shards[string(shard)]
	if a == nil {
		a = new(account)
		l.shards[string(shard)] = a
	}
	a.add(seqNum, m)
	l.all++
}

// mark is what the first bytes of a record say: who put it, as the how-manieth. With it stands a number that only a
// producer of this run can know.
type mark struct{ producer, counter uint64 }

const (
	recordBytes = 450
	markBytes   = 24
	markText    = markBytes / 3 * 4 // in base64
)

// filler is the rest of every record, in base64.
var filler = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("What is acknowledged is on disk. ", 20)[:recordBytes-markBytes]))

func (m mark) encode(dst []byte, secret uint64) {
	var raw [markBytes]byte
	binary.BigEndian.PutUint64(raw[0:], m.producer)
	binary.BigEndian.PutUint64(raw[8:], m.counter)
	binary.BigEndian.PutUint64(raw[16:], mix(secret^mix(m.producer<<48^m.counter)))
	base64.StdEncoding.Encode(dst, raw[:])
}

// readMark takes the mark from a record's data in base64. Data that is not as a producer sent it is an error.
func readMark(data []byte, secret uint64) (mark, error) {
	if len(data) != markText+len(filler) || string(data[markText:]) != filler {
		return mark{}, fmt.Errorf("record of %d base64 bytes was never put: %.60q…", len(data), data)
	}
	var raw [markBytes]byte
	if _, err := base64.StdEncoding.Decode(raw[:], data[:markText]); err != nil {
		return mark{}, fmt.Errorf("mark of a record: %w", err)
	}
	m := mark{binary.BigEndian.Uint64(raw[0:]), binary.BigEndian.Uint64(raw[8:])}
	if binary.BigEndian.Uint64(raw[16:]) != mix(secret^mix(m.producer<<48^m.counter)) {
		return mark{}, fmt.Errorf("record %+v was never put", m)
	}
	return m, nil
}
