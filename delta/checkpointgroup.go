package delta

import (
	"bytes"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// groupWriter encodes a range of a fileSet as a row group of a checkpoint, column by column. Several are used side by side.
type groupWriter struct {
	out    *parquet.ConcurrentRowGroupWriter
	leaves []*leafWriter
	add    fileLeaves
	remove fileLeaves

	stats, modified, clustering, deleted, extended *leafWriter

	rows          int    // since the last flush
	texts         []byte // that the rows refer to
	adds, removes int64
	err           error
}

// groupBatch is how many rows are handed to the columns at a time.
const groupBatch = 512

// leafWriter collects the values of a leaf column.
type leafWriter struct {
	out    *parquet.ColumnWriter
	column int
	most   int // definition level of a value that is there
	values []parquet.Value
	nulls  []parquet.Value // of groupBatch rows of another kind
	absent parquet.Value   // null of a row whose parents are there
}

// fileLeaves are the leaves that add and remove have in common.
type fileLeaves struct {
	all                              []*leafWriter // those of its own too
	behind                           int           // rows of another kind, for which the leaves have no null yet
	path, size, dataChange           *leafWriter
	partition, tags                  mapLeaves
	dv                               []*leafWriter
	dvType, dvPath, dvOffset, dvSize *leafWriter
	dvCardinality, dvMaxRow          *leafWriter
	rowID, rowVersion                *leafWriter
}

func newGroupWriter(out *parquet.ConcurrentRowGroupWriter) *groupWriter {
	g := &groupWriter{out: out}
	byPath := map[string]*leafWriter{}
	schema := out.Schema()
	columns := out.ColumnWriters()
	for i, path := range schema.Columns() {
		leaf, _ := schema.Lookup(path...)
		l := &leafWriter{out: columns[i], column: i, most: leaf.MaxDefinitionLevel}
		l.nulls = slices.Repeat([]parquet.Value{l.nullAt(0)}, groupBatch)
		l.absent = l.nullAt(l.most - 1)
		g.leaves = append(g.leaves, l)
		byPath[strings.Join(path, ".")] = l
		switch path[0] {
		case "add":
			g.add.all = append(g.add.all, l)
		case "remove":
			g.remove.all = append(g.remove.all, l)
		}
	}
	for name, f := range map[string]*fileLeaves{"add.": &g.add, "remove.": &g.remove} {
		at := func(path string) *leafWriter { return byPath[name+path] }
		f.path, f.size, f.dataChange = at("path"), at("size"), at("dataChange")
		f.partition = mapLeaves{key: at("partitionValues.key_value.key"), value: at("partitionValues.key_value.value")}
		f.tags = mapLeaves{key: at("tags.key_value.key"), value: at("tags.key_value.value")}
		f.dvType, f.dvPath, f.dvOffset = at("deletionVector.storageType"), at("deletionVector.pathOrInlineDv"), at("deletionVector.offset")
		f.dvSize, f.dvCardinality, f.dvMaxRow = at("deletionVector.sizeInBytes"), at("deletionVector.cardinality"), at("deletionVector.maxRowIndex")
		f.dv = []*leafWriter{f.dvType, f.dvPath, f.dvOffset, f.dvSize, f.dvCardinality, f.dvMaxRow}
		f.rowID, f.rowVersion = at("baseRowId"), at("defaultRowCommitVersion")
	}
	g.stats, g.modified, g.clustering = byPath["add.stats"], byPath["add.modificationTime"], byPath["add.clusteringProvider"]
	g.deleted, g.extended = byPath["remove.deletionTimestamp"], byPath["remove.extendedFileMetadata"]
	return g
}

// nullAt is a null that is defined up to a level.
func (l *leafWriter) nullAt(level int) parquet.Value {
	return parquet.Value{}.Level(0, level, l.column)
}

// put adds a value.
func (l *leafWriter) put(v parquet.Value) {
	l.values = append(l.values, v.Level(0, l.most, l.column))
}

// optional adds a value, or the null of a leaf whose parents are there.
func (l *leafWriter) optional(there bool, v parquet.Value) {
	if there {
		l.put(v)
	} else {
		l.values = append(l.values, l.absent)
	}
}

func (l *leafWriter) integer(n *int64) {
	if n == nil {
		l.values = append(l.values, l.absent)
	} else {
		l.put(parquet.Int64Value(*n))
	}
}

// flush hands values to the column.
func (l *leafWriter) flush(values []parquet.Value) error {
	_, err := l.out.WriteRowValues(values)
	l.values = l.values[:0]
	return err
}

// catchUp gives leaves the nulls of rows of another kind.
func (f *fileLeaves) catchUp() {
	if f.behind > 0 {
		for _, l := range f.all {
			l.values = append(l.values, l.nulls[:f.behind]...)
		}
		f.behind = 0
	}
}

// mapLeaves are the leaves of a map of texts, with what they got last: neighbours often have the same.
type mapLeaves struct {
	key, value   *leafWriter
	last         map[string]*string
	keys, values []parquet.Value
}

// put adds a map. One that is not there is null at a level, an empty one at the next.
func (m *mapLeaves) put(values map[string]*string, there bool, level int) {
	if len(values) == 0 {
		if there {
			level++
		}
		m.key.values = append(m.key.values, m.key.nullAt(level))
		m.value.values = append(m.value.values, m.value.nullAt(level))
		return
	}
	if !sameMap(m.last, values) {
		m.last, m.keys, m.values = values, m.keys[:0], m.values[:0]
		repeated := 0
		for _, k := range slices.Sorted(maps.Keys(values)) {
			m.keys = append(m.keys, parquet.ByteArrayValue([]byte(k)).Level(repeated, m.key.most, m.key.column))
			value, level := parquet.Value{}, m.value.most-1
			if v := values[k]; v != nil {
				value, level = parquet.ByteArrayValue([]byte(*v)), m.value.most
			}
			m.values = append(m.values, value.Level(repeated, level, m.value.column))
			repeated = 1
		}
	}
	m.key.values = append(m.key.values, m.keys...)
	m.value.values = append(m.value.values, m.values...)
}

// own copies a text that is needed until the next flush.
func (g *groupWriter) own(text []byte) parquet.Value {
	start := len(g.texts)
	g.texts = append(g.texts, text...)
	return parquet.ByteArrayValue(g.texts[start:len(g.texts):len(g.texts)])
}

// row adds a data file or a tombstone. dataChange is false, as the protocol asks of checkpoints.
func (g *groupWriter) row(r *record, values map[string]*string) {
	var more rest
	path := r.key
	if len(r.rest) > 0 || r.flags&flagEncoded != 0 {
		var text string
		text, more = pathIn(string(r.key), r.flags, r.rest)
		path = []byte(text)
	} else if i := bytes.IndexByte(path, 0); i >= 0 {
		path = path[:i]
	}
	f, other := &g.add, &g.remove
	if r.flags&flagRemove != 0 {
		f, other = other, f
	}
	f.catchUp()
	other.behind++
	f.path.put(g.own(path))
	f.dataChange.put(parquet.BooleanValue(false))
	f.rowID.integer(more.BaseRowID)
	f.rowVersion.integer(more.DefaultRowCommitVersion)
	g.vector(f, more.DeletionVector)
	if f == &g.add {
		f.size.put(parquet.Int64Value(r.size))
		g.modified.put(parquet.Int64Value(r.at))
		f.partition.put(values, true, 0)
		f.tags.put(more.Tags, more.Tags != nil, 1)
		g.stats.optional(len(r.stats) > 0, g.own(r.stats))
		g.clustering.optional(more.ClusteringProvider != "", g.own([]byte(more.ClusteringProvider)))
		g.adds++
	} else {
		f.size.optional(r.size != 0, parquet.Int64Value(r.size))
		g.deleted.put(parquet.Int64Value(r.at))
		g.extended.put(parquet.BooleanValue(r.flags&flagExtended != 0))
		f.partition.put(values, values != nil, 1)
		g.removes++
	}
	if g.rows++; g.rows == groupBatch {
		g.flush()
	}
}

func (g *groupWriter) vector(f *fileLeaves, v *DeletionVector) {
	if v == nil {
		for _, l := range f.dv {
			l.values = append(l.values, l.nullAt(1))
		}
		return
	}
	f.dvType.put(g.own([]byte(v.StorageType)))
	f.dvPath.put(g.own([]byte(v.PathOrInlineDv)))
	var offset int32
	if v.Offset != nil {
		offset = *v.Offset
	}
	f.dvOffset.optional(v.Offset != nil, parquet.Int32Value(offset))
	f.dvSize.put(parquet.Int32Value(v.SizeInBytes))
	f.dvCardinality.put(parquet.Int64Value(v.Cardinality))
	f.dvMaxRow.integer(v.MaxRowIndex)
}

// flush hands the rows to the columns.
func (g *groupWriter) flush() {
	for _, f := range []*fileLeaves{&g.add, &g.remove} {
		if f.behind < g.rows {
			f.catchUp()
		}
	}
	for _, l := range g.leaves {
		values := l.values
		if len(values) == 0 { // no row of this kind
			values = l.nulls[:g.rows]
		}
		g.err = errors.Join(g.err, l.flush(values))
	}
	g.rows, g.texts, g.add.behind, g.remove.behind = 0, g.texts[:0], 0, 0
}

// ranges part a set into ranges of about so many entries, none if it is empty.
func (s fileSet) ranges(entries int) []keyRange {
	if len(s.runs)+len(s.overlay) == 0 {
		return nil
	}
	bounds := []string{""}
	var longest *run
	for _, r := range s.runs {
		if longest == nil || r.n > longest.n {
			longest = r
		}
	}
	if longest != nil {
		step := max(entries/blockEntries, 1)
		for i := step; i < len(longest.blocks); i += step {
			bounds = append(bounds, longest.blocks[i].first)
		}
	}
	out := make([]keyRange, len(bounds))
	for i := range bounds {
		out[i].from = bounds[i]
		if i+1 < len(bounds) {
			out[i].to = bounds[i+1]
		}
	}
	return out
}

// write encodes the files of a range and its tombstones that are not older than the cutoff (milliseconds since the epoch).
func (g *groupWriter) write(s fileSet, keys keyRange, cutoff int64) error {
	g.adds, g.removes = 0, 0
	for m := s.mergerOf(keys); m.next() && g.err == nil; {
		if m.top.removed() && m.top.stamp() < cutoff {
			continue
		}
		r, values := m.top.record()
		g.row(&r, values)
	}
	g.flush()
	if g.err != nil {
		return g.err
	}
	return g.out.Flush()
}

// writeGroups writes the files of some ranges as a row group each, encoded side by side, and counts rows and files.
func writeGroups[T any](w *parquet.GenericWriter[T], s fileSet, ranges []keyRange, cutoff int64) (rows, files int64, err error) {
	type pending struct {
		g   *groupWriter
		err error
	}
	var queue []chan pending
	var spare []*groupWriter
	defer func() {
		for _, q := range queue {
			<-q
		}
	}()
	for len(ranges) > 0 || len(queue) > 0 {
		for ; len(ranges) > 0 && len(queue) < min(runtime.GOMAXPROCS(0), groupsAhead); ranges = ranges[1:] {
			var g *groupWriter
			if n := len(spare); n > 0 {
				g, spare = spare[n-1], spare[:n-1]
			} else {
				g = newGroupWriter(w.BeginRowGroup())
			}
			done, keys := make(chan pending, 1), ranges[0]
			queue = append(queue, done)
			go func() { done <- pending{g, g.write(s, keys, cutoff)} }()
		}
		p := <-queue[0]
		queue = queue[1:]
		if p.err != nil {
			return rows, files, p.err
		}
		if _, err := p.g.out.Commit(); err != nil {
			return rows, files, err
		}
		rows += p.g.adds + p.g.removes
		files += p.g.adds
		spare = append(spare, p.g)
	}
	return rows, files, nil
}
