package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/awskinesis"
	batchdelta "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/files"
	"github.com/weir-data/weir/batch/kafka"
	"github.com/weir-data/weir/batch/parquet"
	"github.com/weir-data/weir/batch/tostream"
	"github.com/weir-data/weir/batch/webhook"
	"github.com/weir-data/weir/objstore"
)

// open makes the source that s describes.
func (b backends) open(ctx context.Context, s *batch.SourceSpec) (batch.Source, error) {
	switch s.Kind {
	case batch.StreamSource:
		return b.source(s.Stream), nil
	case batch.KinesisSource:
		return kinesisSource(ctx, s)
	case batch.KafkaSource:
		return kafka.Open(s.Location())
	case batch.FileSource:
		return b.files(s)
	}
	return nil, fmt.Errorf("source %s: sources of kind %s are not supported", s.Name, s.Kind)
}

// kinesisSource reads a stream of any Kinesis endpoint, with the credentials of the environment; by enhanced fan-out if it has a consumer.
func kinesisSource(ctx context.Context, s *batch.SourceSpec) (batch.Source, error) {
	cl, err := newClients(ctx, s.Settings["endpoint"])
	if err != nil {
		return nil, err
	}
	client := kinesis.NewFromConfig(cl.Config, func(o *kinesis.Options) {
		if region := s.Settings["region"]; region != "" {
			o.Region = region
		}
	})
	if consumer := s.Settings["consumer"]; consumer != "" {
		return awskinesis.NewFanOut(client, s.Stream, consumer, awskinesis.Options{}), nil
	}
	return awskinesis.New(client, s.Stream, awskinesis.Options{}), nil
}

// files reads what appears in a bucket or in a folder of this machine. Formats with blocks of their own, and JSON over several lines, have
// a record for each file.
func (b backends) files(s *batch.SourceSpec) (batch.Source, error) {
	format := s.Format
	opts := files.Options{
		Whole:  format.Name == "avro" || format.Name == "binary" || format.Options["multiLine"] == "true" || format.Options["wholetext"] == "true",
		Header: format.Name == "csv" && format.Options["header"] == "true", FilesMax: s.FilesMax,
	}
	if dir := strings.TrimPrefix(s.Stream, "file://"); !strings.Contains(dir, "://") {
		return files.InFolder(dir, opts)
	}
	bucket, prefix, err := objstore.ParseURL(s.Stream)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return files.InBucket(b.objects, bucket, prefix, opts), nil
}

// newSink makes the sink that s describes.
func newSink(s *batch.SinkSpec, b backends, db *duckdb.DB) (batch.Sink, error) {
	switch s.Kind {
	case batch.DeltaSink:
		return deltaSink(s, b, db)
	case batch.ParquetSink:
		return parquet.New(parquet.Options{
			Store: b.objects, Location: s.Location, PartitionBy: s.PartitionBy, Compression: s.Compression, Staging: batchdelta.StagingDir(b.objects),
		})
	case batch.StreamSink:
		return tostream.New(tostream.Options{Stream: b.target(s.Location), Name: s.Location, KeyColumn: s.PartitionKey}), nil
	case batch.WebhookSink:
		return webhook.New(webhook.Options{URL: s.Location, Headers: s.Headers})
	case batch.ConsoleSink:
		return &batch.ConsolePrinter{W: cmp.Or[io.Writer](b.console, os.Stdout), NumRows: s.Rows}, nil
	case batch.DiscardSink:
		return batch.Discard{}, nil
	}
	return nil, fmt.Errorf("sinks of kind %s are not supported", s.Kind)
}

func deltaSink(s *batch.SinkSpec, b backends, db *duckdb.DB) (batch.Sink, error) {
	fault, err := faultPoint()
	if err != nil {
		return nil, err
	}
	return batchdelta.New(batchdelta.Options{
		Store: b.objects, Location: s.Location, PartitionBy: s.PartitionBy, Compression: s.Compression,
		Catalog: b.catalog, Database: s.Database, Table: s.Table, DB: db, Compact: s.Compact, Vectors: s.Vectors, Fault: fault,
	})
}
