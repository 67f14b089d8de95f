package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/sql"
)

// State is where an execution is in its life.
type State string

// The states. The last three are final.
const (
	Queued    State = "QUEUED"
	Running   State = "RUNNING"
	Succeeded State = "SUCCEEDED"
	Failed    State = "FAILED"
	Cancelled State = "CANCELLED"
)

// Final says whether the state will not change any more.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Kind is Athena's StatementType.
type Kind string

// The kinds.
const (
	DDL     Kind = "DDL"
	DML     Kind = "DML"
	Utility Kind = "UTILITY"
)

// Execution is one statement that was started.
type Execution struct {
	ID             string
	SQL            string
	Database       string
	Catalog        string
	WorkGroup      string
	Token          string `json:",omitempty"`
	Parameters     []string
	Kind           Kind
	Substatement   string // SELECT, CREATE_TABLE …
	State          State
	Reason         string `json:",omitempty"` // StateChangeReason
	ErrorType      int    `json:",omitempty"`
	ErrorCategory  int    `json:",omitempty"` // 1 system, 2 user, 3 other; 0: no error
	Submitted      time.Time
	Completed      time.Time
	OutputLocation string       // the key of the result
	Columns        []sql.Column // of the result
	UpdateCount    int64
	Manifest       string `json:",omitempty"` // DataManifestLocation of CTAS, INSERT and UNLOAD
	Stats          Statistics
	ResultConfig   ResultConfig
	Reuse          Reuse  `json:",omitzero"`
	ReuseHash      string `json:",omitempty"` // equal for executions that may share a result; empty: this one's may not be
	Reused         bool   `json:",omitempty"` // OutputLocation is the result of an execution before this one
}

// Statistics of an execution. Times are in milliseconds, as Athena reports them.
type Statistics struct {
	Queue, Planning, Engine, Service, Total time.Duration
	ScannedBytes                            int64
	InputRows, OutputRows                   int64
	InputFiles                              int
	OutputBytes                             int64
}

// ResultConfig says where results go.
type ResultConfig struct {
	OutputLocation string `json:",omitempty"`
	Encryption     string `json:",omitempty"` // SSE_S3, SSE_KMS, CSE_KMS
	KMSKey         string `json:",omitempty"`
	ExpectedOwner  string `json:",omitempty"`
	ACL            string `json:",omitempty"`
}

// Keys in the metadata space.
func executionKey(id string) string     { return "execution/" + id }
func tokenKey(group, tok string) string { return "token/" + group + "/" + tok }

// recover loads the order of the history and fails what was not finished.
func (s *Service) recover() error {
	type entry struct {
		id string
		at time.Time
	}
	var entries []entry
	for e, err := range s.space.Scan("execution/", "") {
		if err != nil {
			return err
		}
		id := strings.TrimPrefix(e.Key, "execution/")
		x, err := meta.Load[Execution](s.space, e.Key)
		if err != nil {
			return err
		}
		if !x.State.Final() {
			x.State, x.Reason, x.ErrorCategory, x.ErrorType = Failed, "The server stopped while the query ran. Please run it again.", 1, 0
			x.Completed = s.now()
			if err := meta.Save(s.space, e.Key, x); err != nil {
				return err
			}
		}
		entries = append(entries, entry{id, x.Submitted})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.at.Compare(b.at) })
	for _, e := range entries {
		s.history = append(s.history, e.id)
	}
	return nil
}

// Get returns an execution as it is now. ErrInvalid if there is none.
func (s *Service) Get(id string) (*Execution, error) {
	s.mu.Lock()
	if r := s.active[id]; r != nil {
		x := r.Execution
		s.mu.Unlock()
		return &x, nil
	}
	s.mu.Unlock()
	x, err := meta.Load[Execution](s.space, executionKey(id))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, fmt.Errorf("%w: QueryExecution %s was not found", ErrInvalid, id)
	}
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// List returns the ids of a workgroup's executions, newest first, at most max of them after the one called after.
func (s *Service) List(group, after string, max int) (ids []string, more bool, err error) {
	if _, err := s.WorkGroup(group); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	all := slices.Clone(s.history)
	var now []*running
	for _, r := range s.active {
		now = append(now, r)
	}
	s.mu.Unlock()
	slices.SortFunc(now, func(a, b *running) int { return a.Submitted.Compare(b.Submitted) })
	for _, r := range now {
		if !slices.Contains(all, r.ID) {
			all = append(all, r.ID)
		}
	}
	slices.Reverse(all)
	if after != "" {
		i := slices.Index(all, after)
		if i < 0 {
			return nil, false, fmt.Errorf("%w: Invalid token", ErrInvalid)
		}
		all = all[i+1:]
	}
	for _, id := range all {
		x, err := s.Get(id)
		if err != nil {
			continue // dropped from the history meanwhile
		}
		if x.WorkGroup != group {
			continue
		}
		if len(ids) == max {
			return ids, true, nil
		}
		ids = append(ids, id)
	}
	return ids, false, nil
}

// finish makes a final state durable and drops what is older than the history may be.
func (s *Service) finish(r *running) error {
	b := new(meta.Batch)
	if err := putJSON(b, s.space, executionKey(r.ID), &r.Execution); err != nil {
		return err
	}
	offered := s.offerReuse(b, r)
	s.mu.Lock()
	s.history = append(s.history, r.ID)
	var old []string
	if n := len(s.history) - s.opts.History; n > 0 {
		old = slices.Clone(s.history[:n])
		s.history = slices.Delete(s.history, 0, n)
	}
	s.mu.Unlock()
	for _, id := range old {
		x, err := meta.Load[Execution](s.space, executionKey(id))
		if err == nil && x.Token != "" {
			b.Delete(s.space, tokenKey(x.WorkGroup, x.Token))
		}
		if err == nil {
			s.withdrawReuse(b, &x, offered)
		}
		b.Delete(s.space, executionKey(id))
	}
	return s.opts.Meta.Commit(b)
}
