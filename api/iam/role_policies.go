package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/weir-data/weir/wire"
)

// The inline policies of a role, and the managed policies attached to it.

func (a *api) putRolePolicy(_ context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	policyName(&v, in.PolicyName)
	document(&v, in.PolicyDocument, "policyDocument")
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.PutRolePolicyOutput{}, a.store.PutInline(*in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

func (a *api) getRolePolicy(_ context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	policyName(&v, in.PolicyName)
	if err := v.Err(); err != nil {
		return nil, err
	}
	text, role, err := a.store.Inline(*in.RoleName, *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetRolePolicyOutput{RoleName: aws.String(role), PolicyName: in.PolicyName, PolicyDocument: escape(text)}, nil
}

func (a *api) listRolePolicies(_ context.Context, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	names, next, err := page(slices.Sorted(maps.Keys(r.Inline)), in.Marker, in.MaxItems, func(n string) string { return n })
	if err != nil {
		return nil, err
	}
	return &iam.ListRolePoliciesOutput{PolicyNames: names, Marker: next, IsTruncated: next != nil}, nil
}

func (a *api) deleteRolePolicy(_ context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	policyName(&v, in.PolicyName)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.DeleteRolePolicyOutput{}, a.store.DeleteInline(*in.RoleName, *in.PolicyName)
}

func (a *api) attachRolePolicy(_ context.Context, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	policyARN(&v, in.PolicyArn)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.AttachRolePolicyOutput{}, a.store.Attach(*in.RoleName, *in.PolicyArn)
}

func (a *api) detachRolePolicy(_ context.Context, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	policyARN(&v, in.PolicyArn)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.DetachRolePolicyOutput{}, a.store.Detach(*in.RoleName, *in.PolicyArn)
}

func (a *api) listAttachedRolePolicies(_ context.Context, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	attached := slices.DeleteFunc(slices.Clone(r.Attached), func(arn string) bool {
		return in.PathPrefix != nil && !strings.HasPrefix(pathOf(arn), *in.PathPrefix)
	})
	arns, next, err := page(attached, in.Marker, in.MaxItems, func(arn string) string { return arn })
	if err != nil {
		return nil, err
	}
	out := &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: []types.AttachedPolicy{}, Marker: next, IsTruncated: next != nil}
	for _, arn := range arns {
		name := arn[strings.LastIndexByte(arn, '/')+1:]
		out.AttachedPolicies = append(out.AttachedPolicies, types.AttachedPolicy{PolicyArn: aws.String(arn), PolicyName: aws.String(name)})
	}
	return out, nil
}

// pathOf is the path in a policy's ARN: "/" in arn:aws:iam::1:policy/name.
func pathOf(arn string) string {
	_, rest, _ := strings.Cut(arn, ":policy")
	return rest[:strings.LastIndexByte(rest, '/')+1]
}
