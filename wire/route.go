package wire

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weir-data/weir/wire/sigv4"
)

// routes finds the operation that a request names.
type routes struct {
	byTarget map[string]*Service // Kinesis_20131202
	byShape  map[string]*Service // GraniteServiceVersion20100801
	query    []*Service
	ops      map[*Service]map[string]*Operation
}

func (t *routes) add(s *Service) error {
	if t.ops == nil {
		t.byTarget, t.byShape, t.ops = map[string]*Service{}, map[string]*Service{}, map[*Service]map[string]*Operation{}
	}
	if t.byTarget[s.Target] != nil || t.byShape[s.ShapeName] != nil {
		return fmt.Errorf("service %s: its target or shape name is taken", s.Name)
	}
	if s.Target != "" {
		t.byTarget[s.Target] = s
	}
	if s.ShapeName != "" {
		t.byShape[s.ShapeName] = s
	}
	if s.Version != "" {
		t.query = append(t.query, s)
	}
	ops := make(map[string]*Operation, len(s.Operations))
	for i := range s.Operations {
		op := &s.Operations[i]
		if ops[op.Name] != nil {
			return fmt.Errorf("service %s: operation %s is there twice", s.Name, op.Name)
		}
		ops[op.Name] = op
	}
	t.ops[s] = ops
	return nil
}

// route is what the head of a request says. With the Query protocol service and operation are known only after its
// body was read.
type route struct {
	fallback    bool
	service     *Service // never nil
	operation   string
	protocol    protocol
	contentType string
}

// nobody is the service of requests that name none that we have.
var nobody = &Service{}

// find decides by the head of r: a target, an RPC v2 path, a form; all else is for the fallback.
func (t *routes) find(r *http.Request) route {
	contentType := mediaType(r.Header.Get("Content-Type"))
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return t.findTarget(target, contentType)
	}
	if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" || strings.HasPrefix(r.URL.Path, "/service/") && contentType == "application/cbor" {
		return t.findShape(r.URL.Path, contentType)
	}
	if r.Method == http.MethodPost && r.URL.Path == "/" && strings.HasPrefix(contentType, "application/x-amz-") {
		return t.findTarget("", contentType)
	}
	form := r.Method == http.MethodPost && contentType == "application/x-www-form-urlencoded"
	if r.URL.Path == "/" && (form || r.URL.RawQuery != "" && r.URL.Query().Has("Action")) && signedFor(r) != "s3" {
		return route{service: nobody, protocol: query{}, contentType: contentType}
	}
	return route{fallback: true}
}

// mediaType is a Content-Type without its parameters. Those that nearly all requests have are known at a glance.
func mediaType(header string) string {
	switch header {
	case "application/x-amz-json-1.1", "application/x-amz-json-1.0", "application/x-amz-cbor-1.1":
		return header
	}
	media, _, _ := mime.ParseMediaType(header)
	return media
}

func (t *routes) findTarget(target, contentType string) route {
	prefix, operation, _ := strings.Cut(target, ".")
	to := route{service: t.byTarget[prefix], operation: operation, protocol: awsJSON{}, contentType: contentType}
	if to.service == nil {
		to.service, to.operation = nobody, target
	}
	switch contentType {
	case "application/x-amz-cbor-1.1":
		to.protocol = awsCBOR{}
	case "application/x-amz-json-1.0", "application/x-amz-json-1.1":
	default:
		to.contentType = "application/x-amz-json-1.1"
		if to.service.JSON != "" {
			to.contentType = "application/x-amz-json-" + to.service.JSON
		}
	}
	return to
}

// findShape reads /service/NAME/operation/NAME.
func (t *routes) findShape(path, contentType string) route {
	to := route{service: nobody, operation: path, protocol: rpcCBOR{}, contentType: contentType}
	parts := strings.Split(path, "/")
	n := len(parts)
	if n < 5 || parts[n-4] != "service" || parts[n-2] != "operation" {
		return to
	}
	if s := t.byShape[parts[n-3]]; s != nil {
		to.service, to.operation = s, parts[n-1]
	}
	return to
}

// signedFor is the service of the request's credential scope, or "".
func signedFor(r *http.Request) string {
	sig, err := sigv4.Parse(r)
	if err != nil {
		return ""
	}
	return sig.Service
}

// operation returns the operation that req names, or an UnknownOperationException that names it in turn.
func (t *routes) operation(req *Request, body []byte) (*Operation, error) {
	if _, ok := req.protocol.(query); ok {
		if err := t.readQuery(req, body); err != nil {
			return nil, err
		}
	}
	if op := t.ops[req.service][req.operation]; op != nil {
		return op, nil
	}
	if _, ok := req.protocol.(query); ok {
		return nil, errUnknownOperation("Could not find operation %.100s for version %.40s", req.operation, req.protocol.(query).form.Get("Version"))
	}
	return nil, errUnknownOperation("Unknown operation %.200s", req.operation)
}

// readQuery takes the parameters from query and body and finds the service by version or signature: versions are
// unique, but some clients leave them out.
func (t *routes) readQuery(req *Request, body []byte) error {
	raw := req.URL.RawQuery
	if len(body) > 0 {
		raw = strings.Trim(raw+"&"+string(body), "&")
	}
	form, err := url.ParseQuery(raw)
	if err != nil {
		return Errorf("MalformedQueryString", http.StatusBadRequest, "The query string contains a syntax error")
	}
	req.protocol = query{form}
	req.operation = form.Get("Action")
	if req.operation == "" {
		return Errorf("MissingAction", http.StatusBadRequest, "The request is missing an action or a required parameter.")
	}
	version, name := form.Get("Version"), signedFor(req.Request)
	i := slices.IndexFunc(t.query, func(s *Service) bool { return s.Version == version })
	if i < 0 && version == "" {
		i = slices.IndexFunc(t.query, func(s *Service) bool { return s.Name == name })
	}
	if i >= 0 {
		req.service = t.query[i]
	}
	return nil
}
