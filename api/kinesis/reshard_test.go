package kinesis_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
)

const shard1, shard2, shard3 = "shardId-000000000001", "shardId-000000000002", "shardId-000000000003"

func (w *world) split(shard, at string) {
	w.Helper()
	_, err := w.SplitShard(w.Context(), &sdk.SplitShardInput{StreamName: aws.String("s"), ShardToSplit: &shard, NewStartingHashKey: &at})
	w.check(err)
}

func (w *world) merge(shard, adjacent string) {
	w.Helper()
	_, err := w.MergeShards(w.Context(), &sdk.MergeShardsInput{StreamName: aws.String("s"), ShardToMerge: &shard, AdjacentShardToMerge: &adjacent})
	w.check(err)
}

func (w *world) shards(filter *types.ShardFilter) []types.Shard {
	w.Helper()
	out, err := w.ListShards(w.Context(), &sdk.ListShardsInput{StreamName: aws.String("s"), ShardFilter: filter})
	w.check(err)
	if out.NextToken != nil {
		w.Fatal("more than a page")
	}
	return out.Shards
}

// ids are the indexes of shards.
func ids(shards []types.Shard) string {
	var all []string
	for _, s := range shards {
		index, _ := stream.ParseShardID(*s.ShardId)
		all = append(all, strconv.Itoa(int(index)))
	}
	return strings.Join(all, " ")
}

const half = "170141183460469231731687303715884105728"

// A split has two children of one parent, a merge one of two; both parents end with AWS's last number.
func TestSplitAndMerge(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	w.put("s", "k", "a")
	w.clock.advance(time.Second)
	w.split("shardId-0", half)
	all := w.shards(nil)
	if ids(all) != "0 1 2" || *all[1].ParentShardId != shard0 || *all[2].ParentShardId != shard0 || all[1].AdjacentParentShardId != nil {
		t.Fatalf("after the split: %s", ids(all))
	}
	if *all[2].HashKeyRange.StartingHashKey != half || *all[1].HashKeyRange.StartingHashKey != "0" {
		t.Fatalf("ranges %v %v", *all[1].HashKeyRange.StartingHashKey, *all[2].HashKeyRange.StartingHashKey)
	}
	if all[0].SequenceNumberRange.EndingSequenceNumber == nil || all[1].SequenceNumberRange.EndingSequenceNumber != nil {
		t.Fatal("the parent is open, or a child is not")
	}
	w.merge("2", "1") // in either order
	all = w.shards(nil)
	if child := all[3]; *child.ParentShardId == *child.AdjacentParentShardId || *child.HashKeyRange.EndingHashKey != "340282366920938463463374607431768211455" {
		t.Fatalf("after the merge: parents %s and %s", *child.ParentShardId, *child.AdjacentParentShardId)
	}
	d, err := w.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	w.check(err)
	if *d.StreamDescriptionSummary.OpenShardCount != 1 || d.StreamDescriptionSummary.StreamStatus != types.StreamStatusActive {
		t.Fatalf("%+v", d.StreamDescriptionSummary)
	}
}

// What AWS says to what cannot be split and merged; the texts are those that kinesalite's tests found there.
func TestReshardRefusals(t *testing.T) {
	w := newWorld(t)
	w.create("s", 3)
	_, err := w.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("demand"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	w.check(err)
	noShard := func(id string) string {
		return "Could not find shard " + id + " in stream s under account 000000000000."
	}
	point := func(key, shard, start, end string) string {
		return fmt.Sprintf("NewStartingHashKey %s used in SplitShard() on shard %s in stream s under account 000000000000 is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
			key, shard, start, end)
	}
	const end0 = "113427455640312821154458202477256070484"
	check := func(operation, members, name, message string) {
		t.Helper()
		w.refused(operation, "{"+members+"}", name, message)
	}
	for _, c := range []struct{ operation, members, name, message string }{
		{"SplitShard", `"StreamName":"","ShardToSplit":"","NewStartingHashKey":""`, "ValidationException",
			"5 validation errors detected: Value '' at 'newStartingHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(0|([1-9]\\d{0,38}))$; " +
				"Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; " +
				"Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value '' at 'shardToSplit' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; " +
				"Value '' at 'shardToSplit' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"SplitShard", `"StreamName":"none","ShardToSplit":"a-00002147483647","NewStartingHashKey":"0"`, "ResourceNotFoundException", "Stream none under account 000000000000 not found."},
		{"SplitShard", `"StreamName":"s","ShardToSplit":"2147483648","NewStartingHashKey":"0"`, "ResourceNotFoundException", noShard("2147483648")},
		{"SplitShard", `"StreamName":"s","ShardToSplit":"2.14E4","NewStartingHashKey":"0"`, "ResourceNotFoundException", noShard("2.14E4")},
		{"SplitShard", `"StreamName":"s","ShardToSplit":"shardId-5","NewStartingHashKey":"0"`, "ResourceNotFoundException", noShard("shardId-000000000005")},
		{"SplitShard", `"StreamName":"s","ShardToSplit":"shard-0","NewStartingHashKey":"1"`, "InvalidArgumentException", point("1", shard0, "0", end0)},
		{"SplitShard", `"StreamName":"s","ShardToSplit":"shard-0","NewStartingHashKey":"` + end0 + `"`, "InvalidArgumentException", point(end0, shard0, "0", end0)},
		{"SplitShard", `"StreamName":"s","ShardToSplit":"shard-2","NewStartingHashKey":"999999999999999999999999999999999999999"`, "InvalidArgumentException",
			point("999999999999999999999999999999999999999", shard2, "226854911280625642308916404954512140970", "340282366920938463463374607431768211455")},
		{"SplitShard", `"StreamName":"demand","ShardToSplit":"shard-0","NewStartingHashKey":"9"`, "ValidationException", "Request is invalid. Stream demand under account 000000000000 is in On-Demand mode."},
		{"MergeShards", `"StreamName":"s","ShardToMerge":"x-0","AdjacentShardToMerge":"ABKLFD8"`, "ResourceNotFoundException", noShard("ABKLFD8")},
		{"MergeShards", `"StreamName":"s","ShardToMerge":"x-0","AdjacentShardToMerge":"shardId-5"`, "ResourceNotFoundException", noShard("shardId-000000000005")},
		{"MergeShards", `"StreamName":"s","ShardToMerge":"x-0","AdjacentShardToMerge":"x-2"`, "InvalidArgumentException",
			"Shards shardId-000000000000 and shardId-000000000002 in stream s under account 000000000000 are not an adjacent pair of shards eligible for merging"},
		{"MergeShards", `"StreamName":"demand","ShardToMerge":"x-0","AdjacentShardToMerge":"x-1"`, "ValidationException", "Request is invalid. Stream demand under account 000000000000 is in On-Demand mode."},
		{"UpdateShardCount", `"StreamName":"s","ScalingType":"","TargetShardCount":0`, "ValidationException",
			"2 validation errors detected: Value null at 'scalingType' failed to satisfy constraint: Member must not be null; " +
				"Value '0' at 'targetShardCount' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"UpdateShardCount", `"StreamName":"none","ScalingType":"UNIFORM_SCALING","TargetShardCount":2`, "ResourceNotFoundException", "Stream none under account 000000000000 not found."},
		{"UpdateShardCount", `"StreamName":"s","ScalingType":"UNIFORM_SCALING","TargetShardCount":7`, "LimitExceededException",
			"UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 3, Target shard count: 7"},
		{"UpdateShardCount", `"StreamName":"s","ScalingType":"UNIFORM_SCALING","TargetShardCount":1`, "LimitExceededException",
			"UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 3, Target shard count: 1"},
		{"UpdateShardCount", `"StreamName":"s","ScalingType":"UNIFORM_SCALING","TargetShardCount":10001`, "LimitExceededException",
			"Target shard count or number of open shards cannot be greater than 10000. Current open shard count: 3, Target shard count: 10001"},
		{"UpdateShardCount", `"StreamName":"demand","ScalingType":"UNIFORM_SCALING","TargetShardCount":5`, "ValidationException", "Request is invalid. Stream demand under account 000000000000 is in On-Demand mode."},
	} {
		check(c.operation, c.members, c.name, c.message)
	}
	if n := len(w.shards(nil)); n != 3 {
		t.Fatalf("refusals left %d shards", n)
	}
	w.split("0", "5")
	closed := "Shard shardId-000000000000 in stream s under account 000000000000 has already been merged or split, and thus is not eligible for merging or splitting."
	check("SplitShard", `"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"5"`, "InvalidArgumentException", closed)
	check("MergeShards", `"StreamName":"s","ShardToMerge":"1","AdjacentShardToMerge":"0"`, "InvalidArgumentException", closed)
}

func TestUpdateShardCount(t *testing.T) {
	w := newWorld(t)
	w.create("s", 2)
	out, err := w.UpdateShardCount(t.Context(), &sdk.UpdateShardCountInput{
		StreamARN: aws.String(w.store.StreamARN("s")), ScalingType: types.ScalingTypeUniformScaling, TargetShardCount: aws.Int32(3)})
	w.check(err)
	if *out.StreamName != "s" || *out.StreamARN != w.store.StreamARN("s") || *out.CurrentShardCount != 2 || *out.TargetShardCount != 3 {
		t.Fatalf("%+v", out)
	}
	all := w.shards(nil)
	open := slices.DeleteFunc(slices.Clone(all), func(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber != nil })
	if len(open) != 3 || len(all)-len(open) != 4 {
		t.Fatalf("%d open and %d closed shards", len(open), len(all)-len(open))
	}
}

// Ten changes a day, where limits hold.
func TestScalingsPerDay(t *testing.T) {
	w := newLimitedWorld(t)
	w.create("s", 1)
	scale := func(to int32) error {
		_, err := w.UpdateShardCount(t.Context(), &sdk.UpdateShardCountInput{StreamName: aws.String("s"), ScalingType: types.ScalingTypeUniformScaling, TargetShardCount: &to})
		return err
	}
	for i := range int32(10) {
		w.check(scale(2 - i%2))
		w.clock.advance(time.Hour)
	}
	w.wantError(scale(2), "LimitExceededException", "10 times within 24 hours")
	w.clock.advance(15 * time.Hour)
	w.check(scale(2))
}

// At the end of a closed shard there is no iterator but there are children, and before that the other way round; what
// it held stays readable from every position.
func TestEndOfShard(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	a := w.put("s", "k", "a")
	latest := w.iterator(&sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0), ShardIteratorType: types.ShardIteratorTypeLatest})
	w.put("s", "k", "b")
	w.clock.advance(time.Second)
	w.split(shard0, half)

	first, err := w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: w.iterator(horizon("s", shard0)), Limit: aws.Int32(1)})
	w.check(err)
	if texts(first.Records) != "a" || first.NextShardIterator == nil || len(first.ChildShards) != 0 {
		t.Fatalf("before the end: %+v", first)
	}
	ended := func(out *sdk.GetRecordsOutput, want string) {
		t.Helper()
		if texts(out.Records) != want || out.NextShardIterator != nil || len(out.ChildShards) != 2 || *out.MillisBehindLatest != 0 {
			t.Fatalf("at the end: %q %v %+v", texts(out.Records), out.NextShardIterator, out.ChildShards)
		}
		for i, c := range out.ChildShards {
			if *c.ShardId != []string{shard1, shard2}[i] || !slices.Equal(c.ParentShards, []string{shard0}) || c.HashKeyRange.StartingHashKey == nil || c.HashKeyRange.EndingHashKey == nil {
				t.Fatalf("child %+v", c)
			}
		}
	}
	ended(w.get(first.NextShardIterator), "b")
	ended(w.get(latest), "b")
	d := w.shards(nil)[0].SequenceNumberRange
	at := func(kind types.ShardIteratorType, number *string, ts *time.Time) *string {
		return w.iterator(&sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0), ShardIteratorType: kind, StartingSequenceNumber: number, Timestamp: ts})
	}
	ended(w.get(at(types.ShardIteratorTypeLatest, nil, nil)), "")
	ended(w.get(at(types.ShardIteratorTypeTrimHorizon, nil, nil)), "a b")
	ended(w.get(at(types.ShardIteratorTypeAtSequenceNumber, a.SequenceNumber, nil)), "a b")
	ended(w.get(at(types.ShardIteratorTypeAfterSequenceNumber, a.SequenceNumber, nil)), "b")
	ended(w.get(at(types.ShardIteratorTypeAtSequenceNumber, d.EndingSequenceNumber, nil)), "")
	ended(w.get(at(types.ShardIteratorTypeAfterSequenceNumber, d.EndingSequenceNumber, nil)), "")
	ended(w.get(at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(w.clock.Now()))), "")
}
