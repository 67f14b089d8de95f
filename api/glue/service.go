// Package glue is the AWS Glue Data Catalog API over package catalog: databases, tables and their versions, partitions,
// indexes, column statistics, crawlers and tags.
//
// Service lists the operations for the front door; each one decodes its input, checks it, makes one call of
// catalog.Store or of the crawlers, and encodes the answer. Nothing is kept here. Names come back in lower case, the
// catalog id is the caller's account, and what a client did not send comes back as AWS would default it.
package glue

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/wire"
)

// Crawlers defines and runs crawlers; crawler.Runner is one.
type Crawlers interface {
	Create(ctx context.Context, c catalog.Crawler, tags map[string]string) error
	Update(ctx context.Context, name string, change func(*catalog.Crawler) error) error
	Start(ctx context.Context, name string) error
	Stop(ctx context.Context, name string) error
}

// service holds what the operations work on.
type service struct {
	store    *catalog.Store
	crawlers Crawlers
}

// Service returns the operations over store; crawlers runs the crawlers that are kept in it.
func Service(store *catalog.Store, crawlers Crawlers) wire.Service {
	s := &service{store, crawlers}
	operations := s.databaseOperations()
	operations = append(operations, s.tableOperations()...)
	operations = append(operations, s.partitionOperations()...)
	operations = append(operations, s.crawlerOperations()...)
	return wire.Service{
		Name:       "glue",
		Target:     "AWSGlue",
		JSON:       "1.1",
		Operations: operations,
		Errors:     codes,
	}
}

func (s *service) databaseOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateDatabase", s.createDatabase),
		wire.Op("GetDatabase", s.getDatabase),
		wire.Op("GetDatabases", s.getDatabases),
		wire.Op("UpdateDatabase", s.updateDatabase),
		wire.Op("DeleteDatabase", s.deleteDatabase),
		wire.Op("TagResource", s.tagResource),
		wire.Op("UntagResource", s.untagResource),
		wire.Op("GetTags", s.getTags),
	}
}

func (s *service) tableOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateTable", s.createTable),
		wire.Op("GetTable", s.getTable),
		wire.Op("GetTables", s.getTables),
		wire.Op("SearchTables", s.searchTables),
		wire.Op("UpdateTable", s.updateTable),
		wire.Op("DeleteTable", s.deleteTable),
		wire.Op("BatchDeleteTable", s.batchDeleteTable),
		wire.Op("GetTableVersion", s.getTableVersion),
		wire.Op("GetTableVersions", s.getTableVersions),
		wire.Op("DeleteTableVersion", s.deleteTableVersion),
		wire.Op("BatchDeleteTableVersion", s.batchDeleteTableVersion),
		wire.Op("GetColumnStatisticsForTable", s.getColumnStatistics),
		wire.Op("UpdateColumnStatisticsForTable", s.updateColumnStatistics),
		wire.Op("DeleteColumnStatisticsForTable", s.deleteColumnStatistics),
	}
}

func (s *service) partitionOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreatePartition", s.createPartition),
		wire.Op("BatchCreatePartition", s.batchCreatePartition),
		wire.Op("GetPartition", s.getPartition),
		wire.Op("GetPartitions", s.getPartitions),
		wire.Op("BatchGetPartition", s.batchGetPartition),
		wire.Op("UpdatePartition", s.updatePartition),
		wire.Op("BatchUpdatePartition", s.batchUpdatePartition),
		wire.Op("DeletePartition", s.deletePartition),
		wire.Op("BatchDeletePartition", s.batchDeletePartition),
		wire.Op("GetPartitionIndexes", s.getPartitionIndexes),
		wire.Op("CreatePartitionIndex", s.createPartitionIndex),
		wire.Op("DeletePartitionIndex", s.deletePartitionIndex),
	}
}

func (s *service) crawlerOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateCrawler", s.createCrawler),
		wire.Op("UpdateCrawler", s.updateCrawler),
		wire.Op("GetCrawler", s.getCrawler),
		wire.Op("GetCrawlers", s.getCrawlers),
		wire.Op("ListCrawlers", s.listCrawlers),
		wire.Op("BatchGetCrawlers", s.batchGetCrawlers),
		wire.Op("GetCrawlerMetrics", s.getCrawlerMetrics),
		wire.Op("ListCrawls", s.listCrawls),
		wire.Op("StartCrawler", s.startCrawler),
		wire.Op("StopCrawler", s.stopCrawler),
		wire.Op("DeleteCrawler", s.deleteCrawler),
		wire.Op("UpdateCrawlerSchedule", s.updateCrawlerSchedule),
		wire.Op("StartCrawlerSchedule", s.startCrawlerSchedule),
		wire.Op("StopCrawlerSchedule", s.stopCrawlerSchedule),
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

// checkCatalog refuses another account's catalog: there is only the caller's own.
func checkCatalog(ctx context.Context, id *string) error {
	if id != nil && *id != wire.Caller(ctx).Account {
		return catalog.Failf(catalog.ErrNotFound, "Catalog %s not found.", *id)
	}
	return nil
}

// required is a member that an operation cannot do without.
type required struct {
	name  string
	value *string
}

// check looks at the catalog id and at required names. All that is wrong with the names is said at once.
func check(ctx context.Context, catalogID *string, names ...required) error {
	var v wire.Violations
	for _, n := range names {
		v.Required(n.value != nil, n.name)
		v.Length(n.value, n.name, 1, 255)
	}
	if err := v.Err(); err != nil {
		return err
	}
	return checkCatalog(ctx, catalogID)
}

// checkBatch bounds the number of items of a batch.
func checkBatch(n int, path string, most int) error {
	var v wire.Violations
	v.Size(n, path, fmt.Sprintf("[%d items]", n), 0, most)
	return v.Err()
}

// unsupported names members that were sent and that we do not have; nil if none was. Pairs of name and presence.
func unsupported(members ...any) error {
	for i := 0; i < len(members); i += 2 {
		if members[i+1].(bool) {
			return catalog.Failf(catalog.ErrInvalid, "%s is not supported.", members[i])
		}
	}
	return nil
}

// page cuts the items that follow token off all, which is ordered by name, and returns the next token.
func page[T any](all []T, name func(*T) string, token *string, max *int32, most int32) (items []T, next *string, err error) {
	var v wire.Violations
	wire.Range(&v, max, "maxResults", 1, most)
	if err := v.Err(); err != nil {
		return nil, nil, err
	}
	limit := most
	if max != nil {
		limit = *max
	}
	after, err := untoken(token)
	if err != nil {
		return nil, nil, err
	}
	items = make([]T, 0, min(int(limit), len(all)))
	for i := range all {
		if after != "" && name(&all[i]) <= after {
			continue
		}
		if len(items) == int(limit) {
			t := totoken(name(&items[len(items)-1]))
			return items, &t, nil
		}
		items = append(items, all[i])
	}
	return items, nil, nil
}

// totoken makes a page token of the last name on the page; untoken is its inverse.
func totoken(last string) string { return base64.URLEncoding.EncodeToString([]byte(last)) }

func untoken(token *string) (string, error) {
	if str(token) == "" {
		return "", nil
	}
	raw, err := base64.URLEncoding.DecodeString(*token)
	if err != nil {
		return "", catalog.Failf(catalog.ErrInvalid, "Invalid token: %s", *token)
	}
	return string(raw), nil
}

// detail is an error as it stands in the answer of a batch operation.
func detail(err error) *types.ErrorDetail {
	name, message := nameOf(err), err.Error()
	return &types.ErrorDetail{ErrorCode: &name, ErrorMessage: &message}
}
