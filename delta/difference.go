package delta

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-data/weir/columnar"
)

// Difference says what changed from one version of a table to another.
type Difference struct {
	From       int64     `json:"from"`
	To         int64     `json:"to"`
	Columns    []Altered `json:"columns,omitempty"` // by dotted name; the type, with "not null" where it is
	Properties []Altered `json:"properties,omitempty"`
	Protocol   *Altered  `json:"protocol,omitempty"` // nil: the same
	Added      FileCount `json:"added"`
	Removed    FileCount `json:"removed"`
	// Vectors counts data files of both versions of which other rows are deleted. Their rows count in Added and Removed
	// only as a difference.
	Vectors int `json:"vectors,omitempty"`
}

// Altered is a named thing that was, is, or was another; empty is none.
type Altered struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// FileCount counts data files.
type FileCount struct {
	Files   int   `json:"files"`
	Bytes   int64 `json:"bytes"`
	Rows    int64 `json:"rows"`                             // by statistics, without deleted rows
	Unknown int   `json:"filesWithoutStatistics,omitempty"` // files without statistics, whose rows are not counted
}

// Diff compares two versions; files that both have cost next to nothing.
func (t *Table) Diff(ctx context.Context, from, to int64) (*Difference, error) {
	a, err := t.SnapshotAt(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := t.SnapshotAt(ctx, to)
	if err != nil {
		return nil, err
	}
	return difference(a, b)
}

func difference(a, b *Snapshot) (*Difference, error) {
	d := &Difference{From: a.version, To: b.version}
	d.Columns = differing(columnTypes(a.schema), columnTypes(b.schema))
	d.Properties = differing(a.metadata.Configuration, b.metadata.Configuration)
	if p, q := a.protocol.text(), b.protocol.text(); p != q {
		d.Protocol = &Altered{"protocol", p, q}
	}
	vectors := map[string]int{} // paths with a deletion vector that are in one of the versions, and how often
	for p := range joined(a.files, b.files) {
		if p.before != nil && p.then != nil {
			continue
		}
		count, side := &d.Added, p.then
		if p.before != nil {
			count, side = &d.Removed, p.before
		}
		e := side.entry()
		if err := count.add(e.add); err != nil {
			return nil, fmt.Errorf("data file %q: %w", e.path(), err)
		}
		vectors[e.path()]++
	}
	for _, n := range vectors {
		if n == 2 {
			d.Vectors++
		}
	}
	return d, nil
}

func (c *FileCount) add(a *Add) error {
	stats, err := ParseStats(a.Stats)
	if err != nil {
		return err
	}
	c.Files++
	c.Bytes += a.Size
	if stats == nil {
		c.Unknown++
		return nil
	}
	c.Rows += stats.NumRecords
	if a.DeletionVector != nil {
		c.Rows -= a.DeletionVector.Cardinality
	}
	return nil
}

// columnTypes are the types of all columns by their dotted names.
func columnTypes(s *columnar.Schema) map[string]string {
	types := map[string]string{}
	_ = eachField(s.Fields, "", func(name string, f *columnar.Field) error {
		types[name] = f.Type.String()
		if !f.Nullable {
			types[name] += " not null"
		}
		return nil
	})
	return types
}

// differing are the keys with different values, in order.
func differing(from, to map[string]string) []Altered {
	keys := map[string]bool{}
	for k, v := range from {
		keys[k] = keys[k] || to[k] != v
	}
	for k, v := range to {
		if w, ok := from[k]; !ok || w != v {
			keys[k] = true
		}
	}
	var list []Altered
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if keys[k] {
			list = append(list, Altered{k, from[k], to[k]})
		}
	}
	return list
}

// text is a protocol in words: reader 3, writer 7, deletionVectors.
func (p *Protocol) text() string {
	text := fmt.Sprintf("reader %d, writer %d", p.MinReaderVersion, p.MinWriterVersion)
	for _, f := range p.WriterFeatures {
		text += ", " + f
	}
	return text
}
