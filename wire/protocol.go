package wire

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/weir-data/weir/wire/codec"
)

// protocol is one way to write requests and answers.
type protocol interface {
	decode(r *Request, in any) error
	encode(r *Request, out any) ([]byte, error)
	// failure is the body for an exception and its status, which may differ from e's.
	failure(r *Request, e *Error) (body []byte, status int)
	headers(r *Request, h http.Header)
}

// extendedID is what x-amz-id-2 holds: bytes that mean something to AWS support only.
func extendedID() string {
	var b [72]byte
	rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// exceptionFields are the members of the JSON and CBOR error shapes.
func exceptionFields(e *Error) []codec.Field {
	message := "message"
	if e.Name == serialization {
		message = "Message" // as AWS writes it, and clients read both
	}
	fields := []codec.Field{{Name: "__type", Value: e.Name}, {Name: message, Value: e.Message}}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		fields = append(fields, codec.Field{Name: name, Value: e.Fields[name]})
	}
	return fields
}

// mustEncode is for fields that we wrote ourselves.
func mustEncode(b []byte, err error) []byte {
	if err != nil {
		panic(fmt.Sprintf("wire: encode exception: %v", err))
	}
	return b
}

// awsJSON is AWS JSON 1.0 and 1.1.
type awsJSON struct{}

func (awsJSON) decode(r *Request, in any) error {
	if len(r.Body) == 0 {
		return errNoBody
	}
	return codec.DecodeJSON(r.Body, in, r.service.Unions)
}

func (awsJSON) encode(_ *Request, out any) ([]byte, error) { return codec.AppendJSON(nil, out) }

var errNoBody = Errorf(serialization, http.StatusBadRequest, "The request has no body.")

func (awsJSON) headers(r *Request, h http.Header) {
	h.Set("Content-Type", r.ContentType)
	h.Set("X-Amz-Id-2", extendedID())
}

func (awsJSON) failure(_ *Request, e *Error) ([]byte, int) {
	return mustEncode(codec.AppendFieldsJSON(nil, exceptionFields(e))), e.Status
}

// awsCBOR is application/x-amz-cbor-1.1: AWS JSON 1.1 in CBOR. rpcCBOR is Smithy RPC v2 CBOR.
type (
	awsCBOR struct{}
	rpcCBOR struct{}
)

func (awsCBOR) decode(r *Request, in any) error {
	if len(r.Body) == 0 {
		return errNoBody
	}
	return codec.DecodeCBOR(r.Body, in, codec.Milliseconds, r.service.Unions)
}

func (awsCBOR) encode(_ *Request, out any) ([]byte, error) {
	return codec.AppendCBOR(nil, out, codec.Milliseconds)
}

func (awsCBOR) headers(r *Request, h http.Header) { awsJSON{}.headers(r, h) }

func (awsCBOR) failure(_ *Request, e *Error) ([]byte, int) {
	return mustEncode(codec.AppendFieldsCBOR(nil, exceptionFields(e), codec.Milliseconds)), e.Status
}

func (rpcCBOR) decode(r *Request, in any) error {
	return codec.DecodeCBOR(r.Body, in, codec.Seconds, r.service.Unions)
}

func (rpcCBOR) encode(_ *Request, out any) ([]byte, error) {
	return codec.AppendCBOR(nil, out, codec.Seconds)
}

func (rpcCBOR) headers(_ *Request, h http.Header) {
	h.Set("Content-Type", "application/cbor")
	h.Set("Smithy-Protocol", "rpc-v2-cbor")
}

func (rpcCBOR) failure(_ *Request, e *Error) ([]byte, int) {
	status := e.Status
	if e.Name == unknownOperation {
		status = http.StatusNotFound
	}
	return mustEncode(codec.AppendFieldsCBOR(nil, exceptionFields(e), codec.Seconds)), status
}

// query is the AWS Query protocol: form parameters in, XML out.
type query struct{ form url.Values }

func (q query) decode(r *Request, in any) error {
	return codec.DecodeQuery(q.form, in, r.service.Unions)
}

func (query) encode(r *Request, out any) ([]byte, error) {
	b := fmt.Appendf(nil, "<%sResponse xmlns=%q>\n", r.operation, r.service.XMLNS)
	b, err := codec.AppendXML(b, r.operation+"Result", out)
	return fmt.Appendf(b, "\n<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>\n</%sResponse>\n", r.id, r.operation), err
}

func (query) headers(_ *Request, h http.Header) { h.Set("Content-Type", "text/xml") }

func (query) failure(r *Request, e *Error) ([]byte, int) {
	code := r.service.queryCode(e)
	fields := []codec.Field{
		{Name: "Type", Value: e.blame()}, {Name: "Code", Value: code.name}, {Name: "Message", Value: e.Message},
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		fields = append(fields, codec.Field{Name: name, Value: e.Fields[name]})
	}
	b := fmt.Appendf(nil, "<ErrorResponse xmlns=%q>\n", r.service.XMLNS)
	b = mustEncode(codec.AppendFieldsXML(b, "Error", fields))
	return fmt.Appendf(b, "\n<RequestId>%s</RequestId>\n</ErrorResponse>\n", r.id), code.status
}

// queryCode is an exception's code and status in the Query protocol.
type queryCode struct {
	name   string
	status int
}

// queryCodes are those of the exceptions that come from the front door itself; a status of 0 stays.
var queryCodes = map[string]queryCode{
	"ValidationException":                 {"ValidationError", 0},
	"SerializationException":              {"MalformedInput", 0},
	"ThrottlingException":                 {"Throttling", 0},
	unknownOperation:                      {"InvalidAction", 0},
	"MissingAuthenticationTokenException": {"MissingAuthenticationToken", http.StatusForbidden},
	"IncompleteSignatureException":        {"IncompleteSignature", http.StatusForbidden},
	"InvalidSignatureException":           {"SignatureDoesNotMatch", http.StatusForbidden},
	"UnrecognizedClientException":         {"InvalidClientTokenId", http.StatusForbidden},
	"ExpiredTokenException":               {"ExpiredToken", http.StatusForbidden},
	"AccessDeniedException":               {"AccessDenied", http.StatusForbidden},
}

func (s *Service) queryCode(e *Error) queryCode {
	if name, ok := s.QueryErrors[e.Name]; ok {
		return queryCode{name, e.Status}
	}
	code, ok := queryCodes[e.Name]
	if !ok {
		return queryCode{e.Name, e.Status}
	}
	if code.status == 0 {
		code.status = e.Status
	}
	return code
}

// blame is Sender or Receiver.
func (e *Error) blame() string {
	if e.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}
