package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// work runs statements of a queue until ctx is done.
func (s *Service) work(ctx context.Context, queue chan *running) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-queue:
			stop := context.AfterFunc(ctx, r.cancel)
			s.execute(r)
			stop()
		}
	}
}

// execute runs one statement to its end.
func (s *Service) execute(r *running) {
	defer r.cancel()
	defer func() {
		for _, path := range r.temp {
			os.RemoveAll(path) // what stays is among temporary files
		}
	}()
	began := s.now()
	s.update(r, func(x *Execution) {
		x.State = Running
		x.Stats.Queue = began.Sub(x.Submitted)
	})
	err := r.ctx.Err()
	if err == nil {
		err = s.run(r)
	}
	ended := s.now()
	s.update(r, func(x *Execution) {
		x.Completed = ended
		x.Stats.Total = ended.Sub(x.Submitted)
		x.Stats.Engine = ended.Sub(began)
		settle(x, err, r.ctx.Err())
	})
	if err := s.finish(r); err != nil {
		s.opts.Logger.Error("keep the end of a query", "id", r.ID, "error", err)
		s.update(r, func(x *Execution) {
			x.State, x.Reason, x.ErrorCategory = Failed, "The result could not be recorded: "+err.Error(), 1
		})
	}
	s.mu.Lock()
	delete(s.active, r.ID)
	x := r.Execution
	s.mu.Unlock()
	close(r.done)
	if s.opts.Observe != nil {
		s.opts.Observe(&x)
	}
}

func (s *Service) update(r *running, change func(*Execution)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&r.Execution)
}

// settle turns the outcome of a statement into its final state.
func settle(x *Execution, err, stopped error) {
	switch {
	case err == nil:
		x.State = Succeeded
		return
	case errors.Is(stopped, context.Canceled):
		x.State, x.Reason = Cancelled, "Query cancelled by user"
		return
	case errors.Is(stopped, context.DeadlineExceeded):
		x.State, x.Reason, x.ErrorCategory, x.ErrorType = Failed, "Query timeout", 2, 100
		return
	}
	if x.State = Failed; errors.Is(err, errScanLimit) {
		x.State = Cancelled
	}
	x.Reason, x.ErrorCategory, x.ErrorType = explain(err)
}

// explain is an error as Athena tells it: reason, category and type.
func explain(err error) (reason string, category, kind int) {
	var bad *sql.Error
	switch {
	case errors.As(err, &bad):
		return bad.Error(), 2, 1006
	case errors.Is(err, errScanLimit):
		return err.Error(), 2, 103
	case errors.Is(err, ErrCrashed):
		return "GENERIC_INTERNAL_ERROR: " + err.Error(), 1, 0
	case errors.Is(err, ErrMemory):
		return "EXCEEDED_LOCAL_MEMORY_LIMIT: Query exhausted resources at this scale factor", 2, 100
	case errors.Is(err, ErrEngine):
		return engineReason(err), 2, 1006
	case errors.Is(err, objstore.ErrNoSuchBucket):
		return "The S3 location provided to save your query results is invalid. Please check your S3 location is correct and is in the same region and try again. " + err.Error(), 2, 1300
	case errors.Is(err, objstore.ErrNoSuchKey):
		return "HIVE_CANNOT_OPEN_SPLIT: " + err.Error(), 2, 1104
	case errors.Is(err, delta.ErrCorrupt):
		return "DELTA_LAKE_BAD_DATA: " + err.Error(), 2, 1104
	}
	return "GENERIC_INTERNAL_ERROR: " + err.Error(), 1, 0
}

var (
	codedError    = regexp.MustCompile(`(?s)^(?:[A-Za-z ]+Error: )?([A-Z_]{6,}: .*)$`)
	notAggregate  = regexp.MustCompile(`column "([^"]+)" must appear in the GROUP BY clause`)
	badConversion = regexp.MustCompile(`(?i)could not convert string '((?s:.*?))' to (\w+)`)
)

// engineReason says an engine's error in Trino's words where they are known.
func engineReason(err error) string {
	text := strings.TrimPrefix(err.Error(), ErrEngine.Error()+": ")
	if m := codedError.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	first, _, _ := strings.Cut(text, "\n")
	switch {
	case notAggregate.MatchString(text):
		m := notAggregate.FindStringSubmatch(text)
		return fmt.Sprintf("EXPRESSION_NOT_AGGREGATE: '%s' must be an aggregate expression or appear in GROUP BY clause", m[1])
	case strings.HasPrefix(text, "Conversion Error"):
		if m := badConversion.FindStringSubmatch(text); m != nil {
			return fmt.Sprintf("INVALID_CAST_ARGUMENT: Cannot cast '%s' to %s", m[1], m[2])
		}
		return "INVALID_CAST_ARGUMENT: " + first
	case strings.HasPrefix(text, "Out of Range Error"):
		return "NUMERIC_VALUE_OUT_OF_RANGE: " + first
	case strings.HasPrefix(text, "Binder Error"), strings.HasPrefix(text, "Parser Error"), strings.HasPrefix(text, "Catalog Error"):
		return "NOT_SUPPORTED: " + first
	case strings.HasPrefix(text, "IO Error"), strings.HasPrefix(text, "Invalid Input Error"):
		return "HIVE_BAD_DATA: " + first
	}
	return "GENERIC_USER_ERROR: " + first
}

// run does what the statement says.
func (s *Service) run(r *running) error {
	if r.reused != nil {
		s.adopt(r)
		return nil
	}
	switch st := r.stmt.(type) {
	case *sql.SelectStmt:
		return s.runSelect(r, st.Query)
	case *sql.CreateTableAs:
		return s.createTableAs(r, st)
	case *sql.Insert:
		return s.insert(r, st)
	case *sql.Delete:
		return s.change(r, st.Table)
	case *sql.Update:
		return s.change(r, st.Table)
	case *sql.Merge:
		return s.change(r, st.Table)
	case *sql.Optimize:
		return s.change(r, st.Table)
	case *sql.Vacuum:
		return s.change(r, st.Table)
	case *sql.Unload:
		return s.unload(r, st)
	case *sql.Explain:
		return s.explainStatement(r, st)
	}
	lines, cols, err := s.define(r)
	if err != nil {
		return err
	}
	return s.writeText(r, lines, cols)
}

// prepare translates a query and finds the files of its tables.
func (s *Service) prepare(r *running, q *sql.Query) (*sql.Translation, *Request, error) {
	began := s.now()
	p := &planner{ctx: r.ctx, s: s, database: r.Database, params: r.params, now: r.Submitted}
	p.temp = func(path string) { r.temp = append(r.temp, path) }
	t, err := sql.Translate(q, sql.Options{Table: p.resolve, Params: r.params, Now: r.Submitted})
	if err != nil {
		return nil, nil, err
	}
	bindings, scanned, err := p.bindings()
	if err != nil {
		return nil, nil, err
	}
	if len(p.notes) > 0 {
		s.update(r, func(x *Execution) { x.Reason = strings.Join(p.notes, "; ") })
	}
	if p.volatile {
		s.update(r, func(x *Execution) { x.ReuseHash = "" })
	}
	files := 0
	for _, b := range bindings {
		files += len(b.Files)
	}
	s.update(r, func(x *Execution) {
		x.Stats.ScannedBytes, x.Stats.InputFiles = scanned, files
		x.Stats.Planning = s.now().Sub(began)
	})
	if group, err := s.WorkGroup(r.WorkGroup); err == nil && group.ScanLimit > 0 && scanned > group.ScanLimit {
		return nil, nil, errScanLimit
	}
	return t, &Request{SQL: t.Text, Tables: bindings}, nil
}

// errScanLimit says that a query would read more than its workgroup allows.
var errScanLimit = errors.New("Bytes scanned limit was exceeded")

// runSelect streams the rows of a query into its result object.
func (s *Service) runSelect(r *running, q *sql.Query) error {
	t, req, err := s.prepare(r, q)
	if err != nil {
		return err
	}
	out, err := s.newResult(r, t.Columns)
	if err != nil {
		return err
	}
	_, err = s.opts.Engine.Run(r.ctx, req, out)
	began := s.now()
	if err := out.close(err); err != nil {
		return err
	}
	s.update(r, func(x *Execution) {
		x.Columns, x.Stats.OutputRows, x.Stats.OutputBytes = out.cols, out.rows, out.bytes
		x.Stats.Service = s.now().Sub(began)
	})
	return s.writeMetadata(r)
}
