package glue

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/wire"
)

// CreateDatabase, GetDatabase, GetDatabases, UpdateDatabase, DeleteDatabase.
//
// Tables' default permissions come back as sent, or as AWS's default: everything to IAM_ALLOWED_PRINCIPALS. Permissions
// are kept, not enforced. DeleteDatabase takes all tables with it, at once and not, as on AWS, bit by bit. Federated
// databases are refused.

func (s *service) createDatabase(ctx context.Context, in *glue.CreateDatabaseInput) (*glue.CreateDatabaseOutput, error) {
	d, err := databaseInput(ctx, in.CatalogId, in.DatabaseInput)
	if err != nil {
		return nil, err
	}
	return &glue.CreateDatabaseOutput{}, s.store.CreateTaggedDatabase(ctx, d, in.Tags)
}

// databaseInput checks and converts what a client says about a database.
func databaseInput(ctx context.Context, catalogID *string, in *types.DatabaseInput) (catalog.Database, error) {
	if in == nil {
		var v wire.Violations
		v.Required(false, "databaseInput")
		return catalog.Database{}, v.Err()
	}
	if err := check(ctx, catalogID, required{"databaseInput.name", in.Name}); err != nil {
		return catalog.Database{}, err
	}
	if err := unsupported("FederatedDatabase", in.FederatedDatabase != nil); err != nil {
		return catalog.Database{}, err
	}
	return awsglue.FromDatabaseInput(in)
}

func (s *service) getDatabase(ctx context.Context, in *glue.GetDatabaseInput) (*glue.GetDatabaseOutput, error) {
	if err := check(ctx, in.CatalogId, required{"name", in.Name}); err != nil {
		return nil, err
	}
	d, err := s.store.Database(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	out, err := awsglue.ToDatabase(d, wire.Caller(ctx).Account)
	return &glue.GetDatabaseOutput{Database: out}, err
}

func (s *service) getDatabases(ctx context.Context, in *glue.GetDatabasesInput) (*glue.GetDatabasesOutput, error) {
	if err := checkCatalog(ctx, in.CatalogId); err != nil {
		return nil, err
	}
	all, err := s.store.Databases(ctx)
	if err != nil {
		return nil, err
	}
	if in.ResourceShareType == types.ResourceShareTypeForeign || in.ResourceShareType == types.ResourceShareTypeFederated {
		all = nil // nobody shares with us
	}
	items, next, err := page(all, func(d *catalog.Database) string { return d.Name }, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	out := &glue.GetDatabasesOutput{NextToken: next, DatabaseList: make([]types.Database, len(items))}
	for i, d := range items {
		full, err := awsglue.ToDatabase(d, wire.Caller(ctx).Account)
		if err != nil {
			return nil, err
		}
		out.DatabaseList[i] = databaseAttributes(full, in.AttributesToGet)
	}
	return out, nil
}

// databaseAttributes leaves of a database what was asked for; nothing said is everything.
func databaseAttributes(full *types.Database, want []types.DatabaseAttributes) types.Database {
	if len(want) == 0 {
		return *full
	}
	var part types.Database
	if slices.Contains(want, types.DatabaseAttributesName) {
		part.Name = full.Name
	}
	if slices.Contains(want, types.DatabaseAttributesTargetDatabase) {
		part.TargetDatabase = full.TargetDatabase
	}
	return part
}

func (s *service) updateDatabase(ctx context.Context, in *glue.UpdateDatabaseInput) (*glue.UpdateDatabaseOutput, error) {
	if err := check(ctx, in.CatalogId, required{"name", in.Name}); err != nil {
		return nil, err
	}
	d, err := databaseInput(ctx, in.CatalogId, in.DatabaseInput)
	if err != nil {
		return nil, err
	}
	return &glue.UpdateDatabaseOutput{}, s.store.UpdateDatabase(ctx, *in.Name, d)
}

func (s *service) deleteDatabase(ctx context.Context, in *glue.DeleteDatabaseInput) (*glue.DeleteDatabaseOutput, error) {
	if err := check(ctx, in.CatalogId, required{"name", in.Name}); err != nil {
		return nil, err
	}
	return &glue.DeleteDatabaseOutput{}, s.store.DeleteDatabase(ctx, *in.Name)
}
