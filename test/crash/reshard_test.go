package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kt "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const fewShards, manyShards = 2, 4 // between which the stream goes to and fro

// contend reads the stream all the time, so that the pipelines are throttled, and counts how often it was itself.
func (p *pipelineCrash) contend(ctx context.Context) {
	client := kinesis.NewFromConfig(p.cfg, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
	for ctx.Err() == nil {
		shards, err := client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(eventStream)})
		if err != nil {
			continue
		}
		for _, s := range shards.Shards {
			it, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String(eventStream), ShardId: s.ShardId,
				ShardIteratorType: kt.ShardIteratorTypeTrimHorizon})
			if err != nil {
				continue
			}
			_, err = client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
			var exceeded *kt.ProvisionedThroughputExceededException
			if errors.As(err, &exceeded) {
				p.contended.Add(1)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond): // most of what a shard allows
		}
	}
}

// throttledReads adds up what the sources say in the last line of a run's progress.
func throttledReads(progress []byte) (n int64) {
	lines := bytes.Split(bytes.TrimSpace(progress), []byte("\n"))
	var last struct {
		Sources []struct{ Metrics map[string]string }
	}
	if json.Unmarshal(lines[len(lines)-1], &last) != nil {
		return 0 // it died before its first batch was done
	}
	for _, s := range last.Sources {
		reads, _ := strconv.ParseInt(s.Metrics["throttledReads"], 10, 64)
		n += reads
	}
	return n
}

// reshard doubles the shards or halves them. When the day's changes of the count are used up it splits one shard, or merges two.
func (p *pipelineCrash) reshard(ctx context.Context) {
	open := p.openShards(ctx)
	if !p.usedUp {
		count := manyShards
		if len(open) >= manyShards {
			count = fewShards
		}
		_, err := p.client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: aws.String(eventStream),
			TargetShardCount: aws.Int32(int32(count)), ScalingType: kt.ScalingTypeUniformScaling},
			func(o *kinesis.Options) { o.RetryMaxAttempts = 2 }) // the day's limit does not pass by waiting
		var enough *kt.LimitExceededException
		if p.usedUp = errors.As(err, &enough); !p.usedUp {
			p.must("change the shard count", err)
		}
	}
	if p.usedUp {
		p.splitOrMerge(ctx, open)
	}
	p.tally.reshards++
	p.active(ctx)
}

// openShards are the shards that take records, by their hash keys.
func (p *pipelineCrash) openShards(ctx context.Context) []kt.Shard {
	out, err := p.client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(eventStream)})
	p.must("list shards", err)
	open := slices.DeleteFunc(out.Shards, func(s kt.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber != nil })
	slices.SortFunc(open, func(a, b kt.Shard) int {
		return hashKey(a.HashKeyRange.StartingHashKey).Cmp(hashKey(b.HashKeyRange.StartingHashKey))
	})
	return open
}

func hashKey(text *string) *big.Int {
	n, _ := new(big.Int).SetString(aws.ToString(text), 10)
	return n
}

func (p *pipelineCrash) splitOrMerge(ctx context.Context, open []kt.Shard) {
	stream := aws.String(eventStream)
	if len(open) > fewShards && (len(open) >= manyShards || p.rng.IntN(2) == 0) {
		i := p.rng.IntN(len(open) - 1)
		_, err := p.client.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: stream, ShardToMerge: open[i].ShardId, AdjacentShardToMerge: open[i+1].ShardId})
		p.must("merge shards", err)
		return
	}
	s := open[p.rng.IntN(len(open))]
	from, to := hashKey(s.HashKeyRange.StartingHashKey), hashKey(s.HashKeyRange.EndingHashKey)
	middle := from.Add(from, to).Rsh(from, 1)
	_, err := p.client.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: stream, ShardToSplit: s.ShardId, NewStartingHashKey: aws.String(middle.String())})
	p.must("split shard", err)
}
