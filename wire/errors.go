package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	smithy "github.com/aws/smithy-go"

	"github.com/weir-data/weir/wire/codec"
)

// Code maps a domain error (tested with errors.Is) to the exception that AWS names.
type Code struct {
	Err    error
	Name   string
	Status int
}

// Codes is a service's table of exceptions. The first line that matches an error decides.
type Codes []Code

// Error is an AWS exception that an api package states itself.
type Error struct {
	Name    string // ValidationException
	Status  int
	Message string
	// Fields are further members of the exception's shape, encoded beside the message. Values are strings,
	// booleans or integers.
	Fields map[string]any
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

// Errorf returns an *Error with a formatted message.
func Errorf(name string, status int, format string, args ...any) *Error {
	return &Error{Name: name, Status: status, Message: fmt.Sprintf(format, args...)}
}

// errInternal is all that a caller learns of a fault of ours; the log has the rest.
var errInternal = Errorf("InternalFailure", http.StatusInternalServerError, "The request processing has failed because of an unknown error, exception or failure.")

// exception finds the AWS exception for an operation's error; known is false for what nobody has given a name,
// which the caller should log.
func (c Codes) exception(err error) (e *Error, known bool) {
	if errors.As(err, &e) {
		return e, true
	}
	var shape smithy.APIError // the SDK's own exception types
	if errors.As(err, &shape) {
		status := http.StatusBadRequest
		if shape.ErrorFault() == smithy.FaultServer {
			status = http.StatusInternalServerError
		}
		return &Error{Name: shape.ErrorCode(), Status: status, Message: shape.ErrorMessage()}, true
	}
	for _, code := range c {
		if errors.Is(err, code.Err) {
			return &Error{Name: code.Name, Status: code.Status, Message: err.Error()}, true
		}
	}
	var bad *codec.Error
	if errors.As(err, &bad) {
		return Errorf(serialization, http.StatusBadRequest, "%s", bad.Message), true
	}
	if errors.Is(err, context.Canceled) { // the client has gone, or we are stopping
		return Errorf("ServiceUnavailable", http.StatusServiceUnavailable, "The request was cancelled."), true
	}
	return errInternal, false
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a client that has gone is no concern of ours
}
