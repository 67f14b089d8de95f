package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/stream"
)

// explain says what to do next about errors that users meet, in place of an SDK's own words. stream is the stream that the
// command works on.
func explain(err error, streamName, endpoint string) error {
	var api smithy.APIError
	var dial *net.OpError
	var missing *batch.MissingError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &missing) && missing.Kind == "topic":
		return fmt.Errorf("%w. Make the topic with: kafka-topics.sh --create --topic %s --bootstrap-server HOST:PORT", err, missing.Name)
	case errors.As(err, &missing):
		return noStream(missing.Name, endpoint)
	case errors.Is(err, stream.ErrNotFound),
		errors.As(err, &api) && api.ErrorCode() == "ResourceNotFoundException":
		return noStream(streamName, endpoint)
	case errors.Is(err, objstore.ErrNoSuchBucket):
		return fmt.Errorf("%w. Make the bucket with: aws s3 mb s3://BUCKET", err)
	case errors.Is(err, fs.ErrPermission) && !strings.Contains(err.Error(), allowed):
		return fmt.Errorf("%w: %s that this runs as read and write there, and start it again", err, allowed)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("nothing answers at %s (%w). Start a server with: weir serve", endpoint, dial)
	}
	return err
}

// allowed begins what to do about files and folders that may not be read or written.
const allowed = "let the user"

func noStream(name, endpoint string) error {
	return fmt.Errorf("there is no stream %s at %s. Make it with: weir produce … --create, or aws kinesis create-stream --stream-name %s "+
		"--stream-mode-details StreamMode=ON_DEMAND", name, endpoint, name)
}
