// Package awsglue is catalog.Catalog over a Glue endpoint, AWS's or weir's own, and the conversions between Glue's
// shapes and the catalog's.
//
// New wraps a client of the AWS SDK. Nothing is kept here: what an operation that returned nil did survives as the
// endpoint promises. The From and To functions are pure; api/glue uses them on the other side of the wire.
package awsglue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
)

// Catalog speaks to Glue. It is safe for concurrent use.
type Catalog struct {
	client *glue.Client
}

var _ catalog.Catalog = (*Catalog)(nil)

// New returns the catalog behind client.
func New(client *glue.Client) *Catalog { return &Catalog{client} }

// How many partitions Glue takes and gives in one call.
const (
	createBatchMax = 100
	pageMax        = 1000
)

// wrap gives Glue's exceptions the kinds of package catalog, and says what was being done.
func wrap(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	doing = fmt.Sprintf(doing, args...)
	for _, k := range []struct {
		is   bool
		kind error
	}{
		{as[*types.EntityNotFoundException](err), catalog.ErrNotFound},
		{as[*types.AlreadyExistsException](err), catalog.ErrExists},
		{as[*types.VersionMismatchException](err) || as[*types.ConcurrentModificationException](err), catalog.ErrVersion},
		{as[*types.InvalidInputException](err), catalog.ErrInvalid},
		{as[*types.InvalidStateException](err), catalog.ErrState},
		{as[*types.ResourceNumberLimitExceededException](err), catalog.ErrLimit},
	} {
		if k.is {
			return fmt.Errorf("%s: %w: %w", doing, k.kind, err)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func as[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

// Databases returns all databases.
func (c *Catalog) Databases(ctx context.Context) ([]catalog.Database, error) {
	var all []catalog.Database
	pages := glue.NewGetDatabasesPaginator(c.client, &glue.GetDatabasesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, wrap(err, "list databases")
		}
		for i := range page.DatabaseList {
			d, err := FromDatabase(&page.DatabaseList[i])
			if err != nil {
				return nil, err
			}
			all = append(all, d)
		}
	}
	return all, nil
}

// Database returns one database, or catalog.ErrNotFound.
func (c *Catalog) Database(ctx context.Context, name string) (catalog.Database, error) {
	out, err := c.client.GetDatabase(ctx, &glue.GetDatabaseInput{Name: &name})
	if err != nil {
		return catalog.Database{}, wrap(err, "get database %s", name)
	}
	return FromDatabase(out.Database)
}

// CreateDatabase adds a database, or returns catalog.ErrExists.
func (c *Catalog) CreateDatabase(ctx context.Context, d catalog.Database) error {
	in, err := ToDatabaseInput(d)
	if err != nil {
		return err
	}
	_, err = c.client.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: in})
	return wrap(err, "create database %s", d.Name)
}

// DeleteDatabase removes a database and all that is in it.
func (c *Catalog) DeleteDatabase(ctx context.Context, name string) error {
	_, err := c.client.DeleteDatabase(ctx, &glue.DeleteDatabaseInput{Name: &name})
	return wrap(err, "delete database %s", name)
}

// Tables returns the tables of a database.
func (c *Catalog) Tables(ctx context.Context, database string) ([]catalog.Table, error) {
	var all []catalog.Table
	pages := glue.NewGetTablesPaginator(c.client, &glue.GetTablesInput{DatabaseName: &database})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, wrap(err, "list tables of %s", database)
		}
		for i := range page.TableList {
			t, err := FromTable(&page.TableList[i])
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
	}
	return all, nil
}

// Table returns the current version of a table, or catalog.ErrNotFound.
func (c *Catalog) Table(ctx context.Context, database, name string) (catalog.Table, error) {
	out, err := c.client.GetTable(ctx, &glue.GetTableInput{DatabaseName: &database, Name: &name})
	if err != nil {
		return catalog.Table{}, wrap(err, "get table %s.%s", database, name)
	}
	return FromTable(out.Table)
}

// TableVersion returns one version of a table, or catalog.ErrNotFound; "" and "LATEST" are the current one.
func (c *Catalog) TableVersion(ctx context.Context, database, name, version string) (catalog.Table, error) {
	if version == "" || version == "LATEST" {
		return c.Table(ctx, database, name)
	}
	out, err := c.client.GetTableVersion(ctx, &glue.GetTableVersionInput{DatabaseName: &database, TableName: &name, VersionId: &version})
	if err != nil {
		return catalog.Table{}, wrap(err, "get version %s of table %s.%s", version, database, name)
	}
	return FromTable(out.TableVersion.Table)
}

// CreateTable adds a table, or returns catalog.ErrExists.
func (c *Catalog) CreateTable(ctx context.Context, t catalog.Table) error {
	in, err := ToTableInput(t)
	if err != nil {
		return err
	}
	_, err = c.client.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: &t.Database, TableInput: in})
	return wrap(err, "create table %s.%s", t.Database, t.Name)
}

// UpdateTable replaces a table; see catalog.Catalog.
func (c *Catalog) UpdateTable(ctx context.Context, t catalog.Table) error {
	in, err := ToTableInput(t)
	if err != nil {
		return err
	}
	_, err = c.client.UpdateTable(ctx, &glue.UpdateTableInput{DatabaseName: &t.Database, TableInput: in, VersionId: text(t.Version)})
	return wrap(err, "update table %s.%s", t.Database, t.Name)
}

// DeleteTable removes a table.
func (c *Catalog) DeleteTable(ctx context.Context, database, name string) error {
	_, err := c.client.DeleteTable(ctx, &glue.DeleteTableInput{DatabaseName: &database, Name: &name})
	return wrap(err, "delete table %s.%s", database, name)
}

// Partitions returns the partitions that filter accepts.
func (c *Catalog) Partitions(ctx context.Context, database, table, filter string) ([]catalog.Partition, error) {
	limit := int32(pageMax)
	var all []catalog.Partition
	pages := glue.NewGetPartitionsPaginator(c.client, &glue.GetPartitionsInput{
		DatabaseName: &database, TableName: &table, Expression: text(filter), MaxResults: &limit})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, wrap(err, "list partitions of %s.%s", database, table)
		}
		for i := range page.Partitions {
			p, err := FromPartition(&page.Partitions[i])
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// AddPartitions adds the partitions that are not there, in batches of what Glue takes at once; each batch is one
// change. See catalog.Catalog.
func (c *Catalog) AddPartitions(ctx context.Context, database, table string, ps []catalog.Partition) (existing []int, err error) {
	seen := map[string]bool{}
	for start := 0; start < len(ps); start += createBatchMax {
		var inputs []types.PartitionInput
		var indexes []int
		for i, p := range ps[start:min(start+createBatchMax, len(ps))] {
			k := fmt.Sprintf("%q", p.Values)
			if seen[k] {
				existing = append(existing, start+i)
				continue
			}
			seen[k] = true
			in, err := ToPartitionInput(p)
			if err != nil {
				return existing, err
			}
			inputs, indexes = append(inputs, *in), append(indexes, start+i)
		}
		there, err := c.addBatch(ctx, database, table, inputs)
		if err != nil {
			return existing, err
		}
		for _, i := range there {
			existing = append(existing, indexes[i])
		}
	}
	slices.Sort(existing)
	return existing, nil
}

// addBatch adds partitions with different values and returns the indexes of those that existed.
func (c *Catalog) addBatch(ctx context.Context, database, table string, inputs []types.PartitionInput) (existing []int, err error) {
	out, err := c.client.BatchCreatePartition(ctx, &glue.BatchCreatePartitionInput{
		DatabaseName: &database, TableName: &table, PartitionInputList: inputs})
	if err != nil {
		return nil, wrap(err, "add partitions to %s.%s", database, table)
	}
	there := map[string]bool{}
	for _, e := range out.Errors {
		if code := str(e.ErrorDetail.ErrorCode); code != "AlreadyExistsException" {
			return nil, catalog.Failf(kindOf(code), "add partition %v to %s.%s: %s", e.PartitionValues, database, table, str(e.ErrorDetail.ErrorMessage))
		}
		there[fmt.Sprintf("%q", e.PartitionValues)] = true
	}
	for i, in := range inputs {
		if there[fmt.Sprintf("%q", in.Values)] {
			existing = append(existing, i)
		}
	}
	return existing, nil
}

// kindOf is the kind of an error that stands in the answer of a batch operation.
func kindOf(code string) error {
	switch code {
	case "EntityNotFoundException":
		return catalog.ErrNotFound
	case "InvalidInputException":
		return catalog.ErrInvalid
	}
	return errors.New(code)
}

// DeletePartition removes one partition, or returns catalog.ErrNotFound.
func (c *Catalog) DeletePartition(ctx context.Context, database, table string, values []string) error {
	_, err := c.client.DeletePartition(ctx, &glue.DeletePartitionInput{DatabaseName: &database, TableName: &table, PartitionValues: values})
	return wrap(err, "delete partition %v of %s.%s", values, database, table)
}
