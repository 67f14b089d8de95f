package athena

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/query"
)

// CreateNamedQuery saves a statement; it is not parsed, as on AWS.
func (s *service) createNamedQuery(ctx context.Context, in *athena.CreateNamedQueryInput) (*athena.CreateNamedQueryOutput, error) {
	if err := required("Name", in.Name, "Database", in.Database, "QueryString", in.QueryString); err != nil {
		return nil, err
	}
	if len(*in.Name) > 128 || len(*in.QueryString) > 262144 {
		return nil, invalid("Name or QueryString is too long")
	}
	id, err := s.queries.CreateNamedQuery(query.NamedQuery{Name: *in.Name, Database: *in.Database, SQL: *in.QueryString,
		Description: str(in.Description), WorkGroup: str(in.WorkGroup), Token: str(in.ClientRequestToken)})
	if err != nil {
		return nil, fail(err)
	}
	return &athena.CreateNamedQueryOutput{NamedQueryId: &id}, nil
}

// GetNamedQuery returns a saved statement.
func (s *service) getNamedQuery(ctx context.Context, in *athena.GetNamedQueryInput) (*athena.GetNamedQueryOutput, error) {
	if err := required("NamedQueryId", in.NamedQueryId); err != nil {
		return nil, err
	}
	q, err := s.queries.NamedQuery(*in.NamedQueryId)
	if err != nil {
		return nil, fail(err)
	}
	return &athena.GetNamedQueryOutput{NamedQuery: namedQuery(q)}, nil
}

func namedQuery(q *query.NamedQuery) *types.NamedQuery {
	return &types.NamedQuery{NamedQueryId: &q.ID, Name: &q.Name, Description: text(q.Description), Database: &q.Database, QueryString: &q.SQL, WorkGroup: &q.WorkGroup}
}

// BatchGetNamedQuery returns up to 50 saved statements; those that do not exist are listed as unprocessed.
func (s *service) batchGetNamedQuery(ctx context.Context, in *athena.BatchGetNamedQueryInput) (*athena.BatchGetNamedQueryOutput, error) {
	if n := len(in.NamedQueryIds); n < 1 || n > 50 {
		return nil, invalid("NamedQueryIds must have between 1 and 50 members")
	}
	out := &athena.BatchGetNamedQueryOutput{NamedQueries: []types.NamedQuery{}, UnprocessedNamedQueryIds: []types.UnprocessedNamedQueryId{}}
	for _, id := range in.NamedQueryIds {
		q, err := s.queries.NamedQuery(id)
		if err != nil {
			out.UnprocessedNamedQueryIds = append(out.UnprocessedNamedQueryIds, types.UnprocessedNamedQueryId{NamedQueryId: &id,
				ErrorCode: ptr("INVALID_INPUT"), ErrorMessage: ptr("NamedQuery " + id + " was not found")})
			continue
		}
		out.NamedQueries = append(out.NamedQueries, *namedQuery(q))
	}
	return out, nil
}

// ListNamedQueries lists the ids of a workgroup's saved statements.
func (s *service) listNamedQueries(ctx context.Context, in *athena.ListNamedQueriesInput) (*athena.ListNamedQueriesOutput, error) {
	group := str(in.WorkGroup)
	if group == "" {
		group = query.PrimaryGroup
	}
	if _, err := s.queries.WorkGroup(group); err != nil {
		return nil, fail(err)
	}
	all, err := s.queries.NamedQueries(group)
	if err != nil {
		return nil, fail(err)
	}
	items, next, err := page(all, func(q *query.NamedQuery) string { return q.ID }, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &athena.ListNamedQueriesOutput{NextToken: next, NamedQueryIds: []string{}}
	for _, q := range items {
		out.NamedQueryIds = append(out.NamedQueryIds, q.ID)
	}
	return out, nil
}

// UpdateNamedQuery changes name, description and text of a saved statement.
func (s *service) updateNamedQuery(ctx context.Context, in *athena.UpdateNamedQueryInput) (*athena.UpdateNamedQueryOutput, error) {
	if err := required("NamedQueryId", in.NamedQueryId, "Name", in.Name, "QueryString", in.QueryString); err != nil {
		return nil, err
	}
	return &athena.UpdateNamedQueryOutput{}, fail(s.queries.ChangeNamedQuery(*in.NamedQueryId, func(q *query.NamedQuery) {
		q.Name, q.SQL = *in.Name, *in.QueryString
		set(&q.Description, in.Description)
	}))
}

// DeleteNamedQuery removes a saved statement.
func (s *service) deleteNamedQuery(ctx context.Context, in *athena.DeleteNamedQueryInput) (*athena.DeleteNamedQueryOutput, error) {
	if err := required("NamedQueryId", in.NamedQueryId); err != nil {
		return nil, err
	}
	return &athena.DeleteNamedQueryOutput{}, fail(s.queries.DeleteNamedQuery(*in.NamedQueryId))
}
