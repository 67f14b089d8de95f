package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Options of New. Zero fields are defaults.
type Options struct {
	Now func() time.Time // default time.Now
}

// Store is the embedded catalog. It is safe for concurrent use; one process has one Store per metadata store.
type Store struct {
	meta  *meta.Store
	space meta.Space
	now   func() time.Time

	// databases is held shared by changes within one database and alone by changes of the set of databases, so
	// that no table is made in a database that is going away.
	databases sync.RWMutex
	// stripes order the changes of one table (or crawler, or tagged resource); different ones share a sync.
	stripes [64]sync.Mutex
	seed    maphash.Seed
}

var _ Catalog = (*Store)(nil)

// New returns the catalog kept in space "catalog" of m. Crawlers that were at work when the process ended become READY
// with a failed last crawl.
func New(m *meta.Store, opts Options) (*Store, error) {
	s := &Store{meta: m, space: m.Space("catalog"), now: opts.Now, seed: maphash.MakeSeed()}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.failInterruptedCrawls(); err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	return s, nil
}

// lock takes the stripe of a thing; call the result to release it.
func (s *Store) lock(parts ...string) (unlock func()) {
	m := &s.stripes[maphash.String(s.seed, strings.Join(parts, sep))%uint64(len(s.stripes))]
	m.Lock()
	return m.Unlock
}

// lockTable guards the change of one table and keeps its database in place.
func (s *Store) lockTable(database, table string) (unlock func()) {
	s.databases.RLock()
	release := s.lock(database, table)
	return func() { release(); s.databases.RUnlock() }
}

// The kinds of key. The parts of a key follow its kind, each after a zero byte, which no part may contain.
const (
	sep = "\x00"

	keyDatabase  = "database"  // name
	keyTable     = "table"     // database, name
	keyVersion   = "version"   // database, table, version as 20 digits
	keyPartition = "partition" // database, table, values …
	keyStatistic = "statistic" // database, table, column
	keyCrawler   = "crawler"   // name
	keyTags      = "tags"      // resource: database/x, table/x/y, crawler/x
)

func key(kind string, parts ...string) string { return kind + sep + strings.Join(parts, sep) }

// under is the prefix of all keys that have more parts than the given ones.
func under(kind string, parts ...string) string {
	if len(parts) == 0 {
		return kind + sep
	}
	return key(kind, parts...) + sep
}

// put adds the setting of k to the JSON form of v to b.
func put(s *Store, b *meta.Batch, k string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %q: %w", k, err)
	}
	b.Put(s.space, k, raw)
	return nil
}

// remove adds the removal of all keys with the prefix to b.
func (s *Store) remove(b *meta.Batch, prefix string) error {
	for e, err := range s.space.Scan(prefix, "") {
		if err != nil {
			return err
		}
		b.Delete(s.space, e.Key)
	}
	return nil
}

// load reads the value of k, or returns absent if there is none.
func load[T any](s *Store, k string, absent error) (T, error) {
	v, err := meta.Load[T](s.space, k)
	if errors.Is(err, meta.ErrNotFound) {
		return v, absent
	}
	return v, err
}

// scan yields the values under prefix in the order of their keys.
func scan[T any](s *Store, prefix, after string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for e, err := range s.space.Scan(prefix, after) {
			var v T
			if err == nil {
				if err = json.Unmarshal(e.Value, &v); err != nil {
					err = fmt.Errorf("metadata %q: %w", e.Key, err)
				}
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// collect gathers seq, or returns its error.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

const nameMax = 255 // bytes; Glue's bound on names

// checkName refuses names that Glue refuses; what says which name in the error.
func checkName(what, name string) error {
	switch {
	case name == "":
		return Failf(ErrInvalid, "%s cannot be empty", what)
	case len(name) > nameMax:
		return Failf(ErrInvalid, "%s cannot be longer than %d bytes", what, nameMax)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' && r != '\t' }):
		return Failf(ErrInvalid, "%s must be a single line without control characters", what)
	}
	return nil
}
