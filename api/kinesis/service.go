// Package kinesis is the Amazon Kinesis Data Streams API over package stream.
//
// Service lists the operations for the front door. Each has its own file, or shares one with its siblings; the head of
// the file says what AWS does and what is skipped. PutRecord, PutRecords and GetRecords read and write JSON by hand,
// because nearly all bytes of a pipeline go through them; the other operations, and these in CBOR, use the SDK's structs.
//
// A request is admitted before its operation runs (admit.go): by the resource policy of its stream or consumer
// (authorize.go), then by the limits of AWS, if they hold (limits.go).
//
// Nothing is kept here but the key that signs iterators and tokens, in the metadata store, so that they survive a
// restart, and, in memory, who subscribes to which shard, and how much was called and read lately.
package kinesis

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// Options of Service. Zero fields are defaults.
type Options struct {
	Streams *stream.Store // never nil
	Meta    *meta.Store   // keeps the key of iterators; never nil
	Now     func() time.Time
	Limits  bool // AWS's limits hold; those of writes are Streams' own
	// Channels deliver streams into buckets; nil: the operations on channels are not served.
	Channels *delivery.Channels
}

// service holds what the operations work on.
type service struct {
	streams *stream.Store
	tokens  *sealer
	now     func() time.Time

	arnPrefix string // of our streams' ARNs, up to the name
	limits    *limits
	quotas    quotas

	subscribers   subscribers
	policies      policies
	channels      *delivery.Channels
	channelChange sync.Mutex // held while a channel is made, and while its stream is deleted or given another mode
}

// Service returns the operations over opts.Streams. An error means that the metadata store could not be used.
func Service(opts Options) (wire.Service, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	key, err := tokenKey(opts.Meta.Space("kinesis"))
	if err != nil {
		return wire.Service{}, fmt.Errorf("key of shard iterators: %w", err)
	}
	s := &service{
		streams: opts.Streams, tokens: newSealer(key, opts.Now), now: opts.Now,
		arnPrefix: opts.Streams.StreamARN(""), quotas: ownQuotas, channels: opts.Channels,
	}
	if opts.Limits {
		s.limits, s.quotas = newLimits(opts.Now), awsQuotas
	}
	return wire.Service{
		Name:       "kinesis",
		Target:     "Kinesis_20131202",
		JSON:       "1.1",
		ShapeName:  "Kinesis_20131202",
		Operations: s.operations(),
		Errors:     codes,
		Admit:      s.admit,

		CrossAccount: true,
		BareAnswers:  true,
	}, nil
}

// tokenKey reads the signing key, making it at first use.
func tokenKey(space meta.Space) ([]byte, error) {
	const name = "token-key"
	key, err := space.Get(name)
	if !errors.Is(err, meta.ErrNotFound) {
		return key, err
	}
	key = make([]byte, 32)
	rand.Read(key) // never fails
	return key, space.Put(name, key)
}

func (s *service) operations() []wire.Operation {
	all := slices.Concat(s.dataOperations(), s.streamOperations(), s.tagOperations(), s.consumerOperations())
	if s.channels != nil {
		all = append(all, s.channelOperations()...)
	}
	return all
}

func (s *service) dataOperations() []wire.Operation {
	return []wire.Operation{
		wire.Raw("PutRecord", s.putRecordCall),
		wire.Raw("PutRecords", s.putRecords),
		wire.Op("GetShardIterator", s.getShardIterator),
		wire.Raw("GetRecords", s.getRecords),
		wire.Raw("SubscribeToShard", s.subscribeToShard),
	}
}

func (s *service) streamOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateStream", s.createStream),
		wire.Op("DeleteStream", s.deleteStream),
		wire.Op("DescribeStream", s.describeStream),
		wire.Op("DescribeStreamSummary", s.describeStreamSummary),
		wire.Op("DescribeLimits", s.describeLimits),
		wire.Op("ListStreams", s.listStreams),
		wire.Op("ListShards", s.listShards),
		wire.Op("SplitShard", s.splitShard),
		wire.Op("MergeShards", s.mergeShards),
		wire.Op("UpdateShardCount", s.updateShardCount),
		wire.Op("IncreaseStreamRetentionPeriod", s.increaseRetention),
		wire.Op("DecreaseStreamRetentionPeriod", s.decreaseRetention),
		wire.Op("EnableEnhancedMonitoring", s.enableMonitoring),
		wire.Op("DisableEnhancedMonitoring", s.disableMonitoring),
		wire.Op("UpdateStreamMode", s.updateStreamMode),
		wire.Op("UpdateMaxRecordSize", s.updateMaxRecordSize),
		wire.Op("UpdateStreamWarmThroughput", s.updateStreamWarmThroughput),
		wire.Op("UpdateStreamRecordDistributionStrategy", s.updateRecordDistribution),
		wire.Op("StartStreamEncryption", s.startStreamEncryption),
		wire.Op("StopStreamEncryption", s.stopStreamEncryption),
		wire.Op("DescribeAccountSettings", s.describeAccountSettings),
		wire.Op("UpdateAccountSettings", s.updateAccountSettings),
	}
}

func (s *service) tagOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AddTagsToStream", s.addTagsToStream),
		wire.Op("RemoveTagsFromStream", s.removeTagsFromStream),
		wire.Op("ListTagsForStream", s.listTagsForStream),
		wire.Op("TagResource", s.tagResource),
		wire.Op("UntagResource", s.untagResource),
		wire.Op("ListTagsForResource", s.listTagsForResource),
		wire.Op("PutResourcePolicy", s.putResourcePolicy),
		wire.Op("GetResourcePolicy", s.getResourcePolicy),
		wire.Op("DeleteResourcePolicy", s.deleteResourcePolicy),
	}
}

func (s *service) consumerOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("RegisterStreamConsumer", s.registerStreamConsumer),
		wire.Op("DescribeStreamConsumer", s.describeStreamConsumer),
		wire.Op("DeregisterStreamConsumer", s.deregisterStreamConsumer),
		wire.Op("ListStreamConsumers", s.listStreamConsumers),
	}
}

func (s *service) channelOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateChannel", s.createChannel),
		wire.Op("UpdateChannel", s.updateChannel),
		wire.Op("DeleteChannel", s.deleteChannel),
		wire.Op("DescribeChannel", s.describeChannel),
		wire.Op("ListChannels", s.listChannels),
	}
}
