package awskinesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
)

// A shard gives two MiB and five reads a second to all of its readers together. One that is throttled waits a random time, of at most
// twice as much each time: readers that wait in step would be refused in step, and who waits ever longer gets nothing beside one that
// does not wait. What was read so far is kept all the while.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = time.Second
	triesMax     = 12 // before the caller is told, who may have something else to do
)

// backoff is how long to wait before a try, counted from 1.
func backoff(try int) time.Duration {
	return rand.N(min(backoffMax, backoffFirst<<min(try-1, 10))) + time.Millisecond
}

// patiently does f again while it fails for now. In the end it gives a temporary error, one of batch.ErrThrottled if the service refused
// because others ask for too much.
func (s *Source) patiently(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if !batch.IsTemporary(err) {
			return err
		}
		if errors.Is(err, batch.ErrThrottled) {
			s.figures.throttled.Add(1)
		}
		if try == triesMax {
			return err
		}
		if err := batch.Sleep(ctx, backoff(try)); err != nil {
			return err
		}
	}
}

var (
	retryable  = retry.IsErrorRetryables(retry.DefaultRetryables)
	throttling = retry.IsErrorThrottles(retry.DefaultThrottles)
)

// classify marks errors that the SDK would try again after as temporary, and refusals of a service that is asked for too much as throttled.
func classify(err error) error {
	var expired *types.ExpiredIteratorException
	switch {
	case throttling.IsErrorThrottle(err) == aws.TrueTernary:
		return batch.Throttled(err)
	case retryable.IsErrorRetryable(err) == aws.TrueTernary, errors.As(err, &expired):
		return batch.Temporary(err)
	}
	return err
}
