package main

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	athenatypes "github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weir-data/weir/internal/keyring"
	"github.com/weir-data/weir/stream"
)

func testHouse(t testing.TB) (*house, *clients) {
	t.Helper()
	h, err := openHouse(t.Context(), houseConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	cl, err := newClients(t.Context(), h.URL)
	if err != nil {
		t.Fatal(err)
	}
	return h, cl
}

// A page of another origin reaches a bucket whose own rules allow it, and nothing else.
func TestForeignPages(t *testing.T) {
	h, cl := testHouse(t)
	for _, bucket := range []string{"open-bucket", "shut-bucket"} {
		if _, err := cl.S3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			t.Fatal(err)
		}
		if _, err := cl.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("v")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cl.S3.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{Bucket: aws.String("open-bucket"), CORSConfiguration: &types.CORSConfiguration{
		CORSRules: []types.CORSRule{{AllowedMethods: []string{"GET", "POST"}, AllowedOrigins: []string{"https://page.example"}}}}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, origin, header, value string
		want                                int
	}{
		{"GET", "/open-bucket/k", "https://page.example", "", "", 200},
		{"GET", "/open-bucket/k", "https://evil.example", "", "", 403},
		{"GET", "/shut-bucket/k", "https://page.example", "", "", 403},
		{"POST", "/", "https://page.example", "X-Amz-Target", "Kinesis_20131202.ListStreams", 403},
		{"POST", "/open-bucket/k", "https://page.example", "X-Amz-Target", "Kinesis_20131202.ListStreams", 403},
		{"POST", "/", "https://page.example", "Content-Type", "application/x-www-form-urlencoded", 403},
		{"GET", "/metrics", "https://page.example", "", "", 403},
		{"GET", "/metrics", "", "", "", 200},
		{"GET", healthPath, "", "", "", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, h.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s from %q with %s: status %d, want %d", c.method, c.path, c.origin, c.header, resp.StatusCode, c.want)
		}
	}
}

// A workgroup that does not publish metrics leaves none.
func TestWorkgroupMetrics(t *testing.T) {
	_, cl := testHouse(t)
	if _, err := cl.S3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("results")}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"quiet", "loud"} {
		config := &athenatypes.WorkGroupConfiguration{PublishCloudWatchMetricsEnabled: aws.Bool(name == "loud"), EnforceWorkGroupConfiguration: aws.Bool(false)}
		if _, err := cl.Athena.CreateWorkGroup(t.Context(), &athena.CreateWorkGroupInput{Name: aws.String(name), Configuration: config}); err != nil {
			t.Fatal(err)
		}
		started, err := cl.Athena.StartQueryExecution(t.Context(), &athena.StartQueryExecutionInput{QueryString: aws.String("SHOW DATABASES"), WorkGroup: aws.String(name),
			ResultConfiguration: &athenatypes.ResultConfiguration{OutputLocation: aws.String("s3://results/")}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := awaitStatement(t.Context(), cl.Athena, started.QueryExecutionId); err != nil {
			t.Fatal(err)
		}
	}
	has := func(group string) bool {
		out, err := cl.CloudWatch.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{Namespace: aws.String("AWS/Athena"),
			Dimensions: []cwtypes.DimensionFilter{{Name: aws.String("WorkGroup"), Value: aws.String(group)}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Metrics) > 0
	}
	for end := time.Now().Add(time.Minute); !has("loud") && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond) // the observation follows the answer
	}
	if !has("loud") || has("quiet") {
		t.Errorf("metrics of the workgroup that publishes: %v, of the other: %v", has("loud"), has("quiet"))
	}
}

// The keys of encrypted streams lie in the data directory, unless they are to lie elsewhere; a house on the same data
// without them has all but those records.
func TestKeysElsewhere(t *testing.T) {
	ctx, cfg := t.Context(), houseConfig{Dir: t.TempDir(), Keys: filepath.Join(t.TempDir(), "keys"), Listen: "127.0.0.1:0"}
	h, err := openHouse(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.streams.Create(ctx, stream.Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	if err := h.streams.SetEncryption(ctx, "s", "alias/aws/kinesis"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.streams.Put(ctx, "s", []stream.Entry{{PartitionKey: []byte("k"), Data: []byte("secret")}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if !exists(filepath.Join(cfg.Keys, "alias.aws.kinesis")) || exists(filepath.Join(cfg.Dir, "keys")) {
		t.Error("the key is not where it should be, or also elsewhere")
	}
	for _, c := range []struct {
		keys string
		want error
	}{{"", keyring.ErrNotFound}, {cfg.Keys, nil}} {
		cfg.Keys = c.keys
		if h, err = openHouse(ctx, cfg); err != nil {
			t.Fatal(err)
		}
		if _, err := h.streams.Read(ctx, "s", stream.ShardID(0), stream.SeqNum{}, 1, 1<<20); !errors.Is(err, c.want) {
			t.Errorf("keys in %q: %v", c.keys, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
