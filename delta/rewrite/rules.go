package rewrite

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// Members of a field's metadata that say what its values must be.
const (
	metaFieldID    = "delta.columnMapping.id"
	metaInvariants = "delta.invariants"
	metaGenerated  = "delta.generationExpression"
	metaDefault    = "CURRENT_DEFAULT"
	metaLength     = "__CHAR_VARCHAR_TYPE_STRING"
	metaIDStart    = "delta.identity.start"
	metaIDStep     = "delta.identity.step"
	metaIDHigh     = "delta.identity.highWaterMark"
	metaIDExplicit = "delta.identity.allowExplicitInsert"
)

const rowsName = "weir_rows"

// rule is a condition that rows must fulfil.
type rule struct {
	name string // for errors
	x    sql.Expr
}

// rules are the table's constraints and invariants, and the expressions of generated columns that the caller gave values for.
func (j *job) rules(given map[string]bool) ([]rule, error) {
	var all []rule
	for _, key := range slices.Sorted(maps.Keys(j.props)) {
		if name, ok := strings.CutPrefix(key, "delta.constraints."); ok {
			x, err := sparkExpr(j.props[key])
			if err != nil {
				return nil, fmt.Errorf("constraint %s: %w", name, err)
			}
			all = append(all, rule{"CHECK constraint " + name + " (" + j.props[key] + ")", x})
		}
	}
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		if text, ok := f.Metadata[metaInvariants].(string); ok {
			condition, err := invariant(text)
			if err != nil {
				return nil, fmt.Errorf("invariant of column %s: %w", f.Name, err)
			}
			x, err := sparkExpr(condition)
			if err != nil {
				return nil, fmt.Errorf("invariant of column %s: %w", f.Name, err)
			}
			all = append(all, rule{"invariant of column " + f.Name + " (" + condition + ")", x})
		}
		if text, ok := f.Metadata[metaGenerated].(string); ok && given[f.Name] {
			x, err := sparkExpr(text)
			if err != nil {
				return nil, fmt.Errorf("generated column %s: %w", f.Name, err)
			}
			same := &sql.Not{X: &sql.Compare{Op: "IS DISTINCT FROM", L: &sql.Ident{Name: strings.ToLower(f.Name)}, R: x}}
			all = append(all, rule{"generated column " + f.Name + " (" + text + ")", same})
		}
	}
	return all, nil
}

// invariant is the condition inside an invariant's JSON.
func invariant(text string) (string, error) {
	var v struct {
		Expression struct {
			Expression string `json:"expression"`
		} `json:"expression"`
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Expression.Expression == "" {
		return "", fmt.Errorf("%w: %.200q", delta.ErrUnsupported, text)
	}
	return v.Expression.Expression, nil
}

// complete gives a query of rows the columns that the caller left out: defaults, identities, generated columns, null. given are the
// columns that the query has, by their names in the table.
func (j *job) complete(query string, given map[string]bool) (string, error) {
	var items []string
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		x, err := j.valueOf(f, given)
		if err != nil {
			return "", err
		}
		items = append(items, x+" AS "+quoteName(f.Name))
	}
	query = "SELECT " + strings.Join(items, ", ") + " FROM (\n" + query + "\n)"
	return j.generate(query, given)
}

// valueOf is a column as complete makes it, generated ones apart.
func (j *job) valueOf(f *columnar.Field, given map[string]bool) (string, error) {
	identity := f.Metadata[metaIDStart] != nil
	switch {
	case identity && given[f.Name] && f.Metadata[metaIDExplicit] != true:
		return "", fmt.Errorf("%w: column %s is an identity column, which gets its values by itself", delta.ErrInvalid, f.Name)
	case given[f.Name]:
		return quoteName(f.Name), nil
	case identity:
		return j.identityValue(f)
	}
	if text, ok := f.Metadata[metaDefault].(string); ok && f.Metadata[metaGenerated] == nil {
		x, err := sparkExpr(text)
		if err != nil {
			return "", fmt.Errorf("default of column %s: %w", f.Name, err)
		}
		t, err := sql.Translate(&sql.Query{Body: &sql.Select{Items: []sql.SelectItem{{X: x}}}}, sql.Options{Now: j.t.opts.Now()})
		if err != nil {
			return "", fmt.Errorf("default of column %s: %w", f.Name, err)
		}
		return "CAST((" + t.Text + ") AS " + typeText(f.Type) + ")", nil
	}
	return "CAST(NULL AS " + typeText(f.Type) + ")", nil
}

func metaInt(f *columnar.Field, key string) (int64, bool) {
	switch v := f.Metadata[key].(type) {
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case float64:
		return int64(v), true
	case int64:
		return v, true
	case int:
		return int64(v), true
	}
	return 0, false
}

// identityValue numbers the rows from where the last ones ended. Values that are not used up leave gaps.
func (j *job) identityValue(f *columnar.Field) (string, error) {
	start, ok1 := metaInt(f, metaIDStart)
	step, ok2 := metaInt(f, metaIDStep)
	if !ok1 || !ok2 || step == 0 {
		return "", fmt.Errorf("%w: identity column %s without start or step", delta.ErrCorrupt, f.Name)
	}
	next := start
	if high, ok := metaInt(f, metaIDHigh); ok {
		next = high + step
	}
	j.identity[f.Name] = next - step // moved on by countIdentity
	return fmt.Sprintf("CAST(%d + (row_number() OVER () - 1) * (%d) AS BIGINT)", next, step), nil
}

// countIdentity notes how far the identity columns got in written files.
func (j *job) countIdentity(files []written) {
	var rows int64
	for _, f := range files {
		rows += f.file.Stats.NumRecords
	}
	for name := range j.identity {
		step, _ := metaInt(j.field(name), metaIDStep)
		j.identity[name] += rows * step
	}
}

// setIdentity puts the high water marks into the schema.
func (j *job) setIdentity() {
	if len(j.identity) == 0 || len(j.adds) == 0 {
		return
	}
	schema := &columnar.Schema{Fields: slices.Clone(j.schema.Fields)}
	for name, high := range j.identity {
		f := &schema.Fields[schema.Index(name)]
		f.Metadata = maps.Clone(f.Metadata)
		f.Metadata[metaIDHigh] = high
	}
	j.schema, j.alter = schema, true
}

// generate computes the generated columns that the caller did not give.
func (j *job) generate(query string, given map[string]bool) (string, error) {
	query = j.emptyIsNull(query)
	r := &relation{name: rowsName, schema: j.schema, hidden: j.carried()}
	var items []item
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		text, ok := f.Metadata[metaGenerated].(string)
		if !ok || given[f.Name] {
			continue
		}
		x, err := sparkExpr(text)
		if err != nil {
			return "", fmt.Errorf("generated column %s: %w", f.Name, err)
		}
		items = append(items, item{x, strings.ToLower(f.Name)})
	}
	if len(items) == 0 {
		return query, nil
	}
	made := map[string]bool{}
	for _, it := range items {
		made[it.name] = true
	}
	all := make([]item, 0, len(j.schema.Fields))
	for i := range j.schema.Fields {
		name := strings.ToLower(j.schema.Fields[i].Name)
		if !made[name] {
			all = append(all, item{column(r, name), name})
		}
	}
	all = append(all, j.carriedItems(r)...)
	t, err := j.translate(append(all, items...), r.ref(), nil, nil, r)
	if err != nil {
		return "", fmt.Errorf("generated columns: %w", err)
	}
	var out []string
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		out = append(out, "CAST("+quoteName(f.Name)+" AS "+typeText(f.Type)+") AS "+quoteName(f.Name))
	}
	return "SELECT " + strings.Join(j.withCarried(out), ", ") + " FROM (" + with(t.text, rowsName, query) + ")", nil
}

// emptyIsNull makes empty texts in partition columns null before anything looks at them: the log cannot tell the two.
func (j *job) emptyIsNull(query string) string {
	var items []string
	for _, name := range j.by {
		if f := j.field(name); f.Type.Kind == columnar.String || f.Type.Kind == columnar.Binary {
			items = append(items, "nullif("+quoteName(name)+", '') AS "+quoteName(name))
		}
	}
	if len(items) == 0 {
		return query
	}
	return "SELECT * REPLACE (" + strings.Join(items, ", ") + ") FROM (\n" + query + "\n)"
}

// checked is a query of rows, with all columns of the table, that fails at the first row that breaks a rule. extra
// conditions are checked too.
func (j *job) checked(query string, given map[string]bool, extra ...rule) (string, error) {
	rules, err := j.rules(given)
	if err != nil {
		return "", err
	}
	rules = append(rules, extra...)
	checks := j.columnChecks()
	r := &relation{name: rowsName, schema: j.schema, hidden: j.carried()}
	var names, shown []string
	items := make([]item, 0, len(j.schema.Fields)+len(rules))
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		names = append(names, quoteName(f.Name))
		shown = append(shown, quoteName(f.Name)+" := "+quoteName(f.Name))
		items = append(items, item{column(r, f.Name), strings.ToLower(f.Name)})
	}
	names = j.withCarried(names)
	items = append(items, j.carriedItems(r)...)
	for i, rule := range rules {
		as := fmt.Sprintf("weir_rule%d", i)
		items = append(items, item{rule.x, as})
		checks = append(checks, check{rule.name, as + " IS NOT TRUE"})
	}
	if len(checks) == 0 {
		return query, nil
	}
	t, err := j.translate(items, r.ref(), nil, nil, r)
	if err != nil {
		return "", fmt.Errorf("rules of the table: %w", err)
	}
	row := "left(CAST(struct_pack(" + strings.Join(shown, ", ") + ") AS VARCHAR), 1000)"
	var cases []string
	for _, c := range checks {
		cases = append(cases, "WHEN "+c.broken+" THEN error("+quoteText(violationMark+c.name+": ")+" || "+row+")")
	}
	return "SELECT " + strings.Join(names, ", ") + " FROM (" + with(t.text, rowsName, query) + ") WHERE CASE " + strings.Join(cases, " ") + " ELSE true END", nil
}

// check is a condition in DuckDB's SQL that no row may fulfil.
type check struct{ name, broken string }

// columnChecks are what the columns' types say: no nulls, lengths.
func (j *job) columnChecks() []check {
	var all []check
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		all = append(all, nullChecks(quoteName(f.Name), f.Name, f, "")...)
		if t, err := lengths(f); err == nil {
			if long := tooLong(quoteName(f.Name), t, 0); long != "" {
				all = append(all, check{fmt.Sprintf("a text of column %s is longer than %s", f.Name, f.Metadata[metaLength]), long})
			}
		}
	}
	return all
}

// nullChecks look for nulls in x, a field of a struct that is there if the condition there says so, and below it.
func nullChecks(x, name string, f *columnar.Field, there string) []check {
	var all []check
	if !f.Nullable {
		all = append(all, check{"null in column " + name, there + x + " IS NULL"})
	}
	switch f.Type.Kind {
	case columnar.Struct:
		for i := range f.Type.Fields {
			kid := &f.Type.Fields[i]
			all = append(all, nullChecks(x+"."+quoteName(kid.Name), name+"."+kid.Name, kid, there+x+" IS NOT NULL AND ")...)
		}
	case columnar.List:
		if !f.Type.Fields[0].Nullable {
			all = append(all, check{"null in array " + name, there + "len(" + x + ") > list_count(" + x + ")"})
		}
	case columnar.Map:
		if !f.Type.Fields[1].Nullable {
			all = append(all, check{"null value in map " + name, there + "cardinality(" + x + ") > list_count(map_values(" + x + "))"})
		}
	}
	return all
}

// sparkTypes are Spark's names of types that package sql calls otherwise.
var sparkTypes = map[string]string{
	"string": "varchar", "binary": "varbinary", "byte": "tinyint", "short": "smallint", "long": "bigint", "float": "real", "timestamp_ntz": "timestamp",
}

// sparkExpr parses an expression of Spark's dialect, in which Delta keeps its rules: names in backticks, texts also in double quotes,
// == and <=>, Spark's names of types.
func sparkExpr(text string) (sql.Expr, error) {
	var b strings.Builder
	before := "" // the word before, if there is but space between
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case wordLetter(c):
			n := 1
			for i+n < len(text) && wordLetter(text[i+n]) {
				n++
			}
			word := text[i : i+n]
			if other := sparkTypes[strings.ToLower(word)]; other != "" && strings.EqualFold(before, "AS") {
				b.WriteString(other)
			} else {
				b.WriteString(word)
			}
			before = word
			i += n
		case c == '\'' || c == '"' || c == '`':
			inside, n, err := sparkQuoted(text[i:])
			if err != nil {
				return nil, err
			}
			if c == '`' {
				b.WriteString(quoteName(inside))
			} else {
				b.WriteString(quoteText(inside))
			}
			i += n
		case strings.HasPrefix(text[i:], "<=>"):
			b.WriteString(" IS NOT DISTINCT FROM ")
			i += 3
		case strings.HasPrefix(text[i:], "=="):
			b.WriteString("=")
			i += 2
		default:
			if c != ' ' && c != '\t' && c != '\n' {
				before = ""
			}
			b.WriteByte(c)
			i++
		}
	}
	x, err := sql.ParseExpr(b.String())
	if err != nil {
		return nil, fmt.Errorf("%w: expression %q: %w", delta.ErrUnsupported, text, err)
	}
	return x, nil
}

func wordLetter(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// sparkQuoted reads the quoted text that s begins with, and says how long it is.
func sparkQuoted(s string) (inside string, n int, err error) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			b.WriteByte(quote)
			i++
		case s[i] == quote:
			return b.String(), i + 1, nil
		case s[i] == '\\' && quote != '`' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, fmt.Errorf("%w: expression with a quote that does not end", delta.ErrUnsupported)
}
