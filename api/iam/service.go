// Package iam is AWS Identity and Access Management: roles with their policies, managed policies, and the calling user,
// as far as Terraform, awscli and the SDKs need them to set up streams and delivery. Identity policies are kept and
// returned faithfully; they are not evaluated.
//
// Reference: the IAM API Reference, version 2010-05-08, Query protocol.
package iam

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/wire"
)

// Service is IAM over the roles and policies of store.
func Service(store *access.Store) wire.Service {
	a := &api{store}
	return wire.Service{
		Name:    "iam",
		Version: "2010-05-08",
		XMLNS:   "https://iam.amazonaws.com/doc/2010-05-08/",
		Errors:  codes,
		Operations: []wire.Operation{
			wire.Op("CreateRole", a.createRole),
			wire.Op("GetRole", a.getRole),
			wire.Op("ListRoles", a.listRoles),
			wire.Op("UpdateRole", a.updateRole),
			wire.Op("UpdateRoleDescription", a.updateRoleDescription),
			wire.Op("UpdateAssumeRolePolicy", a.updateAssumeRolePolicy),
			wire.Op("PutRolePermissionsBoundary", a.putRolePermissionsBoundary),
			wire.Op("DeleteRolePermissionsBoundary", a.deleteRolePermissionsBoundary),
			wire.Op("DeleteRole", a.deleteRole),
			wire.Op("TagRole", a.tagRole),
			wire.Op("UntagRole", a.untagRole),
			wire.Op("ListRoleTags", a.listRoleTags),
			wire.Op("ListInstanceProfilesForRole", a.listInstanceProfilesForRole),

			wire.Op("PutRolePolicy", a.putRolePolicy),
			wire.Op("GetRolePolicy", a.getRolePolicy),
			wire.Op("ListRolePolicies", a.listRolePolicies),
			wire.Op("DeleteRolePolicy", a.deleteRolePolicy),
			wire.Op("AttachRolePolicy", a.attachRolePolicy),
			wire.Op("DetachRolePolicy", a.detachRolePolicy),
			wire.Op("ListAttachedRolePolicies", a.listAttachedRolePolicies),

			wire.Op("CreatePolicy", a.createPolicy),
			wire.Op("GetPolicy", a.getPolicy),
			wire.Op("ListPolicies", a.listPolicies),
			wire.Op("DeletePolicy", a.deletePolicy),
			wire.Op("TagPolicy", a.tagPolicy),
			wire.Op("UntagPolicy", a.untagPolicy),
			wire.Op("ListPolicyTags", a.listPolicyTags),
			wire.Op("ListEntitiesForPolicy", a.listEntitiesForPolicy),
			wire.Op("CreatePolicyVersion", a.createPolicyVersion),
			wire.Op("GetPolicyVersion", a.getPolicyVersion),
			wire.Op("ListPolicyVersions", a.listPolicyVersions),
			wire.Op("SetDefaultPolicyVersion", a.setDefaultPolicyVersion),
			wire.Op("DeletePolicyVersion", a.deletePolicyVersion),

			wire.Op("GetUser", a.getUser),
		},
	}
}

type api struct{ store *access.Store }

var codes = wire.Codes{
	{Err: access.ErrNotFound, Name: "NoSuchEntity", Status: http.StatusNotFound},
	{Err: access.ErrExists, Name: "EntityAlreadyExists", Status: http.StatusConflict},
	{Err: access.ErrConflict, Name: "DeleteConflict", Status: http.StatusConflict},
	{Err: access.ErrLimit, Name: "LimitExceeded", Status: http.StatusConflict},
	{Err: access.ErrMalformedPolicy, Name: "MalformedPolicyDocument", Status: http.StatusBadRequest},
	{Err: access.ErrInvalid, Name: "InvalidInput", Status: http.StatusBadRequest},
	{Err: access.ErrDenied, Name: "AccessDenied", Status: http.StatusForbidden},
}

func pattern(text string) wire.Pattern {
	return wire.Pattern{Text: text, Match: regexp.MustCompile("^(?:" + text + ")$").MatchString}
}

var (
	namePattern = pattern(`[\w+=,.@-]+`)
	pathPattern = wire.Pattern{
		Text:  `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, // as IAM shows it
		Match: regexp.MustCompile(`^(/|/[!-~]+/)$`).MatchString,
	}
)

const documentMax = 131072

// The checks below note the violations that IAM finds before it looks anything up.

func roleName(v *wire.Violations, name *string) {
	v.Required(name != nil, "roleName")
	v.Length(name, "roleName", 1, 64)
	v.Pattern(name, "roleName", namePattern)
}

func policyName(v *wire.Violations, name *string) {
	v.Required(name != nil, "policyName")
	v.Length(name, "policyName", 1, 128)
	v.Pattern(name, "policyName", namePattern)
}

func policyARN(v *wire.Violations, arn *string) {
	v.Required(arn != nil, "policyArn")
	v.Length(arn, "policyArn", 20, 2048)
}

func document(v *wire.Violations, text *string, member string) {
	v.Required(text != nil, member)
	v.Length(text, member, 1, documentMax)
}

func path(v *wire.Violations, p *string) {
	v.Length(p, "path", 1, 512)
	v.Pattern(p, "path", pathPattern)
}

func tagKeys(v *wire.Violations, tags []types.Tag) {
	for _, t := range tags {
		v.Length(t.Key, "tags.member.key", 1, 128)
		v.Length(t.Value, "tags.member.value", 0, 256)
	}
}

func fromTags(in []types.Tag) []access.Tag {
	out := make([]access.Tag, len(in))
	for i, t := range in {
		out[i] = access.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)}
	}
	return out
}

func toTags(in []access.Tag) []types.Tag {
	out := make([]types.Tag, len(in))
	for i, t := range in {
		out[i] = types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)}
	}
	return out
}

// page cuts a list to what Marker and MaxItems ask for. key is what orders it; the answer's marker is the last key.
func page[T any](all []T, marker *string, maxItems *int32, key func(T) string) (items []T, next *string, err error) {
	var v wire.Violations
	wire.Range(&v, maxItems, "maxItems", 1, 1000)
	after, decodeErr := base64.RawURLEncoding.DecodeString(aws.ToString(marker))
	v.Check(decodeErr == nil, "marker", aws.ToString(marker), "Member must be a marker of an earlier answer")
	if err := v.Err(); err != nil {
		return nil, nil, err
	}
	limit := 100
	if maxItems != nil {
		limit = int(*maxItems)
	}
	items = []T{}
	passed := len(after) == 0
	for _, item := range all {
		if !passed {
			passed = key(item) == string(after)
			continue
		}
		if len(items) == limit {
			next = aws.String(base64.RawURLEncoding.EncodeToString([]byte(key(items[limit-1]))))
			break
		}
		items = append(items, item)
	}
	return items, next, nil
}

// escape encodes a policy document for an answer: percent-encoded, as RFC 3986 says.
func escape(text string) *string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upper[c>>4])
		b.WriteByte(upper[c&15])
	}
	return aws.String(b.String())
}
