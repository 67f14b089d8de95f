package file

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// afterAll follows every key that begins with the text before it: keys are UTF-8 and never hold this byte.
const afterAll = "\xff"

const listLimit = 1000

// List returns objects in byte order of their keys, those of other programs included.
func (s *Store) List(_ context.Context, bucketName string, opts objstore.ListOptions) (objstore.Page, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return objstore.Page{}, err
	}
	if opts.After == "" {
		if err := s.discover(b, opts.Prefix, opts.Delimiter == "/"); err != nil {
			return objstore.Page{}, fmt.Errorf("list bucket %q: %w", bucketName, err)
		}
	}
	limit := opts.Limit
	if limit <= 0 {
		limit = listLimit
	}
	var page objstore.Page
	last := ""
	for row, err := range s.rows(bucketName, opts) {
		if err != nil {
			return objstore.Page{}, fmt.Errorf("list bucket %q: %w", bucketName, err)
		}
		if len(page.Objects)+len(page.Prefixes) == limit {
			page.Next = last
			break
		}
		last = row.name
		if row.value == nil {
			page.Prefixes = append(page.Prefixes, row.name)
			continue
		}
		var rec listed
		if err := json.Unmarshal(row.value, &rec); err != nil {
			return objstore.Page{}, fmt.Errorf("list bucket %q: object %q: %w", bucketName, row.name, err)
		}
		page.Objects = append(page.Objects, rec.info(row.name))
	}
	return page, nil
}

// row is an object with its record, or a common prefix without.
type row struct {
	name  string
	value []byte
}

// rows yields objects and common prefixes after opts.After. Keys below a prefix are jumped over, not read.
func (s *Store) rows(bucket string, opts objstore.ListOptions) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		after := opts.After
		if p, ok := commonPrefix(after, opts.Prefix, opts.Delimiter); ok {
			after = p + afterAll
		}
		for {
			jumped := false
			for e, err := range s.index.Scan(indexKey(bucket, opts.Prefix), indexAfter(bucket, after)) {
				if err != nil {
					yield(row{}, err)
					return
				}
				key := e.Key[len(bucket)+1:]
				if p, ok := commonPrefix(key, opts.Prefix, opts.Delimiter); ok {
					if !yield(row{name: p}, nil) {
						return
					}
					after, jumped = p+afterAll, true
					break
				}
				if !yield(row{key, e.Value}, nil) {
					return
				}
			}
			if !jumped {
				return
			}
		}
	}
}

func indexAfter(bucket, after string) string {
	if after == "" {
		return ""
	}
	return indexKey(bucket, after)
}

// commonPrefix is the prefix that stands for key in a listing with a delimiter.
func commonPrefix(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" || !strings.HasPrefix(key, prefix) {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

// VersionList chooses what ListVersions returns; see objstore.ListOptions.
type VersionList struct {
	Prefix, Delimiter string
	// After is the last key of the page before, and AfterVersion its last version; a key alone skips all its versions.
	After, AfterVersion string
	Limit               int
}

// VersionPage is a part of a listing of versions: by key, the newest first.
type VersionPage struct {
	Versions               []Object
	Prefixes               []string
	More                   bool
	NextKey, NextVersionID string // After and AfterVersion of the next page
}

// ListVersions returns all versions and delete markers.
func (s *Store) ListVersions(_ context.Context, bucketName string, opts VersionList) (VersionPage, error) {
	b, err := s.bucket(bucketName)
	if err != nil {
		return VersionPage{}, err
	}
	if opts.After == "" {
		if err := s.discover(b, opts.Prefix, false); err != nil {
			return VersionPage{}, fmt.Errorf("list versions of bucket %q: %w", bucketName, err)
		}
	}
	if opts.Limit <= 0 {
		opts.Limit = listLimit
	}
	var page VersionPage
	passed := opts.AfterVersion == ""
	after := opts.After
	if p, ok := commonPrefix(after, opts.Prefix, opts.Delimiter); ok {
		after = p + afterAll
	}
	for obj, err := range s.allVersions(bucketName, opts.Prefix, after, !passed) {
		if err != nil {
			return VersionPage{}, fmt.Errorf("list versions of bucket %q: %w", bucketName, err)
		}
		if !passed && obj.Key == opts.After {
			passed = versionName(obj.Version) == opts.AfterVersion
			continue
		}
		passed = true
		if !page.add(obj, opts) {
			break
		}
	}
	return page, nil
}

// add appends obj or its common prefix; false if the page is full.
func (p *VersionPage) add(obj Object, opts VersionList) bool {
	prefix, grouped := commonPrefix(obj.Key, opts.Prefix, opts.Delimiter)
	if grouped && len(p.Prefixes) > 0 && p.Prefixes[len(p.Prefixes)-1] == prefix {
		return true
	}
	if len(p.Versions)+len(p.Prefixes) == opts.Limit {
		p.More = true
		return false
	}
	if grouped {
		p.Prefixes = append(p.Prefixes, prefix)
		p.NextKey, p.NextVersionID = prefix, ""
		return true
	}
	p.Versions = append(p.Versions, obj)
	p.NextKey, p.NextVersionID = obj.Key, versionName(obj.Version)
	return true
}

func versionName(v string) string {
	if v == "" {
		return NullVersion
	}
	return v
}

// allVersions merges the index and the older versions: by key, the newest first. With from, the key after is included.
func (s *Store) allVersions(bucket, prefix, after string, from bool) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		next, stop := iter.Pull2(s.current(bucket, prefix, after, from))
		defer stop()
		cur, curErr, more := next()
		flush := func(upTo string, all bool) bool { // yields current versions of keys up to upTo
			for more && (all || curErr != nil || cur.Key <= upTo) {
				if !yield(cur, curErr) || curErr != nil {
					return false
				}
				cur, curErr, more = next()
			}
			return true
		}
		latestOf := ""
		for e, err := range s.versions.Scan(strings.TrimSuffix(orderedKey(bucket, prefix), "\x00\x01"), versionsAfter(bucket, after, from)) {
			if err != nil {
				yield(Object{}, err)
				return
			}
			key, _, ok := cutOrdered(bucket, e.Key)
			rec, err := decodeRecord(e.Value)
			if err != nil || !ok {
				yield(Object{}, fmt.Errorf("version record %q: %w", e.Key, err))
				return
			}
			isCurrent := more && curErr == nil && cur.Key == key
			if !flush(key, false) {
				return
			}
			obj := rec.object(key)
			obj.Latest = !isCurrent && latestOf != key
			latestOf = key
			if !yield(obj, nil) {
				return
			}
		}
		flush("", true)
	}
}

// current yields the current versions.
func (s *Store) current(bucket, prefix, after string, from bool) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if from {
			rec, err := s.loadRecord(bucket, after)
			if err == nil && rec == nil {
				err = meta.ErrNotFound
			}
			if err == nil {
				obj := rec.object(after)
				obj.Latest = true
				if !yield(obj, nil) {
					return
				}
			}
		}
		for e, err := range s.index.Scan(indexKey(bucket, prefix), indexAfter(bucket, after)) {
			if err != nil {
				yield(Object{}, err)
				return
			}
			rec, err := decodeRecord(e.Value)
			if err != nil {
				yield(Object{}, err)
				return
			}
			obj := rec.object(e.Key[len(bucket)+1:])
			obj.Latest = true
			if !yield(obj, nil) {
				return
			}
		}
	}
}

// versionsAfter is the place in the versions space from which a listing goes on: behind all versions of the key after,
// or, with from, before them.
func versionsAfter(bucket, after string, from bool) string {
	if after == "" {
		return ""
	}
	k := orderedKey(bucket, after)
	if from {
		return k
	}
	return k + "\xff\xff\xff\xff\xff\xff\xff\xff\xff"
}

// listed is the part of a record that a listing shows.
type listed struct {
	Size    int64  `json:"size"`
	ETag    string `json:"etag"`
	ModTime int64  `json:"mtime"`
}

func (l listed) info(key string) objstore.Info {
	return objstore.Info{Key: key, Size: l.Size, ETag: l.ETag, ModTime: timeOf(l.ModTime)}
}
