package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Policy is a managed policy of the account.
type Policy struct {
	Name, ID, ARN, Path string
	Description         string
	Created, Updated    time.Time
	Default             string    // id of the version in force
	Versions            []Version // oldest first
	Last                int       // number of the newest version ever made
	Tags                []Tag
}

// Version is one version of a managed policy.
type Version struct {
	ID       string // v1
	Document string
	Created  time.Time
}

// Version returns a version by its id.
func (p *Policy) Version(id string) (Version, error) {
	for _, v := range p.Versions {
		if v.ID == id {
			return v, nil
		}
	}
	return Version{}, refuse(ErrNotFound, "Policy %s version %s does not exist or is not attachable.", p.ARN, id)
}

// NewPolicy is what CreatePolicy takes. Zero fields are defaults.
type NewPolicy struct {
	Name, Path, Description, Document string
	Tags                              []Tag
}

// CreatePolicy makes a managed policy with a first version.
func (s *Store) CreatePolicy(in NewPolicy) (Policy, error) {
	if err := checkManaged(in.Document); err != nil {
		return Policy{}, err
	}
	tags, err := setTags(nil, in.Tags)
	if err != nil {
		return Policy{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.Policies("/")
	if err != nil {
		return Policy{}, err
	}
	if len(all) >= managedPoliciesMax {
		return Policy{}, refuse(ErrLimit, "Cannot exceed quota for PoliciesPerAccount: %d", managedPoliciesMax)
	}
	for _, p := range all {
		if strings.EqualFold(p.Name, in.Name) {
			return Policy{}, refuse(ErrExists, "A policy called %s already exists. Duplicate names are not allowed.", in.Name)
		}
	}
	now := s.now().UTC().Truncate(time.Second)
	p := Policy{
		Name: in.Name, ID: uniqueID("ANPA"), Path: in.Path, Description: in.Description, Created: now, Updated: now,
		Default: "v1", Versions: []Version{{"v1", in.Document, now}}, Last: 1, Tags: tags,
	}
	if p.Path == "" {
		p.Path = "/"
	}
	p.ARN = "arn:aws:iam::" + s.account + ":policy" + p.Path + p.Name
	return p, s.savePolicy(p)
}

func checkManaged(document string) error {
	if err := checkPolicy(document); err != nil {
		return err
	}
	if weight(document) > managedPolicyMax {
		return refuse(ErrLimit, "Cannot exceed quota for PolicySize: %d", managedPolicyMax)
	}
	return nil
}

func (s *Store) savePolicy(p Policy) error {
	if err := meta.Save(s.space, "policy/"+p.ARN, p); err != nil {
		return fmt.Errorf("save policy %s: %w", p.Name, err)
	}
	return nil
}

// Policy returns the managed policy of an ARN.
func (s *Store) Policy(arn string) (Policy, error) {
	p, err := meta.Load[Policy](s.space, "policy/"+arn)
	if errors.Is(err, meta.ErrNotFound) {
		return Policy{}, refuse(ErrNotFound, "Policy %s was not found.", arn)
	}
	return p, err
}

// Policies returns the managed policies whose path starts with prefix, ordered by ARN.
func (s *Store) Policies(prefix string) ([]Policy, error) {
	return list(s.space, "policy/", func(p Policy) bool { return strings.HasPrefix(p.Path, prefix) })
}

// Attachments counts the roles that each managed policy is attached to, by ARN.
func (s *Store) Attachments() (map[string]int, error) {
	roles, err := s.Roles("/")
	if err != nil {
		return nil, err
	}
	n := map[string]int{}
	for _, r := range roles {
		for _, arn := range r.Attached {
			n[arn]++
		}
	}
	return n, nil
}

// UpdatePolicy changes a managed policy by what change does to it, unless that returns an error.
func (s *Store) UpdatePolicy(arn string, change func(*Policy) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.Policy(arn)
	if err != nil {
		return err
	}
	if err := change(&p); err != nil {
		return err
	}
	return s.savePolicy(p)
}

// AddVersion adds a version to a managed policy and puts it in force if asked to.
func (s *Store) AddVersion(arn, document string, inForce bool) (v Version, err error) {
	if err := checkManaged(document); err != nil {
		return Version{}, err
	}
	err = s.UpdatePolicy(arn, func(p *Policy) error {
		if len(p.Versions) >= policyVersionsMax {
			return refuse(ErrLimit, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", policyVersionsMax)
		}
		p.Last++
		p.Updated = s.now().UTC().Truncate(time.Second)
		v = Version{"v" + strconv.Itoa(p.Last), document, p.Updated}
		p.Versions = append(p.Versions, v)
		if inForce {
			p.Default = v.ID
		}
		return nil
	})
	return v, err
}

// SetDefaultVersion puts a version in force.
func (s *Store) SetDefaultVersion(arn, id string) error {
	return s.UpdatePolicy(arn, func(p *Policy) error {
		if _, err := p.Version(id); err != nil {
			return err
		}
		p.Default = id
		p.Updated = s.now().UTC().Truncate(time.Second)
		return nil
	})
}

// DeleteVersion removes a version that is not in force.
func (s *Store) DeleteVersion(arn, id string) error {
	return s.UpdatePolicy(arn, func(p *Policy) error {
		if _, err := p.Version(id); err != nil {
			return err
		}
		if p.Default == id {
			return refuse(ErrConflict, "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v Version) bool { return v.ID == id })
		return nil
	})
}

// DeletePolicy removes a managed policy that is attached nowhere and has one version.
func (s *Store) DeletePolicy(arn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.Policy(arn)
	if err != nil {
		return err
	}
	attached, err := s.Attachments()
	if err != nil {
		return err
	}
	if attached[arn] > 0 {
		return refuse(ErrConflict, "Cannot delete a policy attached to entities.")
	}
	if len(p.Versions) > 1 {
		return refuse(ErrConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	if err := s.space.Delete("policy/" + arn); err != nil {
		return fmt.Errorf("delete policy %s: %w", arn, err)
	}
	return nil
}

// TagPolicy sets tags of a managed policy.
func (s *Store) TagPolicy(arn string, tags []Tag) error {
	return s.UpdatePolicy(arn, func(p *Policy) (err error) {
		p.Tags, err = setTags(p.Tags, tags)
		return err
	})
}

// UntagPolicy removes the tags of these keys.
func (s *Store) UntagPolicy(arn string, keys []string) error {
	return s.UpdatePolicy(arn, func(p *Policy) error { p.Tags = dropTags(p.Tags, keys); return nil })
}

func decode[T any](e meta.Entry) (T, error) {
	var v T
	if err := json.Unmarshal(e.Value, &v); err != nil {
		return v, fmt.Errorf("metadata %q: %w", e.Key, err)
	}
	return v, nil
}
