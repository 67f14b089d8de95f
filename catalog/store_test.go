package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// newTable makes table lake.t with one partition key.
func newTable(t *testing.T, s *catalog.Store) catalog.Table {
	t.Helper()
	must(t, s.CreateDatabase(t.Context(), catalog.Database{Name: "lake"}))
	must(t, s.CreateTable(t.Context(), catalog.Table{
		Database: "lake", Name: "t", PartitionKeys: []catalog.Column{{Name: "k", Type: "string"}, {Name: "l", Type: "int"}},
		Storage: catalog.Storage{Columns: []catalog.Column{{Name: "a", Type: "int"}}}}))
	table, err := s.Table(t.Context(), "lake", "t")
	must(t, err)
	return table
}

func TestTableVersions(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	table := newTable(t, s)
	for i := range 12 {
		table.Version, table.Description = "", fmt.Sprint(i)
		must(t, s.ReplaceTable(ctx, table, i == 5))
	}
	versions := func() string {
		all, err := s.TableVersions(ctx, "lake", "t")
		must(t, err)
		var names []string
		for _, v := range all {
			names = append(names, v.Version)
		}
		return strings.Join(names, " ")
	}
	if got, want := versions(), "12 11 10 9 8 7 6 4 3 2 1 0"; got != want { // 5 was skipped
		t.Errorf("versions %s, want %s", got, want)
	}
	must(t, s.DeleteTableVersion(ctx, "lake", "T", "11"))
	want(t, s.DeleteTableVersion(ctx, "lake", "t", "11"), catalog.ErrNotFound)
	want(t, s.DeleteTableVersion(ctx, "lake", "t", "12"), catalog.ErrInvalid)
	want(t, s.DeleteTableVersion(ctx, "lake", "t", "LATEST"), catalog.ErrInvalid)
	want(t, s.DeleteTableVersion(ctx, "lake", "t", "x"), catalog.ErrInvalid)
	v, err := s.TableVersion(ctx, "lake", "t", "3")
	must(t, err)
	if v.Description != "2" || v.Version != "3" {
		t.Errorf("version 3 is %+v", v)
	}
	if v, err = s.TableVersion(ctx, "lake", "t", "LATEST"); err != nil || v.Version != "12" {
		t.Errorf("latest is %s, %v", v.Version, err)
	}
	must(t, s.DeleteTable(ctx, "lake", "t"))
	must(t, s.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t"}))
	if got := versions(); got != "0" {
		t.Errorf("versions outlived their table: %s", got)
	}
}

func TestFindPartitionsPages(t *testing.T) {
	s := newStore(t)
	newTable(t, s)
	var ps []catalog.Partition
	for i := range 100 {
		ps = append(ps, partition(fmt.Sprintf("k%d", i%10), fmt.Sprint(i)))
	}
	_, err := s.AddPartitions(t.Context(), "lake", "t", ps)
	must(t, err)
	seen := map[string]bool{}
	for segment := range 3 {
		q := catalog.PartitionQuery{Filter: "l >= 20 and k <> 'k3'", Limit: 7, Segment: segment, Segments: 3}
		for {
			page, more, err := s.FindPartitions(t.Context(), "lake", "t", q)
			must(t, err)
			for _, p := range page {
				if k := fmt.Sprint(p.Values); seen[k] {
					t.Errorf("%s came twice", k)
				} else {
					seen[k] = true
				}
			}
			if !more {
				break
			}
			if len(page) != 7 {
				t.Fatalf("a page of %d", len(page))
			}
			q.After = page[6].Values
		}
	}
	if len(seen) != 72 {
		t.Errorf("%d partitions, want 72", len(seen))
	}
}

func TestUpdatePartitions(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	newTable(t, s)
	_, err := s.AddPartitions(ctx, "lake", "t", []catalog.Partition{partition("a", "1"), partition("b", "1"), partition("c", "1")})
	must(t, err)
	failed, err := s.UpdatePartitions(ctx, "lake", "t", []catalog.PartitionUpdate{
		{Old: []string{"a", "1"}, New: partition("z", "1")},
		{Old: []string{"b", "1"}, New: partition("c", "1")},
		{Old: []string{"x", "1"}, New: partition("y", "1")},
		{Old: []string{"c", "1"}, New: partition("d")},
		{Old: []string{"c", "1"}, New: catalog.Partition{Parameters: map[string]string{"n": "1"}}},
		{Old: []string{"b", "1"}, New: partition("z", "1")},
	})
	must(t, err)
	for i, kind := range []error{nil, catalog.ErrExists, catalog.ErrNotFound, catalog.ErrInvalid, nil, catalog.ErrExists} {
		if !errors.Is(failed[i], kind) {
			t.Errorf("update %d: got %v, want %v", i, failed[i], kind)
		}
	}
	ps, err := s.Partitions(ctx, "lake", "t", "")
	must(t, err)
	got := ""
	for _, p := range ps {
		got += fmt.Sprintf("%v%v", p.Values, p.Parameters)
	}
	if want := "[b 1]map[][c 1]map[n:1][z 1]map[]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := s.Partition(ctx, "lake", "t", []string{"a", "1"}); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the renamed partition is still there: %v", err)
	}
}

func TestPartitionIndexes(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	newTable(t, s)
	create := func(name string, keys ...string) error {
		return s.CreatePartitionIndex(ctx, "lake", "t", catalog.PartitionIndex{Name: name, Keys: keys})
	}
	must(t, create("one", "k"))
	want(t, create("one", "l"), catalog.ErrExists)
	want(t, create("two", "k"), catalog.ErrExists)
	want(t, create("two", "nope"), catalog.ErrInvalid)
	want(t, create("two", "k", "k"), catalog.ErrInvalid)
	want(t, create("two"), catalog.ErrInvalid)
	must(t, create("two", "k", "l"))
	must(t, create("three", "l", "k"))
	want(t, create("four", "l"), catalog.ErrLimit)
	want(t, s.DeletePartitionIndex(ctx, "lake", "t", "four"), catalog.ErrNotFound)
	must(t, s.DeletePartitionIndex(ctx, "lake", "t", "two"))
	table, err := s.Table(ctx, "lake", "t")
	must(t, err)
	must(t, s.UpdateTable(ctx, table))
	all, err := s.PartitionIndexes(ctx, "lake", "t")
	must(t, err)
	if len(all) != 2 || all[0].Name != "one" || all[1].Name != "three" {
		t.Errorf("got %+v", all)
	}
	bad := catalog.Table{Database: "lake", Name: "u", PartitionKeys: table.PartitionKeys}
	want(t, s.CreateIndexedTable(ctx, bad, []catalog.PartitionIndex{{Name: "x", Keys: []string{"y"}}}), catalog.ErrInvalid)
	_, err = s.Table(ctx, "lake", "u")
	want(t, err, catalog.ErrNotFound)
}

func TestTags(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	table := catalog.TableResource("Lake", "T")
	want(t, s.SetTags(ctx, table, map[string]string{"a": "1"}), catalog.ErrNotFound)
	newTable(t, s)
	must(t, s.SetTags(ctx, table, map[string]string{"a": "1", "b": "2"}))
	must(t, s.SetTags(ctx, table, map[string]string{"b": "3"}))
	must(t, s.DeleteTags(ctx, table, []string{"a", "zz"}))
	tags, err := s.Tags(ctx, table)
	must(t, err)
	if !reflect.DeepEqual(tags, map[string]string{"b": "3"}) {
		t.Errorf("got %v", tags)
	}
	want(t, s.SetTags(ctx, table, map[string]string{"aws:x": "1"}), catalog.ErrInvalid)
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	want(t, s.SetTags(ctx, table, many), catalog.ErrInvalid)
	want(t, s.SetTags(ctx, "nonsense", nil), catalog.ErrNotFound)
	must(t, s.DeleteDatabase(ctx, "lake"))
	newTable(t, s)
	if tags, err = s.Tags(ctx, table); err != nil || len(tags) != 0 {
		t.Errorf("tags outlived their table: %v, %v", tags, err)
	}
}

func TestColumnStatistics(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	newTable(t, s)
	st := catalog.ColumnStatistic{Column: "A", Type: "int", Data: json.RawMessage(`{"MaximumValue":9007199254740993}`)}
	must(t, s.SetColumnStatistics(ctx, "lake", "t", []catalog.ColumnStatistic{st}))
	want(t, s.SetColumnStatistics(ctx, "lake", "t", []catalog.ColumnStatistic{st, {Column: "nope"}}), catalog.ErrInvalid)
	got, err := s.ColumnStatistics(ctx, "Lake", "T", "a")
	must(t, err)
	if !reflect.DeepEqual(got, st) {
		t.Errorf("got %+v", got)
	}
	must(t, s.DeleteColumnStatistics(ctx, "lake", "t", "a"))
	want(t, s.DeleteColumnStatistics(ctx, "lake", "t", "a"), catalog.ErrNotFound)
}

// TestCrash loses all that was not synced after each acknowledged change, and looks whether the change is there.
func TestCrash(t *testing.T) {
	fs := vfs.NewCrashable()
	m, err := meta.Open(fs, "meta")
	must(t, err)
	defer m.Close()
	s, err := catalog.New(m, catalog.Options{Now: func() time.Time { return time.Unix(1e9, 0) }})
	must(t, err)
	ctx := t.Context()
	table := catalog.Table{Database: "lake", Name: "t", PartitionKeys: []catalog.Column{{Name: "k", Type: "int"}}}
	for _, step := range []struct {
		name string
		do   func() error
		look func(*catalog.Store) bool
	}{
		{"create database", func() error {
			return s.CreateTaggedDatabase(ctx, catalog.Database{Name: "lake"}, map[string]string{"a": "b"})
		},
			func(s *catalog.Store) bool {
				tags, err := s.Tags(ctx, catalog.DatabaseResource("lake"))
				return err == nil && tags["a"] == "b"
			}},
		{"create table", func() error { return s.CreateTable(ctx, table) },
			func(s *catalog.Store) bool {
				t, err := s.Table(ctx, "lake", "t")
				return err == nil && t.Version == "0"
			}},
		{"update table", func() error { return s.UpdateTable(ctx, table) },
			func(s *catalog.Store) bool {
				v, err := s.TableVersions(ctx, "lake", "t")
				return err == nil && len(v) == 2
			}},
		{"add partitions", func() error {
			_, err := s.AddPartitions(ctx, "lake", "t", []catalog.Partition{partition("1"), partition("2")})
			return err
		}, func(s *catalog.Store) bool {
			p, err := s.Partitions(ctx, "lake", "t", "")
			return err == nil && len(p) == 2
		}},
		{"delete partition", func() error { return s.DeletePartition(ctx, "lake", "t", []string{"1"}) },
			func(s *catalog.Store) bool {
				p, err := s.Partitions(ctx, "lake", "t", "")
				return err == nil && len(p) == 1
			}},
		{"create crawler", func() error { return s.CreateCrawler(ctx, catalog.Crawler{Name: "c"}, nil) },
			func(s *catalog.Store) bool { _, err := s.Crawler(ctx, "c"); return err == nil }},
		{"begin crawl", func() error { return s.BeginCrawl(ctx, "c") }, func(s *catalog.Store) bool {
			c, err := s.Crawler(ctx, "c")
			last, ok := c.LastCrawl()
			return err == nil && ok && last.Status == "FAILED" && c.State == catalog.CrawlerReady
		}},
		{"delete database", func() error { return s.DeleteDatabase(ctx, "lake") },
			func(s *catalog.Store) bool {
				_, err := s.Table(ctx, "lake", "t")
				return errors.Is(err, catalog.ErrNotFound)
			}},
	} {
		must(t, step.do())
		after, err := meta.Open(fs.CrashClone(vfs.CrashConfig{}), "meta")
		must(t, err)
		reopened, err := catalog.New(after, catalog.Options{})
		must(t, err)
		if !step.look(reopened) {
			t.Errorf("%s: lost by a crash", step.name)
		}
		must(t, after.Close())
	}
}

func BenchmarkPartitionsFilter(b *testing.B) {
	m := meta.NewMem()
	defer m.Close()
	s, err := catalog.New(m, catalog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	s.CreateDatabase(ctx, catalog.Database{Name: "lake"})
	columns := make([]catalog.Column, 19)
	for i := range columns {
		columns[i] = catalog.Column{Name: fmt.Sprintf("column_%d", i), Type: "string"}
	}
	keys := []catalog.Column{{Name: "year", Type: "int"}, {Name: "month", Type: "int"}, {Name: "day", Type: "int"}, {Name: "hour", Type: "int"}}
	s.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t", PartitionKeys: keys})
	var ps []catalog.Partition
	for h := range 8760 {
		d := time.Date(2024, 1, 1, h, 0, 0, 0, time.UTC)
		p := partition(fmt.Sprint(d.Year()), fmt.Sprint(int(d.Month())), fmt.Sprint(d.Day()), fmt.Sprint(d.Hour()))
		p.Storage.Columns = columns
		ps = append(ps, p)
	}
	if _, err := s.AddPartitions(ctx, "lake", "t", ps); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		got, err := s.Partitions(ctx, "lake", "t", "year = 2024 and month = 7 and day between 10 and 12")
		if err != nil || len(got) != 72 {
			b.Fatal(len(got), err)
		}
	}
}
