package catalog

import (
	"strings"
	"unicode/utf8"
)

// tokenKind tells the tokens of a partition filter apart.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a column or a keyword
	tokenQuoted           // a column in back quotes
	tokenString           // '…', text is what stands inside, '' made '
	tokenNumber           // 12, -3.5, 3e10
	tokenOp               // = <> != < > <= >=
	tokenPunct            // ( ) ,
)

type token struct {
	kind tokenKind
	text string
}

// is says whether the token is the keyword; case does not matter.
func (t token) is(keyword string) bool {
	return t.kind == tokenWord && strings.EqualFold(t.text, keyword)
}

// punct says whether the token is that bracket or comma.
func (t token) punct(text string) bool { return t.kind == tokenPunct && t.text == text }

// lexFilter splits a partition filter into tokens and ends them with a tokenEnd. ok is false where no token fits.
func lexFilter(text string) (tokens []token, ok bool) {
	for text != "" {
		t, rest, ok := nextToken(text)
		if !ok {
			return nil, false
		}
		if t.kind != tokenEnd {
			tokens = append(tokens, t)
		}
		text = rest
	}
	return append(tokens, token{}), true
}

// nextToken cuts one token, or white space as a tokenEnd, off the front of text.
func nextToken(text string) (t token, rest string, ok bool) {
	switch c := text[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return token{}, text[1:], true
	case c == '(' || c == ')' || c == ',':
		return token{tokenPunct, text[:1]}, text[1:], true
	case c == '\'':
		s, rest, ok := cutQuoted(text, '\'')
		return token{tokenString, s}, rest, ok
	case c == '`':
		s, rest, ok := cutQuoted(text, '`')
		return token{tokenQuoted, s}, rest, ok
	case c == '=':
		return token{tokenOp, "="}, text[1:], true
	case c == '<' || c == '>' || c == '!':
		return cutOperator(text)
	}
	n := 0
	for n < len(text) && isWordByte(text, n) {
		n++
	}
	if n == 0 || !utf8.ValidString(text[:n]) {
		return token{}, "", false
	}
	return token{wordKind(text[:n]), text[:n]}, text[n:], true
}

func cutOperator(text string) (t token, rest string, ok bool) {
	if len(text) > 1 {
		switch text[:2] {
		case "<=", ">=", "<>":
			return token{tokenOp, text[:2]}, text[2:], true
		case "!=":
			return token{tokenOp, "<>"}, text[2:], true
		}
	}
	return token{tokenOp, text[:1]}, text[1:], text[0] != '!'
}

// cutQuoted cuts a quoted text off the front of text; the quote doubled stands for itself.
func cutQuoted(text string, quote byte) (inner, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != quote {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		return b.String(), text[i+1:], true
	}
	return "", "", false
}

// isWordByte says whether byte i of text belongs to a word or number. A sign does at the start of a number and after
// its exponent's e, a minus also inside a name.
func isWordByte(text string, i int) bool {
	c := text[i]
	switch {
	case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '.', c >= utf8.RuneSelf:
		return true
	case c == '-' || c == '+':
		if i == 0 {
			return true
		}
		exponent := (text[i-1] == 'e' || text[i-1] == 'E') && wordKind(text[:i-1]) == tokenNumber
		return exponent || c == '-' && wordKind(text[:1]) == tokenWord
	}
	return false
}

// wordKind is tokenNumber for what starts like a number.
func wordKind(s string) tokenKind {
	s = strings.TrimLeft(s, "+-")
	s = strings.TrimPrefix(s, ".")
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			return tokenWord
		}
	}
	if s == "" || s[0] < '0' || s[0] > '9' {
		return tokenWord
	}
	return tokenNumber
}
