// Package sigv4 verifies AWS Signature Version 4 on a server: in the Authorization header, in presigned queries, and
// in the chunks of a streamed body. It also verifies Version 2 presigned queries, which S3 clients still make.
//
// Parse finds the Signature of a request. Verifier.Verify compares it with the one it ought to have. NewBody then
// reads the body as the signature promises it. The rules are those of the AWS IAM and S3 documentation.
package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What can be wrong with a signature, besides *FormatError and *ClockError.
var (
	// ErrMissing: the request is not signed at all.
	ErrMissing = errors.New("request is not signed")
	// ErrTwice: there is a signature in the header and another in the query.
	ErrTwice = errors.New("request is signed in its header and in its query")
	// ErrMismatch: the signature is not the one that the secret gives.
	ErrMismatch = errors.New("signature does not match")
	// ErrUnsignedHeader: an x-amz- header is present, but was not signed.
	ErrUnsignedHeader = errors.New("header present that was not signed")
)

// FormatError is a signature that lacks a part or has a malformed one.
type FormatError struct {
	Message  string
	Query    bool // the signature is in the query, not in the header
	Version2 bool
}

func (e *FormatError) Error() string { return e.Message }

func formatError(format string, args ...any) error {
	return &FormatError{Message: fmt.Sprintf(format, args...)}
}

// ClockError is a signature outside its time.
type ClockError struct {
	Signed    time.Time // when the request says that it was signed
	Now       time.Time
	Skew      time.Duration // how far the two may be apart
	Presigned bool          // the query's own expiry has passed
}

// Error says it in AWS's words.
func (e *ClockError) Error() string {
	signed, now := e.Signed.Format(stampLayout), e.Now.UTC().Format(stampLayout)
	minutes := int(e.Skew / time.Minute)
	switch {
	case e.Presigned:
		return "Request has expired"
	case e.Signed.Before(e.Now):
		return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)", signed, e.Now.UTC().Add(-e.Skew).Format(stampLayout), now, minutes)
	}
	return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)", signed, e.Now.UTC().Add(e.Skew).Format(stampLayout), now, minutes)
}

const (
	algorithm   = "AWS4-HMAC-SHA256"
	terminator  = "aws4_request"
	stampLayout = "20060102T150405Z"
	expiresMax  = 7 * 24 * time.Hour
	headersMax  = 128 // signed headers of one request
)

// Values of X-Amz-Content-Sha256 that are no hash.
const (
	UnsignedPayload  = "UNSIGNED-PAYLOAD"
	SignedChunks     = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	SignedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	UnsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	emptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Signature is what a request says about how it was signed.
type Signature struct {
	AccessKeyID string
	Date        string // of the credential scope: 20060102
	Region      string
	Service     string
	Token       string    // session token, empty for long-term keys
	Time        time.Time // when it was signed; zero for Version 2
	Presigned   bool
	Version2    bool
	Expires     time.Time // of a presigned query

	headers []string // signed, in the order given
	hex     string   // the signature: hex, or base64 for Version 2
}

// Signed reports whether the request claims to be signed in any way that Parse knows.
func Signed(r *http.Request) bool {
	_, err := Parse(r)
	return !errors.Is(err, ErrMissing)
}

// Parse finds the signature of r in its header or query, or returns ErrMissing, ErrTwice or a *FormatError.
func Parse(r *http.Request) (*Signature, error) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		if r.URL.RawQuery != "" && r.URL.Query().Has("X-Amz-Algorithm") {
			return nil, ErrTwice
		}
		return parseHeader(r, auth)
	}
	if r.URL.RawQuery == "" {
		return nil, ErrMissing
	}
	q := r.URL.Query()
	var s *Signature
	var err error
	version2 := false
	switch {
	case q.Has("X-Amz-Algorithm"):
		s, err = parsePresigned(q)
	case q.Has("AWSAccessKeyId") && q.Has("Signature"):
		version2 = true
		s, err = parseVersion2(q)
	default:
		return nil, ErrMissing
	}
	var format *FormatError
	if errors.As(err, &format) {
		format.Query, format.Version2 = true, version2
	}
	return s, err
}

func parseHeader(r *http.Request, auth string) (*Signature, error) {
	kind, rest, _ := strings.Cut(auth, " ")
	var s Signature
	var credential, headers string
	for _, part := range strings.FieldsFunc(rest, func(c rune) bool { return c == ',' || c == ' ' }) {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			headers = value
		case "Signature":
			s.hex = value
		}
	}
	stamp := r.Header.Get("X-Amz-Date")
	if stamp == "" {
		stamp = r.Header.Get("Date")
		if t, err := http.ParseTime(stamp); err == nil {
			stamp = t.UTC().Format(stampLayout)
		}
	}
	var missing []string
	for _, p := range []struct{ name, value string }{{"Credential", credential}, {"Signature", s.hex}, {"SignedHeaders", headers}} {
		if p.value == "" {
			missing = append(missing, fmt.Sprintf("Authorization header requires '%s' parameter.", p.name))
		}
	}
	if stamp == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if missing != nil {
		return nil, formatError("%s Authorization=%.1000s", strings.Join(missing, " "), auth)
	}
	if kind != algorithm {
		return nil, formatError("Unsupported authorization type or algorithm")
	}
	s.Token = r.Header.Get("X-Amz-Security-Token")
	if err := s.fill(credential, headers, stamp); err != nil {
		return nil, err
	}
	return &s, nil
}

func parsePresigned(q url.Values) (*Signature, error) {
	var missing []string
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			missing = append(missing, "AWS query-string parameters must include '"+name+"'.")
		}
	}
	if missing != nil {
		return nil, formatError("%s Re-examine the query-string parameters.", strings.Join(missing, " "))
	}
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return nil, formatError("X-Amz-Algorithm only supports %q", algorithm)
	}
	s := &Signature{Presigned: true, hex: q.Get("X-Amz-Signature"), Token: q.Get("X-Amz-Security-Token")}
	if err := s.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Date")); err != nil {
		return nil, err
	}
	lasts := 15 * time.Minute
	if text := q.Get("X-Amz-Expires"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, formatError("X-Amz-Expires should be a number")
		}
		if n < 0 {
			return nil, formatError("X-Amz-Expires must be non-negative")
		}
		if n > int(expiresMax/time.Second) {
			return nil, formatError("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than %d seconds", int(expiresMax/time.Second))
		}
		lasts = time.Duration(n) * time.Second
	}
	s.Expires = s.Time.Add(lasts)
	return s, nil
}

// fill takes apart the credential scope and checks the parts that both forms share.
func (s *Signature) fill(credential, headers, stamp string) error {
	parts := strings.Split(credential, "/")
	n := len(parts)
	if n < 5 || parts[n-1] != terminator {
		return formatError("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/%s, got '%.200s'", terminator, credential)
	}
	s.AccessKeyID = strings.Join(parts[:n-4], "/")
	s.Date, s.Region, s.Service = parts[n-4], parts[n-3], parts[n-2]
	t, err := time.Parse(stampLayout, stamp)
	if err != nil {
		return formatError("Date must be in ISO8601 'basic format', got '%.40s'", stamp)
	}
	s.Time = t
	if s.Date != t.Format("20060102") {
		return formatError("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%.40s' != '%s', from '%s'", s.Date, t.Format("20060102"), stamp)
	}
	if s.headers = strings.Split(headers, ";"); len(s.headers) > headersMax {
		return formatError("Too many signed headers")
	}
	if !s.signs("host") && !s.signs(":authority") { // HTTP/2 clients written in JavaScript sign the pseudo-header
		return formatError("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

func (s *Signature) signs(header string) bool {
	for _, h := range s.headers {
		if h == header {
			return true
		}
	}
	return false
}

func (s *Signature) scope() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// PayloadHash is what an S3 request says of its body: a hex hash or one of the words above.
func (s *Signature) PayloadHash(r *http.Request) string {
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" {
		return h
	}
	if s.Presigned {
		if h := r.URL.Query().Get("X-Amz-Content-Sha256"); h != "" {
			return h
		}
		return UnsignedPayload
	}
	return ""
}
