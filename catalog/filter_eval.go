package catalog

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// truth is SQL's: comparing with null is neither yes nor no.
type truth int8

const (
	no      truth = -1
	unknown truth = 0
	yes     truth = 1
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// node is a compiled part of a filter, evaluated over the values of one partition.
type node interface {
	eval(values []string) (truth, error)
}

// nullValue is how Hive writes a null partition value.
const nullValue = "__HIVE_DEFAULT_PARTITION__"

type (
	allOf      []node
	anyOf      []node
	negation   struct{ inner node }
	isNull     struct{ col column }
	comparison struct {
		col column
		op  string
		to  value
	}
	like struct {
		col     column
		pattern []rune
	}
)

func (n allOf) eval(values []string) (truth, error) {
	t := yes
	for _, inner := range n {
		it, err := inner.eval(values)
		if err != nil {
			return no, err
		}
		t = min(t, it)
	}
	return t, nil
}

func (n anyOf) eval(values []string) (truth, error) {
	t := no
	for _, inner := range n {
		it, err := inner.eval(values)
		if err != nil {
			return no, err
		}
		t = max(t, it)
	}
	return t, nil
}

func (n negation) eval(values []string) (truth, error) {
	t, err := n.inner.eval(values)
	return -t, err
}

func (n isNull) eval(values []string) (truth, error) {
	_, null := n.col.text(values)
	return truthOf(null), nil
}

func (n comparison) eval(values []string) (truth, error) {
	text, null := n.col.text(values)
	if null {
		return unknown, nil
	}
	v, why := n.col.kind.parse(text)
	if why != "" {
		return no, Failf(ErrState, "%s", why)
	}
	c := n.col.kind.compare(v, n.to)
	switch n.op {
	case "=":
		return truthOf(c == 0), nil
	case "<>":
		return truthOf(c != 0), nil
	case "<":
		return truthOf(c < 0), nil
	case "<=":
		return truthOf(c <= 0), nil
	case ">":
		return truthOf(c > 0), nil
	}
	return truthOf(c >= 0), nil
}

func (n like) eval(values []string) (truth, error) {
	text, null := n.col.text(values)
	if null {
		return unknown, nil
	}
	return truthOf(likeMatch([]rune(text), n.pattern)), nil
}

// likeMatch matches SQL's pattern, where % is any text and _ any character. It goes back only to the last %, so that
// its time is bounded by the product of both lengths.
func likeMatch(text, pattern []rune) bool {
	t, p := 0, 0
	lastAny, retry := -1, 0 // the last % seen, and where in text the rest after it is tried next
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			lastAny, retry = p, t
			p++
		case p < len(pattern) && (pattern[p] == '_' || pattern[p] == text[t]):
			t++
			p++
		case lastAny >= 0:
			retry++
			t, p = retry, lastAny+1
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}

// column is a partition key of a filter.
type column struct {
	index int
	kind  keyKind
}

// text returns the column's value, and whether it is null.
func (c column) text(values []string) (string, bool) {
	if c.index >= len(values) || values[c.index] == nullValue {
		return "", true
	}
	return values[c.index], false
}

// keyKind is the type of a partition key as filters see it; another type is kept as its own name.
type keyKind string

const (
	kindText      keyKind = "string"
	kindInteger   keyKind = "integer"
	kindDecimal   keyKind = "decimal"
	kindDate      keyKind = "date"
	kindTimestamp keyKind = "timestamp"
)

func typeOf(hive string) keyKind {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(hive)), "(")
	switch base = strings.TrimSpace(base); base {
	case "string", "char", "varchar":
		return kindText
	case "tinyint", "smallint", "int", "integer", "bigint", "long":
		return kindInteger
	}
	return keyKind(base)
}

// value is a typed value: the field that its kind uses is set.
type value struct {
	text    string
	integer int64
	decimal *big.Float
	instant time.Time
}

// decimalPrecision in bits holds the 38 digits of a decimal exactly enough to compare.
const decimalPrecision = 256

// parse reads text as a value of the kind, or says why it is none.
func (k keyKind) parse(text string) (v value, why string) {
	var err error
	switch k {
	case kindText:
		v.text = text
	case kindInteger:
		if v.integer, err = strconv.ParseInt(text, 10, 64); err != nil {
			why = strconv.Quote(text) + " is not an integer."
		}
	case kindDecimal:
		v.decimal, _, err = big.ParseFloat(text, 10, decimalPrecision, big.ToNearestEven)
		if err != nil || v.decimal.IsInf() {
			why = text + " is not a decimal."
		}
	case kindDate:
		if v.instant, err = time.Parse(time.DateOnly, text); err != nil {
			why = text + " is not a date."
		}
	case kindTimestamp:
		if v.instant, err = time.Parse(time.DateTime, text); err != nil {
			why = "Timestamp format must be yyyy-mm-dd hh:mm:ss[.fffffffff] " + text + " is not a timestamp."
		}
	default:
		why = "Unknown type : '" + string(k) + "'"
	}
	return v, why
}

// compare orders two values of the kind.
func (k keyKind) compare(a, b value) int {
	switch k {
	case kindInteger:
		return cmp.Compare(a.integer, b.integer)
	case kindDecimal:
		return a.decimal.Cmp(b.decimal)
	case kindDate, kindTimestamp:
		return a.instant.Compare(b.instant)
	}
	return strings.Compare(a.text, b.text)
}

// checkLike refuses LIKE on what is not text.
func (k keyKind) checkLike() error {
	name := string(k)
	switch k {
	case kindText:
		return nil
	case kindInteger:
		name = "Integral"
	default:
		name = strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):]
	}
	return Failf(ErrInvalid, "%s data type doesn't support operation 'LIKE'", name)
}
