package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/weir-data/weir/internal/meta"
)

func noTable(name string) error { return Failf(ErrNotFound, "Table %s not found.", name) }

// record is a table as it is stored, with what belongs to it and not to its versions.
type record struct {
	Table
	Indexes []PartitionIndex `json:",omitempty"`
	// Next is the version that the next update gets; it never falls, whatever versions are deleted.
	Next int64
}

// Tables returns the tables of a database by name, or ErrNotFound.
func (s *Store) Tables(ctx context.Context, database string) ([]Table, error) {
	database = strings.ToLower(database)
	if _, err := s.Database(ctx, database); err != nil {
		return nil, err
	}
	return collect(scan[Table](s, under(keyTable, database), ""))
}

// Table returns the current version of a table, or ErrNotFound.
func (s *Store) Table(ctx context.Context, database, name string) (Table, error) {
	r, err := s.record(ctx, strings.ToLower(database), strings.ToLower(name))
	return r.Table, err
}

// record reads a table; names are in lower case already. A missing database is told apart from a missing table.
func (s *Store) record(ctx context.Context, database, name string) (record, error) {
	r, err := load[record](s, key(keyTable, database, name), noTable(name))
	if errors.Is(err, ErrNotFound) {
		if _, missing := s.Database(ctx, database); missing != nil {
			return r, missing
		}
	}
	return r, err
}

// CreateTable adds a table as version "0"; Version, Created and Updated are set here. ErrNotFound (database), ErrExists,
// ErrInvalid.
func (s *Store) CreateTable(ctx context.Context, t Table) error {
	return s.CreateIndexedTable(ctx, t, nil)
}

// CreateIndexedTable is CreateTable with first partition indexes, in one change.
func (s *Store) CreateIndexedTable(ctx context.Context, t Table, indexes []PartitionIndex) error {
	if err := checkTable(&t); err != nil {
		return err
	}
	defer s.lockTable(t.Database, t.Name)()
	if _, err := s.Database(ctx, t.Database); err != nil {
		return err
	}
	if _, err := s.record(ctx, t.Database, t.Name); !errors.Is(err, ErrNotFound) {
		return existing(err, "Table already exists.")
	}
	t.Version = "0"
	t.Created = s.now().UTC()
	t.Updated = t.Created
	r := record{Table: t, Next: 1}
	for _, ix := range indexes {
		if err := r.addIndex(ix, t.Created); err != nil {
			return err
		}
	}
	return meta.Save(s.space, key(keyTable, t.Database, t.Name), r)
}

// checkTable puts the names of t in lower case and refuses what no reader could use.
func checkTable(t *Table) error {
	t.Database, t.Name = strings.ToLower(t.Database), strings.ToLower(t.Name)
	if err := checkName("Database name", t.Database); err != nil {
		return err
	}
	if err := checkName("Table name", t.Name); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range t.PartitionKeys {
		if err := checkName("Partition key name", c.Name); err != nil {
			return err
		}
		if name := strings.ToLower(c.Name); seen[name] {
			return Failf(ErrInvalid, "Partition key %s appears twice.", name)
		}
		seen[strings.ToLower(c.Name)] = true
	}
	for _, c := range t.Storage.Columns {
		if err := checkName("Column name", c.Name); err != nil {
			return err
		}
	}
	return nil
}

// UpdateTable replaces a table and archives what it was. ErrNotFound, ErrVersion, ErrInvalid.
func (s *Store) UpdateTable(ctx context.Context, t Table) error {
	return s.ReplaceTable(ctx, t, false)
}

// ReplaceTable is UpdateTable that, with skipArchive, forgets what the table was instead of keeping it as a version.
func (s *Store) ReplaceTable(ctx context.Context, t Table, skipArchive bool) error {
	if err := checkTable(&t); err != nil {
		return err
	}
	defer s.lockTable(t.Database, t.Name)()
	r, err := s.record(ctx, t.Database, t.Name)
	if err != nil {
		return err
	}
	if t.Version != "" && t.Version != r.Version {
		return Failf(ErrVersion, "Version mismatch: table %s is at version %s, not %s.", t.Name, r.Version, t.Version)
	}
	b := new(meta.Batch)
	if !skipArchive {
		k, err := versionKey(t.Database, t.Name, r.Version)
		if err != nil {
			return err
		}
		if err := put(s, b, k, r.Table); err != nil {
			return err
		}
	}
	t.Version = strconv.FormatInt(r.Next, 10)
	t.Created, t.CreatedBy = r.Created, r.CreatedBy
	t.Updated = s.now().UTC()
	r.Table = t
	r.Next++
	if err := put(s, b, key(keyTable, t.Database, t.Name), r); err != nil {
		return err
	}
	return s.meta.Commit(b)
}

// DeleteTable removes a table with its versions, partitions, statistics and tags. ErrNotFound.
func (s *Store) DeleteTable(ctx context.Context, database, name string) error {
	database, name = strings.ToLower(database), strings.ToLower(name)
	defer s.lockTable(database, name)()
	if _, err := s.record(ctx, database, name); err != nil {
		return err
	}
	b := new(meta.Batch)
	b.Delete(s.space, key(keyTable, database, name))
	b.Delete(s.space, key(keyTags, TableResource(database, name)))
	for _, kind := range []string{keyVersion, keyPartition, keyStatistic} {
		if err := s.remove(b, under(kind, database, name)); err != nil {
			return err
		}
	}
	return s.meta.Commit(b)
}

func versionKey(database, table, version string) (string, error) {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil || n < 0 {
		return "", Failf(ErrInvalid, "Version %q is not a number.", version)
	}
	return key(keyVersion, database, table, fmt.Sprintf("%020d", n)), nil
}

// TableVersions returns the kept versions of a table, the current one first. ErrNotFound.
func (s *Store) TableVersions(ctx context.Context, database, name string) ([]Table, error) {
	database, name = strings.ToLower(database), strings.ToLower(name)
	r, err := s.record(ctx, database, name)
	if err != nil {
		return nil, err
	}
	old, err := collect(scan[Table](s, under(keyVersion, database, name), ""))
	if err != nil {
		return nil, err
	}
	all := []Table{r.Table}
	for i := len(old) - 1; i >= 0; i-- {
		if old[i].Version != r.Version {
			all = append(all, old[i])
		}
	}
	return all, nil
}

// TableVersion returns one version of a table; "" and "LATEST" are the current one. ErrNotFound, ErrInvalid.
func (s *Store) TableVersion(ctx context.Context, database, name, version string) (Table, error) {
	database, name = strings.ToLower(database), strings.ToLower(name)
	r, err := s.record(ctx, database, name)
	if err != nil || version == "" || version == "LATEST" || version == r.Version {
		return r.Table, err
	}
	k, err := versionKey(database, name, version)
	if err != nil {
		return Table{}, err
	}
	return load[Table](s, k, Failf(ErrNotFound, "Table version %s of table %s not found.", version, name))
}

// DeleteTableVersion forgets an archived version. The current one cannot be deleted. ErrNotFound, ErrInvalid.
func (s *Store) DeleteTableVersion(ctx context.Context, database, name, version string) error {
	database, name = strings.ToLower(database), strings.ToLower(name)
	defer s.lockTable(database, name)()
	t, err := s.TableVersion(ctx, database, name, version)
	if err != nil {
		return err
	}
	current, err := s.Table(ctx, database, name)
	if err != nil {
		return err
	}
	if t.Version == current.Version {
		return Failf(ErrInvalid, "Cannot delete the current version %s of table %s.", t.Version, name)
	}
	k, err := versionKey(database, name, t.Version)
	if err != nil {
		return err
	}
	return s.space.Delete(k)
}

// SameSchema says whether two tables read alike: columns, partition keys, format and place.
func SameSchema(a, b Table) bool {
	return sameColumns(a.Storage.Columns, b.Storage.Columns) && sameColumns(a.PartitionKeys, b.PartitionKeys) &&
		a.Storage.Location == b.Storage.Location && a.Storage.InputFormat == b.Storage.InputFormat &&
		a.Storage.SerDe.Library == b.Storage.SerDe.Library && maps.Equal(a.Storage.SerDe.Parameters, b.Storage.SerDe.Parameters)
}

func sameColumns(a, b []Column) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Type != b[i].Type {
			return false
		}
	}
	return true
}
