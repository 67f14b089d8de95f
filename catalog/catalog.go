// Package catalog keeps databases, tables and partitions: what is where, in which columns.
//
// Catalog is the interface that queries, deliveries and pipelines use; Store is the embedded one, kept in the
// metadata store of the data directory (catalog/awsglue speaks to a Glue endpoint instead). A Filter is a compiled
// partition expression. Crawler is the definition and state of a crawler; catalog/crawler runs it.
//
// The usual order of calls is: New over a meta.Store, CreateDatabase, CreateTable, AddPartitions, then Partitions with
// a filter. Every change is one batch of the metadata store: after a nil error it survives kill -9 and power loss
// whole, and a failed or interrupted one leaves nothing behind. docs/formats/catalog.md describes the keys.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that callers may test for with errors.Is.
var (
	ErrNotFound = errors.New("entity not found")
	ErrExists   = errors.New("entity already exists")
	ErrVersion  = errors.New("version mismatch")
	ErrInvalid  = errors.New("invalid input")
	// ErrState says that what is stored does not fit its own schema: a partition value that is no date, say.
	ErrState = errors.New("invalid state")
	// ErrLimit says that a bound of the catalog was reached.
	ErrLimit = errors.New("resource limit exceeded")
	// ErrCrawlerRunning, ErrCrawlerIdle and ErrCrawlerStopping refuse what the crawler's state does not allow.
	ErrCrawlerRunning  = errors.New("crawler is running")
	ErrCrawlerIdle     = errors.New("crawler is not running")
	ErrCrawlerStopping = errors.New("crawler is stopping")
)

// failure is an error whose text is for the user and whose kind is for errors.Is.
type failure struct {
	kind error
	text string
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }

// Failf returns an error of one of the kinds above whose text is exactly the formatted one.
func Failf(kind error, format string, args ...any) error {
	return &failure{kind, fmt.Sprintf(format, args...)}
}

// Column is a named Hive type.
type Column struct {
	Name       string
	Type       string            // Hive notation: bigint, string, struct<a:int>
	Comment    string            `json:",omitempty"`
	Parameters map[string]string `json:",omitempty"`
}

// Storage says where a table or partition lies and how it is read; Glue's StorageDescriptor.
type Storage struct {
	Columns      []Column          `json:",omitempty"`
	Location     string            `json:",omitempty"` // s3://bucket/prefix
	InputFormat  string            `json:",omitempty"`
	OutputFormat string            `json:",omitempty"`
	Compressed   bool              `json:",omitempty"`
	Buckets      int               `json:",omitempty"`
	SerDe        SerDe             `json:",omitzero"`
	Parameters   map[string]string `json:",omitempty"`
	// Rest is what Glue clients stored besides (sort and bucket columns, skew …), kept as they sent it: member name
	// to its JSON value.
	Rest map[string]any `json:",omitempty"`
}

// SerDe names the (de)serializer and its settings.
type SerDe struct {
	Name       string            `json:",omitempty"`
	Library    string            `json:",omitempty"` // org.openx.data.jsonserde.JsonSerDe …
	Parameters map[string]string `json:",omitempty"`
}

// Database is a namespace of tables.
type Database struct {
	Name        string
	Description string            `json:",omitempty"`
	Location    string            `json:",omitempty"`
	Parameters  map[string]string `json:",omitempty"`
	Created     time.Time
	// Rest is what Glue clients stored besides (default permissions, target database), as in Storage.
	Rest map[string]any `json:",omitempty"`
}

// Table is a table or view.
type Table struct {
	Database      string
	Name          string
	Description   string            `json:",omitempty"`
	Owner         string            `json:",omitempty"`
	Type          string            `json:",omitempty"` // EXTERNAL_TABLE, VIRTUAL_VIEW …
	Storage       Storage           `json:",omitzero"`
	PartitionKeys []Column          `json:",omitempty"`
	Parameters    map[string]string `json:",omitempty"` // classification, table_type=DELTA, projection.* …
	ViewOriginal  string            `json:",omitempty"`
	ViewExpanded  string            `json:",omitempty"`
	Retention     int               `json:",omitempty"`
	Version       string            // "0", "1", … rises with every update
	CreatedBy     string            `json:",omitempty"` // ARN
	Created       time.Time
	Updated       time.Time
	LastAccess    time.Time `json:",omitzero"`
	LastAnalyzed  time.Time `json:",omitzero"`
	// Rest is what Glue clients stored besides (target table, view definition), as in Storage.
	Rest map[string]any `json:",omitempty"`
}

// Partition is one combination of partition key values.
type Partition struct {
	Values       []string
	Storage      Storage           `json:",omitzero"`
	Parameters   map[string]string `json:",omitempty"`
	Created      time.Time
	LastAccess   time.Time `json:",omitzero"`
	LastAnalyzed time.Time `json:",omitzero"`
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
