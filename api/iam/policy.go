package iam

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/wire"
)

// The operations on managed policies of the account. AWS's own policies can be attached, but not read or listed.

func toPolicy(p access.Policy, attached int) *types.Policy {
	out := &types.Policy{
		PolicyName:                    aws.String(p.Name),
		PolicyId:                      aws.String(p.ID),
		Arn:                           aws.String(p.ARN),
		Path:                          aws.String(p.Path),
		DefaultVersionId:              aws.String(p.Default),
		AttachmentCount:               aws.Int32(int32(attached)),
		PermissionsBoundaryUsageCount: aws.Int32(0),
		IsAttachable:                  true,
		CreateDate:                    aws.Time(p.Created),
		UpdateDate:                    aws.Time(p.Updated),
	}
	if p.Description != "" {
		out.Description = aws.String(p.Description)
	}
	if len(p.Tags) > 0 {
		out.Tags = toTags(p.Tags)
	}
	return out
}

func (a *api) createPolicy(_ context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	var v wire.Violations
	policyName(&v, in.PolicyName)
	document(&v, in.PolicyDocument, "policyDocument")
	path(&v, in.Path)
	v.Length(in.Description, "description", 0, 1000)
	tagKeys(&v, in.Tags)
	if err := v.Err(); err != nil {
		return nil, err
	}
	p, err := a.store.CreatePolicy(access.NewPolicy{
		Name: *in.PolicyName, Path: aws.ToString(in.Path), Description: aws.ToString(in.Description),
		Document: *in.PolicyDocument, Tags: fromTags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	out := toPolicy(p, 0)
	out.Description = nil // IAM does not repeat it here
	return &iam.CreatePolicyOutput{Policy: out}, nil
}

// policy checks an ARN and finds its policy.
func (a *api) policy(arn *string) (access.Policy, error) {
	var v wire.Violations
	policyARN(&v, arn)
	if err := v.Err(); err != nil {
		return access.Policy{}, err
	}
	return a.store.Policy(*arn)
}

func (a *api) getPolicy(_ context.Context, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	p, err := a.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	attached, err := a.store.Attachments()
	if err != nil {
		return nil, err
	}
	return &iam.GetPolicyOutput{Policy: toPolicy(p, attached[p.ARN])}, nil
}

func (a *api) listPolicies(_ context.Context, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	var v wire.Violations
	wire.Enum(&v, in.Scope, "scope", in.Scope.Values())
	wire.Enum(&v, in.PolicyUsageFilter, "policyUsageFilter", in.PolicyUsageFilter.Values())
	if err := v.Err(); err != nil {
		return nil, err
	}
	all, err := a.store.Policies(aws.ToString(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	attached, err := a.store.Attachments()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p access.Policy) bool {
		return in.Scope == types.PolicyScopeTypeAws || in.OnlyAttached && attached[p.ARN] == 0 ||
			in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary
	})
	some, next, err := page(all, in.Marker, in.MaxItems, func(p access.Policy) string { return p.ARN })
	if err != nil {
		return nil, err
	}
	out := &iam.ListPoliciesOutput{Policies: []types.Policy{}, Marker: next, IsTruncated: next != nil}
	for _, p := range some {
		shown := toPolicy(p, attached[p.ARN])
		shown.Description, shown.Tags = nil, nil // only GetPolicy tells them
		out.Policies = append(out.Policies, *shown)
	}
	return out, nil
}

func (a *api) deletePolicy(_ context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	var v wire.Violations
	policyARN(&v, in.PolicyArn)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.DeletePolicyOutput{}, a.store.DeletePolicy(*in.PolicyArn)
}

func (a *api) tagPolicy(_ context.Context, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	var v wire.Violations
	policyARN(&v, in.PolicyArn)
	v.Required(in.Tags != nil, "tags")
	tagKeys(&v, in.Tags)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.TagPolicyOutput{}, a.store.TagPolicy(*in.PolicyArn, fromTags(in.Tags))
}

func (a *api) untagPolicy(_ context.Context, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	var v wire.Violations
	policyARN(&v, in.PolicyArn)
	v.Required(in.TagKeys != nil, "tagKeys")
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.UntagPolicyOutput{}, a.store.UntagPolicy(*in.PolicyArn, in.TagKeys)
}

func (a *api) listPolicyTags(_ context.Context, in *iam.ListPolicyTagsInput) (*iam.ListPolicyTagsOutput, error) {
	p, err := a.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	tags, next, err := page(p.Tags, in.Marker, in.MaxItems, func(t access.Tag) string { return t.Key })
	if err != nil {
		return nil, err
	}
	return &iam.ListPolicyTagsOutput{Tags: toTags(tags), Marker: next, IsTruncated: next != nil}, nil
}

// listEntitiesForPolicy finds roles; there are no users and groups to attach a policy to.
func (a *api) listEntitiesForPolicy(_ context.Context, in *iam.ListEntitiesForPolicyInput) (*iam.ListEntitiesForPolicyOutput, error) {
	var v wire.Violations
	policyARN(&v, in.PolicyArn)
	wire.Enum(&v, in.EntityFilter, "entityFilter", in.EntityFilter.Values())
	if err := v.Err(); err != nil {
		return nil, err
	}
	roles, err := a.store.Roles(aws.ToString(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	wanted := in.EntityFilter == "" || in.EntityFilter == types.EntityTypeRole
	roles = slices.DeleteFunc(roles, func(r access.Role) bool {
		return !wanted || !slices.Contains(r.Attached, *in.PolicyArn)
	})
	some, next, err := page(roles, in.Marker, in.MaxItems, func(r access.Role) string { return r.Name })
	if err != nil {
		return nil, err
	}
	out := &iam.ListEntitiesForPolicyOutput{
		PolicyGroups: []types.PolicyGroup{}, PolicyUsers: []types.PolicyUser{}, PolicyRoles: []types.PolicyRole{},
		Marker: next, IsTruncated: next != nil,
	}
	for _, r := range some {
		out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: aws.String(r.Name), RoleId: aws.String(r.ID)})
	}
	return out, nil
}
