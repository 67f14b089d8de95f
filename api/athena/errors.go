package athena

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/wire"
)

// codes are the exceptions for what package query reports. Messages pass through fail, which strips our own prefixes.
var codes = wire.Codes{
	{Err: query.ErrBusy, Name: "TooManyRequestsException", Status: http.StatusBadRequest},
	{Err: query.ErrNotFound, Name: "ResourceNotFoundException", Status: http.StatusBadRequest},
	{Err: query.ErrMetadata, Name: "MetadataException", Status: http.StatusBadRequest},
	{Err: query.ErrInvalid, Name: "InvalidRequestException", Status: http.StatusBadRequest},
}

func invalid(format string, args ...any) error {
	return &wire.Error{Name: "InvalidRequestException", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...),
		Fields: map[string]any{"AthenaErrorCode": "INVALID_INPUT"}}
}

// fail gives an error of package query its exception with Athena's message and members.
func fail(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	for _, prefix := range []error{query.ErrSyntax, query.ErrInvalid, query.ErrNotFound, query.ErrMetadata, query.ErrBusy} {
		message = strings.TrimPrefix(message, prefix.Error()+": ")
	}
	e := &wire.Error{Name: "InvalidRequestException", Status: http.StatusBadRequest, Message: message}
	switch {
	case errors.Is(err, query.ErrSyntax):
		e.Fields = map[string]any{"AthenaErrorCode": "MALFORMED_QUERY"}
	case errors.Is(err, query.ErrInvalid):
		e.Fields = map[string]any{"AthenaErrorCode": "INVALID_INPUT"}
	case errors.Is(err, query.ErrBusy):
		e.Name, e.Fields = "TooManyRequestsException", map[string]any{"Reason": "CONCURRENT_QUERY_LIMIT_EXCEEDED"}
	case errors.Is(err, query.ErrNotFound):
		e.Name = "ResourceNotFoundException"
	case errors.Is(err, query.ErrMetadata):
		e.Name = "MetadataException"
	default:
		return err
	}
	return e
}
