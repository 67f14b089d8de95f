package athena_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/api/athena"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
	"github.com/weir-data/weir/wire"
)

// engine answers every query with the same rows.
type engine struct{}

func (engine) Run(ctx context.Context, r *query.Request, out query.Sink) (query.Report, error) {
	if strings.Contains(r.SQL, "'wait'") {
		<-ctx.Done()
		return query.Report{}, ctx.Err()
	}
	if err := out.Columns([]sql.Column{{Name: "a", Type: sql.Type{Name: "integer"}}, {Name: "b", Type: sql.Type{Name: "varchar"}}}); err != nil {
		return query.Report{}, err
	}
	return query.Report{Rows: 2}, out.Rows([][]byte{[]byte("1"), []byte("x"), []byte("2"), nil})
}

func (engine) Close() error { return nil }

// client is an SDK client of a server with nothing but Athena.
func client(t *testing.T) *sdk.Client {
	t.Helper()
	m, objects := meta.NewMem(), mem.New(nil)
	if err := objects.CreateBucket(t.Context(), "results"); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.New(m, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := query.New(query.Options{Meta: m, Catalog: c, Objects: objects, Engine: engine{}, CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	server, err := wire.NewServer(wire.Options{}, athena.Service(q))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: aws.String(front.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RetryMaxAttempts: 1})
}

var results = &types.ResultConfiguration{OutputLocation: aws.String("s3://results/q/")}

func run(t *testing.T, c *sdk.Client, text string) *types.QueryExecution {
	t.Helper()
	started, err := c.StartQueryExecution(t.Context(), &sdk.StartQueryExecutionInput{QueryString: &text, ResultConfiguration: results})
	if err != nil {
		t.Fatal(err)
	}
	return await(t, c, started.QueryExecutionId)
}

func await(t *testing.T, c *sdk.Client, id *string) *types.QueryExecution {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		out, err := c.GetQueryExecution(t.Context(), &sdk.GetQueryExecutionInput{QueryExecutionId: id})
		if err != nil {
			t.Fatal(err)
		}
		switch out.QueryExecution.Status.State {
		case types.QueryExecutionStateQueued, types.QueryExecutionStateRunning:
			continue
		}
		return out.QueryExecution
	}
	t.Fatal("the query does not end")
	return nil
}

func TestQuery(t *testing.T) {
	c := client(t)
	x := run(t, c, "SELECT 1 AS a, 'x' AS b")
	if x.Status.State != types.QueryExecutionStateSucceeded || x.StatementType != types.StatementTypeDml || *x.SubstatementType != "SELECT" ||
		*x.ResultConfiguration.OutputLocation != "s3://results/q/"+*x.QueryExecutionId+".csv" {
		t.Fatalf("%+v", x)
	}
	out, err := c.GetQueryResults(t.Context(), &sdk.GetQueryResultsInput{QueryExecutionId: x.QueryExecutionId, MaxResults: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	rows := out.ResultSet.Rows
	if len(rows) != 2 || *rows[0].Data[1].VarCharValue != "b" || *rows[1].Data[0].VarCharValue != "1" || out.NextToken == nil {
		t.Fatalf("first page %+v", out)
	}
	if info := out.ResultSet.ResultSetMetadata.ColumnInfo[1]; *info.Type != "varchar" || info.Precision != 1 || !info.CaseSensitive || *info.CatalogName != "hive" {
		t.Errorf("column %+v", info)
	}
	out, err = c.GetQueryResults(t.Context(), &sdk.GetQueryResultsInput{QueryExecutionId: x.QueryExecutionId, NextToken: out.NextToken})
	if err != nil || len(out.ResultSet.Rows) != 1 || out.ResultSet.Rows[0].Data[1].VarCharValue != nil || out.NextToken != nil {
		t.Fatalf("second page %+v %v", out, err)
	}
	list, err := c.ListQueryExecutions(t.Context(), &sdk.ListQueryExecutionsInput{})
	if err != nil || len(list.QueryExecutionIds) != 1 {
		t.Errorf("list %+v %v", list, err)
	}
	batch, err := c.BatchGetQueryExecution(t.Context(), &sdk.BatchGetQueryExecutionInput{QueryExecutionIds: []string{*x.QueryExecutionId, "nosuch"}})
	if err != nil || len(batch.QueryExecutions) != 1 || len(batch.UnprocessedQueryExecutionIds) != 1 {
		t.Errorf("batch %+v %v", batch, err)
	}
	stats, err := c.GetQueryRuntimeStatistics(t.Context(), &sdk.GetQueryRuntimeStatisticsInput{QueryExecutionId: x.QueryExecutionId})
	if err != nil || *stats.QueryRuntimeStatistics.Rows.OutputRows != 2 {
		t.Errorf("statistics %+v %v", stats, err)
	}
}

func TestStopAndErrors(t *testing.T) {
	c := client(t)
	started, err := c.StartQueryExecution(t.Context(), &sdk.StartQueryExecutionInput{QueryString: aws.String("SELECT 'wait'"), ResultConfiguration: results})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetQueryResults(t.Context(), &sdk.GetQueryResultsInput{QueryExecutionId: started.QueryExecutionId}); !strings.Contains(err.Error(), "Query has not yet finished") {
		t.Errorf("results too early: %v", err)
	}
	if _, err := c.StopQueryExecution(t.Context(), &sdk.StopQueryExecutionInput{QueryExecutionId: started.QueryExecutionId}); err != nil {
		t.Fatal(err)
	}
	if x := await(t, c, started.QueryExecutionId); x.Status.State != types.QueryExecutionStateCancelled {
		t.Errorf("state %s", x.Status.State)
	}
	var invalid *types.InvalidRequestException
	_, err = c.StartQueryExecution(t.Context(), &sdk.StartQueryExecutionInput{QueryString: aws.String("SELEC 1"), ResultConfiguration: results})
	if !errors.As(err, &invalid) || aws.ToString(invalid.AthenaErrorCode) != "MALFORMED_QUERY" || !strings.HasPrefix(*invalid.Message, "line 1:1: mismatched input 'SELEC'") {
		t.Errorf("a syntax error: %v", err)
	}
	for name, in := range map[string]*sdk.StartQueryExecutionInput{
		"no location":  {QueryString: aws.String("SELECT 1")},
		"no group":     {QueryString: aws.String("SELECT 1"), ResultConfiguration: results, WorkGroup: aws.String("nosuch")},
		"no catalog":   {QueryString: aws.String("SELECT 1"), ResultConfiguration: results, QueryExecutionContext: &types.QueryExecutionContext{Catalog: aws.String("nosuch")}},
		"CSE_KMS":      {QueryString: aws.String("SELECT 1"), ResultConfiguration: &types.ResultConfiguration{OutputLocation: results.OutputLocation, EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionOption: types.EncryptionOptionCseKms}}},
		"bad location": {QueryString: aws.String("SELECT 1"), ResultConfiguration: &types.ResultConfiguration{OutputLocation: aws.String("http://x")}},
	} {
		if _, err := c.StartQueryExecution(t.Context(), in); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := run(t, c, "SELECT nope FROM nowhere.t")
	if x.Status.State != types.QueryExecutionStateFailed || *x.Status.AthenaError.ErrorCategory != 2 || !strings.Contains(*x.Status.StateChangeReason, "SCHEMA_NOT_FOUND") {
		t.Errorf("%+v", x.Status)
	}
}

// TestWorkGroup makes the calls that Terraform makes for a workgroup with a named query.
func TestWorkGroup(t *testing.T) {
	c, ctx := client(t), t.Context()
	name := aws.String("wg")
	_, err := c.CreateWorkGroup(ctx, &sdk.CreateWorkGroupInput{Name: name, Description: aws.String("d"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
		Configuration: &types.WorkGroupConfiguration{EnforceWorkGroupConfiguration: aws.Bool(true), PublishCloudWatchMetricsEnabled: aws.Bool(false),
			BytesScannedCutoffPerQuery: aws.Int64(10485760), ResultConfiguration: &types.ResultConfiguration{OutputLocation: aws.String("s3://results/wg/"),
				EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionOption: types.EncryptionOptionSseS3}}}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.GetWorkGroup(ctx, &sdk.GetWorkGroupInput{WorkGroup: name})
	if err != nil {
		t.Fatal(err)
	}
	config := g.WorkGroup.Configuration
	if !*config.EnforceWorkGroupConfiguration || *config.PublishCloudWatchMetricsEnabled || *config.BytesScannedCutoffPerQuery != 10485760 ||
		*config.ResultConfiguration.OutputLocation != "s3://results/wg/" || config.ResultConfiguration.EncryptionConfiguration.EncryptionOption != types.EncryptionOptionSseS3 ||
		*config.EngineVersion.SelectedEngineVersion != "AUTO" || g.WorkGroup.State != types.WorkGroupStateEnabled {
		t.Errorf("%+v", config)
	}
	_, err = c.UpdateWorkGroup(ctx, &sdk.UpdateWorkGroupInput{WorkGroup: name, State: types.WorkGroupStateDisabled,
		ConfigurationUpdates: &types.WorkGroupConfigurationUpdates{RemoveBytesScannedCutoffPerQuery: aws.Bool(true),
			ResultConfigurationUpdates: &types.ResultConfigurationUpdates{RemoveEncryptionConfiguration: aws.Bool(true)}}})
	if err != nil {
		t.Fatal(err)
	}
	if g, err = c.GetWorkGroup(ctx, &sdk.GetWorkGroupInput{WorkGroup: name}); err != nil || g.WorkGroup.State != types.WorkGroupStateDisabled ||
		g.WorkGroup.Configuration.BytesScannedCutoffPerQuery != nil || g.WorkGroup.Configuration.ResultConfiguration.EncryptionConfiguration != nil {
		t.Errorf("after the update: %+v %v", g.WorkGroup, err)
	}
	if _, err := c.StartQueryExecution(ctx, &sdk.StartQueryExecutionInput{QueryString: aws.String("SELECT 1"), WorkGroup: name}); err == nil {
		t.Error("a disabled workgroup runs queries")
	}
	arn := aws.String("arn:aws:athena:us-east-1:000000000000:workgroup/wg")
	if _, err := c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"k"}}); err != nil {
		t.Fatal(err)
	}
	if tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: arn}); err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "l" {
		t.Errorf("tags %+v %v", tags, err)
	}
	q, err := c.CreateNamedQuery(ctx, &sdk.CreateNamedQueryInput{Name: aws.String("n"), Database: aws.String("d"), QueryString: aws.String("SELECT 1"), WorkGroup: name})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetNamedQuery(ctx, &sdk.GetNamedQueryInput{NamedQueryId: q.NamedQueryId}); err != nil || *got.NamedQuery.QueryString != "SELECT 1" || *got.NamedQuery.WorkGroup != "wg" {
		t.Errorf("named query %+v %v", got, err)
	}
	if _, err := c.DeleteWorkGroup(ctx, &sdk.DeleteWorkGroupInput{WorkGroup: name}); err == nil {
		t.Error("a workgroup that is not empty was deleted")
	}
	if _, err := c.DeleteNamedQuery(ctx, &sdk.DeleteNamedQueryInput{NamedQueryId: q.NamedQueryId}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteWorkGroup(ctx, &sdk.DeleteWorkGroupInput{WorkGroup: name}); err != nil {
		t.Fatal(err)
	}
	var invalid *types.InvalidRequestException
	if _, err := c.GetWorkGroup(ctx, &sdk.GetWorkGroupInput{WorkGroup: name}); !errors.As(err, &invalid) || *invalid.Message != "WorkGroup wg is not found." {
		t.Errorf("a deleted workgroup: %v", err)
	}
	if _, err := c.DeleteWorkGroup(ctx, &sdk.DeleteWorkGroupInput{WorkGroup: aws.String("primary")}); err == nil {
		t.Error("the primary workgroup was deleted")
	}
}

func TestPreparedAndMetadata(t *testing.T) {
	c, ctx := client(t), t.Context()
	group, name := aws.String("primary"), aws.String("p")
	if _, err := c.CreatePreparedStatement(ctx, &sdk.CreatePreparedStatementInput{StatementName: name, WorkGroup: group, QueryStatement: aws.String("SELECT ?")}); err != nil {
		t.Fatal(err)
	}
	if x := run(t, c, "EXECUTE p USING 1"); x.Status.State != types.QueryExecutionStateSucceeded {
		t.Errorf("%+v", x.Status)
	}
	if l, err := c.ListPreparedStatements(ctx, &sdk.ListPreparedStatementsInput{WorkGroup: group}); err != nil || len(l.PreparedStatements) != 1 {
		t.Errorf("%+v %v", l, err)
	}
	if _, err := c.DeletePreparedStatement(ctx, &sdk.DeletePreparedStatementInput{StatementName: name, WorkGroup: group}); err != nil {
		t.Fatal(err)
	}
	var missing *types.ResourceNotFoundException
	if _, err := c.GetPreparedStatement(ctx, &sdk.GetPreparedStatementInput{StatementName: name, WorkGroup: group}); !errors.As(err, &missing) {
		t.Errorf("a deleted statement: %v", err)
	}
	run(t, c, "CREATE DATABASE db")
	run(t, c, "CREATE EXTERNAL TABLE db.t (a int) PARTITIONED BY (p string) STORED AS PARQUET LOCATION 's3://results/t/'")
	cat := aws.String("AwsDataCatalog")
	if l, err := c.ListDatabases(ctx, &sdk.ListDatabasesInput{CatalogName: cat}); err != nil || len(l.DatabaseList) != 1 || *l.DatabaseList[0].Name != "db" {
		t.Errorf("%+v %v", l, err)
	}
	m, err := c.GetTableMetadata(ctx, &sdk.GetTableMetadataInput{CatalogName: cat, DatabaseName: aws.String("db"), TableName: aws.String("t")})
	if err != nil || *m.TableMetadata.Columns[0].Type != "int" || *m.TableMetadata.PartitionKeys[0].Name != "p" {
		t.Errorf("%+v %v", m, err)
	}
	var metadata *types.MetadataException
	if _, err := c.GetTableMetadata(ctx, &sdk.GetTableMetadataInput{CatalogName: cat, DatabaseName: aws.String("db"), TableName: aws.String("nosuch")}); !errors.As(err, &metadata) {
		t.Errorf("a table that is not there: %v", err)
	}
	if l, err := c.ListDataCatalogs(ctx, &sdk.ListDataCatalogsInput{}); err != nil || *l.DataCatalogsSummary[0].CatalogName != "AwsDataCatalog" {
		t.Errorf("%+v %v", l, err)
	}
}

// TestResultReuse starts a query twice, and once without reuse; and asks for ages that are not allowed.
func TestResultReuse(t *testing.T) {
	c, ctx := client(t), t.Context()
	start := func(by *types.ResultReuseByAgeConfiguration) (*sdk.StartQueryExecutionOutput, error) {
		return c.StartQueryExecution(ctx, &sdk.StartQueryExecutionInput{QueryString: aws.String("SELECT 1"), ResultConfiguration: results,
			ResultReuseConfiguration: &types.ResultReuseConfiguration{ResultReuseByAgeConfiguration: by}})
	}
	var first *types.QueryExecution
	for i, step := range []struct {
		by     types.ResultReuseByAgeConfiguration
		reused bool
		age    *int32
	}{
		{types.ResultReuseByAgeConfiguration{Enabled: true}, false, aws.Int32(60)},
		{types.ResultReuseByAgeConfiguration{Enabled: true, MaxAgeInMinutes: aws.Int32(10080)}, true, aws.Int32(10080)},
		{types.ResultReuseByAgeConfiguration{}, false, nil},
	} {
		started, err := start(&step.by)
		if err != nil {
			t.Fatal(err)
		}
		x := await(t, c, started.QueryExecutionId)
		by := x.ResultReuseConfiguration.ResultReuseByAgeConfiguration
		if x.Status.State != types.QueryExecutionStateSucceeded || x.Statistics.ResultReuseInformation.ReusedPreviousResult != step.reused ||
			by.Enabled != step.by.Enabled || aws.ToInt32(by.MaxAgeInMinutes) != aws.ToInt32(step.age) {
			t.Errorf("step %d: %+v %+v %+v", i, x.Status, x.Statistics.ResultReuseInformation, by)
		}
		if first == nil {
			first = x
		}
		if same := *x.ResultConfiguration.OutputLocation == *first.ResultConfiguration.OutputLocation; same != (i == 0 || step.reused) {
			t.Errorf("step %d: result at %s", i, *x.ResultConfiguration.OutputLocation)
		}
		out, err := c.GetQueryResults(ctx, &sdk.GetQueryResultsInput{QueryExecutionId: x.QueryExecutionId})
		if err != nil || len(out.ResultSet.Rows) != 3 {
			t.Errorf("step %d: %+v %v", i, out, err)
		}
	}
	for age, want := range map[int32]string{
		-1:    "1 validation error detected: Value '-1' at 'resultReuseConfiguration.resultReuseByAgeConfiguration.maxAgeInMinutes' failed to satisfy constraint: Member must have value greater than or equal to 0",
		10081: "1 validation error detected: Value '10081' at 'resultReuseConfiguration.resultReuseByAgeConfiguration.maxAgeInMinutes' failed to satisfy constraint: Member must have value less than or equal to 10080",
	} {
		_, err := start(&types.ResultReuseByAgeConfiguration{Enabled: true, MaxAgeInMinutes: &age})
		var invalid *types.InvalidRequestException
		if !errors.As(err, &invalid) || *invalid.Message != want {
			t.Errorf("age %d: %v", age, err)
		}
	}
}
