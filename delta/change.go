package delta

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// RemoveFile takes a data file of the snapshot that was read out of the table, with its deletion vector. The file itself stays
// until it is vacuumed.
func (tx *Transaction) RemoveFile(f *File) {
	e := tx.read.files.get(entryKey(f.Path, f.DeletionVector))
	switch {
	case e == nil || e.add == nil:
		tx.fail("remove %q: %w: version %d has no such file", f.Path, ErrInvalid, tx.read.version)
		return
	case tx.touched[e.key]:
		tx.fail("remove %q: %w: the path is in this transaction already", f.Path, ErrInvalid)
		return
	}
	tx.touched[e.key] = true
	tx.removes = append(tx.removes, tx.tombstone(e.add))
}

func (tx *Transaction) tombstone(a *Add) *Remove {
	partition := a.PartitionValues
	if partition == nil {
		partition = map[string]*string{}
	}
	return &Remove{
		Path: a.Path, DeletionTimestamp: tx.table.opts.now().UnixMilli(), DataChange: !tx.moved, ExtendedFileMetadata: true,
		PartitionValues: partition, Size: a.Size, Tags: a.Tags, DeletionVector: a.DeletionVector, BaseRowID: a.BaseRowID,
		DefaultRowCommitVersion: a.DefaultRowCommitVersion,
	}
}

// SetDeleted gives a data file of the snapshot that was read another deletion vector, which holds the rows of the old one too. Its
// object lies at its place already, see VectorWriter. The table needs the feature deletionVectors.
func (tx *Transaction) SetDeleted(f *File, v *DeletionVector) {
	e := tx.read.files.get(entryKey(f.Path, f.DeletionVector))
	if e == nil || e.add == nil || tx.touched[e.key] {
		tx.fail("delete rows of %q: %w: version %d has no such file, or it is in this transaction already", f.Path, ErrInvalid, tx.read.version)
		return
	}
	if p, _ := tx.after(); !p.reads("deletionVectors", 0) {
		tx.fail("delete rows of %q: %w: the table lacks the feature deletionVectors", f.Path, ErrInvalid)
		return
	}
	if f.Stats == nil {
		tx.fail("delete rows of %q: %w: the file has no statistics", f.Path, ErrInvalid)
		return
	}
	add := *e.add
	loose := *f.Stats
	loose.Loose = true
	var err error
	if add.Stats, err = tx.statsText(&loose); err != nil {
		tx.fail("delete rows of %q: %w", f.Path, err)
		return
	}
	add.DeletionVector, add.DataChange = v, true
	if add.PartitionValues == nil {
		add.PartitionValues = map[string]*string{}
	}
	tx.touched[e.key] = true
	tx.touched[entryKey(f.Path, v)] = true
	tx.removes = append(tx.removes, tx.tombstone(e.add))
	tx.adds = append(tx.adds, &add)
}

// AddChanges names a file of changed rows, which readers of the table's changes then read instead of the commit's other files:
// once there is one, all changes of the commit must be in such files.
func (tx *Transaction) AddChanges(f File) {
	if !cleanKey(f.Path) || f.Size <= 0 {
		tx.fail("add changes %q: %w: not a path inside the table's folder, or of size %d", f.Path, ErrInvalid, f.Size)
		return
	}
	tx.cdc = append(tx.cdc, &CDC{Path: encodePath(f.Path), PartitionValues: tx.physicalValues(f.Partition), Size: f.Size})
}

// RowsStay says that the table holds the same rows after the commit as before: files are only written anew (dataChange is
// false). Such a commit does not conflict with appends. It is called before any other change.
func (tx *Transaction) RowsStay() {
	if len(tx.adds)+len(tx.removes) > 0 {
		tx.fail("rows stay: %w: after files were added or removed", ErrInvalid)
	}
	tx.moved = true
}

// ChecksRows says that the writer looks after all that the table asks of its rows: constraints, invariants, generated
// and identity columns, column mapping, change data. Without it, adding files to tables that ask for such things is refused.
func (tx *Transaction) ChecksRows() { tx.rowsChecked = true }

// ReadFiles says that the changes depend on the rows of all files for which match is true, so that such a file which
// another commit added since is a conflict, unless that commit was a blind append.
func (tx *Transaction) ReadFiles(match func(*File) bool) { tx.readFiles = match }

// reads says whether an add of another commit is a file that this transaction would have read.
func (tx *Transaction) reads(a *Add) (bool, error) {
	if tx.readFiles == nil {
		return false, nil
	}
	stats, err := ParseStats(a.Stats)
	if err != nil {
		return false, err
	}
	tx.read.logicalStats(stats)
	return tx.readFiles(&File{Partition: tx.read.logicalValues(a.PartitionValues), Size: a.Size, Stats: stats}), nil
}

// SetDomain sets the configuration of a domain, or removes it.
func (tx *Transaction) SetDomain(d DomainMetadata) { tx.domains = append(tx.domains, d) }

// after are protocol and metadata as they are once the transaction is committed.
func (tx *Transaction) after() (*Protocol, *Metadata) {
	p, m := tx.read.protocol, tx.read.metadata
	if tx.protocol != nil {
		p = tx.protocol
	}
	if tx.metadata != nil {
		m = tx.metadata
	}
	return p, m
}

// physicalValues gives partition values the names of data files.
func (tx *Transaction) physicalValues(values map[string]*string) map[string]*string {
	out := make(map[string]*string, len(values))
	for name, v := range values {
		if i := tx.schema.Index(name); i >= 0 {
			name = tx.physical.Fields[i].Name
		}
		out[name] = v
	}
	return out
}

// statsText writes statistics with the names of data files.
func (tx *Transaction) statsText(s *Stats) (string, error) {
	if s == nil {
		return "", nil
	}
	leaves, err := tx.statsLeaves()
	if err != nil {
		return "", err
	}
	physical := *s
	if tx.physical != tx.schema {
		for _, values := range []*map[string]any{&physical.Min, &physical.Max, &physical.NullCount} {
			*values = renamed(*values, tx.physical.Fields, tx.schema.Fields)
		}
	}
	var by []string
	for _, name := range tx.by {
		by = append(by, tx.physical.Fields[tx.schema.Index(name)].Name)
	}
	return encodeStats(&physical, tx.physical, by, leaves)
}

// rowTrackingDomain holds the highest row id that was ever handed out (section "Row Tracking").
const rowTrackingDomain = "delta.rowTracking"

func (d *DomainMetadata) rowIDHighWater() int64 {
	var c struct {
		High *int64 `json:"rowIdHighWaterMark"`
	}
	if d.Domain != rowTrackingDomain || d.Removed || json.Unmarshal([]byte(d.Configuration), &c) != nil || c.High == nil {
		return -1
	}
	return *c.High
}

func (s *Snapshot) rowIDHighWater() int64 {
	d := s.domains[rowTrackingDomain]
	return d.rowIDHighWater()
}

// writes says whether writers must honour a feature that came with table features.
func (p *Protocol) writes(feature string) bool { return slices.Contains(p.WriterFeatures, feature) }

// numberRows gives the files that a version adds their row ids, in tables that track rows, and returns the new high water mark.
func (tx *Transaction) numberRows(version int64) *DomainMetadata {
	if p, _ := tx.after(); !p.writes("rowTracking") {
		return nil
	}
	high := tx.rowIDs
	for _, a := range tx.adds {
		high = tx.numberFile(a, high, version)
	}
	return tx.markRows(high)
}

// numberFile gives a file its row ids, if it has none of an older commit, and returns the greatest so far.
func (tx *Transaction) numberFile(a *Add, high, version int64) int64 {
	if a.BaseRowID != nil && a.DefaultRowCommitVersion != nil && *a.DefaultRowCommitVersion <= tx.read.version {
		return high
	}
	stats, err := ParseStats(a.Stats)
	if err != nil || stats == nil {
		return high // Add and Commit refuse these before
	}
	base, of := high+1, version
	a.BaseRowID, a.DefaultRowCommitVersion = &base, &of
	return high + stats.NumRecords
}

// markRows is the action that raises the high water mark of row ids, nil if it stays.
func (tx *Transaction) markRows(high int64) *DomainMetadata {
	if high == tx.rowIDs {
		return nil
	}
	return &DomainMetadata{Domain: rowTrackingDomain, Configuration: fmt.Sprintf(`{"rowIdHighWaterMark":%d}`, high)}
}

// cloneMap is a copy that can be written to.
func cloneMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}
