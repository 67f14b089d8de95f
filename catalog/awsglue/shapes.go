package awsglue

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
)

// text is nil for the empty string: Glue leaves out what was not said.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// keep puts v, a member of a Glue shape that package catalog has no field for, into rest unless it was not sent.
func keep(rest map[string]any, member string, v any) error {
	if r := reflect.ValueOf(v); !r.IsValid() || r.IsZero() {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep %s: %w", member, err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return fmt.Errorf("keep %s: %w", member, err)
	}
	rest[member] = withoutNulls(tree)
	return nil
}

// withoutNulls removes the members that were not set.
func withoutNulls(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for k, inner := range v {
			if inner == nil {
				delete(v, k)
				continue
			}
			v[k] = withoutNulls(inner)
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return tree
}

// restore sets the member at to from rest, if it was kept.
func restore(rest map[string]any, member string, to any) error {
	tree, ok := rest[member]
	if !ok {
		return nil
	}
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", member, err)
	}
	return nil
}

// keepAll and restoreAll treat pairs of member name and value (or pointer to it).
func keepAll(members ...any) (map[string]any, error) {
	rest := map[string]any{}
	for i := 0; i < len(members); i += 2 {
		if err := keep(rest, members[i].(string), members[i+1]); err != nil {
			return nil, err
		}
	}
	if len(rest) == 0 {
		return nil, nil
	}
	return rest, nil
}

func restoreAll(rest map[string]any, members ...any) error {
	for i := 0; i < len(members); i += 2 {
		if err := restore(rest, members[i].(string), members[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// FromColumns converts Glue's columns.
func FromColumns(in []types.Column) []catalog.Column {
	var out []catalog.Column
	for _, c := range in {
		out = append(out, catalog.Column{Name: str(c.Name), Type: str(c.Type), Comment: str(c.Comment), Parameters: c.Parameters})
	}
	return out
}

// ToColumns converts columns to Glue's; it never returns nil, as Glue sends empty lists.
func ToColumns(in []catalog.Column) []types.Column {
	out := make([]types.Column, len(in))
	for i, c := range in {
		out[i] = types.Column{Name: &c.Name, Type: text(c.Type), Comment: text(c.Comment), Parameters: c.Parameters}
	}
	return out
}

// FromStorage converts a storage descriptor; nil is the zero Storage.
func FromStorage(in *types.StorageDescriptor) (catalog.Storage, error) {
	if in == nil {
		return catalog.Storage{}, nil
	}
	rest, err := keepAll("AdditionalLocations", in.AdditionalLocations, "BucketColumns", in.BucketColumns,
		"SchemaReference", in.SchemaReference, "SkewedInfo", in.SkewedInfo, "SortColumns", in.SortColumns,
		"StoredAsSubDirectories", in.StoredAsSubDirectories)
	out := catalog.Storage{
		Columns: FromColumns(in.Columns), Location: str(in.Location), InputFormat: str(in.InputFormat),
		OutputFormat: str(in.OutputFormat), Compressed: in.Compressed, Buckets: int(in.NumberOfBuckets),
		Parameters: in.Parameters, Rest: rest,
	}
	if in.SerdeInfo != nil {
		out.SerDe = catalog.SerDe{Name: str(in.SerdeInfo.Name), Library: str(in.SerdeInfo.SerializationLibrary), Parameters: in.SerdeInfo.Parameters}
	}
	return out, err
}

// ToStorage converts to a storage descriptor; the zero Storage is nil.
func ToStorage(in catalog.Storage) (*types.StorageDescriptor, error) {
	if reflect.ValueOf(in).IsZero() {
		return nil, nil
	}
	out := &types.StorageDescriptor{
		Columns: ToColumns(in.Columns), Location: text(in.Location), InputFormat: text(in.InputFormat),
		OutputFormat: text(in.OutputFormat), Compressed: in.Compressed, NumberOfBuckets: int32(in.Buckets),
		Parameters: in.Parameters, BucketColumns: []string{}, SortColumns: []types.Order{},
	}
	if s := in.SerDe; s.Name != "" || s.Library != "" || s.Parameters != nil {
		out.SerdeInfo = &types.SerDeInfo{Name: text(s.Name), SerializationLibrary: text(s.Library), Parameters: s.Parameters}
	}
	return out, restoreAll(in.Rest, "AdditionalLocations", &out.AdditionalLocations, "BucketColumns", &out.BucketColumns,
		"SchemaReference", &out.SchemaReference, "SkewedInfo", &out.SkewedInfo, "SortColumns", &out.SortColumns,
		"StoredAsSubDirectories", &out.StoredAsSubDirectories)
}

// FromDatabaseInput converts what a client says about a database.
func FromDatabaseInput(in *types.DatabaseInput) (catalog.Database, error) {
	rest, err := keepAll("CreateTableDefaultPermissions", in.CreateTableDefaultPermissions, "TargetDatabase", in.TargetDatabase)
	return catalog.Database{Name: str(in.Name), Description: str(in.Description), Location: str(in.LocationUri),
		Parameters: in.Parameters, Rest: rest}, err
}

// ToDatabaseInput is the inverse of FromDatabaseInput.
func ToDatabaseInput(in catalog.Database) (*types.DatabaseInput, error) {
	out := &types.DatabaseInput{Name: &in.Name, Description: text(in.Description), LocationUri: text(in.Location), Parameters: in.Parameters}
	return out, restoreAll(in.Rest, "CreateTableDefaultPermissions", &out.CreateTableDefaultPermissions, "TargetDatabase", &out.TargetDatabase)
}

// ToDatabase converts a database as Glue tells of it, default permissions included. The catalog id is an account.
func ToDatabase(in catalog.Database, catalogID string) (*types.Database, error) {
	out := &types.Database{
		Name: &in.Name, CatalogId: &catalogID, CreateTime: instant(in.Created), Description: text(in.Description),
		LocationUri: text(in.Location), Parameters: in.Parameters,
	}
	if in.Rest["CreateTableDefaultPermissions"] == nil {
		everyone := "IAM_ALLOWED_PRINCIPALS"
		out.CreateTableDefaultPermissions = []types.PrincipalPermissions{{
			Permissions: []types.Permission{types.PermissionAll},
			Principal:   &types.DataLakePrincipal{DataLakePrincipalIdentifier: &everyone},
		}}
	}
	return out, restoreAll(in.Rest, "CreateTableDefaultPermissions", &out.CreateTableDefaultPermissions, "TargetDatabase", &out.TargetDatabase)
}

// FromDatabase converts a database as Glue tells of it.
func FromDatabase(in *types.Database) (catalog.Database, error) {
	rest, err := keepAll("CreateTableDefaultPermissions", in.CreateTableDefaultPermissions, "TargetDatabase", in.TargetDatabase)
	return catalog.Database{Name: str(in.Name), Description: str(in.Description), Location: str(in.LocationUri),
		Parameters: in.Parameters, Created: timeOf(in.CreateTime), Rest: rest}, err
}

// FromTableInput converts what a client says about a table of a database.
func FromTableInput(database string, in *types.TableInput) (catalog.Table, error) {
	storage, err := FromStorage(in.StorageDescriptor)
	if err != nil {
		return catalog.Table{}, err
	}
	rest, err := keepAll("TargetTable", in.TargetTable, "ViewDefinition", in.ViewDefinition)
	return catalog.Table{
		Database: database, Name: str(in.Name), Description: str(in.Description), Owner: str(in.Owner), Type: str(in.TableType),
		Storage: storage, PartitionKeys: FromColumns(in.PartitionKeys), Parameters: in.Parameters,
		ViewOriginal: str(in.ViewOriginalText), ViewExpanded: str(in.ViewExpandedText), Retention: int(in.Retention),
		LastAccess: timeOf(in.LastAccessTime), LastAnalyzed: timeOf(in.LastAnalyzedTime), Rest: rest,
	}, err
}

// ToTableInput is the inverse of FromTableInput.
func ToTableInput(in catalog.Table) (*types.TableInput, error) {
	storage, err := ToStorage(in.Storage)
	if err != nil {
		return nil, err
	}
	out := &types.TableInput{
		Name: &in.Name, Description: text(in.Description), Owner: text(in.Owner), TableType: text(in.Type),
		StorageDescriptor: storage, PartitionKeys: ToColumns(in.PartitionKeys), Parameters: in.Parameters,
		ViewOriginalText: text(in.ViewOriginal), ViewExpandedText: text(in.ViewExpanded), Retention: int32(in.Retention),
		LastAccessTime: instant(in.LastAccess), LastAnalyzedTime: instant(in.LastAnalyzed),
	}
	return out, restoreAll(in.Rest, "TargetTable", &out.TargetTable, "ViewDefinition", &out.ViewDefinition)
}

// ToTable converts a table as Glue tells of it. The catalog id is an account.
func ToTable(in catalog.Table, catalogID string) (*types.Table, error) {
	storage, err := ToStorage(in.Storage)
	if err != nil {
		return nil, err
	}
	multiDialect := in.Rest["ViewDefinition"] != nil
	out := &types.Table{
		Name: &in.Name, CatalogId: &catalogID, DatabaseName: &in.Database, Description: text(in.Description),
		Owner: text(in.Owner), TableType: text(in.Type), StorageDescriptor: storage, PartitionKeys: ToColumns(in.PartitionKeys),
		Parameters: in.Parameters, ViewOriginalText: text(in.ViewOriginal), ViewExpandedText: text(in.ViewExpanded),
		Retention: int32(in.Retention), VersionId: text(in.Version), CreatedBy: text(in.CreatedBy),
		CreateTime: instant(in.Created), UpdateTime: instant(in.Updated), LastAccessTime: instant(in.LastAccess),
		LastAnalyzedTime: instant(in.LastAnalyzed), IsMultiDialectView: &multiDialect,
	}
	return out, restoreAll(in.Rest, "TargetTable", &out.TargetTable, "ViewDefinition", &out.ViewDefinition)
}

// FromTable converts a table as Glue tells of it.
func FromTable(in *types.Table) (catalog.Table, error) {
	storage, err := FromStorage(in.StorageDescriptor)
	if err != nil {
		return catalog.Table{}, err
	}
	rest, err := keepAll("TargetTable", in.TargetTable, "ViewDefinition", in.ViewDefinition)
	return catalog.Table{
		Database: str(in.DatabaseName), Name: str(in.Name), Description: str(in.Description), Owner: str(in.Owner), Type: str(in.TableType),
		Storage: storage, PartitionKeys: FromColumns(in.PartitionKeys), Parameters: in.Parameters,
		ViewOriginal: str(in.ViewOriginalText), ViewExpanded: str(in.ViewExpandedText), Retention: int(in.Retention),
		Version: str(in.VersionId), CreatedBy: str(in.CreatedBy), Created: timeOf(in.CreateTime), Updated: timeOf(in.UpdateTime),
		LastAccess: timeOf(in.LastAccessTime), LastAnalyzed: timeOf(in.LastAnalyzedTime), Rest: rest,
	}, err
}

// FromPartitionInput converts what a client says about a partition.
func FromPartitionInput(in *types.PartitionInput) (catalog.Partition, error) {
	storage, err := FromStorage(in.StorageDescriptor)
	return catalog.Partition{Values: in.Values, Storage: storage, Parameters: in.Parameters,
		LastAccess: timeOf(in.LastAccessTime), LastAnalyzed: timeOf(in.LastAnalyzedTime)}, err
}

// ToPartitionInput is the inverse of FromPartitionInput.
func ToPartitionInput(in catalog.Partition) (*types.PartitionInput, error) {
	storage, err := ToStorage(in.Storage)
	return &types.PartitionInput{Values: in.Values, StorageDescriptor: storage, Parameters: in.Parameters,
		LastAccessTime: instant(in.LastAccess), LastAnalyzedTime: instant(in.LastAnalyzed)}, err
}

// ToPartition converts a partition as Glue tells of it. The catalog id is an account.
func ToPartition(in catalog.Partition, database, table, catalogID string) (*types.Partition, error) {
	storage, err := ToStorage(in.Storage)
	return &types.Partition{
		CatalogId: &catalogID, DatabaseName: &database, TableName: &table, Values: in.Values, StorageDescriptor: storage,
		Parameters: in.Parameters, CreationTime: instant(in.Created), LastAccessTime: instant(in.LastAccess),
		LastAnalyzedTime: instant(in.LastAnalyzed),
	}, err
}

// FromPartition converts a partition as Glue tells of it.
func FromPartition(in *types.Partition) (catalog.Partition, error) {
	storage, err := FromStorage(in.StorageDescriptor)
	return catalog.Partition{Values: in.Values, Storage: storage, Parameters: in.Parameters, Created: timeOf(in.CreationTime),
		LastAccess: timeOf(in.LastAccessTime), LastAnalyzed: timeOf(in.LastAnalyzedTime)}, err
}

// FromColumnStatistics converts the statistics of a column.
func FromColumnStatistics(in *types.ColumnStatistics) (catalog.ColumnStatistic, error) {
	data, err := json.Marshal(in.StatisticsData)
	if err != nil {
		err = fmt.Errorf("keep statistics of column %s: %w", str(in.ColumnName), err)
	}
	return catalog.ColumnStatistic{Column: str(in.ColumnName), Type: str(in.ColumnType), Analyzed: timeOf(in.AnalyzedTime), Data: data}, err
}

// ToColumnStatistics is the inverse of FromColumnStatistics.
func ToColumnStatistics(in catalog.ColumnStatistic) (*types.ColumnStatistics, error) {
	out := &types.ColumnStatistics{ColumnName: &in.Column, ColumnType: text(in.Type), AnalyzedTime: instant(in.Analyzed)}
	if err := json.Unmarshal(in.Data, &out.StatisticsData); err != nil {
		return nil, fmt.Errorf("restore statistics of column %s: %w", in.Column, err)
	}
	return out, nil
}
