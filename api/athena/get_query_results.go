package athena

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/query"
)

// GetQueryResults reads a page of a result from its object: at most 1,000 rows, of which the first of a SELECT are the
// names of the columns.
func (s *service) getQueryResults(ctx context.Context, in *athena.GetQueryResultsInput) (*athena.GetQueryResultsOutput, error) {
	x, err := s.execution(in.QueryExecutionId)
	if err != nil {
		return nil, err
	}
	if err := refuse("QueryResultType "+string(in.QueryResultType), in.QueryResultType == types.QueryResultTypeDataManifest); err != nil {
		return nil, err
	}
	max, err := limit(in.MaxResults, 1000)
	if err != nil {
		return nil, err
	}
	p, err := s.queries.Results(x, str(in.NextToken), max)
	if err != nil {
		return nil, fail(err)
	}
	set := &types.ResultSet{Rows: make([]types.Row, len(p.Rows)), ResultSetMetadata: &types.ResultSetMetadata{ColumnInfo: []types.ColumnInfo{}}}
	for i, row := range p.Rows {
		set.Rows[i].Data = make([]types.Datum, len(row))
		for j, cell := range row {
			set.Rows[i].Data[j].VarCharValue = cell
		}
	}
	for _, c := range p.Columns {
		info := query.Describe(c)
		set.ResultSetMetadata.ColumnInfo = append(set.ResultSetMetadata.ColumnInfo, types.ColumnInfo{
			CatalogName: ptr("hive"), SchemaName: ptr(""), TableName: ptr(""), Name: ptr(c.Name), Label: ptr(c.Name), Type: ptr(info.Type),
			Precision: int32(info.Precision), Scale: int32(info.Scale), Nullable: types.ColumnNullableUnknown, CaseSensitive: info.CaseSensitive})
	}
	return &athena.GetQueryResultsOutput{ResultSet: set, NextToken: text(p.Next), UpdateCount: &p.UpdateCount}, nil
}
