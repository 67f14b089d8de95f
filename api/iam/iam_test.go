package iam_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	smithy "github.com/aws/smithy-go"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/api/iam"
	"github.com/weir-data/weir/api/sts"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/wire"
)

// start serves IAM and STS, verified, with the keys AK of the root user and ANN of user ann.
func start(t *testing.T) (config func(id, secret, token string) aws.Config) {
	t.Helper()
	m := meta.NewMem()
	t.Cleanup(func() { m.Close() })
	store, err := access.Open(access.Options{Meta: m, Keys: []access.Key{{ID: "AK", Secret: "s"}, {ID: "ANN", Secret: "s", Profile: "ann"}}})
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

// What Terraform does with a role, its inline policy, a managed policy and its attachment.
func TestTerraformLife(t *testing.T) {
	ctx := t.Context()
	c := awsiam.NewFromConfig(start(t)("AK", "s", ""))
	name := aws.String("delivery")

	created := must[*awsiam.CreateRoleOutput](t)(c.CreateRole(ctx, &awsiam.CreateRoleInput{
		RoleName: name, AssumeRolePolicyDocument: aws.String(trust), Description: aws.String("d é"), MaxSessionDuration: aws.Int32(7200),
		Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("x")}},
	})).Role
	if *created.Arn != "arn:aws:iam::000000000000:role/delivery" || *created.Path != "/" {
		t.Errorf("created %+v", created)
	}
	_, err := c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trust)})
	if code(err) != "EntityAlreadyExists" || !strings.Contains(err.Error(), "Role with name delivery already exists.") {
		t.Error(err)
	}
	got := must[*awsiam.GetRoleOutput](t)(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})).Role
	document, err := url.QueryUnescape(*got.AssumeRolePolicyDocument)
	if err != nil || document != trust || strings.Contains(*got.AssumeRolePolicyDocument, " ") {
		t.Errorf("trust policy %s, %v", *got.AssumeRolePolicyDocument, err)
	}
	if *got.Description != "d é" || *got.MaxSessionDuration != 7200 || *got.Tags[0].Value != "x" || *got.RoleId != *created.RoleId || got.RoleLastUsed == nil || time.Since(*got.CreateDate) > time.Minute {
		t.Errorf("got %+v", got)
	}
	if _, err := c.UpdateRole(ctx, &awsiam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(3600)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String("{")}); code(err) != "MalformedPolicyDocument" {
		t.Error(err)
	}

	if _, err := c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("in line"), PolicyDocument: aws.String(policy)}); code(err) != "ValidationError" {
		t.Error(err)
	}
	if _, err := c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("inline"), PolicyDocument: aws.String(policy)}); err != nil {
		t.Fatal(err)
	}
	if p := must[*awsiam.GetRolePolicyOutput](t)(c.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("inline")})); *p.PolicyDocument != url.PathEscape(policy) && !strings.HasPrefix(*p.PolicyDocument, "%7B%22Version%22%3A") {
		t.Errorf("inline policy %s", *p.PolicyDocument)
	}
	if l := must[*awsiam.ListRolePoliciesOutput](t)(c.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: name})); len(l.PolicyNames) != 1 || l.IsTruncated {
		t.Errorf("inline policies %+v", l)
	}

	arn := must[*awsiam.CreatePolicyOutput](t)(c.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(policy), Description: aws.String("why")})).Policy.Arn
	for range 2 {
		if _, err := c.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: name, PolicyArn: arn}); err != nil {
			t.Fatal(err)
		}
	}
	p := must[*awsiam.GetPolicyOutput](t)(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: arn})).Policy
	if *p.AttachmentCount != 1 || *p.DefaultVersionId != "v1" || *p.Description != "why" || !p.IsAttachable {
		t.Errorf("policy %+v", p)
	}
	v2 := must[*awsiam.CreatePolicyVersionOutput](t)(c.CreatePolicyVersion(ctx, &awsiam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(policy), SetAsDefault: true})).PolicyVersion
	if v := must[*awsiam.GetPolicyVersionOutput](t)(c.GetPolicyVersion(ctx, &awsiam.GetPolicyVersionInput{PolicyArn: arn, VersionId: v2.VersionId})).PolicyVersion; !v.IsDefaultVersion || v.Document == nil {
		t.Errorf("version %+v", v)
	}
	if l := must[*awsiam.ListAttachedRolePoliciesOutput](t)(c.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: name})); len(l.AttachedPolicies) != 1 || *l.AttachedPolicies[0].PolicyName != "p" {
		t.Errorf("attached %+v", l)
	}
	if l := must[*awsiam.ListEntitiesForPolicyOutput](t)(c.ListEntitiesForPolicy(ctx, &awsiam.ListEntitiesForPolicyInput{PolicyArn: arn})); len(l.PolicyRoles) != 1 {
		t.Errorf("entities %+v", l)
	}

	if l := must[*awsiam.ListInstanceProfilesForRoleOutput](t)(c.ListInstanceProfilesForRole(ctx, &awsiam.ListInstanceProfilesForRoleInput{RoleName: name})); len(l.InstanceProfiles) != 0 {
		t.Errorf("instance profiles %+v", l)
	}
	for want, call := range map[string]func() error{
		"DeleteConflict": func() error { _, err := c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name}); return err },
		"NoSuchEntity": func() error {
			_, err := c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("none")})
			return err
		},
		"ValidationError": func() error {
			_, err := c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("a/b")})
			return err
		},
	} {
		if err := call(); code(err) != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, call := range []func() error{
		func() error {
			_, err := c.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: name, PolicyArn: arn})
			return err
		},
		func() error {
			_, err := c.DeletePolicyVersion(ctx, &awsiam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})
			return err
		},
		func() error { _, err := c.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: arn}); return err },
		func() error {
			_, err := c.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("inline")})
			return err
		},
		func() error { _, err := c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name}); return err },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPages(t *testing.T) {
	c := awsiam.NewFromConfig(start(t)("AK", "s", ""))
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		if _, err := c.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(trust)}); err != nil {
			t.Fatal(err)
		}
	}
	var names string
	pages := awsiam.NewListRolesPaginator(c, &awsiam.ListRolesInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Roles {
			names += *r.RoleName
		}
		names += "|"
	}
	if names != "ab|cd|e|" {
		t.Errorf("pages %s", names)
	}
	if _, err := c.ListRoles(t.Context(), &awsiam.ListRolesInput{Marker: aws.String("!")}); code(err) != "ValidationError" {
		t.Error(err)
	}
}

func TestGetUser(t *testing.T) {
	config := start(t)
	user := func(c *awsiam.Client, name *string) (*types.User, error) {
		out, err := c.GetUser(context.Background(), &awsiam.GetUserInput{UserName: name})
		if err != nil {
			return nil, err
		}
		return out.User, nil
	}
	root, ann := awsiam.NewFromConfig(config("AK", "s", "")), awsiam.NewFromConfig(config("ANN", "s", ""))
	if u, err := user(root, nil); err != nil || *u.Arn != "arn:aws:iam::000000000000:root" || u.UserName != nil {
		t.Errorf("root: %+v, %v", u, err)
	}
	for _, name := range []*string{nil, aws.String("ann")} {
		if u, err := user(ann, name); err != nil || *u.UserName != "ann" || *u.Path != "/" {
			t.Errorf("ann: %+v, %v", u, err)
		}
	}
	if _, err := user(root, aws.String("bob")); code(err) != "NoSuchEntity" {
		t.Errorf("bob: %v", err)
	}
}
