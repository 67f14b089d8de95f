package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwt "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// query runs a statement through Athena and returns its rows without the header.
func (d *demo) query(ctx context.Context, sql string) ([][]string, error) {
	r, err := runAthena(ctx, d.aws.Athena, sql, "s3://"+resultBucket+"/")
	if err != nil {
		return nil, err
	}
	if len(r.Rows) == 0 {
		return nil, fmt.Errorf("no rows from %s", sql)
	}
	return r.text(), nil
}

// ask shows a statement and its answer.
func (d *demo) ask(ctx context.Context, sql string) error {
	began := time.Now()
	r, err := runAthena(ctx, d.aws.Athena, sql, "s3://"+resultBucket+"/")
	if err != nil {
		return err
	}
	d.screen.printf("\n%s\n", d.screen.dim(sql))
	if err := r.print(d.screen.w); err != nil {
		return err
	}
	d.screen.printf("%s\n", d.screen.dim(fmt.Sprintf("%d rows in %d ms, %s bytes scanned", len(r.Rows), time.Since(began).Milliseconds(), count(r.Scanned))))
	return nil
}

// eachObject calls f for every object below prefix.
func (d *demo) eachObject(ctx context.Context, bucket, prefix string, f func(key string, size int64)) error {
	pages := s3.NewListObjectsV2Paginator(d.aws.S3, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", bucket, prefix, err)
		}
		for _, o := range page.Contents {
			f(aws.ToString(o.Key), aws.ToInt64(o.Size))
		}
	}
	return nil
}

// folders prints the first few folders below prefix and how many there are.
func (d *demo) folders(ctx context.Context, bucket, prefix string, show int) error {
	type folder struct {
		files int
		bytes int64
	}
	found := map[string]folder{}
	if err := d.eachObject(ctx, bucket, prefix, func(key string, size int64) {
		f := found[path.Dir(key)]
		found[path.Dir(key)] = folder{f.files + 1, f.bytes + size}
	}); err != nil {
		return err
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	d.screen.printf("\ns3://%s/%s\n", bucket, prefix)
	for i, name := range names {
		if i == show {
			d.screen.printf("  … and %s folders more\n", count(int64(len(names)-show)))
			break
		}
		f := found[name]
		d.screen.printf("  %-58s %3d files %10s bytes\n", strings.TrimPrefix(name+"/", prefix), f.files, count(f.bytes))
	}
	return nil
}

// metricSum is the sum of a metric over the last hours, as CloudWatch tells it.
func (d *demo) metricSum(ctx context.Context, namespace, name, dimension, value string) (float64, error) {
	out, err := d.aws.CloudWatch.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
		Namespace: aws.String(namespace), MetricName: aws.String(name),
		Dimensions: []cwt.Dimension{{Name: aws.String(dimension), Value: aws.String(value)}},
		StartTime:  aws.Time(time.Now().Add(-3 * time.Hour)), EndTime: aws.Time(time.Now().Add(time.Minute)),
		Period: aws.Int32(60), Statistics: []cwt.Statistic{cwt.StatisticSum},
	})
	if err != nil {
		return 0, fmt.Errorf("read metric %s %s: %w", namespace, name, err)
	}
	sum := 0.0
	for _, p := range out.Datapoints {
		sum += aws.ToFloat64(p.Sum)
	}
	return sum, nil
}

// graphs compares CloudWatch's own counts with what was sent: the numbers behind the tutorials' graphs.
func (d *demo) graphs(ctx context.Context) error {
	d.screen.title("3. Monitoring: the same counts, asked of CloudWatch")
	for _, m := range []struct{ namespace, name, dimension, value string }{
		{"AWS/Kinesis", "IncomingRecords", "StreamName", rideStream},
		{"AWS/Kinesis", "IncomingRecords", "StreamName", userStream},
		{"AWS/Firehose", "DeliveryToS3.Records", "DeliveryStreamName", userDelivery},
	} {
		got, err := d.metricSum(ctx, m.namespace, m.name, m.dimension, m.value)
		if err != nil {
			return err
		}
		want := d.sent[rideStream]
		if m.value != rideStream {
			want = d.sent[userStream]
		}
		d.screen.printf("  %-14s %-22s %-22s %s\n", m.namespace, m.name, m.value, count(int64(got)))
		d.check(m.namespace+" "+m.name+" of "+m.value, int64(got), want)
	}
	return nil
}
