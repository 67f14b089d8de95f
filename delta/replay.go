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
	changes  map[string]*entry // by key, since files; nil while set is there
	set      *setBuilder       // instead of files, when it starts from nothing
	intern   interner
	inCommit *int64 // inCommitTimestamp of the commit that was read last
	place    string // where the table's folder lies, if that is known
}

// newReplay starts from a snapshot, or from nothing.
func newReplay(from *Snapshot) *replay {
	r := &replay{intern: interner{}}
	if from != nil {
		r.protocol, r.metadata = from.protocol, from.metadata
		r.txns, r.domains = maps.Clone(from.txns), maps.Clone(from.domains)
		r.intern = from.intern
		r.files, r.changes = from.files, map[string]*entry{}
	} else {
		r.set = &setBuilder{}
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
	if err != nil || e == nil {
		return err
	}
	return r.put(e)
}

// put takes the newest word on a data file.
func (r *replay) put(e *entry) error {
	if r.set != nil {
		return r.set.add(e)
	}
	if r.changes[e.key] = e; len(r.changes) >= chunkEntries {
		return r.flush(never)
	}
	return nil
}

// takeFiles takes what a part of the log says about data files.
func (r *replay) takeFiles(p *logPart) error {
	for _, run := range p.runs {
		if r.set != nil {
			if err := r.set.addRun(run); err != nil {
				return err
			}
			continue
		}
		for reader := newReader(run, "", ""); reader.next(); {
			if err := r.putInterned(reader.entry()); err != nil {
				return err
			}
		}
	}
	for i := range p.files.records {
		f := &p.files.records[i]
		var err error
		if values := p.files.valuesOf(f); r.set != nil {
			err = r.set.addRecord(*f, values)
		} else {
			err = r.putInterned(f.entry(values))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) putInterned(e *entry) error {
	r.internValues(e)
	return r.put(e)
}

// flush moves what was taken into files. Tombstones deleted before the cutoff (milliseconds since the epoch) may be forgotten.
func (r *replay) flush(cutoff int64) (err error) {
	if r.set != nil {
		if r.files, err = r.set.finish(cutoff); err != nil {
			return err
		}
		for _, run := range r.files.runs {
			for _, values := range run.values {
				r.intern.values(values)
			}
		}
	} else {
		r.files = r.files.with(r.changes, cutoff)
	}
	r.set, r.changes = nil, map[string]*entry{}
	if r.files.live.files > tableFilesMax {
		return fmt.Errorf("%w: more than %d files", ErrUnsupported, tableFilesMax)
	}
	return nil
}

// entry takes an action; one that is about a data file comes back as an entry, all others are noted.
func (r *replay) entry(a Action) (*entry, error) {
	e, err := fileEntry(a, r.place)
	if err != nil {
		return nil, err
	}
	if e == nil {
		r.note(a)
		return nil, nil
	}
	r.internValues(e)
	return e, nil
}

func (r *replay) internValues(e *entry) {
	if e.add != nil {
		e.add.PartitionValues = r.intern.values(e.add.PartitionValues)
	} else {
		e.remove.PartitionValues = r.intern.values(e.remove.PartitionValues)
	}
}

// note takes an action that is not about a data file.
func (r *replay) note(a Action) {
	switch {
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
