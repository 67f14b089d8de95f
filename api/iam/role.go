package iam

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/wire"
)

// The operations on roles themselves. Service-linked roles, last use and service-specific credentials do not exist here.

// toRole is a role as GetRole shows it; ListRoles leaves tags, boundary and last use out.
func toRole(r access.Role, whole bool) *types.Role {
	out := &types.Role{
		RoleName:                 aws.String(r.Name),
		RoleId:                   aws.String(r.ID),
		Arn:                      aws.String(r.ARN),
		Path:                     aws.String(r.Path),
		CreateDate:               aws.Time(r.Created),
		AssumeRolePolicyDocument: escape(r.Trust),
		MaxSessionDuration:       aws.Int32(int32(r.MaxSession / time.Second)),
	}
	if r.Description != "" {
		out.Description = aws.String(r.Description)
	}
	if !whole {
		return out
	}
	if r.Boundary != "" {
		out.PermissionsBoundary = &types.AttachedPermissionsBoundary{
			PermissionsBoundaryArn:  aws.String(r.Boundary),
			PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy,
		}
	}
	if len(r.Tags) > 0 {
		out.Tags = toTags(r.Tags)
	}
	return out
}

func maxSession(v *wire.Violations, seconds *int32) {
	wire.Range(v, seconds, "maxSessionDuration", 3600, 43200)
}

func (a *api) createRole(_ context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	document(&v, in.AssumeRolePolicyDocument, "assumeRolePolicyDocument")
	path(&v, in.Path)
	v.Length(in.Description, "description", 0, 1000)
	v.Length(in.PermissionsBoundary, "permissionsBoundary", 20, 2048)
	maxSession(&v, in.MaxSessionDuration)
	tagKeys(&v, in.Tags)
	if err := v.Err(); err != nil {
		return nil, err
	}
	r, err := a.store.CreateRole(access.NewRole{
		Name:        *in.RoleName,
		Path:        aws.ToString(in.Path),
		Description: aws.ToString(in.Description),
		Trust:       *in.AssumeRolePolicyDocument,
		MaxSession:  time.Duration(aws.ToInt32(in.MaxSessionDuration)) * time.Second,
		Boundary:    aws.ToString(in.PermissionsBoundary),
		Tags:        fromTags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &iam.CreateRoleOutput{Role: toRole(r, true)}, nil
}

func (a *api) getRole(_ context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	out := toRole(r, true)
	out.RoleLastUsed = &types.RoleLastUsed{}
	return &iam.GetRoleOutput{Role: out}, nil
}

// role checks a name and finds its role.
func (a *api) role(name *string) (access.Role, error) {
	var v wire.Violations
	roleName(&v, name)
	if err := v.Err(); err != nil {
		return access.Role{}, err
	}
	return a.store.Role(*name)
}

func (a *api) listRoles(_ context.Context, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	all, err := a.store.Roles(aws.ToString(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	some, next, err := page(all, in.Marker, in.MaxItems, func(r access.Role) string { return r.Name })
	if err != nil {
		return nil, err
	}
	out := &iam.ListRolesOutput{Roles: []types.Role{}, Marker: next, IsTruncated: next != nil}
	for _, r := range some {
		out.Roles = append(out.Roles, *toRole(r, false))
	}
	return out, nil
}

func (a *api) updateRole(_ context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	v.Length(in.Description, "description", 0, 1000)
	maxSession(&v, in.MaxSessionDuration)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.UpdateRoleOutput{}, a.store.UpdateRole(*in.RoleName, func(r *access.Role) error {
		// A member that is not sent goes back to its default, as IAM has it.
		r.Description = aws.ToString(in.Description)
		r.MaxSession = time.Hour
		if in.MaxSessionDuration != nil {
			r.MaxSession = time.Duration(*in.MaxSessionDuration) * time.Second
		}
		return nil
	})
}

func (a *api) updateRoleDescription(_ context.Context, in *iam.UpdateRoleDescriptionInput) (*iam.UpdateRoleDescriptionOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	v.Required(in.Description != nil, "description")
	v.Length(in.Description, "description", 0, 1000)
	if err := v.Err(); err != nil {
		return nil, err
	}
	var changed access.Role
	err := a.store.UpdateRole(*in.RoleName, func(r *access.Role) error {
		r.Description = *in.Description
		changed = *r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.UpdateRoleDescriptionOutput{Role: toRole(changed, true)}, nil
}

func (a *api) updateAssumeRolePolicy(_ context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	document(&v, in.PolicyDocument, "policyDocument")
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.UpdateAssumeRolePolicyOutput{}, a.store.SetTrust(*in.RoleName, *in.PolicyDocument)
}

func (a *api) putRolePermissionsBoundary(_ context.Context, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	v.Required(in.PermissionsBoundary != nil, "permissionsBoundary")
	v.Length(in.PermissionsBoundary, "permissionsBoundary", 20, 2048)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.PutRolePermissionsBoundaryOutput{}, a.store.UpdateRole(*in.RoleName, func(r *access.Role) error {
		r.Boundary = *in.PermissionsBoundary
		return nil
	})
}

func (a *api) deleteRolePermissionsBoundary(_ context.Context, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.DeleteRolePermissionsBoundaryOutput{}, a.store.UpdateRole(*in.RoleName, func(r *access.Role) error {
		r.Boundary = ""
		return nil
	})
}

func (a *api) deleteRole(_ context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.DeleteRoleOutput{}, a.store.DeleteRole(*in.RoleName)
}

func (a *api) tagRole(_ context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	v.Required(in.Tags != nil, "tags")
	tagKeys(&v, in.Tags)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.TagRoleOutput{}, a.store.TagRole(*in.RoleName, fromTags(in.Tags))
}

func (a *api) untagRole(_ context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	var v wire.Violations
	roleName(&v, in.RoleName)
	v.Required(in.TagKeys != nil, "tagKeys")
	if err := v.Err(); err != nil {
		return nil, err
	}
	return &iam.UntagRoleOutput{}, a.store.UntagRole(*in.RoleName, in.TagKeys)
}

func (a *api) listRoleTags(_ context.Context, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, next, err := page(r.Tags, in.Marker, in.MaxItems, func(t access.Tag) string { return t.Key })
	if err != nil {
		return nil, err
	}
	return &iam.ListRoleTagsOutput{Tags: toTags(tags), Marker: next, IsTruncated: next != nil}, nil
}

// listInstanceProfilesForRole always finds none: there are no instances here. Terraform asks before it deletes a role.
func (a *api) listInstanceProfilesForRole(_ context.Context, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	if _, err := a.role(in.RoleName); err != nil {
		return nil, err
	}
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: []types.InstanceProfile{}}, nil
}
