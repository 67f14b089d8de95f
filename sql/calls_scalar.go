package sql

import (
	"fmt"
	"strings"
)

// conditionalCall rewrites if, coalesce, try, greatest, least and mod.
func (a *analyzer) conditionalCall(c *Call, sc *scope) (Expr, Type) {
	limits := map[string][2]int{"if": {2, 3}, "try": {1, 1}, "mod": {2, 2}}
	if l, ok := limits[c.Name]; ok && !a.arity(c, l[0], l[1]) || !ok && !a.arity(c, 1, 254) {
		return c, Type{}
	}
	switch c.Name {
	case "if":
		e := &Case{node: c.node, Whens: []When{{c.Args[0], c.Args[1]}}}
		if len(c.Args) == 3 {
			e.Else = c.Args[2]
		}
		return a.caseExpr(e, sc)
	case "mod":
		return a.arith(&Arith{c.node, "%", c.Args[0], c.Args[1]}, sc)
	case "try":
		a.trying++
		x, t := a.expr(c.Args[0], sc)
		a.trying--
		return &Call{Name: "try", Args: []Expr{x}}, t
	}
	xs, ts := a.exprs(c.Args, sc)
	t := ts[0]
	for _, other := range ts[1:] {
		if !comparable(t, other) {
			a.failf("TYPE_MISMATCH", c.Pos, "All %s operands must be the same type or coercible to a common type. "+
				"Cannot find common type between %s and %s", strings.ToUpper(c.Name), t, other)
		}
		t = commonType(t, other)
	}
	out := &Call{Name: c.Name, Args: xs}
	if c.Name == "coalesce" {
		return out, t
	}
	anyNull := &Logical{Op: "OR"} // DuckDB skips NULL, Trino does not
	for _, x := range xs {
		anyNull.Terms = append(anyNull.Terms, &IsNull{X: x})
	}
	return &template{text: "CASE WHEN NOT $1 THEN $2 END", args: []Expr{anyNull, out}}, t
}

// concatCall rewrites concat as a chain of ||, which is NULL if any part is.
func (a *analyzer) concatCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 254) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	for _, arg := range c.Args[1:] {
		y, yt := a.expr(arg, sc)
		if a.err != nil {
			return c, Type{}
		}
		if !accepts('t', t) && t.Name != "array" && t.Name != "varbinary" || !accepts('t', yt) && yt.Name != "array" && yt.Name != "varbinary" {
			a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, %s) for function concat", t, yt)
			return c, Type{}
		}
		x, t = a.concat(&Arith{node: c.node, Op: "||"}, x, y, t, yt)
	}
	return x, t
}

func (a *analyzer) reverseCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 1, 1) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	switch {
	case t.Name == "array":
		return &Call{Name: "list_reverse", Args: []Expr{x}}, t
	case accepts('t', t):
		return &Call{Name: "reverse", Args: []Expr{x}}, t
	}
	a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function reverse", t)
	return c, Type{}
}

// substrCall counts from 1, from the end if negative; 0 and what lies outside yield an empty text.
func (a *analyzer) substrCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 3) {
		return c, Type{}
	}
	xs, ts := a.exprs(c.Args, sc)
	if !accepts('t', ts[0]) || !accepts('i', ts[1]) || len(ts) == 3 && !accepts('i', ts[2]) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function %s", typeList(ts), c.Name)
	}
	call := "substr($*)"
	if n, ok := c.Args[1].(*Number); ok && n.Text != "0" {
		return &template{text: call, args: xs}, Type{Name: "varchar"}
	}
	return &template{text: "CASE WHEN $2 = 0 OR $2 < -length($1) THEN left($1, 0) ELSE " + call + " END", args: xs}, Type{Name: "varchar"}
}

// regexpReplaceCall replaces all matches; groups are $1 in Trino and \1 in DuckDB.
func (a *analyzer) regexpReplaceCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 3) {
		return c, Type{}
	}
	if len(c.Args) == 3 {
		if _, ok := c.Args[2].(*Lambda); ok {
			a.failf("NOT_SUPPORTED", c.Args[2].Position(), "regexp_replace with a lambda is not supported")
			return c, Type{}
		}
	}
	xs, ts := a.exprs(c.Args, sc)
	if !acceptsAll(function{params: "ttt"}, ts) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function regexp_replace", typeList(ts))
	}
	if len(xs) == 2 {
		return &template{text: "regexp_replace($1, $2, '', 'g')", args: xs}, Type{Name: "varchar"}
	}
	if s, ok := xs[2].(*String); ok {
		xs[2] = &String{Value: groupReferences(s.Value)}
		return &template{text: "regexp_replace($1, $2, $3, 'g')", args: xs}, Type{Name: "varchar"}
	}
	return &template{text: `regexp_replace($1, $2, regexp_replace(replace($3, '\', '\\'), '[$]([0-9])', '\\\1', 'g'), 'g')`, args: xs}, Type{Name: "varchar"}
}

// groupReferences turns $1 into \1 and keeps other backslashes what they are in Trino: an escape of what follows.
func groupReferences(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$' && i+1 < len(s) && isDigit(s[i+1]):
			b.WriteByte('\\')
		case c == '\\' && i+1 < len(s):
			if i++; s[i] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// jsonCall rewrites json_extract, json_extract_scalar and json_size; what is not JSON yields NULL.
func (a *analyzer) jsonCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	path, ok := a.constText(c, 1)
	if !ok {
		return c, Type{}
	}
	duckPath, err := jsonPath(path)
	if err != nil {
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[1].Position(), "Invalid JSON path: '%s'", path)
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	if !accepts('j', t) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, JsonPath) for function %s", t, c.Name)
	}
	args := []Expr{x, &String{Value: duckPath}}
	guard := func(s string) string {
		if t.Name == "json" {
			return s
		}
		return "CASE WHEN json_valid($1) THEN " + s + " END"
	}
	switch c.Name {
	case "json_extract":
		return &template{text: guard("json_extract($1, $2)"), args: args}, Type{Name: "json"}
	case "json_size":
		return &template{text: guard("CASE json_type($1, $2) WHEN 'ARRAY' THEN json_array_length($1, $2) WHEN 'OBJECT' THEN len(json_keys($1, $2)) ELSE 0 END"), args: args}, Type{Name: "bigint"}
	}
	return &template{text: guard("CASE WHEN json_type($1, $2) NOT IN ('OBJECT', 'ARRAY', 'NULL') THEN json_extract_string($1, $2) END"), args: args}, Type{Name: "varchar"}
}

// jsonPath writes $.a["b c"][0] as DuckDB does: $."a"."b c"[0].
func jsonPath(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return "", fmt.Errorf("no $")
	}
	var b strings.Builder
	b.WriteByte('$')
	key := func(k string) error {
		if k == "" || strings.ContainsAny(k, `"*`) {
			return fmt.Errorf("key %q", k)
		}
		b.WriteString(`."` + k + `"`)
		return nil
	}
	for rest != "" {
		switch {
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			if err := key(rest[1 : n+1]); err != nil {
				return "", err
			}
			rest = rest[n+1:]
		case strings.HasPrefix(rest, `["`) || strings.HasPrefix(rest, `['`):
			end := strings.Index(rest, rest[1:2]+"]")
			if end < 2 {
				return "", fmt.Errorf("bracket")
			}
			if err := key(rest[2:end]); err != nil {
				return "", err
			}
			rest = rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 || !digitsOnly(rest[1:end]) {
				return "", fmt.Errorf("index")
			}
			b.WriteString(rest[:end+1])
			rest = rest[end+1:]
		default:
			return "", fmt.Errorf("path")
		}
	}
	return b.String(), nil
}
