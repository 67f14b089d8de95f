package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// PartitionIndex names partition keys to be looked up fast. It is recorded for those who ask; look-ups here do not need
// it.
type PartitionIndex struct {
	Name    string
	Keys    []string
	Created time.Time
}

const indexesMax = 3 // per table; Glue's bound

// addIndex checks ix against the table and adds it.
func (r *record) addIndex(ix PartitionIndex, now time.Time) error {
	if err := checkName("Index name", ix.Name); err != nil {
		return err
	}
	if len(ix.Keys) == 0 {
		return Failf(ErrInvalid, "Partition index %s has no keys.", ix.Name)
	}
	for i, k := range ix.Keys {
		known := slices.ContainsFunc(r.PartitionKeys, func(c Column) bool { return strings.EqualFold(c.Name, k) })
		if !known {
			return Failf(ErrInvalid, "Partition index key %s is not a partition key of table %s.", k, r.Name)
		}
		if slices.Contains(ix.Keys[:i], k) {
			return Failf(ErrInvalid, "Partition index %s has key %s twice.", ix.Name, k)
		}
	}
	for _, other := range r.Indexes {
		if other.Name == ix.Name {
			return Failf(ErrExists, "Partition index %s already exists.", ix.Name)
		}
		if slices.Equal(other.Keys, ix.Keys) {
			return Failf(ErrExists, "Partition index with the same keys already exists: %s.", other.Name)
		}
	}
	if len(r.Indexes) == indexesMax {
		return Failf(ErrLimit, "Table %s has %d partition indexes already.", r.Name, indexesMax)
	}
	ix.Created = now
	r.Indexes = append(r.Indexes, ix)
	return nil
}

// PartitionIndexes returns the partition indexes of a table in the order of their making. ErrNotFound.
func (s *Store) PartitionIndexes(ctx context.Context, database, table string) ([]PartitionIndex, error) {
	r, err := s.record(ctx, strings.ToLower(database), strings.ToLower(table))
	return r.Indexes, err
}

// CreatePartitionIndex adds a partition index. ErrNotFound, ErrExists, ErrInvalid, ErrLimit.
func (s *Store) CreatePartitionIndex(ctx context.Context, database, table string, ix PartitionIndex) error {
	return s.changeRecord(ctx, database, table, func(r *record) error { return r.addIndex(ix, s.now().UTC()) })
}

// DeletePartitionIndex removes a partition index. ErrNotFound.
func (s *Store) DeletePartitionIndex(ctx context.Context, database, table, name string) error {
	return s.changeRecord(ctx, database, table, func(r *record) error {
		i := slices.IndexFunc(r.Indexes, func(ix PartitionIndex) bool { return ix.Name == name })
		if i < 0 {
			return Failf(ErrNotFound, "Index %s not found.", name)
		}
		r.Indexes = slices.Delete(r.Indexes, i, i+1)
		return nil
	})
}

// changeRecord applies change to what belongs to a table and not to its versions.
func (s *Store) changeRecord(ctx context.Context, database, table string, change func(*record) error) error {
	database, table = strings.ToLower(database), strings.ToLower(table)
	defer s.lockTable(database, table)()
	r, err := s.record(ctx, database, table)
	if err != nil {
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	return meta.Save(s.space, key(keyTable, database, table), r)
}
