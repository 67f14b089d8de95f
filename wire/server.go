package wire

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/wire/sigv4"
)

// Options of NewServer. Zero fields are defaults.
type Options struct {
	Credentials Credentials // nil: requests are not verified
	Account     string      // of unverified callers; default 000000000000
	Region      string      // default us-east-1
	Now         func() time.Time
	Fallback    http.Handler // gets what no service claims: S3
	Logger      *slog.Logger // hears of faults of ours; default slog.Default()
}

// Server is the front door: one http.Handler for all services.
type Server struct {
	opts     Options
	now      func() time.Time
	verifier sigv4.Verifier
	services []Service
	routes   routes
	bodies   budget
}

// NewServer routes to services. Two services with the same target, or an operation named twice, are an error.
func NewServer(opts Options, services ...Service) (*Server, error) {
	if opts.Account == "" {
		opts.Account = accountOwner
	}
	if opts.Region == "" {
		opts.Region = regionHome
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Fallback == nil {
		opts.Fallback = http.NotFoundHandler()
	}
	s := &Server{opts: opts, now: opts.Now, services: services}
	s.bodies.left.Store(bodiesMax)
	for i := range services {
		if err := s.routes.add(&services[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Services are those that the server was made with, for documentation and for a list on the console.
func (s *Server) Services() []Service { return s.services }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	to := s.routes.find(r)
	if to.fallback {
		ctx := context.WithValue(r.Context(), callKey{}, call{caller: owner(s.opts.Account), region: s.opts.Region, id: id})
		s.opts.Fallback.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	w.Header().Set("X-Amzn-Requestid", id)
	req := &Request{Request: r, ContentType: to.contentType, service: to.service, operation: to.operation, protocol: to.protocol, id: id}
	tracked := &writer{ResponseWriter: w}
	defer func() {
		if req.events != nil {
			req.events.close()
		}
	}()
	defer func() {
		if fault := recover(); fault != nil {
			s.opts.Logger.Error("operation panicked", "service", to.service.Name, "operation", req.operation, "request", id, "panic", fault, "stack", string(debug.Stack()))
			s.fail(tracked, req, errInternal)
		}
	}()
	if err := s.serve(tracked, req); err != nil {
		e, known := req.service.Errors.exception(err)
		if !known {
			s.opts.Logger.Error("operation failed", "service", req.service.Name, "operation", req.operation, "request", id, "err", err)
		}
		s.fail(tracked, req, e)
	}
}

// ForFallback says whether r is one that no service claims, so that the fallback answers it.
func (s *Server) ForFallback(r *http.Request) bool { return s.routes.find(r).fallback }

// serve reads, verifies and runs a routed request.
func (s *Server) serve(w http.ResponseWriter, req *Request) error {
	max := req.service.BodyMax
	if max == 0 {
		max = bodyMaxDefault
	}
	raw := s.bodies.open()
	defer raw.release()
	body, err := raw.receive(w, req.Request, max)
	if err != nil {
		return err
	}
	op, err := s.routes.operation(req, body)
	if err != nil {
		return err
	}
	c, err := s.verify(req.Request, req.service, body)
	if err != nil {
		return err
	}
	if err := s.checkAccount(c, req); err != nil {
		return err
	}
	plain := s.bodies.open()
	defer plain.release()
	req.release = func() { raw.release(); plain.release() }
	if req.Body, err = plain.inflate(req.Header.Get("Content-Encoding"), body, max); err != nil {
		return err
	}
	c.id = req.id
	ctx := context.WithValue(req.Context(), callKey{}, c)
	req.Request = req.WithContext(ctx)
	return op.impl(ctx, req, w)
}

// fail answers with an exception, within the stream if there is one. Once another answer has begun, all that is left is
// to cut the connection, so that the client does not take it for whole.
func (s *Server) fail(w *writer, r *Request, e *Error) {
	if r.events != nil {
		r.events.fail(e)
		return
	}
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	body, status := r.protocol.failure(r, e)
	w.Header().Set("X-Amzn-Errortype", e.Name)
	if r.Header.Get("X-Amzn-Query-Mode") == "true" {
		w.Header().Set("X-Amzn-Query-Error", r.service.queryCode(e).name+";"+e.blame())
	}
	r.write(w, status, body)
}

// writer notes whether an answer has begun.
type writer struct {
	http.ResponseWriter
	begun bool
}

func (w *writer) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// FlushError sends what was written so far.
func (w *writer) FlushError() error {
	w.begun = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for those who do not ask.
func (w *writer) Flush() { w.FlushError() }

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Exceptions that the front door itself treats in a way of their own.
const (
	unknownOperation = "UnknownOperationException"
	serialization    = "SerializationException"
)

func errUnknownOperation(format string, args ...any) error {
	return &Error{Name: unknownOperation, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}
