package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// files are the live files that the predicates leave, by partition values and by statistics.
func (d *deltaTable) files(ctx context.Context, store *files, predicates []sql.Predicate) ([]dataFile, error) {
	pr := newPrune(predicates)
	types := map[string]sql.Type{}
	for _, c := range d.columns() {
		types[c.Name] = c.Type
	}
	isKey := map[string]bool{}
	for _, n := range d.snapshot.PartitionBy() {
		isKey[strings.ToLower(n)] = true
	}
	for column := range pr {
		if !isKey[column] {
			return d.list(ctx, store, pr, types)
		}
	}
	all, err := d.known.all(ctx, d, store)
	if err != nil || len(pr) == 0 {
		return all, err
	}
	var out []dataFile
	for _, f := range all {
		if keepsFolder(pr, types, f.values) {
			out = append(out, f)
		}
	}
	return out, nil
}

// all are all files of a version. They are kept, with their paths, for the next query: working them out takes longer
// than many queries.
func (k *knownDelta) all(ctx context.Context, d *deltaTable, store *files) ([]dataFile, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version == d.snapshot.Version() && k.id == d.snapshot.ID() {
		return k.files, nil
	}
	out, err := d.list(ctx, store, nil, nil)
	if err != nil || len(out) > deltaFilesMax || store.local == nil {
		return out, err
	}
	paths := make(map[string]string, len(k.files)) // files of a Delta table never change
	for _, f := range k.files {
		paths[f.key] = f.path
	}
	for i := range out {
		if out[i].path = paths[out[i].key]; out[i].path != "" {
			continue
		}
		if out[i].path, err = store.path(ctx, out[i]); err != nil {
			return nil, fmt.Errorf("open s3://%s/%s: %w", out[i].bucket, out[i].key, err)
		}
	}
	k.id, k.version, k.files = d.snapshot.ID(), d.snapshot.Version(), out
	return out, nil
}

// list asks the log for files; a nil prune keeps all.
func (d *deltaTable) list(ctx context.Context, store *files, pr prune, types map[string]sql.Type) ([]dataFile, error) {
	inside := func(partition map[string]*string) bool {
		for name, v := range partition {
			lower := strings.ToLower(name)
			if !pr.keepsValue(lower, types[lower], emptyIsNull(v)) {
				return false
			}
		}
		return true
	}
	rounded := d.rounded()
	keep := func(f *delta.File) bool { return keepsStats(pr, types, rounded, f.Stats) }
	if pr == nil {
		inside, keep = nil, nil
	}
	var out []dataFile
	var last, values map[string]*string // partition values by the log, and as the engine reads them
	for f, err := range d.snapshot.FilesIn(inside, keep) {
		if errors.Is(err, delta.ErrUnsupported) {
			return nil, &sql.Error{Code: "NOT_SUPPORTED", Msg: err.Error()}
		}
		if err != nil {
			return nil, fmt.Errorf("list files of Delta table: %w", err)
		}
		if values == nil || !maps.Equal(last, f.Partition) {
			if values, err = d.partition(f); err != nil {
				return nil, err
			}
			last = f.Partition
		}
		file, err := d.object(ctx, store, f)
		if err != nil {
			return nil, err
		}
		file.values, file.baseRow, file.rowVersion = values, f.BaseRowID, f.DefaultRowCommitVersion
		if f.DeletionVector != nil {
			file.vector = f
		}
		out = append(out, file)
	}
	return out, nil
}

// object is where a file lies.
func (d *deltaTable) object(ctx context.Context, store *files, f *delta.File) (dataFile, error) {
	file := dataFile{bucket: d.bucket, key: f.Path, size: f.Size, etag: "immutable"}
	if d.prefix != "" {
		file.key = d.prefix + "/" + f.Path
	}
	if f.Outside {
		var ok bool
		if file.bucket, file.key, ok = delta.Locate(ctx, store.store, d.bucket, strings.TrimSuffix(file.key, f.Path), f.Path); !ok {
			return file, &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("data file %q lies outside the table's folder, where this store does not reach", f.Path)}
		}
	}
	return file, nil
}

// partition are the partition values of a file by column in lower case, as text that the engine casts to the column's type.
func (d *deltaTable) partition(f *delta.File) (map[string]*string, error) {
	schema := d.snapshot.Schema()
	out := make(map[string]*string, len(f.Partition))
	for name, text := range f.Partition {
		i := schema.Index(name)
		if i < 0 {
			continue
		}
		v, err := delta.ParsePartition(schema.Fields[i].Type, text)
		if err != nil {
			return nil, fmt.Errorf("data file %q, partition column %q: %w", f.Path, name, err)
		}
		out[strings.ToLower(name)] = emptyIsNull(text)
		if raw, ok := v.([]byte); ok {
			blob := blobText(raw)
			out[strings.ToLower(name)] = &blob
		}
	}
	return out, nil
}

// blobText writes bytes as the engine reads them from text.
func blobText(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, `\x%02X`, c)
	}
	return b.String()
}

// locate says where the files have a column: under which name or field id, and with which names below it.
func (d *deltaTable) locate(c *BoundColumn) {
	if d.snapshot.Mapping() == delta.MapNone {
		return
	}
	for i, f := range d.snapshot.Schema().Fields {
		if !strings.EqualFold(f.Name, c.Name) {
			continue
		}
		physical := &d.snapshot.Physical().Fields[i]
		c.File = physical.Name
		if id, ok := delta.FieldID(physical); ok && d.snapshot.Mapping() == delta.MapID {
			c.ID, c.FileIDs = &id, idType(physical.Type)
		}
		if t := fileType(physical.Type); t.DuckDB() != c.Type.DuckDB() {
			c.FileType = t
		}
	}
}

// idType is a type of which fields of structs are named by their ids.
func idType(t columnar.Type) sql.Type {
	out := fileType(t)
	for i := range t.Fields {
		f := &t.Fields[i]
		out.Args[i] = idType(f.Type)
		if id, ok := delta.FieldID(f); ok && t.Kind == columnar.Struct {
			out.Fields[i] = strconv.Itoa(int(id))
		}
	}
	return out
}

// deletedBytesMax bounds the deleted rows that go with a query, as they are written.
const deletedBytesMax = 128 << 20

// attachDeleted adds the deleted rows of files to a binding.
func (d *deltaTable) attachDeleted(ctx context.Context, b *Binding, files []dataFile) error {
	total := 0
	for i, f := range files {
		rows, err := f.gone, error(nil)
		if f.vector != nil {
			rows, err = d.snapshot.Deleted(ctx, f.vector)
		}
		if errors.Is(err, delta.ErrUnsupported) {
			return &sql.Error{Code: "NOT_SUPPORTED", Msg: err.Error()}
		}
		if err != nil {
			return fmt.Errorf("read Delta table: %w", err)
		}
		if rows.Cardinality() == 0 {
			continue
		}
		if b.Deleted == nil {
			b.Deleted = make([][]byte, len(files))
		}
		if b.Deleted[i], err = rows.Portable(); err != nil {
			return fmt.Errorf("deleted rows of %s: %w", f.key, err)
		}
		if total += len(b.Deleted[i]); total > deletedBytesMax {
			return &sql.Error{Code: "EXCEEDED_LIMIT", Msg: fmt.Sprintf("the deletion vectors of the files that the query reads have more than %d bytes; OPTIMIZE the table, or read fewer partitions", deletedBytesMax)}
		}
	}
	return nil
}

// emptyIsNull follows the Delta protocol: an empty partition value is NULL.
func emptyIsNull(v *string) *string {
	if v == nil || *v == "" {
		return nil
	}
	return v
}

// rounded are the columns whose statistics may show other digits than their values have as doubles: those of 32-bit
// floating point, now or in older files.
func (d *deltaTable) rounded() map[string]bool {
	out := map[string]bool{}
	for _, f := range d.snapshot.Schema().Fields {
		if f.Type.Kind == columnar.Float32 || delta.WasFloat(&f) {
			out[strings.ToLower(f.Name)] = true
		}
	}
	return out
}

// keepsStats says whether a file may hold rows that are wanted. Bounds need not be tight: they bound what deleted rows
// leave.
func keepsStats(pr prune, types map[string]sql.Type, rounded map[string]bool, s *delta.Stats) bool {
	if s == nil {
		return true
	}
	for name, low := range s.Min {
		high, ok := s.Max[name]
		column := strings.ToLower(name)
		if !ok || len(pr[column]) == 0 {
			continue
		}
		t := types[column]
		lowText, ok1 := boundText(low, t, 0)
		highText, ok2 := boundText(high, t, time.Millisecond) // bounds of timestamps are cut to milliseconds
		if rounded[column] {
			lowText, highText = loosen(lowText, -1), loosen(highText, 1)
		}
		if ok1 && ok2 && !pr.keepsRange(column, t, lowText, highText) {
			return false
		}
	}
	return true
}

// loosen moves a bound by what rounding to 32-bit floating point may have moved its value; way is -1 or 1.
func loosen(text string, way float64) string {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(v+way*(math.Abs(v)*0x1p-23+math.SmallestNonzeroFloat32), 'g', -1, 64)
}

// boundText is a bound of the statistics as compare reads it.
func boundText(v any, t sql.Type, slack time.Duration) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case string:
		if t.Name != "timestamp" {
			return v, t.Name == "varchar" || t.Name == "date"
		}
		at, ok := parseTime(v)
		if !ok {
			at, err := time.Parse(time.RFC3339Nano, v)
			return at.UTC().Add(slack).Format(time.RFC3339Nano), err == nil
		}
		return at.Add(slack).Format("2006-01-02T15:04:05.999999999Z"), true
	}
	return "", false
}
