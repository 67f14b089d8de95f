package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	ft "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gt "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-data/weir/produce"
)

const (
	userStream   = "r-d-kinesis-stream"
	userDelivery = "r-d-firehose-stream"
	userBucket   = "r-d-data-lake"
	userDatabase = "r_d_database"
	userTable    = "users"
	userRole     = "r-d-firehose-role"
)

// users is the second tutorial: generated people go through Firehose into Parquet files that Athena queries.
func (d *demo) users(ctx context.Context) error {
	d.screen.title("2. Users: Kinesis stream → Firehose (JSON to Parquet) → S3 → Glue → Athena")
	if err := d.provisionUsers(ctx); err != nil {
		return err
	}
	sent, err := d.produce(ctx, userStream, produce.NewUsers(2, d.cmd.Users, time.Now), demoRate(d.cmd.Users, demoSeconds/2))
	if err != nil {
		return err
	}
	if err := d.awaitDelivery(ctx, sent); err != nil {
		return err
	}
	if err := d.crawlUsers(ctx); err != nil {
		return err
	}
	rows, err := d.query(ctx, "SELECT count(*), count(DISTINCT uuid) FROM "+userDatabase+"."+userTable)
	if err != nil {
		return err
	}
	d.check("users sent = rows of the Parquet files", rows[0][0], sent)
	d.check("users sent = distinct uuids (none twice)", rows[0][1], sent)
	if err := d.folders(ctx, userBucket, "users/", 6); err != nil {
		return err
	}
	return d.ask(ctx, `SELECT status, count(*) AS people, min(name) AS first, max(event_date) AS latest
FROM r_d_database.users GROUP BY status ORDER BY people DESC`)
}

func (d *demo) provisionUsers(ctx context.Context) error {
	if _, err := d.aws.Kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(userStream), ShardCount: aws.Int32(1)}); err != nil {
		return fmt.Errorf("create stream %s: %w", userStream, err)
	}
	if _, err := d.aws.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(userBucket)}); err != nil {
		return fmt.Errorf("create bucket %s: %w", userBucket, err)
	}
	role, err := d.aws.IAM.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName:                 aws.String(userRole),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"firehose.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
	})
	if err != nil {
		return fmt.Errorf("create role %s: %w", userRole, err)
	}
	if _, err := d.aws.Glue.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &gt.DatabaseInput{Name: aws.String(userDatabase)}}); err != nil {
		return fmt.Errorf("create database %s: %w", userDatabase, err)
	}
	if _, err := d.aws.Glue.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String(userDatabase), TableInput: userTableInput()}); err != nil {
		return fmt.Errorf("create table %s: %w", userTable, err)
	}
	stream, err := d.aws.Kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(userStream)})
	if err != nil {
		return fmt.Errorf("describe stream %s: %w", userStream, err)
	}
	if _, err := d.aws.Firehose.CreateDeliveryStream(ctx, userDeliveryInput(aws.ToString(role.Role.Arn), aws.ToString(stream.StreamDescriptionSummary.StreamARN))); err != nil {
		return fmt.Errorf("create delivery stream %s: %w", userDelivery, err)
	}
	d.screen.printf("stream %s, bucket %s, role %s, table %s.%s and delivery stream %s\n",
		userStream, userBucket, userRole, userDatabase, userTable, userDelivery)
	return nil
}

// userTableInput is the table whose columns Firehose converts to.
func userTableInput() *gt.TableInput {
	var columns []gt.Column
	for _, c := range [][2]string{{"uuid", "string"}, {"event_date", "string"}, {"status", "string"}, {"name", "string"},
		{"last_name", "string"}, {"email", "string"}, {"phone", "bigint"}} {
		columns = append(columns, gt.Column{Name: aws.String(c[0]), Type: aws.String(c[1])})
	}
	return &gt.TableInput{
		Name:       aws.String(userTable),
		TableType:  aws.String("EXTERNAL_TABLE"),
		Parameters: map[string]string{"classification": "parquet", "EXTERNAL": "TRUE"},
		StorageDescriptor: &gt.StorageDescriptor{
			Columns:      columns,
			Location:     aws.String("s3://" + userBucket + "/users/"),
			InputFormat:  aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"),
			OutputFormat: aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"),
			SerdeInfo:    &gt.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")},
		},
	}
}

// userDeliveryInput converts to Parquet, buffers for one second only, and puts failures aside.
func userDeliveryInput(role, stream string) *firehose.CreateDeliveryStreamInput {
	return &firehose.CreateDeliveryStreamInput{
		DeliveryStreamName:               aws.String(userDelivery),
		DeliveryStreamType:               ft.DeliveryStreamTypeKinesisStreamAsSource,
		KinesisStreamSourceConfiguration: &ft.KinesisStreamSourceConfiguration{KinesisStreamARN: aws.String(stream), RoleARN: aws.String(role)},
		ExtendedS3DestinationConfiguration: &ft.ExtendedS3DestinationConfiguration{
			BucketARN:         aws.String("arn:aws:s3:::" + userBucket),
			RoleARN:           aws.String(role),
			Prefix:            aws.String("users/"),
			ErrorOutputPrefix: aws.String("errors/"),
			BufferingHints:    &ft.BufferingHints{IntervalInSeconds: aws.Int32(1), SizeInMBs: aws.Int32(64)},
			DataFormatConversionConfiguration: &ft.DataFormatConversionConfiguration{
				Enabled:                   aws.Bool(true),
				InputFormatConfiguration:  &ft.InputFormatConfiguration{Deserializer: &ft.Deserializer{OpenXJsonSerDe: &ft.OpenXJsonSerDe{}}},
				OutputFormatConfiguration: &ft.OutputFormatConfiguration{Serializer: &ft.Serializer{ParquetSerDe: &ft.ParquetSerDe{}}},
				SchemaConfiguration: &ft.SchemaConfiguration{
					RoleARN: aws.String(role), DatabaseName: aws.String(userDatabase), TableName: aws.String(userTable), Region: aws.String("us-east-1"),
				},
			},
		},
	}
}

// awaitDelivery waits until Firehose's own metric says that all records are in S3.
func (d *demo) awaitDelivery(ctx context.Context, sent int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		n, err := d.metricSum(ctx, "AWS/Firehose", "DeliveryToS3.Records", "DeliveryStreamName", userDelivery)
		if err != nil {
			return err
		}
		if int64(n) >= sent {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("delivery stream %s put %d of %d records into S3 within a minute", userDelivery, int64(n), sent)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// crawlUsers lets a crawler find the year/month/day/hour folders, as the tutorial's schema was found "automatically".
func (d *demo) crawlUsers(ctx context.Context) error {
	const name = "r-d-crawler"
	if _, err := d.aws.Glue.CreateCrawler(ctx, &glue.CreateCrawlerInput{
		Name: aws.String(name), Role: aws.String(userRole), DatabaseName: aws.String(userDatabase), TablePrefix: aws.String("found_"),
		Targets: &gt.CrawlerTargets{S3Targets: []gt.S3Target{{Path: aws.String("s3://" + userBucket + "/users/")}}},
	}); err != nil {
		return fmt.Errorf("create crawler: %w", err)
	}
	if _, err := d.aws.Glue.StartCrawler(ctx, &glue.StartCrawlerInput{Name: aws.String(name)}); err != nil {
		return fmt.Errorf("start crawler: %w", err)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		out, err := d.aws.Glue.GetCrawler(ctx, &glue.GetCrawlerInput{Name: aws.String(name)})
		if err != nil {
			return fmt.Errorf("look at crawler: %w", err)
		}
		if out.Crawler.State == gt.CrawlerStateReady && out.Crawler.LastCrawl != nil {
			if out.Crawler.LastCrawl.Status != gt.LastCrawlStatusSucceeded {
				return fmt.Errorf("crawler: %s", aws.ToString(out.Crawler.LastCrawl.ErrorMessage))
			}
			break
		}
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("crawler is still %s after 30 s", out.Crawler.State)
		}
	}
	table, err := d.aws.Glue.GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String(userDatabase), Name: aws.String("found_users")})
	if err != nil {
		return fmt.Errorf("the crawler's table: %w", err)
	}
	var columns []string
	for _, c := range table.Table.StorageDescriptor.Columns {
		columns = append(columns, aws.ToString(c.Name)+" "+aws.ToString(c.Type))
	}
	d.screen.printf("a crawler found the schema by itself: %s\n", strings.Join(columns, ", "))
	return d.compareFound(ctx)
}

// compareFound checks that the crawler's table has the rows of the one that was defined by hand.
func (d *demo) compareFound(ctx context.Context) error {
	rows, err := d.query(ctx, "SELECT (SELECT count(*) FROM r_d_database.found_users), (SELECT count(*) FROM r_d_database.users)")
	if err != nil {
		return err
	}
	want, err := strconv.ParseInt(rows[0][1], 10, 64)
	if err != nil {
		return err
	}
	d.check("rows of the crawler's table = rows of the defined one", rows[0][0], want)
	return nil
}
