package query

import (
	"strconv"

	"github.com/weir-data/weir/sql"
)

// Hidden columns of tables that track their rows (PROTOCOL.md, section "Row Tracking"): the stable id of a row, and the
// version that inserted or last updated it.
const (
	rowIDColumn      = "$row_id"
	rowVersionColumn = "$row_commit_version"
)

// rowColumns are the hidden columns that the table has.
func (d *deltaTable) rowColumns() []sql.Column {
	if d.snapshot.Properties()["delta.enableRowTracking"] != "true" {
		return nil
	}
	bigint := sql.Type{Name: "bigint"}
	return []sql.Column{{Name: rowIDColumn, Type: bigint}, {Name: rowVersionColumn, Type: bigint}}
}

// bindRows adds the hidden columns that a query uses: what the files hold, else what follows from the log.
func (d *deltaTable) bindRows(b *Binding, used map[string]bool) {
	for _, c := range d.rowColumns() {
		if !used[c.Name] {
			continue
		}
		p := PartitionColumn{Name: c.Name, Type: c.Type, Position: c.Name == rowIDColumn}
		property := "delta.rowTracking.materializedRowIdColumnName"
		if c.Name == rowVersionColumn {
			property = "delta.rowTracking.materializedRowCommitVersionColumnName"
		}
		if own := d.snapshot.Properties()[property]; own != "" {
			p.Own = "weir_own" + c.Name
			b.Columns = append(b.Columns, BoundColumn{Name: p.Own, File: own, Type: c.Type, Hidden: true})
		}
		b.Partitions = append(b.Partitions, p)
	}
}

// textOf is a number as PartitionColumn has it.
func textOf(n *int64) *string {
	if n == nil {
		return nil
	}
	text := strconv.FormatInt(*n, 10)
	return &text
}
