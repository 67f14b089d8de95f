package cloudwatch

import (
	"fmt"
	"strconv"
	"strings"
)

// Metric math, as "Using metric math" in the CloudWatch user guide has it: numbers, ids, + - * / ^, parentheses, arrays
// in brackets, and the functions of functions.go.
//
//	expression = term { ("+" | "-") term }
//	term       = factor { ("*" | "/") factor }
//	factor     = ["-"] power
//	power      = atom ["^" factor]
//	atom       = number | id | name "(" [ argument { "," argument } ] ")" | "[" list "]" | "(" expression ")"
//	argument   = expression | "text"

// source is where an expression finds what it names.
type source interface {
	value(id string) (value, error)
	metrics(part string) ([]series, error)
}

// mathError is what is wrong with an expression.
type mathError string

func (e mathError) Error() string { return string(e) }

func mathErrorf(format string, args ...any) error { return mathError(fmt.Sprintf(format, args...)) }

const depthMax = 32

// parser reads an expression and computes it on the way.
type parser struct {
	text  string
	pos   int
	depth int
	from  source
}

// evaluate computes an expression.
func evaluate(text string, from source) (value, error) {
	p := &parser{text: text, from: from}
	v, err := p.expression()
	if err != nil {
		return value{}, err
	}
	if p.peek() != 0 {
		return value{}, p.unexpected()
	}
	return v, nil
}

// peek is the next character that is no space, 0 at the end.
func (p *parser) peek() byte {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *parser) unexpected() error {
	if p.peek() == 0 {
		return mathError("the expression ends too early")
	}
	return mathErrorf("unexpected character '%c' at position %d", p.text[p.pos], p.pos+1)
}

func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) expression() (value, error) {
	if p.depth++; p.depth > depthMax {
		return value{}, mathError("the expression is nested too deeply")
	}
	defer func() { p.depth-- }()
	return p.chain("+-", p.term)
}

func (p *parser) term() (value, error) { return p.chain("*/", p.factor) }

// chain reads operands joined by operators of one rank, from left to right.
func (p *parser) chain(operators string, operand func() (value, error)) (value, error) {
	left, err := operand()
	for err == nil {
		op := p.peek()
		if op == 0 || strings.IndexByte(operators, op) < 0 {
			return left, nil
		}
		p.pos++
		var right value
		if right, err = operand(); err == nil {
			left, err = combine(op, left, right)
		}
	}
	return value{}, err
}

func (p *parser) factor() (value, error) {
	if p.depth++; p.depth > 4*depthMax {
		return value{}, mathError("the expression is nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.take('-') {
		v, err := p.factor()
		if err != nil {
			return value{}, err
		}
		return combine('*', v, number64(-1))
	}
	base, err := p.atom()
	if err != nil || !p.take('^') {
		return base, err
	}
	exponent, err := p.factor()
	if err != nil {
		return value{}, err
	}
	return combine('^', base, exponent)
}

func (p *parser) atom() (value, error) {
	c := p.peek()
	switch {
	case c == '(':
		p.pos++
		v, err := p.expression()
		if err == nil && !p.take(')') {
			err = p.unexpected()
		}
		return v, err
	case c == '[':
		p.pos++
		return p.array()
	case c >= '0' && c <= '9' || c == '.':
		return p.number()
	case letter(c):
		return p.name()
	}
	return value{}, p.unexpected()
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func (p *parser) number() (value, error) {
	start := p.pos
	for p.pos < len(p.text) && (p.text[p.pos] >= '0' && p.text[p.pos] <= '9' || p.text[p.pos] == '.') {
		p.pos++
	}
	f, err := strconv.ParseFloat(p.text[start:p.pos], 64)
	if err != nil {
		return value{}, mathErrorf("bad number %s", p.text[start:p.pos])
	}
	return number64(f), nil
}

// array reads the rest of "[m1, m2]".
func (p *parser) array() (value, error) {
	out := value{kind: anArray}
	for {
		v, err := p.expression()
		if err != nil {
			return value{}, err
		}
		switch v.kind {
		case aSeries:
			out.many = append(out.many, v.one)
		case anArray:
			out.many = append(out.many, v.many...)
		default:
			return value{}, mathError("an array may hold time series only")
		}
		if p.take(']') {
			return out, nil
		}
		if !p.take(',') {
			return value{}, p.unexpected()
		}
	}
}

// name reads an id or a call.
func (p *parser) name() (value, error) {
	start := p.pos
	for p.pos < len(p.text) && (letter(p.text[p.pos]) || p.text[p.pos] >= '0' && p.text[p.pos] <= '9') {
		p.pos++
	}
	name := p.text[start:p.pos]
	if !p.take('(') {
		return p.from.value(name)
	}
	var args []value
	for !p.take(')') {
		if len(args) > 0 && !p.take(',') {
			return value{}, p.unexpected()
		}
		v, err := p.argument()
		if err != nil {
			return value{}, err
		}
		args = append(args, v)
	}
	return call(name, args, p.from)
}

func (p *parser) argument() (value, error) {
	quote := p.peek()
	if quote != '"' && quote != '\'' {
		return p.expression()
	}
	end := strings.IndexByte(p.text[p.pos+1:], quote)
	if end < 0 {
		return value{}, mathError("a quoted text does not end")
	}
	text := p.text[p.pos+1 : p.pos+1+end]
	p.pos += end + 2
	return value{kind: aText, text: text}, nil
}
