package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Runner executes Programs for one pipeline: it is a batch.Runner. Those without state are left to Rowwise. Others run on one
// connection, to an instance of their own: the steps of a Program become temporary tables, or views where only one other reads them;
// the state is read from its Parquet files. What does not fit Options.StateMemory spills.
type Runner struct {
	db       *DB // for Rowwise
	own      *DB // nil: not needed yet
	conn     *conn
	threads  int       // of own
	compiled *compiled // of the Program that was described or run last
}

var _ batch.Runner = (*Runner)(nil)

// NewRunner returns a Runner, to be closed before the DB. The folders of the state must be below Options.Dirs.
func (d *DB) NewRunner() (*Runner, error) {
	return &Runner{db: d, threads: d.opts.Threads}, nil
}

// Close ends the Runner. Its results must have been closed.
func (r *Runner) Close() {
	if r.own != nil {
		r.conn.disconnect()
		r.own.Close()
	}
	r.own, r.conn, r.compiled = nil, nil, nil
}

// open starts the Runner's own instance, if it does not run.
func (r *Runner) open() (err error) {
	if r.own != nil {
		return nil
	}
	opts := Options{Dirs: r.db.opts.Dirs, MemoryLimit: r.db.opts.StateMemory, Threads: r.threads}
	if r.own, err = Open(opts); err != nil {
		return err
	}
	if r.conn, err = r.own.connect(); err != nil {
		r.own.Close()
		r.own = nil
	}
	return err
}

// compiled is a Program with what DuckDB says of it.
type compiled struct {
	program *batch.Program
	inputs  map[string]*columnar.Schema
	inline  map[string]bool // steps that become views
	output  []result
	states  []*stateTable // as in program.States
}

// stateless says whether p works row by row: such a Program is Rowwise's.
func stateless(p *batch.Program) bool { return len(p.States) == 0 && len(p.Tables) == 0 }

// Describe implements batch.Runner.
func (r *Runner) Describe(ctx context.Context, inputs map[string]*columnar.Schema, p *batch.Program) (*batch.Description, error) {
	if stateless(p) {
		return NewRowwise(r.db).Describe(ctx, inputs, p)
	}
	c, err := r.compile(ctx, inputs, p)
	if err != nil {
		return nil, err
	}
	r.compiled = c
	d := &batch.Description{Inputs: inputs, Output: &columnar.Schema{}, States: map[string]*columnar.Schema{}}
	for _, o := range c.output {
		d.Output.Fields = append(d.Output.Fields, o.field)
	}
	for _, s := range c.states {
		d.States[s.spec.Name] = s.schema
	}
	return d, nil
}

// compile runs the steps over nothing, so that DuckDB tells their columns.
func (r *Runner) compile(ctx context.Context, inputs map[string]*columnar.Schema, p *batch.Program) (_ *compiled, err error) {
	c := &compiled{program: p, inputs: inputs, inline: inlined(p)}
	if err := checkSteps(p, inputs); err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	w := r.newWorkspace()
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.clock(ctx, time.Time{}, time.Time{}, time.Unix(0, 0)); err != nil {
		return nil, err
	}
	for name, schema := range inputs {
		if err := w.input(ctx, name, schema, nil); err != nil {
			return nil, err
		}
	}
	for _, step := range p.Steps {
		if err := r.conn.oneSelect(step.SQL); err != nil {
			return nil, fmt.Errorf("%w (step %s)", err, step.Name)
		}
		if _, err := w.table(ctx, step.Name, trimQuery(step.SQL)); err != nil {
			if _, types := r.conn.results(trimQuery(step.SQL)); types != nil { // says which column no table can have
				err = types
			}
			return nil, fmt.Errorf("%w (step %s)", err, step.Name)
		}
		for i := range p.States {
			if p.States[i].Like != step.Name {
				continue
			}
			s, err := r.stateTable(ctx, &p.States[i])
			if err != nil {
				return nil, err
			}
			c.states = append(c.states, s)
			if err := w.view(ctx, s.spec.Name, s.read("", nil, time.Time{}, "")); err != nil {
				return nil, err
			}
		}
	}
	c.sortStates()
	c.output, err = r.conn.results("SELECT * FROM " + quoteName(p.Output))
	return c, err
}

// checkSteps refuses a Program that names steps that it does not have.
func checkSteps(p *batch.Program, inputs map[string]*columnar.Schema) error {
	steps := map[string]bool{"": true}
	for _, step := range p.Steps {
		steps[step.Name] = true
	}
	for _, s := range p.States {
		if !steps[s.Late] || !steps[s.Update] || !steps[s.Like] || s.Update == "" || s.Like == "" {
			return fmt.Errorf("state %s is like step %q, changed by step %q and counts what is late by step %q, which are not all there", s.Name, s.Like, s.Update, s.Late)
		}
	}
	for _, s := range p.States {
		if s.Touched != "" && !steps[s.Touched] && inputs[s.Touched] == nil {
			return fmt.Errorf("state %s is touched by %q, which is no step and no input", s.Name, s.Touched)
		}
	}
	if !steps[p.Output] || p.Output == "" {
		return fmt.Errorf("there is no step %q for the output", p.Output)
	}
	return nil
}

// sortStates puts the states into the Program's order.
func (c *compiled) sortStates() {
	slices.SortFunc(c.states, func(a, b *stateTable) int {
		of := func(t *stateTable) int {
			return slices.IndexFunc(c.program.States, func(s batch.StateSpec) bool { return s.Name == t.spec.Name })
		}
		return of(a) - of(b)
	})
}

// inlined are the steps that are read in one place, or that are cheap: they need not be kept.
func inlined(p *batch.Program) map[string]bool {
	inline := map[string]bool{}
	for _, step := range p.Steps {
		n := 0
		for _, other := range p.Steps {
			n += mentions(other.SQL, step.Name)
		}
		for _, s := range p.States {
			if s.Update == step.Name {
				n++
			}
			if s.Late == step.Name {
				n++
			}
			if s.Touched == step.Name {
				n++
			}
		}
		inline[step.Name] = (n <= 1 || step.Chooses) && step.Name != p.Output
	}
	return inline
}

// mentions counts the places where name stands in sql as a name, of whatever. Texts and what is part of another name are none.
func mentions(sql, name string) int {
	n := 0
	for len(sql) > 0 {
		size := tokenSize(sql)
		token := sql[:size]
		if token[0] == '"' {
			token = strings.ReplaceAll(strings.Trim(token, `"`), `""`, `"`)
		}
		if strings.EqualFold(token, name) {
			n++
		}
		sql = sql[size:]
	}
	return n
}

// tokenSize is the length of the name, the text or the other single byte that sql begins with.
func tokenSize(sql string) int {
	if q := sql[0]; q == '\'' || q == '"' {
		end := strings.IndexByte(sql[1:], q)
		if end < 0 {
			return len(sql)
		}
		return end + 2 // a doubled quote makes two of one, which at worst is a mention too many
	}
	i := 0
	for i < len(sql) && isNameByte(sql[i]) {
		i++
	}
	return max(i, 1)
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// workspace is the temporary tables and views of one batch.
type workspace struct {
	conn    *conn
	scans   []*scan
	created []string // what drops them
}

func (r *Runner) newWorkspace() *workspace { return &workspace{conn: r.conn} }

// close drops everything, whatever became of the batch's context.
func (w *workspace) close() error {
	var errs []error
	for i := len(w.created) - 1; i >= 0; i-- {
		errs = append(errs, w.conn.exec(context.Background(), w.created[i]))
	}
	for _, s := range w.scans {
		s.close()
	}
	w.created, w.scans = nil, nil
	return errors.Join(errs...)
}

// clock defines the functions by which steps know the time. Nothing is before a watermark that is not there yet.
func (w *workspace) clock(ctx context.Context, watermark, late, now time.Time) error {
	for _, f := range []struct {
		name string
		at   time.Time
	}{{"weir_watermark", watermark}, {"weir_late", late}, {"weir_batch_time", now}} {
		if err := w.conn.exec(ctx, "CREATE OR REPLACE TEMP MACRO "+f.name+"() AS "+timestampSQL(f.at)); err != nil {
			return err
		}
	}
	return nil
}

// timestampSQL is t as a constant; the zero time is before all others.
func timestampSQL(t time.Time) string {
	if t.IsZero() {
		return "TIMESTAMP '-infinity'"
	}
	return fmt.Sprintf("make_timestamp(%d)", t.UnixMicro())
}

// input makes batches readable by name.
func (w *workspace) input(ctx context.Context, name string, schema *columnar.Schema, rows []*columnar.Batch) error {
	s := openScan(schema, piecesOf(rows))
	w.scans = append(w.scans, s)
	return w.view(ctx, name, "SELECT * FROM "+s.call())
}

// static makes the rows of a SELECT readable by name, with the types that streams have.
func (w *workspace) static(ctx context.Context, name string, schema *columnar.Schema, sql string) error {
	var all []string
	for _, f := range schema.Fields {
		q := quoteName(f.Name)
		all = append(all, "CAST("+q+" AS "+rowType(f.Type)+") AS "+q)
	}
	return w.view(ctx, name, "SELECT "+strings.Join(all, ", ")+" FROM (\n"+trimQuery(sql)+"\n)")
}

// rowType is the name of the type that queries see for t.
func rowType(t columnar.Type) string {
	return strings.ReplaceAll(sqlType(t), "TIMESTAMPTZ", "TIMESTAMP")
}

func (w *workspace) view(ctx context.Context, name, sql string) error {
	w.created = append(w.created, "DROP VIEW IF EXISTS "+quoteName(name)) // first: a statement that is interrupted may have been done
	return w.conn.exec(ctx, "CREATE TEMP VIEW "+quoteName(name)+" AS "+sql)
}

// table computes the rows of sql and returns their number.
func (w *workspace) table(ctx context.Context, name, sql string) (int64, error) {
	w.created = append(w.created, "DROP TABLE IF EXISTS "+quoteName(name))
	b, err := w.conn.query(ctx, "CREATE TEMP TABLE "+quoteName(name)+" AS "+sql)
	if err != nil {
		return 0, err
	}
	return b.Columns[0].Int(0), nil
}
