package glue

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
)

// GetColumnStatisticsForTable, UpdateColumnStatisticsForTable, DeleteColumnStatisticsForTable.
//
// Statistics are kept as sent; nothing here computes or uses them. Statistics of partitions are not offered.

func (s *service) getColumnStatistics(ctx context.Context, in *glue.GetColumnStatisticsForTableInput) (*glue.GetColumnStatisticsForTableOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.ColumnNames), "columnNames", 100); err != nil {
		return nil, err
	}
	if _, err := s.store.Table(ctx, *in.DatabaseName, *in.TableName); err != nil {
		return nil, err
	}
	out := &glue.GetColumnStatisticsForTableOutput{ColumnStatisticsList: []types.ColumnStatistics{}, Errors: []types.ColumnError{}}
	for _, name := range in.ColumnNames {
		st, err := s.store.ColumnStatistics(ctx, *in.DatabaseName, *in.TableName, name)
		if errors.Is(err, catalog.ErrNotFound) {
			out.Errors = append(out.Errors, types.ColumnError{ColumnName: &name, Error: detail(err)})
			continue
		}
		if err != nil {
			return nil, err
		}
		full, err := awsglue.ToColumnStatistics(st)
		if err != nil {
			return nil, err
		}
		out.ColumnStatisticsList = append(out.ColumnStatisticsList, *full)
	}
	return out, nil
}

func (s *service) updateColumnStatistics(ctx context.Context, in *glue.UpdateColumnStatisticsForTableInput) (*glue.UpdateColumnStatisticsForTableOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.ColumnStatisticsList), "columnStatisticsList", 25); err != nil {
		return nil, err
	}
	stats := make([]catalog.ColumnStatistic, len(in.ColumnStatisticsList))
	for i := range stats {
		var err error
		if stats[i], err = awsglue.FromColumnStatistics(&in.ColumnStatisticsList[i]); err != nil {
			return nil, err
		}
	}
	err := s.store.SetColumnStatistics(ctx, *in.DatabaseName, *in.TableName, stats)
	return &glue.UpdateColumnStatisticsForTableOutput{Errors: []types.ColumnStatisticsError{}}, err
}

func (s *service) deleteColumnStatistics(ctx context.Context, in *glue.DeleteColumnStatisticsForTableInput) (*glue.DeleteColumnStatisticsForTableOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName},
		required{"columnName", in.ColumnName}); err != nil {
		return nil, err
	}
	return &glue.DeleteColumnStatisticsForTableOutput{}, s.store.DeleteColumnStatistics(ctx, *in.DatabaseName, *in.TableName, *in.ColumnName)
}
