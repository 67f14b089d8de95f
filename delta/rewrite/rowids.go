package rewrite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// Tables that track their rows give each row an id that stays, and tell the version that last changed it (PROTOCOL.md, section "Row
// Tracking"). Both follow from the log where the row was first written; a row that is written anew carries them in two columns of its file
// that the schema does not name.
const (
	rowIDColumn      = "weir_row_id"
	rowVersionColumn = "weir_row_version" // null: that of the commit

	propRowTracking    = "delta.enableRowTracking"
	propRowIDName      = "delta.rowTracking.materializedRowIdColumnName"
	propRowVersionName = "delta.rowTracking.materializedRowCommitVersionColumnName"
)

func (j *job) tracksRows() bool { return j.property(propRowTracking) }

// carried are the hidden columns that rows take along when they are written anew.
func (j *job) carried() []string {
	if j.carries {
		return []string{rowIDColumn, rowVersionColumn}
	}
	return nil
}

// carriedItems are the carried columns of a relation.
func (j *job) carriedItems(r *relation) (items []item) {
	for _, name := range j.carried() {
		items = append(items, item{column(r, name), name})
	}
	return items
}

// withCarried adds the carried columns to the items of a SELECT.
func (j *job) withCarried(items []string) []string { return append(items, j.carried()...) }

// withUpdated is withCarried for rows of which those with a mark are changed.
func (j *job) withUpdated(items []string) []string {
	if !j.carries {
		return items
	}
	return append(items, rowIDColumn, fmt.Sprintf("CASE WHEN %s = 0 THEN %s END AS %s", hitColumn, rowVersionColumn, rowVersionColumn))
}

// carriedColumns are the columns of files that hold what rows carry.
func (j *job) carriedColumns() (fields []columnar.Field, err error) {
	if !j.carries {
		return nil, nil
	}
	for _, property := range []string{propRowIDName, propRowVersionName} {
		name := j.props[property]
		if name == "" || indexOf(j.schema.Fields, name) >= 0 {
			return nil, fmt.Errorf("%w: rowTracking: rows cannot be written anew where %s names no column of its own", delta.ErrUnsupported, property)
		}
		fields = append(fields, columnar.Field{Name: name, Type: columnar.Type{Kind: columnar.Int64}, Nullable: true})
	}
	return fields, nil
}

// carriedOf are the carried columns of files of the same shape: what the rows carry already, else what the log says.
func (j *job) carriedOf(inputs []input) ([]string, error) {
	if !j.carries {
		return nil, nil
	}
	var ids, versions []string
	for _, in := range inputs {
		if in.file.BaseRowID == nil || in.file.DefaultRowCommitVersion == nil {
			return nil, fmt.Errorf("%w: rowTracking: data file %q has no row ids", delta.ErrCorrupt, in.file.Path)
		}
		ids = append(ids, strconv.FormatInt(*in.file.BaseRowID, 10))
		versions = append(versions, strconv.FormatInt(*in.file.DefaultRowCommitVersion, 10))
	}
	of := func(values []string) string {
		if slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
			return "CAST([" + strings.Join(values, ", ") + "][CAST(weir_s.file_index AS BIGINT) + 1] AS BIGINT)"
		}
		return "CAST(" + values[0] + " AS BIGINT)"
	}
	own := func(property, otherwise string) string {
		name := j.snapshot.Properties()[property]
		if k := slices.IndexFunc(inputs[0].schema.Fields, func(f columnar.Field) bool { return f.Name == name }); name != "" && k >= 0 {
			return "coalesce(CAST(weir_s." + quoteName(name) + " AS BIGINT), " + otherwise + ")"
		}
		return otherwise
	}
	return []string{
		own(propRowIDName, of(ids)+" + CAST(weir_s.file_row_number AS BIGINT)") + " AS " + rowIDColumn,
		own(propRowVersionName, of(versions)) + " AS " + rowVersionColumn,
	}, nil
}
