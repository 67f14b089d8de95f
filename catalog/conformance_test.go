package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsclient "github.com/aws/aws-sdk-go-v2/service/glue"

	"github.com/weir-data/weir/api/glue"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/wire"
)

// TestConformance runs the suite of catalog.Catalog against every implementation.
func TestConformance(t *testing.T) {
	for name, open := range map[string]func(*testing.T) catalog.Catalog{
		"store":   func(t *testing.T) catalog.Catalog { return newStore(t) },
		"awsglue": func(t *testing.T) catalog.Catalog { return awsglue.New(glueClient(t, newStore(t))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("databases", func(t *testing.T) { testDatabases(t, open(t)) })
			t.Run("tables", func(t *testing.T) { testTables(t, open(t)) })
			t.Run("whole table", func(t *testing.T) { testWholeTable(t, open(t)) })
			t.Run("version race", func(t *testing.T) { testVersionRace(t, open(t)) })
			t.Run("partitions", func(t *testing.T) { testPartitions(t, open(t)) })
			t.Run("many partitions", func(t *testing.T) { testManyPartitions(t, open(t)) })
		})
	}
}

func newStore(t *testing.T) *catalog.Store {
	m := meta.NewMem()
	t.Cleanup(func() { m.Close() })
	s, err := catalog.New(m, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// glueClient is the SDK's client of an in-process server over store.
func glueClient(t *testing.T, store *catalog.Store) *awsclient.Client {
	server, err := wire.NewServer(wire.Options{}, glue.Service(store, nil))
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server)
	t.Cleanup(h.Close)
	return awsclient.New(awsclient.Options{
		Region: "us-east-1", BaseEndpoint: &h.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
}

func want(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want %v", err, kind)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testDatabases(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	all, err := c.Databases(ctx)
	must(t, err)
	if len(all) != 0 {
		t.Fatalf("a new catalog has databases %v", all)
	}
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "Lake", Description: "d", Location: "s3://b/", Parameters: map[string]string{"a": "1"}}))
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "another"}))
	want(t, c.CreateDatabase(ctx, catalog.Database{Name: "LAKE"}), catalog.ErrExists)
	want(t, c.CreateDatabase(ctx, catalog.Database{Name: "a\nb"}), catalog.ErrInvalid)
	d, err := c.Database(ctx, "laKE")
	must(t, err)
	if d.Name != "lake" || d.Description != "d" || d.Location != "s3://b/" || d.Parameters["a"] != "1" || d.Created.IsZero() {
		t.Errorf("got %+v", d)
	}
	all, err = c.Databases(ctx)
	must(t, err)
	if len(all) != 2 || all[0].Name != "another" || all[1].Name != "lake" {
		t.Errorf("got %v", all)
	}
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t"}))
	must(t, c.DeleteDatabase(ctx, "Lake"))
	want(t, c.DeleteDatabase(ctx, "lake"), catalog.ErrNotFound)
	_, err = c.Database(ctx, "lake")
	want(t, err, catalog.ErrNotFound)
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	tables, err := c.Tables(ctx, "lake")
	must(t, err)
	if len(tables) != 0 {
		t.Errorf("a table outlived its database: %v", tables)
	}
}

func testTables(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	want(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t"}), catalog.ErrNotFound)
	_, err := c.Tables(ctx, "lake")
	want(t, err, catalog.ErrNotFound)
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	_, err = c.Table(ctx, "lake", "t")
	want(t, err, catalog.ErrNotFound)
	want(t, c.UpdateTable(ctx, catalog.Table{Database: "lake", Name: "t"}), catalog.ErrNotFound)
	want(t, c.DeleteTable(ctx, "lake", "t"), catalog.ErrNotFound)
	twice := catalog.Table{Database: "lake", Name: "t", PartitionKeys: []catalog.Column{{Name: "a", Type: "int"}, {Name: "A", Type: "int"}}}
	want(t, c.CreateTable(ctx, twice), catalog.ErrInvalid)
	must(t, c.CreateTable(ctx, catalog.Table{Database: "Lake", Name: "Rides"}))
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "alpha"}))
	want(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "rides"}), catalog.ErrExists)
	tables, err := c.Tables(ctx, "LAKE")
	must(t, err)
	if len(tables) != 2 || tables[0].Name != "alpha" || tables[1].Name != "rides" {
		t.Errorf("got %v", tables)
	}
	table, err := c.Table(ctx, "lake", "RIDES")
	must(t, err)
	if table.Version != "0" || table.Created.IsZero() {
		t.Errorf("got %+v", table)
	}
	table.Description = "second"
	must(t, c.UpdateTable(ctx, table))
	want(t, c.UpdateTable(ctx, table), catalog.ErrVersion)
	table.Version = ""
	must(t, c.UpdateTable(ctx, table))
	after, err := c.Table(ctx, "lake", "rides")
	must(t, err)
	if after.Version != "2" || after.Description != "second" || !after.Created.Equal(table.Created) {
		t.Errorf("got %+v", after)
	}
	must(t, c.DeleteTable(ctx, "lake", "Rides"))
	_, err = c.Table(ctx, "lake", "rides")
	want(t, err, catalog.ErrNotFound)
}

// wholeTable has every field set.
var wholeTable = catalog.Table{
	Database: "lake", Name: "t", Description: "d", Owner: "o", Type: "EXTERNAL_TABLE", Retention: 7,
	Storage: catalog.Storage{
		Columns:  []catalog.Column{{Name: "A", Type: "struct<b:int>", Comment: "c", Parameters: map[string]string{"p": "q"}}, {Name: "x", Type: "string"}},
		Location: "s3://b/t/", InputFormat: "in", OutputFormat: "out", Compressed: true, Buckets: 3,
		SerDe:      catalog.SerDe{Name: "n", Library: "lib", Parameters: map[string]string{"serialization.format": "1"}},
		Parameters: map[string]string{"sp": "1"},
		Rest: map[string]any{
			"AdditionalLocations":    []any{"s3://b/more/"},
			"BucketColumns":          []any{"x"},
			"SortColumns":            []any{map[string]any{"Column": "x", "SortOrder": 1.0}},
			"SkewedInfo":             map[string]any{"SkewedColumnNames": []any{"x"}, "SkewedColumnValues": []any{"v"}, "SkewedColumnValueLocationMaps": map[string]any{"v": "l"}},
			"SchemaReference":        map[string]any{"SchemaVersionNumber": 3.0, "SchemaId": map[string]any{"SchemaName": "s", "RegistryName": "r"}},
			"StoredAsSubDirectories": true,
		},
	},
	PartitionKeys: []catalog.Column{{Name: "k", Type: "date"}},
	Parameters:    map[string]string{"classification": "parquet"},
	ViewOriginal:  "SELECT 1", ViewExpanded: "SELECT 1 ",
	Rest: map[string]any{"TargetTable": map[string]any{"CatalogId": "000000000000", "DatabaseName": "other", "Name": "u"}},
}

func testWholeTable(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	must(t, c.CreateTable(ctx, wholeTable))
	got, err := c.Table(ctx, "lake", "t")
	must(t, err)
	want := wholeTable
	want.Version, want.Created, want.Updated, want.CreatedBy = "0", got.Created, got.Updated, got.CreatedBy
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	p := catalog.Partition{Values: []string{"2024-01-01"}, Storage: wholeTable.Storage, Parameters: map[string]string{"a": "b"}}
	_, err = c.AddPartitions(ctx, "lake", "t", []catalog.Partition{p})
	must(t, err)
	ps, err := c.Partitions(ctx, "lake", "t", "")
	must(t, err)
	p.Created = ps[0].Created
	if !reflect.DeepEqual(ps, []catalog.Partition{p}) {
		t.Errorf("got  %+v\nwant %+v", ps, p)
	}
}

// testVersionRace lets writers that read the same version race: one may win each version.
func testVersionRace(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t", Parameters: map[string]string{"n": "0"}}))
	const writers, rounds = 4, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				table, err := c.Table(ctx, "lake", "t")
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(table.Parameters["n"])
				table.Parameters["n"] = strconv.Itoa(n + 1)
				switch err := c.UpdateTable(ctx, table); {
				case err == nil:
					done++
				case !errors.Is(err, catalog.ErrVersion):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	table, err := c.Table(ctx, "lake", "t")
	must(t, err)
	if n := strconv.Itoa(writers * rounds); table.Parameters["n"] != n || table.Version != n {
		t.Errorf("counted %s at version %s, want %s", table.Parameters["n"], table.Version, n)
	}
}

func partition(values ...string) catalog.Partition {
	return catalog.Partition{Values: values, Storage: catalog.Storage{Location: "s3://b/" + fmt.Sprint(values)}}
}

func testPartitions(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	_, err := c.AddPartitions(ctx, "lake", "t", []catalog.Partition{partition("1")})
	want(t, err, catalog.ErrNotFound)
	keys := []catalog.Column{{Name: "year", Type: "int"}, {Name: "Zone", Type: "string"}}
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t", PartitionKeys: keys}))
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "plain"}))
	_, err = c.AddPartitions(ctx, "lake", "t", []catalog.Partition{partition("1", "a"), partition("1")})
	want(t, err, catalog.ErrInvalid)
	_, err = c.AddPartitions(ctx, "lake", "plain", []catalog.Partition{{}})
	want(t, err, catalog.ErrInvalid)

	existing, err := c.AddPartitions(ctx, "Lake", "T", []catalog.Partition{partition("2024", "a b"), partition("2023", "x"), partition("2024", "a b")})
	must(t, err)
	if !slices.Equal(existing, []int{2}) {
		t.Errorf("existing %v, want [2]", existing)
	}
	existing, err = c.AddPartitions(ctx, "lake", "t", []catalog.Partition{partition("2023", "x"), partition("2024", "a"), partition("2025", "/=%")})
	must(t, err)
	if !slices.Equal(existing, []int{0}) {
		t.Errorf("existing %v, want [0]", existing)
	}
	for _, f := range []struct{ filter, want string }{
		{"", "[[2023 x] [2024 a] [2024 a b] [2025 /=%]]"},
		{"year = 2024", "[[2024 a] [2024 a b]]"},
		{"zone like 'a%' and year >= '2024'", "[[2024 a] [2024 a b]]"},
		{"zone = '/=%' or year < 2024", "[[2023 x] [2025 /=%]]"},
		{"year = 1", "[]"},
	} {
		ps, err := c.Partitions(ctx, "lake", "t", f.filter)
		must(t, err)
		values := [][]string{}
		for _, p := range ps {
			values = append(values, p.Values)
			if p.Storage.Location != "s3://b/"+fmt.Sprint(p.Values) {
				t.Errorf("%v has location %s", p.Values, p.Storage.Location)
			}
		}
		if got := fmt.Sprint(values); got != f.want {
			t.Errorf("%q: got %s, want %s", f.filter, got, f.want)
		}
	}
	_, err = c.Partitions(ctx, "lake", "t", "month = 1")
	want(t, err, catalog.ErrInvalid)
	_, err = c.Partitions(ctx, "lake", "t", "year = 'x'")
	want(t, err, catalog.ErrInvalid)
	_, err = c.Partitions(ctx, "lake", "none", "")
	want(t, err, catalog.ErrNotFound)

	must(t, c.DeletePartition(ctx, "lake", "t", []string{"2024", "a"}))
	want(t, c.DeletePartition(ctx, "lake", "t", []string{"2024", "a"}), catalog.ErrNotFound)
	ps, err := c.Partitions(ctx, "lake", "t", "year = 2024")
	must(t, err)
	if len(ps) != 1 {
		t.Errorf("got %v", ps)
	}
	must(t, c.DeleteTable(ctx, "lake", "t"))
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t", PartitionKeys: keys}))
	if ps, err = c.Partitions(ctx, "lake", "t", ""); err != nil || len(ps) != 0 {
		t.Errorf("partitions outlived their table: %v, %v", ps, err)
	}
}

func testManyPartitions(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	must(t, c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	must(t, c.CreateTable(ctx, catalog.Table{Database: "lake", Name: "t", PartitionKeys: []catalog.Column{{Name: "n", Type: "int"}}}))
	var ps []catalog.Partition
	for n := range 2350 {
		ps = append(ps, partition(strconv.Itoa(n%2345)))
	}
	existing, err := c.AddPartitions(ctx, "lake", "t", ps)
	must(t, err)
	if !slices.Equal(existing, []int{2345, 2346, 2347, 2348, 2349}) {
		t.Errorf("existing %v", existing)
	}
	all, err := c.Partitions(ctx, "lake", "t", "")
	must(t, err)
	if len(all) != 2345 {
		t.Errorf("got %d partitions", len(all))
	}
	some, err := c.Partitions(ctx, "lake", "t", "n >= 100 and n < 1200")
	must(t, err)
	if len(some) != 1100 {
		t.Errorf("got %d partitions", len(some))
	}
}
