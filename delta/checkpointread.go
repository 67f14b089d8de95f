package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

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
	err = readParquetParts(ctx, at, size, r.place, func(p *logPart) error {
		for _, a := range p.actions {
			if err := note(a); err != nil {
				return err
			}
		}
		return r.takeFiles(p)
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
		return readLogFile(ctx, objects, f.key, func(a Action) error {
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
	file, err := openRows(at, size)
	if err != nil {
		return err
	}
	rows := file.read(0, file.groups())
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

// groupsAhead bounds the row groups of a checkpoint that are decoded side by side.
const groupsAhead = 4

// readParquetParts calls do with the rows of a checkpoint's or sidecar's parquet file, a row group at a time and in their order.
func readParquetParts(ctx context.Context, r io.ReaderAt, size int64, place string, do func(*logPart) error) (err error) {
	defer recoverParquet(&err)
	file, err := openRows(r, size)
	if err != nil {
		return err
	}
	type pending struct {
		part *logPart
		err  error
	}
	var queue []chan pending
	var work sync.WaitGroup
	defer work.Wait()
	for next := 0; next < file.groups() || len(queue) > 0; {
		for ; next < file.groups() && len(queue) < min(runtime.GOMAXPROCS(0), groupsAhead); next++ {
			done, group := make(chan pending, 1), next
			queue = append(queue, done)
			work.Go(func() {
				part, err := file.part(group, place)
				done <- pending{part, err}
			})
		}
		p := <-queue[0]
		if queue = queue[1:]; p.err == nil {
			p.err = ctx.Err()
		}
		if p.err == nil {
			p.err = do(p.part)
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// part decodes a row group.
func (f *rowsFile) part(group int, place string) (part *logPart, err error) {
	defer recoverParquet(&err)
	rows := f.read(group, group+1)
	defer rows.closePages()
	columns := newActionColumns(rows)
	part = &logPart{}
	for {
		more, err := rows.next()
		if err != nil {
			return nil, err
		}
		if !more {
			part.pack()
			return part, nil
		}
		if err := columns.take(part, place); err != nil {
			return nil, err
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
	scratch        []byte
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

// take adds the current row to a part.
func (c *actionColumns) take(p *logPart, place string) error {
	switch {
	case set(c.add.path):
		return c.takeAdd(p, place)
	case set(c.remove.path):
		r := record{flags: flagRemove, size: c.remove.size.integer(), at: c.deleted.integer()}
		if c.extended.boolean() {
			r.flags |= flagExtended
		}
		return c.takeFile(p, place, r, &c.remove)
	}
	a := c.action()
	if err := a.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if a != (Action{}) {
		p.actions = append(p.actions, a)
	}
	return nil
}

// action reads the current row, which is not about a data file. A row of a kind that is not known gives an Action without a
// field set.
func (c *actionColumns) action() Action {
	switch {
	case set(c.protocol.reader):
		p := &c.protocol
		return Action{Protocol: &Protocol{
			MinReaderVersion: int(p.reader.integer()), MinWriterVersion: int(p.writer.integer()),
			ReaderFeatures: p.readerFeatures.list(), WriterFeatures: p.writerFeatures.list(),
		}}
	case set(c.metadata.id):
		m := &c.metadata
		return Action{Metadata: &Metadata{
			ID: m.id.text(), Name: m.name.text(), Description: m.description.text(),
			Format:       Format{Provider: m.provider.text(), Options: m.options.texts()},
			SchemaString: m.schema.text(), PartitionColumns: m.partitionBy.list(),
			Configuration: m.configuration.texts(), CreatedTime: m.created.integer(),
		}}
	case set(c.txnApp):
		return Action{Txn: &Txn{c.txnApp.text(), c.txnVersion.integer(), c.txnUpdated.integer()}}
	case set(c.domain):
		return Action{DomainMetadata: &DomainMetadata{c.domain.text(), c.domainConfig.text(), c.domainRemoved.boolean()}}
	case set(c.sidecarPath):
		return Action{Sidecar: &Sidecar{c.sidecarPath.text(), c.sidecarSize.integer(), c.sidecarModTime.integer()}}
	}
	return Action{}
}

func set(c *cursor) bool {
	_, ok := c.value()
	return ok
}

func (c *actionColumns) takeAdd(p *logPart, place string) error {
	r := record{size: c.add.size.integer(), at: c.modified.integer(), stats: c.stats.bytes()}
	if c.statsParsed != nil {
		text, err := c.statsParsed.json()
		if err != nil {
			return fmt.Errorf("stats_parsed of %q: %w", c.add.path.text(), err)
		}
		r.stats = []byte(text)
	}
	if r.size < 0 {
		return fmt.Errorf("%w: add of %q with size %d", ErrCorrupt, c.add.path.text(), r.size)
	}
	return c.takeFile(p, place, r, &c.add)
}

// takeFile adds a row that is about a data file to a part.
func (c *actionColumns) takeFile(p *logPart, place string, r record, f *fileColumns) error {
	if f.dataChange.boolean() {
		r.flags |= flagDataChange
	}
	more := rest{
		Tags: f.tags.pairs(), DeletionVector: f.deletionVector(), BaseRowID: f.baseRow.integerOrNil(),
		DefaultRowCommitVersion: f.rowCommit.integerOrNil(),
	}
	if f == &c.add {
		more.ClusteringProvider = c.clustering.text()
	}
	if err := r.setKey(f.path.bytes(), &more, place); err != nil {
		return err
	}
	c.scratch = f.partition.appendTo(c.scratch[:0])
	if len(c.scratch) > 0 {
		n, ok := p.files.numbers[string(c.scratch)]
		if !ok {
			n = p.files.addValues(string(c.scratch), f.partition.pairs())
		}
		r.values = n
	}
	p.files.addCopy(r)
	if p.files.full() {
		p.pack()
	}
	return nil
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
