package incremental

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/sql"
)

// The output modes.
const (
	Append   = "append"
	Update   = "update"
	Complete = "complete"
)

// ErrUnsupported says that a query cannot run incrementally; the text is Spark's where Spark refuses it too.
var ErrUnsupported = errors.New("not supported on streams")

// Inputs are what the names in a query stand for.
type Inputs struct {
	// Streams are the inputs that grow, by name.
	Streams map[string]Stream
	// Static resolves the name of any other table, as it was written, in lower case: to the catalog's name of it and to its columns.
	// Nil: there are none.
	Static func(name string) (table string, columns *columnar.Schema, err error)
	// Mode is the output mode; empty is Append.
	Mode string
}

// Stream is an input that grows.
type Stream struct {
	Columns *columnar.Schema
	// Query makes rows of the records, which it reads by the stream's name; empty: the records are the rows. EventTime and Deduplicate are
	// about the rows.
	Query string
	// EventTime is the column that the watermark follows; empty: none. Delay is how far the watermark stays behind it.
	EventTime string
	Delay     time.Duration
	// Deduplicate drops rows that were seen before the query sees them; nil: none are.
	Deduplicate *Deduplicate
}

// Deduplicate says which rows are the same.
type Deduplicate struct {
	Columns []string
	// WithinWatermark forgets a row when the watermark has passed its event time by the delay. Else it is remembered until its
	// event time, if that is one of Columns, or for ever.
	WithinWatermark bool
}

// Compile makes a Program of a query in Athena's dialect. An error wraps ErrUnsupported if the query is sound but cannot run
// incrementally in this output mode; it is an *sql.Error if the query is not sound.
func Compile(query string, in Inputs) (*batch.Program, error) {
	q, err := sql.ParseQuery(strings.TrimRight(strings.TrimSpace(query), ";"))
	if err != nil {
		return nil, sql.HintSpark(err)
	}
	if in.Mode == "" {
		in.Mode = Append
	}
	in.Streams = lowerNames(in.Streams)
	c := &compiler{in: in, program: &batch.Program{}, taken: map[string]bool{}, relations: map[string]*relation{}, sources: map[string]*relation{},
		rowTexts: map[string]string{}}
	for name := range in.Streams {
		c.taken[name] = true
	}
	if !c.streaming(q) {
		return nil, unsupported("Queries without streaming sources cannot be executed")
	}
	if err := c.sourceQueries(); err != nil {
		return nil, err
	}
	out, err := c.query(q, true)
	var sound *sql.Error
	if errors.As(err, &sound) && c.operators == 0 && len(c.program.States) == 0 && !c.stateful {
		return c.rowwise(query) // types are not looked at as closely where no state depends on them
	}
	if err != nil {
		return nil, err
	}
	if len(c.program.States) == 0 {
		return c.rowwise(query)
	}
	c.defineRows()
	if out.lost != "" {
		return nil, unsupported("in Update output mode a row replaces the one of the same keys: %s", out.lost)
	}
	if out.replaces && len(out.keys) == 0 {
		out.keys = []string{} // one row, which is replaced
	}
	out = c.labelled(out)
	c.program.Output, c.program.Keys = out.name, out.keys
	for _, col := range out.cols {
		if col.time == instant && c.program.EventTime == "" {
			c.program.EventTime = col.name
		}
	}
	return c.program, nil
}

// labelled gives columns of the streams back the capitals of their names.
func (c *compiler) labelled(r *relation) *relation {
	var items []string
	out := &relation{stream: true, complete: r.complete}
	capitals := false
	for _, col := range r.cols {
		item := quote(col.name)
		if col.label != "" {
			item, capitals = item+" AS "+quote(col.label), true
			col.name = col.label
		}
		items, out.cols = append(items, item), append(out.cols, col)
	}
	if !capitals {
		return r
	}
	if out.keys = renameKeys(r, out); r.keys != nil && out.keys == nil {
		out.keys = []string{}
	}
	out.name = c.add("output", "SELECT "+strings.Join(items, ", ")+" FROM "+quote(r.name))
	return out
}

func lowerNames(streams map[string]Stream) map[string]Stream {
	out := map[string]Stream{}
	for name, s := range streams {
		out[strings.ToLower(name)] = s
	}
	return out
}

// rowwise is the program of a query without state: the query as it stands, for the engine to check that it works row by row. Its
// stars stay stars. Where the types of columns do not go together by the dialect's rules, the engine's own rules decide.
func (c *compiler) rowwise(query string) (*batch.Program, error) {
	text, err := c.asItStands(query, true)
	var sound *sql.Error
	if errors.As(err, &sound) && sound.Code != "INVALID_FUNCTION_ARGUMENT" {
		text, err = c.asItStands(query, false)
	}
	if err != nil {
		return nil, err
	}
	if c.in.Mode == Complete {
		return nil, c.modeRefused("when there are no streaming aggregations on streaming DataFrames/Datasets")
	}
	steps := append(c.program.Steps[:c.first:c.first], batch.Step{Name: c.unique("output"), SQL: text})
	return &batch.Program{Steps: steps, Output: steps[c.first].Name, Tables: c.program.Tables, EventTimes: c.program.EventTimes}, nil
}

// asItStands translates the query over the inputs and tables themselves, by the types of their columns or by names alone.
func (c *compiler) asItStands(query string, typed bool) (string, error) {
	opts := c.options()
	opts.Table = func(ref *sql.TableRef) (*sql.Source, error) {
		r, err := c.asNamed(ref)
		if err != nil {
			return nil, err
		}
		if !typed {
			return &sql.Source{Binding: r.name}, nil
		}
		s := r.source()
		s.Open = true
		return s, nil
	}
	q, err := sql.ParseQuery(strings.TrimRight(strings.TrimSpace(query), ";"))
	if err != nil {
		return "", err
	}
	t, err := sql.Translate(q, opts)
	if err != nil {
		return "", err
	}
	return t.Text, nil
}

// asNamed is the input or table of a name.
func (c *compiler) asNamed(ref *sql.TableRef) (*relation, error) {
	if len(ref.Name.Parts) == 1 {
		name := ref.Name.Parts[0]
		if r := c.sources[name]; r != nil {
			return r, nil
		}
		if s, ok := c.in.Streams[name]; ok {
			cols, err := columnsOf(s.Columns)
			return &relation{name: name, cols: cols}, err
		}
	}
	return c.static(ref)
}

// compiler carries the program that is being made.
type compiler struct {
	in        Inputs
	program   *batch.Program
	taken     map[string]bool      // names of inputs, steps and states
	relations map[string]*relation // steps and inputs by name
	sources   map[string]*relation // rows of inputs that have queries of their own
	first     int                  // the steps of those
	rowTexts  map[string]string    // what those queries make of records, for the definition of states
	views     *views               // WITH queries in sight
	operators int
	stateful  bool // an operator with state has been met, though not compiled yet
}

// views is a chain of scopes of WITH queries. A query is compiled where it is used.
type views struct {
	outer *views
	name  string
	cte   sql.CTE
	made  map[bool]*relation // by whether it was compiled as the last operators
	reads reading            // whether it reads a stream, once that was looked up
}

func (v *views) find(name string) *views {
	for ; v != nil; v = v.outer {
		if v.name == name {
			return v
		}
	}
	return nil
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrUnsupported)
}

// modeRefused is Spark's way to say that the output mode does not go with the query.
func (c *compiler) modeRefused(why string) error {
	return unsupported("%s%s output mode not supported %s", strings.ToUpper(c.in.Mode[:1]), c.in.Mode[1:], why)
}

// unique returns a name that nothing has yet.
func (c *compiler) unique(name string) string {
	base := name
	for n := 2; c.taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	c.taken[strings.ToLower(name)] = true
	return name
}

// operator returns a name for the next stateful operator of a kind: aggregate1, join2.
func (c *compiler) operator(kind string) string {
	c.operators++
	return c.unique(fmt.Sprintf("%s%d", kind, c.operators))
}

// add appends a step of the program's own text.
func (c *compiler) add(name, text string) string {
	name = c.unique(name)
	c.program.Steps = append(c.program.Steps, batch.Step{Name: name, SQL: text})
	return name
}

// choose adds a step that leaves out rows and columns of another.
func (c *compiler) choose(name, text string) string {
	name = c.add(name, text)
	c.program.Steps[len(c.program.Steps)-1].Chooses = true
	return name
}

// options are those of every translation.
func (c *compiler) options() sql.Options {
	return sql.Options{Windows: true, Clock: "weir_batch_time()", Table: c.table}
}

// step translates q, whose streams are marked by internal names, into a step.
func (c *compiler) step(name string, q *sql.Query) (*relation, error) {
	t, err := sql.Translate(q, c.options())
	if err != nil {
		return nil, err
	}
	if t.Columns == nil {
		return nil, fmt.Errorf("columns of %s are not known", name)
	}
	r := &relation{stream: true}
	used := map[string]bool{}
	for _, col := range t.Columns {
		printed := col.Name
		for n := 1; used[printed]; n++ { // as package sql names them
			printed = fmt.Sprintf("%s_%d", col.Name, n)
		}
		used[printed] = true
		r.cols = append(r.cols, column{name: printed, typ: col.Type})
	}
	r.name = c.add(name, t.Text)
	c.relations[r.name] = r
	return r, nil
}

// internal marks a name in a query as that of a step or input, whatever the user's names mean.
const internal = "\x00"

func internalRef(r *relation) *sql.TableRef {
	return &sql.TableRef{Name: sql.Name{Parts: []string{internal + r.name}}}
}

// table resolves the names that are left in a query when it is translated.
func (c *compiler) table(ref *sql.TableRef) (*sql.Source, error) {
	if name, ok := strings.CutPrefix(ref.Name.Parts[0], internal); ok {
		return c.relations[name].source(), nil
	}
	r, err := c.named(ref, false)
	if err != nil {
		return nil, err
	}
	if r.stream {
		return nil, unsupported("%s: a stream can be read in FROM, and in IN or EXISTS of a WHERE, only", ref.Name)
	}
	return r.source(), nil
}

// named finds what a table name stands for: a WITH query, a stream or a static table.
func (c *compiler) named(ref *sql.TableRef, last bool) (*relation, error) {
	if ref.Live {
		return nil, unsupported("%s FOR LIVE: a pipeline reads what is committed", ref.Name)
	}
	if len(ref.Name.Parts) == 1 {
		if v := c.views.find(ref.Name.Parts[0]); v != nil {
			return c.view(v, last)
		}
		if s, ok := c.in.Streams[ref.Name.Parts[0]]; ok {
			return c.stream(ref.Name.Parts[0], s)
		}
	}
	return c.static(ref)
}

// view compiles a WITH query when it is used first.
func (c *compiler) view(v *views, last bool) (*relation, error) {
	if r := v.made[last]; r != nil {
		return r, nil
	}
	saved := c.views
	c.views = v.outer
	r, err := c.query(v.cte.Query, last)
	c.views = saved
	if err != nil {
		return nil, err
	}
	if len(v.cte.Columns) > 0 {
		if r, err = c.renamed(r, v.cte.Columns, v.name); err != nil {
			return nil, err
		}
	}
	v.made[last] = r
	return r, nil
}

// renamed gives the columns of r other names.
func (c *compiler) renamed(r *relation, names []sql.Ident, what string) (*relation, error) {
	if len(names) != len(r.cols) {
		return nil, &sql.Error{Code: "MISMATCHED_COLUMN_ALIASES", Pos: names[0].Position(),
			Msg: fmt.Sprintf("Column alias list has %d entries but '%s' has %d columns available", len(names), what, len(r.cols))}
	}
	out := &relation{stream: r.stream, complete: r.complete, replaces: r.replaces, lost: r.lost}
	var items []string
	for i, col := range r.cols {
		items = append(items, quote(col.name)+" AS "+quote(names[i].Name))
		col.name = names[i].Name
		out.cols = append(out.cols, col)
	}
	out.keys = renameKeys(r, out)
	out.name = c.add(r.name+"_as", "SELECT "+strings.Join(items, ", ")+" FROM "+quote(r.name))
	c.relations[out.name] = out
	return out, nil
}

func renameKeys(from, to *relation) []string {
	var keys []string
	for _, k := range from.keys {
		if i := from.index(k); i >= 0 {
			keys = append(keys, to.cols[i].name)
		}
	}
	return keys
}

// static is a table of the catalog.
func (c *compiler) static(ref *sql.TableRef) (*relation, error) {
	name := strings.Join(ref.Name.Parts, ".")
	if ref.AsOf != nil {
		return nil, unsupported("%s FOR %s AS OF", name, ref.AsOfKind)
	}
	if r := c.relations[name]; r != nil && c.program.Tables[name] != "" {
		return r, nil
	}
	if c.in.Static == nil {
		return nil, &sql.Error{Code: "TABLE_NOT_FOUND", Pos: ref.Name.Pos, Msg: fmt.Sprintf("Table '%s' does not exist", name)}
	}
	table, schema, err := c.in.Static(name)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	cols, err := columnsOf(schema)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	if c.program.Tables == nil {
		c.program.Tables = map[string]string{}
	}
	c.program.Tables[name] = table
	r := &relation{name: name, cols: cols}
	c.relations[name] = r
	return r, nil
}

// rowsOf are the rows of an input: its records, or what its own query makes of them.
func (c *compiler) rowsOf(name string, s Stream) (*relation, error) {
	if r := c.sources[name]; r != nil {
		return r, nil
	}
	cols, err := columnsOf(s.Columns)
	return &relation{name: name, cols: cols, stream: true}, err
}

// stream is an input, without the rows that its deduplicate drops.
func (c *compiler) stream(name string, s Stream) (*relation, error) {
	if r := c.relations[name]; r != nil {
		return r, nil
	}
	r, err := c.rowsOf(name, s)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	if s.EventTime != "" {
		i := r.index(strings.ToLower(s.EventTime))
		if i < 0 || r.cols[i].typ.Name != "timestamp" {
			return nil, fmt.Errorf("stream %s: watermark column %s is no column of type timestamp", name, s.EventTime)
		}
		r.cols[i].time = instant
	}
	if s.Deduplicate != nil {
		if r, err = c.deduplicate(r, s); err != nil {
			return nil, err
		}
	}
	c.relations[r.name], c.relations[name] = r, r
	return r, nil
}
