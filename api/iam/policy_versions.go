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

// The versions of a managed policy: up to five, one of them in force.

var versionPattern = pattern(`v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`)

func versionID(v *wire.Violations, arn, id *string) {
	policyARN(v, arn)
	v.Required(id != nil, "versionId")
	v.Pattern(id, "versionId", versionPattern)
}

func toVersion(version access.Version, inForce string) types.PolicyVersion {
	return types.PolicyVersion{
		VersionId:        aws.String(version.ID),
		IsDefaultVersion: version.ID == inForce,
		CreateDate:       aws.Time(version.Created),
	}
}

func (a *api) createPolicyVersion(_ context.Context, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	var v wire.Violations
	policyARN(&v, in.PolicyArn)
	document(&v, in.PolicyDocument, "policyDocument")
	if err := v.Err(); err != nil {
		return nil, err
	}
	version, err := a.store.AddVersion(*in.PolicyArn, *in.PolicyDocument, in.SetAsDefault)
	if err != nil {
		return nil, err
	}
	inForce := ""
	if in.SetAsDefault {
		inForce = version.ID
	}
	out := toVersion(version, inForce)
	return &iam.CreatePolicyVersionOutput{PolicyVersion: &out}, nil
}

func (a *api) getPolicyVersion(_ context.Context, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	var v wire.Violations
	versionID(&v, in.PolicyArn, in.VersionId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	p, err := a.store.Policy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	version, err := p.Version(*in.VersionId)
	if err != nil {
		return nil, err
	}
	out := toVersion(version, p.Default)
	out.Document = escape(version.Document)
	return &iam.GetPolicyVersionOutput{PolicyVersion: &out}, nil
}

// listPolicyVersions shows the newest first, without documents.
func (a *api) listPolicyVersions(_ context.Context, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	p, err := a.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	slices.Reverse(p.Versions)
	some, next, err := page(p.Versions, in.Marker, in.MaxItems, func(v access.Version) string { return v.ID })
	if err != nil {
		return nil, err
	}
	out := &iam.ListPolicyVersionsOutput{Versions: []types.PolicyVersion{}, Marker: next, IsTruncated: next != nil}
	for _, version := range some {
		out.Versions = append(out.Versions, toVersion(version, p.Default))
	}
	return out, nil
}

func (a *api) setDefaultPolicyVersion(_ context.Context, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	var v wire.Violations
	versionID(&v, in.PolicyArn, in.VersionId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.SetDefaultPolicyVersionOutput{}, a.store.SetDefaultVersion(*in.PolicyArn, *in.VersionId)
}

func (a *api) deletePolicyVersion(_ context.Context, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	var v wire.Violations
	versionID(&v, in.PolicyArn, in.VersionId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.DeletePolicyVersionOutput{}, a.store.DeleteVersion(*in.PolicyArn, *in.VersionId)
}
