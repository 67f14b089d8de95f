package query

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/sql"
)

// NamedQuery is a statement that a user saved.
type NamedQuery struct {
	ID, Name, Description, Database, SQL, WorkGroup, Token string
}

func namedKey(id string) string { return "named/" + id }

// CreateNamedQuery saves a statement and returns its id. The same Token gives the same id again.
func (s *Service) CreateNamedQuery(q NamedQuery) (id string, err error) {
	s.names.Lock()
	defer s.names.Unlock()
	q.WorkGroup = orDefault(q.WorkGroup, PrimaryGroup)
	if _, err := s.WorkGroup(q.WorkGroup); err != nil {
		return "", err
	}
	if q.Token != "" {
		all, err := s.NamedQueries(q.WorkGroup)
		if err != nil {
			return "", err
		}
		for _, old := range all {
			if old.Token != q.Token {
				continue
			}
			if q.ID = old.ID; q != *old {
				return "", fmt.Errorf("%w: Idempotent parameters do not match", ErrInvalid)
			}
			return old.ID, nil
		}
	}
	q.ID = uuid.NewString()
	return q.ID, meta.Save(s.space, namedKey(q.ID), q)
}

// NamedQuery returns a saved statement. ErrInvalid if there is none.
func (s *Service) NamedQuery(id string) (*NamedQuery, error) {
	q, err := meta.Load[NamedQuery](s.space, namedKey(id))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, fmt.Errorf("%w: NamedQuery %s was not found", ErrInvalid, id)
	}
	return &q, err
}

// NamedQueries returns a workgroup's saved statements by id.
func (s *Service) NamedQueries(group string) ([]*NamedQuery, error) {
	var out []*NamedQuery
	for e, err := range s.space.Scan("named/", "") {
		if err != nil {
			return nil, err
		}
		q, err := s.NamedQuery(strings.TrimPrefix(e.Key, "named/"))
		if err != nil {
			return nil, err
		}
		if q.WorkGroup == group {
			out = append(out, q)
		}
	}
	return out, nil
}

// ChangeNamedQuery applies change to a saved statement.
func (s *Service) ChangeNamedQuery(id string, change func(*NamedQuery)) error {
	s.names.Lock()
	defer s.names.Unlock()
	q, err := s.NamedQuery(id)
	if err != nil {
		return err
	}
	change(q)
	return meta.Save(s.space, namedKey(id), q)
}

// DeleteNamedQuery removes a saved statement. ErrInvalid if there is none.
func (s *Service) DeleteNamedQuery(id string) error {
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.NamedQuery(id); err != nil {
		return err
	}
	return s.space.Delete(namedKey(id))
}

// Prepared is a prepared statement of a workgroup.
type Prepared struct {
	Name, WorkGroup, SQL, Description string
	Modified                          time.Time
}

// preparedMax is AWS's bound on the prepared statements of a workgroup.
const preparedMax = 1000

func preparedKey(group, name string) string { return "prepared/" + group + "/" + name }

// Prepared returns a prepared statement. ErrNotFound if there is none.
func (s *Service) Prepared(group, name string) (*Prepared, error) {
	p, err := meta.Load[Prepared](s.space, preparedKey(group, name))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, fmt.Errorf("%w: PreparedStatement %s was not found", ErrNotFound, name)
	}
	return &p, err
}

// PreparedStatements returns a workgroup's prepared statements by name.
func (s *Service) PreparedStatements(group string) ([]*Prepared, error) {
	prefix := "prepared/" + group + "/"
	var out []*Prepared
	for e, err := range s.space.Scan(prefix, "") {
		if err != nil {
			return nil, err
		}
		p, err := s.Prepared(group, strings.TrimPrefix(e.Key, prefix))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// SavePrepared stores a prepared statement: a new one, or with update one that is there. ErrSyntax if it does not parse.
func (s *Service) SavePrepared(p Prepared, update bool) error {
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.WorkGroup(p.WorkGroup); err != nil {
		return err
	}
	if _, err := sql.Parse(p.SQL); err != nil {
		return fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	_, err := s.Prepared(p.WorkGroup, p.Name)
	switch {
	case update && err != nil:
		return err
	case !update && err == nil:
		return fmt.Errorf("%w: PreparedStatement %s is already created in workgroup %s", ErrInvalid, p.Name, p.WorkGroup)
	}
	if !update {
		all, err := s.PreparedStatements(p.WorkGroup)
		if err != nil {
			return err
		}
		if len(all) >= preparedMax {
			return fmt.Errorf("%w: a workgroup can have %d prepared statements at most", ErrInvalid, preparedMax)
		}
	}
	p.Modified = s.now()
	return meta.Save(s.space, preparedKey(p.WorkGroup, p.Name), p)
}

// DeletePrepared removes a prepared statement. ErrNotFound if there is none.
func (s *Service) DeletePrepared(group, name string) error {
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.Prepared(group, name); err != nil {
		return err
	}
	return s.space.Delete(preparedKey(group, name))
}
