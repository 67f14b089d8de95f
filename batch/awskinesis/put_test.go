package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/tostream"
)

// tight takes at most room records of a call.
type tight struct {
	room int
	got  []string
}

func (s *tight) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out := &kinesis.PutRecordsOutput{}
	for i, e := range in.Records {
		if i >= s.room {
			out.Records = append(out.Records, types.PutRecordsResultEntry{ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("slow down")})
			continue
		}
		s.got = append(s.got, string(e.Data))
		out.Records = append(out.Records, types.PutRecordsResultEntry{SequenceNumber: aws.String("1")})
	}
	return out, nil
}

func (s *tight) DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	return nil, &types.ResourceNotFoundException{Message: aws.String("no such stream")}
}

func TestTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var records []tostream.Record
		for i := range 9 {
			records = append(records, tostream.Record{Key: "k", Data: fmt.Append(nil, i)})
		}
		stream := &tight{room: 2}
		if err := NewTarget(stream, "out").Put(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(stream.got); !slices.Equal(stream.got, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}) {
			t.Errorf("%v", stream.got)
		}
		err := NewTarget(&tight{}, "out").Put(t.Context(), records)
		if !batch.IsTemporary(err) || err.Error() != "ProvisionedThroughputExceededException: slow down" {
			t.Errorf("%v", err)
		}
		if err := NewTarget(stream, "out").Check(t.Context()); err == nil || batch.IsTemporary(err) {
			t.Errorf("a stream that is not there: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := NewTarget(&tight{}, "out").Put(ctx, records); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
