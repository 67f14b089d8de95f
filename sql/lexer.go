package sql

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF        tokenKind = iota
	tokIdent                // select, foo; Text as written
	tokQuoted               // "foo"; Text without quotes
	tokBackquoted           // `foo`; Text without quotes
	tokString               // 'foo'; Text without quotes
	tokBinary               // X'00ff'; Text is the hex
	tokInteger              // 12
	tokDecimal              // 1.5
	tokDouble               // 1e3
	tokOp                   // operators and punctuation
)

// token is a lexeme. Start and End are byte offsets into the statement.
type token struct {
	Kind       tokenKind
	Text       string
	Upper      string // Text in upper case, for identifiers that may be keywords
	Pos        Pos
	Start, End int
}

// isWord says whether t is the unquoted word w (in upper case).
func (t token) isWord(w string) bool { return t.Kind == tokIdent && t.Upper == w }

// isOp says whether t is the operator or punctuation op.
func (t token) isOp(op string) bool { return t.Kind == tokOp && t.Text == op }

// shown is the token as messages name it.
func (t token) shown() string {
	if t.Kind == tokEOF {
		return "<EOF>"
	}
	return t.Text
}

// twoCharOps are tried before single characters.
var twoCharOps = []string{"<>", "!=", "<=", ">=", "||", "->", "=>"}

const oneCharOps = "+-*/%=<>(),.;[]?:{}|&^~!"

// lexer cuts a statement into tokens. Comments and white space vanish.
type lexer struct {
	text      string
	at        int
	line, col int
}

// lex returns all tokens of text, the last one tokEOF.
func lex(text string) ([]token, error) {
	if i := invalidUTF8(text); i >= 0 {
		return nil, syntaxError(Pos{1, i + 1}, "the statement is not valid UTF-8")
	}
	l := &lexer{text: text, line: 1, col: 1}
	tokens := make([]token, 0, len(text)/5+1)
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.Kind == tokEOF {
			return tokens, nil
		}
	}
}

func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

func (l *lexer) next() (token, error) {
	if err := l.skipBlank(); err != nil {
		return token{}, err
	}
	start, pos := l.at, Pos{l.line, l.col}
	if l.at == len(l.text) {
		return token{Kind: tokEOF, Pos: pos, Start: start, End: start}, nil
	}
	kind, text, err := l.scan(pos)
	if err != nil {
		return token{}, err
	}
	t := token{Kind: kind, Text: text, Pos: pos, Start: start, End: l.at}
	if kind == tokIdent {
		t.Upper = strings.ToUpper(text)
	}
	return t, nil
}

func (l *lexer) scan(pos Pos) (tokenKind, string, error) {
	c := l.text[l.at]
	switch {
	case c == '\'':
		s, err := l.quoted('\'', pos)
		return tokString, s, err
	case c == '"':
		s, err := l.quoted('"', pos)
		if err == nil && s == "" {
			err = syntaxError(pos, "Zero-length delimited identifier not allowed")
		}
		return tokQuoted, s, err
	case c == '`':
		s, err := l.quoted('`', pos)
		return tokBackquoted, s, err
	case (c == 'x' || c == 'X') && l.peek(1) == '\'':
		l.advance(1)
		s, err := l.quoted('\'', pos)
		return tokBinary, s, err
	case c >= '0' && c <= '9' || c == '.' && isDigit(l.peek(1)):
		return l.number(pos)
	case isIdentStart(l.rune()):
		start := l.at
		for l.at < len(l.text) && isIdentPart(l.rune()) {
			l.advance(utf8.RuneLen(l.rune()))
		}
		return tokIdent, l.text[start:l.at], nil
	}
	for _, op := range twoCharOps {
		if strings.HasPrefix(l.text[l.at:], op) {
			l.advance(2)
			return tokOp, op, nil
		}
	}
	if strings.IndexByte(oneCharOps, c) >= 0 {
		l.advance(1)
		return tokOp, string(c), nil
	}
	return 0, "", syntaxError(pos, "mismatched input '%c'", l.rune())
}

// quoted reads up to the closing quote; a doubled quote stands for itself.
func (l *lexer) quoted(q byte, pos Pos) (string, error) {
	l.advance(1)
	var b strings.Builder
	for l.at < len(l.text) {
		c := l.text[l.at]
		if c == q {
			if l.peek(1) != q {
				l.advance(1)
				return b.String(), nil
			}
			l.advance(1)
		}
		n := utf8.RuneLen(l.rune())
		b.WriteString(l.text[l.at : l.at+n])
		l.advance(n)
	}
	return "", syntaxError(pos, "mismatched input '%c'. The quote is never closed", q)
}

// number reads 12, 1.5, .5, 1e10. A letter right behind it is an error, as in Trino.
func (l *lexer) number(pos Pos) (tokenKind, string, error) {
	start, kind := l.at, tokInteger
	digits := func() {
		for isDigit(l.peek(0)) {
			l.advance(1)
		}
	}
	digits()
	if l.peek(0) == '.' {
		kind = tokDecimal
		l.advance(1)
		digits()
	}
	if c := l.peek(0); c == 'e' || c == 'E' {
		skip := 1
		if s := l.peek(1); s == '+' || s == '-' {
			skip = 2
		}
		if isDigit(l.peek(skip)) {
			kind = tokDouble
			l.advance(skip)
			digits()
		}
	}
	if l.at < len(l.text) && isIdentStart(l.rune()) {
		return 0, "", syntaxError(pos, "identifiers must not start with a digit; surround the identifier with double quotes")
	}
	return kind, l.text[start:l.at], nil
}

func (l *lexer) skipBlank() error {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.advance(n)
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return syntaxError(Pos{l.line, l.col}, "mismatched input '/*'. The comment is never closed")
			}
			l.advance(n + 4)
		case unicode.IsSpace(l.rune()):
			l.advance(utf8.RuneLen(l.rune()))
		default:
			return nil
		}
	}
	return nil
}

// advance moves over n bytes, which end on a character boundary.
func (l *lexer) advance(n int) {
	for _, r := range l.text[l.at : l.at+n] {
		l.col++
		if r == '\n' {
			l.line, l.col = l.line+1, 1
		}
	}
	l.at += n
}

// peek returns the byte i places on, or 0.
func (l *lexer) peek(i int) byte {
	if l.at+i < len(l.text) {
		return l.text[l.at+i]
	}
	return 0
}

func (l *lexer) rune() rune {
	r, _ := utf8.DecodeRuneInString(l.text[l.at:])
	return r
}

func isDigit(c byte) bool      { return c >= '0' && c <= '9' }
func isIdentStart(r rune) bool { return r == '_' || r == '$' || r == '@' || unicode.IsLetter(r) }
func isIdentPart(r rune) bool  { return isIdentStart(r) || unicode.IsDigit(r) }
