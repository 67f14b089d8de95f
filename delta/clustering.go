package delta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// clusteringDomain holds the columns by whose values rows lie near each other (section "Clustered Table").
const clusteringDomain = "delta.clustering"

// columnPath is the physical names of a column and those that it is in; a column at the top may be written without a list.
type columnPath []string

func (p *columnPath) UnmarshalJSON(body []byte) error {
	var name string
	if json.Unmarshal(body, &name) == nil {
		*p = columnPath{name}
		return nil
	}
	return json.Unmarshal(body, (*[]string)(p))
}

// clusteringColumns are the columns that the table is clustered by. Every file must have statistics of them.
func (s *Snapshot) clusteringColumns() ([]columnPath, error) {
	d, ok := s.domains[clusteringDomain]
	if !ok || d.Removed {
		return nil, nil
	}
	var c struct {
		Columns []columnPath `json:"clusteringColumns"`
	}
	if err := json.Unmarshal([]byte(d.Configuration), &c); err != nil {
		return nil, fmt.Errorf("%w: domain %s: %w", ErrCorrupt, clusteringDomain, err)
	}
	return c.Columns, nil
}

// ClusteredBy are the columns that the table is clustered by, each with those that it is in before it; none if it is not clustered.
// ErrCorrupt: the table has no such column.
func (s *Snapshot) ClusteredBy() (columns [][]string, err error) {
	paths, err := s.clusteringColumns()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		var names []string
		fields, physical := s.schema.Fields, s.physical.Fields
		for _, name := range path {
			i := slices.IndexFunc(physical, func(f columnar.Field) bool { return f.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("%w: the table is clustered by column %s, which is not in its schema", ErrCorrupt, strings.Join(path, "."))
			}
			names = append(names, fields[i].Name)
			fields, physical = fields[i].Type.Fields, physical[i].Type.Fields
		}
		columns = append(columns, names)
	}
	return columns, nil
}

// checkClustering refuses what a clustered table cannot be: partitioned, or without the columns that it is clustered by.
func (tx *Transaction) checkClustering() error {
	columns, err := tx.read.clusteringColumns()
	if err != nil || len(columns) == 0 {
		return err
	}
	if len(tx.by) > 0 {
		return fmt.Errorf("%w: a clustered table with partitions", ErrInvalid)
	}
	_, err = leavesTo(tx.physical.Fields, columns)
	return err
}

// statsLeaves is how many leaf columns must have statistics: those that the table asks for, and those that it is clustered by.
func (tx *Transaction) statsLeaves() (int, error) {
	_, m := tx.after()
	leaves := indexedCols(m.Configuration)
	columns, err := tx.read.clusteringColumns()
	if err != nil || len(columns) == 0 || leaves < 0 {
		return leaves, err
	}
	least, err := leavesTo(tx.physical.Fields, columns)
	return max(leaves, least), err
}

// leavesTo is the number of leaf columns up to the last of some.
func leavesTo(fields []columnar.Field, columns []columnPath) (int, error) {
	last := 0
	for _, path := range columns {
		n, ok := leafNumber(fields, path)
		if !ok {
			return 0, fmt.Errorf("%w: the table is clustered by column %s, which is not in its schema", ErrInvalid, strings.Join(path, "."))
		}
		last = max(last, n)
	}
	return last, nil
}

// leafNumber counts the leaf columns up to one and with it.
func leafNumber(fields []columnar.Field, path columnPath) (n int, ok bool) {
	i := slices.IndexFunc(fields, func(f columnar.Field) bool { return len(path) > 0 && f.Name == path[0] })
	if i < 0 {
		return 0, false
	}
	for _, f := range fields[:i] {
		n += leavesIn(&f)
	}
	if len(path) == 1 {
		return n + leavesIn(&fields[i]), true
	}
	if fields[i].Type.Kind != columnar.Struct {
		return 0, false
	}
	below, ok := leafNumber(fields[i].Type.Fields, path[1:])
	return n + below, ok
}

func leavesIn(f *columnar.Field) int {
	if f.Type.Kind != columnar.Struct {
		return 1
	}
	n := 0
	for i := range f.Type.Fields {
		n += leavesIn(&f.Type.Fields[i])
	}
	return n
}
