// Package wire speaks the AWS protocols and knows no service: routing, signatures, request ids, errors,
// JSON 1.0/1.1, CBOR, rpc-v2-cbor, Query/XML.
//
// CONTRACT STUB: the owner of wire keeps these names and signatures, replaces bodies, splits into files.
package wire

import (
	"context"
	"net/http"
	"time"
)

// Service is one AWS service as the front door routes to it.
type Service struct {
	Name       string // signing name: kinesis, firehose, glue, athena, monitoring, sts, iam
	Target     string // X-Amz-Target prefix: Kinesis_20131202; empty for Query-only services
	JSON       string // "1.0" or "1.1"
	Version    string // Query API version, e.g. 2011-06-15; empty if it has no Query protocol
	XMLNS      string // namespace of Query answers
	ShapeName  string // service name in rpc-v2-cbor paths, e.g. GraniteServiceVersion20100801; else empty
	Operations []Operation
	Errors     Codes
}

// Operation is one operation of a service. Make it with Op or Raw.
type Operation struct {
	Name string
	impl any
}

// Op is an operation whose input and output are the SDK's structs, decoded and encoded in whatever protocol the
// request came in.
func Op[In, Out any](name string, f func(ctx context.Context, in *In) (*Out, error)) Operation {
	panic("stub")
}

// Raw is an operation that reads the body and writes the answer itself, for hot paths and event streams. Returning an
// error before anything was written sends that error in the request's protocol.
func Raw(name string, f func(ctx context.Context, r *Request, w http.ResponseWriter) error) Operation {
	panic("stub")
}

// Request is what a Raw operation gets: already authenticated, body read and bounded.
type Request struct {
	*http.Request
	Body        []byte // valid until the operation returns
	ContentType string // media type: application/x-amz-json-1.1, application/x-amz-cbor-1.1 …
}

// DecodeInto decodes the request's body into the SDK input struct in, for Raw operations that fall back.
func (r *Request) DecodeInto(in any) error { panic("stub") }

// Encode writes the SDK output struct out in the request's protocol.
func (r *Request) Encode(w http.ResponseWriter, out any) error { panic("stub") }

// Code maps a domain error (tested with errors.Is) to the exception that AWS names.
type Code struct {
	Err    error
	Name   string
	Status int
}

// Codes is a service's table of exceptions.
type Codes []Code

// Error is an AWS exception that an api package states itself.
type Error struct {
	Name    string // ValidationException
	Status  int
	Message string
	// Fields are further members of the exception's shape, encoded beside the message.
	Fields map[string]any
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

// Errorf returns an *Error with a formatted message.
func Errorf(name string, status int, format string, args ...any) *Error { panic("stub") }

// Violations collects constraint violations in AWS's words; all of a request go into one ValidationException.
// The zero value is ready.
type Violations struct{}

// Check notes one violation unless ok: Value 'value' at 'path' failed to satisfy constraint: constraint.
func (v *Violations) Check(ok bool, path, value, constraint string) { panic("stub") }

// Err returns nil or the ValidationException with "N validation error(s) detected: …".
func (v *Violations) Err() error { panic("stub") }

// Identity is who a request comes from.
type Identity struct {
	Account     string // 12 digits
	ARN         string
	UserID      string
	AccessKeyID string
}

// Caller returns the identity of the request that ctx belongs to.
func Caller(ctx context.Context) Identity { panic("stub") }

// Region returns the region that the request was signed for, or the server's own.
func Region(ctx context.Context) string { panic("stub") }

// Credentials is what signature verification needs; package access implements it.
type Credentials interface {
	// Lookup returns the secret and identity of an access key id; sessionToken is empty for long-term keys.
	Lookup(accessKeyID, sessionToken string) (secret string, id Identity, err error)
}

// Options of NewServer. Zero fields are defaults.
type Options struct {
	Credentials Credentials // nil: requests are not verified
	Account     string      // of unverified callers; default 000000000000
	Region      string      // default us-east-1
	Now         func() time.Time
	Fallback    http.Handler // gets what no service claims: S3
}

// Server is the front door: one http.Handler for all services.
type Server struct{}

// NewServer routes to services.
func NewServer(opts Options, services ...Service) (*Server, error) { panic("stub") }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("stub") }

// Authenticate verifies a request that wire does not decode itself (S3): header or query signature, clock, chunk
// signatures. The returned request has the decoded body and a context that knows the caller.
func (s *Server) Authenticate(r *http.Request) (*http.Request, error) { panic("stub") }
