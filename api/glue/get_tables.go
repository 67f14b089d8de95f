package glue

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/wire"
)

// GetTable, GetTables, SearchTables.
//
// GetTables' Expression is a regular expression over the whole name, in RE2's syntax and not Java's: no look-around, no
// back references. At most 100 tables a page. SearchTables looks for its text in names, descriptions, columns and
// parameters; filters know the keys DatabaseName, Name, Owner, TableType and any parameter. As-of queries are refused;
// AuditContext is for AWS's own log and has no effect.

func (s *service) getTable(ctx context.Context, in *glue.GetTableInput) (*glue.GetTableOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"name", in.Name}); err != nil {
		return nil, err
	}
	if err := unsupported("TransactionId", in.TransactionId != nil, "QueryAsOfTime", in.QueryAsOfTime != nil); err != nil {
		return nil, err
	}
	t, err := s.store.Table(ctx, *in.DatabaseName, *in.Name)
	if err != nil {
		return nil, entityNotFound(err)
	}
	full, err := awsglue.ToTable(t, wire.Caller(ctx).Account)
	if err != nil {
		return nil, err
	}
	out := tableAttributes(full, in.AttributesToGet)
	return &glue.GetTableOutput{Table: &out}, nil
}

// tableAttributes leaves of a table what was asked for; nothing said is everything.
func tableAttributes(full *types.Table, want []types.TableAttributes) types.Table {
	if len(want) == 0 {
		return *full
	}
	part := types.Table{DatabaseName: full.DatabaseName}
	if slices.Contains(want, types.TableAttributesName) {
		part.Name = full.Name
	}
	if slices.Contains(want, types.TableAttributesTableType) {
		part.TableType = full.TableType
	}
	return part
}

func (s *service) getTables(ctx context.Context, in *glue.GetTablesInput) (*glue.GetTablesOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}); err != nil {
		return nil, err
	}
	if err := unsupported("TransactionId", in.TransactionId != nil, "QueryAsOfTime", in.QueryAsOfTime != nil); err != nil {
		return nil, err
	}
	all, err := s.store.Tables(ctx, *in.DatabaseName)
	if err != nil {
		return nil, err
	}
	if in.Expression != nil && *in.Expression != "" {
		names, err := regexp.Compile("(?i)^(?:" + *in.Expression + ")$")
		if err != nil {
			return nil, catalog.Failf(catalog.ErrInvalid, "Invalid expression %q: %v", *in.Expression, err)
		}
		all = slices.DeleteFunc(all, func(t catalog.Table) bool { return !names.MatchString(t.Name) })
	}
	items, next, err := page(all, func(t *catalog.Table) string { return t.Name }, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	out := &glue.GetTablesOutput{NextToken: next}
	out.TableList, err = toTables(ctx, items, in.AttributesToGet)
	return out, err
}

func toTables(ctx context.Context, all []catalog.Table, want []types.TableAttributes) ([]types.Table, error) {
	out := make([]types.Table, len(all))
	for i, t := range all {
		full, err := awsglue.ToTable(t, wire.Caller(ctx).Account)
		if err != nil {
			return nil, err
		}
		out[i] = tableAttributes(full, want)
	}
	return out, nil
}

func (s *service) searchTables(ctx context.Context, in *glue.SearchTablesInput) (*glue.SearchTablesOutput, error) {
	if err := checkCatalog(ctx, in.CatalogId); err != nil {
		return nil, err
	}
	if err := unsupported("SortCriteria", len(in.SortCriteria) > 0); err != nil {
		return nil, err
	}
	databases, err := s.store.Databases(ctx)
	if err != nil {
		return nil, err
	}
	var found []catalog.Table
	for _, d := range databases {
		all, err := s.store.Tables(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			ok, err := accepts(&t, in.Filters)
			if err != nil {
				return nil, err
			}
			if ok && mentions(&t, str(in.SearchText)) {
				found = append(found, t)
			}
		}
	}
	items, next, err := page(found, func(t *catalog.Table) string { return t.Database + "\x00" + t.Name }, in.NextToken, in.MaxResults, 1000)
	if err != nil {
		return nil, err
	}
	out := &glue.SearchTablesOutput{NextToken: next}
	out.TableList, err = toTables(ctx, items, nil)
	return out, err
}

// mentions says whether a table has the text in what describes it. Text in quotes is taken without them.
func mentions(t *catalog.Table, search string) bool {
	search = strings.ToLower(strings.Trim(search, `"`))
	words := []string{t.Name, t.Database, t.Description, t.Owner, t.Storage.Location}
	for _, c := range slices.Concat(t.Storage.Columns, t.PartitionKeys) {
		words = append(words, c.Name, c.Comment)
	}
	for k, v := range t.Parameters {
		words = append(words, k, v)
	}
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(w), search) })
}

func accepts(t *catalog.Table, filters []types.PropertyPredicate) (bool, error) {
	for _, f := range filters {
		if f.Comparator != "" && f.Comparator != types.ComparatorEquals {
			return false, catalog.Failf(catalog.ErrInvalid, "Comparator %s is not supported.", f.Comparator)
		}
		var have string
		switch key := str(f.Key); strings.ToLower(key) {
		case "databasename":
			have = t.Database
		case "name":
			have = t.Name
		case "owner":
			have = t.Owner
		case "tabletype":
			have = t.Type
		default:
			have = t.Parameters[key]
		}
		if !strings.EqualFold(have, str(f.Value)) {
			return false, nil
		}
	}
	return true, nil
}
