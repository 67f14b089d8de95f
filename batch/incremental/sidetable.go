package incremental

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/sql"
)

// sideTable is a state of an aggregation beside its partials: a row for each group and value, for aggregates that need to know the
// values. Values are what was seen (DISTINCT, histogram), buckets of a logarithmic histogram (approx_percentile) or registers of a
// HyperLogLog (approx_distinct).
type sideTable struct {
	text    string // what it holds: distinct(x)
	value   string // expression over rows
	where   string // which rows count
	measure *partial
	ranked  bool // finals need weir_below and weir_total, the running and the whole sum of the measure
	finals  []*aggregate
}

// weir_value is the column of the values.
const valueOf = "weir_value"

// side returns the table of what text says, which make describes if it is the first to ask for it.
func (g *group) side(a *aggregate, what string, make func(t *sideTable)) *sideTable {
	text := what + "(" + strings.Join(a.args, ", ") + ")"
	where := quote(a.args[0]) + " IS NOT NULL"
	if a.filter != "" {
		text += " where " + a.filter
		where += " AND " + quote(a.filter)
	}
	for _, t := range g.sides {
		if t.text == text {
			t.finals = append(t.finals, a)
			return t
		}
	}
	t := &sideTable{text: text, where: where, value: quote(a.args[0]), finals: []*aggregate{a}}
	make(t)
	g.sides = append(g.sides, t)
	return t
}

func counted(t *sideTable) {
	t.measure = &partial{"weir_count", "count(*)", "CAST(sum(weir_count) AS BIGINT)"}
}

// distinct makes an aggregate over the distinct values of its argument.
func (g *group) distinct(a *aggregate) error {
	v := quote(valueOf)
	switch a.call.Name {
	case "count":
		a.final = "count(" + v + ")"
	case "sum":
		a.final = "CAST(sum(" + v + ") AS " + a.typ.DuckDB() + ")"
	case "avg":
		a.final = average("sum("+v+")", "count("+v+")", a.typ)
	case "array_agg", "set_agg":
		a.final = "list(" + v + " ORDER BY " + v + ")"
	default:
		return unsupported("%s(DISTINCT …)", a.call.Name)
	}
	if len(a.args) != 1 {
		return unsupported("%s(DISTINCT …) of %d arguments", a.call.Name, len(a.args))
	}
	g.side(a, "distinct", func(*sideTable) {})
	return nil
}

func (g *group) histogram(a *aggregate) {
	g.side(a, "histogram", counted)
	a.final = "map_from_entries(list({'k': " + quote(valueOf) + ", 'v': weir_count} ORDER BY " + quote(valueOf) + "))"
}

// percentileError is the relative error of approx_percentile: a value of the answer's bucket differs from it by less.
const percentileError = 0.005

// percentile keeps counts by buckets whose bounds grow by a constant factor (DDSketch).
func (g *group) percentile(a *aggregate) error {
	points, isList, err := percentiles(a.call.Args[1])
	if err != nil {
		return err
	}
	gamma := (1 + percentileError) / (1 - percentileError)
	scale := 1 / math.Log(gamma)
	const zero = 1 << 20 // more than any bucket of a double
	g.side(a, "percentile", func(t *sideTable) {
		x := "CAST(" + t.value + " AS DOUBLE)"
		t.value = fmt.Sprintf("CASE WHEN %[1]s = 0 OR isnan(%[1]s) THEN 0 ELSE sign(%[1]s) * (ceil(ln(least(abs(%[1]s), 1.7e308)) * %[2]v) + %[3]d) END::INTEGER", x, scale, zero)
		t.ranked = true
		counted(t)
	})
	v := quote(valueOf)
	var finals []string
	for _, p := range points {
		bucket := fmt.Sprintf("(min(%s) FILTER (WHERE weir_below >= %v * weir_total))", v, p)
		value := fmt.Sprintf("CASE WHEN %[1]s = 0 THEN 0 ELSE sign(%[1]s) * 2 * pow(%[2]v, abs(%[1]s) - %[3]d) / %[4]v END", bucket, gamma, zero, gamma+1)
		t := a.typ
		if isList && t.Name == "array" {
			t = t.Args[0]
		}
		switch t.Name {
		case "tinyint", "smallint", "integer", "bigint":
			value = "round(" + value + ")"
		}
		finals = append(finals, "CAST("+value+" AS "+t.DuckDB()+")")
	}
	a.final = finals[0]
	if isList {
		a.final = "[" + strings.Join(finals, ", ") + "]"
	}
	return nil
}

// percentiles reads a literal from 0 to 1, or an array of such.
func percentiles(e sql.Expr) (points []float64, isList bool, err error) {
	elems := []sql.Expr{e}
	if list, ok := e.(*sql.Array); ok && len(list.Elems) > 0 {
		elems, isList = list.Elems, true
	}
	for _, e := range elems {
		n, ok := e.(*sql.Number)
		var p float64
		if ok {
			p, err = strconv.ParseFloat(n.Text, 64)
		}
		if !ok || err != nil || p < 0 || p > 1 {
			return nil, false, &sql.Error{Code: "INVALID_FUNCTION_ARGUMENT", Pos: e.Position(), Msg: "Percentile must be a number between 0 and 1"}
		}
		points = append(points, p)
	}
	return points, isList, nil
}

// cardinality keeps the registers of a HyperLogLog: for each bucket of hashes the greatest number of leading zeros, plus one.
func (g *group) cardinality(a *aggregate) error {
	deviation := 0.023 // Athena's own
	if len(a.call.Args) > 1 {
		n, ok := a.call.Args[1].(*sql.Number)
		var err error
		if ok {
			deviation, err = strconv.ParseFloat(n.Text, 64)
		}
		if !ok || err != nil || deviation < 0.0040625 || deviation > 0.26 {
			return &sql.Error{Code: "INVALID_FUNCTION_ARGUMENT", Pos: a.call.Args[1].Position(), Msg: "Standard error must be a number in [0.0040625, 0.26]"}
		}
	}
	p := bits.Len(uint(math.Ceil(1.04*1.04/deviation/deviation)) - 1)
	m := 1 << p
	g.side(a, fmt.Sprintf("registers%d", p), func(t *sideTable) {
		h := "hash(" + t.value + ")"
		t.value = fmt.Sprintf("CAST(%s & %d AS INTEGER)", h, m-1)
		word := fmt.Sprintf("((%s >> %d) & 4294967295)", h, p)
		first := fmt.Sprintf("max(CASE WHEN %[1]s = 0 THEN 33 ELSE 32 - floor(log2(%[1]s)) END::TINYINT)", word)
		t.measure = &partial{"weir_rank", first, "max(weir_rank)"}
	})
	empty := fmt.Sprintf("(%d - count(*))", m)
	alpha := 0.7213 / (1 + 1.079/float64(m))
	raw := fmt.Sprintf("(%v / (sum(pow(2.0, -weir_rank)) + %s))", alpha*float64(m)*float64(m), empty)
	a.final = fmt.Sprintf("CAST(round(CASE WHEN %[1]s <= %[2]v AND %[3]s > 0 THEN %[4]d * ln(%[4]d / %[3]s) ELSE %[1]s END) AS BIGINT)", raw, 2.5*float64(m), empty, m)
	return nil
}

// slug is a name for a state that says what it holds.
func slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && s[len(s)-1] != '_' {
			b.WriteByte('_')
		}
	}
	h := fnv.New32a()
	h.Write([]byte(text)) // cannot fail
	name := strings.Trim(b.String(), "_")
	return fmt.Sprintf("%s_%08x", name[:min(len(name), 40)], h.Sum32())
}

// steps adds the state of a side table and the step that gives its aggregates by group. It returns that step and the columns by which
// it is joined to the keys of g.
func (t *sideTable) steps(g *group, i int, fresh string) (step string, keys []string) {
	name := g.name + "_" + slug(t.text)
	cols := append(g.keyNames(), quote(valueOf))
	by := append([]string{}, cols...)
	list := func(measure string) string {
		all := append([]string{}, cols...)
		if t.measure != nil {
			all = append(all, measure+" AS "+t.measure.name)
		}
		if g.until != "" {
			all = append(all, quote(until))
		}
		return strings.Join(all, ", ")
	}
	first, merge, plain := "", "", ""
	if t.measure != nil {
		first, merge, plain = t.measure.first, t.measure.merge, t.measure.name
	}
	from := quote(g.input) + g.timed()
	if k := g.paned(); k != nil {
		from = k.windows(from)
	} else if g.timed() != "" {
		from = "(SELECT * FROM " + from + ")"
	}
	// The expressions of value and until stand in a query of their own, so that their names can be grouped by.
	inner := append(g.keyNames(), t.value+" AS "+quote(valueOf))
	inner = append(inner, quote(t.argument(g)))
	if g.until != "" {
		inner = append(inner, g.until+" AS "+quote(until))
		by = append(by, quote(until))
	}
	groups := "SELECT " + list(first) + " FROM (SELECT " + strings.Join(dedupe(inner), ", ") + " FROM " + from + " WHERE " + t.where + ")"
	if g.until != "" {
		groups += " WHERE " + g.after("weir_late()")
	}
	groups += " GROUP BY " + strings.Join(by, ", ")
	values := g.c.add(name+"_new", groups)
	state := g.c.unique(name)
	spec := batch.StateSpec{Name: state, Operator: "stateStoreSave", Like: values, Update: values, Keys: g.names(), Definition: g.definition()}
	spec.Definition["values"] = t.text
	spec.Compact = "SELECT " + list(merge) + " FROM runs GROUP BY " + strings.Join(by, ", ")
	spec.Touched = g.touched(fresh)
	if g.until != "" {
		spec.Until = until
		spec.Update = g.c.add(name+"_kept", "SELECT * FROM "+quote(values)+" WHERE "+g.after("weir_watermark()"))
	}
	g.c.program.States = append(g.c.program.States, spec)
	old, now := g.emitted(state, values, fresh)
	merged := g.c.add(name+"_merged", "SELECT "+list(merge)+" FROM (SELECT "+list(plain)+" FROM ("+old+") UNION ALL SELECT "+list(plain)+" FROM ("+now+")) GROUP BY "+
		strings.Join(by, ", "))
	return t.finish(g, i, name, merged)
}

// argument is the column of rows that the measure may read.
func (t *sideTable) argument(g *group) string { return t.finals[0].args[0] }

func dedupe(cols []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range cols {
		if !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}

// finish adds the step that makes the aggregates of the merged values.
func (t *sideTable) finish(g *group, i int, name, merged string) (step string, keys []string) {
	from := quote(merged)
	if t.ranked {
		over := "PARTITION BY " + strings.Join(g.keyNames(), ", ") + " "
		if len(g.keys) == 0 {
			over = ""
		}
		from = fmt.Sprintf("(SELECT *, sum(weir_count) OVER (%sORDER BY %s) AS weir_below, sum(weir_count) OVER (%s) AS weir_total FROM %s)", over,
			quote(valueOf), over, from)
	}
	var cols []string
	for n, k := range g.keyNames() {
		as := fmt.Sprintf("%sside%dkey%d", mark, i+1, n+1)
		cols, keys = append(cols, k+" AS "+quote(as)), append(keys, as)
	}
	for _, a := range t.finals {
		cols = append(cols, a.final+" AS "+quote(a.name))
		a.final = quote(a.name)
		if a.typ.Name == "bigint" && a.call.Name != "sum" && a.call.Name != "approx_percentile" {
			a.final = "coalesce(" + a.final + ", 0)" // counts
		}
	}
	text := "SELECT " + strings.Join(cols, ", ") + " FROM " + from
	if len(g.keys) > 0 {
		text += " GROUP BY " + strings.Join(g.keyNames(), ", ")
	}
	return g.c.add(name+"_result", text), keys
}
