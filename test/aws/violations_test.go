package aws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// orders are the members in the order in which AWS tells of them, where that was seen (kinesalite's tests hold it). Members
// that are younger stand anywhere.
var orders = map[string]string{
	"AddTagsToStream":               "tags streamName",
	"CreateStream":                  "shardCount streamName",
	"DecreaseStreamRetentionPeriod": "retentionPeriodHours streamName",
	"DescribeStream":                "limit exclusiveStartShardId streamName",
	"GetRecords":                    "limit shardIterator",
	"GetShardIterator":              "shardId shardIteratorType startingSequenceNumber streamName",
	"IncreaseStreamRetentionPeriod": "retentionPeriodHours streamName",
	"ListShards":                    "maxResults exclusiveStartShardId streamName nextToken",
	"ListStreams":                   "limit exclusiveStartStreamName",
	"ListTagsForStream":             "limit exclusiveStartTagKey streamName",
	"MergeShards":                   "shardToMerge adjacentShardToMerge streamName",
	"PutRecord":                     "sequenceNumberForOrdering partitionKey explicitHashKey data streamName",
	"PutRecords":                    "records streamName",
	"RemoveTagsFromStream":          "tagKeys streamName",
	"SplitShard":                    "newStartingHashKey streamName shardToSplit",
}

// A request in which every member is wrong gets one exception with a violation, or two, for each, but not more than ten.
func TestAllViolationsAtOnce(t *testing.T) {
	const most = 10
	m, front := readModel(t), newFront(t)
	for _, op := range slices.Sorted(maps.Keys(m.Operations)) {
		t.Run(op, func(t *testing.T) {
			in, want := m.allWrong(op)
			if want == nil {
				return // no member has bounds
			}
			body, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the answer does not change
				_, _, raw := call(t, front, op, mediaJSON, body)
				var a answer
				if err := json.Unmarshal(raw, &a); err != nil {
					t.Fatal(err)
				}
				got := violationsOf(t, a)
				if !within(got, want) || len(got) != min(len(want), most) {
					t.Errorf("%s\n got %s\nwant %s", body, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
				inOrder(t, got, strings.Fields(orders[op]))
			}
		})
	}
}

// allWrong is a request in which as many members as possible break a bound, and what is to be said of it.
func (m *model) allWrong(op string) (in map[string]any, want []string) {
	p := &prober{model: m}
	p.members(m.Operations[op].Input, "", nil)
	in = m.request(op)
	done := map[string]bool{}
	for _, wrong := range []func(probe) bool{
		func(c probe) bool {
			return !strings.HasSuffix(c.what, "is null") && !strings.HasSuffix(c.what, "is missing")
		},
		func(probe) bool { return true }, // members without bounds can only be missing
	} {
		for _, c := range p.probes {
			member, _, _ := strings.Cut(strings.Fields(c.what)[0], ".")
			if c.want != nil && !done[member] && wrong(c) {
				done[member] = true
				c.put(in)
				want = append(want, c.want...)
			}
		}
	}
	return in, want
}

// within reports whether all of got are among want.
func within(got, want []string) bool {
	return !slices.ContainsFunc(got, func(g string) bool {
		return !slices.ContainsFunc(want, func(w string) bool { return same([]string{g}, []string{w}) })
	})
}

// inOrder demands that members come in an order, and of each the pattern before the length.
func inOrder(t *testing.T, violations, order []string) {
	t.Helper()
	last, lastMember, pattern := -1, "", true
	for _, v := range violations {
		_, at, _ := strings.Cut(v, "at '")
		at, constraint, _ := strings.Cut(at, "'")
		isPattern := strings.Contains(constraint, "regular expression")
		if at == lastMember && isPattern && !pattern {
			t.Errorf("%s: the pattern after the length", at)
		}
		lastMember, pattern = at, isPattern
		member, _, _ := strings.Cut(at, ".")
		i := slices.Index(order, member)
		if i >= 0 && i < last {
			t.Errorf("%s stands behind %s", member, order[last])
		}
		last = max(last, i)
	}
}

// More violations than fit: of the list, then of its elements, as AWS counts them.
func TestTenViolations(t *testing.T) {
	front := newFront(t)
	var records []map[string]string
	for range 501 {
		records = append(records, map[string]string{"PartitionKey": "", "Data": ""})
	}
	body, err := json.Marshal(map[string]any{"StreamName": "", "Records": records})
	if err != nil {
		t.Fatal(err)
	}
	const entry = "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310"
	want := []string{"Value '[" + strings.Repeat(entry+", ", 500) + entry + "]' at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"}
	for i := range 9 {
		want = append(want, fmt.Sprintf("Value '' at 'records.%d.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1))
	}
	status, _, raw := call(t, front, "PutRecords", mediaJSON, body)
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil || status != 400 || a.Type != "ValidationException" || a.Message != "10 validation errors detected: "+strings.Join(want, "; ") {
		t.Fatalf("%d %.200s … %s", status, raw, a.Message[max(0, len(a.Message)-1000):])
	}
}
