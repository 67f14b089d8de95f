package delta

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// RestoreOptions say how to restore a table.
type RestoreOptions struct {
	// IgnoreMissing leaves out files that are no longer there, instead of refusing with *MissingFiles.
	IgnoreMissing bool
}

// Restored says what a restore changed.
type Restored struct {
	Version int64     `json:"version"` // that was written; that of before if there was nothing to change
	From    int64     `json:"from"`    // whose files and schema the table has again
	Added   FileCount `json:"added"`
	Removed FileCount `json:"removed"`
	Missing int       `json:"missing,omitempty"` // files that were left out
}

// MissingFiles says that files of a version are gone, as after a vacuum. It is an ErrNoVersion.
type MissingFiles struct {
	Version int64
	Count   int
	Some    []string // the first paths
}

func (m *MissingFiles) Error() string {
	return fmt.Sprintf("%v: version %d needs %d data files that are gone, such as %s", ErrNoVersion, m.Version, m.Count, strings.Join(m.Some, ", "))
}

// Unwrap makes a MissingFiles an ErrNoVersion.
func (m *MissingFiles) Unwrap() error { return ErrNoVersion }

// missingNamed is how many missing files an error names.
const missingNamed = 5

// Restore makes the table what it was at a version, by a new commit: the same files, schema and properties. Progress of
// applications, domains and the protocol, which only grows, stay as they are.
func (t *Table) Restore(ctx context.Context, version int64, opts RestoreOptions) (Restored, error) {
	target, err := t.SnapshotAt(ctx, version)
	if err != nil {
		return Restored{}, err
	}
	now, err := t.Snapshot(ctx)
	if err != nil {
		return Restored{}, err
	}
	tx := t.Begin(now)
	tx.ReadTable()
	tx.ChecksRows() // they were checked when the files were added
	out := Restored{Version: now.version, From: version}
	if tx.bulk, err = t.restoring(ctx, tx, target, &out); err != nil {
		return out, err
	}
	if n := out.Missing; n > 0 && !opts.IgnoreMissing {
		return out, &MissingFiles{Version: version, Count: n, Some: tx.bulk.some}
	}
	if schema, m := metadataAgain(target, now); m != now.metadata && !sameMetadata(m, now.metadata) {
		tx.schema, tx.physical, tx.by, tx.metadata = schema, target.physical, m.PartitionColumns, m
	}
	if tx.metadata == nil && tx.numAdds()+tx.numRemoves() == 0 {
		return out, nil
	}
	files, bytes := target.NumFiles()
	tx.SetInfo("RESTORE", map[string]string{"version": strconv.FormatInt(version, 10)}, map[string]string{
		"numRestoredFiles": strconv.Itoa(out.Added.Files), "restoredFilesSize": strconv.FormatInt(out.Added.Bytes, 10),
		"numRemovedFiles": strconv.Itoa(out.Removed.Files), "removedFilesSize": strconv.FormatInt(out.Removed.Bytes, 10),
		"numOfFilesAfterRestore": strconv.Itoa(files - out.Missing), "tableSizeAfterRestore": strconv.FormatInt(bytes, 10),
	})
	out.Version, err = tx.Commit(ctx)
	return out, err
}

// metadataAgain is what a version's metadata is when it comes back: numbers that identity columns and columns got since are
// not given again.
func metadataAgain(target, now *Snapshot) (*columnar.Schema, *Metadata) {
	m := *target.metadata
	if high, before := now.metadata.Configuration[propMaxColumnID], m.Configuration[propMaxColumnID]; high != before && before != "" {
		m.Configuration = cloneMap(m.Configuration)
		m.Configuration[propMaxColumnID] = high
	}
	schema := &columnar.Schema{Fields: slices.Clone(target.schema.Fields)}
	moved := false
	for i := range schema.Fields {
		f := &schema.Fields[i]
		k := slices.IndexFunc(now.physical.Fields, func(p columnar.Field) bool { return p.Name == target.physical.Fields[i].Name })
		if k < 0 {
			continue
		}
		high, ok := now.schema.Fields[k].Metadata[metaIdentityHigh]
		if !ok || f.Metadata["delta.identity.start"] == nil || f.Metadata[metaIdentityHigh] == high {
			continue
		}
		f.Metadata = maps.Clone(f.Metadata)
		f.Metadata[metaIdentityHigh] = high
		moved = true
	}
	if moved {
		m.SchemaString = string(schema.JSON())
	}
	return schema, &m
}

// metaIdentityHigh is the last number that an identity column gave; over time it only moves in the direction of the column's step.
const metaIdentityHigh = "delta.identity.highWaterMark"

func sameMetadata(a, b *Metadata) bool {
	x, err1 := marshalPlain(a)
	y, err2 := marshalPlain(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// objectsOf are the objects of the folder that a file of the table needs.
func (t *Table) objectsOf(a *Add) (keys []string, err error) {
	path, outside, err := decodePathAt(placeOf(t.objects), a.Path)
	if err != nil {
		return nil, err
	}
	if !outside {
		keys = append(keys, path)
	}
	if key, ok := vectorKey(a.DeletionVector); ok {
		keys = append(keys, key)
	}
	return keys, nil
}

// vectorKey is the object of the folder that holds a deletion vector; false if it is inline or elsewhere.
func vectorKey(v *DeletionVector) (key string, ok bool) {
	if v == nil || v.StorageType != "u" {
		return "", false
	}
	key, err := v.key()
	return key, err == nil
}

// head tells an object's size.
func (t *Table) head(ctx context.Context, key string) (objstore.Info, error) {
	if h, ok := t.objects.(header); ok {
		return h.Head(ctx, key)
	}
	for info, err := range t.objects.List(ctx, key, "") {
		if err != nil || info.Key == key {
			return info, err
		}
		break
	}
	return objstore.Info{}, fmt.Errorf("%q: %w", key, objstore.ErrNoSuchKey)
}
