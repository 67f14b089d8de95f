package delivery

import (
	"time"

	"github.com/weir-data/weir/metrics"
)

// meters are the series of one delivery stream, under CloudWatch's names for AWS/Firehose.
type meters struct {
	incomingRecords, incomingBytes                   *metrics.Series
	readRecords, readBytes, millisBehind             *metrics.Series
	s3Success, s3Records, s3Bytes                    *metrics.Series
	s3Freshness, s3Objects                           *metrics.Series
	succeedConversionRecords, succeedConversionBytes *metrics.Series
	failedConversionRecords, failedConversionBytes   *metrics.Series
}

func newMeters(r *metrics.Registry, stream string) *meters {
	series := func(name, unit string) *metrics.Series {
		return r.Series("AWS/Firehose", name, unit, metrics.Dimension{Name: "DeliveryStreamName", Value: stream})
	}
	return &meters{
		incomingRecords: series("IncomingRecords", "Count"), incomingBytes: series("IncomingBytes", "Bytes"),
		readRecords: series("DataReadFromKinesisStream.Records", "Count"), readBytes: series("DataReadFromKinesisStream.Bytes", "Bytes"),
		millisBehind: series("KinesisMillisBehindLatest", "Milliseconds"),
		s3Success:    series("DeliveryToS3.Success", "Count"), s3Records: series("DeliveryToS3.Records", "Count"), s3Bytes: series("DeliveryToS3.Bytes", "Bytes"),
		s3Freshness: series("DeliveryToS3.DataFreshness", "Seconds"), s3Objects: series("DeliveryToS3.ObjectCount", "Count"),
		succeedConversionRecords: series("SucceedConversion.Records", "Count"), succeedConversionBytes: series("SucceedConversion.Bytes", "Bytes"),
		failedConversionRecords: series("FailedConversion.Records", "Count"), failedConversionBytes: series("FailedConversion.Bytes", "Bytes"),
	}
}

func (m *meters) incoming(records int, bytes int64) {
	m.incomingRecords.Observe(float64(records))
	m.incomingBytes.Observe(float64(bytes))
}

// read counts what came from a Kinesis stream; as on AWS that is incoming too.
func (m *meters) read(records, bytes int64) {
	m.incoming(int(records), bytes)
	m.readRecords.Observe(float64(records))
	m.readBytes.Observe(float64(bytes))
}

func (m *meters) behind(d time.Duration) {
	m.millisBehind.Observe(float64(max(d, 0).Milliseconds()))
}

func (m *meters) delivered(v volume, age time.Duration) {
	m.s3Success.Observe(1)
	m.s3Objects.Observe(1)
	m.s3Records.Observe(float64(v.records))
	m.s3Bytes.Observe(float64(v.bytes))
	m.s3Freshness.Observe(max(age, 0).Seconds())
}

func (m *meters) failed() { m.s3Success.Observe(0) }

func (m *meters) converted(good, failed volume) {
	m.succeedConversionRecords.Observe(float64(good.records))
	m.succeedConversionBytes.Observe(float64(good.bytes))
	if failed.records > 0 {
		m.failedConversionRecords.Observe(float64(failed.records))
		m.failedConversionBytes.Observe(float64(failed.bytes))
	}
}
