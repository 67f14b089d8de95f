// Package sts is the AWS Security Token Service: who a caller is, and temporary credentials.
//
// Reference: the STS API Reference, version 2011-06-15, Query protocol. Federation (SAML, web identity) is not here.
package sts

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/wire"
)

// Service is STS over the roles and keys of store.
func Service(store *access.Store) wire.Service {
	a := &api{store}
	return wire.Service{
		Name:    "sts",
		Version: "2011-06-15",
		XMLNS:   "https://sts.amazonaws.com/doc/2011-06-15/",
		Errors: wire.Codes{
			{Err: access.ErrDenied, Name: "AccessDenied", Status: http.StatusForbidden},
			{Err: access.ErrInvalid, Name: "ValidationError", Status: http.StatusBadRequest},
		},
		CrossAccount: true, // who one is may be asked by anyone; a role's trust policy says who may assume it
		Operations: []wire.Operation{
			wire.Op("GetCallerIdentity", a.getCallerIdentity),
			wire.Op("GetAccessKeyInfo", a.getAccessKeyInfo),
			wire.Op("GetSessionToken", a.getSessionToken),
			wire.Op("AssumeRole", a.assumeRole),
		},
	}
}

// Credentials is store as the front door asks it.
func Credentials(store *access.Store) wire.Credentials { return keys{store} }

type keys struct{ store *access.Store }

func (k keys) Lookup(id, token string) (string, wire.Identity, error) {
	secret, who, err := k.store.Lookup(id, token)
	switch {
	case errors.Is(err, access.ErrExpiredToken):
		err = wire.ErrExpiredToken
	case errors.Is(err, access.ErrInvalidToken):
		err = wire.ErrInvalidToken
	}
	return secret, wire.Identity(who), err
}

type api struct{ store *access.Store }

func (a *api) getCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	who := wire.Caller(ctx)
	return &sts.GetCallerIdentityOutput{Account: &who.Account, Arn: &who.ARN, UserId: &who.UserID}, nil
}

var keyPattern = wire.Pattern{Text: `[\w]*`, Match: regexp.MustCompile(`^\w*$`).MatchString}

// getAccessKeyInfo names the account of a key; keys that are not known count as the server's own.
func (a *api) getAccessKeyInfo(_ context.Context, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	var v wire.Violations
	v.Required(in.AccessKeyId != nil, "accessKeyId")
	v.Length(in.AccessKeyId, "accessKeyId", 16, 128)
	v.Pattern(in.AccessKeyId, "accessKeyId", keyPattern)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &sts.GetAccessKeyInfoOutput{Account: aws.String(a.store.KeyAccount(*in.AccessKeyId))}, nil
}

// getSessionToken makes temporary credentials of the caller's own. There are no MFA devices, so a code is refused.
func (a *api) getSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	var v wire.Violations
	wire.Range(&v, in.DurationSeconds, "durationSeconds", 900, 129600)
	if err := v.Err(); err != nil {
		return nil, err
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, wire.Errorf("AccessDenied", http.StatusForbidden, "MultiFactorAuthentication failed, unable to validate MFA code.")
	}
	valid := 12 * time.Hour
	if in.DurationSeconds != nil {
		valid = time.Duration(*in.DurationSeconds) * time.Second
	}
	return &sts.GetSessionTokenOutput{Credentials: toCredentials(a.store.NewSession(access.Identity(wire.Caller(ctx)), valid))}, nil
}

func toCredentials(s access.Session) *types.Credentials {
	return &types.Credentials{
		AccessKeyId: aws.String(s.ID), SecretAccessKey: aws.String(s.Secret),
		SessionToken: aws.String(s.Token), Expiration: aws.Time(s.Expires),
	}
}
