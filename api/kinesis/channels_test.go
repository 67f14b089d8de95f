package kinesis_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/stream"
)

// bucketStore is buckets in memory, lake and dead, that tell of every put.
type bucketStore struct {
	*mem.Store
	puts chan string // bucket/key
}

func newBucketStore(t *testing.T) *bucketStore {
	s := &bucketStore{mem.New(nil), make(chan string, 1000)}
	for _, name := range []string{"lake", "dead"} {
		if err := s.CreateBucket(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *bucketStore) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	info, err := s.Store.Put(ctx, bucket, key, body, opts)
	if err == nil {
		s.puts <- bucket + "/" + key
	}
	return info, err
}

const account = "000000000000"

func (w *world) streamForChannel(name string) (arn string) {
	w.Helper()
	_, err := w.CreateStream(w.Context(), &sdk.CreateStreamInput{StreamName: &name, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	w.check(err)
	return w.store.StreamARN(name)
}

// channelInput is the least request for a channel, changed by edit.
func channelInput(stream string, edit func(*sdk.CreateChannelInput)) *sdk.CreateChannelInput {
	in := &sdk.CreateChannelInput{
		ChannelName:             aws.String("c"),
		ServiceExecutionRoleARN: aws.String("arn:aws:iam::000000000000:role/channels"),
		StreamConfigurationList: []types.ChannelStreamConfiguration{{
			StreamARN: &stream, RecordConfiguration: &types.RecordConfiguration{RecordFormatType: types.RecordFormatTypeJson},
		}},
		S3DestinationConfiguration: &types.S3DestinationConfiguration{StorageConfiguration: &types.S3StorageConfiguration{
			BucketARN: aws.String("arn:aws:s3:::lake"), ExpectedBucketOwner: aws.String(account), CompressionType: types.S3CompressionTypeNone,
		}},
	}
	if edit != nil {
		edit(in)
	}
	return in
}

func (w *world) channel(stream string, edit func(*sdk.CreateChannelInput)) *types.ChannelDescription {
	w.Helper()
	out, err := w.CreateChannel(w.Context(), channelInput(stream, edit))
	w.check(err)
	return out.ChannelDescription
}

func TestChannelDescription(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	arn := w.streamForChannel("s")
	made := w.channel(arn, func(in *sdk.CreateChannelInput) { in.Tags = map[string]string{"team": "river"} })
	if made.ChannelStatus != types.ChannelStatusCreating || *made.ChannelARN != "arn:aws:kinesis:us-east-1:000000000000:channel/"+*made.ChannelId {
		t.Fatalf("%+v", made)
	}
	w.check(sdk.NewChannelActiveWaiter(w.Client).Wait(ctx, &sdk.DescribeChannelInput{ChannelARN: made.ChannelARN}, time.Minute))
	got, err := w.DescribeChannel(ctx, &sdk.DescribeChannelInput{ChannelARN: made.ChannelARN})
	w.check(err)
	d := got.ChannelDescription
	s3, from := d.S3DestinationConfiguration, d.StreamConfigurationList[0]
	if *d.ChannelName != "c" || d.ChannelStatusReason != nil || !d.ChannelCreationTimestamp.Equal(w.clock.Now()) ||
		*d.ServiceExecutionRoleARN != "arn:aws:iam::000000000000:role/channels" || *d.LoggingConfiguration.CloudWatchLogs.Enabled ||
		*from.StreamARN != arn || from.StreamCreationTimestamp.IsZero() || from.RecordConfiguration.RecordFormatType != types.RecordFormatTypeJson ||
		*s3.DataFreshnessInSeconds != 300 || s3.StorageConfiguration.StorageClass != types.S3StorageClassStandard ||
		!strings.HasPrefix(*s3.StorageConfiguration.OutputKeyTemplate, "kinesis-channel/!{channel-name}/") ||
		*s3.DeadLetterQueueS3Configuration.BucketARN != "arn:aws:s3:::lake" ||
		*s3.DeadLetterQueueS3Configuration.ErrorOutputPrefix != "kinesis-channel/errors/c/"+*d.ChannelId+"/" {
		t.Errorf("%+v\n%+v", d, s3)
	}
	updated, err := w.UpdateChannel(ctx, &sdk.UpdateChannelInput{ChannelARN: d.ChannelARN,
		S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(900)},
		LoggingConfiguration: &types.ChannelLoggingUpdateInput{CloudWatchLogs: &types.CloudWatchLogsUpdateInput{
			Enabled: aws.Bool(false), LogGroupName: aws.String("g")}}})
	w.check(err)
	if u := updated.ChannelDescription; u.ChannelStatus != types.ChannelStatusUpdating || *u.S3DestinationConfiguration.DataFreshnessInSeconds != 900 ||
		*u.LoggingConfiguration.CloudWatchLogs.LogGroupName != "g" {
		t.Errorf("%+v", u)
	}
	w.stop()
	w.start()
	got, err = w.DescribeChannel(ctx, &sdk.DescribeChannelInput{ChannelARN: made.ChannelARN})
	w.check(err)
	if d := got.ChannelDescription; d.ChannelStatus != types.ChannelStatusActive || *d.S3DestinationConfiguration.DataFreshnessInSeconds != 900 {
		t.Errorf("after a restart %+v", d)
	}
	w.channelTags(made.ChannelARN)
	sum, err := w.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	w.check(err)
	limits, err := w.DescribeLimits(ctx, &sdk.DescribeLimitsInput{})
	w.check(err)
	if *sum.StreamDescriptionSummary.ChannelCount != 1 || *limits.ChannelCount != 1 || *limits.ChannelCountLimit != 100 {
		t.Errorf("channels: %d of the stream, %d of %d", *sum.StreamDescriptionSummary.ChannelCount, *limits.ChannelCount, *limits.ChannelCountLimit)
	}
}

func (w *world) channelTags(arn *string) {
	w.Helper()
	ctx := w.Context()
	_, err := w.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"a": "1", "b": "2"}})
	w.check(err)
	_, err = w.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a"}})
	w.check(err)
	tags, err := w.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: arn})
	w.check(err)
	if len(tags.Tags) != 2 || *tags.Tags[0].Key != "b" || *tags.Tags[1].Key != "team" {
		w.Errorf("tags %+v", tags.Tags)
	}
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint("t", i)] = ""
	}
	_, err = w.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: arn, Tags: many})
	w.wantError(err, "InvalidArgumentException", "more than 50 tags")
	_, err = w.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: aws.String(*arn + "x")})
	w.wantError(err, "ResourceNotFoundException", "Channel")
}

func TestChannelErrors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	arn := w.streamForChannel("s")
	w.create("provisioned", 1)
	create := func(edit func(*sdk.CreateChannelInput)) error {
		_, err := w.CreateChannel(ctx, channelInput(arn, edit))
		return err
	}
	storage := func(in *sdk.CreateChannelInput) *types.S3StorageConfiguration {
		return in.S3DestinationConfiguration.StorageConfiguration
	}
	for text, edit := range map[string]func(in *sdk.CreateChannelInput){
		"Exactly one of": func(in *sdk.CreateChannelInput) { in.S3DestinationConfiguration = nil },
		"no table buckets": func(in *sdk.CreateChannelInput) {
			in.S3DestinationConfiguration, in.S3TablesDestinationConfiguration = nil, tables()
		},
		"both: Exactly one of": func(in *sdk.CreateChannelInput) { in.S3TablesDestinationConfiguration = tables() },
		"reads from one stream": func(in *sdk.CreateChannelInput) {
			in.StreamConfigurationList = slices.Repeat(in.StreamConfigurationList, 2)
		},
		"between 300 and 900": func(in *sdk.CreateChannelInput) {
			in.S3DestinationConfiguration.DataFreshnessInSeconds = aws.Int32(299)
		},
		"high: between 300 and 900": func(in *sdk.CreateChannelInput) {
			in.S3DestinationConfiguration.DataFreshnessInSeconds = aws.Int32(901)
		},
		"GSR_JSON is not supported": func(in *sdk.CreateChannelInput) {
			in.StreamConfigurationList[0].RecordConfiguration.RecordFormatType = "GSR_JSON"
		},
		"Bucket absent does not exist": func(in *sdk.CreateChannelInput) { storage(in).BucketARN = aws.String("arn:aws:s3:::absent") },
		"does not own the bucket":      func(in *sdk.CreateChannelInput) { storage(in).ExpectedBucketOwner = aws.String("111111111111") },
		"must end in an extension": func(in *sdk.CreateChannelInput) {
			storage(in).CompressionType, storage(in).OutputKeyTemplate = "ZSTD", aws.String("!{yyyy}")
		},
		"no CloudWatch Logs": func(in *sdk.CreateChannelInput) {
			in.LoggingConfiguration = &types.ChannelLoggingConfiguration{CloudWatchLogs: &types.CloudWatchLogs{Enabled: aws.Bool(true)}}
		},
		"under a KMS key": func(in *sdk.CreateChannelInput) {
			in.EncryptionConfiguration = &types.ChannelEncryptionConfiguration{EncryptionType: "KMS", KeyId: aws.String("k")}
		},
		"PROVISIONED mode": func(in *sdk.CreateChannelInput) {
			in.StreamConfigurationList[0].StreamARN = aws.String(w.store.StreamARN("provisioned"))
		},
		"dead: Bucket absent does not exist": func(in *sdk.CreateChannelInput) {
			in.S3DestinationConfiguration.DeadLetterQueueS3Configuration = &types.DeadLetterQueueS3Configuration{
				BucketARN: aws.String("arn:aws:s3:::absent"), ExpectedBucketOwner: aws.String(account)}
		},
	} {
		_, after, found := strings.Cut(text, ": ")
		if !found {
			after = text
		}
		w.wantError(create(edit), "InvalidArgumentException", after)
	}
	w.wantError(create(func(in *sdk.CreateChannelInput) {
		in.StreamConfigurationList[0].StreamARN = aws.String(w.store.StreamARN("absent"))
	}), "ResourceNotFoundException", "Stream absent under account 000000000000 not found.")
	w.check(create(nil))
	w.wantError(create(nil), "ResourceInUseException", "Channel c under account 000000000000 already exists.")
	w.wantError(create(func(in *sdk.CreateChannelInput) { in.ChannelName = aws.String("d") }), "LimitExceededException", "Limit: 1.")

	list, err := w.ListChannels(ctx, nil)
	w.check(err)
	c := list.ChannelSummaries[0].ChannelARN
	_, err = w.UpdateChannel(ctx, &sdk.UpdateChannelInput{ChannelARN: c})
	w.wantError(err, "InvalidArgumentException", "At least one")
	_, err = w.UpdateChannel(ctx, &sdk.UpdateChannelInput{ChannelARN: c, S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(1)}})
	w.wantError(err, "InvalidArgumentException", "between 300 and 900")
	_, err = w.UpdateChannel(ctx, &sdk.UpdateChannelInput{ChannelARN: c, S3TablesDestinationConfiguration: &types.S3TablesDestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(300)}})
	w.wantError(err, "InvalidArgumentException", "does not apply")

	_, err = w.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)})
	w.wantError(err, "ResourceInUseException", "has the channel c")
	_, err = w.UpdateStreamMode(ctx, &sdk.UpdateStreamModeInput{StreamARN: &arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned}})
	w.wantError(err, "ResourceInUseException", "has the channel c")
	_, err = w.DeleteChannel(ctx, &sdk.DeleteChannelInput{ChannelARN: c})
	w.check(err)
	_, err = w.DeleteChannel(ctx, &sdk.DeleteChannelInput{ChannelARN: c})
	w.wantError(err, "ResourceNotFoundException", "Channel")
	_, err = w.DescribeChannel(ctx, &sdk.DescribeChannelInput{ChannelARN: aws.String(strings.Replace(*c, "us-east-1", "us-west-2", 1))})
	w.wantError(err, "ResourceNotFoundException", "Channel")
	_, err = w.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamName: aws.String("s")})
	w.check(err)
}

func tables() *types.S3TablesDestinationConfiguration {
	return &types.S3TablesDestinationConfiguration{
		DeadLetterQueueS3Configuration: &types.DeadLetterQueueS3Configuration{BucketARN: aws.String("arn:aws:s3:::dead"), ExpectedBucketOwner: aws.String(account)},
		S3TablesConfigurationList: []types.S3TablesConfiguration{{TableBucketARN: aws.String("arn:aws:s3tables:us-east-1:000000000000:bucket/tables"),
			Namespace: aws.String("n"), TableName: aws.String("t"), CompressionType: "ZSTD"}},
	}
}

func TestListChannels(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var arns []string
	for i := range 5 {
		arn := w.streamForChannel(fmt.Sprint("s", i))
		w.channel(arn, func(in *sdk.CreateChannelInput) { in.ChannelName = aws.String(fmt.Sprint("c", i)) })
		arns = append(arns, arn)
	}
	var names []string
	var token *string
	for pages := 0; pages == 0 || token != nil; pages++ {
		out, err := w.ListChannels(ctx, &sdk.ListChannelsInput{MaxResults: aws.Int32(2), NextToken: token})
		w.check(err)
		for _, c := range out.ChannelSummaries {
			names = append(names, *c.ChannelName)
			if c.ChannelDestinationType != types.ChannelDestinationTypeS3 || c.ChannelStatus != types.ChannelStatusActive || c.Streams[0].StreamCreationTimestamp.IsZero() {
				t.Errorf("%+v", c)
			}
		}
		token = out.NextToken
	}
	if strings.Join(names, " ") != "c0 c1 c2 c3 c4" {
		t.Errorf("pages of %v", names)
	}
	filtered := func(filters ...types.StreamFilter) (names []string) {
		out, err := w.ListChannels(ctx, &sdk.ListChannelsInput{StreamFilter: filters})
		w.check(err)
		for _, c := range out.ChannelSummaries {
			names = append(names, *c.ChannelName)
		}
		return names
	}
	created := w.clock.Now()
	absent := w.store.StreamARN("absent")
	if got := filtered(types.StreamFilter{StreamARN: &arns[3]}, types.StreamFilter{StreamARN: &arns[1], StreamCreationTimestamp: &created},
		types.StreamFilter{StreamARN: &arns[0], StreamCreationTimestamp: aws.Time(created.Add(-time.Hour))}, types.StreamFilter{StreamARN: &absent}); strings.Join(got, " ") != "c1 c3" {
		t.Errorf("filtered %v", got)
	}
	out, err := w.ListChannels(ctx, &sdk.ListChannelsInput{MaxResults: aws.Int32(2)})
	w.check(err)
	_, err = w.ListChannels(ctx, &sdk.ListChannelsInput{NextToken: aws.String("nonsense")})
	w.wantError(err, "InvalidArgumentException", "NextToken")
	w.clock.advance(301 * time.Second)
	_, err = w.ListChannels(ctx, &sdk.ListChannelsInput{NextToken: out.NextToken})
	w.wantError(err, "ExpiredNextTokenException", "NextToken expired")
}

// Records go into the bucket once each, those of one key in order, while shards split and merge and the server starts
// again and again.
func TestChannelFollowsShards(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	arn := w.streamForChannel("s")
	w.put("s", "k", `"before the channel"`)
	w.channel(arn, func(in *sdk.CreateChannelInput) {
		in.S3DestinationConfiguration.DeadLetterQueueS3Configuration = &types.DeadLetterQueueS3Configuration{
			BucketARN: aws.String("arn:aws:s3:::dead"), ExpectedBucketOwner: aws.String(account)}
	})
	want := map[string]int{} // the last number of each key
	for range 8 {
		for range 20 {
			key := fmt.Sprint("k", r.IntN(5))
			want[key]++
			w.put("s", key, fmt.Sprintf(`{"key": %q, "n": %d}`, key, want[key]))
		}
		w.put("s", "bad", "not JSON")
		w.reshardOnce(r)
		if r.IntN(3) == 0 {
			w.stop()
			w.start()
		}
		w.clock.advance(301 * time.Second) // what is waiting becomes due with the next record
	}
	w.put("s", "end", `"end"`)
	w.clock.advance(301 * time.Second)
	w.put("s", "end", `"end"`)
	w.awaitChannel(want, 8)
}

func (w *world) reshardOnce(r *rand.Rand) {
	w.Helper()
	infos, err := w.store.Shards(w.Context(), "s")
	w.check(err)
	open := slices.DeleteFunc(infos, func(i stream.ShardInfo) bool { return i.Closed })
	slices.SortFunc(open, func(a, b stream.ShardInfo) int {
		if a.HashStart.Less(b.HashStart) {
			return -1
		}
		return 1
	})
	if len(open) > 1 && r.IntN(2) == 0 {
		at := r.IntN(len(open) - 1)
		w.check(w.store.MergeShards(w.Context(), "s", open[at].ID, open[at+1].ID))
		return
	}
	at := r.IntN(len(open))
	half := open[at].HashStart
	half.Hi += (open[at].HashEnd.Hi - half.Hi) / 2
	w.check(w.store.SplitShard(w.Context(), "s", open[at].ID, half))
}

// awaitChannel looks at what was delivered, after each put, until all is there: numbers of a key rise by one.
func (w *world) awaitChannel(want map[string]int, bad int) {
	w.Helper()
	deadline := time.After(time.Minute)
	for {
		got, dead, all := w.delivered()
		if bad < dead {
			w.Fatalf("%d dead letters, want %d", dead, bad)
		}
		complete := dead == bad
		for key, n := range want {
			complete = complete && got[key] == n
		}
		if complete {
			return
		}
		select {
		case <-w.objects.puts:
		case <-deadline:
			w.Fatalf("delivered %v of %v, %d of %d dead letters; objects\n%s", got, want, dead, bad, strings.Join(all, "\n"))
		}
	}
}

// delivered reads the bucket: how often each key's numbers came, each once.
func (w *world) delivered() (count map[string]int, dead int, all []string) {
	w.Helper()
	count = map[string]int{}
	seen := map[string]bool{}
	for _, bucket := range []string{"lake", "dead"} {
		page, err := w.objects.List(w.Context(), bucket, objstore.ListOptions{})
		w.check(err)
		for _, o := range page.Objects {
			body, _, err := w.objects.Get(w.Context(), bucket, o.Key, nil)
			w.check(err)
			data, err := io.ReadAll(body)
			w.check(err)
			all = append(all, bucket+"/"+o.Key)
			last := map[string]int{} // in this object
			for line := range strings.Lines(string(data)) {
				var key string
				var n int
				if bucket == "dead" {
					dead++
				} else if _, err := fmt.Sscanf(line, `{"key": %q, "n": %d}`, &key, &n); err != nil {
					if line != "\"end\"\n" {
						w.Fatalf("line %q", line)
					}
				} else if seen[line] {
					w.Fatalf("%s was delivered twice", line)
				} else {
					if n <= last[key] {
						w.Fatalf("%d of %s comes after %d", n, key, last[key])
					}
					seen[line], last[key] = true, n
					count[key]++
				}
			}
		}
	}
	return count, dead, all
}
