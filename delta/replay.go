package delta

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// replay folds actions in the order of the log into the state of a table; the newest word on each thing counts.
type replay struct {
	protocol *Protocol
	metadata *Metadata
	txns     map[string]Txn
	domains  map[string]DomainMetadata
	files    fileSet
	changes  map[string]*entry // by key, since files
	intern   interner
	inCommit *int64 // inCommitTimestamp of the commit that was read last
	place    string // where the table's folder lies, if that is known
}

// newReplay starts from a snapshot, or from nothing.
func newReplay(from *Snapshot) *replay {
	r := &replay{changes: map[string]*entry{}, intern: interner{}}
	if from != nil {
		r.protocol, r.metadata = from.protocol, from.metadata
		r.txns, r.domains = maps.Clone(from.txns), maps.Clone(from.domains)
		r.intern = from.intern
		r.files = from.files
	}
	if r.txns == nil {
		r.txns = map[string]Txn{}
	}
	if r.domains == nil {
		r.domains = map[string]DomainMetadata{}
	}
	return r
}

// apply takes the next action of a commit.
func (r *replay) apply(a Action) error {
	e, err := r.entry(a)
	if err != nil {
		return err
	}
	if e != nil {
		r.changes[e.key] = e
		if len(r.changes) >= chunkEntries {
			return r.flush(never)
		}
	}
	return nil
}

// flush moves changes into files.
func (r *replay) flush(cutoff int64) (err error) {
	if r.files, err = r.files.with(r.changes, cutoff); err != nil {
		return err
	}
	if r.files.live.files > tableFilesMax {
		return fmt.Errorf("%w: more than %d files", ErrUnsupported, tableFilesMax)
	}
	r.changes = map[string]*entry{}
	return nil
}

// entry takes an action; one that is about a data file comes back as an entry, all others are noted.
func (r *replay) entry(a Action) (*entry, error) {
	switch {
	case a.Add != nil:
		path, outside, err := decodePathAt(r.place, a.Add.Path)
		if err != nil {
			return nil, err
		}
		a.Add.PartitionValues = r.intern.values(a.Add.PartitionValues)
		return &entry{key: entryKey(path, a.Add.DeletionVector), outside: outside, add: a.Add}, nil
	case a.Remove != nil:
		path, outside, err := decodePathAt(r.place, a.Remove.Path)
		if err != nil {
			return nil, err
		}
		a.Remove.PartitionValues = r.intern.values(a.Remove.PartitionValues)
		return &entry{key: entryKey(path, a.Remove.DeletionVector), outside: outside, remove: a.Remove}, nil
	case a.Protocol != nil:
		r.protocol = a.Protocol
	case a.Metadata != nil:
		r.metadata = a.Metadata
	case a.Txn != nil:
		r.txns[a.Txn.AppID] = *a.Txn
	case a.DomainMetadata != nil:
		if a.DomainMetadata.Removed {
			delete(r.domains, a.DomainMetadata.Domain)
		} else {
			r.domains[a.DomainMetadata.Domain] = *a.DomainMetadata
		}
	case a.CommitInfo != nil:
		r.inCommit = a.CommitInfo.InCommitTimestamp
	}
	return nil, nil
}

// snapshot checks the state and makes it a version of the table. from is the snapshot that newReplay got.
func (r *replay) snapshot(version int64, from *Snapshot, cutoff func(*Metadata) int64) (*Snapshot, error) {
	if r.protocol == nil {
		return nil, fmt.Errorf("%w: version %d has no protocol", ErrCorrupt, version)
	}
	if r.metadata == nil {
		return nil, fmt.Errorf("%w: version %d has no metaData", ErrCorrupt, version)
	}
	if err := checkRead(r.protocol, r.metadata); err != nil {
		return nil, err
	}
	s := &Snapshot{
		version: version, protocol: r.protocol, metadata: r.metadata, txns: r.txns, domains: r.domains,
		intern: r.intern, lastCheckpoint: -1,
	}
	if from != nil && from.metadata == r.metadata && from.protocol == r.protocol {
		s.schema, s.physical, s.mapping = from.schema, from.physical, from.mapping
	} else if err := s.setSchema(); err != nil {
		return nil, err
	}
	if err := r.flush(cutoff(r.metadata)); err != nil {
		return nil, err
	}
	s.files = r.files
	return s, nil
}

// setSchema parses the metadata's schema and checks the partition columns against it.
func (s *Snapshot) setSchema() error {
	s.schema = &columnar.Schema{}
	if text := s.metadata.SchemaString; text != "" {
		schema, err := columnar.ParseSchemaJSON([]byte(text))
		if err != nil {
			return fmt.Errorf("%w: %w", schemaFault(text), err)
		}
		s.schema = schema
	}
	if err := checkTypeChanges(s.schema); err != nil {
		return err
	}
	for _, name := range s.metadata.PartitionColumns {
		if s.schema.Index(name) < 0 && s.metadata.SchemaString != "" {
			return fmt.Errorf("%w: partition column %q is not in the schema", ErrCorrupt, name)
		}
	}
	return s.setPhysical()
}

// setPhysical works out how the data files name the columns.
func (s *Snapshot) setPhysical() (err error) {
	s.physical = s.schema
	if s.mapping, err = mappingOf(s.protocol, s.metadata); err != nil || s.mapping == MapNone {
		return err
	}
	fields, err := physicalFields(s.mapping, s.schema.Fields, true, "")
	s.physical = &columnar.Schema{Fields: fields}
	return err
}

// schemaFault tells a schema with types that Delta has and we do not from one that is broken.
func schemaFault(text string) error {
	for _, name := range []string{`"variant"`, `"void"`, `"interval`, `"geometry`, `"geography`, `collat`} {
		if strings.Contains(text, name) {
			return ErrUnsupported
		}
	}
	return ErrCorrupt
}

// interner keeps one copy of each combination of partition values: a table has many more files than partitions.
type interner map[string]map[string]*string

func (in interner) values(m map[string]*string) map[string]*string {
	if len(m) == 0 {
		return nil
	}
	key := partitionKey(m)
	if same, ok := in[key]; ok {
		return same
	}
	in[key] = m
	return m
}

// partitionKey is a text that two combinations of partition values share if they are the same.
func partitionKey(m map[string]*string) string {
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		key.WriteString(name)
		key.WriteByte(0)
		if v := m[name]; v != nil {
			key.WriteByte(1)
			key.WriteString(*v)
		}
		key.WriteByte(0)
	}
	return key.String()
}
