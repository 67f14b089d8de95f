package athena

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/weir-data/weir/query"
)

const engineName = "Athena engine version 3"

func engineVersion(selected string) *types.EngineVersion {
	if selected == "" {
		selected = "AUTO"
	}
	return &types.EngineVersion{SelectedEngineVersion: &selected, EffectiveEngineVersion: ptr(engineName)}
}

// resultConfig reads where results go. Encryption on the client's side is not supported.
func resultConfig(in *types.ResultConfiguration) (query.ResultConfig, error) {
	if in == nil {
		return query.ResultConfig{}, nil
	}
	out := query.ResultConfig{OutputLocation: str(in.OutputLocation), ExpectedOwner: str(in.ExpectedBucketOwner)}
	if e := in.EncryptionConfiguration; e != nil {
		out.Encryption, out.KMSKey = string(e.EncryptionOption), str(e.KmsKey)
	}
	if in.AclConfiguration != nil {
		out.ACL = string(in.AclConfiguration.S3AclOption)
	}
	return out, checkResultConfig(out)
}

func checkResultConfig(c query.ResultConfig) error {
	if c.OutputLocation != "" && !strings.HasPrefix(c.OutputLocation, "s3://") {
		return invalid("outputLocation is not a valid S3 path.")
	}
	return refuse("EncryptionOption CSE_KMS", c.Encryption == string(types.EncryptionOptionCseKms))
}

func resultConfiguration(c query.ResultConfig) *types.ResultConfiguration {
	out := &types.ResultConfiguration{OutputLocation: text(c.OutputLocation), ExpectedBucketOwner: text(c.ExpectedOwner)}
	if c.Encryption != "" {
		out.EncryptionConfiguration = &types.EncryptionConfiguration{EncryptionOption: types.EncryptionOption(c.Encryption), KmsKey: text(c.KMSKey)}
	}
	if c.ACL != "" {
		out.AclConfiguration = &types.AclConfiguration{S3AclOption: types.S3AclOption(c.ACL)}
	}
	return out
}

// CreateWorkGroup makes a workgroup. Left out, settings are enforced and metrics published, as on AWS.
func (s *service) createWorkGroup(ctx context.Context, in *athena.CreateWorkGroupInput) (*athena.CreateWorkGroupOutput, error) {
	if err := required("Name", in.Name); err != nil {
		return nil, err
	}
	g := query.WorkGroup{Name: *in.Name, Description: str(in.Description), Enforce: true, Metrics: true, Engine: "AUTO"}
	if c := in.Configuration; c != nil {
		if err := readGroup(&g, c); err != nil {
			return nil, err
		}
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return &athena.CreateWorkGroupOutput{}, fail(s.queries.CreateWorkGroup(g, tags))
}

func readGroup(g *query.WorkGroup, c *types.WorkGroupConfiguration) error {
	err := refuse("AdditionalConfiguration", str(c.AdditionalConfiguration) != "",
		"CustomerContentEncryptionConfiguration", c.CustomerContentEncryptionConfiguration != nil,
		"ExecutionRole", str(c.ExecutionRole) != "", "EngineConfiguration", c.EngineConfiguration != nil,
		"IdentityCenterConfiguration", c.IdentityCenterConfiguration != nil && isTrue(c.IdentityCenterConfiguration.EnableIdentityCenter),
		"ManagedQueryResultsConfiguration", c.ManagedQueryResultsConfiguration != nil && c.ManagedQueryResultsConfiguration.Enabled,
		"MonitoringConfiguration", c.MonitoringConfiguration != nil,
		"EnableMinimumEncryptionConfiguration", isTrue(c.EnableMinimumEncryptionConfiguration),
		"QueryResultsS3AccessGrantsConfiguration", c.QueryResultsS3AccessGrantsConfiguration != nil)
	if err != nil {
		return err
	}
	set(&g.Enforce, c.EnforceWorkGroupConfiguration)
	set(&g.Metrics, c.PublishCloudWatchMetricsEnabled)
	set(&g.Requester, c.RequesterPaysEnabled)
	if err := setLimit(g, c.BytesScannedCutoffPerQuery); err != nil {
		return err
	}
	if err := setEngine(g, c.EngineVersion); err != nil {
		return err
	}
	g.Result, err = resultConfig(c.ResultConfiguration)
	return err
}

func isTrue(b *bool) bool { return b != nil && *b }

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func setLimit(g *query.WorkGroup, n *int64) error {
	if n == nil {
		return nil
	}
	if *n < 10000000 {
		return invalid("BytesScannedCutoffPerQuery must be at least 10000000")
	}
	g.ScanLimit = *n
	return nil
}

func setEngine(g *query.WorkGroup, v *types.EngineVersion) error {
	if v == nil || v.SelectedEngineVersion == nil {
		return nil
	}
	switch *v.SelectedEngineVersion {
	case "AUTO", engineName:
		g.Engine = *v.SelectedEngineVersion
		return nil
	}
	return invalid("Engine version %s is not supported", *v.SelectedEngineVersion)
}

// GetWorkGroup describes a workgroup.
func (s *service) getWorkGroup(ctx context.Context, in *athena.GetWorkGroupInput) (*athena.GetWorkGroupOutput, error) {
	if err := required("WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	g, err := s.queries.WorkGroup(*in.WorkGroup)
	if err != nil {
		return nil, fail(err)
	}
	config := &types.WorkGroupConfiguration{
		EnforceWorkGroupConfiguration: &g.Enforce, PublishCloudWatchMetricsEnabled: &g.Metrics, RequesterPaysEnabled: &g.Requester,
		EngineVersion: engineVersion(g.Engine), ResultConfiguration: resultConfiguration(g.Result), EnableMinimumEncryptionConfiguration: ptr(false),
	}
	if g.ScanLimit > 0 {
		config.BytesScannedCutoffPerQuery = &g.ScanLimit
	}
	return &athena.GetWorkGroupOutput{WorkGroup: &types.WorkGroup{Name: &g.Name, Description: ptr(g.Description), State: groupState(g),
		CreationTime: &g.Created, Configuration: config}}, nil
}

func groupState(g *query.WorkGroup) types.WorkGroupState {
	if g.Disabled {
		return types.WorkGroupStateDisabled
	}
	return types.WorkGroupStateEnabled
}

// ListWorkGroups lists all workgroups by name.
func (s *service) listWorkGroups(ctx context.Context, in *athena.ListWorkGroupsInput) (*athena.ListWorkGroupsOutput, error) {
	all, err := s.queries.WorkGroups()
	if err != nil {
		return nil, fail(err)
	}
	items, next, err := page(all, func(g *query.WorkGroup) string { return g.Name }, in.NextToken, in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	out := &athena.ListWorkGroupsOutput{NextToken: next, WorkGroups: []types.WorkGroupSummary{}}
	for _, g := range items {
		out.WorkGroups = append(out.WorkGroups, types.WorkGroupSummary{Name: &g.Name, Description: ptr(g.Description), State: groupState(g),
			CreationTime: &g.Created, EngineVersion: engineVersion(g.Engine)})
	}
	return out, nil
}

// UpdateWorkGroup changes what is sent and leaves the rest.
func (s *service) updateWorkGroup(ctx context.Context, in *athena.UpdateWorkGroupInput) (*athena.UpdateWorkGroupOutput, error) {
	if err := required("WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	g, err := s.queries.WorkGroup(*in.WorkGroup)
	if err != nil {
		return nil, fail(err)
	}
	if err := updateGroup(g, in); err != nil { // a dry run, so that nothing changes if something is wrong
		return nil, err
	}
	return &athena.UpdateWorkGroupOutput{}, fail(s.queries.ChangeWorkGroup(*in.WorkGroup, func(g *query.WorkGroup) {
		updateGroup(g, in)
	}))
}

func updateGroup(g *query.WorkGroup, in *athena.UpdateWorkGroupInput) error {
	set(&g.Description, in.Description)
	if in.State != "" {
		g.Disabled = in.State == types.WorkGroupStateDisabled
	}
	u := in.ConfigurationUpdates
	if u == nil {
		return nil
	}
	err := refuse("AdditionalConfiguration", str(u.AdditionalConfiguration) != "",
		"CustomerContentEncryptionConfiguration", u.CustomerContentEncryptionConfiguration != nil,
		"ExecutionRole", str(u.ExecutionRole) != "", "EngineConfiguration", u.EngineConfiguration != nil,
		"MonitoringConfiguration", u.MonitoringConfiguration != nil,
		"EnableMinimumEncryptionConfiguration", isTrue(u.EnableMinimumEncryptionConfiguration),
		"ManagedQueryResultsConfigurationUpdates", u.ManagedQueryResultsConfigurationUpdates != nil && isTrue(u.ManagedQueryResultsConfigurationUpdates.Enabled),
		"QueryResultsS3AccessGrantsConfiguration", u.QueryResultsS3AccessGrantsConfiguration != nil)
	if err != nil {
		return err
	}
	set(&g.Enforce, u.EnforceWorkGroupConfiguration)
	set(&g.Metrics, u.PublishCloudWatchMetricsEnabled)
	set(&g.Requester, u.RequesterPaysEnabled)
	if isTrue(u.RemoveBytesScannedCutoffPerQuery) {
		g.ScanLimit = 0
	}
	if err := setLimit(g, u.BytesScannedCutoffPerQuery); err != nil {
		return err
	}
	if err := setEngine(g, u.EngineVersion); err != nil {
		return err
	}
	updateResult(&g.Result, u.ResultConfigurationUpdates)
	return checkResultConfig(g.Result)
}

func updateResult(c *query.ResultConfig, u *types.ResultConfigurationUpdates) {
	if u == nil {
		return
	}
	set(&c.OutputLocation, u.OutputLocation)
	set(&c.ExpectedOwner, u.ExpectedBucketOwner)
	if e := u.EncryptionConfiguration; e != nil {
		c.Encryption, c.KMSKey = string(e.EncryptionOption), str(e.KmsKey)
	}
	if u.AclConfiguration != nil {
		c.ACL = string(u.AclConfiguration.S3AclOption)
	}
	if isTrue(u.RemoveOutputLocation) {
		c.OutputLocation = ""
	}
	if isTrue(u.RemoveExpectedBucketOwner) {
		c.ExpectedOwner = ""
	}
	if isTrue(u.RemoveEncryptionConfiguration) {
		c.Encryption, c.KMSKey = "", ""
	}
	if isTrue(u.RemoveAclConfiguration) {
		c.ACL = ""
	}
}

// DeleteWorkGroup removes a workgroup; one with named queries or prepared statements only if told to.
func (s *service) deleteWorkGroup(ctx context.Context, in *athena.DeleteWorkGroupInput) (*athena.DeleteWorkGroupOutput, error) {
	if err := required("WorkGroup", in.WorkGroup); err != nil {
		return nil, err
	}
	return &athena.DeleteWorkGroupOutput{}, fail(s.queries.DeleteWorkGroup(*in.WorkGroup, isTrue(in.RecursiveDeleteOption)))
}

// ListEngineVersions lists the one version that there is.
func (s *service) listEngineVersions(ctx context.Context, in *athena.ListEngineVersionsInput) (*athena.ListEngineVersionsOutput, error) {
	return &athena.ListEngineVersionsOutput{EngineVersions: []types.EngineVersion{*engineVersion("AUTO"), *engineVersion(engineName)}}, nil
}
