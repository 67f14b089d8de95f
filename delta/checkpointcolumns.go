package delta

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"
)

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
