package kinesis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const arnS = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

func TestCreateAndDescribe(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("s"), Tags: map[string]string{"team": "rides"},
		StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	w.check(err)
	_, err = w.CreateStream(ctx, &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)})
	w.wantError(err, "ResourceInUseException", "Stream s under account 000000000000 already exists.")
	w.stop()
	w.start()
	sum, err := w.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamARN: aws.String(arnS)})
	w.check(err)
	d := sum.StreamDescriptionSummary
	if *d.StreamARN != arnS || d.StreamStatus != types.StreamStatusActive || *d.OpenShardCount != 4 || *d.RetentionPeriodHours != 24 ||
		d.StreamModeDetails.StreamMode != types.StreamModeOnDemand || d.EncryptionType != types.EncryptionTypeNone || *d.ConsumerCount != 0 ||
		*d.MaxRecordSizeInKiB != 1024 || !d.StreamCreationTimestamp.Equal(w.clock.Now()) || len(d.EnhancedMonitoring) != 1 {
		t.Fatalf("%+v", d)
	}
	for limit, want := range map[int32]int{0: 4, 3: 3, 4: 4} {
		in := &sdk.DescribeStreamInput{StreamName: aws.String("s")}
		if limit > 0 {
			in.Limit = &limit
		}
		out, err := w.DescribeStream(ctx, in)
		w.check(err)
		if n := len(out.StreamDescription.Shards); n != want || *out.StreamDescription.HasMoreShards != (want < 4) {
			t.Fatalf("limit %d: %d shards, more %v", limit, n, *out.StreamDescription.HasMoreShards)
		}
	}
	_, err = w.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamARN: aws.String(strings.Replace(arnS, "000000000000", "111111111111", 1))})
	w.wantError(err, "ResourceNotFoundException", "Stream s under account 111111111111 not found.")
	_, err = w.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamARN: aws.String(arnS), StreamName: aws.String("other")})
	w.wantError(err, "InvalidArgumentException")
	_, err = w.DescribeStream(ctx, &sdk.DescribeStreamInput{})
	w.wantError(err, "InvalidArgumentException")
	limits, err := w.DescribeLimits(ctx, &sdk.DescribeLimitsInput{})
	w.check(err)
	if *limits.OpenShardCount != 0 || *limits.OnDemandStreamCount != 1 {
		t.Fatalf("%+v", limits)
	}
}

func TestRefusedCreations(t *testing.T) {
	w := newLimitedWorld(t)
	onDemand := &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	for _, in := range []*sdk.CreateStreamInput{
		{StreamModeDetails: onDemand, ShardCount: aws.Int32(2)},
		{ShardCount: aws.Int32(1), RecordDistributionStrategy: "AUTO"},
		{ShardCount: aws.Int32(1), Tags: map[string]string{"a;b": "c"}},
	} {
		in.StreamName = aws.String("s")
		_, err := w.CreateStream(t.Context(), in)
		w.wantError(err, "InvalidArgumentException")
		w.clock.advance(time.Second)
	}
	for _, in := range []*sdk.CreateStreamInput{
		{StreamModeDetails: onDemand, WarmThroughputMiBps: aws.Int32(10)}, // the account has no commitment
		{ShardCount: aws.Int32(1), WarmThroughputMiBps: aws.Int32(10)},
	} {
		in.StreamName = aws.String("s")
		_, err := w.CreateStream(t.Context(), in)
		w.wantError(err, "ValidationException", "WarmThroughputMiBps")
	}
	_, err := w.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(20001)})
	w.wantError(err, "LimitExceededException", "20000")
	out, err := w.ListStreams(t.Context(), &sdk.ListStreamsInput{})
	w.check(err)
	if len(out.StreamNames) != 0 {
		t.Fatalf("made %v", out.StreamNames)
	}
}

func TestListStreamsPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("s%d", i)
		w.create(name, 1)
		want = append(want, name)
	}
	var got []string
	pages := sdk.NewListStreamsPaginator(w.Client, &sdk.ListStreamsInput{Limit: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		w.check(err)
		got = append(got, page.StreamNames...)
		if *page.HasMoreStreams != (page.NextToken != nil) || len(page.StreamSummaries) != len(page.StreamNames) {
			t.Fatalf("%+v", page)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	after, err := w.ListStreams(t.Context(), &sdk.ListStreamsInput{ExclusiveStartStreamName: aws.String("s4")})
	w.check(err)
	if !slices.Equal(after.StreamNames, want[5:]) || *after.HasMoreStreams {
		t.Fatalf("%+v", after)
	}
}

func TestListShards(t *testing.T) {
	w := newWorld(t)
	w.create("s", 5)
	ctx := t.Context()
	name := aws.String("s")
	ids := func(out *sdk.ListShardsOutput) (s string) {
		for _, sh := range out.Shards {
			s += (*sh.ShardId)[len(*sh.ShardId)-1:]
		}
		return s
	}
	list := func(in *sdk.ListShardsInput) string {
		t.Helper()
		out, err := w.ListShards(ctx, in)
		w.check(err)
		return ids(out)
	}
	filter := func(kind types.ShardFilterType) *sdk.ListShardsInput {
		return &sdk.ListShardsInput{StreamName: name, ShardFilter: &types.ShardFilter{Type: kind}}
	}
	afterTwo := filter(types.ShardFilterTypeAfterShardId)
	afterTwo.ShardFilter.ShardId = aws.String("shardId-000000000002")
	before := filter(types.ShardFilterTypeAtTimestamp)
	before.ShardFilter.Timestamp = aws.Time(w.clock.Now().Add(-time.Hour))
	since := filter(types.ShardFilterTypeFromTimestamp)
	since.ShardFilter.Timestamp = before.ShardFilter.Timestamp
	for _, c := range []struct {
		in   *sdk.ListShardsInput
		want string
	}{
		{&sdk.ListShardsInput{StreamName: name}, "01234"},
		{&sdk.ListShardsInput{StreamARN: aws.String(arnS), ExclusiveStartShardId: aws.String("shardId-000000000001")}, "234"},
		{filter(types.ShardFilterTypeAtLatest), "01234"}, {filter(types.ShardFilterTypeAtTrimHorizon), "01234"},
		{filter(types.ShardFilterTypeFromTrimHorizon), "01234"}, {afterTwo, "34"}, {before, ""}, {since, "01234"},
	} {
		if got := list(c.in); got != c.want {
			t.Errorf("%+v %+v: %q, want %q", c.in, c.in.ShardFilter, got, c.want)
		}
	}
	afterTwo.MaxResults = aws.Int32(1)
	first, err := w.ListShards(ctx, afterTwo)
	w.check(err)
	second, err := w.ListShards(ctx, &sdk.ListShardsInput{NextToken: first.NextToken})
	w.check(err)
	if ids(first) != "3" || ids(second) != "4" || second.NextToken != nil {
		t.Fatalf("pages %q %q", ids(first), ids(second))
	}
	w.refused("ListShards", `{}`, "InvalidArgumentException", "Either NextToken or StreamName should be provided.")
	for _, in := range []*sdk.ListShardsInput{
		{StreamName: name}, {ExclusiveStartShardId: aws.String("shardId-0")}, {StreamCreationTimestamp: aws.Time(w.clock.Now())},
		{ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}},
	} {
		in.NextToken = first.NextToken
		_, err := w.ListShards(ctx, in)
		w.wantError(err, "InvalidArgumentException", "cannot be provided together")
	}
	_, err = w.ListShards(ctx, &sdk.ListShardsInput{NextToken: aws.String("AAAA")})
	w.wantError(err, "InvalidArgumentException")
	w.clock.advance(301 * time.Second)
	_, err = w.ListShards(ctx, &sdk.ListShardsInput{NextToken: first.NextToken})
	w.wantError(err, "ExpiredNextTokenException")
}

func TestRetention(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	increase := func(hours int32) error {
		_, err := w.IncreaseStreamRetentionPeriod(t.Context(), &sdk.IncreaseStreamRetentionPeriodInput{StreamName: aws.String("s"), RetentionPeriodHours: &hours})
		return err
	}
	decrease := func(hours int32) error {
		_, err := w.DecreaseStreamRetentionPeriod(t.Context(), &sdk.DecreaseStreamRetentionPeriodInput{StreamName: aws.String("s"), RetentionPeriodHours: &hours})
		return err
	}
	w.check(increase(24)) // as Terraform does
	w.wantError(increase(23), "InvalidArgumentException", "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.")
	w.wantError(increase(8761), "InvalidArgumentException", "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.")
	w.check(increase(48))
	w.wantError(increase(47), "InvalidArgumentException", "can not be shorter than existing retention period (48 hours)")
	w.wantError(decrease(49), "InvalidArgumentException", "can not be longer than existing retention period (48 hours)")
	w.put("s", "k", "a")
	w.clock.advance(30 * time.Hour)
	if got := texts(w.get(w.iterator(horizon("s", shard0))).Records); got != "a" {
		t.Fatalf("after 30 hours of 48: %q", got)
	}
	w.check(decrease(24))
	if got := texts(w.get(w.iterator(horizon("s", shard0))).Records); got != "" {
		t.Fatalf("after 30 hours of 24: %q", got)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	ctx := t.Context()
	tags := map[string]string{}
	for i := range 50 {
		tags[fmt.Sprintf("k%02d", i)] = "v"
	}
	_, err := w.AddTagsToStream(ctx, &sdk.AddTagsToStreamInput{StreamName: aws.String("s"), Tags: tags})
	w.check(err)
	_, err = w.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: aws.String(arnS), Tags: map[string]string{"k00": "new"}})
	w.check(err)
	_, err = w.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: aws.String(arnS), Tags: map[string]string{"one": "more"}})
	w.wantError(err, "InvalidArgumentException", "cannot have more than 50 tags")
	_, err = w.AddTagsToStream(ctx, &sdk.AddTagsToStreamInput{StreamName: aws.String("s"), Tags: map[string]string{"a,b": "c"}})
	w.wantError(err, "InvalidArgumentException", "invalid characters")
	_, err = w.RemoveTagsFromStream(ctx, &sdk.RemoveTagsFromStreamInput{StreamName: aws.String("none"), TagKeys: []string{"a;b"}})
	w.wantError(err, "ResourceNotFoundException", "Stream none under account 000000000000 not found.")
	page, err := w.ListTagsForStream(ctx, &sdk.ListTagsForStreamInput{StreamName: aws.String("s"), Limit: aws.Int32(2), ExclusiveStartTagKey: aws.String("k47")})
	w.check(err)
	if len(page.Tags) != 2 || *page.Tags[0].Key != "k48" || *page.HasMoreTags {
		t.Fatalf("%+v", page)
	}
	_, err = w.RemoveTagsFromStream(ctx, &sdk.RemoveTagsFromStreamInput{StreamName: aws.String("s"), TagKeys: []string{"k01", "none"}})
	w.check(err)
	var keys []string
	for i := 2; i < 50; i++ {
		keys = append(keys, fmt.Sprintf("k%02d", i))
	}
	_, err = w.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: aws.String(arnS), TagKeys: keys})
	w.check(err)
	all, err := w.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: aws.String(arnS)})
	w.check(err)
	if len(all.Tags) != 1 || *all.Tags[0].Value != "new" {
		t.Fatalf("%+v", all.Tags)
	}
}

func TestMonitoring(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	on, err := w.EnableEnhancedMonitoring(t.Context(), &sdk.EnableEnhancedMonitoringInput{StreamName: aws.String("s"), ShardLevelMetrics: []types.MetricsName{"ALL"}})
	w.check(err)
	if len(on.CurrentShardLevelMetrics) != 0 || len(on.DesiredShardLevelMetrics) != 7 || *on.StreamARN != arnS {
		t.Fatalf("%+v", on)
	}
	off, err := w.DisableEnhancedMonitoring(t.Context(), &sdk.DisableEnhancedMonitoringInput{StreamName: aws.String("s"), ShardLevelMetrics: []types.MetricsName{"IncomingBytes"}})
	w.check(err)
	if len(off.CurrentShardLevelMetrics) != 7 || len(off.DesiredShardLevelMetrics) != 6 {
		t.Fatalf("%+v", off)
	}
	_, err = w.UpdateStreamMode(t.Context(), &sdk.UpdateStreamModeInput{StreamARN: aws.String(arnS), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	w.check(err)
	sum, err := w.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	w.check(err)
	if d := sum.StreamDescriptionSummary; len(d.EnhancedMonitoring[0].ShardLevelMetrics) != 6 || d.StreamModeDetails.StreamMode != types.StreamModeOnDemand || *d.OpenShardCount != 1 {
		t.Fatalf("%+v", d)
	}
}

func TestConsumers(t *testing.T) {
	w := newLimitedWorld(t)
	w.create("s", 1)
	ctx := t.Context()
	register := func(name string) (*sdk.RegisterStreamConsumerOutput, error) {
		w.clock.advance(time.Second)
		return w.RegisterStreamConsumer(ctx, &sdk.RegisterStreamConsumerInput{StreamARN: aws.String(arnS), ConsumerName: &name, Tags: map[string]string{"a": "b"}})
	}
	c, err := register("c1")
	w.check(err)
	arn := c.Consumer.ConsumerARN
	if want := fmt.Sprintf("%s/consumer/c1:%d", arnS, w.clock.Now().Unix()); *arn != want {
		t.Fatalf("%s, want %s", *arn, want)
	}
	_, err = register("c1")
	w.wantError(err, "ResourceInUseException", "already exists")
	for i := 2; i <= 20; i++ {
		_, err = register(fmt.Sprintf("c%d", i))
		w.check(err)
	}
	_, err = register("c21")
	w.wantError(err, "LimitExceededException")
	names := 0
	pages := sdk.NewListStreamConsumersPaginator(w.Client, &sdk.ListStreamConsumersInput{StreamARN: aws.String(arnS), MaxResults: aws.Int32(7)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		w.check(err)
		names += len(page.Consumers)
	}
	tags, err := w.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: arn})
	w.check(err)
	if names != 20 || len(tags.Tags) != 1 {
		t.Fatalf("%d consumers, tags %v", names, tags.Tags)
	}
	_, err = w.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("s")})
	w.wantError(err, "ResourceInUseException")
	one, err := w.DescribeStreamConsumer(ctx, &sdk.DescribeStreamConsumerInput{StreamARN: aws.String(arnS), ConsumerName: aws.String("c1")})
	w.check(err)
	if d := one.ConsumerDescription; *d.ConsumerARN != *arn || *d.StreamARN != arnS || d.ConsumerStatus != types.ConsumerStatusActive {
		t.Fatalf("%+v", d)
	}
	_, err = w.DeregisterStreamConsumer(ctx, &sdk.DeregisterStreamConsumerInput{ConsumerARN: arn})
	w.check(err)
	w.clock.advance(time.Second)
	_, err = register("c1")
	w.check(err)
	_, err = w.DescribeStreamConsumer(ctx, &sdk.DescribeStreamConsumerInput{ConsumerARN: arn})
	w.wantError(err, "ResourceNotFoundException", "Consumer c1, account 000000000000 not found.")
	_, err = w.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)})
	w.check(err)
}
