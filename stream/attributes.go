package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Changes are the times of changes that AWS counts, of the last 24 hours.
type Changes struct {
	Mode       []time.Time `json:",omitempty"`
	ShardCount []time.Time `json:",omitempty"`
	Key        []time.Time `json:",omitempty"` // encryption was begun, or went on under another key
	KeyEnd     []time.Time `json:",omitempty"` // encryption was ended
}

const (
	changesLife = 24 * time.Hour
	changesMax  = 100 // far above what AWS allows
)

// noteChange adds now to the times of a kind of changes, and drops those that are too old to count.
func noteChange(times []time.Time, now time.Time) []time.Time {
	kept := recentChanges(times, now)
	return append(kept[max(0, len(kept)+1-changesMax):], now)
}

func recentChanges(times []time.Time, now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(times), func(t time.Time) bool { return now.Sub(t) >= changesLife })
}

// recent are the changes that still count.
func (c *Changes) recent(now time.Time) Changes {
	return Changes{
		Mode: recentChanges(c.Mode, now), ShardCount: recentChanges(c.ShardCount, now),
		Key: recentChanges(c.Key, now), KeyEnd: recentChanges(c.KeyEnd, now),
	}
}

// SetMode makes a stream on-demand or provisioned; its shards stay as they are. A provisioned stream has no warm
// throughput and distributes records by their keys.
func (s *Store) SetMode(ctx context.Context, name string, onDemand bool) error {
	return s.update(name, func(doc *streamDoc) error {
		if doc.OnDemand == onDemand {
			return nil
		}
		doc.OnDemand = onDemand
		doc.Changes.Mode = noteChange(doc.Changes.Mode, s.opts.Now())
		if !onDemand {
			doc.SpreadEvenly, doc.WarmMiBps = false, 0
		}
		return nil
	})
}

// SetEncryption encrypts the records that come from now on under a key of the keyring, which is made if it is a new one;
// an empty id ends that. Older records stay as they are and stay readable. A key that cannot be had gives ErrKey.
func (s *Store) SetEncryption(ctx context.Context, name, keyID string) error {
	return s.update(name, func(doc *streamDoc) error {
		var number uint16
		if keyID != "" {
			var err error
			if number, err = s.keyNumber(doc, keyID); err != nil {
				return err
			}
		}
		switch {
		case number == doc.Key:
			return nil
		case number == 0:
			doc.Changes.KeyEnd = noteChange(doc.Changes.KeyEnd, s.opts.Now())
		default:
			doc.Changes.Key = noteChange(doc.Changes.Key, s.opts.Now())
		}
		doc.Key = number
		return nil
	})
}

// keyID is the id of the key for new records; empty if they are not encrypted.
func (d *streamDoc) keyID() string {
	if d.Key == 0 {
		return ""
	}
	return d.Keys[d.Key-1].ID
}

// SetSpreadEvenly sends the records that come from now on to the open shards in turn, whatever their keys, or ends that.
// A provisioned stream gives ErrProvisioned.
func (s *Store) SetSpreadEvenly(ctx context.Context, name string, on bool) error {
	return s.update(name, func(doc *streamDoc) error {
		if on && !doc.OnDemand {
			return ErrProvisioned
		}
		doc.SpreadEvenly = on
		return nil
	})
}

// SetWarmThroughput makes an on-demand stream ready for writes of mibps MiB a second: it has at least so many open shards
// when the call returns. A provisioned stream gives ErrProvisioned.
func (s *Store) SetWarmThroughput(ctx context.Context, name string, mibps int) error {
	d, err := s.Describe(ctx, name)
	if err != nil {
		return err
	}
	if !d.OnDemand {
		return fmt.Errorf("stream %q: %w", name, ErrProvisioned)
	}
	if err := s.widen(ctx, name, mibps); err != nil {
		return err
	}
	return s.update(name, func(doc *streamDoc) error {
		if !doc.OnDemand {
			return ErrProvisioned
		}
		doc.WarmMiBps = mibps
		return nil
	})
}

// Policy is the resource policy of a stream; empty if it has none.
func (s *Store) Policy(name string) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.streams[name]
	if st == nil {
		return "", fmt.Errorf("stream %q: %w", name, ErrNotFound)
	}
	return st.doc.Policy, nil
}

// SetPolicy attaches a resource policy to a stream, or to a consumer of it if consumer is not empty. Removing one, with
// an empty policy, where there is none gives ErrNoPolicy.
func (s *Store) SetPolicy(ctx context.Context, name, consumer, policy string) error {
	return s.update(name, func(doc *streamDoc) error {
		at := &doc.Policy
		if consumer != "" {
			i := consumerAt(doc.Consumers, consumer)
			if i < 0 {
				return fmt.Errorf("consumer %q: %w", consumer, ErrConsumerNotFound)
			}
			doc.Consumers = slices.Clone(doc.Consumers)
			at = &doc.Consumers[i].Policy
		}
		if policy == "" && *at == "" {
			return ErrNoPolicy
		}
		*at = policy
		return nil
	})
}

// PutRules are what a Put to a stream must keep to.
type PutRules struct {
	MaxRecordBytes int  // of key and data
	SpreadEvenly   bool // keys are not needed and do not decide
	Encrypted      bool // the records will be
}

// PutRules returns the rules of a stream.
func (s *Store) PutRules(name string) (PutRules, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.streams[name]
	if st == nil {
		return PutRules{}, fmt.Errorf("stream %q: %w", name, ErrNotFound)
	}
	return PutRules{st.doc.MaxRecordBytes, st.doc.SpreadEvenly, st.doc.Key != 0}, nil
}

// Account is what is known of the account as a whole.
type Account struct {
	Commitment   bool      // minimum throughput billing commitment, which unlocks warm throughput
	Ending       bool      // it is disabled, but runs until EarliestEnds
	Started      time.Time // of the commitment
	Ended        time.Time // of the last one, if it has ended
	EarliestEnds time.Time
}

// commitmentLife is for how long a commitment runs at least.
const commitmentLife = 24 * time.Hour

// commitmentDoc is the commitment in the metadata store.
type commitmentDoc struct {
	Started time.Time
	Ends    time.Time // when it ends or has ended; zero: it goes on
}

const commitmentKey = "commitment"

// at is what the account is at a time.
func (d commitmentDoc) at(now time.Time) Account {
	if d.Started.IsZero() {
		return Account{}
	}
	a := Account{Commitment: true, Ending: !d.Ends.IsZero(), Started: d.Started, EarliestEnds: d.Started.Add(commitmentLife)}
	if a.Ending && !now.Before(d.Ends) {
		return Account{Started: d.Started, Ended: d.Ends}
	}
	return a
}

// AccountSettings are those that SetCommitment changed.
func (s *Store) AccountSettings() (Account, error) {
	d, err := s.loadCommitment()
	return d.at(s.opts.Now()), err
}

func (s *Store) loadCommitment() (commitmentDoc, error) {
	d, err := meta.Load[commitmentDoc](s.spaces.account, commitmentKey)
	if errors.Is(err, meta.ErrNotFound) {
		return commitmentDoc{}, nil
	}
	if err != nil {
		return d, fmt.Errorf("account settings: %w", err)
	}
	return d, nil
}

// SetCommitment enables or disables the minimum throughput billing commitment. One that is disabled within 24 hours ends
// when they are over, unless it is enabled again before.
func (s *Store) SetCommitment(ctx context.Context, on bool) (Account, error) {
	s.change.Lock()
	defer s.change.Unlock()
	d, err := s.loadCommitment()
	if err != nil {
		return Account{}, err
	}
	now := s.opts.Now().Truncate(time.Millisecond)
	before := d
	switch a := d.at(now); {
	case on && !a.Commitment:
		d = commitmentDoc{Started: now}
	case on:
		d.Ends = time.Time{}
	case a.Commitment && !a.Ending && now.Before(a.EarliestEnds):
		d.Ends = a.EarliestEnds
	case a.Commitment && !a.Ending:
		d.Ends = now
	}
	if d != before {
		if err := meta.Save(s.spaces.account, commitmentKey, d); err != nil {
			return Account{}, fmt.Errorf("account settings: %w", err)
		}
	}
	return d.at(now), nil
}
