package delta

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/weir-data/weir/objstore"
)

// Properties of tables whose commits carry their own time (section "In-Commit Timestamps").
const (
	propInCommit        = "delta.enableInCommitTimestamps"
	propInCommitVersion = "delta.inCommitTimestampEnablementVersion"
	propInCommitTime    = "delta.inCommitTimestampEnablementTimestamp"

	// Tables of before the feature was final have it, and its properties, by names that end so.
	previewSuffix          = "-preview"
	featureInCommitPreview = "inCommitTimestamp" + previewSuffix
)

// inCommitTimes says whether commits carry their own time.
func inCommitTimes(p *Protocol, m *Metadata) bool {
	return m.Configuration[propInCommit] == "true" && p.writes("inCommitTimestamp") ||
		m.Configuration[propInCommit+previewSuffix] == "true" && p.writes(featureInCommitPreview)
}

// SnapshotAsOf reads the newest version that is not younger than at. A version's time is the inCommitTimestamp of its
// commit where the table has them, else that of the commit's object, made to rise strictly as the protocol asks (section
// "Delta Log Entries"). ErrNoVersion: at is before the first.
func (t *Table) SnapshotAsOf(ctx context.Context, at time.Time) (*Snapshot, error) {
	newest, err := t.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	listing, err := listLog(ctx, t.objects, "")
	if err != nil {
		return nil, err
	}
	commits := listing.commits
	for len(commits) > 0 && commits[len(commits)-1].version > newest.version {
		commits = commits[:len(commits)-1]
	}
	version, err := t.versionAsOf(ctx, newest, commits, at)
	if err != nil {
		return nil, err
	}
	if version < 0 {
		return nil, fmt.Errorf("%w: none is as old as %s", ErrNoVersion, at.UTC().Format(time.RFC3339Nano))
	}
	return t.SnapshotAt(ctx, version)
}

// versionAsOf returns the last of the commits that is not younger than at, -1 if none is.
func (t *Table) versionAsOf(ctx context.Context, s *Snapshot, commits []logFile, at time.Time) (int64, error) {
	if !inCommitTimes(s.protocol, s.metadata) {
		return versionByObjects(commits, at), nil
	}
	enabled, since, err := inCommitSince(s.metadata)
	if err != nil {
		return 0, err
	}
	first := sort.Search(len(commits), func(i int) bool { return commits[i].version >= enabled })
	if at.Before(since) {
		return versionByObjects(commits[:first], at), nil
	}
	own := commits[first:]
	n := sort.Search(len(own), func(i int) bool {
		var written time.Time
		if err == nil {
			written, err = inCommitTime(ctx, t.objects, own[i].version)
		}
		return written.After(at)
	})
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return -1, nil
	}
	return own[n-1].version, nil
}

// inCommitSince is the version from which on commits carry their own time, and that version's time.
func inCommitSince(m *Metadata) (version int64, at time.Time, err error) {
	text, ok := m.Configuration[propInCommitVersion]
	since := m.Configuration[propInCommitTime]
	if !ok {
		text, ok = m.Configuration[propInCommitVersion+previewSuffix]
		since = m.Configuration[propInCommitTime+previewSuffix]
	}
	if !ok {
		return 0, time.Time{}, nil // since the table was made
	}
	version, err1 := strconv.ParseInt(text, 10, 64)
	ms, err2 := strconv.ParseInt(since, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, at, fmt.Errorf("%w: table properties %s and %s: %w", ErrCorrupt, propInCommitVersion, propInCommitTime, err)
	}
	return version, time.UnixMilli(ms), nil
}

// inCommitTime reads the time that a commit carries.
func inCommitTime(ctx context.Context, objects Objects, version int64) (at time.Time, err error) {
	err = readCommit(ctx, objects, version, func(a Action) error {
		if a.CommitInfo == nil || a.CommitInfo.InCommitTimestamp == nil {
			return fmt.Errorf("%w: it does not start with a commitInfo that has an inCommitTimestamp", ErrCorrupt)
		}
		at = time.UnixMilli(*a.CommitInfo.InCommitTimestamp).UTC()
		return errStop
	})
	if errors.Is(err, errStop) {
		return at, nil
	}
	if err == nil {
		err = fmt.Errorf("%s: %w: it is empty", commitKey(version), ErrCorrupt)
	}
	return at, err
}

// setTime gives a snapshot the time of its commit: its own, where commits carry it, else that of its object. own is the
// commit's, if it was read.
func (t *Table) setTime(ctx context.Context, s *Snapshot, object time.Time, own *int64) error {
	s.time = object
	if !inCommitTimes(s.protocol, s.metadata) {
		return nil
	}
	if own != nil {
		s.time = time.UnixMilli(*own).UTC()
		return nil
	}
	at, err := inCommitTime(ctx, t.objects, s.version)
	if errors.Is(err, objstore.ErrNoSuchKey) { // cleaned up
		return nil
	}
	if err != nil {
		return err
	}
	s.time = at
	return nil
}

// versionByObjects is versionAsOf by the times of the commits' objects.
func versionByObjects(commits []logFile, at time.Time) int64 {
	version := int64(-1)
	var last time.Time
	for _, c := range commits {
		written := c.modTime
		if !written.After(last) {
			written = last.Add(time.Millisecond)
		}
		if written.After(at) {
			break
		}
		version, last = c.version, written
	}
	return version
}
