package stream

import (
	"context"
	"errors"
	"time"
)

// CONTRACT STUB

// SetEncryption encrypts the records that come from now on under a key of the keyring; an empty id ends that. Older
// records stay as they are and stay readable.
func (s *Store) SetEncryption(ctx context.Context, name, keyID string) error {
	return errors.ErrUnsupported
}

// SetSpreadEvenly sends the records that come from now on to the shards in turn, whatever their keys, or ends that.
func (s *Store) SetSpreadEvenly(ctx context.Context, name string, on bool) error {
	return errors.ErrUnsupported
}

// SetWarmThroughput makes an on-demand stream ready for writes of mibps MiB a second: it has at least so many shards.
func (s *Store) SetWarmThroughput(ctx context.Context, name string, mibps int) error {
	return errors.ErrUnsupported
}

// SetPolicy attaches a resource policy to a stream, or to a consumer of it if consumer is not empty. Removing one, with
// an empty policy, where there is none gives ErrNoPolicy.
func (s *Store) SetPolicy(ctx context.Context, name, consumer, policy string) error {
	return errors.ErrUnsupported
}

// Account is what is known of the account as a whole.
type Account struct {
	Commitment   bool      // minimum throughput billing commitment, which unlocks warm throughput
	Started      time.Time // of the commitment
	Ended        time.Time // of the last one, if it has ended
	EarliestEnds time.Time
}

// AccountSettings are those that SetCommitment changed.
func (s *Store) AccountSettings() (Account, error) { return Account{}, errors.ErrUnsupported }

// SetCommitment enables or disables the minimum throughput billing commitment.
func (s *Store) SetCommitment(ctx context.Context, on bool) (Account, error) {
	return Account{}, errors.ErrUnsupported
}
