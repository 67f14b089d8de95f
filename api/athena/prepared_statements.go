package athena

import (
	"context"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/query"
)

var statementName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_@:]{0,255}$`)

// CreatePreparedStatement saves a statement with parameters under a name of the workgroup.
func (s *service) createPreparedStatement(ctx context.Context, in *athena.CreatePreparedStatementInput) (*athena.CreatePreparedStatementOutput, error) {
	if err := required("StatementName", in.StatementName, "WorkGroup", in.WorkGroup, "QueryStatement", in.QueryStatement); err != nil {
		return nil, err
	}
	if !statementName.MatchString(*in.StatementName) {
		return nil, invalid("Invalid statement name: %s", *in.StatementName)
	}
	err := s.queries.SavePrepared(query.Prepared{Name: *in.StatementName, WorkGroup: *in.WorkGroup, SQL: *in.QueryStatement, Description: str(in.Description)}, false)
	return &athena.CreatePreparedStatementOutput{}, fail(err)
}

// GetPreparedStatement returns a prepared statement.
func (s *service) getPreparedStatement(ctx context.Context, in *athena.GetPreparedStatementInput) (*athena.GetPreparedStatementOutput, error) {
	if err := required("StatementName", in.StatementName, "WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	p, err := s.queries.Prepared(*in.WorkGroup, *in.StatementName)
	if err != nil {
		return nil, fail(err)
	}
	return &athena.GetPreparedStatementOutput{PreparedStatement: preparedStatement(p)}, nil
}

func preparedStatement(p *query.Prepared) *types.PreparedStatement {
	return &types.PreparedStatement{StatementName: &p.Name, WorkGroupName: &p.WorkGroup, QueryStatement: &p.SQL, Description: text(p.Description), LastModifiedTime: &p.Modified}
}

// BatchGetPreparedStatement returns several prepared statements; those that do not exist are listed as unprocessed.
func (s *service) batchGetPreparedStatement(ctx context.Context, in *athena.BatchGetPreparedStatementInput) (*athena.BatchGetPreparedStatementOutput, error) {
	if err := required("WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	if n := len(in.PreparedStatementNames); n < 1 || n > 50 {
		return nil, invalid("PreparedStatementNames must have between 1 and 50 members")
	}
	out := &athena.BatchGetPreparedStatementOutput{PreparedStatements: []types.PreparedStatement{}, UnprocessedPreparedStatementNames: []types.UnprocessedPreparedStatementName{}}
	for _, name := range in.PreparedStatementNames {
		p, err := s.queries.Prepared(*in.WorkGroup, name)
		if err != nil {
			out.UnprocessedPreparedStatementNames = append(out.UnprocessedPreparedStatementNames, types.UnprocessedPreparedStatementName{StatementName: &name,
				ErrorCode: ptr("STATEMENT_NOT_FOUND"), ErrorMessage: ptr("PreparedStatement " + name + " was not found")})
			continue
		}
		out.PreparedStatements = append(out.PreparedStatements, *preparedStatement(p))
	}
	return out, nil
}

// ListPreparedStatements lists a workgroup's prepared statements by name.
func (s *service) listPreparedStatements(ctx context.Context, in *athena.ListPreparedStatementsInput) (*athena.ListPreparedStatementsOutput, error) {
	if err := required("WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	if _, err := s.queries.WorkGroup(*in.WorkGroup); err != nil {
		return nil, fail(err)
	}
	all, err := s.queries.PreparedStatements(*in.WorkGroup)
	if err != nil {
		return nil, fail(err)
	}
	items, next, err := page(all, func(p *query.Prepared) string { return p.Name }, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &athena.ListPreparedStatementsOutput{NextToken: next, PreparedStatements: []types.PreparedStatementSummary{}}
	for _, p := range items {
		out.PreparedStatements = append(out.PreparedStatements, types.PreparedStatementSummary{StatementName: &p.Name, LastModifiedTime: &p.Modified})
	}
	return out, nil
}

// UpdatePreparedStatement replaces a prepared statement.
func (s *service) updatePreparedStatement(ctx context.Context, in *athena.UpdatePreparedStatementInput) (*athena.UpdatePreparedStatementOutput, error) {
	if err := required("StatementName", in.StatementName, "WorkGroup", in.WorkGroup, "QueryStatement", in.QueryStatement); err != nil {
		return nil, err
	}
	err := s.queries.SavePrepared(query.Prepared{Name: *in.StatementName, WorkGroup: *in.WorkGroup, SQL: *in.QueryStatement, Description: str(in.Description)}, true)
	return &athena.UpdatePreparedStatementOutput{}, fail(err)
}

// DeletePreparedStatement removes a prepared statement.
func (s *service) deletePreparedStatement(ctx context.Context, in *athena.DeletePreparedStatementInput) (*athena.DeletePreparedStatementOutput, error) {
	if err := required("StatementName", in.StatementName, "WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	return &athena.DeletePreparedStatementOutput{}, fail(s.queries.DeletePrepared(*in.WorkGroup, *in.StatementName))
}
