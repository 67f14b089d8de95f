package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func testHouse(t *testing.T) (*house, *clients) {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
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
