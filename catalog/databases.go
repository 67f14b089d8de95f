package catalog

import (
	"context"
	"errors"
	"strings"

	"github.com/weir-data/weir/internal/meta"
)

func noDatabase(name string) error { return Failf(ErrNotFound, "Database %s not found.", name) }

// Databases returns all databases by name.
func (s *Store) Databases(ctx context.Context) ([]Database, error) {
	return collect(scan[Database](s, under(keyDatabase), ""))
}

// Database returns one database, or ErrNotFound.
func (s *Store) Database(ctx context.Context, name string) (Database, error) {
	name = strings.ToLower(name)
	return load[Database](s, key(keyDatabase, name), noDatabase(name))
}

// CreateDatabase adds a database; its Created is set here. ErrExists, ErrInvalid.
func (s *Store) CreateDatabase(ctx context.Context, d Database) error {
	return s.CreateTaggedDatabase(ctx, d, nil)
}

// CreateTaggedDatabase is CreateDatabase with first tags, in one change.
func (s *Store) CreateTaggedDatabase(ctx context.Context, d Database, tags map[string]string) error {
	if err := checkName("Database name", d.Name); err != nil {
		return err
	}
	d.Name = strings.ToLower(d.Name)
	if err := checkTags(tags); err != nil {
		return err
	}
	s.databases.Lock()
	defer s.databases.Unlock()
	if _, err := s.Database(ctx, d.Name); !errors.Is(err, ErrNotFound) {
		return existing(err, "Database already exists.")
	}
	d.Created = s.now().UTC()
	b := new(meta.Batch)
	if err := put(s, b, key(keyDatabase, d.Name), d); err != nil {
		return err
	}
	if err := s.setTags(b, DatabaseResource(d.Name), tags); err != nil {
		return err
	}
	return s.meta.Commit(b)
}

// existing is the error of creating what a look-up (ending in err) did not miss.
func existing(err error, text string) error {
	if err != nil {
		return err
	}
	return Failf(ErrExists, "%s", text)
}

// UpdateDatabase replaces what is said about a database; its name and Created stay. ErrNotFound, ErrInvalid.
func (s *Store) UpdateDatabase(ctx context.Context, name string, d Database) error {
	name = strings.ToLower(name)
	if d.Name != "" && strings.ToLower(d.Name) != name {
		return Failf(ErrInvalid, "Database rename is not supported: %s is not %s", d.Name, name)
	}
	s.databases.Lock()
	defer s.databases.Unlock()
	old, err := s.Database(ctx, name)
	if err != nil {
		return err
	}
	d.Name, d.Created = name, old.Created
	return meta.Save(s.space, key(keyDatabase, name), d)
}

// DeleteDatabase removes a database with all that is in it. ErrNotFound.
func (s *Store) DeleteDatabase(ctx context.Context, name string) error {
	name = strings.ToLower(name)
	s.databases.Lock()
	defer s.databases.Unlock()
	if _, err := s.Database(ctx, name); err != nil {
		return err
	}
	b := new(meta.Batch)
	b.Delete(s.space, key(keyDatabase, name))
	b.Delete(s.space, key(keyTags, DatabaseResource(name)))
	for _, kind := range []string{keyTable, keyVersion, keyPartition, keyStatistic} {
		if err := s.remove(b, under(kind, name)); err != nil {
			return err
		}
	}
	if err := s.remove(b, key(keyTags, TableResource(name, ""))); err != nil {
		return err
	}
	return s.meta.Commit(b)
}
