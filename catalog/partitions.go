package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/weir-data/weir/internal/meta"
)

// PartitionQuery chooses partitions. The zero value is all of them.
type PartitionQuery struct {
	Filter string   // Glue's expression
	After  []string // only those ordered after this one: the last of the page before
	Limit  int      // at most this many; 0 is all
	// Segment of Segments: partitions are split by a hash of their values into disjoint parts, so that several
	// readers share a table. Segments 0 is no split.
	Segment, Segments int
}

// Partitions returns the partitions that filter accepts, ordered by their values as text.
func (s *Store) Partitions(ctx context.Context, database, table, filter string) ([]Partition, error) {
	ps, _, err := s.FindPartitions(ctx, database, table, PartitionQuery{Filter: filter})
	return ps, err
}

// FindPartitions returns the partitions that q chooses, ordered by their values as text, and whether more follow the
// limit. Only accepted partitions are decoded. ErrNotFound; ErrInvalid for a filter that does not fit the partition
// keys; ErrState for a stored value that is not of its key's type.
func (s *Store) FindPartitions(ctx context.Context, database, table string, q PartitionQuery) (ps []Partition, more bool, err error) {
	database, table = strings.ToLower(database), strings.ToLower(table)
	t, err := s.Table(ctx, database, table)
	if err != nil {
		return nil, false, err
	}
	filter, err := ParseFilter(q.Filter, t.PartitionKeys)
	if err != nil {
		return nil, false, err
	}
	prefix, after := under(keyPartition, database, table), ""
	if q.After != nil {
		after = prefix + strings.Join(q.After, sep)
	}
	for e, err := range s.space.Scan(prefix, after) {
		if err != nil {
			return nil, false, err
		}
		values := strings.Split(e.Key[len(prefix):], sep)
		if q.Segments > 0 && segmentOf(values, q.Segments) != q.Segment {
			continue
		}
		ok, err := filter.Match(values)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		if q.Limit > 0 && len(ps) == q.Limit {
			return ps, true, nil
		}
		var p Partition
		if err := json.Unmarshal(e.Value, &p); err != nil {
			return nil, false, fmt.Errorf("metadata %q: %w", e.Key, err)
		}
		ps = append(ps, p)
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	return ps, false, nil
}

func segmentOf(values []string, segments int) int {
	h := fnv.New32a()
	for _, v := range values {
		h.Write([]byte(v))
		h.Write([]byte{0})
	}
	return int(h.Sum32() % uint32(segments))
}

func partitionKey(database, table string, values []string) string {
	return under(keyPartition, database, table) + strings.Join(values, sep)
}

var errNoPartition = Failf(ErrNotFound, "Cannot find partition.")

// Partition returns the partition with the given values, or ErrNotFound.
func (s *Store) Partition(ctx context.Context, database, table string, values []string) (Partition, error) {
	database, table = strings.ToLower(database), strings.ToLower(table)
	if _, err := s.Table(ctx, database, table); err != nil {
		return Partition{}, err
	}
	return s.partition(database, table, values)
}

func (s *Store) partition(database, table string, values []string) (Partition, error) {
	return load[Partition](s, partitionKey(database, table, values), errNoPartition)
}

// checkValues refuses values that do not fit the partition keys.
func checkValues(t *Table, values []string) error {
	if len(values) != len(t.PartitionKeys) || len(values) == 0 {
		return Failf(ErrInvalid, "The number of partition keys do not match the number of partition values")
	}
	for _, v := range values {
		if v == "" {
			return Failf(ErrInvalid, "Partition values cannot be empty")
		}
		if len(v) > 1024 || strings.Contains(v, sep) {
			return Failf(ErrInvalid, "Partition value %.40q is longer than 1024 bytes or has a zero byte", v)
		}
	}
	return nil
}

// AddPartitions adds the partitions that are not there, all in one change. Those that exist (or stand earlier in ps)
// are left alone and their indexes returned. ErrNotFound; ErrInvalid for values that do not fit the partition keys, then
// nothing was added.
func (s *Store) AddPartitions(ctx context.Context, database, table string, ps []Partition) (existing []int, err error) {
	database, table = strings.ToLower(database), strings.ToLower(table)
	defer s.lockTable(database, table)()
	t, err := s.Table(ctx, database, table)
	if err != nil {
		return nil, err
	}
	b := new(meta.Batch)
	added := map[string]bool{}
	for i, p := range ps {
		if err := checkValues(&t, p.Values); err != nil {
			return nil, err
		}
		k := partitionKey(database, table, p.Values)
		there, err := s.has(k)
		if err != nil {
			return nil, err
		}
		if there || added[k] {
			existing = append(existing, i)
			continue
		}
		added[k] = true
		p.Created = s.now().UTC()
		if err := put(s, b, k, p); err != nil {
			return nil, err
		}
	}
	if b.Len() == 0 {
		return existing, nil
	}
	return existing, s.meta.Commit(b)
}

func (s *Store) has(k string) (bool, error) {
	_, err := s.space.Get(k)
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// PartitionUpdate replaces the partition with the values Old by New, whose values may differ.
type PartitionUpdate struct {
	Old []string
	New Partition
}

// UpdatePartitions applies the updates that can be applied, all in one change. failed has the reason of each one that
// cannot, by index: ErrNotFound, ErrExists (another partition has the new values), ErrInvalid. err says that none was
// applied.
func (s *Store) UpdatePartitions(ctx context.Context, database, table string, updates []PartitionUpdate) (failed map[int]error, err error) {
	database, table = strings.ToLower(database), strings.ToLower(table)
	defer s.lockTable(database, table)()
	t, err := s.Table(ctx, database, table)
	if err != nil {
		return nil, err
	}
	failed = map[int]error{}
	b := new(meta.Batch)
	touched := map[string]bool{}
	for i, u := range updates {
		if err := s.updatePartition(b, touched, &t, u); err != nil {
			failed[i] = err
		}
	}
	if b.Len() == 0 {
		return failed, nil
	}
	return failed, s.meta.Commit(b)
}

// updatePartition adds one update to b. touched are the keys that b changes already: a second change to one of them
// would be judged by what is stored and not by what is about to be.
func (s *Store) updatePartition(b *meta.Batch, touched map[string]bool, t *Table, u PartitionUpdate) error {
	p := u.New
	if len(p.Values) == 0 {
		p.Values = u.Old
	}
	if err := checkValues(t, p.Values); err != nil {
		return err
	}
	from, to := partitionKey(t.Database, t.Name, u.Old), partitionKey(t.Database, t.Name, p.Values)
	if touched[from] {
		return Failf(ErrInvalid, "Partition %v appears twice in one request.", u.Old)
	}
	old, err := s.partition(t.Database, t.Name, u.Old)
	if err != nil {
		return err
	}
	if from != to {
		if there, err := s.has(to); err != nil || there || touched[to] {
			return existing(err, "Partition already exists.")
		}
		b.Delete(s.space, from)
	}
	touched[from], touched[to] = true, true
	p.Created = old.Created
	return put(s, b, to, p)
}

// DeletePartition removes one partition, or returns ErrNotFound.
func (s *Store) DeletePartition(ctx context.Context, database, table string, values []string) error {
	missing, err := s.DeletePartitions(ctx, database, table, [][]string{values})
	if err == nil && len(missing) > 0 {
		return errNoPartition
	}
	return err
}

// DeletePartitions removes the partitions with the given values in one change and returns the indexes of those that
// are not there.
func (s *Store) DeletePartitions(ctx context.Context, database, table string, values [][]string) (missing []int, err error) {
	database, table = strings.ToLower(database), strings.ToLower(table)
	defer s.lockTable(database, table)()
	if _, err := s.Table(ctx, database, table); err != nil {
		return nil, err
	}
	b := new(meta.Batch)
	for i, v := range values {
		k := partitionKey(database, table, v)
		there, err := s.has(k)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, i)
			continue
		}
		b.Delete(s.space, k)
	}
	if b.Len() == 0 {
		return missing, nil
	}
	return missing, s.meta.Commit(b)
}
