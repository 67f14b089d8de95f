package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// wholeBytesMax is the size up to which a checkpoint is read in one piece.
const wholeBytesMax = 32 << 20

// checkpointBytesMax bounds one that a store without ranged reads holds whole.
const checkpointBytesMax = 1 << 30

// readCheckpoint loads a checkpoint of any kind into r.
func readCheckpoint(ctx context.Context, objects Objects, c *checkpointFiles, r *replay) error {
	var sidecars []*Sidecar
	note := func(a Action) error {
		if a.Sidecar == nil {
			r.note(a)
			return nil
		}
		if sidecars = append(sidecars, a.Sidecar); len(sidecars) > sidecarsMax {
			return fmt.Errorf("%w: more than %d sidecars", ErrUnsupported, sidecarsMax)
		}
		return nil
	}
	for _, f := range c.files {
		if err := loadCheckpointFile(ctx, objects, f, r, note); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	for _, s := range sidecars {
		key, err := sidecarKey(s)
		if err != nil {
			return err
		}
		nothing := func(Action) error { return nil }
		if err := loadCheckpointFile(ctx, objects, logFile{key: key, size: s.SizeInBytes}, r, nothing); err != nil {
			return fmt.Errorf("sidecar: %w", err)
		}
	}
	return nil
}

// loadCheckpointFile loads the data files that a file of a checkpoint names into r, and calls note for all its other rows.
func loadCheckpointFile(ctx context.Context, objects Objects, f logFile, r *replay, note func(Action) error) error {
	if strings.HasSuffix(f.key, ".json") {
		return readLogParts(ctx, objects, []logFile{f}, r.place, func(p *logPart) error {
			for _, a := range p.actions {
				if err := note(a); err != nil {
					return err
				}
			}
			return r.takeFiles(p)
		})
	}
	at, size, err := openAt(ctx, objects, f.key, f.size)
	if err != nil {
		return err
	}
	err = readParquetActions(at, size, func(a Action) error {
		e, err := fileEntry(a, r.place)
		if err != nil {
			return err
		}
		if e == nil {
			return note(a)
		}
		return r.put(e)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", f.key, err)
	}
	return nil
}

// sidecarsMax bounds the sidecars of a checkpoint.
const sidecarsMax = 1 << 16

// sidecarKey is where a sidecar lies.
func sidecarKey(s *Sidecar) (string, error) {
	if strings.ContainsAny(s.Path, "/\\%") {
		return "", fmt.Errorf("%w: sidecar at %q, outside %s", ErrUnsupported, s.Path, sidecarFolder)
	}
	return sidecarFolder + s.Path, nil
}

// readSidecarNames calls do for each sidecar that a checkpoint's file names, without reading its other rows.
func readSidecarNames(ctx context.Context, objects Objects, f logFile, do func(*Sidecar) error) (err error) {
	if strings.HasSuffix(f.key, ".json") {
		return readCheckpointFile(ctx, objects, f.key, f.size, func(a Action) error {
			if a.Sidecar == nil {
				return nil
			}
			return do(a.Sidecar)
		})
	}
	defer recoverParquet(&err)
	at, size, err := openAt(ctx, objects, f.key, f.size)
	if err != nil {
		return err
	}
	rows, err := openRows(at, size)
	if err != nil {
		return err
	}
	defer rows.closePages()
	path := rows.column("sidecar.path")
	if path == nil {
		return nil
	}
	for {
		more, err := rows.next()
		if err != nil || !more {
			return err
		}
		if !set(path) {
			continue
		}
		if err := do(&Sidecar{Path: path.text()}); err != nil {
			return err
		}
	}
}

// recoverParquet turns a panic of the parquet library, which damaged pages may cause, into an error.
func recoverParquet(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: damaged parquet file: %v", ErrCorrupt, p)
	}
}

func readCheckpointFile(ctx context.Context, objects Objects, key string, size int64, do func(Action) error) error {
	if strings.HasSuffix(key, ".json") {
		body, err := objects.Get(ctx, key)
		if err != nil {
			return err
		}
		defer body.Close()
		return readActions(body, do)
	}
	at, size, err := openAt(ctx, objects, key, size)
	if err != nil {
		return err
	}
	return readParquetActions(at, size, do)
}

// openAt gives random access to an object: small ones and those of a store that cannot read parts are held whole.
func openAt(ctx context.Context, objects Objects, key string, size int64) (io.ReaderAt, int64, error) {
	if ranges, ok := objects.(rangeGetter); ok && size > wholeBytesMax {
		return newBlockReader(ctx, ranges, key, size), size, nil
	}
	body, err := readAll(ctx, objects, key, checkpointBytesMax)
	if err != nil {
		return nil, 0, err
	}
	return bytes.NewReader(body), int64(len(body)), nil
}

// readParquetActions calls do for each row of a checkpoint's or sidecar's parquet file.
func readParquetActions(r io.ReaderAt, size int64, do func(Action) error) (err error) {
	defer recoverParquet(&err)
	rows, err := openRows(r, size)
	if err != nil {
		return err
	}
	defer rows.closePages()
	columns := newActionColumns(rows)
	for {
		more, err := rows.next()
		if err != nil || !more {
			return err
		}
		a, err := columns.action()
		if err != nil {
			return err
		}
		if err := a.check(); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if err := do(a); err != nil {
			return err
		}
	}
}

// actionColumns are the columns of a checkpoint that are read.
type actionColumns struct {
	add, remove    fileColumns
	stats          *cursor
	statsParsed    *parsedStats
	modified       *cursor
	clustering     *cursor
	deleted        *cursor
	extended       *cursor
	protocol       protocolColumns
	metadata       metadataColumns
	txnApp         *cursor
	txnVersion     *cursor
	txnUpdated     *cursor
	domain         *cursor
	domainConfig   *cursor
	domainRemoved  *cursor
	sidecarPath    *cursor
	sidecarSize    *cursor
	sidecarModTime *cursor
}

// fileColumns are the columns that add and remove have in common.
type fileColumns struct {
	path, size, dataChange, baseRow, rowCommit *cursor
	partition, tags                            mapCursor
	dvType, dvPath, dvOffset                   *cursor
	dvSize, dvCardinality, dvMaxRow            *cursor
}

type protocolColumns struct{ reader, writer, readerFeatures, writerFeatures *cursor }

type metadataColumns struct {
	id, name, description, provider, schema, created, partitionBy *cursor
	options, configuration                                        mapCursor
}

func newActionColumns(r *rowReader) *actionColumns {
	c := &actionColumns{
		add:        newFileColumns(r, "add"),
		remove:     newFileColumns(r, "remove"),
		stats:      r.column("add.stats"),
		modified:   r.column("add.modificationTime"),
		clustering: r.column("add.clusteringProvider"),
		deleted:    r.column("remove.deletionTimestamp"),
		extended:   r.column("remove.extendedFileMetadata"),
		protocol: protocolColumns{
			r.column("protocol.minReaderVersion"), r.column("protocol.minWriterVersion"),
			r.listColumn("protocol.readerFeatures"), r.listColumn("protocol.writerFeatures"),
		},
		metadata: metadataColumns{
			id: r.column("metaData.id"), name: r.column("metaData.name"), description: r.column("metaData.description"),
			provider: r.column("metaData.format.provider"), schema: r.column("metaData.schemaString"),
			created: r.column("metaData.createdTime"), partitionBy: r.listColumn("metaData.partitionColumns"),
			options: r.mapColumn("metaData.format.options"), configuration: r.mapColumn("metaData.configuration"),
		},
		txnApp: r.column("txn.appId"), txnVersion: r.column("txn.version"), txnUpdated: r.column("txn.lastUpdated"),
		domain: r.column("domainMetadata.domain"), domainConfig: r.column("domainMetadata.configuration"),
		domainRemoved: r.column("domainMetadata.removed"),
		sidecarPath:   r.column("sidecar.path"), sidecarSize: r.column("sidecar.sizeInBytes"),
		sidecarModTime: r.column("sidecar.modificationTime"),
	}
	if c.stats == nil {
		c.statsParsed = newParsedStats(r)
	}
	return c
}

func newFileColumns(r *rowReader, name string) fileColumns {
	at := func(column string) *cursor { return r.column(name + "." + column) }
	return fileColumns{
		path: at("path"), size: at("size"), dataChange: at("dataChange"),
		baseRow: at("baseRowId"), rowCommit: at("defaultRowCommitVersion"),
		partition: r.mapColumn(name + ".partitionValues"), tags: r.mapColumn(name + ".tags"),
		dvType: at("deletionVector.storageType"), dvPath: at("deletionVector.pathOrInlineDv"),
		dvOffset: at("deletionVector.offset"), dvSize: at("deletionVector.sizeInBytes"),
		dvCardinality: at("deletionVector.cardinality"), dvMaxRow: at("deletionVector.maxRowIndex"),
	}
}

// action reads the current row. A row of a kind that is not known gives an Action without a field set.
func (c *actionColumns) action() (Action, error) {
	switch {
	case set(c.add.path):
		return c.addAction()
	case set(c.remove.path):
		return Action{Remove: &Remove{
			Path: c.remove.path.text(), DeletionTimestamp: c.deleted.integer(), DataChange: c.remove.dataChange.boolean(),
			ExtendedFileMetadata: c.extended.boolean(), PartitionValues: c.remove.partition.pairs(),
			Size: c.remove.size.integer(), Tags: c.remove.tags.pairs(), DeletionVector: c.remove.deletionVector(),
			BaseRowID: c.remove.baseRow.integerOrNil(), DefaultRowCommitVersion: c.remove.rowCommit.integerOrNil(),
		}}, nil
	case set(c.protocol.reader):
		p := &c.protocol
		return Action{Protocol: &Protocol{
			MinReaderVersion: int(p.reader.integer()), MinWriterVersion: int(p.writer.integer()),
			ReaderFeatures: p.readerFeatures.list(), WriterFeatures: p.writerFeatures.list(),
		}}, nil
	case set(c.metadata.id):
		m := &c.metadata
		return Action{Metadata: &Metadata{
			ID: m.id.text(), Name: m.name.text(), Description: m.description.text(),
			Format:       Format{Provider: m.provider.text(), Options: m.options.texts()},
			SchemaString: m.schema.text(), PartitionColumns: m.partitionBy.list(),
			Configuration: m.configuration.texts(), CreatedTime: m.created.integer(),
		}}, nil
	case set(c.txnApp):
		return Action{Txn: &Txn{c.txnApp.text(), c.txnVersion.integer(), c.txnUpdated.integer()}}, nil
	case set(c.domain):
		return Action{DomainMetadata: &DomainMetadata{c.domain.text(), c.domainConfig.text(), c.domainRemoved.boolean()}}, nil
	case set(c.sidecarPath):
		return Action{Sidecar: &Sidecar{c.sidecarPath.text(), c.sidecarSize.integer(), c.sidecarModTime.integer()}}, nil
	}
	return Action{}, nil
}

func set(c *cursor) bool {
	_, ok := c.value()
	return ok
}

func (c *actionColumns) addAction() (Action, error) {
	f := &c.add
	add := &Add{
		Path: f.path.text(), PartitionValues: f.partition.pairs(), Size: f.size.integer(),
		ModificationTime: c.modified.integer(), DataChange: f.dataChange.boolean(), Stats: c.stats.text(),
		Tags: f.tags.pairs(), DeletionVector: f.deletionVector(), BaseRowID: f.baseRow.integerOrNil(),
		DefaultRowCommitVersion: f.rowCommit.integerOrNil(), ClusteringProvider: c.clustering.text(),
	}
	if c.statsParsed != nil {
		var err error
		if add.Stats, err = c.statsParsed.json(); err != nil {
			return Action{}, fmt.Errorf("stats_parsed of %q: %w", add.Path, err)
		}
	}
	return Action{Add: add}, nil
}

func (f *fileColumns) deletionVector() *DeletionVector {
	if !set(f.dvType) {
		return nil
	}
	dv := &DeletionVector{
		StorageType: f.dvType.text(), PathOrInlineDv: f.dvPath.text(), SizeInBytes: int32(f.dvSize.integer()),
		Cardinality: f.dvCardinality.integer(), MaxRowIndex: f.dvMaxRow.integerOrNil(),
	}
	if set(f.dvOffset) {
		offset := int32(f.dvOffset.integer())
		dv.Offset = &offset
	}
	return dv
}

// parsedStats reads the statistics of a checkpoint that holds them as columns only.
type parsedStats struct {
	columns []parsedColumn
}

type parsedColumn struct {
	path []string // below stats_parsed
	c    *cursor
}

func newParsedStats(r *rowReader) *parsedStats {
	root := r.node("add.stats_parsed")
	if root == nil {
		return nil
	}
	p := &parsedStats{}
	var walk func(node *parquet.Column, path []string)
	walk = func(node *parquet.Column, path []string) {
		for _, column := range node.Columns() {
			below := append(path[:len(path):len(path)], column.Name())
			switch {
			case column.Repeated():
			case column.Leaf():
				p.columns = append(p.columns, parsedColumn{below, r.leaf(column)})
			default:
				walk(column, below)
			}
		}
	}
	walk(root, nil)
	return p
}

// json writes the row's statistics as an Add has them, empty if there are none.
func (p *parsedStats) json() (string, error) {
	root := map[string]any{}
	for _, column := range p.columns {
		v, ok := column.c.value()
		if !ok {
			continue
		}
		plain, ok := plainValue(column.c.leaf.Type(), v)
		if !ok {
			continue
		}
		at := root
		for _, name := range column.path[:len(column.path)-1] {
			inner, ok := at[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[name] = inner
			}
			at = inner
		}
		at[column.path[len(column.path)-1]] = plain
	}
	if len(root) == 0 {
		return "", nil
	}
	text, err := marshalPlain(root)
	if err != nil {
		return "", errors.Join(ErrCorrupt, err)
	}
	return string(text), nil
}
