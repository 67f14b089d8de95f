package delta

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	table "github.com/weir-data/weir/delta"
)

// parameters mark a table of the catalog as a Delta table, for Athena, for crawlers and for Spark.
var parameters = map[string]string{
	"EXTERNAL": "TRUE", "classification": "delta", "table_type": "DELTA", "spark.sql.sources.provider": "delta",
}

// register makes the catalog's entry, or brings its columns up to date. The database is made if it is missing.
func (s *Sink) register(ctx context.Context, snapshot *table.Snapshot) error {
	if s.opts.Catalog == nil || s.opts.Table == "" {
		return nil
	}
	columns, keys := catalogColumns(snapshot)
	t, err := s.opts.Catalog.Table(ctx, s.opts.Database, s.opts.Table)
	if errors.Is(err, catalog.ErrNotFound) {
		return s.create(ctx, columns, keys)
	}
	if err != nil {
		return err
	}
	if have := strings.TrimRight(t.Storage.Location, "/"); have != strings.TrimRight(s.opts.Location, "/") {
		return fmt.Errorf("the catalog has this table at %s, the pipeline writes to %s; choose another name or location", have, s.opts.Location)
	}
	if sameColumns(t.Storage.Columns, columns) && sameColumns(t.PartitionKeys, keys) && strings.EqualFold(t.Parameters["table_type"], "delta") {
		return nil
	}
	t.Storage.Columns, t.PartitionKeys = columns, keys
	t.Parameters = maps.Clone(t.Parameters)
	if t.Parameters == nil {
		t.Parameters = map[string]string{}
	}
	maps.Copy(t.Parameters, parameters)
	return s.opts.Catalog.UpdateTable(ctx, t)
}

func (s *Sink) create(ctx context.Context, columns, keys []catalog.Column) error {
	if _, err := s.opts.Catalog.Database(ctx, s.opts.Database); errors.Is(err, catalog.ErrNotFound) {
		err = s.opts.Catalog.CreateDatabase(ctx, catalog.Database{Name: s.opts.Database})
		if err != nil && !errors.Is(err, catalog.ErrExists) {
			return err
		}
	} else if err != nil {
		return err
	}
	err := s.opts.Catalog.CreateTable(ctx, catalog.Table{
		Database: s.opts.Database, Name: s.opts.Table, Owner: "owner", Type: "EXTERNAL_TABLE",
		Storage: catalog.Storage{
			Columns: columns, Location: s.opts.Location,
			InputFormat:  "org.apache.hadoop.mapred.SequenceFileInputFormat",
			OutputFormat: "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
			SerDe: catalog.SerDe{
				Library:    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
				Parameters: map[string]string{"serialization.format": "1", "path": s.opts.Location},
			},
		},
		PartitionKeys: keys, Parameters: maps.Clone(parameters),
	})
	if errors.Is(err, catalog.ErrExists) { // registered by somebody else just now; the next Open checks it
		return nil
	}
	return err
}

// catalogColumns are the table's columns in Hive's notation, partition columns apart.
func catalogColumns(snapshot *table.Snapshot) (columns, keys []catalog.Column) {
	by := snapshot.PartitionBy()
	for _, f := range snapshot.Schema().Fields {
		if !slices.Contains(by, f.Name) {
			columns = append(columns, catalog.Column{Name: strings.ToLower(f.Name), Type: hiveType(f.Type)})
		}
	}
	for _, name := range by {
		f := snapshot.Schema().Fields[snapshot.Schema().Index(name)]
		keys = append(keys, catalog.Column{Name: strings.ToLower(name), Type: hiveType(f.Type)})
	}
	return columns, keys
}

// hiveType is Spark's name of the type, which is Hive's but for the case of a struct's fields.
func hiveType(t columnar.Type) string { return strings.ToLower(t.String()) }

func sameColumns(a, b []catalog.Column) bool {
	return slices.EqualFunc(a, b, func(a, b catalog.Column) bool { return a.Name == b.Name && a.Type == b.Type })
}
