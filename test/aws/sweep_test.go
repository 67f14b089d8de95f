package aws_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/weir-data/weir/internal/awshttp"
	"github.com/weir-data/weir/wire"
)

// sweep is the official client of a server, and the operations that it has called with success.
type sweep struct {
	*testing.T
	*sdk.Client
	called map[string]bool
}

// newSweep serves Kinesis on a port of this machine and makes a client that reaches it by way of transport.
func newSweep(t *testing.T, transport http.RoundTripper, hangUp func()) *sweep {
	t.Helper()
	front := newFront(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- wire.Serve(ctx, ln, front) }()
	t.Cleanup(func() {
		hangUp()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s := &sweep{T: t, called: map[string]bool{}}
	s.Client = sdk.New(sdk.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://" + ln.Addr().String()),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   awshttp.OwnBody(&http.Client{Transport: transport}),
		APIOptions:   []func(*middleware.Stack) error{s.note},
	})
	return s
}

// note makes the client tell which operations succeed.
func (s *sweep) note(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("note", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleInitialize(ctx, in)
		if err == nil {
			s.called[middleware.GetOperationName(ctx)] = true
		}
		return out, meta, err
	}), middleware.After)
}

func (s *sweep) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// must is the answer of a call that has to succeed.
func must[T any](out T, err error) func(s *sweep) T {
	return func(s *sweep) T {
		s.Helper()
		s.check(err)
		return out
	}
}

// refused demands an exception of the SDK's own type.
func refused[E smithy.APIError](s *sweep, err error) {
	s.Helper()
	var want E
	if !errors.As(err, &want) {
		s.Fatalf("got %v, want %T", err, want)
	}
}

const arnOf = "arn:aws:kinesis:us-east-1:" + account + ":"

func streamARN(name string) *string { return aws.String(arnOf + "stream/" + name) }

// Every operation of the client, over every way to reach the server.
func TestSweep(t *testing.T) {
	var plain, h2c http.Transport
	hangUp := func() {
		plain.CloseIdleConnections()
		h2c.CloseIdleConnections()
	}
	h2c.Protocols = new(http.Protocols)
	h2c.Protocols.SetUnencryptedHTTP2(true)
	for name, transport := range map[string]http.RoundTripper{
		"HTTP1": &plain, "h2c": &h2c, "CBOR": &cborTransport{&plain}, "CBOR over h2c": &cborTransport{&h2c},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweep(t, transport, hangUp)
			s.streams()
			s.records()
			s.consumers()
			s.tags()
			s.settings()
			s.shards()
			s.onDemand()
			s.channels()
			s.policies()
			s.end()
			s.all()
		})
	}
}

// all demands that no operation of the client was left out.
func (s *sweep) all() {
	client := reflect.TypeFor[*sdk.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() == 4 && m.Type.NumOut() == 2 && !s.called[m.Name] {
			s.Errorf("%s was never called with success", m.Name)
		}
	}
}

func (s *sweep) streams() {
	ctx := s.Context()
	create := &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(2), Tags: map[string]string{"team": "rides"}}
	must(s.CreateStream(ctx, create))(s)
	_, err := s.CreateStream(ctx, create)
	refused[*types.ResourceInUseException](s, err)
	d, err := sdk.NewStreamExistsWaiter(s.Client).WaitForOutput(ctx, &sdk.DescribeStreamInput{StreamName: aws.String("s")}, time.Minute)
	s.check(err)
	if *d.StreamDescription.StreamARN != *streamARN("s") || len(d.StreamDescription.Shards) != 2 {
		s.Fatalf("%+v", d.StreamDescription)
	}
	shards := 0
	for pages := sdk.NewDescribeStreamPaginator(s.Client, &sdk.DescribeStreamInput{StreamName: aws.String("s"), Limit: aws.Int32(1)}); pages.HasMorePages(); {
		shards += len(must(pages.NextPage(ctx))(s).StreamDescription.Shards)
	}
	sum := must(s.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamARN: streamARN("s")}))(s).StreamDescriptionSummary
	limits := must(s.DescribeLimits(ctx, &sdk.DescribeLimitsInput{}))(s)
	if shards != 2 || *sum.OpenShardCount != 2 || *limits.OpenShardCount != 2 {
		s.Fatalf("%d shards in pages, %d in the summary, %d in the account", shards, *sum.OpenShardCount, *limits.OpenShardCount)
	}
	if age := time.Since(*sum.StreamCreationTimestamp); age < 0 || age > time.Hour {
		s.Fatalf("created at %s", sum.StreamCreationTimestamp)
	}
	must(s.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("t"), ShardCount: aws.Int32(1)}))(s)
	var names []string
	for pages := sdk.NewListStreamsPaginator(s.Client, &sdk.ListStreamsInput{Limit: aws.Int32(1)}); pages.HasMorePages(); {
		names = append(names, must(pages.NextPage(ctx))(s).StreamNames...)
	}
	if !slices.Equal(names, []string{"s", "t"}) {
		s.Fatalf("streams %v", names)
	}
	_, err = s.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: aws.String("none")})
	refused[*types.ResourceNotFoundException](s, err)
	_, err = s.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamName: aws.String("a b")})
	refused[*types.ValidationException](s, err)
}

func (s *sweep) records() {
	ctx := s.Context()
	data := []byte{0, 1, 0xff, '"'}
	put := &sdk.PutRecordInput{StreamName: aws.String("t"), PartitionKey: aws.String("kü"), Data: data}
	one := must(s.PutRecord(ctx, put))(s)
	put.DryRun = aws.Bool(true)
	_, err := s.PutRecord(ctx, put)
	refused[*types.DryRunOperationException](s, err)
	many := &sdk.PutRecordsInput{StreamARN: streamARN("t"), Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("a"), Data: []byte("b")}, {
		PartitionKey: aws.String("c"), ExplicitHashKey: aws.String("0"), Data: []byte{}}}}
	if out := must(s.PutRecords(ctx, many))(s); *out.FailedRecordCount != 0 || len(out.Records) != 2 {
		s.Fatalf("%+v", out)
	}
	list := must(s.ListShards(ctx, &sdk.ListShardsInput{StreamName: aws.String("t")}))(s)
	if len(list.Shards) != 1 || *list.Shards[0].ShardId != *one.ShardId {
		s.Fatalf("%+v", list.Shards)
	}
	it := must(s.GetShardIterator(ctx, &sdk.GetShardIteratorInput{
		StreamName: aws.String("t"), ShardId: one.ShardId, ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.Now().Add(-time.Minute)),
	}))(s)
	got := must(s.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: it.ShardIterator}))(s)
	if len(got.Records) != 3 || string(got.Records[0].Data) != string(data) || *got.Records[0].PartitionKey != "kü" ||
		*got.Records[0].SequenceNumber != *one.SequenceNumber || *got.MillisBehindLatest != 0 {
		s.Fatalf("%+v", got.Records)
	}
	if age := time.Since(*got.Records[0].ApproximateArrivalTimestamp); age < -time.Second || age > time.Hour {
		s.Fatalf("arrived %s ago", age)
	}
	_, err = s.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: aws.String("AAAA")})
	refused[*types.InvalidArgumentException](s, err)
	_, err = s.GetShardIterator(ctx, &sdk.GetShardIteratorInput{StreamName: aws.String("t"), ShardId: aws.String("shardId-000000000009"), ShardIteratorType: types.ShardIteratorTypeLatest})
	refused[*types.ResourceNotFoundException](s, err)
}

func (s *sweep) consumers() {
	ctx := s.Context()
	c := must(s.RegisterStreamConsumer(ctx, &sdk.RegisterStreamConsumerInput{StreamARN: streamARN("t"), ConsumerName: aws.String("c"), Tags: map[string]string{"a": "b"}}))(s).Consumer
	must(s.RegisterStreamConsumer(ctx, &sdk.RegisterStreamConsumerInput{StreamARN: streamARN("t"), ConsumerName: aws.String("d")}))(s)
	d := must(s.DescribeStreamConsumer(ctx, &sdk.DescribeStreamConsumerInput{ConsumerARN: c.ConsumerARN}))(s).ConsumerDescription
	if *d.StreamARN != *streamARN("t") || d.ConsumerStatus != types.ConsumerStatusActive {
		s.Fatalf("%+v", d)
	}
	count := 0
	for pages := sdk.NewListStreamConsumersPaginator(s.Client, &sdk.ListStreamConsumersInput{StreamARN: streamARN("t"), MaxResults: aws.Int32(1)}); pages.HasMorePages(); {
		count += len(must(pages.NextPage(ctx))(s).Consumers)
	}
	if tags := must(s.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: c.ConsumerARN}))(s).Tags; count != 2 || len(tags) != 1 {
		s.Fatalf("%d consumers, tags %v", count, tags)
	}
	s.subscription(c.ConsumerARN)
	must(s.DeregisterStreamConsumer(ctx, &sdk.DeregisterStreamConsumerInput{ConsumerARN: c.ConsumerARN}))(s)
	_, err := s.DescribeStreamConsumer(ctx, &sdk.DescribeStreamConsumerInput{ConsumerARN: c.ConsumerARN})
	refused[*types.ResourceNotFoundException](s, err)
}

// subscription reads the first event of a push.
func (s *sweep) subscription(consumer *string) {
	in := &sdk.SubscribeToShardInput{ConsumerARN: consumer, ShardId: aws.String("shardId-000000000000"),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}}
	push := must(s.SubscribeToShard(s.Context(), in))(s).GetStream()
	event, ok := (<-push.Events()).(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
	if !ok || len(event.Value.Records) != 3 || event.Value.ContinuationSequenceNumber == nil || string(event.Value.Records[1].Data) != "b" {
		s.Fatalf("event %+v, %v", event, push.Err())
	}
	_, err := s.SubscribeToShard(s.Context(), in)
	refused[*types.ResourceInUseException](s, err)
	s.check(push.Close())
}

func (s *sweep) tags() {
	ctx := s.Context()
	must(s.AddTagsToStream(ctx, &sdk.AddTagsToStreamInput{StreamName: aws.String("s"), Tags: map[string]string{"env": "test"}}))(s)
	must(s.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: streamARN("s"), Tags: map[string]string{"more": "ü"}}))(s)
	must(s.RemoveTagsFromStream(ctx, &sdk.RemoveTagsFromStreamInput{StreamName: aws.String("s"), TagKeys: []string{"team"}}))(s)
	must(s.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: streamARN("s"), TagKeys: []string{"env"}}))(s)
	tags := must(s.ListTagsForStream(ctx, &sdk.ListTagsForStreamInput{StreamName: aws.String("s")}))(s).Tags
	if len(tags) != 1 || *tags[0].Key != "more" || *tags[0].Value != "ü" {
		s.Fatalf("%+v", tags)
	}
	_, err := s.AddTagsToStream(ctx, &sdk.AddTagsToStreamInput{StreamName: aws.String("s"), Tags: map[string]string{"a;b": ""}})
	refused[*types.InvalidArgumentException](s, err)
}

func (s *sweep) settings() {
	ctx, name := s.Context(), aws.String("s")
	must(s.IncreaseStreamRetentionPeriod(ctx, &sdk.IncreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(48)}))(s)
	must(s.DecreaseStreamRetentionPeriod(ctx, &sdk.DecreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(30)}))(s)
	on := must(s.EnableEnhancedMonitoring(ctx, &sdk.EnableEnhancedMonitoringInput{StreamName: name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}}))(s)
	off := must(s.DisableEnhancedMonitoring(ctx, &sdk.DisableEnhancedMonitoringInput{StreamName: name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingBytes}}))(s)
	if len(on.DesiredShardLevelMetrics) != 7 || len(off.DesiredShardLevelMetrics) != 6 {
		s.Fatalf("%v %v", on.DesiredShardLevelMetrics, off.DesiredShardLevelMetrics)
	}
	must(s.UpdateMaxRecordSize(ctx, &sdk.UpdateMaxRecordSizeInput{StreamARN: streamARN("s"), MaxRecordSizeInKiB: aws.Int32(2048)}))(s)
	start := &sdk.StartStreamEncryptionInput{StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}
	must(s.StartStreamEncryption(ctx, start))(s)
	if put := must(s.PutRecord(ctx, &sdk.PutRecordInput{StreamName: name, PartitionKey: aws.String("k"), Data: []byte("secret")}))(s); put.EncryptionType != types.EncryptionTypeKms {
		s.Fatalf("put with encryption %q", put.EncryptionType)
	}
	sum := must(s.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: name}))(s).StreamDescriptionSummary
	if *sum.RetentionPeriodHours != 30 || len(sum.EnhancedMonitoring[0].ShardLevelMetrics) != 6 || *sum.MaxRecordSizeInKiB != 2048 || sum.EncryptionType != types.EncryptionTypeKms {
		s.Fatalf("%+v", sum)
	}
	must(s.StopStreamEncryption(ctx, &sdk.StopStreamEncryptionInput{StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}))(s)
	account := must(s.UpdateAccountSettings(ctx, &sdk.UpdateAccountSettingsInput{
		MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: types.MinimumThroughputBillingCommitmentInputStatusEnabled}}))(s)
	again := must(s.DescribeAccountSettings(ctx, &sdk.DescribeAccountSettingsInput{}))(s)
	if !reflect.DeepEqual(account.MinimumThroughputBillingCommitment, again.MinimumThroughputBillingCommitment) || again.MinimumThroughputBillingCommitment.StartedAt == nil {
		s.Fatalf("%+v, then %+v", account.MinimumThroughputBillingCommitment, again.MinimumThroughputBillingCommitment)
	}
	_, err := s.IncreaseStreamRetentionPeriod(ctx, &sdk.IncreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(9000)})
	refused[*types.InvalidArgumentException](s, err)
}

func (s *sweep) shards() {
	ctx, name := s.Context(), aws.String("s")
	must(s.SplitShard(ctx, &sdk.SplitShardInput{StreamName: name, ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("1000")}))(s)
	must(s.MergeShards(ctx, &sdk.MergeShardsInput{StreamName: name, ShardToMerge: aws.String("shardId-000000000002"), AdjacentShardToMerge: aws.String("shardId-000000000003")}))(s)
	scaled := must(s.UpdateShardCount(ctx, &sdk.UpdateShardCountInput{StreamName: name, TargetShardCount: aws.Int32(3), ScalingType: types.ScalingTypeUniformScaling}))(s)
	if *scaled.CurrentShardCount != 2 || *scaled.TargetShardCount != 3 || *scaled.StreamARN != *streamARN("s") {
		s.Fatalf("%+v", scaled)
	}
	open := must(s.ListShards(ctx, &sdk.ListShardsInput{StreamName: name, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}))(s).Shards
	if len(open) != 3 || open[0].ParentShardId == nil {
		s.Fatalf("%+v", open)
	}
	_, err := s.UpdateShardCount(ctx, &sdk.UpdateShardCountInput{StreamName: name, TargetShardCount: aws.Int32(100000), ScalingType: types.ScalingTypeUniformScaling})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "InvalidArgumentException" && e.ErrorCode() != "LimitExceededException" {
		s.Fatalf("100,000 shards: %v", err)
	}
	_, err = s.SplitShard(ctx, &sdk.SplitShardInput{StreamName: name, ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("1000")})
	refused[*types.InvalidArgumentException](s, err)
}

func (s *sweep) onDemand() {
	ctx := s.Context()
	must(s.UpdateStreamMode(ctx, &sdk.UpdateStreamModeInput{StreamARN: streamARN("t"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))(s)
	warm := must(s.UpdateStreamWarmThroughput(ctx, &sdk.UpdateStreamWarmThroughputInput{StreamARN: streamARN("t"), WarmThroughputMiBps: aws.Int32(4)}))(s)
	if *warm.WarmThroughput.TargetMiBps != 4 || *warm.StreamName != "t" {
		s.Fatalf("%+v", warm)
	}
	must(s.UpdateStreamRecordDistributionStrategy(ctx, &sdk.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: streamARN("t"), RecordDistributionStrategy: types.RecordDistributionStrategyAuto}))(s)
	must(s.PutRecord(ctx, &sdk.PutRecordInput{StreamName: aws.String("t"), Data: []byte("without a key")}))(s)
	_, err := s.SplitShard(ctx, &sdk.SplitShardInput{StreamName: aws.String("t"), ShardToSplit: aws.String("shardId-000000000001"), NewStartingHashKey: aws.String("1000")})
	refused[*types.ValidationException](s, err)
	_, err = s.UpdateStreamRecordDistributionStrategy(ctx, &sdk.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: streamARN("s"), RecordDistributionStrategy: types.RecordDistributionStrategyAuto})
	refused[*types.InvalidArgumentException](s, err)
}

func (s *sweep) policies() {
	ctx := s.Context()
	policy := strings.NewReplacer("STREAM", *streamARN("t")).Replace(`{"Version":"2012-10-17","Statement":[{"Sid":"read","Effect":"Allow",` +
		`"Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":["kinesis:DescribeStreamSummary","kinesis:ListShards","kinesis:GetRecords","kinesis:GetShardIterator"],"Resource":"STREAM"}]}`)
	if none := must(s.GetResourcePolicy(ctx, &sdk.GetResourcePolicyInput{ResourceARN: streamARN("t")}))(s); *none.Policy != "{}" {
		s.Fatalf("no policy is %q", *none.Policy)
	}
	must(s.PutResourcePolicy(ctx, &sdk.PutResourcePolicyInput{ResourceARN: streamARN("t"), Policy: &policy}))(s)
	if got := must(s.GetResourcePolicy(ctx, &sdk.GetResourcePolicyInput{ResourceARN: streamARN("t")}))(s); !strings.Contains(*got.Policy, "111111111111") {
		s.Fatalf("policy %s", *got.Policy)
	}
	must(s.DeleteResourcePolicy(ctx, &sdk.DeleteResourcePolicyInput{ResourceARN: streamARN("t")}))(s)
	_, err := s.DeleteResourcePolicy(ctx, &sdk.DeleteResourcePolicyInput{ResourceARN: streamARN("t")})
	refused[*types.ResourceNotFoundException](s, err)
}

func (s *sweep) end() {
	ctx := s.Context()
	_, err := s.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("t")}) // it has a consumer
	refused[*types.ResourceInUseException](s, err)
	must(s.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("t"), EnforceConsumerDeletion: aws.Bool(true)}))(s)
	s.check(sdk.NewStreamNotExistsWaiter(s.Client).Wait(ctx, &sdk.DescribeStreamInput{StreamName: aws.String("t")}, time.Minute))
}
