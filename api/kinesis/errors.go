package kinesis

import (
	"errors"
	"net/http"

	"github.com/weir-data/weir/internal/keyring"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// codes gives the domain's errors their names where an operation does not say it in AWS's own words.
var codes = wire.Codes{
	{Err: stream.ErrNotFound, Name: "ResourceNotFoundException", Status: http.StatusBadRequest},
	{Err: stream.ErrNoShard, Name: "ResourceNotFoundException", Status: http.StatusBadRequest},
	{Err: stream.ErrConsumerNotFound, Name: "ResourceNotFoundException", Status: http.StatusBadRequest},
	{Err: stream.ErrExists, Name: "ResourceInUseException", Status: http.StatusBadRequest},
	{Err: stream.ErrConsumerExists, Name: "ResourceInUseException", Status: http.StatusBadRequest},
	{Err: stream.ErrHasConsumers, Name: "ResourceInUseException", Status: http.StatusBadRequest},
	{Err: stream.ErrLimit, Name: "LimitExceededException", Status: http.StatusBadRequest},
	{Err: stream.ErrThrottled, Name: "ProvisionedThroughputExceededException", Status: http.StatusBadRequest},
	{Err: stream.ErrSeqNum, Name: "InvalidArgumentException", Status: http.StatusBadRequest},
	{Err: stream.ErrHashKey, Name: "InvalidArgumentException", Status: http.StatusBadRequest},
	{Err: stream.ErrShardClosed, Name: "InvalidArgumentException", Status: http.StatusBadRequest},
	{Err: stream.ErrNotAdjacent, Name: "InvalidArgumentException", Status: http.StatusBadRequest},
	{Err: stream.ErrSplitPoint, Name: "InvalidArgumentException", Status: http.StatusBadRequest},
	{Err: stream.ErrOnDemand, Name: "ValidationException", Status: http.StatusBadRequest},
	{Err: stream.ErrTooLarge, Name: "InvalidArgumentException", Status: http.StatusBadRequest},
	{Err: keyring.ErrID, Name: "KMSNotFoundException", Status: http.StatusBadRequest},
	{Err: keyring.ErrNotFound, Name: "KMSNotFoundException", Status: http.StatusBadRequest},
	{Err: keyring.ErrDenied, Name: "KMSAccessDeniedException", Status: http.StatusBadRequest},
	{Err: stream.ErrKey, Name: "KMSInvalidStateException", Status: http.StatusBadRequest},
	{Err: stream.ErrClosed, Name: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
}

func invalidArgument(format string, args ...any) error {
	return wire.Errorf("InvalidArgumentException", http.StatusBadRequest, format, args...)
}

func resourceInUse(format string, args ...any) error {
	return wire.Errorf("ResourceInUseException", http.StatusBadRequest, format, args...)
}

func resourceNotFound(format string, args ...any) error {
	return wire.Errorf("ResourceNotFoundException", http.StatusBadRequest, format, args...)
}

// errDryRun answers a request that asked for the checks only and has passed them.
var errDryRun = wire.Errorf("DryRunOperationException", http.StatusBadRequest,
	"The request would have succeeded, but the DryRun flag is set.")

// noStream says that a stream does not exist, as AWS does; any other error stays.
func (s *service) noStream(err error, name string) error {
	if errors.Is(err, stream.ErrNotFound) {
		return resourceNotFound("Stream %s under account %s not found.", name, s.streams.Account())
	}
	return err
}

// noShard is noStream for the operations on a shard.
func (s *service) noShard(err error, name, shard string) error {
	if errors.Is(err, stream.ErrNotFound) || errors.Is(err, stream.ErrNoShard) {
		return resourceNotFound("Shard %s in stream %s under account %s does not exist", shard, name, s.streams.Account())
	}
	return err
}

// cannotFindShard is noShard in other words, where AWS has them.
func (s *service) cannotFindShard(shard, name string) error {
	return resourceNotFound("Could not find shard %s in stream %s under account %s.", shard, name, s.streams.Account())
}

// onDemand says that a stream's shards are not for the caller to change.
func (s *service) onDemand(name string) error {
	return wire.Errorf("ValidationException", http.StatusBadRequest, "Request is invalid. Stream %s under account %s is in On-Demand mode.",
		name, s.streams.Account())
}
