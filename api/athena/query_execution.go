package athena

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/wire"
)

// StartQueryExecution queues a statement. A statement that does not parse is refused here; one that names what does not
// exist fails later. A result is reused by age and never by what the tables hold, as on AWS; one of a query that is not
// deterministic, in itself or by a view, is not.
func (s *service) startQueryExecution(ctx context.Context, in *athena.StartQueryExecutionInput) (*athena.StartQueryExecutionOutput, error) {
	if err := required("QueryString", in.QueryString); err != nil {
		return nil, err
	}
	if err := refuse("EngineConfiguration", in.EngineConfiguration != nil); err != nil {
		return nil, err
	}
	config, err := resultConfig(in.ResultConfiguration)
	if err != nil {
		return nil, err
	}
	reuse, err := resultReuse(in.ResultReuseConfiguration)
	if err != nil {
		return nil, err
	}
	input := query.StartInput{SQL: *in.QueryString, WorkGroup: str(in.WorkGroup), Token: str(in.ClientRequestToken),
		Parameters: in.ExecutionParameters, Result: config, Reuse: reuse}
	if c := in.QueryExecutionContext; c != nil {
		input.Database, input.Catalog = str(c.Database), str(c.Catalog)
	}
	if err := checkCatalog(&input.Catalog); err != nil {
		return nil, err
	}
	id, err := s.queries.Start(input)
	if err != nil {
		return nil, fail(err)
	}
	return &athena.StartQueryExecutionOutput{QueryExecutionId: &id}, nil
}

// resultReuse reads how old a result may be that is reused.
func resultReuse(c *types.ResultReuseConfiguration) (query.Reuse, error) {
	if c == nil || c.ResultReuseByAgeConfiguration == nil {
		return query.Reuse{}, nil
	}
	const path = "resultReuseConfiguration.resultReuseByAgeConfiguration.maxAgeInMinutes"
	by := c.ResultReuseByAgeConfiguration
	age := by.MaxAgeInMinutes
	if age == nil {
		age = ptr(int32(60))
	}
	var v wire.Violations
	wire.Range(&v, age, path, 0, 10080)
	if bad := (*wire.Error)(nil); errors.As(v.Err(), &bad) {
		return query.Reuse{}, invalid("%s", bad.Message)
	}
	if !by.Enabled {
		return query.Reuse{}, nil
	}
	return query.Reuse{Enabled: true, MaxAge: time.Duration(*age) * time.Minute}, nil
}

func resultReuseConfiguration(r query.Reuse) *types.ResultReuseConfiguration {
	by := &types.ResultReuseByAgeConfiguration{Enabled: r.Enabled}
	if r.Enabled {
		by.MaxAgeInMinutes = ptr(int32(r.MaxAge / time.Minute))
	}
	return &types.ResultReuseConfiguration{ResultReuseByAgeConfiguration: by}
}

// GetQueryExecution describes an execution.
func (s *service) getQueryExecution(ctx context.Context, in *athena.GetQueryExecutionInput) (*athena.GetQueryExecutionOutput, error) {
	x, err := s.execution(in.QueryExecutionId)
	if err != nil {
		return nil, err
	}
	return &athena.GetQueryExecutionOutput{QueryExecution: describe(x)}, nil
}

func (s *service) execution(id *string) (*query.Execution, error) {
	if err := required("QueryExecutionId", id); err != nil {
		return nil, err
	}
	x, err := s.queries.Get(*id)
	return x, fail(err)
}

// BatchGetQueryExecution describes up to 50 executions; those that do not exist are listed as unprocessed.
func (s *service) batchGetQueryExecution(ctx context.Context, in *athena.BatchGetQueryExecutionInput) (*athena.BatchGetQueryExecutionOutput, error) {
	if n := len(in.QueryExecutionIds); n < 1 || n > 50 {
		return nil, invalid("QueryExecutionIds must have between 1 and 50 members")
	}
	out := &athena.BatchGetQueryExecutionOutput{QueryExecutions: []types.QueryExecution{}, UnprocessedQueryExecutionIds: []types.UnprocessedQueryExecutionId{}}
	for _, id := range in.QueryExecutionIds {
		x, err := s.queries.Get(id)
		if err != nil {
			out.UnprocessedQueryExecutionIds = append(out.UnprocessedQueryExecutionIds, types.UnprocessedQueryExecutionId{
				QueryExecutionId: &id, ErrorCode: ptr("INVALID_INPUT"), ErrorMessage: ptr("QueryExecution " + id + " was not found")})
			continue
		}
		out.QueryExecutions = append(out.QueryExecutions, *describe(x))
	}
	return out, nil
}

// ListQueryExecutions lists the ids of a workgroup's executions, newest first.
func (s *service) listQueryExecutions(ctx context.Context, in *athena.ListQueryExecutionsInput) (*athena.ListQueryExecutionsOutput, error) {
	group := str(in.WorkGroup)
	if group == "" {
		group = query.PrimaryGroup
	}
	max, err := limit(in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	ids, more, err := s.queries.List(group, str(in.NextToken), max)
	if err != nil {
		return nil, fail(err)
	}
	out := &athena.ListQueryExecutionsOutput{QueryExecutionIds: append([]string{}, ids...)} // never null
	if more {
		out.NextToken = &ids[len(ids)-1]
	}
	return out, nil
}

// StopQueryExecution cancels an execution; one that has finished stays as it is.
func (s *service) stopQueryExecution(ctx context.Context, in *athena.StopQueryExecutionInput) (*athena.StopQueryExecutionOutput, error) {
	if err := required("QueryExecutionId", in.QueryExecutionId); err != nil {
		return nil, err
	}
	return &athena.StopQueryExecutionOutput{}, fail(s.queries.Stop(*in.QueryExecutionId))
}

// GetQueryRuntimeStatistics gives the timeline and row counts; the stages of the plan are not offered.
func (s *service) getQueryRuntimeStatistics(ctx context.Context, in *athena.GetQueryRuntimeStatisticsInput) (*athena.GetQueryRuntimeStatisticsOutput, error) {
	x, err := s.execution(in.QueryExecutionId)
	if err != nil {
		return nil, err
	}
	st := statistics(x)
	return &athena.GetQueryRuntimeStatisticsOutput{QueryRuntimeStatistics: &types.QueryRuntimeStatistics{
		Timeline: &types.QueryRuntimeStatisticsTimeline{EngineExecutionTimeInMillis: st.EngineExecutionTimeInMillis,
			QueryPlanningTimeInMillis: st.QueryPlanningTimeInMillis, QueryQueueTimeInMillis: st.QueryQueueTimeInMillis,
			ServiceProcessingTimeInMillis: st.ServiceProcessingTimeInMillis, TotalExecutionTimeInMillis: st.TotalExecutionTimeInMillis},
		Rows: &types.QueryRuntimeStatisticsRows{InputBytes: &x.Stats.ScannedBytes, OutputBytes: &x.Stats.OutputBytes, OutputRows: &x.Stats.OutputRows},
	}}, nil
}

// describe is an execution as the API shows it.
func describe(x *query.Execution) *types.QueryExecution {
	status := &types.QueryExecutionStatus{State: types.QueryExecutionState(x.State), StateChangeReason: text(x.Reason), SubmissionDateTime: &x.Submitted}
	if !x.Completed.IsZero() {
		status.CompletionDateTime = &x.Completed
	}
	if x.ErrorCategory != 0 {
		status.AthenaError = &types.AthenaError{ErrorCategory: ptr(int32(x.ErrorCategory)), ErrorType: ptr(int32(x.ErrorType)),
			ErrorMessage: text(x.Reason), Retryable: x.ErrorCategory == 1}
	}
	config := resultConfiguration(x.ResultConfig)
	config.OutputLocation = &x.OutputLocation
	return &types.QueryExecution{
		QueryExecutionId: &x.ID, Query: &x.SQL, WorkGroup: &x.WorkGroup, ExecutionParameters: x.Parameters,
		StatementType: types.StatementType(x.Kind), SubstatementType: text(x.Substatement), Status: status,
		Statistics: statistics(x), ResultConfiguration: config, EngineVersion: engineVersion(""),
		QueryExecutionContext:    &types.QueryExecutionContext{Database: &x.Database, Catalog: text(lowerCatalog(x.Catalog))},
		ResultReuseConfiguration: resultReuseConfiguration(x.Reuse),
	}
}

func statistics(x *query.Execution) *types.QueryExecutionStatistics {
	ms := func(d time.Duration) *int64 { return ptr(d.Milliseconds()) }
	return &types.QueryExecutionStatistics{
		DataScannedInBytes: &x.Stats.ScannedBytes, DataManifestLocation: text(x.Manifest), EngineExecutionTimeInMillis: ms(x.Stats.Engine),
		QueryPlanningTimeInMillis: ms(x.Stats.Planning), QueryQueueTimeInMillis: ms(x.Stats.Queue), ServicePreProcessingTimeInMillis: ptr(int64(0)),
		ServiceProcessingTimeInMillis: ms(x.Stats.Service), TotalExecutionTimeInMillis: ms(x.Stats.Total),
		ResultReuseInformation: &types.ResultReuseInformation{ReusedPreviousResult: x.Reused},
	}
}
