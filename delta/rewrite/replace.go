package rewrite

import (
	"cmp"
	"fmt"
	"os"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// replaces says whether a merge whose matched rows become those of the source, as a whole, may delete the ones and add the others: then
// neither is joined with the other again, and files of the source may become data files as they are.
func (m *merge) replaces() bool {
	if !m.opts.whole || m.cdf() || m.tracksRows() {
		return false
	}
	for _, f := range m.schema.Fields {
		if indexOf(m.rows.Schema.Fields, f.Name) < 0 {
			return false
		}
	}
	return true
}

// replace deletes the marked rows and adds those of the source.
func (m *merge) replace() error {
	var partly []*delta.File
	for _, f := range m.files {
		n := m.marked.count(f.Path)
		m.result.Updated += n
		switch n {
		case 0:
		case live(f):
			m.remove(f)
		default:
			partly = append(partly, f)
		}
	}
	if err := m.deleteMarked(partly); err != nil {
		return err
	}
	files, err := m.adopt()
	if err != nil {
		return err
	}
	if files != nil {
		m.result.Inserted += m.add(files)
	} else if _, err := m.insert(*m.rows); err != nil {
		return err
	}
	m.result.Inserted -= m.matched.Cardinality()
	return nil
}

func (m *merge) deleteMarked(files []*delta.File) error {
	if m.vectors() {
		return m.mark(files, m.marked)
	}
	return m.rewrite(files, m.marked, cmp.Or(m.binBytes, m.t.opts.FileBytes), unmarked)
}

// adopt makes the files of the source data files as they are; nil if they cannot be: where the table is partitioned or has rules, where
// values are kept in other types or under other names, or nobody knows the files' statistics.
func (m *merge) adopt() ([]written, error) {
	rows := m.rows
	if len(rows.Stats) == 0 || len(rows.Stats) != len(rows.Files) || len(m.by) > 0 || m.mapping() != delta.MapNone {
		return nil, nil
	}
	given := map[string]bool{}
	for i := range m.schema.Fields {
		f := &m.schema.Fields[i]
		given[f.Name] = true
		if f.Metadata[metaIDStart] != nil || hasChars(f) {
			return nil, nil
		}
	}
	if rules, err := m.rules(given); err != nil || len(rules) > 0 || len(m.columnChecks()) > 0 {
		return nil, err
	}
	var out []written
	for i, path := range rows.Files {
		w, err := m.adoptFile(path, rows.Stats[i])
		if err != nil || w == nil {
			return nil, err
		}
		out = append(out, *w)
	}
	return out, nil
}

// adoptFile takes a file under a second name, as its first is wanted again if another commit is in the way; nil if that cannot be.
func (m *merge) adoptFile(path string, stats *delta.Stats) (*written, error) {
	have, err := footer(path)
	if err != nil {
		return nil, fmt.Errorf("rows to write: %w", err)
	}
	if !sameColumns(have, m.schema) {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("rows to write: %w", err)
	}
	w := &written{path: m.path(".parquet"), file: delta.File{Size: info.Size(), Partition: map[string]*string{}, Stats: stats}}
	if os.Link(path, w.path) != nil {
		return nil, nil
	}
	return w, nil
}

// sameColumns says whether a file has the columns of a schema, no others, in their very names and types.
func sameColumns(have, schema *columnar.Schema) bool {
	if len(have.Fields) != len(schema.Fields) {
		return false
	}
	for _, f := range schema.Fields {
		i := have.Index(f.Name)
		if i < 0 || have.Fields[i].Type.String() != f.Type.String() {
			return false
		}
	}
	return true
}
