package stream

import (
	"slices"
	"time"

	"github.com/weir-data/weir/metrics"
)

const namespace = "AWS/Kinesis"

// ShardMetrics are the names of the shard-level metrics, which are published only where SetMonitoring asks for them.
var ShardMetrics = []string{
	"IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds", "OutgoingBytes", "OutgoingRecords",
	"ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
}

// The place of each name in ShardMetrics.
const (
	shardIncomingBytes = iota
	shardIncomingRecords
	shardIteratorAge
	shardOutgoingBytes
	shardOutgoingRecords
	shardReadExceeded
	shardWriteExceeded
	shardMetricCount
)

func monitoringBits(names []string) (bits uint32) {
	for _, n := range names {
		if i := slices.Index(ShardMetrics, n); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}

// streamSeries are the measured series of one stream.
type streamSeries struct {
	registry      *metrics.Registry
	incomingBytes *metrics.Series
	incoming      *metrics.Series
	writeExceeded *metrics.Series
	readExceeded  *metrics.Series
	calls         map[string]*callSeries // by operation
}

// callSeries are the series of one operation on one stream; those that the operation does not have are nil.
type callSeries struct {
	latency, success, bytes              *metrics.Series
	total, successful, failed, throttled *metrics.Series
	records, age                         *metrics.Series
}

func newStreamSeries(r *metrics.Registry, stream string) streamSeries {
	dim := metrics.Dimension{Name: "StreamName", Value: stream}
	s := streamSeries{
		registry:      r,
		incomingBytes: r.Series(namespace, "IncomingBytes", "Bytes", dim),
		incoming:      r.Series(namespace, "IncomingRecords", "Count", dim),
		writeExceeded: r.Series(namespace, "WriteProvisionedThroughputExceeded", "Count", dim),
		readExceeded:  r.Series(namespace, "ReadProvisionedThroughputExceeded", "Count", dim),
		calls:         map[string]*callSeries{},
	}
	for _, op := range []string{"PutRecord", "PutRecords", "GetRecords"} {
		of := func(name, unit string) *metrics.Series { return r.Series(namespace, op+"."+name, unit, dim) }
		c := &callSeries{latency: of("Latency", "Milliseconds"), success: of("Success", "Count"), bytes: of("Bytes", "Bytes")}
		switch op {
		case "PutRecords":
			c.total, c.successful = of("TotalRecords", "Count"), of("SuccessfulRecords", "Count")
			c.failed, c.throttled = of("FailedRecords", "Count"), of("ThrottledRecords", "Count")
		case "GetRecords":
			c.records, c.age = of("Records", "Count"), of("IteratorAgeMilliseconds", "Milliseconds")
		}
		s.calls[op] = c
	}
	return s
}

func unitOf(metric string) string {
	switch metric {
	case "IncomingBytes", "OutgoingBytes":
		return "Bytes"
	case "IteratorAgeMilliseconds":
		return "Milliseconds"
	}
	return "Count"
}

// observe adds a sample to a shard-level metric if the stream publishes it.
func (sh *shard) observe(metric int, value float64) {
	if sh.stream.monitored.Load()&(1<<metric) == 0 {
		return
	}
	series := sh.series[metric].Load()
	if series == nil {
		name := ShardMetrics[metric]
		series = sh.stream.series.registry.Series(namespace, name, unitOf(name),
			metrics.Dimension{Name: "StreamName", Value: sh.stream.name},
			metrics.Dimension{Name: "ShardId", Value: sh.id})
		sh.series[metric].Store(series)
	}
	series.Observe(value)
}

// measureAppend notes records that became durable, and those that were beyond the limits of their shards.
func (st *streamState) measureAppend(p *placing) {
	records, bytes, throttled := 0, 0, 0
	for _, at := range p.used {
		sh, part := p.layout.open[at], &p.parts[at]
		if n, size := part.size(); n > 0 {
			records, bytes = records+n, bytes+size
			sh.observe(shardIncomingRecords, float64(n))
			sh.observe(shardIncomingBytes, float64(size))
		}
		throttled += int(part.throttled)
		sh.observe(shardWriteExceeded, float64(part.throttled))
	}
	if records > 0 {
		st.series.incoming.Observe(float64(records))
		st.series.incomingBytes.Observe(float64(bytes))
	}
	st.series.writeExceeded.Observe(float64(throttled))
}

// measureThrottled notes records that were refused because the queue is full.
func (st *streamState) measureThrottled(p *placing) {
	records := 0
	for _, at := range p.used {
		n, _ := p.parts[at].size()
		records += n
		p.layout.open[at].observe(shardWriteExceeded, float64(n))
	}
	st.series.writeExceeded.Observe(float64(records))
}

// size is the number of records in a part, and their bytes without overhead.
func (p *part) size() (records, bytes int) {
	return int(p.records), p.bytes - int(p.records)*recordHeaderBytes
}

// Call is what a front door tells of a finished request, for the metrics that only it can measure.
type Call struct {
	Operation string // PutRecord, PutRecords or GetRecords
	Latency   time.Duration
	OK        bool
	Records   int   // that were sent or returned
	Failed    int   // of PutRecords: refused, throttled ones included
	Throttled int   // of PutRecords
	Bytes     int64 // keys and data
	Age       time.Duration
}

// ObserveCall publishes the request metrics of a stream.
func (s *Store) ObserveCall(stream string, c Call) {
	st, err := s.lookup(stream)
	if err != nil {
		return
	}
	m := st.series.calls[c.Operation]
	success := 0.0
	if c.OK {
		success = 1
	}
	m.latency.Observe(float64(c.Latency) / float64(time.Millisecond))
	m.success.Observe(success)
	m.bytes.Observe(float64(c.Bytes))
	m.total.Observe(float64(c.Records))
	m.successful.Observe(float64(c.Records - c.Failed))
	m.failed.Observe(float64(c.Failed))
	m.throttled.Observe(float64(c.Throttled))
	m.records.Observe(float64(c.Records))
	m.age.Observe(float64(c.Age.Milliseconds()))
}

// ObserveRead publishes the shard-level metrics of records that were read.
func (sh Shard) ObserveRead(records int, bytes int64, age time.Duration) {
	sh.observe(shardOutgoingRecords, float64(records))
	sh.observe(shardOutgoingBytes, float64(bytes))
	sh.observe(shardIteratorAge, float64(age.Milliseconds()))
	sh.observe(shardReadExceeded, 0)
	sh.stream.series.readExceeded.Observe(0)
}

// ObserveReadThrottled publishes that a reader was refused because the shard is read as fast as it may be.
func (sh Shard) ObserveReadThrottled() {
	sh.observe(shardReadExceeded, 1)
	sh.stream.series.readExceeded.Observe(1)
	sh.stream.series.calls["GetRecords"].success.Observe(0)
}

// ObservePush publishes the shard-level metrics of records that were sent to a consumer.
func (sh Shard) ObservePush(records int, bytes int64) {
	sh.observe(shardOutgoingRecords, float64(records))
	sh.observe(shardOutgoingBytes, float64(bytes))
}

// ConsumerSeries are the metrics of one consumer of a stream, which only the front door can measure. The zero value
// measures nothing.
type ConsumerSeries struct {
	subscribed, limited               *metrics.Series
	sent, bytes, records, millisLater *metrics.Series
}

// ConsumerSeries returns the metrics of a consumer.
func (s *Store) ConsumerSeries(stream, consumer string) ConsumerSeries {
	of := func(name, unit string) *metrics.Series {
		return s.opts.Metrics.Series(namespace, name, unit,
			metrics.Dimension{Name: "StreamName", Value: stream}, metrics.Dimension{Name: "ConsumerName", Value: consumer})
	}
	return ConsumerSeries{
		subscribed:  of("SubscribeToShard.Success", "Count"),
		limited:     of("SubscribeToShard.RateExceeded", "Count"),
		sent:        of("SubscribeToShardEvent.Success", "Count"),
		bytes:       of("SubscribeToShardEvent.Bytes", "Bytes"),
		records:     of("SubscribeToShardEvent.Records", "Count"),
		millisLater: of("SubscribeToShardEvent.MillisBehindLatest", "Milliseconds"),
	}
}

// ObserveSubscribe notes a call of SubscribeToShard: whether it succeeded, and whether it was one too many.
func (c ConsumerSeries) ObserveSubscribe(ok, limited bool) {
	c.subscribed.Observe(oneIf(ok))
	c.limited.Observe(oneIf(limited))
}

// ObserveEvent notes an event, and whether it could be sent.
func (c ConsumerSeries) ObserveEvent(records int, bytes int64, behind time.Duration, ok bool) {
	c.sent.Observe(oneIf(ok))
	if !ok {
		return
	}
	c.bytes.Observe(float64(bytes))
	c.records.Observe(float64(records))
	c.millisLater.Observe(float64(behind.Milliseconds()))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
