package sts_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	smithy "github.com/aws/smithy-go"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/api/iam"
	"github.com/weir-data/weir/api/sts"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/wire"
)

// start serves IAM and STS, verified, with the key AK of the root user.
func start(t *testing.T) (config func(id, secret, token string) aws.Config) {
	t.Helper()
	m := meta.NewMem()
	t.Cleanup(func() { m.Close() })
	store, err := access.Open(access.Options{Meta: m, Keys: []access.Key{{ID: "AK", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := wire.NewServer(wire.Options{Credentials: sts.Credentials(store)}, iam.Service(store), sts.Service(store))
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	t.Cleanup(hs.Close)
	return func(id, secret, token string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &hs.URL, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(id, secret, token)}
	}
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const (
	trust  = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}]}`
	policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::b/*"}]}`
)

// Temporary credentials work for signing, and know who they are.
func TestSessions(t *testing.T) {
	ctx := t.Context()
	config := start(t)
	root := config("AK", "s", "")
	role := must[*awsiam.CreateRoleOutput](t)(awsiam.NewFromConfig(root).CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trust)})).Role
	client := awssts.NewFromConfig(root)
	out := must[*awssts.AssumeRoleOutput](t)(client.AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s1"), DurationSeconds: aws.Int32(900)}))
	if d := time.Until(*out.Credentials.Expiration); d < 14*time.Minute || d > 15*time.Minute || *out.AssumedRoleUser.AssumedRoleId != *role.RoleId+":s1" {
		t.Errorf("session %+v", out)
	}
	whoIs := func(c aws.Config) (string, error) {
		out, err := awssts.NewFromConfig(c).GetCallerIdentity(ctx, nil)
		if err != nil {
			return "", err
		}
		return *out.Arn, nil
	}
	temporary := config(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	if arn, err := whoIs(temporary); err != nil || arn != "arn:aws:sts::000000000000:assumed-role/r/s1" {
		t.Errorf("%s, %v", arn, err)
	}
	if _, err := whoIs(config(*out.Credentials.AccessKeyId, "x", *out.Credentials.SessionToken)); code(err) != "SignatureDoesNotMatch" {
		t.Error(err)
	}
	mine := must[*awssts.GetSessionTokenOutput](t)(client.GetSessionToken(ctx, nil)).Credentials
	if arn, err := whoIs(config(*mine.AccessKeyId, *mine.SecretAccessKey, *mine.SessionToken)); err != nil || arn != "arn:aws:iam::000000000000:root" {
		t.Errorf("%s, %v", arn, err)
	}
	for _, c := range []struct {
		in   awssts.AssumeRoleInput
		want string
	}{
		{awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/none"), RoleSessionName: aws.String("s1")}, "AccessDenied"},
		{awssts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s 1")}, "ValidationError"},
		{awssts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s1"), DurationSeconds: aws.Int32(7200)}, "ValidationError"},
		{awssts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s1"), Policy: aws.String(policy)}, "ValidationError"},
		{awssts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s1"), TokenCode: aws.String("123456")}, "AccessDenied"},
	} {
		if _, err := client.AssumeRole(ctx, &c.in); code(err) != c.want {
			t.Errorf("%v: %v", c.want, err)
		}
	}
	if info := must[*awssts.GetAccessKeyInfoOutput](t)(client.GetAccessKeyInfo(ctx, &awssts.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId})); *info.Account != "000000000000" {
		t.Errorf("account %s", *info.Account)
	}
}
