// Package catalog keeps databases, tables and partitions: what is where, in which columns.
//
// CONTRACT STUB: the owner of catalog keeps these names, adds fields and methods, and splits into files.
package catalog

import (
	"context"
	"errors"
	"time"
)

// Errors that callers may test for with errors.Is.
var (
	ErrNotFound = errors.New("entity not found")
	ErrExists   = errors.New("entity already exists")
	ErrVersion  = errors.New("version mismatch")
	ErrInvalid  = errors.New("invalid input")
)

// Column is a named Hive type.
type Column struct {
	Name       string
	Type       string // Hive notation: bigint, string, struct<a:int>
	Comment    string
	Parameters map[string]string
}

// Storage says where a table or partition lies and how it is read; Glue's StorageDescriptor.
type Storage struct {
	Columns      []Column
	Location     string // s3://bucket/prefix
	InputFormat  string
	OutputFormat string
	Compressed   bool
	Buckets      int
	SerDe        SerDe
	Parameters   map[string]string
	// Rest is what Glue clients stored besides (sort and bucket columns, skew …), kept as they sent it.
	Rest map[string]any
}

// SerDe names the (de)serializer and its settings.
type SerDe struct {
	Name       string
	Library    string // org.openx.data.jsonserde.JsonSerDe …
	Parameters map[string]string
}

// Database is a namespace of tables.
type Database struct {
	Name        string
	Description string
	Location    string
	Parameters  map[string]string
	Created     time.Time
}

// Table is a table or view.
type Table struct {
	Database      string
	Name          string
	Description   string
	Owner         string
	Type          string // EXTERNAL_TABLE, VIRTUAL_VIEW …
	Storage       Storage
	PartitionKeys []Column
	Parameters    map[string]string // classification, table_type=DELTA, projection.* …
	ViewOriginal  string
	ViewExpanded  string
	Retention     int
	Version       string // "0", "1", … rises with every update
	Created       time.Time
	Updated       time.Time
}

// Partition is one combination of partition key values.
type Partition struct {
	Values     []string
	Storage    Storage
	Parameters map[string]string
	Created    time.Time
}

// Catalog is what queries, deliveries and pipelines need of a catalog. Names are matched in lower case.
type Catalog interface {
	Databases(ctx context.Context) ([]Database, error)
	Database(ctx context.Context, name string) (Database, error)
	CreateDatabase(ctx context.Context, d Database) error // ErrExists
	DeleteDatabase(ctx context.Context, name string) error

	Tables(ctx context.Context, database string) ([]Table, error)
	Table(ctx context.Context, database, name string) (Table, error)
	CreateTable(ctx context.Context, t Table) error
	// UpdateTable replaces the table. A Version that is not empty must be the current one, else ErrVersion.
	UpdateTable(ctx context.Context, t Table) error
	DeleteTable(ctx context.Context, database, name string) error

	// Partitions returns the partitions that filter (Glue's expression; empty: all) accepts.
	Partitions(ctx context.Context, database, table, filter string) ([]Partition, error)
	// AddPartitions adds those that are not there; existing ones are left alone and their indexes returned.
	AddPartitions(ctx context.Context, database, table string, ps []Partition) (existing []int, err error)
	DeletePartition(ctx context.Context, database, table string, values []string) error
}
