package stream

import (
	"context"
	"errors"
)

// CONTRACT STUB

// SplitShard closes an open shard and opens two in its place; the second begins at the hash key at. A key that is not
// more than one past the shard's first and less than its last gives ErrSplitPoint; a closed shard ErrShardClosed, one
// that does not exist ErrNoShard.
func (s *Store) SplitShard(ctx context.Context, stream, shard string, at HashKey) error {
	return errors.ErrUnsupported
}

// MergeShards closes two open shards with adjacent hash ranges, given in either order, and opens one in their place.
// Others give ErrNotAdjacent or ErrShardClosed.
func (s *Store) MergeShards(ctx context.Context, stream, shard, adjacent string) error {
	return errors.ErrUnsupported
}

// UpdateShardCount splits and merges pair by pair until target open shards cover equal parts of the hash space. It
// returns how many there were.
func (s *Store) UpdateShardCount(ctx context.Context, stream string, target int) (before int, err error) {
	return 0, errors.ErrUnsupported
}

// Info describes the shard as Shards does.
func (sh Shard) Info() (ShardInfo, error) { return ShardInfo{}, errors.ErrUnsupported }

// Children describes the shards that were opened in the place of this one; none while it is open.
func (sh Shard) Children() ([]ShardInfo, error) { return nil, errors.ErrUnsupported }
