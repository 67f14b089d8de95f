package objstore_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	s3api "github.com/weir-data/weir/api/s3"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/awss3"
	"github.com/weir-data/weir/wire"
)

// openS3 returns a store at weir's own S3.
func openS3(t *testing.T) objstore.Store {
	var server *wire.Server
	handler := s3api.New(s3api.Options{
		Store:        openFile(t, nil, t.TempDir()),
		Authenticate: func(r *http.Request) (*http.Request, error) { return server.Authenticate(r) },
	})
	server, err := wire.NewServer(wire.Options{Fallback: handler})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(server)
	t.Cleanup(hs.Close)
	return awss3.New(s3.New(s3.Options{
		BaseEndpoint: &hs.URL, Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AK", "secret", "")),
		Retryer:     aws.NopRetryer{},
	}))
}
