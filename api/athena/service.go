// Package athena is the Amazon Athena API over package query: executions and their results, workgroups, named queries,
// prepared statements, the metadata of the catalog, and tags.
//
// Service lists the operations for the front door; each one decodes its input, checks it, makes one call of
// query.Service, and encodes the answer. Nothing is kept here. Spark sessions, notebooks, capacity reservations and
// data catalogs of one's own are not offered.
package athena

import (
	"encoding/base64"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/wire"
)

type service struct{ queries *query.Service }

// Service returns the operations over q.
func Service(q *query.Service) wire.Service {
	s := &service{q}
	operations := s.executionOperations()
	operations = append(operations, s.namedOperations()...)
	operations = append(operations, s.groupOperations()...)
	return wire.Service{Name: "athena", Target: "AmazonAthena", JSON: "1.1", Operations: operations, Errors: codes}
}

func (s *service) executionOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("StartQueryExecution", s.startQueryExecution),
		wire.Op("GetQueryExecution", s.getQueryExecution),
		wire.Op("BatchGetQueryExecution", s.batchGetQueryExecution),
		wire.Op("ListQueryExecutions", s.listQueryExecutions),
		wire.Op("StopQueryExecution", s.stopQueryExecution),
		wire.Op("GetQueryResults", s.getQueryResults),
		wire.Op("GetQueryRuntimeStatistics", s.getQueryRuntimeStatistics),
		wire.Op("GetDataCatalog", s.getDataCatalog),
		wire.Op("ListDataCatalogs", s.listDataCatalogs),
		wire.Op("GetDatabase", s.getDatabase),
		wire.Op("ListDatabases", s.listDatabases),
		wire.Op("GetTableMetadata", s.getTableMetadata),
		wire.Op("ListTableMetadata", s.listTableMetadata),
	}
}

func (s *service) namedOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateNamedQuery", s.createNamedQuery),
		wire.Op("GetNamedQuery", s.getNamedQuery),
		wire.Op("BatchGetNamedQuery", s.batchGetNamedQuery),
		wire.Op("ListNamedQueries", s.listNamedQueries),
		wire.Op("UpdateNamedQuery", s.updateNamedQuery),
		wire.Op("DeleteNamedQuery", s.deleteNamedQuery),
		wire.Op("CreatePreparedStatement", s.createPreparedStatement),
		wire.Op("GetPreparedStatement", s.getPreparedStatement),
		wire.Op("BatchGetPreparedStatement", s.batchGetPreparedStatement),
		wire.Op("ListPreparedStatements", s.listPreparedStatements),
		wire.Op("UpdatePreparedStatement", s.updatePreparedStatement),
		wire.Op("DeletePreparedStatement", s.deletePreparedStatement),
	}
}

func (s *service) groupOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateWorkGroup", s.createWorkGroup),
		wire.Op("GetWorkGroup", s.getWorkGroup),
		wire.Op("ListWorkGroups", s.listWorkGroups),
		wire.Op("UpdateWorkGroup", s.updateWorkGroup),
		wire.Op("DeleteWorkGroup", s.deleteWorkGroup),
		wire.Op("ListEngineVersions", s.listEngineVersions),
		wire.Op("ListTagsForResource", s.listTagsForResource),
		wire.Op("TagResource", s.tagResource),
		wire.Op("UntagResource", s.untagResource),
	}
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// text is nil for the empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func ptr[T any](v T) *T { return &v }

// required fails with InvalidRequestException if a member is missing or empty. Pairs of name and value.
func required(members ...any) error {
	for i := 0; i < len(members); i += 2 {
		if str(members[i+1].(*string)) == "" {
			return invalid("%s is required", members[i])
		}
	}
	return nil
}

// refuse names members that were sent and that we do not have. Pairs of name and presence.
func refuse(members ...any) error {
	for i := 0; i < len(members); i += 2 {
		if members[i+1].(bool) {
			return invalid("%s is not supported", members[i])
		}
	}
	return nil
}

// page cuts the items that follow token off all, which is in a fixed order, and returns the next token.
func page[T any](all []T, name func(T) string, token *string, max *int32, most int) (items []T, next *string, err error) {
	limit, err := limit(max, most)
	if err != nil {
		return nil, nil, err
	}
	if str(token) != "" {
		raw, err := base64.URLEncoding.DecodeString(*token)
		found := false
		for i := range all {
			if err == nil && name(all[i]) == string(raw) {
				all, found = all[i+1:], true
				break
			}
		}
		if !found {
			return nil, nil, invalid("Invalid token")
		}
	}
	if len(all) <= limit {
		return all, nil, nil
	}
	return all[:limit], ptr(base64.URLEncoding.EncodeToString([]byte(name(all[limit-1])))), nil
}

func limit(max *int32, most int) (int, error) {
	if max == nil {
		return most, nil
	}
	if *max < 1 || int(*max) > most {
		return 0, invalid("MaxResults must be between 1 and %d", most)
	}
	return int(*max), nil
}
