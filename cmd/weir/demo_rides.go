package main

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-data/weir/examples"
)

const (
	rideStream = "input-stream"
	rideBucket = "lake"
	rideTable  = "lake.rides"

	resultBucket = "athena-results"
)

// rides is the first tutorial: a stream of taxi rides becomes a Delta table partitioned by hour.
func (d *demo) rides(ctx context.Context) error {
	d.screen.title("1. Taxi rides: Kinesis stream → micro-batches → Delta table → SQL")
	if err := d.provisionRides(ctx); err != nil {
		return err
	}
	src, rate, err := rideSource(d.cmd)
	if err != nil {
		return err
	}
	run, err := d.runPipeline(ctx, examples.RidesPipeline, 2, 5)
	if err != nil {
		return err
	}
	defer run.cancel()
	sent, err := d.produce(ctx, rideStream, src, rate)
	if err != nil {
		return err
	}
	if err := run.drain(ctx, sent); err != nil {
		return err
	}
	d.screen.printf("the pipeline committed %s records in %d micro-batches, %s dead letters\n", count(run.records.Load()), run.batches.Load(), count(run.dead.Load()))
	claimed := sent
	if d.cmd.LoseOne {
		claimed++
	}
	if err := d.countRides(ctx, claimed); err != nil {
		return err
	}
	if err := d.folders(ctx, rideBucket, "rides/", 4); err != nil {
		return err
	}
	return d.ask(ctx, `SELECT hour, count(*) AS rides, round(avg(trip_distance), 2) AS miles, round(avg(total_amount), 2) AS dollars,
       round(sum(tip_amount) * 100 / sum(fare_amount), 1) AS tip_percent
FROM lake.rides WHERE fare_amount > 0 GROUP BY hour ORDER BY hour LIMIT 24`)
}

func (d *demo) provisionRides(ctx context.Context) error {
	if _, err := d.aws.Kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName:        aws.String(rideStream),
		StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
	}); err != nil {
		return fmt.Errorf("create stream %s: %w", rideStream, err)
	}
	wait := kinesis.NewStreamExistsWaiter(d.aws.Kinesis)
	if err := wait.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(rideStream)}, 30*time.Second); err != nil {
		return fmt.Errorf("wait for stream %s: %w", rideStream, err)
	}
	for _, bucket := range []string{rideBucket, resultBucket} {
		if _, err := d.aws.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			return fmt.Errorf("create bucket %s: %w", bucket, err)
		}
	}
	d.screen.printf("stream %s is ACTIVE (on-demand, 4 shards); bucket %s; pipeline examples/rides/rides.yaml\n", rideStream, rideBucket)
	return nil
}

// countRides compares the table with what was sent, through Athena.
func (d *demo) countRides(ctx context.Context, sent int64) error {
	rows, err := d.query(ctx, "SELECT count(*), count(DISTINCT year*1000000+month*10000+day*100+hour) FROM "+rideTable)
	if err != nil {
		return err
	}
	d.check("rides sent = rows of the Delta table", rows[0][0], sent)
	hours, err := strconv.Atoi(rows[0][1])
	if err != nil {
		return err
	}
	folders, err := d.leafFolders(ctx, rideBucket, "rides/")
	if err != nil {
		return err
	}
	d.check("distinct pick-up hours = hour folders in S3", folders, hours)
	rows, err = d.query(ctx, "SELECT count(*) FROM "+rideTable+" WHERE year <> year(tpep_pickup_datetime) OR month <> month(tpep_pickup_datetime)"+
		" OR day <> day(tpep_pickup_datetime) OR hour <> hour(tpep_pickup_datetime)")
	if err != nil {
		return err
	}
	d.check("rows in a folder of another hour", rows[0][0], 0)
	return nil
}

// leafFolders counts the folders below prefix that hold Parquet files.
func (d *demo) leafFolders(ctx context.Context, bucket, prefix string) (int, error) {
	seen := map[string]bool{}
	err := d.eachObject(ctx, bucket, prefix, func(key string, size int64) {
		if strings.HasSuffix(key, ".parquet") {
			seen[path.Dir(key)] = true
		}
	})
	return len(seen), err
}
