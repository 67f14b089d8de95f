package delta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-data/weir/columnar"
)

// Alteration is a change of what a table is. What is nil stays as it was.
type Alteration struct {
	Schema      *columnar.Schema
	PartitionBy []string // not nil: changed, which only a transaction that removes all files may do
	Properties  map[string]string
	// Features are names of table features that the table is to have from now on.
	Features []string
}

// features that readers must know too.
var readerFeatures = map[string]bool{
	"columnMapping": true, "deletionVectors": true, "timestampNtz": true, "typeWidening": true, "v2Checkpoint": true,
	"vacuumProtocolCheck": true,
}

// legacyWriter and legacyReader are the features that come with the protocol versions up to those given.
var (
	legacyWriter = []struct {
		feature string
		version int
	}{
		{"appendOnly", 2}, {"invariants", 2}, {"checkConstraints", 3}, {"changeDataFeed", 4}, {"generatedColumns", 4},
		{"columnMapping", 5}, {"identityColumns", 6},
	}
	legacyReader = []struct {
		feature string
		version int
	}{{"columnMapping", 2}}
)

// Alter changes schema, properties and features. It is called before Add. Columns that are new get their ids and physical names where
// the table maps columns. Whether rows that are there fit the new schema is the caller's business.
func (tx *Transaction) Alter(a Alteration) {
	if len(tx.adds) > 0 {
		tx.fail("alter table: %w: after files were added", ErrInvalid)
		return
	}
	if err := tx.alter(a); err != nil {
		tx.fail("alter table: %w", err)
	}
}

func (tx *Transaction) alter(a Alteration) error {
	p, old := tx.after()
	m := *old
	if a.Properties != nil {
		m.Configuration = a.Properties
	}
	m.Configuration = cloneMap(m.Configuration)
	if err := tx.trackRows(old.Configuration, m.Configuration); err != nil {
		return err
	}
	schema := tx.schema
	if a.Schema != nil {
		schema = a.Schema
	}
	p, err := p.with(append(featuresOf(schema, m.Configuration), a.Features...))
	if err != nil {
		return err
	}
	mapping, err := mappingOf(p, &m)
	if err != nil {
		return err
	}
	before, err := mappingOf(tx.read.protocol, tx.read.metadata)
	if err != nil {
		return err
	}
	switch {
	case mapping == before:
	case before == MapNone && mapping == MapName:
	case before == MapNone && mapping == MapID && tx.read.version == 0 && tx.read.files.live.files == 0: // a new table
	default:
		return fmt.Errorf("%w: %s from %s to %s", ErrUnsupported, propMappingMode, before, mapping)
	}
	if mapping != MapNone {
		schema = withIDs(schema, m.Configuration, before == MapNone)
	}
	if err := checkNames(schema.Fields, "", mapping != MapNone); err != nil {
		return err
	}
	physical := schema
	if mapping != MapNone {
		fields, err := physicalFields(mapping, schema.Fields, true, "")
		if err != nil {
			return err
		}
		physical = &columnar.Schema{Fields: fields}
	}
	if a.PartitionBy != nil {
		m.PartitionColumns = a.PartitionBy
	}
	for _, name := range m.PartitionColumns {
		if schema.Index(name) < 0 {
			return fmt.Errorf("%w: partition column %q is not in the schema", ErrInvalid, name)
		}
	}
	m.SchemaString = string(schema.JSON())
	tx.schema, tx.physical, tx.by, tx.metadata = schema, physical, m.PartitionColumns, &m
	if !p.same(tx.read.protocol) {
		tx.protocol = p
	}
	return nil
}

const propRowTracking = "delta.enableRowTracking"

// trackRows names the columns in which files hold the ids of rows that were written anew, when a table starts to track its rows. All
// rows must have ids then (section "Row Tracking").
func (tx *Transaction) trackRows(before, props map[string]string) error {
	if props[propRowTracking] != "true" {
		return nil
	}
	for property, prefix := range map[string]string{
		"delta.rowTracking.materializedRowIdColumnName": "_row-id-col-", "delta.rowTracking.materializedRowCommitVersionColumnName": "_row-commit-version-col-",
	} {
		if props[property] == "" {
			props[property] = prefix + uuid.NewString()
		}
	}
	if before[propRowTracking] == "true" {
		return nil
	}
	for e := range tx.read.files.adds(nil) {
		if e.add.BaseRowID == nil {
			return fmt.Errorf("%w: rowTracking: rows that are there already have no ids", ErrUnsupported)
		}
	}
	return nil
}

// featuresOf are the features that a schema and properties need.
func featuresOf(s *columnar.Schema, props map[string]string) []string {
	var all []string
	need := func(feature string) {
		if !slices.Contains(all, feature) {
			all = append(all, feature)
		}
	}
	_ = eachField(s.Fields, "", func(_ string, f *columnar.Field) error {
		if f.Type.Kind == columnar.TimestampNTZ {
			need("timestampNtz")
		}
		for key, feature := range map[string]string{
			"delta.invariants": "invariants", "delta.generationExpression": "generatedColumns", "delta.identity.start": "identityColumns",
			"CURRENT_DEFAULT": "allowColumnDefaults", "delta.typeChanges": "typeWidening",
		} {
			if _, ok := f.Metadata[key]; ok {
				need(feature)
			}
		}
		return nil
	})
	for key, value := range props {
		switch {
		case strings.HasPrefix(key, "delta.constraints."):
			need("checkConstraints")
		case key == propMappingMode && value != "none":
			need("columnMapping")
		case value != "true":
		case key == propChangeDataFeed:
			need("changeDataFeed")
		case key == "delta.enableDeletionVectors":
			need("deletionVectors")
		case key == "delta.enableTypeWidening":
			need("typeWidening")
		case key == propRowTracking:
			need("rowTracking")
			need("domainMetadata")
		case key == "delta.enableInCommitTimestamps":
			need("inCommitTimestamp")
		}
	}
	slices.Sort(all)
	return all
}

// has says whether the protocol asks writers for a feature, by its list or by its version.
func (p *Protocol) has(feature string) bool {
	if p.MinWriterVersion >= 7 {
		return p.writes(feature)
	}
	for _, l := range legacyWriter {
		if l.feature == feature {
			return p.MinWriterVersion >= l.version
		}
	}
	return false
}

// with is the least protocol that has all that p has and the given features: a legacy version where one will do, so that
// older engines go on reading and writing the table.
func (p *Protocol) with(features []string) (*Protocol, error) {
	var missing []string
	for _, f := range features {
		if !writable[f] || !p.has(f) && (f == "clustering" || f == featureInCommitPreview) { // the one comes with its columns, the other is past
			return nil, fmt.Errorf("%w: table feature %s", ErrUnsupported, f)
		}
		if !p.has(f) && !slices.Contains(missing, f) {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return p, nil
	}
	out := &Protocol{MinReaderVersion: p.MinReaderVersion, MinWriterVersion: p.MinWriterVersion}
	modern := p.MinWriterVersion >= 7
	for _, f := range missing {
		i := slices.IndexFunc(legacyWriter, func(l struct {
			feature string
			version int
		}) bool {
			return l.feature == f
		})
		if i < 0 {
			modern = true
			continue
		}
		out.MinWriterVersion = max(out.MinWriterVersion, legacyWriter[i].version)
		if f == "columnMapping" {
			out.MinReaderVersion = max(out.MinReaderVersion, 2)
		}
	}
	if !modern {
		return out, nil
	}
	out.MinWriterVersion = 7
	out.WriterFeatures = p.writerList()
	out.ReaderFeatures = p.readerList()
	for _, f := range missing {
		out.WriterFeatures = append(out.WriterFeatures, f)
		if readerFeatures[f] {
			out.ReaderFeatures = append(out.ReaderFeatures, f)
		}
	}
	slices.Sort(out.WriterFeatures)
	slices.Sort(out.ReaderFeatures)
	switch {
	case len(out.ReaderFeatures) == 0:
		out.MinReaderVersion = 1
	default:
		out.MinReaderVersion = 3
	}
	return out, nil
}

// writerList and readerList are the features of the protocol, those of a legacy version included.
func (p *Protocol) writerList() []string {
	if p.MinWriterVersion >= 7 {
		return slices.Clone(p.WriterFeatures)
	}
	var all []string
	for _, l := range legacyWriter {
		if p.MinWriterVersion >= l.version {
			all = append(all, l.feature)
		}
	}
	return all
}

func (p *Protocol) readerList() []string {
	if p.MinReaderVersion >= 3 {
		return slices.Clone(p.ReaderFeatures)
	}
	var all []string
	for _, l := range legacyReader {
		if p.MinReaderVersion >= l.version {
			all = append(all, l.feature)
		}
	}
	return all
}

func (p *Protocol) same(q *Protocol) bool {
	return p.MinReaderVersion == q.MinReaderVersion && p.MinWriterVersion == q.MinWriterVersion &&
		slices.Equal(p.ReaderFeatures, q.ReaderFeatures) && slices.Equal(p.WriterFeatures, q.WriterFeatures)
}

const propMaxColumnID = "delta.columnMapping.maxColumnId"

// withIDs gives every field that lacks them an id and a physical name. Fields of a table that had no mapping keep their names in
// the files that there are (section "Column Mapping").
func withIDs(s *columnar.Schema, props map[string]string, keepNames bool) *columnar.Schema {
	top := int64(0)
	if n, err := strconv.ParseInt(props[propMaxColumnID], 10, 64); err == nil {
		top = n
	}
	_ = eachField(s.Fields, "", func(_ string, f *columnar.Field) error {
		if id, ok := FieldID(f); ok {
			top = max(top, int64(id))
		}
		return nil
	})
	out := &columnar.Schema{Fields: giveIDs(s.Fields, &top, keepNames)}
	props[propMaxColumnID] = strconv.FormatInt(top, 10)
	return out
}

func giveIDs(fields []columnar.Field, top *int64, keepNames bool) []columnar.Field {
	out := slices.Clone(fields)
	for i := range out {
		f := &out[i]
		below := f.Type.Fields
		if f.Type.Kind == columnar.Struct {
			below = giveIDs(below, top, keepNames)
		} else if len(below) > 0 { // elements, keys and values have no names of their own
			below = slices.Clone(below)
			for k := range below {
				if below[k].Type.Kind == columnar.Struct {
					below[k].Type.Fields = giveIDs(below[k].Type.Fields, top, keepNames)
				}
			}
		}
		f.Type.Fields = below
		if _, ok := FieldID(f); ok {
			continue
		}
		*top++
		name := f.Name
		if !keepNames {
			name = "col-" + uuid.NewString()
		}
		metadata := make(map[string]any, len(f.Metadata)+2)
		for k, v := range f.Metadata {
			metadata[k] = v
		}
		metadata[metaFieldID] = json.Number(strconv.FormatInt(*top, 10))
		metadata[metaPhysicalName] = name
		f.Metadata = metadata
	}
	return out
}

// checkNames refuses names that data files cannot have, and doubles.
func checkNames(fields []columnar.Field, prefix string, mapped bool) error {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		lower := strings.ToLower(f.Name)
		switch {
		case f.Name == "":
			return fmt.Errorf("%w: a column without a name", ErrInvalid)
		case !mapped && strings.ContainsAny(f.Name, " ,;{}()\n\t="):
			return fmt.Errorf("%w: column name %q: none of \" ,;{}()=\", tab and newline without columnMapping", ErrInvalid, prefix+f.Name)
		case seen[lower]:
			return fmt.Errorf("%w: two columns called %q, apart from case", ErrInvalid, prefix+f.Name)
		}
		seen[lower] = true
		if err := checkNames(f.Type.Fields, prefix+f.Name+".", mapped); err != nil {
			return err
		}
	}
	return nil
}

// MapColumns gives the fields of a schema that lack them ids and physical names, and returns the properties that go with it. keepNames is for a
// table that did not map columns before: its files have the names of the schema.
func MapColumns(s *columnar.Schema, props map[string]string, keepNames bool) (*columnar.Schema, map[string]string, error) {
	props = cloneMap(props)
	if mode := props[propMappingMode]; mode != string(MapName) && mode != string(MapID) {
		return nil, nil, fmt.Errorf("%w: columnMapping with mode %.40q", ErrUnsupported, mode)
	}
	return withIDs(s, props, keepNames), props, nil
}
