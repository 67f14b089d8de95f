package delta

import (
	"fmt"

	"github.com/weir-data/weir/columnar"
)

// isolationLevel is what commits promise: writes are serialisable, and a blind append may be put after a reader of
// the whole table that did not see it (Spark's level of that name).
const isolationLevel = "WriteSerializable"

// Transaction collects the changes of one commit. It is used by one goroutine and committed once.
type Transaction struct {
	table     *Table
	read      *Snapshot
	adds      []*Add
	removes   []*Remove
	cdc       []*CDC
	touched   map[string]bool // keys of adds and removes
	bulk      *bulkChanges    // file changes in place of adds and removes, if there may be very many
	readTable bool
	readFiles func(*File) bool
	txn       *Txn
	domains   []DomainMetadata
	rowIDs    int64 // high water mark of row ids, -1: none handed out; moved on by winners

	schema   *columnar.Schema
	physical *columnar.Schema // schema with the names of data files
	by       []string         // partition columns
	protocol *Protocol        // set by Alter
	metadata *Metadata        // set by SetSchema and Alter

	moved       bool // see RowsStay
	rowsChecked bool // see ChecksRows

	onlyInfo   bool // nothing but its provenance is committed
	operation  string
	parameters map[string]string
	metrics    map[string]string

	err  error // of the first call that was refused; Commit returns it
	done bool
}

// Begin starts a transaction that read the snapshot s.
func (t *Table) Begin(s *Snapshot) *Transaction {
	return &Transaction{
		table: t, read: s, schema: s.schema, physical: s.physical, by: s.PartitionBy(), rowIDs: s.rowIDHighWater(),
		touched: map[string]bool{}, operation: "WRITE",
	}
}

// numAdds and numRemoves count the files that the commit adds and removes.
func (tx *Transaction) numAdds() int {
	if tx.bulk != nil {
		return tx.bulk.adds
	}
	return len(tx.adds)
}

func (tx *Transaction) numRemoves() int {
	if tx.bulk != nil {
		return tx.bulk.removes
	}
	return len(tx.removes)
}

func (tx *Transaction) fail(format string, args ...any) {
	if tx.err == nil {
		tx.err = fmt.Errorf(format, args...)
	}
}

// Add appends a data file that already lies at its path. Partition must hold a value of the column's type, or null,
// for each partition column and for nothing else; a zero ModTime is now. What does not fit is reported by Commit.
func (tx *Transaction) Add(f File) {
	if err := tx.checkFile(&f); err != nil {
		tx.fail("add %q: %w", f.Path, err)
		return
	}
	stats, err := tx.statsText(f.Stats)
	if err != nil {
		tx.fail("add %q: %w", f.Path, err)
		return
	}
	if f.ModTime.IsZero() {
		f.ModTime = tx.table.opts.now()
	}
	tx.touched[f.Path] = true
	tx.adds = append(tx.adds, &Add{
		Path: encodePath(f.Path), PartitionValues: tx.physicalValues(f.Partition), Size: f.Size,
		ModificationTime: f.ModTime.UnixMilli(), DataChange: !tx.moved, Stats: stats, Tags: f.Tags,
		ClusteringProvider: f.ClusteringProvider,
	})
}

func (tx *Transaction) checkFile(f *File) error {
	if !cleanKey(f.Path) {
		return fmt.Errorf("%w: not a path inside the table's folder", ErrInvalid)
	}
	if tx.touched[f.Path] {
		return fmt.Errorf("%w: the path is in this transaction already", ErrInvalid)
	}
	if e := tx.read.files.get(f.Path); e != nil && e.add != nil {
		return fmt.Errorf("%w: the table has a file of that path", ErrInvalid)
	}
	if f.Size <= 0 {
		return fmt.Errorf("%w: size %d", ErrInvalid, f.Size)
	}
	for _, feature := range []string{"rowTracking", "clustering"} {
		if p, _ := tx.after(); p.writes(feature) && f.Stats == nil {
			return fmt.Errorf("%w: %s needs statistics", ErrInvalid, feature)
		}
	}
	if len(f.Partition) != len(tx.by) {
		return fmt.Errorf("%w: %d partition values for %d partition columns", ErrInvalid, len(f.Partition), len(tx.by))
	}
	for _, name := range tx.by {
		text, ok := f.Partition[name]
		if !ok {
			return fmt.Errorf("%w: no value for partition column %q", ErrInvalid, name)
		}
		if _, err := ParsePartition(tx.schema.Fields[tx.schema.Index(name)].Type, text); err != nil {
			return fmt.Errorf("partition column %q: %w", name, err)
		}
	}
	return checkNulls(tx.schema, f)
}

// checkNulls refuses a file with nulls in a column that has none.
func checkNulls(schema *columnar.Schema, f *File) error {
	for i := range schema.Fields {
		field := &schema.Fields[i]
		if field.Nullable {
			continue
		}
		if text, ok := f.Partition[field.Name]; ok && text == nil {
			return fmt.Errorf("%w: null in column %q", ErrInvalid, field.Name)
		}
		if f.Stats == nil {
			continue
		}
		if n, ok := count(field.Type, f.Stats.NullCount[field.Name]); ok && fmt.Sprint(n) != "0" {
			return fmt.Errorf("%w: %v nulls in column %q", ErrInvalid, n, field.Name)
		}
	}
	return nil
}

// Remove takes a whole data file that has no deletion vector out of the table; see RemoveFile.
func (tx *Transaction) Remove(path string) { tx.RemoveFile(&File{Path: path}) }

// ReadTable says that the changes depend on all rows of the snapshot, so that rows which another commit derived from
// the table and added since are a conflict. Without it they depend on the removed files alone.
func (tx *Transaction) ReadTable() { tx.readTable = true }

// SetTxn records that this commit is version of application appID; Commit returns ErrReplayed if the table already
// has that version or a later one.
func (tx *Transaction) SetTxn(appID string, version int64) {
	if appID == "" || tx.txn != nil {
		tx.fail("set txn %q: %w: empty or set twice", appID, ErrInvalid)
		return
	}
	tx.txn = &Txn{AppID: appID, Version: version}
}

// SetSchema replaces the schema by a wider one: columns may be added if they are nullable and become nullable, nothing
// may go away or change its type. It is called before Add.
func (tx *Transaction) SetSchema(s *columnar.Schema) {
	if len(tx.adds) > 0 {
		tx.fail("set schema: %w: after files were added", ErrInvalid)
		return
	}
	if err := checkWider(tx.schema.Fields, s.Fields, ""); err != nil {
		tx.fail("set schema: %w", err)
		return
	}
	tx.Alter(Alteration{Schema: s})
}

// SetInfo adds to the commit's provenance: operation name and parameters, engine metrics. The operation is WRITE
// unless it is set.
func (tx *Transaction) SetInfo(operation string, parameters, metrics map[string]string) {
	if operation != "" {
		tx.operation = operation
	}
	tx.parameters, tx.metrics = parameters, metrics
}

// blind says whether the changes depend on nothing that the table holds.
func (tx *Transaction) blind() bool {
	return tx.numRemoves() == 0 && tx.metadata == nil && tx.protocol == nil && !tx.readTable && tx.readFiles == nil && !tx.moved
}

func (tx *Transaction) check() error {
	if tx.done {
		return fmt.Errorf("commit: %w: committed before", ErrInvalid)
	}
	if tx.err != nil {
		return tx.err
	}
	if !tx.onlyInfo && tx.txn == nil && tx.metadata == nil && tx.protocol == nil && tx.numAdds()+tx.numRemoves()+len(tx.domains) == 0 {
		return fmt.Errorf("commit: %w: no change", ErrInvalid)
	}
	p, m := tx.after()
	if err := checkWrite(p, m, tx.schema, tx.rowsChecked || tx.numAdds() == 0); err != nil {
		return err
	}
	if err := tx.checkClustering(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if tx.numRemoves() > 0 && !tx.moved {
		if m.Configuration[propAppendOnly] == "true" {
			return fmt.Errorf("commit: %w: removing rows from a table that is append-only", ErrInvalid)
		}
		if m.Configuration[propChangeDataFeed] == "true" && !tx.rowsChecked {
			return fmt.Errorf("commit: %w: changeDataFeed: removing files", ErrUnsupported)
		}
	}
	if tx.txn != nil {
		if last, ok := tx.read.Txn(tx.txn.AppID); ok && last >= tx.txn.Version {
			return fmt.Errorf("commit %s version %d: %w: the table has %d", tx.txn.AppID, tx.txn.Version, ErrReplayed, last)
		}
	}
	return nil
}
