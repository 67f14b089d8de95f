// Package produce makes records and sends them: generated taxi rides and people, or the rows of a file, into a
// stream at a rate.
//
// A Source yields one JSON record after the other. Send takes them to a Client, in batches or one by one, retries what
// was refused or got no answer, and counts what was acknowledged. A record whose acknowledgement was lost on the way is
// sent again, so it may be in the stream twice: that is Kinesis's contract for producers, here as on AWS.
package produce

import (
	"context"
	"time"
)

// Source yields records until io.EOF.
type Source interface {
	// Next appends the next record to dst and returns the extended slice and the record's partition key.
	Next(dst []byte) (record []byte, key string, err error)
}

// Entry is a record on its way.
type Entry struct {
	Key  string
	Data []byte
}

// Result is the answer to one entry: where it is, or why it was refused (an error code of the service, and its message).
type Result struct {
	Shard        string
	SeqNum       string
	ErrorCode    string
	ErrorMessage string
}

// Client appends records to a stream. A call's results are in the order of its entries.
type Client interface {
	PutRecord(ctx context.Context, stream string, e Entry) (Result, error)
	PutRecords(ctx context.Context, stream string, entries []Entry) ([]Result, error)
	// Temporary says whether a call that failed with err may succeed later: no connection, no answer,
	// throttling, a server's fault.
	Temporary(err error) bool
}

// Limits of a PutRecords call: entries, and bytes of data and keys together.
const (
	maxBatch      = 500
	maxBatchBytes = 5 << 20
)

// clock is a time source; nil is the machine's.
type clock func() time.Time

func (c clock) now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}
