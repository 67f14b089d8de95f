package sql

import (
	"strings"
)

// MaxLength is the longest statement in bytes, Athena's own limit.
const MaxLength = 262144

// maxDepth bounds nesting, and maxChain the length of a + b + c … that nest to the left.
const (
	maxDepth = 200
	maxChain = 2000
)

// parser reads one statement. Its methods leave it behind what they read.
type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
	params int
	hive   bool // inside a statement of Hive's grammar: backquotes and double-quoted strings are allowed
}

// Parse reads one statement, with or without a semicolon at its end. The error is an *Error without a Code.
func Parse(text string) (Statement, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	s, err := p.statement()
	if err != nil {
		return nil, err
	}
	return s, p.end()
}

// ParseQuery reads a query: SELECT, WITH, VALUES, TABLE.
func ParseQuery(text string) (*Query, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return q, p.end()
}

// ParseExpr reads a single expression, such as an execution parameter.
func ParseExpr(text string) (Expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	return e, p.end()
}

func newParser(text string) (*parser, error) {
	if len(text) > MaxLength {
		return nil, &Error{Msg: "the statement is longer than 262144 bytes"}
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens}, nil
}

func (p *parser) end() error {
	p.op(";")
	if p.cur().Kind != tokEOF {
		if p.at > 0 && p.tokens[p.at-1].isOp(";") {
			return syntaxError(p.cur().Pos, "Only one sql statement is allowed. Got: %s", clip(p.text, 200))
		}
		return p.mismatch("<EOF>")
	}
	return nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (p *parser) cur() token { return p.tokens[p.at] }

// look returns the token n places on.
func (p *parser) look(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) advance() token {
	t := p.cur()
	if t.Kind != tokEOF {
		p.at++
	}
	return t
}

// op takes the punctuation if it is next.
func (p *parser) op(op string) bool {
	if p.cur().isOp(op) {
		p.at++
		return true
	}
	return false
}

// word takes the words if all of them are next.
func (p *parser) word(words ...string) bool {
	for i, w := range words {
		if !p.look(i).isWord(w) {
			return false
		}
	}
	p.at += len(words)
	return true
}

// oneOf takes the next word if it is among words and returns it, else "".
func (p *parser) oneOf(words ...string) string {
	for _, w := range words {
		if p.word(w) {
			return w
		}
	}
	return ""
}

func (p *parser) expectOp(op string) error {
	if !p.op(op) {
		return p.mismatch("'" + op + "'")
	}
	return nil
}

func (p *parser) expectWord(words ...string) error {
	for _, w := range words {
		if !p.word(w) {
			return p.mismatch("'" + w + "'")
		}
	}
	return nil
}

// mismatch is the error that the current token is none of expected.
func (p *parser) mismatch(expected ...string) *Error {
	t := p.cur()
	if t.Kind == tokBackquoted && !p.hive {
		return syntaxError(t.Pos, "backquoted identifiers are not supported; use double quotes to quote identifiers")
	}
	return syntaxError(t.Pos, "mismatched input '%s'. Expecting: %s", t.shown(), strings.Join(expected, ", "))
}

// enter counts a level of nesting; leave must follow unless it fails.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return syntaxError(p.cur().Pos, "the statement nests more than %d levels deep", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// chain fails when a left-deep chain gets longer than maxChain; n counts its links.
func (p *parser) chain(n *int) error {
	if *n++; *n > maxChain {
		return syntaxError(p.cur().Pos, "the statement has an expression of more than %d parts", maxChain)
	}
	return nil
}

// reserved are Trino's reserved words: not names unless quoted.
var reserved = wordSet(`ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_CATALOG CURRENT_DATE
CURRENT_PATH CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEALLOCATE DELETE DESCRIBE DISTINCT
DROP ELSE END ESCAPE EXCEPT EXECUTE EXISTS EXTRACT FALSE FOR FROM FULL GROUP GROUPING HAVING IN INNER INSERT INTERSECT
INTO IS JOIN JSON_ARRAY JSON_EXISTS JSON_OBJECT JSON_QUERY JSON_TABLE JSON_VALUE LEFT LIKE LISTAGG LOCALTIME
LOCALTIMESTAMP NATURAL NORMALIZE NOT NULL ON OR ORDER OUTER PREPARE RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN TRIM
TRUE UESCAPE UNION UNNEST USING VALUES WHEN WHERE WITH`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// isName says whether t can be an identifier here.
func (p *parser) isName(t token) bool {
	switch t.Kind {
	case tokIdent:
		return p.hive || !reserved[t.Upper]
	case tokQuoted:
		return true
	case tokBackquoted:
		return p.hive
	}
	return false
}

// ident reads a name. Names are case-insensitive everywhere, so Name is in lower case.
func (p *parser) ident() (Ident, error) {
	t := p.cur()
	if !p.isName(t) {
		return Ident{}, p.mismatch("<identifier>")
	}
	p.at++
	return Ident{node{t.Pos}, strings.ToLower(t.Text), t.Kind != tokIdent}, nil
}

// name reads [[catalog.]schema.]object.
func (p *parser) name() (Name, error) {
	n := Name{Pos: p.cur().Pos}
	for {
		id, err := p.ident()
		if err != nil {
			return Name{}, err
		}
		n.Parts = append(n.Parts, id.Name)
		if !p.op(".") {
			break
		}
	}
	if len(n.Parts) > 3 {
		return Name{}, syntaxError(n.Pos, "Too many dots in table name: %s", strings.Join(n.Parts, "."))
	}
	return n, nil
}

// identList reads (a, b, c).
func (p *parser) identList() ([]Ident, error) {
	return parenList(p, p.ident)
}

// list reads item, item, ….
func list[T any](p *parser, item func() (T, error)) ([]T, error) {
	var out []T
	for {
		v, err := item()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if !p.op(",") {
			return out, nil
		}
	}
}

// parenList reads (item, item, …).
func parenList[T any](p *parser, item func() (T, error)) ([]T, error) {
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	out, err := list(p, item)
	if err != nil {
		return nil, err
	}
	return out, p.expectOp(")")
}

// stringLit reads a string literal; Hive's grammar takes double quotes too.
func (p *parser) stringLit() (string, error) {
	t := p.cur()
	if t.Kind == tokString || p.hive && t.Kind == tokQuoted {
		p.at++
		return t.Text, nil
	}
	return "", p.mismatch("<string>")
}
