package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/google/uuid"
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

func (t *Table) checkpointIfDueLocked(ctx context.Context) error {
	interval := checkpointInterval(t.latest.metadata.Configuration)
	if !checkpointDue(t.latest.version, t.latest.lastCheckpoint, interval) {
		return nil
	}
	if hint, err := readHint(ctx, t.objects); err == nil && hint > t.latest.lastCheckpoint { // another writer's
		next := *t.latest
		next.lastCheckpoint = hint
		t.latest = &next
		if !checkpointDue(next.version, hint, interval) {
			return nil
		}
	}
	return t.checkpointLocked(ctx)
}

// checkpointLocked writes a checkpoint of latest, then the hint that leads to it.
func (t *Table) checkpointLocked(ctx context.Context) error {
	s := t.latest
	if err := checkWrite(s.protocol, s.metadata, s.schema, true); err != nil {
		return err
	}
	write := t.writeClassic
	if s.protocol.writesV2Checkpoints(s.metadata) {
		write = t.writeV2
	}
	hint, err := write(ctx, s)
	if err != nil {
		return fmt.Errorf("checkpoint version %d: %w", s.version, err)
	}
	body, err := hint.encode()
	if err != nil {
		return err
	}
	if err := t.objects.Delete(ctx, hintChecksumKey); err != nil {
		return fmt.Errorf("checksum of the hint before: %w", err)
	}
	if err := t.objects.Put(ctx, lastCheckpointKey, body); err != nil {
		return fmt.Errorf("hint at checkpoint version %d: %w", s.version, err)
	}
	next := *s
	next.lastCheckpoint = s.version
	t.latest = &next
	return nil
}

// writesV2Checkpoints says whether checkpoints follow the V2 spec: the table has the feature and its policy is not classic.
func (p *Protocol) writesV2Checkpoints(m *Metadata) bool {
	return slices.Contains(p.WriterFeatures, "v2Checkpoint") && m.Configuration[propCheckpointPolicy] != "classic"
}

// writeClassic writes a snapshot as one parquet file.
func (t *Table) writeClassic(ctx context.Context, s *Snapshot) (lastCheckpoint, error) {
	hint := lastCheckpoint{Version: s.version}
	rows := func(yield func(checkpointRow) bool) {
		for _, row := range checkpointHead(s) {
			if !yield(row) {
				return
			}
		}
		for row := range checkpointFilesOf(s, t.cutoff(s.metadata), &hint) {
			if !yield(checkpointRow{Add: row.Add, Remove: row.Remove}) {
				return
			}
		}
	}
	var err error
	hint.SizeInBytes, err = putWritten(ctx, t.objects, checkpointKey(s.version), func(w io.Writer) error {
		n, err := writeParquet(w, rows)
		hint.Size = n
		return err
	})
	return hint, err
}

// sidecarRows is how many files and tombstones a sidecar holds.
const sidecarRows = 250_000

// writeV2 writes a snapshot as sidecars and, once these are there, the JSON file that names them.
func (t *Table) writeV2(ctx context.Context, s *Snapshot) (lastCheckpoint, error) {
	hint := lastCheckpoint{Version: s.version}
	next, stop := iter.Pull(checkpointFilesOf(s, t.cutoff(s.metadata), &hint))
	defer stop()
	actions := append([]Action{{CheckpointMetadata: &CheckpointMetadata{Version: s.version}}}, headActions(s)...)
	row, more := next()
	for more {
		rows := func(yield func(sidecarRow) bool) {
			for n := 0; more && n < sidecarRows; n++ {
				if !yield(row) {
					return
				}
				row, more = next()
			}
		}
		name := uuid.NewString() + ".parquet"
		var n int64
		size, err := putWritten(ctx, t.objects, sidecarFolder+name, func(w io.Writer) (err error) {
			n, err = writeParquet(w, rows)
			return err
		})
		if err != nil {
			return hint, fmt.Errorf("sidecar %s: %w", name, err)
		}
		hint.Size += n
		hint.SizeInBytes += size
		actions = append(actions, Action{Sidecar: &Sidecar{name, size, t.opts.now().UnixMilli()}})
	}
	body, err := EncodeActions(actions)
	if err != nil {
		return hint, err
	}
	hint.Size += int64(len(actions))
	hint.SizeInBytes += int64(len(body))
	key := fmt.Sprintf("%s%0*d.checkpoint.%s.json", logFolder, versionDigits, s.version, uuid.NewString())
	return hint, t.objects.Put(ctx, key, body)
}

// checkpointFilesOf yields the files of a snapshot and its tombstones that are not older than the cutoff (milliseconds since
// the epoch), and counts the files.
func checkpointFilesOf(s *Snapshot, cutoff int64, hint *lastCheckpoint) iter.Seq[sidecarRow] {
	return func(yield func(sidecarRow) bool) {
		for e := range s.files.all() {
			var row sidecarRow
			switch {
			case e.add != nil:
				row.Add = addRow(e.add)
				hint.NumOfAddFiles++
			case e.remove.DeletionTimestamp >= cutoff:
				row.Remove = removeRow(e.remove)
			default:
				continue
			}
			if !yield(row) {
				return
			}
		}
	}
}

// checkpointGroupRows is how many rows the parquet writer holds before it writes them.
const checkpointGroupRows = 32 << 10

// checkpointRowsAtOnce bounds what is built before it is handed to the parquet writer.
const checkpointRowsAtOnce = 256

// writeParquet writes rows of type T as a parquet file.
func writeParquet[T any](to io.Writer, rows iter.Seq[T]) (n int64, err error) {
	w := parquet.NewGenericWriter[T](to, parquet.Compression(&snappy.Codec{}), parquet.CreatedBy("weir", "0.1", ""),
		parquet.MaxRowsPerRowGroup(checkpointGroupRows), parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain)) // others' readers know it
	buf := make([]T, 0, checkpointRowsAtOnce)
	flush := func() error {
		_, err := w.Write(buf)
		n += int64(len(buf))
		clear(buf)
		buf = buf[:0]
		return err
	}
	for row := range rows {
		if buf = append(buf, row); len(buf) == cap(buf) {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	if err := flush(); err != nil {
		return n, err
	}
	return n, w.Close()
}

// putWritten puts what write writes, without holding it where the store can take it as it comes.
func putWritten(ctx context.Context, objects Objects, key string, write func(io.Writer) error) (sizeBytes int64, err error) {
	put := func(r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return objects.Put(ctx, key, body)
	}
	if streams, ok := objects.(streamPutter); ok {
		put = func(r io.Reader) error { return streams.PutFrom(ctx, key, r) }
	}
	return pipe(write, put)
}

// putWrittenIfAbsent is putWritten for an object that must not be there yet: objstore.ErrPrecondition.
func putWrittenIfAbsent(ctx context.Context, objects Objects, key string, write func(io.Writer) error) error {
	put := func(r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return objects.PutIfAbsent(ctx, key, body)
	}
	if streams, ok := objects.(streamPutter); ok {
		put = func(r io.Reader) error { return streams.PutIfAbsentFrom(ctx, key, r) }
	}
	_, err := pipe(write, put)
	return err
}

// pipe lets put read what write writes, and counts it.
func pipe(write func(io.Writer) error, put func(io.Reader) error) (sizeBytes int64, err error) {
	r, w := io.Pipe()
	c := &countingWriter{w: w}
	done := make(chan error, 1)
	go func() {
		err := write(c)
		w.CloseWithError(err)
		done <- err
	}()
	putErr := put(r)
	r.CloseWithError(errors.Join(putErr, io.ErrClosedPipe)) // ends the writer if the store gave up
	err = errors.Join(putErr, <-done)
	return c.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
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

// sidecarRow is a row of a sidecar.
type sidecarRow struct {
	Add    *checkpointAdd    `parquet:"add,optional"`
	Remove *checkpointRemove `parquet:"remove,optional"`
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

	BaseRowID               *int64  `parquet:"baseRowId"`
	DefaultRowCommitVersion *int64  `parquet:"defaultRowCommitVersion"`
	ClusteringProvider      *string `parquet:"clusteringProvider"`
}

type checkpointRemove struct {
	Path                 string              `parquet:"path"`
	DeletionTimestamp    int64               `parquet:"deletionTimestamp"`
	DataChange           bool                `parquet:"dataChange"`
	ExtendedFileMetadata bool                `parquet:"extendedFileMetadata"`
	PartitionValues      map[string]*string  `parquet:"partitionValues,optional"`
	Size                 *int64              `parquet:"size"`
	DeletionVector       *checkpointDeletion `parquet:"deletionVector,optional"`

	BaseRowID               *int64 `parquet:"baseRowId"`
	DefaultRowCommitVersion *int64 `parquet:"defaultRowCommitVersion"`
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

// headActions are what checkpointHead are rows of.
func headActions(s *Snapshot) []Action {
	actions := []Action{{Protocol: s.protocol}, {Metadata: s.metadata}}
	for _, app := range slices.Sorted(maps.Keys(s.txns)) {
		txn := s.txns[app]
		actions = append(actions, Action{Txn: &txn})
	}
	for _, name := range slices.Sorted(maps.Keys(s.domains)) {
		d := s.domains[name]
		actions = append(actions, Action{DomainMetadata: &d})
	}
	return actions
}

// addRow and removeRow write dataChange as false, as the protocol asks of checkpoints.
func addRow(a *Add) *checkpointAdd {
	return &checkpointAdd{
		Path: a.Path, PartitionValues: a.PartitionValues, Size: a.Size, ModificationTime: a.ModificationTime,
		Tags: a.Tags, DeletionVector: deletionRow(a.DeletionVector), Stats: orNil(a.Stats), BaseRowID: a.BaseRowID,
		DefaultRowCommitVersion: a.DefaultRowCommitVersion, ClusteringProvider: orNil(a.ClusteringProvider),
	}
}

func removeRow(r *Remove) *checkpointRemove {
	return &checkpointRemove{
		Path: r.Path, DeletionTimestamp: r.DeletionTimestamp, ExtendedFileMetadata: r.ExtendedFileMetadata,
		PartitionValues: r.PartitionValues, Size: orNil(r.Size), DeletionVector: deletionRow(r.DeletionVector),
		BaseRowID: r.BaseRowID, DefaultRowCommitVersion: r.DefaultRowCommitVersion,
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
