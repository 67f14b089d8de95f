package kinesis_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/fxamacker/cbor/v2"

	"github.com/weir-data/weir/internal/vfs"
)

// call sends a request as it is and returns status and body.
func (w *world) call(op, contentType string, body []byte) (int, []byte) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.server.URL, bytes.NewReader(body))
	w.check(err)
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	w.check(err)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	w.check(err)
	if res.Header.Get("X-Amzn-Requestid") == "" || res.Header.Get("X-Amz-Id-2") == "" || res.Header.Get("Content-Type") != contentType {
		w.Fatalf("%s: headers %v", op, res.Header)
	}
	return res.StatusCode, got
}

// refused sends JSON and demands an exception with exactly this message.
func (w *world) refused(op, body, name, message string) {
	w.Helper()
	status, got := w.call(op, "application/x-amz-json-1.1", []byte(body))
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	w.check(json.Unmarshal(got, &e))
	if status != 400 || e.Type != name || e.Message != message {
		w.Fatalf("%s %.200s: %d %s\n\t%.1000s\nwant %s\n\t%s", op, body, status, e.Type, e.Message, name, message)
	}
}

func violations(list ...string) string {
	if len(list) == 1 {
		return "1 validation error detected: " + list[0]
	}
	return string(rune('0'+len(list))) + " validation errors detected: " + strings.Join(list, "; ")
}

const failed = " failed to satisfy constraint: "

// All violations of a request come in one message, in AWS's words and order.
func TestViolations(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("a", 129)
	null := func(path string) string { return "Value null at '" + path + "'" + failed + "Member must not be null" }
	emptyName := []string{
		"Value '' at 'streamName'" + failed + "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
		"Value '' at 'streamName'" + failed + "Member must have length greater than or equal to 1",
	}
	for _, c := range []struct {
		op, body string
		want     []string
	}{
		{"PutRecord", `{"StreamName":"s"}`, []string{null("partitionKey"), null("data")}},
		{"PutRecord", `{"StreamName":"","PartitionKey":"","Data":"","ExplicitHashKey":"","SequenceNumberForOrdering":""}`, append([]string{
			"Value '' at 'sequenceNumberForOrdering'" + failed + `Member must satisfy regular expression pattern: ^(0|([1-9]\d{0,128}))$`,
			"Value '' at 'partitionKey'" + failed + "Member must have length greater than or equal to 1",
			"Value '' at 'explicitHashKey'" + failed + `Member must satisfy regular expression pattern: ^(0|([1-9]\d{0,38}))$`,
		}, emptyName...)},
		{"PutRecords", `{"StreamName":"s"}`, []string{null("records")}},
		{"PutRecords", `{"StreamName":"","Records":[]}`, append([]string{
			"Value '[]' at 'records'" + failed + "Member must have length greater than or equal to 1"}, emptyName...)},
		{"PutRecords", `{"StreamName":"s","Records":[{"PartitionKey":"a","Data":""},{"Data":"","ExplicitHashKey":"x"}]}`, []string{
			null("records.2.member.partitionKey"),
			"Value 'x' at 'records.2.member.explicitHashKey'" + failed + `Member must satisfy regular expression pattern: ^(0|([1-9]\d{0,38}))$`}},
		{"GetShardIterator", `{}`, []string{null("shardId"), null("shardIteratorType")}},
		{"GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"X"}`, []string{
			"Value 'X' at 'shardIteratorType'" + failed + "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"}},
		{"GetRecords", `{"Limit":0,"ShardIterator":""}`, []string{
			"Value '0' at 'limit'" + failed + "Member must have value greater than or equal to 1",
			"Value '' at 'shardIterator'" + failed + "Member must have length greater than or equal to 1"}},
		{"GetRecords", `{"Limit":10001,"ShardIterator":"x"}`, []string{
			"Value '10001' at 'limit'" + failed + "Member must have value less than or equal to 10000"}},
		{"CreateStream", `{}`, []string{null("shardCount"), null("streamName")}},
		{"CreateStream", `{"StreamName":"` + long + `","ShardCount":0}`, []string{
			"Value '0' at 'shardCount'" + failed + "Member must have value greater than or equal to 1",
			"Value '" + long + "' at 'streamName'" + failed + "Member must have length less than or equal to 128"}},
		{"ListShards", `{"MaxResults":0,"NextToken":""}`, []string{
			"Value '0' at 'maxResults'" + failed + "Member must have value greater than or equal to 1",
			"Value '' at 'nextToken'" + failed + "Member must have length greater than or equal to 1"}},
		{"AddTagsToStream", `{"StreamName":"s"}`, []string{null("tags")}},
		{"AddTagsToStream", `{"StreamName":"s","Tags":{}}`, []string{
			"Value '{}' at 'tags'" + failed + "Member must have length greater than or equal to 1"}},
		{"EnableEnhancedMonitoring", `{"StreamName":"s","ShardLevelMetrics":[]}`, []string{
			"Value '[]' at 'shardLevelMetrics'" + failed + "Member must have length greater than or equal to 1"}},
	} {
		w.refused(c.op, c.body, "ValidationException", violations(c.want...))
	}
}

// What is well-formed but wrong is another exception, and changes nothing.
func TestInvalidArguments(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	big128 := new(big.Int).Lsh(big.NewInt(1), 128).String()
	hash := "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was " + big128
	seq := func(hex string) string {
		n, _ := new(big.Int).SetString(hex, 16)
		return n.String()
	}
	w.refused("PutRecord", `{"StreamName":"s","PartitionKey":"a","Data":"","ExplicitHashKey":"`+big128+`"}`, "InvalidArgumentException", hash)
	w.refused("PutRecords", `{"StreamName":"s","Records":[{"PartitionKey":"a","Data":""},{"PartitionKey":"a","Data":"","ExplicitHashKey":"`+big128+`"}]}`,
		"InvalidArgumentException", hash)
	w.refused("PutRecord", `{"StreamName":"none","PartitionKey":"a","Data":""}`, "ResourceNotFoundException", "Stream none under account 000000000000 not found.")
	w.refused("PutRecords", `{"StreamName":"none","Records":[{"PartitionKey":"a","Data":""}]}`, "ResourceNotFoundException", "Stream none under account 000000000000 not found.")
	for _, bad := range []string{
		seq("20000000000000000000000000000000000000000000000"), // versions that never were
		seq("20000000000000000000000000000000000000000000004"),
		seq("30000000000000000000000000000000000000000000001"),
		seq("1ffffffffff7fffffffffffffff000000000007fffffff2"),
		seq("20000000000800000000000000000000000000000000002"), // counter and shard too high
		seq("20000000000000000000000000000000000000800000002"),
		seq("200000000000000000000000000000fffffffff000000002"[:47]), // from the future
		seq("13bb2cc3d80000000000000000000000"),
	} {
		w.refused("PutRecord", `{"StreamName":"s","PartitionKey":"a","Data":"","SequenceNumberForOrdering":"`+bad+`"}`, "InvalidArgumentException",
			"ExclusiveMinimumSequenceNumber "+bad+" used in PutRecord on stream s under account 000000000000 is invalid.")
	}
	w.refused("GetRecords", `{"ShardIterator":"AAAA"}`, "InvalidArgumentException", "Invalid ShardIterator.")
	got := w.get(w.iterator(horizon("s", shard0)))
	if len(got.Records) != 0 {
		t.Fatalf("something was stored: %q", texts(got.Records))
	}
	for _, good := range []string{
		seq("2ffffffffff7fffffffffffffff000000000007fffffff2"),
		seq("20000000000000000000000000000000000000000000001"),
		seq("20000000000000000000000000000000000000000000002"),
	} {
		_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{
			StreamName: aws.String("s"), PartitionKey: aws.String("a"), Data: []byte("x"), SequenceNumberForOrdering: &good})
		w.check(err)
	}
}

// A hash key chooses the shard; the ranges cover everything and do not overlap.
func TestExplicitHashKey(t *testing.T) {
	w := newWorld(t)
	w.create("s", 3)
	third := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(3))
	two := new(big.Int).Mul(third, big.NewInt(2))
	one := big.NewInt(1)
	for _, c := range []struct {
		key  *big.Int
		want string
	}{
		{big.NewInt(0), "shardId-000000000000"},
		{new(big.Int).Sub(third, one), "shardId-000000000000"},
		{third, "shardId-000000000001"},
		{new(big.Int).Sub(two, one), "shardId-000000000001"},
		{two, "shardId-000000000002"},
		{new(big.Int).Sub(new(big.Int).Lsh(one, 128), one), "shardId-000000000002"},
	} {
		out, err := w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String("same"), ExplicitHashKey: aws.String(c.key.String()), Data: []byte("x")}}})
		w.check(err)
		if *out.Records[0].ShardId != c.want {
			t.Errorf("hash key %s goes to %s, want %s", c.key, *out.Records[0].ShardId, c.want)
		}
	}
}

// Records and requests have a greatest size, which a stream may raise.
func TestSizes(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	name := aws.String("s")
	put := func(n int, key string) error {
		_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: name, PartitionKey: &key, Data: make([]byte, n)})
		return err
	}
	w.check(put(1<<20-1, "k"))
	w.wantError(put(1<<20, "k"), "ValidationException", "lim=1048576 cap=1048576]' at 'data' failed", "less than or equal to 1048576")
	w.check(put(1, strings.Repeat("ü", 256)))
	w.wantError(put(1, strings.Repeat("ü", 257)), "ValidationException", "'partitionKey'", "less than or equal to 256")
	_, err := w.UpdateMaxRecordSize(t.Context(), &sdk.UpdateMaxRecordSizeInput{
		StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s"), MaxRecordSizeInKiB: aws.Int32(2048)})
	w.check(err)
	w.check(put(2<<20-1, "k"))

	entries := make([]types.PutRecordsRequestEntry, 11)
	for i := range entries {
		entries[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: make([]byte, 1<<20-1)}
	}
	_, err = w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: name, Records: entries[:10]})
	w.check(err)
	_, err = w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: name, Records: entries})
	w.wantError(err, "InvalidArgumentException", "Records size exceeds 10 MB limit")
	many := make([]types.PutRecordsRequestEntry, 501)
	for i := range many {
		many[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: []byte{}}
	}
	_, err = w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: name, Records: many})
	w.wantError(err, "ValidationException", "'records' failed", "less than or equal to 500")

	// GetRecords answers at most 10 MiB, and says that there is more.
	got := w.get(w.iterator(horizon("s", shard0)))
	size := 0
	for _, r := range got.Records {
		size += len(r.Data) + len(*r.PartitionKey)
	}
	if size > 10<<20 || size < 8<<20 {
		t.Fatalf("%d bytes in one answer", size)
	}
	w.clock.advance(3 * time.Second)
	first, err := w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: w.iterator(horizon("s", shard0)), Limit: aws.Int32(1)})
	w.check(err)
	if len(first.Records) != 1 || *first.MillisBehindLatest != 3000 {
		t.Fatalf("%d records, %d ms behind", len(first.Records), *first.MillisBehindLatest)
	}
}

// All five iterator types.
func TestIteratorTypes(t *testing.T) {
	w := newWorld(t)
	w.create("s", 2)
	begin := w.clock.Now()
	zero := aws.String("0") // a hash key of the first shard
	put := func(data string) string {
		out, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), ExplicitHashKey: zero, Data: []byte(data)})
		w.check(err)
		return *out.SequenceNumber
	}
	a := put("a")
	w.clock.advance(time.Second)
	b := put("b")
	latest := w.iterator(&sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0), ShardIteratorType: types.ShardIteratorTypeLatest})
	w.clock.advance(time.Second)
	put("c")
	desc, err := w.DescribeStream(t.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s")})
	w.check(err)
	start := desc.StreamDescription.Shards[0].SequenceNumberRange.StartingSequenceNumber
	at := func(kind types.ShardIteratorType, number *string, ts *time.Time) *sdk.GetShardIteratorInput {
		return &sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String("shard-0"), ShardIteratorType: kind, StartingSequenceNumber: number, Timestamp: ts}
	}
	for _, c := range []struct {
		in   *sdk.GetShardIteratorInput
		want string
	}{
		{at(types.ShardIteratorTypeTrimHorizon, nil, nil), "a b c"},
		{at(types.ShardIteratorTypeAtSequenceNumber, start, nil), "a b c"},
		{at(types.ShardIteratorTypeAfterSequenceNumber, start, nil), "a b c"},
		{at(types.ShardIteratorTypeAtSequenceNumber, &a, nil), "a b c"},
		{at(types.ShardIteratorTypeAfterSequenceNumber, &a, nil), "b c"},
		{at(types.ShardIteratorTypeAtSequenceNumber, &b, nil), "b c"},
		{at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(begin.Add(-48*time.Hour))), "a b c"},
		{at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(begin)), "a b c"},
		{at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(begin.Add(time.Millisecond))), "b c"},
		{at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(begin.Add(1500*time.Millisecond))), "c"},
	} {
		if got := texts(w.get(w.iterator(c.in)).Records); got != c.want {
			t.Errorf("%s %s %v: %q, want %q", c.in.ShardIteratorType, aws.ToString(c.in.StartingSequenceNumber), c.in.Timestamp, got, c.want)
		}
	}
	if got := texts(w.get(latest).Records); got != "c" {
		t.Errorf("LATEST, fixed before c was put, gives %q", got)
	}
	w.clock.advance(time.Second)
	none := w.iterator(at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(w.clock.Now())))
	put("d")
	if got := texts(w.get(none).Records); got != "d" {
		t.Errorf("AT_TIMESTAMP with no later record gives %q", got)
	}
	w.refusedIterators(a, *start)
}

func (w *world) refusedIterators(number, start string) {
	w.Helper()
	both := "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified "
	for _, c := range []struct{ members, name, message string }{
		{`"ShardId":"shardId-5","ShardIteratorType":"LATEST"`, "ResourceNotFoundException", "Shard shardId-000000000005 in stream s under account 000000000000 does not exist"},
		{`"ShardId":"ABKLFD8","ShardIteratorType":"LATEST"`, "ResourceNotFoundException", "Could not find shard ABKLFD8 in stream s under account 000000000000."},
		{`"ShardId":"0","ShardIteratorType":"AT_SEQUENCE_NUMBER"`, "InvalidArgumentException", both + "AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{`"ShardId":"0","ShardIteratorType":"LATEST","StartingSequenceNumber":"5"`, "InvalidArgumentException", both + "LATEST and also a StartingSequenceNumber."},
		{`"ShardId":"0","ShardIteratorType":"AT_TIMESTAMP"`, "InvalidArgumentException", "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter."},
		{`"ShardId":"1","ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"` + number + `"`, "InvalidArgumentException",
			"Invalid StartingSequenceNumber. It encodes shardId-000000000000, while it was used in a call to a shard with shardId-000000000001"},
		{`"ShardId":"0","ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"49544985256907370027570885864065577703022652638596431874"`, "InvalidArgumentException",
			"StartingSequenceNumber 49544985256907370027570885864065577703022652638596431874 used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid because it did not come from this stream."},
		{`"ShardId":"0","ShardIteratorType":"AT_TIMESTAMP","Timestamp":4e9`, "InvalidArgumentException",
			"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: 4000000000000, currentTimestampInMillis: 1795334403123"},
	} {
		w.refused("GetShardIterator", `{"StreamName":"s",`+c.members+`}`, c.name, c.message)
	}
}

// An iterator lives five minutes, can be used again, and always leads to a different one.
func TestIteratorLife(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	it := w.iterator(horizon("s", shard0))
	next := w.get(it).NextShardIterator
	if other := w.get(it).NextShardIterator; *other == *next || *next == *it {
		t.Fatal("iterators repeat")
	}
	w.put("s", "k", "a")
	w.clock.advance(5 * time.Minute)
	if got := w.get(next); texts(got.Records) != "a" {
		t.Fatalf("at five minutes: %q", texts(got.Records))
	}
	if got := w.get(aws.String(`"` + *next + `"`)); texts(got.Records) != "a" {
		t.Fatalf("in double quotes: %q", texts(got.Records))
	}
	w.clock.advance(time.Millisecond)
	_, err := w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: next})
	w.wantError(err, "ExpiredIteratorException", "created at time Sun Nov 22 08:00:00 UTC 2026 while right now it is Sun Nov 22 08:05:00 UTC 2026", "300000 milliseconds")
}

// A new stream of an old name is another stream: iterators and numbers of the old one do not read it.
func TestIncarnations(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	old := w.put("s", "k", "old")
	it := w.iterator(horizon("s", shard0))
	_, err := w.DeleteStream(t.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("s")})
	w.check(err)
	w.create("s", 1)
	w.put("s", "k", "new")
	_, err = w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it})
	w.wantError(err, "ResourceNotFoundException", "does not exist")
	_, err = w.GetShardIterator(t.Context(), &sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0),
		ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: old.SequenceNumber})
	w.wantError(err, "InvalidArgumentException", "did not come from this stream")
	if got := texts(w.get(w.iterator(horizon("s", shard0))).Records); got != "new" {
		t.Fatalf("the new stream holds %q", got)
	}
}

// A dry run checks everything and does nothing.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	name, yes := aws.String("s"), aws.Bool(true)
	_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: name, PartitionKey: name, Data: []byte("x"), DryRun: yes})
	w.wantError(err, "DryRunOperationException")
	_, err = w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: name, DryRun: yes, Records: []types.PutRecordsRequestEntry{{PartitionKey: name, Data: []byte("x")}}})
	w.wantError(err, "DryRunOperationException")
	it := w.iterator(horizon("s", shard0))
	_, err = w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it, DryRun: yes})
	w.wantError(err, "DryRunOperationException")
	if got := w.get(it); len(got.Records) != 0 {
		t.Fatalf("stored %q", texts(got.Records))
	}
	_, err = w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("none"), PartitionKey: name, Data: []byte("x"), DryRun: yes})
	w.wantError(err, "ResourceNotFoundException")
}

// A disk that fails refuses records one by one in PutRecords, and the request in PutRecord; then all goes on.
func TestDiskErrors(t *testing.T) {
	w := newWorld(t)
	var faults vfs.Faults
	w.stop()
	w.disk = vfs.Hooked(w.disk, faults.Before)
	w.start()
	w.create("s", 1)
	w.put("s", "k", "a")
	faults.Fail("", 0, -1, syscall.EIO)
	entries := []types.PutRecordsRequestEntry{{PartitionKey: aws.String("x"), Data: []byte("lost")}, {PartitionKey: aws.String("y"), Data: []byte("lost")}}
	out, err := w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: entries})
	w.check(err)
	if *out.FailedRecordCount != 2 || aws.ToString(out.Records[1].ErrorCode) != "InternalFailure" || out.Records[0].SequenceNumber != nil {
		t.Fatalf("%+v", out)
	}
	_, err = w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("lost")})
	w.wantError(err, "InternalFailure")
	faults.Heal()
	w.put("s", "k", "b")
	if got := texts(w.get(w.iterator(horizon("s", shard0))).Records); got != "a b" {
		t.Fatalf("stored %q", got)
	}
}

// CBOR, which the Java SDK speaks: blobs are bytes, times are milliseconds as integers.
func TestCBOR(t *testing.T) {
	const mediaType = "application/x-amz-cbor-1.1"
	w := newWorld(t)
	w.create("s", 1)
	do := func(op string, in any) map[string]any {
		t.Helper()
		body, err := cbor.Marshal(in)
		w.check(err)
		status, got := w.call(op, mediaType, body)
		var out map[string]any
		w.check(cbor.Unmarshal(got, &out))
		if status != 200 {
			t.Fatalf("%s: %d %v", op, status, out)
		}
		return out
	}
	put := do("PutRecords", map[string]any{"StreamName": "s", "Records": []any{map[string]any{"PartitionKey": "k", "Data": []byte{0, 255}}}})
	if put["FailedRecordCount"] != uint64(0) || len(put["Records"].([]any)) != 1 {
		t.Fatalf("%v", put)
	}
	it := do("GetShardIterator", map[string]any{"StreamName": "s", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"})
	got := do("GetRecords", map[string]any{"ShardIterator": it["ShardIterator"]})
	r := got["Records"].([]any)[0].(map[any]any)
	arrival := r["ApproximateArrivalTimestamp"].(time.Time) // the decoder takes milliseconds for seconds
	if !bytes.Equal(r["Data"].([]byte), []byte{0, 255}) || arrival.Unix() != w.clock.Now().UnixMilli() || got["NextShardIterator"] == nil {
		t.Fatalf("%v", got)
	}
}

// An operation that is not there is named.
func TestUnknownOperation(t *testing.T) {
	w := newWorld(t)
	status, body := w.call("SplitShards", "application/x-amz-json-1.1", []byte("{}"))
	if status != 400 || !strings.Contains(string(body), "UnknownOperationException") || !strings.Contains(string(body), "SplitShards") {
		t.Fatalf("%d %s", status, body)
	}
}
