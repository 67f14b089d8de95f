package catalog

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// ColumnStatistic is what a client measured of one column of a table.
type ColumnStatistic struct {
	Column   string
	Type     string // of the column
	Analyzed time.Time
	Data     json.RawMessage // Glue's ColumnStatisticsData; its numbers may need all 64 bits
}

// SetColumnStatistics adds or replaces statistics of a table's columns in one change. ErrNotFound; ErrInvalid for a
// column that the table does not have, then nothing was changed.
func (s *Store) SetColumnStatistics(ctx context.Context, database, table string, stats []ColumnStatistic) error {
	database, table = strings.ToLower(database), strings.ToLower(table)
	defer s.lockTable(database, table)()
	t, err := s.Table(ctx, database, table)
	if err != nil {
		return err
	}
	b := new(meta.Batch)
	for _, st := range stats {
		if columnIndex(t.Storage.Columns, st.Column) < 0 && columnIndex(t.PartitionKeys, st.Column) < 0 {
			return Failf(ErrInvalid, "Column %s not found in table %s.", st.Column, table)
		}
		if err := put(s, b, key(keyStatistic, database, table, strings.ToLower(st.Column)), st); err != nil {
			return err
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return s.meta.Commit(b)
}

func columnIndex(columns []Column, name string) int {
	for i := range columns {
		if strings.EqualFold(columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// ColumnStatistics returns the statistics of one column, or ErrNotFound.
func (s *Store) ColumnStatistics(ctx context.Context, database, table, column string) (ColumnStatistic, error) {
	database, table, column = strings.ToLower(database), strings.ToLower(table), strings.ToLower(column)
	if _, err := s.Table(ctx, database, table); err != nil {
		return ColumnStatistic{}, err
	}
	return load[ColumnStatistic](s, key(keyStatistic, database, table, column),
		Failf(ErrNotFound, "Statistics of column %s not found.", column))
}

// DeleteColumnStatistics forgets the statistics of one column, or returns ErrNotFound.
func (s *Store) DeleteColumnStatistics(ctx context.Context, database, table, column string) error {
	database, table, column = strings.ToLower(database), strings.ToLower(table), strings.ToLower(column)
	defer s.lockTable(database, table)()
	if _, err := s.ColumnStatistics(ctx, database, table, column); err != nil {
		return err
	}
	return s.space.Delete(key(keyStatistic, database, table, column))
}
