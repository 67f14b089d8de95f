package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Verifier compares signatures. The zero value is ready; it keeps derived keys, and is safe for concurrent use.
type Verifier struct {
	mu   sync.RWMutex
	keys map[keyID][]byte // derived signing keys
}

// keyID is all that a signing key depends on.
type keyID struct{ secret, date, region, service string }

const keysMax = 1024

func (v *Verifier) key(s *Signature, secret string) []byte {
	id := keyID{secret, s.Date, s.Region, s.Service}
	v.mu.RLock()
	k := v.keys[id]
	v.mu.RUnlock()
	if k != nil {
		return k
	}
	k = mac([]byte("AWS4"+secret), s.Date)
	for _, part := range []string{s.Region, s.Service, terminator} {
		k = mac(k, part)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil || len(v.keys) >= keysMax {
		v.keys = map[keyID][]byte{}
	}
	v.keys[id] = k
	return k
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// HashHex is the SHA-256 of body in hex.
func HashHex(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Check tells whether the time of s is right: within skew of now, or not past its expiry.
func (s *Signature) Check(now time.Time, skew time.Duration) error {
	if s.Presigned && now.After(s.Expires) {
		return &ClockError{Signed: s.Time, Now: now, Skew: skew, Presigned: true}
	}
	age := now.Sub(s.Time)
	if !s.Version2 && (age < -skew || !s.Presigned && age > skew) {
		return &ClockError{Signed: s.Time, Now: now, Skew: skew}
	}
	return nil
}

// Verify compares the signature s of r with what secret gives. payloadHash is the hash of the body, or what the
// request says in its place. pathOnce is for S3, which encodes the path once where the others do it twice.
// The errors are ErrMismatch, ErrUnsignedHeader and *FormatError.
func (v *Verifier) Verify(r *http.Request, s *Signature, secret, payloadHash string, pathOnce bool) error {
	if s.Version2 {
		return verifyVersion2(r, s, secret)
	}
	for name := range r.Header {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !s.signs(name) {
			// The hash of the body is part of the signature in any case.
			if name != "x-amz-content-sha256" {
				return ErrUnsignedHeader
			}
		}
	}
	canonical, err := canonicalRequest(r, s, payloadHash, pathOnce)
	if err != nil {
		return err
	}
	toSign := algorithm + "\n" + s.Time.Format(stampLayout) + "\n" + s.scope() + "\n" + HashHex(canonical)
	want := hex.EncodeToString(mac(v.key(s, secret), toSign))
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.hex)) != 1 {
		return ErrMismatch
	}
	return nil
}

func canonicalRequest(r *http.Request, s *Signature, payloadHash string, pathOnce bool) ([]byte, error) {
	b := make([]byte, 0, 1024)
	b = append(append(b, r.Method...), '\n')
	path := wirePath(r)
	if pathOnce {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return nil, formatError("Path is not properly encoded")
		}
		path = decoded
	}
	b = appendEncoded(b, path, true)
	b = append(b, '\n')
	b, err := appendQuery(b, r.URL.RawQuery, s.Presigned)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	for _, name := range s.headers {
		b = append(append(b, name...), ':')
		b = append(append(b, headerValue(r, name)...), '\n')
	}
	b = append(b, '\n')
	for i, name := range s.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	return append(append(b, '\n'), payloadHash...), nil
}

// wirePath is the path as the client sent it.
func wirePath(r *http.Request) string {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	if path == "" {
		return "/"
	}
	return path
}

func appendQuery(b []byte, raw string, presigned bool) ([]byte, error) {
	if raw == "" {
		return b, nil
	}
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, formatError("Query is not properly encoded")
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return nil, formatError("Query is not properly encoded")
		}
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		p := appendEncoded(nil, name, false)
		p = appendEncoded(append(p, '='), value, false)
		pairs = append(pairs, string(p))
	}
	sort.Strings(pairs)
	return append(b, strings.Join(pairs, "&")...), nil
}

// appendEncoded percent-encodes all but RFC 3986's unreserved characters, and the slash where it is kept.
func appendEncoded(b []byte, text string, keepSlash bool) []byte {
	const upper = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b = append(b, c)
		default:
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return b
}

// headerValue is the canonical value of a signed header. net/http keeps some headers elsewhere.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host", ":authority":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	values := r.Header.Values(name)
	if len(values) == 1 && !strings.Contains(values[0], "  ") {
		return strings.TrimSpace(values[0])
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' || c == '\t' }), " ")
	}
	return strings.Join(trimmed, ",")
}
