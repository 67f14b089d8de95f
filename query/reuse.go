package query

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// Reuse says whether an execution may take the result of an equal one before it. The data of the tables is not looked
// at, as on AWS: MaxAge is how stale an answer may be.
type Reuse struct {
	Enabled bool
	MaxAge  time.Duration // since the other one completed
}

// reuseKey names the newest execution whose result may be reused by those of the same ReuseHash.
func reuseKey(hash string) string { return "reuse/" + hash }

// reuseHash stands for all that must be equal for a result to be reused; empty if it never may be.
func reuseHash(r *running) (string, error) {
	st, ok := r.stmt.(*sql.SelectStmt)
	if !ok || volatile(st.Query) {
		return "", nil
	}
	for _, x := range r.params {
		if volatileText.MatchString(sql.PrintExpr(x)) {
			return "", nil
		}
	}
	raw, err := json.Marshal(struct {
		Group, Catalog, Database, SQL, Prepared string
		Parameters                              []string
		Result                                  ResultConfig
	}{r.WorkGroup, r.Catalog, r.Database, r.SQL, st.Query.String(), r.Parameters, r.ResultConfig})
	if err != nil {
		return "", fmt.Errorf("hash a query: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// volatileText finds what gives another answer each time in the printed text of a query. It may find it in a literal
// too: then the query just runs.
var volatileText = regexp.MustCompile(`(?i)\b(now|rand|random|shuffle|uuid)"?\s*\(|\b(current_date|current_time|current_timestamp|localtime|localtimestamp|tablesample|for live)\b`)

func volatile(q *sql.Query) bool { return volatileText.MatchString(q.String()) }

// reusable is the execution whose result r may take, or nil.
func (s *Service) reusable(r *running) (*Execution, error) {
	if !r.Reuse.Enabled || r.ReuseHash == "" {
		return nil, nil
	}
	id, err := s.space.Get(reuseKey(r.ReuseHash))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	x, err := s.Get(string(id))
	if errors.Is(err, ErrInvalid) {
		return nil, nil // dropped from the history meanwhile
	}
	if err != nil {
		return nil, err
	}
	if r.Submitted.Sub(x.Completed) > r.Reuse.MaxAge {
		return nil, nil
	}
	bucket, key, err := objstore.ParseURL(x.OutputLocation)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), reuseLookup)
	defer cancel()
	if _, err := s.opts.Objects.Head(ctx, bucket, key); err != nil {
		return nil, nil // gone, or out of reach: running the query will tell
	}
	return x, nil
}

// reuseLookup bounds the look at an older result.
const reuseLookup = 10 * time.Second

// adopt makes the result of r.reused that of r.
func (s *Service) adopt(r *running) {
	old := r.reused
	s.update(r, func(x *Execution) {
		x.Reused, x.OutputLocation, x.Columns = true, old.OutputLocation, old.Columns
		x.Stats.OutputRows, x.Stats.OutputBytes = old.Stats.OutputRows, old.Stats.OutputBytes
	})
}

// offerReuse adds to b that r's own result may be reused, and returns the hash; empty if it may not be.
func (s *Service) offerReuse(b *meta.Batch, r *running) (hash string) {
	if r.State != Succeeded || r.Reused || r.ReuseHash == "" {
		return ""
	}
	b.Put(s.space, reuseKey(r.ReuseHash), []byte(r.ID))
	return r.ReuseHash
}

// withdrawReuse adds to b that x, which is dropped from the history, can no longer be reused. offered is the hash
// that offerReuse has just put there.
func (s *Service) withdrawReuse(b *meta.Batch, x *Execution, offered string) {
	if x.ReuseHash == "" || x.ReuseHash == offered {
		return
	}
	if id, err := s.space.Get(reuseKey(x.ReuseHash)); err == nil && string(id) == x.ID {
		b.Delete(s.space, reuseKey(x.ReuseHash))
	}
}
