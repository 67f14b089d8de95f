package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithy "github.com/aws/smithy-go"
)

var errTestNoStream = errors.New("no such stream")

// seen is what the fake services were asked.
type seen struct {
	put     *kinesis.PutRecordInput
	metrics *cloudwatch.PutMetricDataInput
	table   *glue.CreateTableInput
	assume  *sts.AssumeRoleInput
	caller  Identity
	region  string
}

var arrived = time.UnixMilli(1700000000123).UTC()

func fakeServices(got *seen) []Service {
	return []Service{{
		Name: "kinesis", Target: "Kinesis_20131202", JSON: "1.1",
		Errors: Codes{{errTestNoStream, "ResourceNotFoundException", 400}},
		Operations: []Operation{
			Op("PutRecord", func(ctx context.Context, in *kinesis.PutRecordInput) (*kinesis.PutRecordOutput, error) {
				got.put, got.caller, got.region = in, Caller(ctx), Region(ctx)
				return &kinesis.PutRecordOutput{ShardId: aws.String("shardId-000000000000"), SequenceNumber: aws.String("49")}, nil
			}),
			Op("GetRecords", func(context.Context, *kinesis.GetRecordsInput) (*kinesis.GetRecordsOutput, error) {
				return &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(0), Records: []types.Record{{
					Data: []byte("a\x00\xff"), PartitionKey: aws.String("ü\n"), SequenceNumber: aws.String("1"),
					ApproximateArrivalTimestamp: &arrived,
				}}}, nil
			}),
			Op("DescribeStream", func(context.Context, *kinesis.DescribeStreamInput) (*kinesis.DescribeStreamOutput, error) {
				return nil, errTestNoStream
			}),
			Op("DeleteStream", func(context.Context, *kinesis.DeleteStreamInput) (*kinesis.DeleteStreamOutput, error) {
				panic("boom")
			}),
			Op("ListStreams", func(context.Context, *kinesis.ListStreamsInput) (*kinesis.ListStreamsOutput, error) {
				return nil, errors.New("secret detail")
			}),
			Raw("PutRecords", func(_ context.Context, r *Request, w http.ResponseWriter) error {
				io.WriteString(w, "half an ans")
				return errors.New("too late")
			}),
		},
	}, {
		Name: "glue", Target: "AWSGlue", JSON: "1.1",
		Operations: []Operation{
			Op("CreateTable", func(_ context.Context, in *glue.CreateTableInput) (*glue.CreateTableOutput, error) {
				got.table = in
				return nil, &Error{Name: "AlreadyExistsException", Status: 400, Message: "Table already exists.", Fields: map[string]any{"ThrottleReasons": "none"}}
			}),
		},
	}, {
		Name: "monitoring", Target: "GraniteServiceVersion20100801", JSON: "1.0", ShapeName: "GraniteServiceVersion20100801",
		Version: "2010-08-01", XMLNS: "http://monitoring.amazonaws.com/doc/2010-08-01/",
		QueryErrors: map[string]string{"InvalidParameterValueException": "InvalidParameterValue"},
		Operations: []Operation{
			Op("PutMetricData", func(_ context.Context, in *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
				got.metrics = in
				return &cloudwatch.PutMetricDataOutput{}, nil
			}),
			Op("GetMetricStatistics", func(_ context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
				if aws.ToInt32(in.Period) == 7 {
					return nil, Errorf("InvalidParameterValueException", 400, "Period must be a multiple of 60")
				}
				return &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []cwtypes.Datapoint{
					{Timestamp: in.StartTime, Sum: aws.Float64(1.5), ExtendedStatistics: map[string]float64{"p90": 2, "p99": 3}}}}, nil
			}),
		},
	}, {
		Name: "sts", Version: "2011-06-15", XMLNS: "https://sts.amazonaws.com/doc/2011-06-15/",
		Operations: []Operation{
			Op("GetCallerIdentity", func(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
				id := Caller(ctx)
				return &sts.GetCallerIdentityOutput{Account: &id.Account, Arn: &id.ARN, UserId: &id.UserID}, nil
			}),
			Op("AssumeRole", func(_ context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
				got.assume = in
				return &sts.AssumeRoleOutput{}, nil
			}),
		},
	}}
}

// keyring is fake credentials.
type keyring map[string]string

func (k keyring) Lookup(id, token string) (string, Identity, error) {
	switch {
	case token == "old":
		return "", Identity{}, ErrExpiredToken
	case token != "" && token != "good":
		return "", Identity{}, ErrInvalidToken
	}
	secret, ok := k[id]
	if !ok {
		return "", Identity{}, errors.New("unknown")
	}
	return secret, Identity{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ann", UserID: "AIDA", AccessKeyID: id}, nil
}

// start runs the fake services on a real listener, over both versions of HTTP.
func start(t *testing.T, opts Options) (url string, got *seen) {
	t.Helper()
	got = &seen{}
	if opts.Credentials != nil && opts.Account == "" {
		opts.Account = "111122223333" // that of the keyring's user
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	srv, err := NewServer(opts, fakeServices(got)...)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(Guard(GuardOptions{}, srv))
	t.Cleanup(hs.Close)
	return hs.URL, got
}

func testConfig(url, key, secret, token string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
	}
}

func TestGoClients(t *testing.T) {
	url, got := start(t, Options{Credentials: keyring{"AK": "s3cret"}})
	cfg := testConfig(url, "AK", "s3cret", "")
	ctx := t.Context()

	k := kinesis.NewFromConfig(cfg)
	if _, err := k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k\"\u2028"), Data: []byte{0, 255}}); err != nil {
		t.Fatal(err)
	}
	if *got.put.PartitionKey != "k\"\u2028" || !bytes.Equal(got.put.Data, []byte{0, 255}) {
		t.Errorf("PutRecord got %q %q", *got.put.PartitionKey, got.put.Data)
	}
	if got.caller.Account != "111122223333" || got.region != "eu-west-1" {
		t.Errorf("caller %+v, region %s", got.caller, got.region)
	}
	recs, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
	if err != nil {
		t.Fatal(err)
	}
	if r := recs.Records[0]; string(r.Data) != "a\x00\xff" || *r.PartitionKey != "ü\n" || !r.ApproximateArrivalTimestamp.Equal(arrived) {
		t.Errorf("GetRecords gave %+v", r)
	}
	_, err = k.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("s")})
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) {
		t.Errorf("DescribeStream: %v", err)
	}
	for op, call := range map[string]func() error{
		"panic": func() error { _, err := k.DeleteStream(ctx, &kinesis.DeleteStreamInput{}); return err },
		"plain": func() error { _, err := k.ListStreams(ctx, &kinesis.ListStreamsInput{}); return err },
	} {
		if err := call(); !isCode(err, "InternalFailure") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, err := k.DescribeLimits(ctx, nil); !isCode(err, "UnknownOperationException") || !strings.Contains(err.Error(), "DescribeLimits") {
		t.Errorf("unknown operation: %v", err)
	}
	if _, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{}}); err == nil {
		t.Error("an answer cut short was taken for whole")
	}

	_, err = glue.NewFromConfig(cfg).CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("d"), TableInput: &gluetypes.TableInput{
		Name: aws.String("t"), Retention: 3, Parameters: map[string]string{"a": "b"},
		StorageDescriptor: &gluetypes.StorageDescriptor{Compressed: true, Columns: []gluetypes.Column{{Name: aws.String("c")}}},
	}})
	var exists *gluetypes.AlreadyExistsException
	if !errors.As(err, &exists) {
		t.Errorf("CreateTable: %v", err)
	}
	if in := got.table.TableInput; in.Retention != 3 || in.Parameters["a"] != "b" || !in.StorageDescriptor.Compressed || *in.StorageDescriptor.Columns[0].Name != "c" {
		t.Errorf("CreateTable got %+v", in)
	}

	cw := cloudwatch.NewFromConfig(cfg) // RPC v2 CBOR, body zipped when large
	data := make([]cwtypes.MetricDatum, 800)
	for i := range data {
		data[i] = cwtypes.MetricDatum{MetricName: aws.String("m"), Value: aws.Float64(float64(i)), Timestamp: &arrived}
	}
	if _, err := cw.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
	if m := got.metrics.MetricData; len(m) != 800 || *m[799].Value != 799 || !m[0].Timestamp.Equal(arrived) {
		t.Errorf("PutMetricData got %d data", len(m))
	}
	stats := &cloudwatch.GetMetricStatisticsInput{MetricName: aws.String("m"), Namespace: aws.String("n"), Period: aws.Int32(60), StartTime: &arrived, EndTime: &arrived}
	out, err := cw.GetMetricStatistics(ctx, stats)
	if err != nil {
		t.Fatal(err)
	}
	if p := out.Datapoints[0]; *p.Sum != 1.5 || p.ExtendedStatistics["p99"] != 3 || !p.Timestamp.Equal(arrived) {
		t.Errorf("GetMetricStatistics gave %+v", p)
	}
	stats.Period = aws.Int32(7)
	if _, err := cw.GetMetricStatistics(ctx, stats); !isCode(err, "InvalidParameterValue") { // the code of the Query protocol, by x-amzn-query-error
		t.Errorf("bad period: %v", err)
	}

	st := sts.NewFromConfig(cfg)
	who, err := st.GetCallerIdentity(ctx, nil)
	if err != nil || *who.Arn != "arn:aws:iam::111122223333:user/ann" {
		t.Errorf("GetCallerIdentity: %v %v", who, err)
	}
	if _, err := st.GetSessionToken(ctx, nil); !isCode(err, "InvalidAction") {
		t.Errorf("unknown Query operation: %v", err)
	}
}

func isCode(err error, code string) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == code
}

func TestBadCredentials(t *testing.T) {
	now := time.Now()
	url, _ := start(t, Options{Credentials: keyring{"AK": "s3cret"}, Now: func() time.Time { return now }})
	call := func(key, secret, token string) (kinesisErr, stsErr error) {
		cfg := testConfig(url, key, secret, token)
		_, kinesisErr = kinesis.NewFromConfig(cfg).GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
		_, stsErr = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
		return kinesisErr, stsErr
	}
	for _, c := range []struct{ key, secret, token, kinesis, sts string }{
		{"AK", "wrong", "", "InvalidSignatureException", "SignatureDoesNotMatch"},
		{"ZZ", "s3cret", "", "UnrecognizedClientException", "InvalidClientTokenId"},
		{"AK", "s3cret", "old", "ExpiredTokenException", "ExpiredToken"},
		{"AK", "s3cret", "bad", "UnrecognizedClientException", "InvalidClientTokenId"},
		{"AK", "s3cret", "good", "", ""},
	} {
		k, s := call(c.key, c.secret, c.token)
		if c.kinesis == "" {
			if k != nil || s != nil {
				t.Errorf("%v: %v, %v", c, k, s)
			}
			continue
		}
		if !isCode(k, c.kinesis) || !isCode(s, c.sts) {
			t.Errorf("%v: %v, %v", c, k, s)
		}
	}
	for _, late := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		now = time.Now().Add(late)
		if k, _ := call("AK", "s3cret", ""); !isCode(k, "InvalidSignatureException") || !strings.Contains(k.Error(), "5 min.") {
			t.Errorf("clock off by %v: %v", late, k)
		}
	}
}

// What a server has belongs to its account: a user of another one is known, and refused by every service that does not
// decide such things itself.
func TestOtherAccount(t *testing.T) {
	url, _ := start(t, Options{Credentials: keyring{"AK": "s3cret"}, Account: "999999999999"})
	cfg := testConfig(url, "AK", "s3cret", "")
	_, err := kinesis.NewFromConfig(cfg).GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
	if !isCode(err, "AccessDeniedException") || !strings.Contains(err.Error(), "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: kinesis:GetRecords") {
		t.Errorf("Kinesis: %v", err)
	}
	if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil); !isCode(err, "AccessDenied") {
		t.Errorf("a Query service: %v", err)
	}
	var srv *Server
	srv, err = NewServer(Options{Credentials: keyring{"AK": "s3cret"}, Fallback: s3Echo(&srv)})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	defer hs.Close()
	client := s3.NewFromConfig(testConfig(hs.URL, "AK", "s3cret", ""), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: strings.NewReader("hello")}); !isCode(err, "AccessDenied") {
		t.Errorf("S3: %v", err)
	}
}

// s3Echo answers with the body it got and what it knows about it.
func s3Echo(srv **Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := (*srv).Authenticate(r)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(r.Body)
		}
		var e *Error
		if errors.As(err, &e) {
			w.WriteHeader(e.Status)
			io.WriteString(w, "<Error><Code>"+e.Name+"</Code><Message>"+e.Message+"</Message></Error>")
			return
		}
		w.Header().Set("X-Got-Body", string(body))
		w.Header().Set("X-Got-Trailer", r.Trailer.Get("X-Amz-Checksum-Crc32"))
		w.Header().Set("X-Got-Account", Caller(r.Context()).Account)
	})
}

func TestS3Client(t *testing.T) {
	for name, creds := range map[string]Credentials{"verified": keyring{"AK": "s3cret"}, "open": nil} {
		t.Run(name, func(t *testing.T) {
			var srv *Server
			srv, err := NewServer(Options{Credentials: creds, Account: "111122223333", Fallback: s3Echo(&srv)})
			if err != nil {
				t.Fatal(err)
			}
			hs := httptest.NewServer(srv)
			defer hs.Close()
			client := s3.NewFromConfig(testConfig(hs.URL, "AK", "s3cret", ""), func(o *s3.Options) { o.UsePathStyle = true })
			// A body that cannot be rewound over plain HTTP is signed by its hash, so both ways of the Go SDK are here.
			if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a b/ü+%.txt"), Body: strings.NewReader("hello")}); err != nil {
				t.Fatal(err)
			}
			signed, err := s3.NewPresignClient(client).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k/ü +")})
			if err != nil {
				t.Fatal(err)
			}
			put := func(url, body string) *http.Response {
				req, _ := http.NewRequest("PUT", url, strings.NewReader(body))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				return res
			}
			if res := put(signed.URL, "data"); res.StatusCode != 200 || res.Header.Get("X-Got-Body") != "data" {
				t.Errorf("presigned: %v", res)
			}
			want := 200
			if creds != nil {
				want = 403
			}
			if res := put(strings.Replace(signed.URL, "/k/", "/l/", 1), "data"); res.StatusCode != want {
				t.Errorf("presigned for another key: %v", res.Status)
			}
			bad := s3.NewFromConfig(testConfig(hs.URL, "AK", "wrong", ""), func(o *s3.Options) { o.UsePathStyle = true })
			_, err = bad.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: strings.NewReader("hello")})
			if creds != nil && !isCode(err, "SignatureDoesNotMatch") {
				t.Errorf("wrong secret: %v", err)
			}
		})
	}
}
