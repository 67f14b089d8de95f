package kinesis_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/internal/awshttp"
	"github.com/weir-data/weir/wire"
)

// people are the callers of these tests by access key; the secret is always the same.
type people map[string]wire.Identity

func (p people) Lookup(id, _ string) (string, wire.Identity, error) {
	who, ok := p[id]
	if !ok {
		return "", who, errors.New("unknown key")
	}
	return "secret", who, nil
}

const foreignARN = "arn:aws:iam::111122223333:user/eve"

var everyone = people{
	"ROOT": {Account: "000000000000", ARN: "arn:aws:iam::000000000000:root", UserID: "000000000000"},
	"BOB":  {Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/bob", UserID: "AIDABOB"},
	"EVE":  {Account: "111122223333", ARN: foreignARN, UserID: "AIDAEVE"},
	"JOB": {
		Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/job/s1", UserID: "AROAJOB:s1",
		Role: "arn:aws:iam::111122223333:role/etl/job",
	},
}

// newSignedWorld is a world that everyone signs in to; its own client is the account's root.
func newSignedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.stop()
	w.people = everyone
	w.clock.advance(time.Since(w.clock.Now())) // signatures are of now
	w.start()
	w.Client = w.as("ROOT")
	return w
}

// as is the client of one of the people.
func (w *world) as(key string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.server.URL), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, "secret", ""), HTTPClient: awshttp.OwnBody(w.server.Client()),
	})
}

func (w *world) setPolicy(arn, statements string) error {
	_, err := w.PutResourcePolicy(w.Context(), &sdk.PutResourcePolicyInput{
		ResourceARN: &arn, Policy: aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)})
	return err
}

func statementFor(effect, principal, action, arn, more string) string {
	return fmt.Sprintf(`{"Effect":%q,"Principal":%s,"Action":%s,"Resource":%q%s}`, effect, principal, action, arn, more)
}

// What is put is what one gets, also after a restart; none is "{}"; deleting none is an error.
func TestResourcePolicies(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	ctx := t.Context()
	consumer := w.consumer("c")
	for _, arn := range []string{arnS, *consumer} {
		get := func() string {
			out, err := w.GetResourcePolicy(ctx, &sdk.GetResourcePolicyInput{ResourceARN: &arn})
			w.check(err)
			return *out.Policy
		}
		remove := func() error {
			_, err := w.DeleteResourcePolicy(ctx, &sdk.DeleteResourcePolicyInput{ResourceARN: &arn})
			return err
		}
		if get() != "{}" {
			t.Fatalf("without a policy: %s", get())
		}
		w.wantError(remove(), "ResourceNotFoundException", arn)
		text := `{"Statement":` + statementFor("Allow", `{"AWS":"111122223333"}`, `"kinesis:*"`, arn, "") + `}`
		_, err := w.PutResourcePolicy(ctx, &sdk.PutResourcePolicyInput{ResourceARN: &arn, Policy: &text})
		w.check(err)
		w.stop()
		w.start()
		if get() != text {
			t.Fatalf("got %s", get())
		}
		w.check(remove())
		if get() != "{}" {
			t.Fatalf("after deleting: %s", get())
		}
	}
	for _, c := range []struct{ arn, policy, exception, text string }{
		{arnS, "{", "InvalidArgumentException", "Syntax errors in policy."},
		{arnS, "", "InvalidArgumentException", "Syntax errors in policy."},
		{arnS, `{"Statement":` + statementFor("Allow", `"*"`, `"s3:*"`, arnS, "") + `}`, "InvalidArgumentException", "invalid action: s3:*"},
		{arnS, `{"Statement":` + statementFor("Allow", `"*"`, `"kinesis:*"`, arnS+"2", "") + `}`, "InvalidArgumentException", "must apply to the resource " + arnS},
		{arnS, strings.Repeat(" ", 20<<10+1), "LimitExceededException", "20480 bytes"},
		{arnS + "2", `{"Statement":` + statementFor("Allow", `"*"`, `"kinesis:*"`, "*", "") + `}`, "ResourceNotFoundException", "Stream s2"},
		{*consumer + "1", `{"Statement":` + statementFor("Allow", `"*"`, `"kinesis:*"`, "*", "") + `}`, "ResourceNotFoundException", "Consumer c"},
		{"s", "{}", "ValidationException", "'resourceARN'"},
	} {
		_, err := w.PutResourcePolicy(ctx, &sdk.PutResourcePolicyInput{ResourceARN: &c.arn, Policy: &c.policy})
		w.wantError(err, c.exception, c.text)
	}
	_, err := w.GetResourcePolicy(ctx, &sdk.GetResourcePolicyInput{ResourceARN: aws.String(arnS + "2")})
	w.wantError(err, "ResourceNotFoundException", "Stream s2")
	_, err = w.DeleteResourcePolicy(ctx, &sdk.DeleteResourcePolicyInput{ResourceARN: aws.String(arnS + "2")})
	w.wantError(err, "ResourceNotFoundException", "Stream s2")
}

// A caller of another account gets nothing by itself: not by name, not by ARN, with no operation at all, whatever it says.
func TestOtherAccountIsDenied(t *testing.T) {
	w := newSignedWorld(t)
	w.create("s", 1)
	consumer := w.consumer("c")
	w.check(w.setPolicy(arnS, statementFor("Allow", `{"AWS":"999999999999"}`, `"kinesis:*"`, arnS, "")))
	iterator := w.iterator(horizon("s", shard0))
	eve := w.as("EVE")
	client := reflect.ValueOf(eve)
	tried := 0
	for i := range client.NumMethod() {
		name, method := client.Type().Method(i).Name, client.Method(i)
		if name == "Options" {
			continue
		}
		for _, byName := range []bool{true, false} {
			in := reflect.New(method.Type().In(1).Elem())
			fillInput(in.Elem(), map[string]string{"ShardId": shard0, "ShardIterator": *iterator, "ConsumerName": "c", "PartitionKey": "k"})
			for member, text := range map[string]string{"StreamName": "s", "StreamARN": arnS, "ConsumerARN": *consumer, "ResourceARN": arnS} {
				f := in.Elem().FieldByName(member)
				if f.IsValid() && byName == (member == "StreamName") {
					f.Set(reflect.ValueOf(&text))
				}
			}
			out := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
			err, _ := out[1].Interface().(error)
			var known smithy.APIError
			if !errors.As(err, &known) {
				var invalid smithy.InvalidParamsError
				if err == nil || !errors.As(err, &invalid) {
					t.Errorf("%s by name %v: %v", name, byName, err)
				}
				continue
			}
			tried++
			switch code := known.ErrorCode(); {
			case code == "UnknownOperationException", code == "AccessDeniedException":
			case code == "ResourceNotFoundException" && byName && strings.Contains(known.ErrorMessage(), "under account 111122223333"):
			default:
				t.Errorf("%s by name %v: %v", name, byName, err)
			}
		}
	}
	if tried < 60 {
		t.Errorf("tried %d calls only", tried)
	}
	_, err := eve.PutRecord(t.Context(), &sdk.PutRecordInput{StreamARN: aws.String(arnS), PartitionKey: aws.String("k"), Data: []byte("a")})
	w.wantError(err, "AccessDeniedException", "User: "+foreignARN+" is not authorized to perform: kinesis:PutRecord on resource: "+arnS+
		" because no resource-based policy allows the kinesis:PutRecord action")
}

// fillInput sets the required members of an input to something valid enough to be sent.
func fillInput(in reflect.Value, texts map[string]string) {
	for i := range in.NumField() {
		f, name := in.Field(i), in.Type().Field(i).Name
		if !in.Type().Field(i).IsExported() {
			continue
		}
		if text, ok := texts[name]; ok && f.Type() == reflect.TypeFor[*string]() {
			f.Set(reflect.ValueOf(&text))
			continue
		}
		switch v := f.Addr().Interface().(type) {
		case **string:
			if !strings.HasPrefix(name, "Stream") && !strings.HasSuffix(name, "ARN") && !strings.HasSuffix(name, "Token") && name != "SequenceNumberForOrdering" {
				*v = aws.String("1")
			}
		case **int32:
			*v = aws.Int32(1)
		case *[]byte:
			*v = []byte("a")
		case *[]string:
			*v = []string{"a"}
		case *map[string]string:
			*v = map[string]string{"a": "b"}
		case *[]types.PutRecordsRequestEntry:
			*v = []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("a")}}
		case **types.StartingPosition:
			*v = &types.StartingPosition{Type: types.ShardIteratorTypeLatest}
		case **types.StreamModeDetails:
			*v = &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
		case *types.ShardIteratorType:
			*v = types.ShardIteratorTypeLatest
		case *types.EncryptionType:
			*v = types.EncryptionTypeKms
		case *types.ScalingType:
			*v = types.ScalingTypeUniformScaling
		case *[]types.MetricsName:
			*v = []types.MetricsName{types.MetricsNameAll}
		}
	}
}

// What the owner shares, another account can use, by the owner's ARN: read, write, page, and be pushed to.
func TestSharedStream(t *testing.T) {
	w := newSignedWorld(t)
	w.create("s", 2)
	consumer := w.consumer("c")
	w.check(w.setPolicy(arnS, statementFor("Allow", `{"AWS":"arn:aws:iam::111122223333:role/etl/job"}`,
		`["kinesis:Put*","kinesis:Get*","kinesis:ListShards","kinesis:DescribeStream*","kinesis:DeleteStream"]`, arnS, "")))
	w.check(w.setPolicy(*consumer, statementFor("Allow", `{"AWS":"111122223333"}`, `["kinesis:SubscribeToShard","kinesis:DescribeStreamConsumer"]`, *consumer, "")))
	ctx, eve := t.Context(), w.as("EVE")
	w.Client = w.as("JOB")
	for _, format := range []string{"a", "b\u2028"} {
		_, err := w.PutRecord(ctx, &sdk.PutRecordInput{StreamARN: aws.String(arnS), PartitionKey: aws.String("k"), Data: []byte(format)})
		w.check(err)
	}
	_, err := w.PutRecords(ctx, &sdk.PutRecordsInput{StreamARN: aws.String(arnS), Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("c")}}})
	w.check(err)
	first, err := w.ListShards(ctx, &sdk.ListShardsInput{StreamARN: aws.String(arnS), MaxResults: aws.Int32(1)})
	w.check(err)
	second, err := w.ListShards(ctx, &sdk.ListShardsInput{NextToken: first.NextToken})
	w.check(err)
	got := 0
	for _, sh := range append(first.Shards, second.Shards...) {
		it := w.iterator(&sdk.GetShardIteratorInput{StreamARN: aws.String(arnS), ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		got += len(w.get(it).Records)
		_, err := eve.GetRecords(ctx, &sdk.GetRecordsInput{ShardIterator: it})
		w.wantError(err, "AccessDeniedException", "kinesis:GetRecords on resource: "+arnS)
	}
	if got != 3 {
		t.Errorf("read %d records", got)
	}
	_, err = eve.ListShards(ctx, &sdk.ListShardsInput{NextToken: first.NextToken})
	w.wantError(err, "AccessDeniedException", "kinesis:ListShards")
	_, err = w.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamARN: aws.String(arnS)})
	w.wantError(err, "AccessDeniedException", "kinesis:DeleteStream") // is never shared
	_, err = w.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	w.wantError(err, "ResourceNotFoundException", "Stream s under account 111122223333 not found.")
	_, err = w.DescribeStreamConsumer(ctx, &sdk.DescribeStreamConsumerInput{StreamARN: aws.String(arnS), ConsumerName: aws.String("c")})
	w.check(err)
	_, err = w.DeregisterStreamConsumer(ctx, &sdk.DeregisterStreamConsumerInput{ConsumerARN: consumer})
	w.wantError(err, "AccessDeniedException", "kinesis:DeregisterStreamConsumer on resource: "+*consumer)
	w.another = func() *sdk.Client { return w.Client }
	r := w.subscribe(consumer, string(*first.Shards[0].ShardId), fromHorizon)
	if r.next() == nil {
		t.Error("no event")
	}
}

// Within the account a policy need not allow, but what it denies is denied, also to the owner, and also where nothing is
// verified; the owner can always take the policy away.
func TestDeny(t *testing.T) {
	w := newSignedWorld(t)
	w.create("s", 1)
	bob := w.as("BOB")
	put := func(c *sdk.Client) error {
		_, err := c.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte("a")})
		return err
	}
	all := func(c *sdk.Client) error {
		_, err := c.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("c")}}})
		return err
	}
	w.check(put(bob))
	w.check(w.setPolicy(arnS, statementFor("Deny", `{"AWS":"arn:aws:iam::000000000000:user/bob"}`, `"kinesis:putrecord*"`, arnS, "")))
	for _, call := range []func(*sdk.Client) error{put, all} {
		w.wantError(call(bob), "AccessDeniedException", "User: arn:aws:iam::000000000000:user/bob is not authorized to perform: kinesis:PutRecord",
			"on resource: "+arnS+" with an explicit deny in a resource-based policy")
		w.check(call(w.Client))
	}
	w.check(w.setPolicy(arnS, statementFor("Deny", `"*"`, `"*"`, "*", "")))
	_, err := bob.DeleteResourcePolicy(t.Context(), &sdk.DeleteResourcePolicyInput{ResourceARN: aws.String(arnS)})
	w.wantError(err, "AccessDeniedException", "kinesis:DeleteResourcePolicy")
	w.people = nil
	w.stop()
	w.start()
	w.wantError(put(w.Client), "AccessDeniedException", "User: arn:aws:iam::000000000000:root")
	_, err = w.DeleteResourcePolicy(t.Context(), &sdk.DeleteResourcePolicyInput{ResourceARN: aws.String(arnS)})
	w.check(err)
	w.check(put(w.Client))
}

// The condition keys that are known of a request.
func TestConditionKeys(t *testing.T) {
	w := newSignedWorld(t)
	w.create("s", 1)
	_, err := w.AddTagsToStream(t.Context(), &sdk.AddTagsToStreamInput{StreamName: aws.String("s"), Tags: map[string]string{"Team": "blue"}})
	w.check(err)
	job := w.as("JOB")
	for condition, want := range map[string]bool{
		`{"IpAddress":{"aws:SourceIp":["127.0.0.1/32","::1/128"]}}`:                                               true,
		`{"NotIpAddress":{"aws:SourceIp":["127.0.0.0/8","::1/128"]}}`:                                             false,
		`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/etl/*"}}`:                                 true,
		`{"StringEquals":{"aws:PrincipalType":"AssumedRole","aws:userid":"AROAJOB:s1"}}`:                          true,
		`{"Bool":{"aws:SecureTransport":"true"}}`:                                                                 false,
		`{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"NumericGreaterThan":{"aws:EpochTime":1}}`: true,
		`{"DateGreaterThan":{"aws:EpochTime":"2100-01-01T00:00:00Z"}}`:                                            false,
		`{"StringEquals":{"aws:ResourceTag/Team":"blue","aws:RequestedRegion":"us-east-1"}}`:                      true,
		`{"StringEquals":{"aws:ResourceTag/Team":"red"}}`:                                                         false,
		`{"StringEquals":{"aws:PrincipalTag/Team":"blue"}}`:                                                       false, // not known
	} {
		w.check(w.setPolicy(arnS, statementFor("Allow", `{"AWS":"111122223333"}`, `"kinesis:ListShards"`, arnS, `,"Condition":`+condition)))
		_, err := job.ListShards(t.Context(), &sdk.ListShardsInput{StreamARN: aws.String(arnS)})
		if want {
			w.check(err)
			continue
		}
		w.wantError(err, "AccessDeniedException")
	}
}
