package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	var err error
	hint.SizeInBytes, err = putWritten(ctx, t.objects, checkpointKey(s.version), func(w io.Writer) (err error) {
		hint.Size, hint.NumOfAddFiles, err = writeParquet(w, checkpointHead(s), s.files, s.files.ranges(checkpointGroupRows), t.cutoff(s.metadata))
		return err
	})
	return hint, err
}

// checkpointGroupRows is about how many files and tombstones go into a row group, sidecarGroups how many of those into a sidecar.
const (
	checkpointGroupRows = 32 << 10
	sidecarGroups       = 8
)

// writeV2 writes a snapshot as sidecars and, once these are there, the JSON file that names them.
func (t *Table) writeV2(ctx context.Context, s *Snapshot) (lastCheckpoint, error) {
	hint := lastCheckpoint{Version: s.version}
	cutoff := t.cutoff(s.metadata)
	actions := append([]Action{{CheckpointMetadata: &CheckpointMetadata{Version: s.version}}}, headActions(s)...)
	for ranges := range slices.Chunk(s.files.ranges(checkpointGroupRows), sidecarGroups) {
		name := uuid.NewString() + ".parquet"
		var rows, files int64
		size, err := putWritten(ctx, t.objects, sidecarFolder+name, func(w io.Writer) (err error) {
			rows, files, err = writeParquet[sidecarRow](w, nil, s.files, ranges, cutoff)
			return err
		})
		if err != nil {
			return hint, fmt.Errorf("sidecar %s: %w", name, err)
		}
		if rows == 0 { // tombstones that are too old
			if err := t.objects.Delete(ctx, sidecarFolder+name); err != nil {
				return hint, fmt.Errorf("sidecar %s: %w", name, err)
			}
			continue
		}
		hint.Size += rows
		hint.NumOfAddFiles += files
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

// writeParquet writes rows of type T, then the files of some ranges of a set and its tombstones that are not older than the cutoff
// (milliseconds since the epoch), as a parquet file. It counts rows and files.
func writeParquet[T any](to io.Writer, head []T, s fileSet, ranges []keyRange, cutoff int64) (rows, files int64, err error) {
	w := parquet.NewGenericWriter[T](to, parquet.Compression(&snappy.Codec{}), parquet.CreatedBy("weir", "0.1", ""),
		parquet.MaxRowsPerRowGroup(checkpointGroupRows), parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain)) // others' readers know it
	if _, err := w.Write(head); err != nil {
		return 0, 0, err
	}
	if rows, files, err = writeGroups(w, s, ranges, cutoff); err != nil {
		return 0, 0, err
	}
	return rows + int64(len(head)), files, w.Close()
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

// orNil is a pointer to v, nil if v is its type's zero value.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
