package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// Role is an IAM role.
type Role struct {
	Name        string
	ID          string
	ARN         string
	Path        string
	Description string
	Trust       string // policy document: who may assume it
	Created     time.Time
	MaxSession  time.Duration
	Boundary    string            // ARN of a permissions boundary
	Tags        []Tag             // in the order in which they were set
	Inline      map[string]string // policy documents by name
	Attached    []string          // ARNs of managed policies
}

// NewRole is what CreateRole takes. Zero fields are defaults.
type NewRole struct {
	Name, Path, Description string
	Trust                   string // required
	MaxSession              time.Duration
	Boundary                string
	Tags                    []Tag
}

// CreateRole makes a role. Names are unique whatever their case.
func (s *Store) CreateRole(in NewRole) (Role, error) {
	if err := checkTrust(in.Trust); err != nil {
		return Role{}, err
	}
	tags, err := setTags(nil, in.Tags)
	if err != nil {
		return Role{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.space.Get(roleKey(in.Name)); err == nil {
		return Role{}, refuse(ErrExists, "Role with name %s already exists.", in.Name)
	} else if !errors.Is(err, meta.ErrNotFound) {
		return Role{}, err
	}
	all, err := s.Roles("/")
	if err != nil {
		return Role{}, err
	}
	if len(all) >= rolesMax {
		return Role{}, refuse(ErrLimit, "Cannot exceed quota for RolesPerAccount: %d", rolesMax)
	}
	r := Role{
		Name: in.Name, ID: uniqueID("AROA"), Path: in.Path, Description: in.Description, Trust: in.Trust,
		Created: s.now().UTC().Truncate(time.Second), MaxSession: in.MaxSession, Boundary: in.Boundary, Tags: tags,
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if r.MaxSession == 0 {
		r.MaxSession = time.Hour
	}
	r.ARN = "arn:aws:iam::" + s.account + ":role" + r.Path + r.Name
	return r, s.saveRole(r)
}

func roleKey(name string) string { return "role/" + strings.ToLower(name) }

func (s *Store) saveRole(r Role) error {
	if err := meta.Save(s.space, roleKey(r.Name), r); err != nil {
		return fmt.Errorf("save role %s: %w", r.Name, err)
	}
	return nil
}

// Role returns the role of a name.
func (s *Store) Role(name string) (Role, error) {
	r, err := meta.Load[Role](s.space, roleKey(name))
	if errors.Is(err, meta.ErrNotFound) {
		return Role{}, refuse(ErrNotFound, "The role with name %s cannot be found.", name)
	}
	return r, err
}

// Roles returns the roles whose path starts with prefix, ordered by name.
func (s *Store) Roles(prefix string) ([]Role, error) {
	return list(s.space, "role/", func(r Role) bool { return strings.HasPrefix(r.Path, prefix) })
}

// UpdateRole changes the role of a name by what change does to it, unless that returns an error.
func (s *Store) UpdateRole(name string, change func(*Role) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.Role(name)
	if err != nil {
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	return s.saveRole(r)
}

// SetTrust replaces the policy that says who may assume the role.
func (s *Store) SetTrust(name, document string) error {
	if err := checkTrust(document); err != nil {
		return err
	}
	return s.UpdateRole(name, func(r *Role) error { r.Trust = document; return nil })
}

// DeleteRole removes a role that has no policies any more.
func (s *Store) DeleteRole(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.Role(name)
	if err != nil {
		return err
	}
	if len(r.Attached) > 0 {
		return refuse(ErrConflict, "Cannot delete entity, must detach all policies first.")
	}
	if len(r.Inline) > 0 {
		return refuse(ErrConflict, "Cannot delete entity, must delete policies first.")
	}
	if err := s.space.Delete(roleKey(name)); err != nil {
		return fmt.Errorf("delete role %s: %w", name, err)
	}
	return nil
}

// TagRole sets tags of a role, UntagRole takes them off.
func (s *Store) TagRole(name string, tags []Tag) error {
	return s.UpdateRole(name, func(r *Role) (err error) {
		r.Tags, err = setTags(r.Tags, tags)
		return err
	})
}

// UntagRole removes the tags of these keys.
func (s *Store) UntagRole(name string, keys []string) error {
	return s.UpdateRole(name, func(r *Role) error { r.Tags = dropTags(r.Tags, keys); return nil })
}

// PutInline sets an inline policy of a role.
func (s *Store) PutInline(role, name, document string) error {
	if err := checkPolicy(document); err != nil {
		return err
	}
	return s.UpdateRole(role, func(r *Role) error {
		inline := maps.Clone(r.Inline)
		if inline == nil {
			inline = map[string]string{}
		}
		inline[name] = document
		total := 0
		for _, d := range inline {
			total += weight(d)
		}
		if total > inlinePoliciesMax {
			return refuse(ErrLimit, "Maximum policy size of %d bytes exceeded for role %s", inlinePoliciesMax, r.Name)
		}
		r.Inline = inline
		return nil
	})
}

// Inline returns an inline policy's document and the role's own spelling of its name.
func (s *Store) Inline(role, name string) (document, roleName string, err error) {
	r, err := s.Role(role)
	if err != nil {
		return "", "", err
	}
	d, ok := r.Inline[name]
	if !ok {
		return "", "", errNoInline(name)
	}
	return d, r.Name, nil
}

func errNoInline(name string) error {
	return refuse(ErrNotFound, "The role policy with name %s cannot be found.", name)
}

// DeleteInline removes an inline policy.
func (s *Store) DeleteInline(role, name string) error {
	return s.UpdateRole(role, func(r *Role) error {
		if _, ok := r.Inline[name]; !ok {
			return errNoInline(name)
		}
		delete(r.Inline, name)
		return nil
	})
}

// Attach attaches a managed policy: one of the account's own, or any of AWS's, whose content is not known here.
// Attaching twice is no error.
func (s *Store) Attach(role, policyARN string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.Role(role)
	if err != nil {
		return err
	}
	if !awsManaged(policyARN) {
		if _, err := s.Policy(policyARN); err != nil {
			if errors.Is(err, ErrNotFound) {
				return refuse(ErrNotFound, "Policy %s does not exist or is not attachable.", policyARN)
			}
			return err
		}
	}
	if slices.Contains(r.Attached, policyARN) {
		return nil
	}
	if len(r.Attached) >= attachedMax {
		return refuse(ErrLimit, "Cannot exceed quota for PoliciesPerRole: %d", attachedMax)
	}
	r.Attached = append(r.Attached, policyARN)
	return s.saveRole(r)
}

func awsManaged(arn string) bool { return strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") }

// Detach undoes Attach.
func (s *Store) Detach(role, policyARN string) error {
	return s.UpdateRole(role, func(r *Role) error {
		i := slices.Index(r.Attached, policyARN)
		if i < 0 {
			return refuse(ErrNotFound, "Policy %s was not found.", policyARN)
		}
		r.Attached = slices.Delete(r.Attached, i, i+1)
		return nil
	})
}

// Assume makes temporary credentials of a role for who, if the role's trust policy allows. valid of 0 is an hour.
func (s *Store) Assume(who Identity, roleARN, session, externalID string, valid time.Duration) (Session, error) {
	denied := refuse(ErrDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.ARN, roleARN)
	r, err := s.Role(roleARN[strings.LastIndexByte(roleARN, '/')+1:])
	if errors.Is(err, ErrNotFound) || err == nil && r.ARN != roleARN {
		return Session{}, denied
	}
	if err != nil {
		return Session{}, err
	}
	if !trusts(r.Trust, who, externalID) {
		return Session{}, denied
	}
	if valid == 0 {
		valid = time.Hour
	}
	if valid > r.MaxSession {
		return Session{}, refuse(ErrInvalid, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return s.NewSession(Identity{
		Account: s.account,
		ARN:     "arn:aws:sts::" + s.account + ":assumed-role/" + r.Name + "/" + session,
		UserID:  r.ID + ":" + session,
		Role:    r.ARN,
	}, valid), nil
}

// list reads all entities of a kind that keep wants, in the order of their keys.
func list[T any](space meta.Space, prefix string, keep func(T) bool) ([]T, error) {
	var out []T
	for e, err := range space.Scan(prefix, "") {
		if err != nil {
			return nil, err
		}
		v, err := decode[T](e)
		if err != nil {
			return nil, err
		}
		if keep(v) {
			out = append(out, v)
		}
	}
	return out, nil
}
