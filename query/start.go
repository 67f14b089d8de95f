package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// StartInput is what Start takes.
type StartInput struct {
	SQL        string
	Database   string // for names without one; default "default"
	Catalog    string
	WorkGroup  string // default primary
	Token      string // ClientRequestToken: the same token with the same input gives the same execution
	Parameters []string
	Result     ResultConfig
	Reuse      Reuse
}

// running is an execution that has not finished.
type running struct {
	Execution // guarded by Service.mu
	stmt      sql.Statement
	params    []sql.Expr
	temp      []string   // files and folders that are removed when it has ended
	reused    *Execution // whose result this one takes; nil: it runs
	ctx       context.Context
	cancel    context.CancelFunc
	done      chan struct{} // closed when the state is final and durable
}

// Start checks a statement, makes it durable as QUEUED and returns its id. ErrSyntax if it does not parse, ErrInvalid for
// other faults of the request, ErrBusy if the queue is full.
func (s *Service) Start(in StartInput) (id string, err error) {
	group, err := s.WorkGroup(orDefault(in.WorkGroup, PrimaryGroup))
	if err != nil {
		return "", err
	}
	if group.Disabled {
		return "", fmt.Errorf("%w: WorkGroup %s is disabled.", ErrInvalid, group.Name)
	}
	stmt, params, err := s.parse(in, group.Name)
	if err != nil {
		return "", err
	}
	r := &running{stmt: stmt, params: params, done: make(chan struct{})}
	r.Execution = Execution{
		SQL: in.SQL, Database: strings.ToLower(orDefault(in.Database, "default")), Catalog: orDefault(in.Catalog, "AwsDataCatalog"),
		WorkGroup: group.Name, Token: in.Token, Parameters: in.Parameters, State: Queued, Submitted: s.now(),
		Reuse: in.Reuse,
	}
	r.Kind, r.Substatement = classify(stmt)
	if err := s.place(r, in.Result, group); err != nil {
		return "", err
	}
	if r.ReuseHash, err = reuseHash(r); err != nil {
		return "", err
	}
	if r.reused, err = s.reusable(r); err != nil {
		return "", err
	}
	return s.enqueue(r)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// parse reads the statement and its parameters; EXECUTE is replaced by what was prepared.
func (s *Service) parse(in StartInput, group string) (sql.Statement, []sql.Expr, error) {
	stmt, err := sql.Parse(in.SQL)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	var params []sql.Expr
	for _, text := range in.Parameters {
		x, err := sql.ParseExpr(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: execution parameter %q: %w", ErrSyntax, text, err)
		}
		params = append(params, x)
	}
	ex, ok := stmt.(*sql.Execute)
	if !ok {
		return stmt, params, nil
	}
	prepared, err := s.Prepared(group, ex.Name.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: PreparedStatement %s was not found in workGroup %s", ErrInvalid, ex.Name.Name, group)
	}
	if stmt, err = sql.Parse(prepared.SQL); err != nil {
		return nil, nil, fmt.Errorf("%w: prepared statement %s: %w", ErrSyntax, ex.Name.Name, err)
	}
	if len(ex.Using) > 0 {
		params = ex.Using
	}
	return stmt, params, nil
}

// place decides where the result goes: the workgroup's location if it enforces it or nothing else was said.
func (s *Service) place(r *running, said ResultConfig, group *WorkGroup) error {
	config := said
	if group.Enforce || said.OutputLocation == "" {
		config = group.Result
		if said.OutputLocation == "" && !group.Enforce && said.Encryption != "" {
			config.Encryption, config.KMSKey = said.Encryption, said.KMSKey
		}
	}
	if config.OutputLocation == "" {
		return fmt.Errorf("%w: No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.", ErrInvalid)
	}
	bucket, prefix, err := objstore.ParseURL(config.OutputLocation)
	if err != nil || strings.HasPrefix(bucket, "arn:") {
		return fmt.Errorf("%w: outputLocation is not a valid S3 path.", ErrInvalid)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	r.ResultConfig = config
	r.ResultConfig.OutputLocation = "s3://" + bucket + "/" + prefix
	return nil
}

// resultName is the object of an execution's result below the output location.
func resultName(id string, stmt sql.Statement) string {
	switch stmt.(type) {
	case *sql.SelectStmt:
		return id + ".csv"
	case *sql.Insert, *sql.CreateTableAs, *sql.Unload, *sql.Delete, *sql.Update, *sql.Merge, *sql.Optimize, *sql.Vacuum:
		return id
	}
	return id + ".txt"
}

var tokenShape = regexp.MustCompile(`^.{32,128}$`)

// enqueue gives the execution an id, makes it durable and hands it to the workers. A token that was used before gives
// the execution of then.
func (s *Service) enqueue(r *running) (string, error) {
	s.names.Lock()
	defer s.names.Unlock()
	if r.Token != "" {
		if !tokenShape.MatchString(r.Token) {
			return "", fmt.Errorf("%w: ClientRequestToken must have between 32 and 128 characters", ErrInvalid)
		}
		id, found, err := s.sameRequest(r)
		if err != nil || found {
			return id, err
		}
	}
	r.ID = uuid.NewString()
	r.OutputLocation = r.ResultConfig.OutputLocation + resultName(r.ID, r.stmt)
	r.ctx, r.cancel = context.WithTimeout(context.Background(), s.opts.Timeout)
	queue := s.queries
	if !needsEngine(r.stmt) || r.reused != nil {
		queue = s.definitions
	}
	if len(queue) == cap(queue) { // only enqueue adds to it, under s.names
		return "", fmt.Errorf("%w: You have exceeded the limit for the number of queries you can run concurrently. Please reduce the number of concurrent queries submitted by this account.", ErrBusy)
	}
	b := new(meta.Batch)
	if err := putJSON(b, s.space, executionKey(r.ID), &r.Execution); err != nil {
		return "", err
	}
	if r.Token != "" {
		b.Put(s.space, tokenKey(r.WorkGroup, r.Token), []byte(r.ID))
	}
	if err := s.opts.Meta.Commit(b); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", fmt.Errorf("%w: the server is stopping", ErrBusy)
	}
	s.active[r.ID] = r
	queue <- r
	return r.ID, nil
}

// sameRequest looks up an execution by its token.
func (s *Service) sameRequest(r *running) (id string, found bool, err error) {
	raw, err := s.space.Get(tokenKey(r.WorkGroup, r.Token))
	if errors.Is(err, meta.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	x, err := s.Get(string(raw))
	if err != nil {
		return "", false, err
	}
	if x.SQL != r.SQL || x.Database != r.Database || !slices.Equal(x.Parameters, r.Parameters) || x.ResultConfig != r.ResultConfig || x.Reuse != r.Reuse {
		return "", false, fmt.Errorf("%w: Idempotent parameters do not match", ErrInvalid)
	}
	return x.ID, true, nil
}

func putJSON(b *meta.Batch, space meta.Space, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	b.Put(space, key, raw)
	return nil
}

// Stop cancels an execution. One that has finished stays as it is.
func (s *Service) Stop(id string) error {
	s.mu.Lock()
	r := s.active[id]
	s.mu.Unlock()
	if r == nil {
		_, err := s.Get(id)
		return err
	}
	r.cancel()
	return nil
}

// Wait returns when the execution is final, or ctx is done.
func (s *Service) Wait(ctx context.Context, id string) (*Execution, error) {
	s.mu.Lock()
	r := s.active[id]
	s.mu.Unlock()
	if r != nil {
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Get(id)
}

// needsEngine says whether a statement reads tables.
func needsEngine(stmt sql.Statement) bool {
	switch stmt.(type) {
	case *sql.SelectStmt, *sql.CreateTableAs, *sql.Insert, *sql.Unload, *sql.Explain, *sql.Delete, *sql.Update, *sql.Merge,
		*sql.Optimize, *sql.Vacuum:
		return true
	}
	return false
}

// classify is Athena's statement type and subtype.
func classify(stmt sql.Statement) (Kind, string) {
	switch st := stmt.(type) {
	case *sql.SelectStmt:
		return DML, "SELECT"
	case *sql.CreateTableAs:
		return DDL, "CREATE_TABLE_AS_SELECT"
	case *sql.Insert:
		return DML, "INSERT"
	case *sql.Delete:
		return DML, "DELETE"
	case *sql.Update:
		return DML, "UPDATE"
	case *sql.Merge:
		return DML, "MERGE"
	case *sql.Optimize:
		return DML, "OPTIMIZE"
	case *sql.Vacuum:
		return DML, "VACUUM"
	case *sql.Unload:
		return DML, "UNLOAD"
	case *sql.Explain:
		return Utility, "EXPLAIN"
	case *sql.CreateView:
		return DDL, "CREATE_VIEW"
	case *sql.CreateDatabase:
		return DDL, "CREATE_DATABASE"
	case *sql.DropDatabase:
		return DDL, "DROP_DATABASE"
	case *sql.CreateTable:
		return DDL, "CREATE_TABLE"
	case *sql.DropTable:
		if st.View {
			return DDL, "DROP_VIEW"
		}
		return DDL, "DROP_TABLE"
	case *sql.AddPartitions:
		return DDL, "ALTER_TABLE_ADD_PARTITION"
	case *sql.DropPartitions:
		return DDL, "ALTER_TABLE_DROP_PARTITION"
	case *sql.RenamePartition, *sql.AlterColumns, *sql.SetLocation, *sql.SetProperties:
		return DDL, "ALTER_TABLE"
	case *sql.RepairTable:
		return DDL, "MSCK_REPAIR_TABLE"
	case *sql.Show:
		return Utility, "SHOW_" + strings.ReplaceAll(st.What, " ", "_")
	case *sql.Describe:
		return Utility, "DESCRIBE_TABLE"
	case *sql.Prepare:
		return DDL, "PREPARE"
	case *sql.Deallocate:
		return DDL, "DEALLOCATE"
	}
	return Utility, ""
}
