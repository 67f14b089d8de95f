package firehose_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/api/firehose"
	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/wire"
)

// nothing is a source without records, a log that counts, tables with one table, and a store that takes all.
type nothing struct {
	objstore.Store
	mu  sync.Mutex
	put int
}

func (*nothing) Plan(_ context.Context, start batch.Offset, _ batch.Limit) (batch.Offset, error) {
	return start, nil
}
func (*nothing) Read(context.Context, batch.Offset, batch.Offset, func([]batch.Record) error) error {
	return nil
}
func (*nothing) Wait(ctx context.Context, _ batch.Offset) error { <-ctx.Done(); return ctx.Err() }

func (n *nothing) Append(_ context.Context, _ string, records [][]byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.put += len(records)
	return nil
}
func (n *nothing) Source(context.Context, string) (batch.Source, error) { return n, nil }
func (*nothing) Trim(context.Context, string, batch.Offset) error       { return nil }
func (*nothing) Remove(context.Context, string) error                   { return nil }
func (*nothing) Table(_ context.Context, _, name string) (catalog.Table, error) {
	if name != "users" {
		return catalog.Table{}, catalog.ErrNotFound
	}
	return catalog.Table{Name: name, Version: "0", Storage: catalog.Storage{Columns: []catalog.Column{{Name: "a", Type: "int"}}}}, nil
}

func newClient(t *testing.T) (*sdk.Client, *nothing) {
	t.Helper()
	n := &nothing{}
	streams, err := delivery.Open(delivery.Options{Meta: meta.NewMem(), Objects: n, Log: n, Tables: n, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Stream: func(_ context.Context, name string) (batch.Source, error) {
			if name == "missing" {
				return nil, errors.New("stream not found")
			}
			return n, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := wire.NewServer(wire.Options{}, firehose.Service(streams))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(func() {
		front.Close()
		streams.Close()
	})
	return sdk.New(sdk.Options{BaseEndpoint: &front.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RetryMaxAttempts: 1}), n
}

const role = "arn:aws:iam::000000000000:role/firehose"

func parquetStream(name string) *sdk.CreateDeliveryStreamInput {
	return &sdk.CreateDeliveryStreamInput{
		DeliveryStreamName: &name,
		DeliveryStreamType: types.DeliveryStreamTypeKinesisStreamAsSource,
		KinesisStreamSourceConfiguration: &types.KinesisStreamSourceConfiguration{
			KinesisStreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/in"), RoleARN: aws.String(role)},
		ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
			BucketARN: aws.String("arn:aws:s3:::lake"), RoleARN: aws.String(role), Prefix: aws.String("users/"),
			BufferingHints: &types.BufferingHints{SizeInMBs: aws.Int32(64), IntervalInSeconds: aws.Int32(60)},
			DataFormatConversionConfiguration: &types.DataFormatConversionConfiguration{
				InputFormatConfiguration:  &types.InputFormatConfiguration{Deserializer: &types.Deserializer{OpenXJsonSerDe: &types.OpenXJsonSerDe{}}},
				OutputFormatConfiguration: &types.OutputFormatConfiguration{Serializer: &types.Serializer{ParquetSerDe: &types.ParquetSerDe{}}},
				SchemaConfiguration:       &types.SchemaConfiguration{DatabaseName: aws.String("db"), TableName: aws.String("users"), RoleARN: aws.String(role)},
			},
		},
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("data")}},
	}
}

func plainStream(name string) *sdk.CreateDeliveryStreamInput {
	return &sdk.CreateDeliveryStreamInput{DeliveryStreamName: &name, ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
		BucketARN: aws.String("arn:aws:s3:::lake"), RoleARN: aws.String(role)}}
}

func TestListNone(t *testing.T) {
	c, _ := newClient(t)
	out, err := c.ListDeliveryStreams(t.Context(), &sdk.ListDeliveryStreamsInput{})
	if err != nil || out.DeliveryStreamNames == nil || *out.HasMoreDeliveryStreams {
		t.Errorf("an account without delivery streams has the list %#v, %v, not an empty one", out, err)
	}
}

func TestDescribe(t *testing.T) {
	c, _ := newClient(t)
	ctx := t.Context()
	created, err := c.CreateDeliveryStream(ctx, parquetStream("s"))
	if err != nil || *created.DeliveryStreamARN != "arn:aws:firehose:us-east-1:000000000000:deliverystream/s" {
		t.Fatal(created, err)
	}
	d := describe(t, c, "s")
	e := d.Destinations[0].ExtendedS3DestinationDescription
	conv := e.DataFormatConversionConfiguration
	if d.DeliveryStreamStatus != "ACTIVE" || *d.VersionId != "1" || *e.Prefix != "users/" || *e.BufferingHints.SizeInMBs != 64 || e.CompressionFormat != "UNCOMPRESSED" ||
		e.S3BackupMode != "Disabled" || !*conv.Enabled || *conv.SchemaConfiguration.VersionId != "LATEST" || e.EncryptionConfiguration.NoEncryptionConfig != "NoEncryption" ||
		e.ErrorOutputPrefix != nil || conv.OutputFormatConfiguration.Serializer.ParquetSerDe == nil || *d.Source.KinesisStreamSourceDescription.RoleARN != role ||
		time.Since(*d.Source.KinesisStreamSourceDescription.DeliveryStartTimestamp) > time.Minute {
		t.Errorf("described as %+v %+v", d, e)
	}
	update := &sdk.UpdateDestinationInput{DeliveryStreamName: aws.String("s"), CurrentDeliveryStreamVersionId: aws.String("1"), DestinationId: d.Destinations[0].DestinationId,
		ExtendedS3DestinationUpdate: &types.ExtendedS3DestinationUpdate{Prefix: aws.String("new/"),
			DataFormatConversionConfiguration: &types.DataFormatConversionConfiguration{Enabled: aws.Bool(false)}}}
	if _, err := c.UpdateDestination(ctx, update); err != nil {
		t.Fatal(err)
	}
	after := describe(t, c, "s")
	e = after.Destinations[0].ExtendedS3DestinationDescription
	if *after.VersionId != "2" || *e.Prefix != "new/" || *e.DataFormatConversionConfiguration.Enabled || e.DataFormatConversionConfiguration.SchemaConfiguration == nil || after.LastUpdateTimestamp == nil {
		t.Errorf("after update %+v", e)
	}
	_, err = c.UpdateDestination(ctx, update)
	wantError(t, err, "ConcurrentModificationException", "current version id: 2 and specified version id: 1")
	tags, err := c.ListTagsForDeliveryStream(ctx, &sdk.ListTagsForDeliveryStreamInput{DeliveryStreamName: aws.String("s")})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "team" {
		t.Errorf("tags %v %v", tags, err)
	}
	if _, err := c.DeleteDeliveryStream(ctx, &sdk.DeleteDeliveryStreamInput{DeliveryStreamName: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeDeliveryStream(ctx, &sdk.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("s")})
	wantError(t, err, "ResourceNotFoundException", "Firehose s under account 000000000000 not found.")
}

func describe(t *testing.T, c *sdk.Client, name string) *types.DeliveryStreamDescription {
	t.Helper()
	out, err := c.DescribeDeliveryStream(t.Context(), &sdk.DescribeDeliveryStreamInput{DeliveryStreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.DeliveryStreamDescription
}

func wantError(t *testing.T, err error, name, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != name || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error %v, want %s with %q", err, name, text)
	}
}

func TestCreateRefusals(t *testing.T) {
	c, _ := newClient(t)
	for _, r := range []struct {
		name, exception, text string
		change                func(*sdk.CreateDeliveryStreamInput)
	}{
		{"two violations", "ValidationException", "2 validation errors detected: Value 'a b' at 'deliveryStreamName' failed", func(in *sdk.CreateDeliveryStreamInput) {
			in.DeliveryStreamName = aws.String("a b")
			in.ExtendedS3DestinationConfiguration.BufferingHints.IntervalInSeconds = aws.Int32(901)
		}},
		{"missing table", "InvalidArgumentException", "Schema is not found", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.SchemaConfiguration.TableName = aws.String("none")
		}},
		{"small buffer", "InvalidArgumentException", "at least 64", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.BufferingHints.SizeInMBs = aws.Int32(5)
		}},
		{"gzip and parquet", "InvalidArgumentException", "must be UNCOMPRESSED", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.CompressionFormat = types.CompressionFormatGzip
		}},
		{"orc", "InvalidArgumentException", "OrcSerDe is not supported", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.DataFormatConversionConfiguration.OutputFormatConfiguration.Serializer = &types.Serializer{OrcSerDe: &types.OrcSerDe{}}
		}},
		{"expression without error prefix", "InvalidArgumentException", "ErrorOutputPrefix cannot be null", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.Prefix = aws.String("a/!{timestamp:yyyy}/")
		}},
		{"bad pattern", "InvalidArgumentException", "DateTimeFormatter", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.Prefix = aws.String("a/!{timestamp:YYYY}/")
			in.ExtendedS3DestinationConfiguration.ErrorOutputPrefix = aws.String("e/")
		}},
		{"lambda", "InvalidArgumentException", "Processor Lambda is not supported", func(in *sdk.CreateDeliveryStreamInput) {
			in.ExtendedS3DestinationConfiguration.ProcessingConfiguration = &types.ProcessingConfiguration{Enabled: aws.Bool(true), Processors: []types.Processor{{Type: types.ProcessorTypeLambda}}}
		}},
		{"no stream", "InvalidArgumentException", "cannot be read", func(in *sdk.CreateDeliveryStreamInput) {
			in.KinesisStreamSourceConfiguration.KinesisStreamARN = aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/missing")
		}},
		{"no destination", "InvalidArgumentException", "Exactly one destination", func(in *sdk.CreateDeliveryStreamInput) { in.ExtendedS3DestinationConfiguration = nil }},
	} {
		in := parquetStream("s")
		r.change(in)
		_, err := c.CreateDeliveryStream(t.Context(), in)
		wantError(t, err, r.exception, r.text)
	}
	if _, err := c.CreateDeliveryStream(t.Context(), plainStream("s")); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateDeliveryStream(t.Context(), plainStream("s"))
	wantError(t, err, "ResourceInUseException", "already exists")
	out, err := c.ListDeliveryStreams(t.Context(), &sdk.ListDeliveryStreamsInput{DeliveryStreamType: types.DeliveryStreamTypeDirectPut})
	if err != nil || len(out.DeliveryStreamNames) != 1 || *out.HasMoreDeliveryStreams {
		t.Errorf("list %v %v", out, err)
	}
}

func TestPut(t *testing.T) {
	c, n := newClient(t)
	ctx := t.Context()
	c.CreateDeliveryStream(ctx, plainStream("s"))
	c.CreateDeliveryStream(ctx, parquetStream("k"))
	one, err := c.PutRecord(ctx, &sdk.PutRecordInput{DeliveryStreamName: aws.String("s"), Record: &types.Record{Data: []byte("x")}})
	if err != nil || len(*one.RecordId) < 100 {
		t.Fatal(one, err)
	}
	records := make([]types.Record, 500)
	for i := range records {
		records[i].Data = []byte("y")
	}
	many, err := c.PutRecordBatch(ctx, &sdk.PutRecordBatchInput{DeliveryStreamName: aws.String("s"), Records: records})
	if err != nil || len(many.RequestResponses) != 500 || *many.FailedPutCount != 0 || n.put != 501 {
		t.Fatal(many, err, n.put)
	}
	_, err = c.PutRecordBatch(ctx, &sdk.PutRecordBatchInput{DeliveryStreamName: aws.String("s"), Records: append(records, types.Record{Data: []byte{1}})})
	wantError(t, err, "ValidationException", "less than or equal to 500")
	_, err = c.PutRecord(ctx, &sdk.PutRecordInput{DeliveryStreamName: aws.String("s"), Record: &types.Record{Data: make([]byte, 1024001)}})
	wantError(t, err, "ValidationException", "less than or equal to 1024000")
	big := []types.Record{}
	for range 5 {
		big = append(big, types.Record{Data: make([]byte, 1000_000)})
	}
	_, err = c.PutRecordBatch(ctx, &sdk.PutRecordBatchInput{DeliveryStreamName: aws.String("s"), Records: big})
	wantError(t, err, "InvalidArgumentException", "4 MB")
	_, err = c.PutRecord(ctx, &sdk.PutRecordInput{DeliveryStreamName: aws.String("k"), Record: &types.Record{Data: []byte("x")}})
	wantError(t, err, "InvalidSourceException", "not permitted")
	_, err = c.StartDeliveryStreamEncryption(ctx, &sdk.StartDeliveryStreamEncryptionInput{DeliveryStreamName: aws.String("s")})
	wantError(t, err, "InvalidArgumentException", "not supported")
}
