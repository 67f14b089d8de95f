package sts

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/wire"
)

var (
	sessionPattern  = wire.Pattern{Text: `[\w+=,.@-]*`, Match: regexp.MustCompile(`^[\w+=,.@-]*$`).MatchString}
	externalPattern = wire.Pattern{Text: `[\w+=,.@:\/-]*`, Match: regexp.MustCompile(`^[\w+=,.@:/-]*$`).MatchString}
)

// assumeRole gives temporary credentials of a role to a caller whom its trust policy names. Session policies, session
// tags and MFA are refused, as nothing here would heed them.
func (a *api) assumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	var v wire.Violations
	v.Required(in.RoleArn != nil, "roleArn")
	v.Length(in.RoleArn, "roleArn", 20, 2048)
	v.Required(in.RoleSessionName != nil, "roleSessionName")
	v.Length(in.RoleSessionName, "roleSessionName", 2, 64)
	v.Pattern(in.RoleSessionName, "roleSessionName", sessionPattern)
	wire.Range(&v, in.DurationSeconds, "durationSeconds", 900, 43200)
	v.Length(in.ExternalId, "externalId", 2, 1224)
	v.Pattern(in.ExternalId, "externalId", externalPattern)
	if err := v.Err(); err != nil {
		return nil, err
	}
	if in.Policy != nil || len(in.PolicyArns) > 0 || len(in.Tags) > 0 || len(in.TransitiveTagKeys) > 0 || len(in.ProvidedContexts) > 0 || in.SourceIdentity != nil {
		return nil, wire.Errorf("ValidationError", http.StatusBadRequest, "Session policies, session tags, contexts and source identities are not supported.")
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, wire.Errorf("AccessDenied", http.StatusForbidden, "MultiFactorAuthentication failed, unable to validate MFA code.")
	}
	valid := time.Duration(aws.ToInt32(in.DurationSeconds)) * time.Second
	session, err := a.store.Assume(access.Identity(wire.Caller(ctx)), *in.RoleArn, *in.RoleSessionName, aws.ToString(in.ExternalId), valid)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleOutput{
		Credentials:     toCredentials(session),
		AssumedRoleUser: &types.AssumedRoleUser{Arn: aws.String(session.Owner.ARN), AssumedRoleId: aws.String(session.Owner.UserID)},
	}, nil
}
