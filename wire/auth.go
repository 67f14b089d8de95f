package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/wire/sigv4"
)

// Identity is who a request comes from.
type Identity struct {
	Account     string // 12 digits
	ARN         string
	UserID      string
	AccessKeyID string
	Role        string // ARN of the role that a session is of; else empty
}

// Credentials is what signature verification needs; package access implements it.
type Credentials interface {
	// Lookup returns the secret and identity of an access key id; sessionToken is empty for long-term keys.
	// ErrExpiredToken and ErrInvalidToken have answers of their own; any other error is an unknown key.
	Lookup(accessKeyID, sessionToken string) (secret string, id Identity, err error)
}

// What Lookup may say of a session token.
var (
	ErrExpiredToken = errors.New("session token has expired")
	ErrInvalidToken = errors.New("session token is not valid")
)

const (
	skewMax      = 5 * time.Minute
	skewMaxS3    = 15 * time.Minute
	accountOwner = "000000000000"
	regionHome   = "us-east-1"
)

// call is what the context of a request knows.
type call struct {
	caller Identity
	region string
	id     string
	peer   Peer
}

// Peer is the other end of the connection that a request came by.
type Peer struct {
	Addr string // host:port; empty if there is none
	TLS  bool
}

type callKey struct{}

func callOf(ctx context.Context) call {
	if c, ok := ctx.Value(callKey{}).(call); ok {
		return c
	}
	return call{caller: owner(accountOwner), region: regionHome}
}

// owner is the identity of an account's root user.
func owner(account string) Identity {
	return Identity{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
}

// Caller returns the identity of the request that ctx belongs to.
func Caller(ctx context.Context) Identity { return callOf(ctx).caller }

// Region returns the region that the request was signed for, or the server's own.
func Region(ctx context.Context) string { return callOf(ctx).region }

// RequestID returns the id under which the request that ctx belongs to was answered, or "".
func RequestID(ctx context.Context) string { return callOf(ctx).id }

// PeerOf returns where the request that ctx belongs to came from.
func PeerOf(ctx context.Context) Peer { return callOf(ctx).peer }

// With returns a context that belongs to a request of caller to region, for tests and for calls from inside.
func With(ctx context.Context, caller Identity, region string) context.Context {
	return context.WithValue(ctx, callKey{}, call{caller: caller, region: region})
}

// verify finds out who sent r, whose whole body is given, to service. Without credentials everyone is the owner.
func (s *Server) verify(r *http.Request, service *Service, body []byte) (call, error) {
	c, sig, secret, err := s.identify(r)
	if err != nil || s.opts.Credentials == nil {
		return c, serviceException(err, service)
	}
	if sig.Version2 {
		return c, serviceException(sigv4.ErrMissing, service)
	}
	if sig.Service != service.Name {
		return c, Errorf("InvalidSignatureException", http.StatusBadRequest, "Credential should be scoped to correct service: '%s'.", service.Name)
	}
	if err := sig.Check(s.now(), skewMax); err != nil {
		return c, serviceException(err, service)
	}
	return c, serviceException(s.verifier.Verify(r, sig, secret, sigv4.HashHex(body), false), service)
}

// Verify finds out who sent r, whose whole body is given, to a service of the name that wire does not route to. The returned
// request has a context that knows the caller; a caller of another account is refused. Errors are *Error.
func (s *Server) Verify(r *http.Request, service string, body []byte) (*http.Request, error) {
	c, err := s.verify(r, &Service{Name: service}, body)
	if err != nil {
		return nil, err
	}
	if c.caller.Account != s.opts.Account {
		return nil, Errorf("AccessDeniedException", http.StatusForbidden, "User: %s is not authorized", c.caller.ARN)
	}
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c)), nil
}

// checkAccount refuses callers of other accounts to a service that knows only one.
func (s *Server) checkAccount(c call, req *Request) error {
	if c.caller.Account == s.opts.Account || req.service.CrossAccount {
		return nil
	}
	action := req.service.Name + ":" + req.operation
	return Errorf("AccessDeniedException", http.StatusBadRequest,
		"User: %s is not authorized to perform: %s because no resource-based policy allows the %s action", c.caller.ARN, action, action)
}

// identify reads the signature of r and looks up who it claims to be from, without verifying anything.
func (s *Server) identify(r *http.Request) (c call, sig *sigv4.Signature, secret string, err error) {
	c = call{caller: owner(s.opts.Account), region: s.opts.Region, peer: Peer{r.RemoteAddr, r.TLS != nil}}
	sig, err = sigv4.Parse(r)
	if s.opts.Credentials == nil {
		if err != nil {
			return c, nil, "", nil
		}
		c.caller.AccessKeyID = sig.AccessKeyID
	}
	if err != nil {
		return c, nil, "", err
	}
	if sig.Region != "" {
		c.region = sig.Region
	}
	if s.opts.Credentials != nil {
		secret, c.caller, err = s.opts.Credentials.Lookup(sig.AccessKeyID, sig.Token)
		if err != nil && !errors.Is(err, ErrExpiredToken) && !errors.Is(err, ErrInvalidToken) {
			err = errUnknownKey
		}
	}
	return c, sig, secret, err
}

var errUnknownKey = errors.New("unknown access key")

// serviceException is the answer of all services but S3 to a bad signature.
func serviceException(err error, service *Service) error {
	var format *sigv4.FormatError
	var clock *sigv4.ClockError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sigv4.ErrMissing):
		message := "Missing Authentication Token"
		if service.Target == "" {
			message = "Request is missing Authentication Token"
		}
		return Errorf("MissingAuthenticationTokenException", http.StatusBadRequest, "%s", message)
	case errors.Is(err, sigv4.ErrTwice):
		return Errorf("InvalidSignatureException", http.StatusBadRequest, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case errors.As(err, &format):
		return Errorf("IncompleteSignatureException", http.StatusBadRequest, "%s", format.Message)
	case errors.As(err, &clock):
		return Errorf("InvalidSignatureException", http.StatusBadRequest, "%s", clock.Error())
	case errors.Is(err, ErrExpiredToken):
		return Errorf("ExpiredTokenException", http.StatusBadRequest, "The security token included in the request is expired")
	case errors.Is(err, ErrInvalidToken), errors.Is(err, errUnknownKey):
		return Errorf("UnrecognizedClientException", http.StatusBadRequest, "The security token included in the request is invalid.")
	}
	return Errorf("InvalidSignatureException", http.StatusBadRequest, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

// Authenticate verifies a request that wire does not decode itself (S3): header or query signature, clock, chunk
// signatures. The returned request has the decoded body and a context that knows the caller. Its Trailer holds the
// trailers once the body was read to the end, its ContentLength is that of the decoded body, or -1. Errors, also those
// that reading the body gives, are *Error with S3's names.
func (s *Server) Authenticate(r *http.Request) (*http.Request, error) {
	c, sig, secret, err := s.identify(r)
	if err != nil {
		return nil, s3Exception(err)
	}
	c.id = RequestID(r.Context())
	payloadHash := r.Header.Get("X-Amz-Content-Sha256")
	if sig != nil {
		payloadHash = sig.PayloadHash(r)
	}
	if s.opts.Credentials != nil {
		if err := s.verifyS3(r, sig, secret, payloadHash); err != nil {
			return nil, s3Exception(err)
		}
		if c.caller.Account != s.opts.Account {
			return nil, Errorf("AccessDenied", http.StatusForbidden, "Access Denied")
		}
	} else {
		sig = nil // its chunk signatures cannot be verified either
		if payloadHash == "" {
			payloadHash = sigv4.UnsignedPayload
		}
	}
	out := r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	if err := s.decodeBody(out, payloadHash, sig, secret); err != nil {
		return nil, s3Exception(err)
	}
	return out, nil
}

func (s *Server) verifyS3(r *http.Request, sig *sigv4.Signature, secret, payloadHash string) error {
	if sig.Service != "s3" {
		return Errorf("AuthorizationHeaderMalformed", http.StatusBadRequest, "The authorization header is malformed; incorrect service \"%.40s\". This endpoint belongs to \"s3\".", sig.Service)
	}
	if payloadHash == "" && !sig.Version2 {
		return Errorf("InvalidRequest", http.StatusBadRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	if err := sig.Check(s.now(), skewMaxS3); err != nil {
		return err
	}
	return s.verifier.Verify(r, sig, secret, payloadHash, true)
}

// decodeBody puts the content in the place of an encoded body.
func (s *Server) decodeBody(r *http.Request, payloadHash string, sig *sigv4.Signature, secret string) error {
	trailer := http.Header{}
	body, err := s.verifier.NewBody(r.Body, payloadHash, sig, secret, trailer)
	if err != nil {
		return err
	}
	if sigv4.Chunked(payloadHash) {
		length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || length < 0 {
			return Errorf("MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header.")
		}
		r.ContentLength = length
		body = &exactReader{in: body, left: length}
		r.Header = r.Header.Clone()
		dropChunked(r.Header)
		r.Trailer = trailer
	}
	r.Body = &s3Body{body, r.Body}
	return nil
}

// dropChunked takes aws-chunked out of Content-Encoding: it describes the transfer, not the object.
func dropChunked(h http.Header) {
	var kept []string
	for _, e := range strings.Split(h.Get("Content-Encoding"), ",") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
			kept = append(kept, e)
		}
	}
	if kept == nil {
		h.Del("Content-Encoding")
		return
	}
	h.Set("Content-Encoding", strings.Join(kept, ","))
}

// exactReader fails unless in has exactly as many bytes as were announced.
type exactReader struct {
	in   io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	n, err := e.in.Read(p)
	e.left -= int64(n)
	if e.left < 0 || err == io.EOF && e.left > 0 {
		return 0, sigv4.ErrChunkFormat
	}
	return n, err
}

// s3Body gives its errors S3's names.
type s3Body struct {
	io.Reader
	io.Closer
}

func (b *s3Body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = s3Exception(err)
	}
	return n, err
}

// s3Exception is S3's answer to a bad signature or body.
func s3Exception(err error) *Error {
	var known *Error
	var format *sigv4.FormatError
	var clock *sigv4.ClockError
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &clock) && clock.Presigned:
		return Errorf("AccessDenied", http.StatusForbidden, "Request has expired")
	case errors.As(err, &clock):
		return Errorf("RequestTimeTooSkewed", http.StatusForbidden, "The difference between the request time and the current time is too large.")
	case errors.As(err, &format) && format.Version2:
		return Errorf("AccessDenied", http.StatusForbidden, "%s", format.Message)
	case errors.As(err, &format) && format.Query:
		return Errorf("AuthorizationQueryParametersError", http.StatusBadRequest, "%s", format.Message)
	case errors.As(err, &format):
		return Errorf("AuthorizationHeaderMalformed", http.StatusBadRequest, "The authorization header is malformed; %s", format.Message)
	case errors.Is(err, sigv4.ErrMissing):
		return Errorf("AccessDenied", http.StatusForbidden, "Access Denied")
	case errors.Is(err, sigv4.ErrTwice):
		return Errorf("InvalidArgument", http.StatusBadRequest, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case errors.Is(err, sigv4.ErrUnsignedHeader):
		return Errorf("AccessDenied", http.StatusForbidden, "There were headers present in the request which were not signed")
	case errors.Is(err, errUnknownKey):
		return Errorf("InvalidAccessKeyId", http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records.")
	case errors.Is(err, ErrExpiredToken):
		return Errorf("ExpiredToken", http.StatusBadRequest, "The provided token has expired.")
	case errors.Is(err, ErrInvalidToken):
		return Errorf("InvalidToken", http.StatusBadRequest, "The provided token is malformed or otherwise invalid.")
	case errors.Is(err, sigv4.ErrMismatch):
		return Errorf("SignatureDoesNotMatch", http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	case errors.Is(err, sigv4.ErrPayloadHash):
		return Errorf("XAmzContentSHA256Mismatch", http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	case errors.As(err, &tooLong):
		return Errorf("EntityTooLarge", http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed size")
	}
	return Errorf("IncompleteBody", http.StatusBadRequest, "You did not provide the number of bytes specified by the Content-Length HTTP header")
}
