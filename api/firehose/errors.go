package firehose

import (
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/wire"
)

// codes are Firehose's exceptions for the errors of package delivery.
var codes = wire.Codes{
	{Err: delivery.ErrNotFound, Name: "ResourceNotFoundException", Status: 400},
	{Err: delivery.ErrExists, Name: "ResourceInUseException", Status: 400},
	{Err: delivery.ErrInvalid, Name: "InvalidArgumentException", Status: 400},
	{Err: delivery.ErrVersion, Name: "ConcurrentModificationException", Status: 400},
	{Err: delivery.ErrLimit, Name: "LimitExceededException", Status: 400},
	{Err: delivery.ErrSource, Name: "InvalidSourceException", Status: 400},
	{Err: delivery.ErrBusy, Name: "ServiceUnavailableException", Status: 503},
}

// invalid is an InvalidArgumentException.
func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidArgumentException", 400, format, args...)
}
