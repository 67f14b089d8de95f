package glue

import (
	"errors"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/wire"
)

// codes are Glue's exceptions for the errors of package catalog.
var codes = wire.Codes{
	{Err: catalog.ErrNotFound, Name: "EntityNotFoundException", Status: 400},
	{Err: catalog.ErrExists, Name: "AlreadyExistsException", Status: 400},
	{Err: catalog.ErrVersion, Name: "ConcurrentModificationException", Status: 400},
	{Err: catalog.ErrInvalid, Name: "InvalidInputException", Status: 400},
	{Err: catalog.ErrState, Name: "InvalidStateException", Status: 400},
	{Err: catalog.ErrLimit, Name: "ResourceNumberLimitExceededException", Status: 400},
	{Err: catalog.ErrCrawlerRunning, Name: "CrawlerRunningException", Status: 400},
	{Err: catalog.ErrCrawlerIdle, Name: "CrawlerNotRunningException", Status: 400},
	{Err: catalog.ErrCrawlerStopping, Name: "CrawlerStoppingException", Status: 400},
}

// nameOf is the exception's name of an error that stands in an answer.
func nameOf(err error) string {
	for _, c := range codes {
		if errors.Is(err, c.Err) {
			return c.Name
		}
	}
	return "InternalServiceException"
}
