// Package wire speaks the AWS protocols and knows no service: routing, signatures, request ids, errors,
// JSON 1.0/1.1, CBOR, Smithy RPC v2 CBOR, Query with XML answers, and event streams.
//
// An api package describes its service as a Service whose operations are made with Op (the SDK's structs in and
// out) or Raw (bytes in, answer written by hand). NewServer turns services into one http.Handler, Guard keeps web
// pages of others away from it, Serve runs it on a listener. S3 has a protocol of its own: it is the Fallback
// handler, and calls Server.Authenticate itself.
//
// A request is routed, its body is read (bounded, unzipped), its signature verified, its input decoded; then the
// operation runs. An error at any of these steps is answered in the protocol that the request came in.
package wire

import (
	"context"
	"net/http"

	"github.com/weir-data/weir/wire/codec"
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

	// QueryErrors gives the error codes of the Query protocol where they differ from the exception's name, as in
	// NoSuchEntityException, which is NoSuchEntity there.
	QueryErrors map[string]string
	// Unions are pointers to the union member structs that inputs may hold; see codec.Unions.
	Unions codec.Unions
	// Admit, if there is one, is asked with each input that was decoded, before the operation sees it; an error refuses
	// the request. A Raw operation that decodes by itself has to ask by itself.
	Admit func(ctx context.Context, operation string, in any) error
	// CrossAccount says that the service decides by itself what callers of other accounts may do. Others refuse them:
	// what a server has belongs to its one account.
	CrossAccount bool
	// BareAnswers says that in AWS JSON and its CBOR an answer without members has no body, not even {}: the model of the
	// service gives such operations no output at all.
	BareAnswers bool
	// BodyMax bounds a request body in bytes, before and after decompression; default 16 MiB.
	BodyMax int
}

// Operation is one operation of a service. Make it with Op or Raw.
type Operation struct {
	Name string
	impl func(ctx context.Context, r *Request, w http.ResponseWriter) error
}

// Op is an operation whose input and output are the SDK's structs, decoded and encoded in whatever protocol the
// request came in.
func Op[In, Out any](name string, f func(ctx context.Context, in *In) (*Out, error)) Operation {
	return Operation{name, func(ctx context.Context, r *Request, w http.ResponseWriter) error {
		in := new(In)
		if err := r.DecodeInto(in); err != nil {
			return err
		}
		out, err := f(ctx, in)
		if err != nil {
			return err
		}
		return r.Encode(w, out)
	}}
}

// Raw is an operation that reads the body and writes the answer itself, for hot paths and event streams. Returning an
// error before anything was written sends that error in the request's protocol.
func Raw(name string, f func(ctx context.Context, r *Request, w http.ResponseWriter) error) Operation {
	return Operation{name, f}
}

// Request is what a Raw operation gets: already authenticated, body read and bounded.
type Request struct {
	*http.Request
	Body        []byte // valid until the operation returns or opens an event stream
	ContentType string // media type: application/x-amz-json-1.1, application/x-amz-cbor-1.1 …

	service   *Service
	operation string
	protocol  protocol
	id        string
	events    *EventStream // once the answer has become one
	release   func()       // gives the memory of Body back
}

// DecodeInto decodes the request's body into the SDK input struct in and has the service admit it. Op does that by
// itself; it is here for Raw operations that fall back.
func (r *Request) DecodeInto(in any) error {
	if err := r.protocol.decode(r, in); err != nil {
		return err
	}
	if r.service.Admit == nil {
		return nil
	}
	return r.service.Admit(r.Context(), r.operation, in)
}

// Encode writes the SDK output struct out in the request's protocol.
func (r *Request) Encode(w http.ResponseWriter, out any) error {
	if r.bare(out) {
		r.write(w, http.StatusOK, nil)
		return nil
	}
	body, err := r.protocol.encode(r, out)
	if err != nil {
		return err
	}
	r.write(w, http.StatusOK, body)
	return nil
}

// bare says that out goes without a body.
func (r *Request) bare(out any) bool {
	switch r.protocol.(type) {
	case awsJSON, awsCBOR:
		return r.service.BareAnswers && !codec.HasMembers(out)
	}
	return false
}

// Marshal returns a struct of the SDK encoded as the request's protocol has it, for the payloads of event streams.
func (r *Request) Marshal(v any) ([]byte, error) {
	return r.protocol.encode(r, v)
}

// Answer sends an answer that is encoded already, in the request's protocol.
func (r *Request) Answer(w http.ResponseWriter, body []byte) { r.write(w, http.StatusOK, body) }

// write sends a whole answer.
func (r *Request) write(w http.ResponseWriter, status int, body []byte) {
	r.protocol.headers(r, w.Header())
	writeBody(w, status, body)
}
