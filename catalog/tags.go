package catalog

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/weir-data/weir/internal/meta"
)

// DatabaseResource names a database for tags.
func DatabaseResource(name string) string { return "database/" + strings.ToLower(name) }

// TableResource names a table for tags.
func TableResource(database, name string) string {
	return "table/" + strings.ToLower(database) + "/" + strings.ToLower(name)
}

// CrawlerResource names a crawler for tags.
func CrawlerResource(name string) string { return "crawler/" + name }

const tagsMax = 50 // per resource

func checkTags(tags map[string]string) error {
	if len(tags) > tagsMax {
		return Failf(ErrInvalid, "A resource has at most %d tags.", tagsMax)
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return Failf(ErrInvalid, "Tag %.40q is not valid.", k)
		}
	}
	return nil
}

// setTags adds first tags of a new resource to b.
func (s *Store) setTags(b *meta.Batch, resource string, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	return put(s, b, key(keyTags, resource), tags)
}

// Tags returns the tags of a resource (see DatabaseResource). ErrNotFound if there is no such resource.
func (s *Store) Tags(ctx context.Context, resource string) (map[string]string, error) {
	if err := s.checkResource(ctx, resource); err != nil {
		return nil, err
	}
	tags, err := meta.Load[map[string]string](s.space, key(keyTags, resource))
	if errors.Is(err, meta.ErrNotFound) {
		return map[string]string{}, nil
	}
	return tags, err
}

// SetTags adds or replaces tags of a resource. ErrNotFound, ErrInvalid.
func (s *Store) SetTags(ctx context.Context, resource string, tags map[string]string) error {
	return s.changeTags(ctx, resource, func(all map[string]string) { maps.Copy(all, tags) })
}

// DeleteTags removes tags of a resource; names it does not have are no error. ErrNotFound.
func (s *Store) DeleteTags(ctx context.Context, resource string, names []string) error {
	return s.changeTags(ctx, resource, func(all map[string]string) {
		for _, n := range names {
			delete(all, n)
		}
	})
}

func (s *Store) changeTags(ctx context.Context, resource string, change func(map[string]string)) error {
	s.databases.Lock() // tags change rarely, and this keeps every kind of resource in place
	defer s.databases.Unlock()
	tags, err := s.Tags(ctx, resource)
	if err != nil {
		return err
	}
	change(tags)
	if err := checkTags(tags); err != nil {
		return err
	}
	return meta.Save(s.space, key(keyTags, resource), tags)
}

// checkResource returns ErrNotFound if resource names nothing that is there.
func (s *Store) checkResource(ctx context.Context, resource string) error {
	kind, name, _ := strings.Cut(resource, "/")
	var err error
	switch kind {
	case "database":
		_, err = s.Database(ctx, name)
	case "table":
		database, table, _ := strings.Cut(name, "/")
		_, err = s.Table(ctx, database, table)
	case "crawler":
		_, err = s.Crawler(ctx, name)
	default:
		err = Failf(ErrNotFound, "Resource %s not found.", resource)
	}
	return err
}
