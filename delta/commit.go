package delta

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/objstore"
)

// A commit has three outcomes: its version; a *Conflict, after which nothing was written and the same changes cannot be
// made; an *Unresolved, after which nobody can tell.

// Conflict says which commit took away what this one was based on. It is an ErrConflict.
type Conflict struct {
	Version int64        // of the commit that was first; that of the last attempt for ConflictContention
	With    ConflictKind // what clashed
	What    string       // the data file, application or domain; empty where the kind says it all
}

// ConflictKind is what of two commits clashed.
type ConflictKind string

// The kinds of conflict, with the exceptions of Delta for Spark that tell the same.
const (
	ConflictProtocol   ConflictKind = "the protocol was changed"                       // ProtocolChanged
	ConflictMetadata   ConflictKind = "the metadata was changed"                       // MetadataChanged
	ConflictSchema     ConflictKind = "the table was changed while its schema is"      // MetadataChanged
	ConflictTxn        ConflictKind = "another writer committed for the application"   // ConcurrentTransaction
	ConflictDomain     ConflictKind = "the domain was changed"                         // DomainMetadata
	ConflictDelete     ConflictKind = "a data file that this one removes was removed"  // ConcurrentDeleteDelete
	ConflictDeleteRead ConflictKind = "a data file that was read was removed"          // ConcurrentDeleteRead
	ConflictAppend     ConflictKind = "rows were added where this one read"            // ConcurrentAppend
	ConflictPath       ConflictKind = "a data file of the same path was added"         //
	ConflictContention ConflictKind = "other writers were faster in too many attempts" //
)

func (c *Conflict) Error() string {
	text := fmt.Sprintf("%v: version %d: %s", ErrConflict, c.Version, c.With)
	if c.What != "" {
		text += fmt.Sprintf(": %q", c.What)
	}
	return text
}

// Unwrap makes a Conflict an ErrConflict.
func (c *Conflict) Unwrap() error { return ErrConflict }

// Unresolved says that it is unknown whether a version was written: the store failed, and failed again when asked. A
// commit with a txn can simply be tried again with a fresh snapshot: it then succeeds or is ErrReplayed. It is an
// ErrUnresolved.
type Unresolved struct {
	Version int64
	Err     error // what the store said
}

func (u *Unresolved) Error() string {
	return fmt.Sprintf("%v: version %d: %v", ErrUnresolved, u.Version, u.Err)
}

// Unwrap makes an Unresolved an ErrUnresolved and leads to the store's error.
func (u *Unresolved) Unwrap() []error { return []error{ErrUnresolved, u.Err} }

// commitAttemptsMax bounds how often a commit is put behind those of others.
const commitAttemptsMax = 1000

// base is the version that a commit is put after, as far as the commit's actions depend on it.
type base struct {
	version  int64
	inCommit int64 // inCommitTimestamp of the version, milliseconds since the epoch; 0 if it has none
}

// Commit writes the next version, after rebasing over commits that do not conflict, and a checkpoint when one is due.
// It returns the version. *Conflict: another commit took away what this one read. *Unresolved: it is unknown whether the
// commit was written. ErrReplayed: see SetTxn. After any other error nothing was written.
func (tx *Transaction) Commit(ctx context.Context) (version int64, err error) {
	if err := tx.check(); err != nil {
		return 0, err
	}
	tx.done = true
	at := baseOf(tx.read)
	if err := tx.table.stillThere(ctx, tx.read); err != nil {
		return 0, err
	}
	txnID := uuid.NewString()
	for range commitAttemptsMax {
		actions := tx.actions(txnID, at)
		body, err := EncodeActions(actions)
		if err != nil {
			return 0, err
		}
		write := tx.table.putWhole(body)
		if tx.bulk != nil {
			write = tx.putBulk(body, at.version+1)
		}
		won, err := tx.table.put(ctx, at.version+1, write, txnID)
		if err != nil {
			return 0, err
		}
		if won {
			tx.table.committed(ctx, at.version+1, actions, tx.bulk == nil)
			return at.version + 1, nil
		}
		if at, err = tx.rebase(ctx, at); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("commit after version %d: %w", tx.read.version, &Conflict{Version: at.version + 1, With: ConflictContention})
}

// baseOf is what a commit right after a snapshot is based on.
func baseOf(s *Snapshot) base {
	at := base{version: s.version}
	if inCommitTimes(s.protocol, s.metadata) {
		at.inCommit = s.time.UnixMilli()
	}
	return at
}

// freshMax is how long the version after a snapshot is sure to be in the log if it was ever written: less than any clean-up
// leaves it.
const freshMax = retentionMin / 2

// stillThere makes sure, for a snapshot that was read long ago, that the commits after it were not cleaned up meanwhile:
// their versions would seem free.
func (t *Table) stillThere(ctx context.Context, s *Snapshot) error {
	if t.opts.now().Sub(s.loaded) < freshMax {
		return nil
	}
	listing, err := listLog(ctx, t.objects, commitKey(s.version))
	if err != nil {
		return err
	}
	newest := listing.newest()
	if newest <= s.version {
		return nil
	}
	if _, err := t.head(ctx, commitKey(s.version+1)); !errors.Is(err, objstore.ErrNoSuchKey) {
		return err
	}
	return fmt.Errorf("%w: what followed version %d was cleaned up, the newest is %d", ErrNoVersion, s.version, newest)
}

// putWhole writes a commit's body.
func (t *Table) putWhole(body []byte) func(ctx context.Context, key string) error {
	return func(ctx context.Context, key string) error { return t.objects.PutIfAbsent(ctx, key, body) }
}

// put writes a commit if its version is free; won is false if the version is another writer's. When the store cannot say
// whether it did, the version is read back and recognised by its txnId; an attempt of which nothing is found is made again.
func (t *Table) put(ctx context.Context, version int64, write func(ctx context.Context, key string) error, txnID string) (won bool, err error) {
	var putErr error
	for range putAttempts {
		putErr = write(ctx, commitKey(version))
		if putErr == nil {
			return true, nil
		}
		owner, err := t.owner(ctx, version)
		switch {
		case err == nil:
			return owner == txnID, nil
		case !errors.Is(err, objstore.ErrNoSuchKey):
			return false, &Unresolved{version, fmt.Errorf("%w; whether it was written: %w", putErr, err)}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return false, &Unresolved{version, putErr}
}

const (
	putAttempts    = 3
	resolveTimeout = 30 * time.Second
)

// owner returns the txnId of a commit, empty if it has none. It asks even when ctx has ended, for a limited time: a
// commit that was written must not be reported as failed.
func (t *Table) owner(ctx context.Context, version int64) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveTimeout)
	defer cancel()
	var id string
	err := readCommit(ctx, t.objects, version, func(a Action) error {
		if a.CommitInfo != nil {
			id = a.CommitInfo.TxnID
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) || errors.Is(err, ErrCorrupt) {
		err = nil // another writer's commit, whatever is wrong with it
	}
	return id, err
}

// actions are the commit's lines when it is put after at.
func (tx *Transaction) actions(txnID string, at base) []Action {
	info := tx.info(txnID)
	protocol, metadata := tx.after()
	if inCommitTimes(protocol, metadata) {
		now := max(info.Timestamp, at.inCommit+1, tx.read.time.UnixMilli()+1)
		info.InCommitTimestamp = &now
	}
	actions := []Action{{CommitInfo: info}}
	if tx.protocol != nil {
		actions = append(actions, Action{Protocol: tx.protocol})
	}
	if tx.metadata != nil {
		actions = append(actions, Action{Metadata: tx.enabled(at, info)})
	}
	for i := range tx.domains {
		actions = append(actions, Action{DomainMetadata: &tx.domains[i]})
	}
	if high := tx.numberRows(at.version + 1); high != nil {
		actions = append(actions, Action{DomainMetadata: high})
	}
	if tx.txn != nil {
		txn := *tx.txn
		txn.LastUpdated = info.Timestamp
		actions = append(actions, Action{Txn: &txn})
	}
	for _, r := range tx.removes {
		actions = append(actions, Action{Remove: r})
	}
	for _, a := range tx.adds {
		actions = append(actions, Action{Add: a})
	}
	for _, c := range tx.cdc {
		actions = append(actions, Action{CDC: c})
	}
	return actions
}

func (tx *Transaction) info(txnID string) *CommitInfo {
	blind := tx.blind()
	parameters := map[string]any{}
	for k, v := range tx.parameters {
		parameters[k] = v
	}
	metrics := map[string]string{"numFiles": strconv.Itoa(tx.numAdds()), "numRemovedFiles": strconv.Itoa(tx.numRemoves())}
	for k, v := range tx.metrics {
		metrics[k] = v
	}
	return &CommitInfo{
		Timestamp: tx.table.opts.now().UnixMilli(), Operation: tx.operation, OperationParameters: parameters, ReadVersion: &tx.read.version,
		IsolationLevel: isolationLevel, IsBlindAppend: &blind, OperationMetrics: metrics, EngineInfo: engineInfo, TxnID: txnID,
	}
}

// enabled is the commit's metadata; where it starts in-commit timestamps, with the version and time from which they hold.
func (tx *Transaction) enabled(at base, info *CommitInfo) *Metadata {
	if info.InCommitTimestamp == nil || at.inCommit > 0 {
		return tx.metadata
	}
	m := *tx.metadata
	m.Configuration = cloneMap(tx.metadata.Configuration)
	m.Configuration[propInCommitVersion] = strconv.FormatInt(at.version+1, 10)
	m.Configuration[propInCommitTime] = strconv.FormatInt(*info.InCommitTimestamp, 10)
	return &m
}

// committed moves the handle's snapshot forward over its own commit and looks after the log: version checksum, log
// compaction, checkpoint, clean-up. The actions are those of the commit, or its first if that is not the whole. The commit stands whatever happens here, so failures are only logged: a later commit
// makes up for what matters.
func (t *Table) committed(ctx context.Context, version int64, actions []Action, whole bool) {
	if err := t.lock(ctx); err != nil {
		return
	}
	defer t.unlock()
	if s := t.latest; whole && s != nil && s.version == version-1 {
		if next, err := t.extend(s, version, actions); err == nil {
			t.latest = next
		}
	}
	missed := func(what string, err error) {
		if err != nil {
			t.opts.logger().Warn("delta "+what+"; the commit stands", "version", version, "error", err)
		}
	}
	if s := t.latest; s == nil || s.version < version {
		if _, err := t.refreshLocked(ctx); err != nil {
			missed("log not looked after", err)
			return
		}
	}
	s := t.latest
	if s.version == version {
		missed("version checksum not written", t.writeChecksum(ctx, s, actions[0].CommitInfo))
	}
	if from, ok := compactionRange(version, s.metadata.Configuration); ok {
		missed("log compaction not written", t.compactLog(ctx, from, version))
	}
	before := s.lastCheckpoint
	missed("checkpoint not written", t.checkpointIfDueLocked(ctx))
	if s = t.latest; s.lastCheckpoint > before && s.metadata.Configuration[propLogCleanup] != "false" {
		missed("expired log not removed", t.cleanIfDueLocked(ctx, s))
	}
}

// cleanIfDueLocked removes expired parts of the log, unless that was done a short while ago.
func (t *Table) cleanIfDueLocked(ctx context.Context, s *Snapshot) error {
	if now := t.opts.now(); now.Sub(t.cleaned) >= cleanupPause {
		t.cleaned = now
		_, err := t.cleanLog(ctx, s)
		return err
	}
	return nil
}

// extend is advance by a commit whose actions are at hand.
func (t *Table) extend(s *Snapshot, version int64, actions []Action) (*Snapshot, error) {
	r := t.newReplay(s)
	for _, a := range actions {
		if err := r.apply(a); err != nil {
			return nil, err
		}
	}
	next, err := r.snapshot(version, s, t.cutoff)
	if err != nil {
		return nil, err
	}
	info := actions[0].CommitInfo
	if next.time = time.UnixMilli(info.Timestamp).UTC(); info.InCommitTimestamp != nil {
		next.time = time.UnixMilli(*info.InCommitTimestamp).UTC()
	}
	next.vectors, next.loaded, next.lastCheckpoint = t.vectors, t.opts.now(), s.lastCheckpoint
	return next, nil
}
