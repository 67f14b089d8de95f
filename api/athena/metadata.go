package athena

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/query"
)

// catalogName is the only data catalog.
const catalogName = "AwsDataCatalog"

func lowerCatalog(s string) string { return strings.ToLower(s) }

// checkCatalog accepts the one catalog under its name, in any case, and nothing at all.
func checkCatalog(name *string) error {
	if n := str(name); n != "" && !strings.EqualFold(n, catalogName) {
		return invalid("DataCatalog %s was not found", n)
	}
	return nil
}

// GetDataCatalog describes AwsDataCatalog.
func (s *service) getDataCatalog(ctx context.Context, in *athena.GetDataCatalogInput) (*athena.GetDataCatalogOutput, error) {
	if err := required("Name", in.Name); err != nil {
		return nil, err
	}
	if err := checkCatalog(in.Name); err != nil {
		return nil, err
	}
	return &athena.GetDataCatalogOutput{DataCatalog: &types.DataCatalog{Name: ptr(catalogName), Type: types.DataCatalogTypeGlue,
		Parameters: map[string]string{"catalog-id": s.queries.Account()}}}, nil
}

// ListDataCatalogs lists AwsDataCatalog.
func (s *service) listDataCatalogs(ctx context.Context, in *athena.ListDataCatalogsInput) (*athena.ListDataCatalogsOutput, error) {
	return &athena.ListDataCatalogsOutput{DataCatalogsSummary: []types.DataCatalogSummary{{CatalogName: ptr(catalogName), Type: types.DataCatalogTypeGlue}}}, nil
}

// GetDatabase describes a database.
func (s *service) getDatabase(ctx context.Context, in *athena.GetDatabaseInput) (*athena.GetDatabaseOutput, error) {
	if err := required("CatalogName", in.CatalogName, "DatabaseName", in.DatabaseName); err != nil {
		return nil, err
	}
	if err := checkCatalog(in.CatalogName); err != nil {
		return nil, err
	}
	db, err := s.queries.Database(ctx, *in.DatabaseName)
	if err != nil {
		return nil, fail(err)
	}
	return &athena.GetDatabaseOutput{Database: &types.Database{Name: &db.Name, Description: text(db.Description), Parameters: db.Parameters}}, nil
}

// ListDatabases lists databases by name.
func (s *service) listDatabases(ctx context.Context, in *athena.ListDatabasesInput) (*athena.ListDatabasesOutput, error) {
	if err := required("CatalogName", in.CatalogName); err != nil {
		return nil, err
	}
	if err := checkCatalog(in.CatalogName); err != nil {
		return nil, err
	}
	all, err := s.queries.Databases(ctx)
	if err != nil {
		return nil, fail(err)
	}
	items, next, err := page(all, func(d query.Database) string { return d.Name }, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &athena.ListDatabasesOutput{NextToken: next, DatabaseList: []types.Database{}}
	for _, db := range items {
		out.DatabaseList = append(out.DatabaseList, types.Database{Name: &db.Name, Description: text(db.Description), Parameters: db.Parameters})
	}
	return out, nil
}

// GetTableMetadata describes a table.
func (s *service) getTableMetadata(ctx context.Context, in *athena.GetTableMetadataInput) (*athena.GetTableMetadataOutput, error) {
	if err := required("CatalogName", in.CatalogName, "DatabaseName", in.DatabaseName, "TableName", in.TableName); err != nil {
		return nil, err
	}
	if err := checkCatalog(in.CatalogName); err != nil {
		return nil, err
	}
	t, err := s.queries.Table(ctx, *in.DatabaseName, *in.TableName)
	if err != nil {
		return nil, fail(err)
	}
	return &athena.GetTableMetadataOutput{TableMetadata: tableMetadata(t)}, nil
}

// ListTableMetadata lists the tables of a database by name; Expression is a regular expression on it.
func (s *service) listTableMetadata(ctx context.Context, in *athena.ListTableMetadataInput) (*athena.ListTableMetadataOutput, error) {
	if err := required("CatalogName", in.CatalogName, "DatabaseName", in.DatabaseName); err != nil {
		return nil, err
	}
	if err := checkCatalog(in.CatalogName); err != nil {
		return nil, err
	}
	pattern, err := regexp.Compile("^(?:" + str(in.Expression) + ")$")
	if err != nil {
		return nil, invalid("Invalid Expression: %s", str(in.Expression))
	}
	all, err := s.queries.Tables(ctx, *in.DatabaseName)
	if err != nil {
		return nil, fail(err)
	}
	matching := all[:0:0]
	for _, t := range all {
		if str(in.Expression) == "" || pattern.MatchString(t.Name) {
			matching = append(matching, t)
		}
	}
	items, next, err := page(matching, func(t query.Table) string { return t.Name }, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &athena.ListTableMetadataOutput{NextToken: next, TableMetadataList: []types.TableMetadata{}}
	for _, t := range items {
		out.TableMetadataList = append(out.TableMetadataList, *tableMetadata(t))
	}
	return out, nil
}

func tableMetadata(t query.Table) *types.TableMetadata {
	return &types.TableMetadata{Name: &t.Name, TableType: text(t.Type), CreateTime: &t.Created, Parameters: t.Parameters,
		Columns: columns(t.Columns), PartitionKeys: columns(t.PartitionKeys)}
}

func columns(cols []query.TableColumn) []types.Column {
	out := make([]types.Column, len(cols))
	for i, c := range cols {
		out[i] = types.Column{Name: &c.Name, Type: &c.Type, Comment: text(c.Comment)}
	}
	return out
}
