package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// defaultListen is where weir serve listens and where the other commands look for it. Tests look elsewhere: servers of other tests, and of
// the user, may be there.
var defaultListen = "127.0.0.1:4566"

// clients are the SDK clients of one endpoint, as any user's program would make them.
type clients struct {
	Endpoint   string
	Config     aws.Config
	Kinesis    *kinesis.Client
	Firehose   *firehose.Client
	S3         *s3.Client
	Glue       *glue.Client
	Athena     *athena.Client
	CloudWatch *cloudwatch.Client
	IAM        *iam.Client
}

// newClients makes clients for endpoint; "" leaves the choice to the SDK, which then talks to AWS itself.
// Credentials and region come from the user's environment; a local endpoint needs none.
func newClients(ctx context.Context, endpoint string) (*clients, error) {
	// What goes wrong is told by the errors; the SDK's own remarks, such as of a subscription that was left, are not for users.
	opts := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if endpoint != "" {
		opts = append(opts, config.WithBaseEndpoint(endpoint))
	}
	if isLocal(endpoint) { // the metadata service of a cloud machine has nothing to say about a server on this one
		opts = append(opts, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("read AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if isLocal(endpoint) {
		c, cancel := context.WithTimeout(ctx, time.Second)
		_, err := cfg.Credentials.Retrieve(c)
		cancel()
		if err != nil {
			cfg.Credentials = credentials.NewStaticCredentialsProvider("weir", "weir", "")
		}
	}
	return &clients{
		Endpoint:   endpoint,
		Config:     cfg,
		Kinesis:    kinesis.NewFromConfig(cfg),
		Firehose:   firehose.NewFromConfig(cfg),
		S3:         s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = endpoint != "" }),
		Glue:       glue.NewFromConfig(cfg),
		Athena:     athena.NewFromConfig(cfg),
		CloudWatch: cloudwatch.NewFromConfig(cfg),
		IAM:        iam.NewFromConfig(cfg),
	}, nil
}

func isLocal(endpoint string) bool {
	for _, host := range []string{"http://127.", "http://localhost", "http://[::1]"} {
		if strings.HasPrefix(endpoint, host) {
			return true
		}
	}
	return false
}

// findEndpoint is the endpoint that a command should talk to: the one that was said, the environment's, a weir
// that runs on this machine, or "" if there is none and the command has to bring its own.
func findEndpoint(ctx context.Context, said string) string {
	if said != "" {
		return strings.TrimRight(said, "/")
	}
	if env := os.Getenv("AWS_ENDPOINT_URL"); env != "" {
		return strings.TrimRight(env, "/")
	}
	if local := "http://" + defaultListen; answersAsWeir(ctx, local) {
		return local
	}
	return ""
}

// answersAsWeir says whether a weir, and not something else, listens at endpoint.
func answersAsWeir(ctx context.Context, endpoint string) bool {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+healthPath, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && resp.Header.Get("Server") == "weir"
}
