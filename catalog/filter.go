package catalog

import (
	"strings"
)

// Filter is a compiled partition expression: what Glue's GetPartitions takes as Expression. Its grammar is
//
//	expr      = and { OR and }
//	and       = not { AND not }
//	not       = NOT not | "(" expr ")" | condition
//	condition = column op literal | column [NOT] IN "(" literal {"," literal} ")"
//	          | column [NOT] BETWEEN literal AND literal | column [NOT] LIKE string | column IS [NOT] NULL
//
// Columns, literals and the words AND and OR may stand in further brackets, as on AWS. The nil Filter accepts all.
type Filter struct {
	root node
}

// Bounds of a filter: Glue's on its length, ours on how deep brackets and NOT may nest.
const (
	filterMax      = 2048
	filterDepthMax = 100
)

// ParseFilter compiles a partition expression against the partition keys that it speaks of. Empty text is the nil
// Filter. ErrInvalid for what is not in the grammar, for a column that is no key, and for a literal that does not fit
// its key's type.
func ParseFilter(text string, keys []Column) (*Filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > filterMax {
		return nil, Failf(ErrInvalid, "The expression is longer than %d characters.", filterMax)
	}
	tokens, ok := lexFilter(text)
	p := &filterParser{text: text, keys: keys, tokens: tokens}
	if !ok {
		return nil, p.unsupported()
	}
	root, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokenEnd {
		return nil, p.unsupported()
	}
	return &Filter{root}, nil
}

// Match says whether the filter accepts a partition with the given values. ErrState if a value that the filter looks
// at is not of its key's type.
func (f *Filter) Match(values []string) (bool, error) {
	if f == nil {
		return true, nil
	}
	t, err := f.root.eval(values)
	return t == yes, err
}

// filterParser is a recursive descent over tokens, which end with a tokenEnd.
type filterParser struct {
	text   string
	keys   []Column
	tokens []token
	pos    int
}

func (p *filterParser) peek() token { return p.tokens[p.pos] }

func (p *filterParser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokenEnd {
		p.pos++
	}
	return t
}

func (p *filterParser) unsupported() error {
	return Failf(ErrInvalid, "Unsupported expression '%s'", p.text)
}

// bracketed returns how many tokens "((… x …))" takes, where accept(x), and x itself; 0 if that does not stand here.
func (p *filterParser) bracketed(accept func(token) bool) (n int, inner token) {
	open := 0
	for p.tokens[p.pos+open].punct("(") {
		open++
	}
	inner = p.tokens[p.pos+open]
	if !accept(inner) {
		return 0, inner
	}
	for i := range open {
		at := p.pos + open + 1 + i
		if at >= len(p.tokens) || !p.tokens[at].punct(")") {
			return 0, inner
		}
	}
	return 2*open + 1, inner
}

// takeWord consumes a keyword, which may stand in brackets.
func (p *filterParser) takeWord(word string) bool {
	n, _ := p.bracketed(func(t token) bool { return t.is(word) })
	p.pos += n
	return n > 0
}

func (p *filterParser) expr(depth int) (node, error) { return p.chain(depth, "OR", p.and) }

func (p *filterParser) and(depth int) (node, error) { return p.chain(depth, "AND", p.not) }

// chain parses operands joined by word.
func (p *filterParser) chain(depth int, word string, operand func(int) (node, error)) (node, error) {
	left, err := operand(depth)
	if err != nil {
		return nil, err
	}
	all := []node{left}
	for p.takeWord(word) {
		right, err := operand(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, right)
	}
	if len(all) == 1 {
		return left, nil
	}
	if word == "OR" {
		return anyOf(all), nil
	}
	return allOf(all), nil
}

func (p *filterParser) not(depth int) (node, error) {
	if depth > filterDepthMax {
		return nil, p.unsupported()
	}
	if p.peek().is("NOT") {
		p.next()
		inner, err := p.not(depth + 1)
		return negation{inner}, err
	}
	if n, _ := p.bracketed(isColumn); n > 0 || !p.peek().punct("(") {
		return p.condition()
	}
	p.next()
	inner, err := p.expr(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.next().punct(")") {
		return nil, p.unsupported()
	}
	return inner, nil
}

func isColumn(t token) bool { return t.kind == tokenWord || t.kind == tokenQuoted }

func (p *filterParser) condition() (node, error) {
	n, name := p.bracketed(isColumn)
	if n == 0 {
		return nil, p.unsupported()
	}
	p.pos += n
	i := columnIndex(p.keys, name.text)
	if i < 0 {
		return nil, Failf(ErrInvalid, "Unknown column '%s'", name.text)
	}
	col := column{i, typeOf(p.keys[i].Type)}
	if t := p.peek(); t.kind == tokenOp {
		p.next()
		v, err := p.literal(col)
		return comparison{col, t.text, v}, err
	}
	if p.peek().is("IS") {
		return p.null(col)
	}
	negated := p.peek().is("NOT")
	if negated {
		p.next()
	}
	inner, err := p.predicate(col)
	if negated {
		return negation{inner}, err
	}
	return inner, err
}

// null parses IS [NOT] NULL.
func (p *filterParser) null(col column) (node, error) {
	p.next()
	negated := p.peek().is("NOT")
	if negated {
		p.next()
	}
	if !p.next().is("NULL") {
		return nil, p.unsupported()
	}
	if negated {
		return negation{isNull{col}}, nil
	}
	return isNull{col}, nil
}

// predicate parses what follows a column and, maybe, NOT: IN, BETWEEN or LIKE.
func (p *filterParser) predicate(col column) (node, error) {
	switch t := p.next(); {
	case t.is("IN"):
		return p.in(col)
	case t.is("BETWEEN"):
		low, err := p.literal(col)
		if err != nil {
			return nil, err
		}
		if !p.takeWord("AND") {
			return nil, p.unsupported()
		}
		high, err := p.literal(col)
		return allOf{comparison{col, ">=", low}, comparison{col, "<=", high}}, err
	case t.is("LIKE"):
		n, pattern := p.bracketed(func(t token) bool { return t.kind == tokenString })
		if n == 0 {
			return nil, p.unsupported()
		}
		p.pos += n
		return like{col, []rune(pattern.text)}, col.kind.checkLike()
	}
	return nil, p.unsupported()
}

func (p *filterParser) in(col column) (node, error) {
	if !p.next().punct("(") {
		return nil, p.unsupported()
	}
	var all anyOf
	for {
		v, err := p.literal(col)
		if err != nil {
			return nil, err
		}
		all = append(all, comparison{col, "=", v})
		switch t := p.next(); {
		case t.punct(")"):
			return all, nil
		case !t.punct(","):
			return nil, p.unsupported()
		}
	}
}

// literal parses a text or number, which may stand in brackets, as a value of the column's type.
func (p *filterParser) literal(col column) (value, error) {
	n, t := p.bracketed(func(t token) bool { return t.kind == tokenString || t.kind == tokenNumber })
	if n == 0 {
		return value{}, p.unsupported()
	}
	p.pos += n
	v, why := col.kind.parse(t.text)
	if why != "" {
		return value{}, Failf(ErrInvalid, "%s", why)
	}
	return v, nil
}
