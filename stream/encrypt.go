package stream

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Keyring keeps the keys of streams that are encrypted at rest.
type Keyring interface {
	// Key returns the 32 bytes that belong to a key id, always the same; an id whose key is not there gives an error.
	Key(id string) ([32]byte, error)
	// Make is Key that makes the key, durably, if it is not there.
	Make(id string) ([32]byte, error)
}

// The payload of an encrypted frame: a random nonce, the records under AES-256-GCM, and its tag.
const (
	nonceBytes = 12
	tagBytes   = 16
	sealBytes  = nonceBytes + tagBytes // that encryption adds
)

const (
	// keyLife is for how long a key is used before the keyring is asked for it again: a key that is taken away is out of
	// use after that.
	keyLife = time.Minute
	// streamKeysMax bounds the different keys that a stream ever is encrypted under.
	streamKeysMax = 1000
)

// keyDoc is a key in the metadata store. Its number in frames is one more than its place in the stream's list, which
// only ever grows, so that old records stay readable.
type keyDoc struct {
	ID    string
	Check []byte // tells the key from any other; derived from it, and says nothing about it
}

// streamKey is a key that an open stream is or was encrypted under.
type streamKey struct {
	keyDoc
	number uint16
	held   atomic.Pointer[heldKey]
}

// heldKey is what the keyring gave.
type heldKey struct {
	bytes [32]byte
	until time.Time
}

// load returns the key. Any error wraps ErrKey.
func (k *streamKey) load(ring Keyring, now time.Time) (*[32]byte, error) {
	if h := k.held.Load(); h != nil && now.Before(h.until) {
		return &h.bytes, nil
	}
	if ring == nil {
		return nil, fmt.Errorf("%w: key %s: there is no keyring", ErrKey, k.ID)
	}
	key, err := ring.Key(k.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !bytes.Equal(keyCheck(&key), k.Check) {
		return nil, otherKey(k.ID)
	}
	h := &heldKey{key, now.Add(keyLife)}
	k.held.Store(h)
	return &h.bytes, nil
}

func otherKey(id string) error {
	return fmt.Errorf("%w: the key that the keyring has for %s is not the one that records were encrypted under", ErrKey, id)
}

// derive gives bytes that belong to a key and a purpose, and do not give the key away.
func derive(key *[32]byte, purpose []byte, n int) []byte {
	b, err := hkdf.Expand(sha256.New, key[:], string(purpose), n)
	if err != nil {
		panic(err) // only for lengths that nobody asks for
	}
	return b
}

func keyCheck(key *[32]byte) []byte { return derive(key, []byte("weir key check 1"), 8) }

// useKeys takes over what doc says of encryption.
func (st *streamState) useKeys(doc *streamDoc) {
	var keys []*streamKey
	if old := st.keys.Load(); old != nil {
		keys = slices.Clone(*old)
	}
	for i := len(keys); i < len(doc.Keys); i++ {
		keys = append(keys, &streamKey{keyDoc: doc.Keys[i], number: uint16(i + 1)})
	}
	st.keys.Store(&keys)
	if doc.Key == 0 {
		st.sealing.Store(nil)
	} else {
		st.sealing.Store(keys[doc.Key-1])
	}
}

// keyNumber is the number of a key in the list of doc, to which it is added if need be. s.change is held.
func (s *Store) keyNumber(doc *streamDoc, id string) (uint16, error) {
	if s.opts.Keys == nil {
		return 0, fmt.Errorf("%w: there is no keyring", ErrKey)
	}
	get := s.opts.Keys.Make
	if s.keyInUse(id) {
		get = s.opts.Keys.Key // another one would not open what there is
	}
	key, err := get(id)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrKey, err)
	}
	check := keyCheck(&key)
	i := slices.IndexFunc(doc.Keys, func(k keyDoc) bool { return k.ID == id })
	switch {
	case i < 0 && len(doc.Keys) == streamKeysMax:
		return 0, fmt.Errorf("%d encryption keys: %w", len(doc.Keys), ErrLimit)
	case i < 0:
		i = len(doc.Keys)
		doc.Keys = append(slices.Clone(doc.Keys), keyDoc{id, check})
	case !bytes.Equal(doc.Keys[i].Check, check):
		return 0, otherKey(id)
	}
	return uint16(i + 1), nil
}

// keyInUse reports whether a stream is or was encrypted under a key of that id.
func (s *Store) keyInUse(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.streams {
		if slices.ContainsFunc(st.doc.Keys, func(k keyDoc) bool { return k.ID == id }) {
			return true
		}
	}
	return false
}

// frameCipher encrypts the frames of one shard under a key of their own, derived from the stream's. Each 2^32 counters
// have another, so that never more nonces are drawn for one key than random ones are good for.
type frameCipher struct {
	number uint16
	epoch  uint64
	cipher.AEAD
}

func epochOf(counter uint64) uint64 { return counter >> 32 }

func newFrameCipher(key *[32]byte, number uint16, sh shardKey, epoch uint64) *frameCipher {
	le := binary.LittleEndian
	purpose := []byte("weir frame key 1")
	purpose = le.AppendUint64(purpose, sh.stream)
	purpose = le.AppendUint64(purpose, sh.created)
	purpose = le.AppendUint32(purpose, sh.index)
	purpose = le.AppendUint64(purpose, epoch)
	block, err := aes.NewCipher(derive(key, purpose, 32))
	if err != nil {
		panic(err) // only for keys of another length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for other block ciphers
	}
	return &frameCipher{number, epoch, aead}
}

// identity is what the tag of a frame vouches for beside its records: which ones they are.
func (h *frameHeader) identity() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, 64)
	b = le.AppendUint64(b, h.stream)
	b = le.AppendUint64(b, h.created)
	b = le.AppendUint32(b, h.index)
	b = le.AppendUint64(b, h.first)
	b = le.AppendUint32(b, h.records)
	b = le.AppendUint64(b, uint64(h.arrival))
	return le.AppendUint16(b, h.key)
}

// seal encrypts a payload in place: the records stand behind the room for the nonce and before that for the tag.
func (c *frameCipher) seal(h *frameHeader, payload []byte) {
	nonce, records := payload[:nonceBytes], payload[nonceBytes:len(payload)-tagBytes]
	rand.Read(nonce) // never fails
	c.Seal(records[:0], nonce, records, h.identity())
}

// open appends the decrypted records of a payload to dst. A payload that was made by other means than seal gives
// ErrCorrupt.
func (c *frameCipher) open(dst []byte, h *frameHeader, payload []byte) ([]byte, error) {
	b, err := c.Open(dst, payload[:nonceBytes], payload[nonceBytes:], h.identity())
	if err != nil {
		return nil, fmt.Errorf("%w: records %d to %d of stream %d shard %d cannot be decrypted", ErrCorrupt, h.first, h.last(), h.stream, h.index)
	}
	return b, nil
}

// sealer returns what encrypts the frame of a shard that begins at a counter.
func (sh *shard) sealer(key *[32]byte, number uint16, counter uint64) *frameCipher {
	epoch := epochOf(counter)
	c := sh.cipher.Load()
	if c == nil || c.number != number || c.epoch != epoch {
		c = newFrameCipher(key, number, sh.shardKey, epoch)
		sh.cipher.Store(c)
	}
	return c
}

// decrypt returns the records of an encrypted frame, valid until the next call.
func (sc *scan) decrypt(h *frameHeader, payload []byte) ([]byte, error) {
	keys := *sc.shard.stream.keys.Load()
	if int(h.key) > len(keys) {
		return nil, fmt.Errorf("%w: the stream never had a key number %d", ErrCorrupt, h.key)
	}
	k := keys[h.key-1]
	key, err := k.load(sc.store.opts.Keys, sc.store.opts.Now())
	if err != nil {
		return nil, err
	}
	if c := sc.cipher; c == nil || c.number != h.key || c.epoch != epochOf(h.first) {
		sc.cipher = newFrameCipher(key, h.key, h.shardKey, epochOf(h.first))
	}
	sc.plain, err = sc.cipher.open(sc.plain[:0], h, payload)
	return sc.plain, err
}

// keyed is a key of a stream; the zero value encrypts nothing.
type keyed struct {
	key    *[32]byte
	number uint16
}

// overhead is what encryption adds to a payload.
func (k *keyed) overhead() int {
	if k.number == 0 {
		return 0
	}
	return sealBytes
}

// sealingKey is what the stream's new records are encrypted with.
func (st *streamState) sealingKey(s *Store) (keyed, error) {
	k := st.sealing.Load()
	if k == nil {
		return keyed{}, nil
	}
	key, err := k.load(s.opts.Keys, s.opts.Now())
	return keyed{key, k.number}, err
}
