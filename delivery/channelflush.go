package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/objstore"
)

// channelFlush carries out one plan of a channel: one object of the records that fit, and, in a second pass, one of the
// others. A pass that is repeated writes the same bytes under the same name.
type channelFlush struct{ job }

func deliverToChannel(ctx context.Context, j job, m *channelMeters) error {
	j.info.Channel = j.plan.Channel // as it was then
	f := channelFlush{j}
	done, err := f.run(ctx)
	m.freshness.Observe(max(j.streams.opts.Now().Sub(j.plan.Instant), 0).Seconds())
	if err == nil {
		m.delivered(j.plan, done)
	}
	return err
}

// outcome is what became of a plan's records.
type outcome struct {
	failed  volume
	objects int
	stored  int64 // bytes
}

func (f *channelFlush) run(ctx context.Context) (outcome, error) {
	done, err := f.deliverGood(ctx)
	if err == nil && done.failed.records > 0 {
		err = f.deliverBad(ctx)
	}
	return done, err
}

// deliverGood writes the records that fit; the object begins with the first of them, so that none is written for none.
func (f *channelFlush) deliverGood(ctx context.Context) (done outcome, err error) {
	var out *object
	format := f.info.Channel.Format
	err = f.each(ctx, func(r batch.Record) (err error) {
		if format.flaw(r.Data) != "" {
			done.failed.records++
			done.failed.bytes += int64(len(r.Data))
			return nil
		}
		if out == nil {
			if out, err = f.create(ctx); err != nil {
				return err
			}
		}
		if _, err := out.Write(r.Data); err != nil || format == FormatBytes {
			return err
		}
		_, err = out.Write(newline)
		return err
	})
	if out == nil {
		return done, err
	}
	if err := out.close(err); err != nil {
		return done, err
	}
	done.objects, done.stored = 1, out.size
	return done, nil
}

var newline = []byte("\n")

// create begins the object of the records that fit.
func (f *channelFlush) create(ctx context.Context) (*object, error) {
	name, err := f.info.channelKey(f.plan.Instant)
	if err != nil {
		return nil, fmt.Errorf("name of an object: %w", err)
	}
	key := name.with(objectID(f.info.ID, f.plan.Number, roleData))
	c := f.info.Channel
	return f.put(ctx, c.Bucket, key, packers[c.Compression], objstore.PutOptions{
		ContentType: "application/octet-stream", StorageClass: c.StorageClass,
	})
}

// flaw says why data does not have the format; empty if it does.
func (f Format) flaw(data []byte) string {
	switch {
	case f == FormatBytes:
		return ""
	case !utf8.Valid(data):
		return "the record is not valid UTF-8"
	case f == FormatJSON && !json.Valid(data):
		return "the record is not a valid JSON payload"
	}
	return ""
}

func (c *Channel) deadBucket() string {
	if c.DeadBucket != "" {
		return c.DeadBucket
	}
	return c.Bucket
}

// DeadFolder is the prefix of a channel's error objects.
func (i *Info) DeadFolder() string {
	if p := i.Channel.DeadPrefix; p != "" {
		return p
	}
	return "kinesis-channel/errors/" + i.Name + "/" + i.ID + "/"
}

// deadRecord is a line of an error object. AWS writes where the record was and why it failed; we write its bytes too, so
// that it can be replayed. Times are milliseconds since the epoch.
type deadRecord struct {
	ChannelName    string `json:"channelName"`
	ChannelID      string `json:"channelId"`
	StreamName     string `json:"streamName"`
	ShardID        string `json:"shardId"`
	SequenceNumber string `json:"sequenceNumber"`
	PartitionKey   string `json:"partitionKey"`
	Arrival        int64  `json:"approximateArrivalTimestamp"`
	ErrorCode      string `json:"errorCode"`
	ErrorMessage   string `json:"errorMessage"`
	RawData        []byte `json:"rawData"`
}

// deliverBad writes the records that do not fit, each as a line, under the error prefix.
func (f *channelFlush) deliverBad(ctx context.Context) error {
	folder, id := f.info.DeadFolder(), objectID(f.info.ID, f.plan.Number, roleFailed)
	if !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	hour := f.plan.Instant.UTC().Format("2006/01/02/15/")
	out, err := f.put(ctx, f.info.Channel.deadBucket(), folder+hour+f.info.Name+"-"+id+".json", packer{}, objstore.PutOptions{ContentType: "application/json"})
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err = f.each(ctx, func(r batch.Record) error {
		flaw := f.info.Channel.Format.flaw(r.Data)
		if flaw == "" {
			return nil
		}
		return enc.Encode(deadRecord{
			ChannelName: f.info.Name, ChannelID: f.info.ID, StreamName: f.info.Source,
			ShardID: r.Shard, SequenceNumber: r.SequenceNumber(), PartitionKey: string(r.Key), Arrival: r.Arrival.UnixMilli(),
			ErrorCode: "InvalidRecordFormat", ErrorMessage: flaw, RawData: r.Data,
		})
	})
	return out.close(err)
}

// channelMeters are the series of one channel, under CloudWatch's names for AWS/Kinesis.
type channelMeters struct {
	freshness, bytesIn, bytesProcessed, bytesOut *metrics.Series
	records, good, bad, success, dead            *metrics.Series
}

func newChannelMeters(r *metrics.Registry, info Info) *channelMeters {
	series := func(name, unit string) *metrics.Series {
		return r.Series("AWS/Kinesis", "DeliveryToS3."+name, unit, metrics.Dimension{Name: "ChannelId", Value: info.ID},
			metrics.Dimension{Name: "ChannelName", Value: info.Name}, metrics.Dimension{Name: "StreamName", Value: info.Source})
	}
	return &channelMeters{
		freshness: series("DataFreshness", "Seconds"),
		bytesIn:   series("BytesIn", "Bytes"), bytesProcessed: series("BytesProcessed", "Bytes"), bytesOut: series("BytesOut", "Bytes"),
		records: series("RecordCount", "Count"), good: series("SuccessfulRecordCount", "Count"), bad: series("FailedRecordCount", "Count"),
		success: series("DeliverySuccess", "Count"), dead: series("DLQDeliverySuccess", "Count"),
	}
}

func (m *channelMeters) read(records, bytes int64) {
	m.records.Observe(float64(records))
	m.bytesIn.Observe(float64(bytes))
}

func (m *channelMeters) incoming(int, int64) {} // there are none

func (m *channelMeters) behind(time.Duration) {} // AWS has no such metric of channels

func (m *channelMeters) failed() { m.success.Observe(0) }

func (m *channelMeters) delivered(p *plan, done outcome) {
	m.bytesProcessed.Observe(float64(p.Bytes))
	m.bytesOut.Observe(float64(done.stored))
	m.good.Observe(float64(p.Records - done.failed.records))
	m.bad.Observe(float64(done.failed.records))
	if done.objects > 0 {
		m.success.Observe(float64(done.objects))
	}
	if done.failed.records > 0 {
		m.dead.Observe(float64(done.failed.records))
	}
}
