package kinesis

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// Iterators and page tokens are opaque, carry all that the next call needs, and are signed, so that they need no
// memory here, survive a restart, and cannot be made up. A token is, in base64: a kind, the time of issue in Unix
// milliseconds, a number that makes each one different, the payload, and half an HMAC-SHA256 over all of that.
type tokenKind byte

const (
	tokenIterator  tokenKind = 1
	tokenShards    tokenKind = 2
	tokenStreams   tokenKind = 3
	tokenConsumers tokenKind = 4
	tokenChannels  tokenKind = 5
)

const (
	tokenHeadBytes = 1 + 8 + 4
	tokenSumBytes  = sha256.Size / 2
	tokenLife      = 5 * time.Minute
)

var errToken = errors.New("not a token of ours")

// sealer makes and opens tokens.
type sealer struct {
	key   []byte
	now   func() time.Time
	count atomic.Uint32
}

func newSealer(key []byte, now func() time.Time) *sealer { return &sealer{key: key, now: now} }

func (s *sealer) seal(kind tokenKind, payload []byte) string {
	b := make([]byte, 0, tokenHeadBytes+len(payload)+tokenSumBytes)
	b = append(b, byte(kind))
	b = binary.BigEndian.AppendUint64(b, uint64(s.now().UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, s.count.Add(1))
	b = append(b, payload...)
	return base64.StdEncoding.EncodeToString(append(b, s.sum(b)...))
}

func (s *sealer) sum(b []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(b)
	return h.Sum(nil)[:tokenSumBytes]
}

// open returns what seal was given, and when. Whether that is too long ago is for the caller to say.
func (s *sealer) open(kind tokenKind, token string) (payload []byte, issued time.Time, err error) {
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) < tokenHeadBytes+tokenSumBytes {
		return nil, time.Time{}, errToken
	}
	body, sum := b[:len(b)-tokenSumBytes], b[len(b)-tokenSumBytes:]
	if !hmac.Equal(sum, s.sum(body)) || tokenKind(body[0]) != kind {
		return nil, time.Time{}, errToken
	}
	return body[tokenHeadBytes:], time.UnixMilli(int64(binary.BigEndian.Uint64(body[1:]))), nil
}

// position is what a shard iterator stands for: the records of a shard after the one with a counter.
type position struct {
	incarnation uint64 // of the stream: a new one of the same name is not meant
	shard       uint32
	counter     uint64
}

const positionBytes = 8 + 4 + 8

func (s *sealer) iterator(p position) string {
	b := make([]byte, 0, positionBytes)
	b = binary.BigEndian.AppendUint64(b, p.incarnation)
	b = binary.BigEndian.AppendUint32(b, p.shard)
	b = binary.BigEndian.AppendUint64(b, p.counter)
	return s.seal(tokenIterator, b)
}

// openIterator reads a shard iterator, which as in AWS may stand in double quotes.
func (s *sealer) openIterator(text string) (position, time.Time, error) {
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		text = strings.TrimSuffix(inner, `"`)
	}
	b, issued, err := s.open(tokenIterator, text)
	if err != nil || len(b) != positionBytes {
		return position{}, time.Time{}, errToken
	}
	return position{
		incarnation: binary.BigEndian.Uint64(b),
		shard:       binary.BigEndian.Uint32(b[8:]),
		counter:     binary.BigEndian.Uint64(b[12:]),
	}, issued, nil
}
