package kinesis_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func (w *world) encrypt(name, key string) error {
	_, err := w.StartStreamEncryption(w.Context(), &sdk.StartStreamEncryptionInput{
		StreamName: &name, EncryptionType: types.EncryptionTypeKms, KeyId: &key,
	})
	return err
}

func (w *world) stopEncryption(name, key string) error {
	_, err := w.StopStreamEncryption(w.Context(), &sdk.StopStreamEncryptionInput{
		StreamName: &name, EncryptionType: types.EncryptionTypeKms, KeyId: &key,
	})
	return err
}

func (w *world) summary(name string) *types.StreamDescriptionSummary {
	w.Helper()
	out, err := w.DescribeStreamSummary(w.Context(), &sdk.DescribeStreamSummaryInput{StreamName: &name})
	w.check(err)
	return out.StreamDescriptionSummary
}

// A producer and a consumer see when records are encrypted, and read them all, also after a restart.
func TestEncryption(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	w.put("s", "k", "plain")
	const alias = "alias/aws/kinesis"
	w.check(w.encrypt("s", alias))
	if d := w.summary("s"); d.EncryptionType != types.EncryptionTypeKms || *d.KeyId != alias {
		t.Errorf("summary: %s with %s", d.EncryptionType, *d.KeyId)
	}
	d, err := w.DescribeStream(t.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s")})
	w.check(err)
	if d := d.StreamDescription; d.EncryptionType != types.EncryptionTypeKms || *d.KeyId != alias {
		t.Errorf("description: %s with %s", d.EncryptionType, *d.KeyId)
	}
	if out := w.put("s", "k", "one"); out.EncryptionType != types.EncryptionTypeKms {
		t.Errorf("PutRecord: %s", out.EncryptionType)
	}
	out, err := w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("k"), Data: []byte("two")},
	}})
	w.check(err)
	if out.EncryptionType != types.EncryptionTypeKms {
		t.Errorf("PutRecords: %s", out.EncryptionType)
	}
	w.check(w.stopEncryption("s", "arn:aws:kms:us-east-1:000000000000:"+alias))
	if out := w.put("s", "k", "end"); out.EncryptionType != types.EncryptionTypeNone {
		t.Errorf("PutRecord: %s", out.EncryptionType)
	}
	if d := w.summary("s"); d.EncryptionType != types.EncryptionTypeNone || d.KeyId != nil {
		t.Errorf("summary: %s with %s", d.EncryptionType, aws.ToString(d.KeyId))
	}
	w.stop()
	w.start()
	got := w.get(w.iterator(horizon("s", shard0)))
	if texts(got.Records) != "plain one two end" {
		t.Fatalf("read %q", texts(got.Records))
	}
	for i, want := range []types.EncryptionType{"", types.EncryptionTypeKms, types.EncryptionTypeKms, ""} {
		if got.Records[i].EncryptionType != want {
			t.Errorf("record %d: %q", i, got.Records[i].EncryptionType)
		}
	}
}

func TestEncryptionRefused(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	_, err := w.StartStreamEncryption(t.Context(), &sdk.StartStreamEncryptionInput{
		StreamName: aws.String("s"), EncryptionType: types.EncryptionTypeNone, KeyId: aws.String("alias/a"),
	})
	w.wantError(err, "InvalidArgumentException", "KMS")
	_, err = w.StopStreamEncryption(t.Context(), &sdk.StopStreamEncryptionInput{
		StreamName: aws.String("s"), EncryptionType: "AES", KeyId: aws.String(""),
	})
	w.wantError(err, "ValidationException", "2 validation errors", "enum value set: [NONE, KMS]", "'keyId'")
	w.wantError(w.encrypt("none", "alias/a"), "ResourceNotFoundException", "Stream none under account 000000000000 not found.")
	w.wantError(w.stopEncryption("none", "alias/a"), "ResourceNotFoundException")
	w.wantError(w.encrypt("s", "nonsense"), "KMSNotFoundException", "nonsense")
	w.wantError(w.encrypt("s", "arn:aws:kms:eu-west-1:000000000000:alias/a"), "KMSNotFoundException", "eu-west-1")
	if d := w.summary("s"); d.EncryptionType != types.EncryptionTypeNone {
		t.Fatalf("refused, but %s", d.EncryptionType)
	}
	w.check(w.stopEncryption("s", "alias/a")) // there is nothing to stop
	w.check(w.encrypt("s", "alias/a"))
	w.wantError(w.stopEncryption("s", "alias/b"), "InvalidArgumentException", "alias/b")
}

// Without its key a stream gives KMS errors to those who read its encrypted records or put new ones, and to nobody else.
func TestKeyIsGone(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	w.create("other", 1)
	w.put("s", "k", "plain")
	w.check(w.encrypt("s", "alias/a"))
	w.put("s", "k", "secret")
	file := filepath.Join(w.keys, "alias.a")
	key, err := os.ReadFile(file)
	w.check(err)
	for _, c := range []struct {
		what      string
		change    func() error
		exception string
	}{
		{"removed", func() error { return os.Remove(file) }, "KMSNotFoundException"},
		{"open to all", func() error { return os.WriteFile(file, key, 0o644) }, "KMSAccessDeniedException"},
		{"damaged", func() error { return os.WriteFile(file, key[1:], 0o600) }, "KMSInvalidStateException"},
		{"another", func() error { return os.WriteFile(file, bytes.Replace(key, key[20:24], []byte("0000"), 1), 0o600) }, "KMSInvalidStateException"},
	} {
		w.check(c.change())
		w.clock.advance(time.Minute)
		_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("x")})
		w.wantError(err, c.exception)
		_, err = w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String("k"), Data: []byte("x")},
		}})
		w.wantError(err, c.exception)
		got := w.get(w.iterator(horizon("s", shard0)))
		if texts(got.Records) != "plain" || *got.MillisBehindLatest == 0 {
			t.Errorf("%s: read %q, behind %d", c.what, texts(got.Records), *got.MillisBehindLatest)
		}
		_, err = w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: got.NextShardIterator})
		w.wantError(err, c.exception)
		if strings.Contains(err.Error(), w.keys) {
			t.Errorf("%s: the answer tells where the keys are: %v", c.what, err)
		}
		w.put("other", "k", "x")
		w.check(os.RemoveAll(file))
	}
	w.check(os.WriteFile(file, key, 0o600))
	w.put("s", "k", "more")
	if got := w.get(w.iterator(horizon("s", shard0))); texts(got.Records) != "plain secret more" {
		t.Errorf("with the key again: %q", texts(got.Records))
	}
}

// raw calls an operation with a body of its own.
func (w *world) raw(operation, contentType, body string) (int, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.server.URL, strings.NewReader(body))
	w.check(err)
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	w.check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	w.check(err)
	return resp.StatusCode, string(b)
}

func (w *world) createOnDemand(name string, strategy types.RecordDistributionStrategy) {
	w.Helper()
	_, err := w.CreateStream(w.Context(), &sdk.CreateStreamInput{
		StreamName: &name, RecordDistributionStrategy: strategy, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
	})
	w.check(err)
}

func (w *world) distribute(name string, strategy types.RecordDistributionStrategy) error {
	_, err := w.UpdateStreamRecordDistributionStrategy(w.Context(), &sdk.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: aws.String(w.store.StreamARN(name)), RecordDistributionStrategy: strategy,
	})
	return err
}

// A stream that distributes records itself gives all shards the same, whatever the keys; those that have none come back
// without.
func TestAutoDistribution(t *testing.T) {
	w := newWorld(t)
	w.createOnDemand("s", types.RecordDistributionStrategyAuto)
	if d := w.summary("s"); d.RecordDistributionStrategy != types.RecordDistributionStrategyAuto {
		t.Errorf("summary: %s", d.RecordDistributionStrategy)
	}
	entries := []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("same"), Data: []byte("a")},
		{PartitionKey: aws.String("same"), ExplicitHashKey: aws.String("999999999999999999999999999999999999999"), Data: []byte("b")},
		{Data: []byte("c")},
	}
	for range 20 {
		out, err := w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: entries})
		w.check(err)
		if *out.FailedRecordCount != 0 {
			t.Fatal(*out.Records[0].ErrorMessage)
		}
	}
	for range 20 {
		_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), Data: []byte("d")})
		w.check(err)
	}
	keys := 0
	for i := range 4 {
		got := w.get(w.iterator(horizon("s", "shardId-00000000000"+string(rune('0'+i)))))
		if len(got.Records) != 20 {
			t.Errorf("shard %d has %d of 80 records", i, len(got.Records))
		}
		for _, r := range got.Records {
			if has := string(r.Data) < "c"; (r.PartitionKey != nil) != has || has && *r.PartitionKey != "same" {
				t.Errorf("record %s has key %v", r.Data, r.PartitionKey)
			}
			if r.PartitionKey != nil {
				keys++
			}
		}
	}
	if keys != 40 {
		t.Errorf("%d records with keys", keys)
	}
	// The member is absent, not empty, in either protocol.
	for _, contentType := range []string{"application/x-amz-json-1.1", "application/x-amz-cbor-1.1"} {
		body := `{"ShardIterator":"` + *w.iterator(horizon("s", shard0)) + `"}`
		if strings.Contains(contentType, "cbor") {
			it := *w.iterator(horizon("s", shard0))
			body = "\xa1\x6dShardIterator\x78" + string([]byte{byte(len(it))}) + it
		}
		status, answer := w.raw("GetRecords", contentType, body)
		if status != http.StatusOK || strings.Count(answer, "PartitionKey") != 10 || strings.Count(answer, "SequenceNumber") != 20 {
			t.Errorf("%s: %d %q", contentType, status, answer)
		}
	}
}

// The strategy can be switched at any time; where keys decide, they are needed.
func TestSwitchDistribution(t *testing.T) {
	w := newWorld(t)
	w.createOnDemand("s", "")
	keyless := &sdk.PutRecordInput{StreamName: aws.String("s"), Data: []byte("d")}
	batch := &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("k"), Data: []byte("a")}, {Data: []byte("b")},
	}}
	refused := func() {
		t.Helper()
		_, err := w.PutRecord(t.Context(), keyless)
		w.wantError(err, "ValidationException", "Value null at 'partitionKey'")
		_, err = w.PutRecords(t.Context(), batch)
		w.wantError(err, "ValidationException", "1 validation error", "Value null at 'records.2.member.partitionKey'")
	}
	refused()
	if d := w.summary("s"); d.RecordDistributionStrategy != types.RecordDistributionStrategyUserPartitionKey {
		t.Errorf("summary: %q", d.RecordDistributionStrategy)
	}
	w.check(w.distribute("s", types.RecordDistributionStrategyAuto))
	_, err := w.PutRecord(t.Context(), keyless)
	w.check(err)
	_, err = w.PutRecords(t.Context(), batch)
	w.check(err)
	w.check(w.distribute("s", types.RecordDistributionStrategyUserPartitionKey))
	refused()

	w.create("p", 1)
	w.wantError(w.distribute("p", types.RecordDistributionStrategyAuto), "InvalidArgumentException", "ON_DEMAND")
	w.check(w.distribute("p", types.RecordDistributionStrategyUserPartitionKey))
	if d := w.summary("p"); d.RecordDistributionStrategy != "" {
		t.Errorf("a provisioned stream has strategy %s", d.RecordDistributionStrategy)
	}
	w.wantError(w.distribute("none", types.RecordDistributionStrategyAuto), "ResourceNotFoundException")
	w.wantError(w.distribute("s", "x"), "ValidationException", "enum value set: [AUTO, USER_PARTITION_KEY]")
}
