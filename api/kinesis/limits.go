package kinesis

// The limits of AWS, which Options.Limits switches on: calls a second of an account, stream, consumer or shard, bytes read
// from a shard, changes a day, and how much an account may have. What is written to a shard is limited by package stream,
// since only it knows which record goes where. An operation that is called too often gives LimitExceededException, those on
// the records of a shard ProvisionedThroughputExceededException, both with a text that starts with "Rate exceeded for", as
// Terraform looks for that.
//
// Switched off, calls are not counted at all, and only bounds that protect the machine are left: see quotas. Skipped:
// at most five streams or consumers in the state CREATING, as both are ACTIVE at once.

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// callRate is how many calls of an operation a second are let through.
type callRate struct {
	perSecond int
	ofStream  bool // for each stream; else for each account that calls
}

// callRates are the limits in the reference of each operation. Some operations have none there; five is what AWS gives to
// most of the control plane.
var callRates = map[string]callRate{
	"AddTagsToStream":                        {perSecond: 5},
	"CreateChannel":                          {perSecond: 5},
	"CreateStream":                           {perSecond: 5},
	"DecreaseStreamRetentionPeriod":          {perSecond: 5},
	"DeleteChannel":                          {perSecond: 5},
	"DeleteResourcePolicy":                   {perSecond: 5},
	"DeleteStream":                           {perSecond: 5},
	"DeregisterStreamConsumer":               {perSecond: 5, ofStream: true},
	"DescribeAccountSettings":                {perSecond: 5},
	"DescribeChannel":                        {perSecond: 5},
	"DescribeLimits":                         {perSecond: 1},
	"DescribeStream":                         {perSecond: 10},
	"DescribeStreamConsumer":                 {perSecond: 20, ofStream: true},
	"DescribeStreamSummary":                  {perSecond: 20},
	"DisableEnhancedMonitoring":              {perSecond: 5},
	"EnableEnhancedMonitoring":               {perSecond: 5},
	"GetResourcePolicy":                      {perSecond: 5},
	"IncreaseStreamRetentionPeriod":          {perSecond: 5},
	"ListChannels":                           {perSecond: 5},
	"ListShards":                             {perSecond: 1000, ofStream: true},
	"ListStreamConsumers":                    {perSecond: 5, ofStream: true},
	"ListStreams":                            {perSecond: 5},
	"ListTagsForResource":                    {perSecond: 5},
	"ListTagsForStream":                      {perSecond: 5},
	"MergeShards":                            {perSecond: 5},
	"PutResourcePolicy":                      {perSecond: 5},
	"RegisterStreamConsumer":                 {perSecond: 5, ofStream: true},
	"RemoveTagsFromStream":                   {perSecond: 5},
	"SplitShard":                             {perSecond: 5},
	"StartStreamEncryption":                  {perSecond: 5},
	"StopStreamEncryption":                   {perSecond: 5},
	"TagResource":                            {perSecond: 5},
	"UntagResource":                          {perSecond: 5},
	"UpdateAccountSettings":                  {perSecond: 5},
	"UpdateChannel":                          {perSecond: 5},
	"UpdateMaxRecordSize":                    {perSecond: 5},
	"UpdateShardCount":                       {perSecond: 10},
	"UpdateStreamMode":                       {perSecond: 5},
	"UpdateStreamRecordDistributionStrategy": {perSecond: 5},
	"UpdateStreamWarmThroughput":             {perSecond: 5},
}

// Limits of a shard, for all readers that poll it together, and for each consumer that it is pushed to.
const (
	readCallsPerSecond     = 5
	iteratorCallsPerSecond = 5
	subscribesPerSecond    = 1
	readBytesPerSecond     = 2 << 20
)

// dayChanges are the changes that a stream may see in 24 hours.
var dayChanges = map[string]struct {
	most int
	of   func(c *stream.Changes) []time.Time
}{
	"UpdateShardCount":      {10, func(c *stream.Changes) []time.Time { return c.ShardCount }},
	"UpdateStreamMode":      {2, func(c *stream.Changes) []time.Time { return c.Mode }},
	"StartStreamEncryption": {25, func(c *stream.Changes) []time.Time { return c.Key }},
	"StopStreamEncryption":  {25, func(c *stream.Changes) []time.Time { return c.KeyEnd }},
}

// quotas bound what an account may have.
type quotas struct {
	shards             int // open ones, of all provisioned streams
	onDemandStreams    int
	consumers          int // of a stream
	committedConsumers int // of a stream, with a commitment to a minimum throughput
}

var (
	// awsQuotas are AWS's defaults in its largest regions.
	awsQuotas = quotas{shards: 20000, onDemandStreams: 50, consumers: 20, committedConsumers: 50}
	// ownQuotas are what a load test may want, and a machine can bear: a shard takes a few hundred bytes of memory.
	ownQuotas = quotas{shards: 100000, onDemandStreams: 10000, consumers: 1000, committedConsumers: 1000}
)

// consumersMax bounds the consumers of a stream.
func (s *service) consumersMax() int {
	if a, err := s.streams.AccountSettings(); err == nil && a.Commitment {
		return s.quotas.committedConsumers
	}
	return s.quotas.consumers
}

// limits counts calls and bytes. A nil *limits lets everything through.
type limits struct {
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	buckets map[limited]bucket
	sweep   int // number of buckets at which full ones are forgotten
}

// limited is what has a bucket of its own. Streams, shards and consumers in it exist, so there are not more of them than
// those.
type limited struct {
	operation string
	of        string // account, stream, or ARN of a consumer
	stream    uint64 // incarnation
	shard     uint32
}

func newLimits(now func() time.Time) *limits { return &limits{now: now, buckets: map[limited]bucket{}} }

// update changes the bucket of what by change and returns what that returns.
func (l *limits) update(what limited, change func(b *bucket, now time.Time) bool) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(now)
	b := l.buckets[what]
	ok := change(&b, now)
	l.buckets[what] = b
	return ok
}

// forgetLocked forgets, from time to time, the buckets that are full: no bucket is as good.
func (l *limits) forgetLocked(now time.Time) {
	if len(l.buckets) < l.sweep {
		return
	}
	for what, b := range l.buckets {
		if !b.full.After(now) {
			delete(l.buckets, what)
		}
	}
	l.sweep = 2*len(l.buckets) + 64
}

// take counts one call and says whether it is within perSecond.
func (l *limits) take(what limited, perSecond int) bool {
	return l == nil || l.update(what, func(b *bucket, now time.Time) bool {
		return b.take(now, time.Second/time.Duration(perSecond), time.Second)
	})
}

// bucket is a token bucket, as the time at which it will be full again. The zero value is full.
type bucket struct {
	full time.Time
	shut time.Time // while in debt: when that is paid
}

// take takes out what comes back in cost, if it is there; the bucket holds what comes in burst.
func (b *bucket) take(now time.Time, cost, burst time.Duration) bool {
	full := later(b.full, now).Add(cost)
	if full.Sub(now) > burst {
		return false
	}
	b.full = full
	return true
}

// owe takes out what comes back in cost, also if it is not there. A bucket in debt stays shut until it is full again.
func (b *bucket) owe(now time.Time, cost, burst time.Duration) {
	b.full = later(b.full, now).Add(cost)
	if b.full.Sub(now) > burst {
		b.shut = b.full
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// transferTime is how long n bytes take at a shard's rate of reading.
func transferTime(n int64) time.Duration {
	return time.Duration(float64(n) / readBytesPerSecond * float64(time.Second))
}

// checkChanges refuses an operation on a stream that has seen too many of them within a day.
func (s *service) checkChanges(operation string, d stream.Description) error {
	change := dayChanges[operation]
	if n := len(change.of(&d.Changes)); s.limits != nil && n >= change.most {
		return limitExceeded("%s has been called for stream %s under account %s %d times within 24 hours. Limit: %d.",
			operation, d.Name, s.streams.Account(), n, change.most)
	}
	return nil
}

// admitRate counts a call of an operation, which may be about a stream.
func (s *service) admitRate(ctx context.Context, operation, name string) error {
	rate, ok := callRates[operation]
	if !ok || s.limits == nil {
		return nil
	}
	account := wire.Caller(ctx).Account
	what := limited{operation: operation, of: account}
	if rate.ofStream {
		d, err := s.streams.Describe(ctx, name)
		if err != nil {
			return nil // the operation will say so
		}
		what = limited{operation: operation, stream: d.Incarnation}
	}
	switch {
	case s.limits.take(what, rate.perSecond):
		return nil
	case name == "":
		return limitExceeded("Rate exceeded for account %s.", account)
	}
	return limitExceeded("Rate exceeded for stream %s under account %s.", name, account)
}

func limitExceeded(format string, args ...any) error {
	return wire.Errorf("LimitExceededException", http.StatusBadRequest, format, args...)
}

func ofShard(operation string, sh stream.Shard) limited {
	return limited{operation: operation, stream: sh.Incarnation(), shard: sh.Index()}
}

// rateExceeded refuses a record for a shard, or a reader of it.
func (s *service) rateExceeded(name, shard string) error {
	return wire.Errorf(throttledCode, http.StatusBadRequest, "%s", s.rateText(name, shard))
}

func (s *service) rateText(name, shard string) string {
	return "Rate exceeded for shard " + shard + " in stream " + name + " under account " + s.streams.Account() + "."
}

// admitRead lets a GetRecords read from a shard, unless there were too many, or the bytes of the last ones are still
// being paid for.
func (s *service) admitRead(sh stream.Shard) error {
	if s.limits == nil {
		return nil
	}
	paid := s.limits.update(ofShard("GetRecords.Bytes", sh), func(b *bucket, now time.Time) bool { return !now.Before(b.shut) })
	if paid && s.limits.take(ofShard("GetRecords", sh), readCallsPerSecond) {
		return nil
	}
	sh.ObserveReadThrottled()
	return s.rateExceeded(sh.Stream(), sh.ID())
}

// chargeRead counts the bytes that a GetRecords has read: 10 MiB take five seconds.
func (s *service) chargeRead(sh stream.Shard, bytes int64) {
	if s.limits == nil {
		return
	}
	s.limits.update(ofShard("GetRecords.Bytes", sh), func(b *bucket, now time.Time) bool {
		b.owe(now, transferTime(bytes), time.Second)
		return true
	})
}

// admitIterator lets a GetShardIterator through.
func (s *service) admitIterator(sh stream.Shard) error {
	if s.limits.take(ofShard("GetShardIterator", sh), iteratorCallsPerSecond) {
		return nil
	}
	sh.ObserveReadThrottled()
	return s.rateExceeded(sh.Stream(), sh.ID())
}

// admitSubscribe lets a SubscribeToShard of a consumer through.
func (s *service) admitSubscribe(consumer stream.Consumer, sh stream.Shard) error {
	what := ofShard("SubscribeToShard", sh)
	what.of = consumer.ARN
	if s.limits.take(what, subscribesPerSecond) {
		return nil
	}
	return limitExceeded("Rate exceeded for consumer %s and shard %s in stream %s under account %s.",
		consumer.Name, sh.ID(), sh.Stream(), s.streams.Account())
}

// pace counts the bytes that were pushed to one consumer from one shard, and says how long the next ones have to wait.
func (s *service) pace(b *bucket, bytes int64) time.Duration {
	if s.limits == nil {
		return 0
	}
	now := s.now()
	b.owe(now, transferTime(bytes), time.Second)
	return b.full.Sub(now) - time.Second
}
