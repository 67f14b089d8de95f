package delta

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"
)

// Checkpoint writes a checkpoint of the newest version and returns that version. Commits write them by themselves.
func (t *Table) Checkpoint(ctx context.Context) (version int64, err error) {
	if err := t.lock(ctx); err != nil {
		return 0, err
	}
	defer t.unlock()
	s, err := t.refreshLocked(ctx)
	if err != nil {
		return 0, err
	}
	return s.version, t.checkpointLocked(ctx)
}

// checkpointDue says whether a version's commit is followed by a checkpoint: each version that the interval divides
// has one, and if one is missing the next commit makes up for it.
func checkpointDue(version, last, interval int64) bool {
	return version/interval > max(last, 0)/interval
}

func (t *Table) checkpointIfDueLocked(ctx context.Context, version int64) error {
	s := t.latest
	if s == nil || s.version < version {
		var err error
		if s, err = t.refreshLocked(ctx); err != nil {
			return err
		}
	}
	if !checkpointDue(s.version, s.lastCheckpoint, checkpointInterval(s.metadata.Configuration)) {
		return nil
	}
	return t.checkpointLocked(ctx)
}

// checkpointLocked writes a checkpoint of latest, then the hint that leads to it.
func (t *Table) checkpointLocked(ctx context.Context) error {
	s := t.latest
	if err := checkWrite(s.protocol, s.metadata, s.schema, true); err != nil {
		return err
	}
	body, stat, err := encodeCheckpoint(s, t.cutoff(s.metadata))
	if err != nil {
		return fmt.Errorf("checkpoint version %d: %w", s.version, err)
	}
	if err := t.objects.Put(ctx, checkpointKey(s.version), body); err != nil {
		return fmt.Errorf("checkpoint version %d: %w", s.version, err)
	}
	hint, err := json.Marshal(stat)
	if err != nil {
		return err
	}
	if err := t.objects.Put(ctx, lastCheckpointKey, hint); err != nil {
		return fmt.Errorf("hint at checkpoint version %d: %w", s.version, err)
	}
	next := *s
	next.lastCheckpoint = s.version
	t.latest = &next
	return nil
}

// The rows of a checkpoint. The columns are those of section "Checkpoint Schema" that a table of writer version 2
// needs, with those of features that are carried along.
type checkpointRow struct {
	Txn            *checkpointTxn      `parquet:"txn,optional"`
	Add            *checkpointAdd      `parquet:"add,optional"`
	Remove         *checkpointRemove   `parquet:"remove,optional"`
	Metadata       *checkpointMetadata `parquet:"metaData,optional"`
	Protocol       *checkpointProtocol `parquet:"protocol,optional"`
	DomainMetadata *checkpointDomain   `parquet:"domainMetadata,optional"`
}

type checkpointTxn struct {
	AppID       string `parquet:"appId"`
	Version     int64  `parquet:"version"`
	LastUpdated *int64 `parquet:"lastUpdated"`
}

type checkpointAdd struct {
	Path             string              `parquet:"path"`
	PartitionValues  map[string]*string  `parquet:"partitionValues"`
	Size             int64               `parquet:"size"`
	ModificationTime int64               `parquet:"modificationTime"`
	DataChange       bool                `parquet:"dataChange"`
	Tags             map[string]*string  `parquet:"tags,optional"`
	DeletionVector   *checkpointDeletion `parquet:"deletionVector,optional"`
	Stats            *string             `parquet:"stats"`
}

type checkpointRemove struct {
	Path                 string              `parquet:"path"`
	DeletionTimestamp    int64               `parquet:"deletionTimestamp"`
	DataChange           bool                `parquet:"dataChange"`
	ExtendedFileMetadata bool                `parquet:"extendedFileMetadata"`
	PartitionValues      map[string]*string  `parquet:"partitionValues,optional"`
	Size                 *int64              `parquet:"size"`
	DeletionVector       *checkpointDeletion `parquet:"deletionVector,optional"`
}

type checkpointDeletion struct {
	StorageType    string `parquet:"storageType"`
	PathOrInlineDv string `parquet:"pathOrInlineDv"`
	Offset         *int32 `parquet:"offset"`
	SizeInBytes    int32  `parquet:"sizeInBytes"`
	Cardinality    int64  `parquet:"cardinality"`
	MaxRowIndex    *int64 `parquet:"maxRowIndex"`
}

type checkpointMetadata struct {
	ID               string            `parquet:"id"`
	Name             *string           `parquet:"name"`
	Description      *string           `parquet:"description"`
	Format           checkpointFormat  `parquet:"format"`
	SchemaString     string            `parquet:"schemaString"`
	PartitionColumns []string          `parquet:"partitionColumns,list"`
	Configuration    map[string]string `parquet:"configuration"`
	CreatedTime      *int64            `parquet:"createdTime"`
}

type checkpointFormat struct {
	Provider string            `parquet:"provider"`
	Options  map[string]string `parquet:"options"`
}

type checkpointProtocol struct {
	MinReaderVersion int32    `parquet:"minReaderVersion"`
	MinWriterVersion int32    `parquet:"minWriterVersion"`
	ReaderFeatures   []string `parquet:"readerFeatures,optional,list"`
	WriterFeatures   []string `parquet:"writerFeatures,optional,list"`
}

type checkpointDomain struct {
	Domain        string `parquet:"domain"`
	Configuration string `parquet:"configuration"`
	Removed       bool   `parquet:"removed"`
}

// checkpointRowsAtOnce bounds what is built before it is handed to the parquet writer.
const checkpointRowsAtOnce = 1024

// encodeCheckpoint writes a snapshot as a classic single-file checkpoint. Tombstones deleted before the cutoff
// (milliseconds since the epoch) are left out.
func encodeCheckpoint(s *Snapshot, cutoff int64) ([]byte, lastCheckpoint, error) {
	var body bytes.Buffer
	w := parquet.NewGenericWriter[checkpointRow](&body, parquet.Compression(&snappy.Codec{}), parquet.CreatedBy("weir", "0.1", ""))
	stat := lastCheckpoint{Version: s.version}
	rows := checkpointHead(s)
	flush := func() error {
		n, err := w.Write(rows)
		stat.Size += int64(n)
		rows = rows[:0]
		return err
	}
	for e := range s.files.all() {
		switch {
		case e.add != nil:
			rows = append(rows, checkpointRow{Add: addRow(e.add)})
			stat.NumOfAddFiles++
		case e.remove.DeletionTimestamp >= cutoff:
			rows = append(rows, checkpointRow{Remove: removeRow(e.remove)})
		}
		if len(rows) >= checkpointRowsAtOnce {
			if err := flush(); err != nil {
				return nil, stat, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, stat, err
	}
	if err := w.Close(); err != nil {
		return nil, stat, err
	}
	stat.SizeInBytes = int64(body.Len())
	return body.Bytes(), stat, nil
}

// checkpointHead are the rows that are not about data files.
func checkpointHead(s *Snapshot) []checkpointRow {
	p, m := s.protocol, s.metadata
	rows := []checkpointRow{
		{Protocol: &checkpointProtocol{int32(p.MinReaderVersion), int32(p.MinWriterVersion), p.ReaderFeatures, p.WriterFeatures}},
		{Metadata: &checkpointMetadata{
			ID: m.ID, Name: orNil(m.Name), Description: orNil(m.Description), Format: checkpointFormat{m.Format.Provider, m.Format.Options},
			SchemaString: m.SchemaString, PartitionColumns: m.PartitionColumns, Configuration: m.Configuration,
			CreatedTime: orNil(m.CreatedTime),
		}},
	}
	for _, app := range slices.Sorted(maps.Keys(s.txns)) {
		txn := s.txns[app]
		rows = append(rows, checkpointRow{Txn: &checkpointTxn{txn.AppID, txn.Version, orNil(txn.LastUpdated)}})
	}
	for _, name := range slices.Sorted(maps.Keys(s.domains)) {
		d := s.domains[name]
		rows = append(rows, checkpointRow{DomainMetadata: &checkpointDomain{d.Domain, d.Configuration, false}})
	}
	return rows
}

// addRow and removeRow write dataChange as false, as the protocol asks of checkpoints.
func addRow(a *Add) *checkpointAdd {
	return &checkpointAdd{
		Path: a.Path, PartitionValues: a.PartitionValues, Size: a.Size, ModificationTime: a.ModificationTime,
		Tags: a.Tags, DeletionVector: deletionRow(a.DeletionVector), Stats: orNil(a.Stats),
	}
}

func removeRow(r *Remove) *checkpointRemove {
	return &checkpointRemove{
		Path: r.Path, DeletionTimestamp: r.DeletionTimestamp, ExtendedFileMetadata: r.ExtendedFileMetadata,
		PartitionValues: r.PartitionValues, Size: orNil(r.Size), DeletionVector: deletionRow(r.DeletionVector),
	}
}

func deletionRow(v *DeletionVector) *checkpointDeletion {
	if v == nil {
		return nil
	}
	return &checkpointDeletion{v.StorageType, v.PathOrInlineDv, v.Offset, v.SizeInBytes, v.Cardinality, v.MaxRowIndex}
}

// orNil is a pointer to v, nil if v is its type's zero value.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
