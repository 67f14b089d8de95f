package incremental

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/sql"
)

// key is an expression of GROUP BY.
type key struct {
	text string // of the expression, in the one form
	expr sql.Expr
	name string // of the column that keeps it
	kind keyKind
	spec sql.WindowSpec
	typ  sql.Type
	time column // how it carries event time

	varies bool // some grouping sets lack it
}

type keyKind int

const (
	plainKey   keyKind = iota
	windowKey          // kept as the window's start
	sessionKey         // session_window()
	setKey             // the grouping set
)

// printed is an expression of the state that gives the key as the query sees it.
func (k *key) printed() string {
	switch k.kind {
	case plainKey, setKey:
		return quote(k.name)
	case sessionKey:
		return fmt.Sprintf("{'start': %s, 'end': %s}", quote(sessionStart), quote(sessionEnd))
	}
	return fmt.Sprintf("{'start': %s, 'end': %s}", quote(k.name), plus(quote(k.name), k.spec.Size))
}

// end is when the key is final, in event time; empty if it carries none.
func (k *key) end() string {
	switch {
	case k.time.time == noTime:
		return ""
	case k.kind == windowKey:
		return plus(quote(k.name), k.spec.Size+k.time.lag)
	case k.time.time == span:
		return plus("struct_extract("+quote(k.name)+", 'end')", k.time.lag)
	}
	return plus(quote(k.name), k.time.lag)
}

// group is an aggregation that is being compiled.
type group struct {
	c           *compiler
	name        string
	from        *source
	mode        string // of this operator
	keys        []*key
	masks       []int // the grouping sets; none: one with all keys
	varying     []int // places of the keys that some of them lack
	aggs        []*aggregate
	parts       partials
	sides       []*sideTable
	fresh       string    // the step of the batch's groups that are not too late
	rows        columnSet // columns of the step that gives keys and arguments
	cols        map[string]sql.Type
	input       string // the step of the rows
	until       string // when a group is final; empty: never
	state, late string // the state and the step that counts what is too late
}

// columnSet gives columns that are expressions names that people can read.
type columnSet struct {
	items []sql.SelectItem
	names map[string]string // text of an expression -> name
	taken map[string]bool   // names in lower case
}

// add returns the column of an expression.
func (s *columnSet) add(e sql.Expr) string {
	t := sql.PrintExpr(e)
	if n, ok := s.names[t]; ok {
		return n
	}
	return s.addAs(t, e, readable(t))
}

func (s *columnSet) addAs(t string, e sql.Expr, name string) string {
	if s.names == nil {
		s.names, s.taken = map[string]string{}, map[string]bool{}
	}
	name = s.free(name)
	s.names[t] = name
	s.items = append(s.items, sql.SelectItem{X: e, Alias: &sql.Ident{Name: name}})
	return name
}

func (s *columnSet) free(name string) string {
	base := name
	for n := 2; s.taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	s.taken[strings.ToLower(name)] = true
	return name
}

const readableMax = 60

// readable is a name made of an expression's text: sum(price). Texts that differ by more than quotes give names that differ, also
// where case does not count.
func readable(t string) string {
	name := strings.ReplaceAll(t, `"`, "")
	if len(name) > readableMax || strings.Contains(t, "'") && strings.ToLower(t) != t {
		h := fnv.New32a()
		h.Write([]byte(t)) // cannot fail
		return fmt.Sprintf("%s#%08x", strings.ToValidUTF8(name[:min(len(name), readableMax)], ""), h.Sum32())
	}
	return name
}

// grouped compiles an aggregation, whose expressions are in the one form.
func (c *compiler) grouped(s *sql.Select, f *source, o order, last bool) (*relation, error) {
	if f.complete {
		return nil, unsupported("Multiple streaming aggregations are not supported with streaming DataFrames/Datasets")
	}
	g := &group{c: c, from: f, mode: Append}
	if last {
		g.mode = c.in.Mode
	}
	if err := g.readKeys(s); err != nil {
		return nil, err
	}
	if err := g.checkMode(last); err != nil {
		return nil, err
	}
	g.name = c.operator("aggregate")
	out := *s
	out.GroupBy, out.Where, out.Having = nil, nil, nil
	out.Items = nil
	for _, it := range s.Items {
		if it.X == nil {
			return nil, unsupported("a star beside GROUP BY; name the columns")
		}
		if hasOver(it.X) {
			return nil, noOver
		}
		if it.X = g.replace(it.X); it.Alias == nil {
			it.Alias = &sql.Ident{Name: fmt.Sprintf("_col%d", len(out.Items))} // as Athena calls it
		}
		out.Items = append(out.Items, it)
	}
	if s.Having != nil {
		out.Where = g.replace(s.Having)
	}
	if o.q != nil {
		q := *o.q
		q.OrderBy = nil
		for _, it := range o.q.OrderBy {
			if !ofOutput(it.X, out.Items) {
				it.X = g.replace(f.scope.normal(it.X))
			}
			q.OrderBy = append(q.OrderBy, it)
		}
		o = order{&q}
	}
	if err := g.checkReplaced(&out, s); err != nil {
		return nil, err
	}
	result, err := g.compile(s.Where)
	if err != nil {
		return nil, err
	}
	out.From = []sql.Relation{alias(internalRef(result), "g")}
	return c.project(&out, &scope{tables: []scopeTable{{names: []string{"g"}, cols: result.cols}}}, result, o)
}

// ofOutput says whether an item of ORDER BY is a column of the result, by name or position.
func ofOutput(e sql.Expr, items []sql.SelectItem) bool {
	switch x := e.(type) {
	case *sql.Number:
		return true
	case *sql.Ident:
		for _, it := range items {
			if it.Alias != nil && it.Alias.Name == x.Name {
				return true
			}
		}
	}
	return false
}

// readKeys reads GROUP BY.
func (g *group) readKeys(s *sql.Select) error {
	sets, several := []keySet{nil}, false
	for _, gr := range s.GroupBy {
		parts := gr.Sets
		if gr.Kind == "" {
			parts = [][]sql.Expr{{gr.X}}
		}
		var places []keySet
		for _, part := range parts {
			var set keySet
			for _, e := range part {
				more, err := g.readKey(s, e)
				if err != nil {
					return err
				}
				set = append(set, more...)
			}
			places = append(places, set)
		}
		if gr.Kind != "" {
			several = true
			var err error
			if places, err = setsOf(gr.Kind, places); err != nil {
				return err
			}
		}
		var err error
		if sets, err = crossed(sets, places); err != nil {
			return err
		}
	}
	if !several {
		return nil
	}
	return g.readSets(sets)
}

// readKey adds what one expression of GROUP BY names to the keys, and returns its places among them.
func (g *group) readKey(s *sql.Select, e sql.Expr) (places keySet, err error) {
	if n, ok := e.(*sql.Number); ok {
		i, err := strconv.Atoi(n.Text)
		if err != nil || i < 1 || i > len(s.Items) || s.Items[i-1].X == nil {
			return nil, &sql.Error{Code: "INVALID_COLUMN_REFERENCE", Pos: n.Pos, Msg: fmt.Sprintf("GROUP BY position %s is not in select list", n.Text)}
		}
		e = s.Items[i-1].X
	}
	if id, ok := e.(*sql.Ident); ok {
		if _, found := g.from.scope.column(id); !found {
			e = itemOf(s.Items, id)
		}
	}
	elems := []sql.Expr{e}
	if row, ok := e.(*sql.Row); ok {
		elems = row.Elems
	}
	for _, e := range elems {
		if err := g.addKey(e); err != nil {
			return nil, err
		}
		t := sql.PrintExpr(e)
		places = append(places, slices.IndexFunc(g.keys, func(k *key) bool { return k.text == t }))
	}
	return places, nil
}

// itemOf is the expression of the item that has the alias id, or id: Spark lets GROUP BY name the items.
func itemOf(items []sql.SelectItem, id *sql.Ident) sql.Expr {
	for _, it := range items {
		if it.Alias != nil && it.Alias.Name == id.Name && it.X != nil {
			return it.X
		}
	}
	return id
}

func (g *group) addKey(e sql.Expr) error {
	k := &key{text: sql.PrintExpr(e), expr: e, time: g.from.scope.eventTime(e)}
	for _, other := range g.keys {
		if other.text == k.text {
			return nil
		}
	}
	visit(e, func(x sql.Expr) {
		if isAggregate(x) {
			k.kind = -1
		}
	})
	if k.kind < 0 {
		return &sql.Error{Code: "EXPRESSION_NOT_SCALAR", Pos: e.Position(), Msg: "GROUP BY clause cannot contain aggregations: " + k.text}
	}
	if call, ok := e.(*sql.Call); ok && (call.Name == "window" || call.Name == "session_window") {
		spec, err := sql.ReadWindow(call)
		if err != nil {
			return err
		}
		k.spec, k.kind = spec, windowKey
		k.name = "window_start"
		if call.Name == "session_window" {
			k.kind, k.name = sessionKey, sessionStart
		}
		for _, other := range g.keys {
			if other.kind != plainKey {
				return unsupported("Multiple time/session window expressions would result in a cartesian product of rows, therefore they are " +
					"currently not supported")
			}
		}
	}
	g.keys = append(g.keys, k)
	return nil
}

// eventTime is the key by which groups become final; nil if there is none.
func (g *group) eventTime() *key {
	for _, k := range g.keys {
		if k.time.time != noTime {
			return k
		}
	}
	return nil
}

func (g *group) session() *key {
	for _, k := range g.keys {
		if k.kind == sessionKey {
			return k
		}
	}
	return nil
}

// checkMode refuses what Spark refuses of a streaming aggregation.
func (g *group) checkMode(last bool) error {
	switch {
	case g.mode == Append && g.eventTime() == nil && g.c.in.Mode == Append:
		return g.c.modeRefused("when there are streaming aggregations on streaming DataFrames/DataSets without watermark")
	case g.mode == Append && g.eventTime() == nil:
		return unsupported("Multiple streaming aggregations are not supported with streaming DataFrames/Datasets, unless those below the " +
			"last group by event time with a watermark, so that their rows become final")
	case g.mode == Update && g.session() != nil:
		return g.c.modeRefused("for session window on streaming DataFrames/DataSets")
	}
	return nil
}

// replace puts the columns of the result in place of keys and aggregates.
func (g *group) replace(e sql.Expr) sql.Expr {
	t := sql.PrintExpr(e)
	for i, k := range g.keys {
		if k.text == t {
			return keyColumn(i)
		}
	}
	switch x := e.(type) {
	case *sql.Ident: // Spark names the column of window() so
		for i, k := range g.keys {
			if k.kind == windowKey && x.Name == "window" || k.kind == sessionKey && x.Name == "session_window" {
				if _, found := g.from.scope.column(x); !found {
					return keyColumn(i)
				}
			}
		}
		return e
	case *sql.Call:
		if x.Name == "grouping" {
			if e, ok := g.grouping(x); ok {
				return e
			}
		}
		if isAggregate(x) {
			return &sql.Ident{Name: g.aggregate(x)}
		}
	}
	return sql.MapChildren(e, g.replace)
}

// mark begins the names of an operator's result, so that no column of the streams is taken for one.
const mark = "weir:"

// keyColumn is the i-th key in the operator's result.
func keyColumn(i int) *sql.Ident { return &sql.Ident{Name: fmt.Sprintf("%skey%d", mark, i+1)} }

// checkReplaced refuses columns that are neither grouped by nor aggregated.
func (g *group) checkReplaced(out, in *sql.Select) error {
	var err error
	look := func(e sql.Expr) {
		visit(e, func(x sql.Expr) {
			if call, ok := x.(*sql.Call); ok && err == nil {
				err = sql.CheckRegistered(call)
			}
			id, isIdent := x.(*sql.Ident)
			_, isDeref := x.(*sql.Deref)
			if err != nil || !isIdent && !isDeref || isIdent && strings.HasPrefix(id.Name, mark) {
				return
			}
			if _, found := g.from.scope.column(x); found {
				err = &sql.Error{Code: "EXPRESSION_NOT_AGGREGATE", Pos: x.Position(),
					Msg: fmt.Sprintf("'%s' must be an aggregate expression or appear in GROUP BY clause", strings.ReplaceAll(sql.PrintExpr(x), `"`, ""))}
			}
		})
	}
	for _, it := range out.Items {
		look(it.X)
	}
	look(out.Where)
	return err
}
