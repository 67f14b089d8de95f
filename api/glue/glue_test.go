package glue_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	smithy "github.com/aws/smithy-go"

	"github.com/weir-data/weir/api/glue"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/crawler"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/wire"
)

type server struct {
	*sdk.Client
	objects objstore.Store
	runner  *crawler.Runner
}

func newServer(t *testing.T) *server {
	m := meta.NewMem()
	t.Cleanup(func() { m.Close() })
	store, err := catalog.New(m, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	objects := mem.New(nil)
	if err := objects.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	runner := crawler.New(store, objects, crawler.Options{})
	t.Cleanup(func() { runner.Close() })
	front, err := wire.NewServer(wire.Options{}, glue.Service(store, runner))
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(front)
	t.Cleanup(h.Close)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})
	return &server{sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &h.URL, Credentials: credentials}), objects, runner}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// expect checks the exception's name and a part of its message: "EntityNotFoundException: Entity Not Found".
func expect[T any](t *testing.T, want string) func(T, error) {
	return func(_ T, err error) {
		t.Helper()
		name, message, _ := strings.Cut(want, ": ")
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != name || !strings.Contains(e.ErrorMessage(), message) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func (s *server) withTables(t *testing.T, n int) {
	t.Helper()
	must[*sdk.CreateDatabaseOutput](t)(s.CreateDatabase(t.Context(), &sdk.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String("Lake")}}))
	for i := range n {
		must[*sdk.CreateTableOutput](t)(s.CreateTable(t.Context(), &sdk.CreateTableInput{DatabaseName: aws.String("lake"), TableInput: &types.TableInput{
			Name: aws.String(fmt.Sprintf("T%d", i)), PartitionKeys: []types.Column{{Name: aws.String("k"), Type: aws.String("int")}}}}))
	}
}

func TestErrors(t *testing.T) {
	s := newServer(t)
	s.withTables(t, 1)
	ctx := t.Context()
	lake, t0, none := aws.String("lake"), aws.String("t0"), aws.String("none")
	expect[*sdk.CreateDatabaseOutput](t, "AlreadyExistsException: Database already exists.")(s.CreateDatabase(ctx, &sdk.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: lake}}))
	expect[*sdk.GetDatabaseOutput](t, "EntityNotFoundException: Database none not found.")(s.GetDatabase(ctx, &sdk.GetDatabaseInput{Name: none}))
	expect[*sdk.GetDatabaseOutput](t, "EntityNotFoundException: Catalog 123456789012 not found.")(s.GetDatabase(ctx, &sdk.GetDatabaseInput{Name: lake, CatalogId: aws.String("123456789012")}))
	expect[*sdk.CreateTableOutput](t, "AlreadyExistsException: Table already exists.")(s.CreateTable(ctx, &sdk.CreateTableInput{DatabaseName: lake, TableInput: &types.TableInput{Name: t0}}))
	expect[*sdk.CreateTableOutput](t, "InvalidInputException: TransactionId is not supported.")(s.CreateTable(ctx, &sdk.CreateTableInput{DatabaseName: lake, TransactionId: none, TableInput: &types.TableInput{Name: t0}}))
	expect[*sdk.GetTableOutput](t, "EntityNotFoundException: Entity Not Found")(s.GetTable(ctx, &sdk.GetTableInput{DatabaseName: lake, Name: none}))
	expect[*sdk.GetTableOutput](t, "EntityNotFoundException: Database none not found.")(s.GetTable(ctx, &sdk.GetTableInput{DatabaseName: none, Name: none}))
	expect[*sdk.DeleteTableOutput](t, "EntityNotFoundException: Table none not found.")(s.DeleteTable(ctx, &sdk.DeleteTableInput{DatabaseName: lake, Name: none}))
	expect[*sdk.UpdateTableOutput](t, "ConcurrentModificationException: ")(s.UpdateTable(ctx, &sdk.UpdateTableInput{DatabaseName: lake, VersionId: aws.String("9"), TableInput: &types.TableInput{Name: t0}}))
	expect[*sdk.GetTablesOutput](t, "InvalidInputException: Invalid expression")(s.GetTables(ctx, &sdk.GetTablesInput{DatabaseName: lake, Expression: aws.String("(")}))
	expect[*sdk.GetTablesOutput](t, "InvalidInputException: Invalid token")(s.GetTables(ctx, &sdk.GetTablesInput{DatabaseName: lake, NextToken: aws.String("!")}))
	expect[*sdk.GetTablesOutput](t, "ValidationException: 'maxResults'")(s.GetTables(ctx, &sdk.GetTablesInput{DatabaseName: lake, MaxResults: aws.Int32(101)}))
	expect[*sdk.GetPartitionsOutput](t, "InvalidInputException: Unknown column 'x'")(s.GetPartitions(ctx, &sdk.GetPartitionsInput{DatabaseName: lake, TableName: t0, Expression: aws.String("x = 1")}))
	expect[*sdk.GetPartitionsOutput](t, "InvalidInputException: Segment number")(s.GetPartitions(ctx, &sdk.GetPartitionsInput{DatabaseName: lake, TableName: t0, Segment: &types.Segment{SegmentNumber: 2, TotalSegments: aws.Int32(2)}}))
	expect[*sdk.GetPartitionOutput](t, "EntityNotFoundException: Cannot find partition.")(s.GetPartition(ctx, &sdk.GetPartitionInput{DatabaseName: lake, TableName: t0, PartitionValues: []string{"1"}}))
	expect[*sdk.CreatePartitionOutput](t, "InvalidInputException: number of partition keys")(s.CreatePartition(ctx, &sdk.CreatePartitionInput{DatabaseName: lake, TableName: t0, PartitionInput: &types.PartitionInput{Values: []string{"1", "2"}}}))
	expect[*sdk.BatchCreatePartitionOutput](t, "ValidationException: 'partitionInputList'")(s.BatchCreatePartition(ctx, &sdk.BatchCreatePartitionInput{DatabaseName: lake, TableName: t0, PartitionInputList: make([]types.PartitionInput, 101)}))
	expect[*sdk.GetCrawlerOutput](t, "EntityNotFoundException: Crawler entry with name none does not exist")(s.GetCrawler(ctx, &sdk.GetCrawlerInput{Name: none}))
	expect[*sdk.StartCrawlerOutput](t, "EntityNotFoundException: ")(s.StartCrawler(ctx, &sdk.StartCrawlerInput{Name: none}))
	expect[*sdk.GetTagsOutput](t, "InvalidInputException: Invalid resource ARN")(s.GetTags(ctx, &sdk.GetTagsInput{ResourceArn: none}))
	expect[*sdk.GetTagsOutput](t, "EntityNotFoundException: ")(s.GetTags(ctx, &sdk.GetTagsInput{ResourceArn: aws.String("arn:aws:glue:us-east-1:000000000000:crawler/none")}))
	bad := func(change func(*sdk.CreateCrawlerInput)) (*sdk.CreateCrawlerOutput, error) {
		in := &sdk.CreateCrawlerInput{Name: aws.String("c"), Role: aws.String("r"), DatabaseName: lake,
			Targets: &types.CrawlerTargets{S3Targets: []types.S3Target{{Path: aws.String("s3://lake/x")}}}}
		change(in)
		return s.CreateCrawler(ctx, in)
	}
	for want, change := range map[string]func(*sdk.CreateCrawlerInput){
		"EntityNotFoundException: Classifier":        func(in *sdk.CreateCrawlerInput) { in.Classifiers = []string{"x"} },
		"InvalidInputException: A JDBC target":       func(in *sdk.CreateCrawlerInput) { in.Targets.JdbcTargets = []types.JdbcTarget{{}} },
		"InvalidInputException: not of the form s3":  func(in *sdk.CreateCrawlerInput) { in.Targets.S3Targets[0].Path = aws.String("/etc") },
		"InvalidInputException: At least one":        func(in *sdk.CreateCrawlerInput) { in.Targets.S3Targets = nil },
		"InvalidInputException: schedule expression": func(in *sdk.CreateCrawlerInput) { in.Schedule = aws.String("rate(1 day)") },
		"InvalidInputException: Configuration":       func(in *sdk.CreateCrawlerInput) { in.Configuration = aws.String("{") },
		"InvalidInputException: CRAWL_EVENT_MODE": func(in *sdk.CreateCrawlerInput) {
			in.RecrawlPolicy = &types.RecrawlPolicy{RecrawlBehavior: "CRAWL_EVENT_MODE"}
		},
		"InvalidInputException: must have LOG": func(in *sdk.CreateCrawlerInput) {
			in.RecrawlPolicy = &types.RecrawlPolicy{RecrawlBehavior: "CRAWL_NEW_FOLDERS_ONLY"}
		},
		"ValidationException: updateBehavior": func(in *sdk.CreateCrawlerInput) {
			in.SchemaChangePolicy = &types.SchemaChangePolicy{UpdateBehavior: "x"}
		},
		"ValidationException: 'targets.s3Targets.sample": func(in *sdk.CreateCrawlerInput) { in.Targets.S3Targets[0].SampleSize = aws.Int32(250) },
	} {
		expect[*sdk.CreateCrawlerOutput](t, want)(bad(change))
	}
}

func TestPages(t *testing.T) {
	s := newServer(t)
	s.withTables(t, 25)
	ctx := t.Context()
	var names []string
	tables := sdk.NewGetTablesPaginator(s, &sdk.GetTablesInput{DatabaseName: aws.String("LAKE"), MaxResults: aws.Int32(4), Expression: aws.String("t1.*|t2")})
	for tables.HasMorePages() {
		page := must[*sdk.GetTablesOutput](t)(tables.NextPage(ctx))
		if len(page.TableList) > 4 {
			t.Errorf("a page of %d", len(page.TableList))
		}
		for _, table := range page.TableList {
			names = append(names, *table.Name)
		}
	}
	if got, want := strings.Join(names, " "), "t1 t10 t11 t12 t13 t14 t15 t16 t17 t18 t19 t2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for range 11 {
		must[*sdk.UpdateTableOutput](t)(s.UpdateTable(ctx, &sdk.UpdateTableInput{DatabaseName: aws.String("lake"), TableInput: &types.TableInput{Name: aws.String("t0")}}))
	}
	var versions []string
	pages := sdk.NewGetTableVersionsPaginator(s, &sdk.GetTableVersionsInput{DatabaseName: aws.String("lake"), TableName: aws.String("t0"), MaxResults: aws.Int32(5)})
	for pages.HasMorePages() {
		for _, v := range must[*sdk.GetTableVersionsOutput](t)(pages.NextPage(ctx)).TableVersions {
			versions = append(versions, *v.VersionId)
		}
	}
	if got, want := strings.Join(versions, " "), "11 10 9 8 7 6 5 4 3 2 1 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestBatches(t *testing.T) {
	s := newServer(t)
	s.withTables(t, 1)
	ctx := t.Context()
	lake, t0 := aws.String("lake"), aws.String("t0")
	value := func(v string) types.PartitionValueList { return types.PartitionValueList{Values: []string{v}} }
	created := must[*sdk.BatchCreatePartitionOutput](t)(s.BatchCreatePartition(ctx, &sdk.BatchCreatePartitionInput{DatabaseName: lake, TableName: t0,
		PartitionInputList: []types.PartitionInput{{Values: []string{"1"}}, {Values: []string{"2"}}, {Values: []string{"1"}}}}))
	if len(created.Errors) != 1 || *created.Errors[0].ErrorDetail.ErrorCode != "AlreadyExistsException" {
		t.Errorf("got %+v", created.Errors)
	}
	got := must[*sdk.BatchGetPartitionOutput](t)(s.BatchGetPartition(ctx, &sdk.BatchGetPartitionInput{DatabaseName: lake, TableName: t0, PartitionsToGet: []types.PartitionValueList{value("2"), value("3")}}))
	if len(got.Partitions) != 1 || got.Partitions[0].Values[0] != "2" {
		t.Errorf("got %+v", got.Partitions)
	}
	updated := must[*sdk.BatchUpdatePartitionOutput](t)(s.BatchUpdatePartition(ctx, &sdk.BatchUpdatePartitionInput{DatabaseName: lake, TableName: t0, Entries: []types.BatchUpdatePartitionRequestEntry{
		{PartitionValueList: []string{"1"}, PartitionInput: &types.PartitionInput{Values: []string{"7"}}},
		{PartitionValueList: []string{"3"}, PartitionInput: &types.PartitionInput{Values: []string{"8"}}}}}))
	if len(updated.Errors) != 1 || *updated.Errors[0].ErrorDetail.ErrorCode != "EntityNotFoundException" {
		t.Errorf("got %+v", updated.Errors)
	}
	deleted := must[*sdk.BatchDeletePartitionOutput](t)(s.BatchDeletePartition(ctx, &sdk.BatchDeletePartitionInput{DatabaseName: lake, TableName: t0, PartitionsToDelete: []types.PartitionValueList{value("7"), value("1")}}))
	if len(deleted.Errors) != 1 || deleted.Errors[0].PartitionValues[0] != "1" {
		t.Errorf("got %+v", deleted.Errors)
	}
	tables := must[*sdk.BatchDeleteTableOutput](t)(s.BatchDeleteTable(ctx, &sdk.BatchDeleteTableInput{DatabaseName: lake, TablesToDelete: []string{"T0", "none"}}))
	if len(tables.Errors) != 1 || *tables.Errors[0].TableName != "none" {
		t.Errorf("got %+v", tables.Errors)
	}
}

func TestCrawler(t *testing.T) {
	s := newServer(t)
	ctx := t.Context()
	if _, err := s.objects.Put(ctx, "lake", "users/2024/a.json", strings.NewReader(`{"uuid":"x","n":1}`), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	must[*sdk.CreateCrawlerOutput](t)(s.CreateCrawler(ctx, &sdk.CreateCrawlerInput{Name: aws.String("C"), Role: aws.String("arn:aws:iam::000000000000:role/path/r"),
		DatabaseName: aws.String("lake"), Tags: map[string]string{"a": "b"}, Schedule: aws.String("cron(0 12 * * ? *)"),
		Targets: &types.CrawlerTargets{S3Targets: []types.S3Target{{Path: aws.String("s3://lake/users/")}}}}))
	must[*sdk.StartCrawlerOutput](t)(s.StartCrawler(ctx, &sdk.StartCrawlerInput{Name: aws.String("C")}))
	for { // the crawl is done in a moment; the test's own deadline bounds this
		c := must[*sdk.GetCrawlerOutput](t)(s.GetCrawler(ctx, &sdk.GetCrawlerInput{Name: aws.String("C")})).Crawler
		if c.State != types.CrawlerStateReady {
			continue
		}
		if c.LastCrawl == nil || c.LastCrawl.Status != types.LastCrawlStatusSucceeded {
			t.Fatalf("last crawl %+v", c.LastCrawl)
		}
		if *c.Role != "path/r" || c.Schedule.State != types.ScheduleStateScheduled || c.RecrawlPolicy.RecrawlBehavior != types.RecrawlBehaviorCrawlEverything ||
			c.SchemaChangePolicy.DeleteBehavior != types.DeleteBehaviorDeprecateInDatabase {
			t.Errorf("got %+v", c)
		}
		break
	}
	table := must[*sdk.GetTableOutput](t)(s.GetTable(ctx, &sdk.GetTableInput{DatabaseName: aws.String("lake"), Name: aws.String("users")})).Table
	if table.Parameters["classification"] != "json" || *table.StorageDescriptor.Columns[1].Type != "int" || *table.PartitionKeys[0].Name != "partition_0" {
		t.Errorf("got %+v", table)
	}
	expect[*sdk.StopCrawlerOutput](t, "CrawlerNotRunningException: ")(s.StopCrawler(ctx, &sdk.StopCrawlerInput{Name: aws.String("C")}))
	must[*sdk.StopCrawlerScheduleOutput](t)(s.StopCrawlerSchedule(ctx, &sdk.StopCrawlerScheduleInput{CrawlerName: aws.String("C")}))
	expect[*sdk.StopCrawlerScheduleOutput](t, "SchedulerNotRunningException: ")(s.StopCrawlerSchedule(ctx, &sdk.StopCrawlerScheduleInput{CrawlerName: aws.String("C")}))
	metrics := must[*sdk.GetCrawlerMetricsOutput](t)(s.GetCrawlerMetrics(ctx, &sdk.GetCrawlerMetricsInput{}))
	if len(metrics.CrawlerMetricsList) != 1 || metrics.CrawlerMetricsList[0].TablesCreated != 1 {
		t.Errorf("got %+v", metrics.CrawlerMetricsList)
	}
	tags := must[*sdk.GetTagsOutput](t)(s.GetTags(ctx, &sdk.GetTagsInput{ResourceArn: aws.String("arn:aws:glue:us-east-1:000000000000:crawler/C")}))
	if tags.Tags["a"] != "b" {
		t.Errorf("got %v", tags.Tags)
	}
	must[*sdk.DeleteCrawlerOutput](t)(s.DeleteCrawler(ctx, &sdk.DeleteCrawlerInput{Name: aws.String("C")}))
}
