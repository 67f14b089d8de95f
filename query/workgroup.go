package query

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// PrimaryGroup is the workgroup that always exists.
const PrimaryGroup = "primary"

// WorkGroup is a set of users' queries with settings.
type WorkGroup struct {
	Name        string
	Description string
	Disabled    bool
	Created     time.Time
	Result      ResultConfig
	Enforce     bool   // EnforceWorkGroupConfiguration: Result overrides what clients say
	Metrics     bool   // PublishCloudWatchMetricsEnabled
	ScanLimit   int64  // bytes that one query may scan; 0 is no limit
	Requester   bool   // RequesterPaysEnabled
	Engine      string // selected engine version: AUTO …
}

var groupShape = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)

func groupKey(name string) string { return "workgroup/" + name }

// WorkGroup returns a workgroup. ErrInvalid if there is none.
func (s *Service) WorkGroup(name string) (*WorkGroup, error) {
	g, err := meta.Load[WorkGroup](s.space, groupKey(name))
	if errors.Is(err, meta.ErrNotFound) {
		if name == PrimaryGroup {
			return &WorkGroup{Name: PrimaryGroup, Metrics: true, Engine: "AUTO", Created: time.Unix(0, 0).UTC()}, nil
		}
		return nil, fmt.Errorf("%w: WorkGroup %s is not found.", ErrInvalid, name)
	}
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// WorkGroups returns all workgroups by name, primary among them.
func (s *Service) WorkGroups() ([]*WorkGroup, error) {
	var out []*WorkGroup
	found := false
	for e, err := range s.space.Scan("workgroup/", "") {
		if err != nil {
			return nil, err
		}
		g, err := s.WorkGroup(strings.TrimPrefix(e.Key, "workgroup/"))
		if err != nil {
			return nil, err
		}
		found = found || g.Name == PrimaryGroup
		out = append(out, g)
	}
	if !found {
		g, err := s.WorkGroup(PrimaryGroup)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// CreateWorkGroup makes a workgroup with tags. ErrInvalid if the name is taken or not allowed.
func (s *Service) CreateWorkGroup(g WorkGroup, tags map[string]string) error {
	if !groupShape.MatchString(g.Name) {
		return fmt.Errorf("%w: WorkGroup name %q is not valid", ErrInvalid, g.Name)
	}
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.WorkGroup(g.Name); err == nil {
		return fmt.Errorf("%w: WorkGroup %s is already created", ErrInvalid, g.Name)
	}
	g.Created = s.now()
	b := new(meta.Batch)
	if err := putJSON(b, s.space, groupKey(g.Name), g); err != nil {
		return err
	}
	if len(tags) > 0 {
		if err := putJSON(b, s.space, tagsKey("workgroup/"+g.Name), tags); err != nil {
			return err
		}
	}
	return s.opts.Meta.Commit(b)
}

// ChangeWorkGroup applies change to a workgroup.
func (s *Service) ChangeWorkGroup(name string, change func(*WorkGroup)) error {
	s.names.Lock()
	defer s.names.Unlock()
	g, err := s.WorkGroup(name)
	if err != nil {
		return err
	}
	change(g)
	return meta.Save(s.space, groupKey(name), g)
}

// DeleteWorkGroup removes a workgroup with its named queries and prepared statements. Unless recursive, it must have
// none, as on AWS.
func (s *Service) DeleteWorkGroup(name string, recursive bool) error {
	if name == PrimaryGroup {
		return fmt.Errorf("%w: The primary workgroup cannot be deleted", ErrInvalid)
	}
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.WorkGroup(name); err != nil {
		return err
	}
	b := new(meta.Batch)
	for e, err := range s.space.Scan("prepared/"+name+"/", "") {
		if err != nil {
			return err
		}
		b.Delete(s.space, e.Key)
	}
	queries, err := s.NamedQueries(name)
	if err != nil {
		return err
	}
	for _, q := range queries {
		b.Delete(s.space, namedKey(q.ID))
	}
	if b.Len() > 0 && !recursive {
		return fmt.Errorf("%w: WorkGroup %s is not empty", ErrInvalid, name)
	}
	b.Delete(s.space, groupKey(name))
	b.Delete(s.space, tagsKey("workgroup/"+name))
	return s.opts.Meta.Commit(b)
}

func tagsKey(resource string) string { return "tags/" + resource }

// Tags returns the tags of a resource such as workgroup/x. ErrNotFound if there is no such workgroup.
func (s *Service) Tags(resource string) (map[string]string, error) {
	if err := s.tagged(resource); err != nil {
		return nil, err
	}
	tags, err := meta.Load[map[string]string](s.space, tagsKey(resource))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	return tags, err
}

// ChangeTags applies change to the tags of a resource. ErrInvalid if there would be more than 50.
func (s *Service) ChangeTags(resource string, change func(map[string]string)) error {
	s.names.Lock()
	defer s.names.Unlock()
	tags, err := s.Tags(resource)
	if err != nil {
		return err
	}
	if tags == nil {
		tags = map[string]string{}
	}
	change(tags)
	if len(tags) > 50 {
		return fmt.Errorf("%w: a resource can have 50 tags at most", ErrInvalid)
	}
	return meta.Save(s.space, tagsKey(resource), tags)
}

func (s *Service) tagged(resource string) error {
	kind, name, _ := strings.Cut(resource, "/")
	switch kind {
	case "workgroup":
		if _, err := s.WorkGroup(name); err != nil {
			return fmt.Errorf("%w: Resource %s", ErrNotFound, resource)
		}
		return nil
	case "datacatalog":
		if strings.EqualFold(name, "AwsDataCatalog") {
			return nil
		}
	}
	return fmt.Errorf("%w: Resource %s", ErrNotFound, resource)
}
