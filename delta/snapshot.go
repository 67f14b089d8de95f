package delta

import (
	"fmt"
	"iter"
	"maps"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Snapshot is one version of a table, immutable and safe for concurrent use.
type Snapshot struct {
	version  int64
	time     time.Time
	protocol *Protocol
	metadata *Metadata
	schema   *columnar.Schema
	physical *columnar.Schema // schema with the names of data files
	mapping  Mapping
	txns     map[string]Txn
	domains  map[string]DomainMetadata
	files    fileSet

	vectors        *vectors  // of the table that made it
	intern         interner  // of the table that made it, used under its lock
	loaded         time.Time // when it was read
	lastCheckpoint int64     // newest checkpoint known when it was made, -1 if none
}

// Version is the number of the commit that made it.
func (s *Snapshot) Version() int64 { return s.version }

// Time is when that commit was written: its inCommitTimestamp where the table has them, else by the clock of the object
// store; zero if it is no longer there.
func (s *Snapshot) Time() time.Time { return s.time }

// ID is the table's unique id, which stays the same for all its versions.
func (s *Snapshot) ID() string { return s.metadata.ID }

// Name is the table's own name, often empty.
func (s *Snapshot) Name() string { return s.metadata.Name }

// Schema is the table's schema, partition columns included. It must not be changed.
func (s *Snapshot) Schema() *columnar.Schema { return s.schema }

// PartitionBy are the partition columns in order. It must not be changed.
func (s *Snapshot) PartitionBy() []string { return s.metadata.PartitionColumns }

// Properties are the table's properties, delta.* and others.
func (s *Snapshot) Properties() map[string]string { return maps.Clone(s.metadata.Configuration) }

// Protocol is what the table asks of readers and writers.
func (s *Snapshot) Protocol() Protocol { return *s.protocol }

// Txn returns the last version that an application recorded, and false if none.
func (s *Snapshot) Txn(appID string) (version int64, ok bool) {
	txn, ok := s.txns[appID]
	return txn.Version, ok
}

// File is a data file of a table. Partition and Stats name columns as the schema does, whatever the mapping.
type File struct {
	Path      string             // key relative to the table's folder, unescaped; of a file that is Outside, its URL or absolute path
	Outside   bool               // it does not lie in the table's folder, as in a shallow clone; see Locate
	Partition map[string]*string // value as text, nil for null; shared between files, not to be changed
	Size      int64
	ModTime   time.Time
	Stats     *Stats             // of all rows, deleted ones too; nil if unknown
	Tags      map[string]*string // not to be changed

	DeletionVector          *DeletionVector // nil if no row is deleted; see Snapshot.Deleted
	BaseRowID               *int64          // row id of the first row, in tables with row tracking
	DefaultRowCommitVersion *int64          // version that added the file, in tables with row tracking
	ClusteringProvider      string          // who put its rows into the order of a clustered table; empty: nobody
}

// Files yields the live data files that keep accepts (nil: all), in the order of their paths.
func (s *Snapshot) Files(keep func(*File) bool) iter.Seq2[*File, error] {
	return s.FilesIn(nil, keep)
}

// FilesIn is Files for those whose partition values inside accepts (nil: all). It is asked before the statistics are
// parsed, and once for all files that share their values and follow one another.
func (s *Snapshot) FilesIn(inside func(partition map[string]*string) bool, keep func(*File) bool) iter.Seq2[*File, error] {
	return func(yield func(*File, error) bool) {
		var values map[string]*string // of the file that comes next, by the names of the schema
		accepts := func(physical map[string]*string) bool {
			values = s.logicalValues(physical)
			return inside == nil || inside(values)
		}
		for e := range s.files.adds(accepts) {
			f, err := s.file(e, values)
			if err != nil {
				yield(nil, err)
				return
			}
			if keep != nil && !keep(f) {
				continue
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// sameMap says whether two interned maps hold the same values: then they share them.
func sameMap(a, b map[string]*string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// NumFiles is the number of live data files and their size in bytes.
func (s *Snapshot) NumFiles() (n int, sizeBytes int64) {
	return s.files.live.files, s.files.live.bytes
}

// file is an entry's add as callers see it.
func (s *Snapshot) file(e *entry, partition map[string]*string) (*File, error) {
	if e.add.DeletionVector != nil && !s.protocol.reads("deletionVectors", 0) {
		return nil, fmt.Errorf("%w: data file %q has a deletion vector, the protocol lacks the feature deletionVectors", ErrCorrupt, e.path())
	}
	stats, err := ParseStats(e.add.Stats)
	if err != nil {
		return nil, fmt.Errorf("data file %q: %w", e.path(), err)
	}
	s.logicalStats(stats)
	return &File{
		Path: e.path(), Outside: e.outside, Partition: partition, Size: e.add.Size, ModTime: time.UnixMilli(e.add.ModificationTime).UTC(),
		Stats: stats, Tags: e.add.Tags, DeletionVector: e.add.DeletionVector, BaseRowID: e.add.BaseRowID,
		DefaultRowCommitVersion: e.add.DefaultRowCommitVersion, ClusteringProvider: e.add.ClusteringProvider,
	}, nil
}
