package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one operator and key of a statement's Condition; all of a statement must be met.
type condition struct {
	operator
	ifExists bool
	set      setOperator
	key      string // in small letters
	tests    []test // one for each value in the document; alternatives
}

// setOperator says how many of a key's values a condition is about.
type setOperator string

const (
	anyValue  setOperator = "ForAnyValue:"
	allValues setOperator = "ForAllValues:"
)

// test compares a value of a request with one of the document.
type test func(value string, keys map[string][]string) bool

// operator is a way to compare.
type operator struct {
	compile func(text string, variables bool) (test, error)
	negated bool
	null    bool // about the key's presence
}

var operators = map[string]operator{
	"StringEquals":              {compile: compileString},
	"StringNotEquals":           {compile: compileString, negated: true},
	"StringEqualsIgnoreCase":    {compile: compileFold},
	"StringNotEqualsIgnoreCase": {compile: compileFold, negated: true},
	"StringLike":                {compile: compileLike},
	"StringNotLike":             {compile: compileLike, negated: true},
	"BinaryEquals":              {compile: compileString},
	"NumericEquals":             {compile: numeric(func(a, b float64) bool { return a == b })},
	"NumericNotEquals":          {compile: numeric(func(a, b float64) bool { return a == b }), negated: true},
	"NumericLessThan":           {compile: numeric(func(a, b float64) bool { return a < b })},
	"NumericLessThanEquals":     {compile: numeric(func(a, b float64) bool { return a <= b })},
	"NumericGreaterThan":        {compile: numeric(func(a, b float64) bool { return a > b })},
	"NumericGreaterThanEquals":  {compile: numeric(func(a, b float64) bool { return a >= b })},
	"DateEquals":                {compile: date(func(c int) bool { return c == 0 })},
	"DateNotEquals":             {compile: date(func(c int) bool { return c == 0 }), negated: true},
	"DateLessThan":              {compile: date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":        {compile: date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":           {compile: date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals":     {compile: date(func(c int) bool { return c >= 0 })},
	"Bool":                      {compile: compileBool},
	"IpAddress":                 {compile: compileIP},
	"NotIpAddress":              {compile: compileIP, negated: true},
	"ArnEquals":                 {compile: compileARN},
	"ArnLike":                   {compile: compileARN},
	"ArnNotEquals":              {compile: compileARN, negated: true},
	"ArnNotLike":                {compile: compileARN, negated: true},
	"Null":                      {compile: compileBool, null: true},
}

// readConditions reads a Condition: operators, each with keys, each with values.
func readConditions(n *node, variables bool) ([]condition, error) {
	if n.kind != object {
		return nil, syntax("Condition must be an object.")
	}
	var all []condition
	for i := range n.members {
		m := &n.members[i]
		if m.value.kind != object {
			return nil, syntax("Condition %.60q must be an object of keys.", m.name)
		}
		c, err := readOperator(m.name)
		if err != nil {
			return nil, err
		}
		for j := range m.value.members {
			k := &m.value.members[j]
			if c.tests, err = compileValues(c.operator, k, variables); err != nil {
				return nil, err
			}
			c.key = strings.ToLower(k.name)
			all = append(all, c)
		}
	}
	return all, nil
}

func compileValues(op operator, key *member, variables bool) ([]test, error) {
	if !strings.Contains(key.name, ":") {
		return nil, malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	}
	texts, err := key.value.texts("Condition key " + strconv.Quote(key.name))
	if err != nil {
		return nil, err
	}
	tests := make([]test, len(texts))
	for i, text := range texts {
		if tests[i], err = op.compile(text, variables); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// readOperator reads the name of an operator, with ForAllValues: or ForAnyValue: before it and IfExists behind it.
func readOperator(name string) (condition, error) {
	var c condition
	rest := name
	for _, set := range []setOperator{anyValue, allValues} {
		if after, ok := strings.CutPrefix(rest, string(set)); ok {
			c.set, rest = set, after
			break
		}
	}
	rest, c.ifExists = strings.CutSuffix(rest, "IfExists")
	op, ok := operators[rest]
	if !ok || op.null && (c.ifExists || c.set != "") {
		return c, malformed("Invalid Condition type : %.80s.", name)
	}
	c.operator = op
	return c, nil
}

// met says whether the values that a request has for the key satisfy the condition.
func (c *condition) met(keys map[string][]string) bool {
	values := keys[c.key]
	present := len(values) > 0
	switch {
	case c.null:
		return c.passes(strconv.FormatBool(!present), keys)
	case !present:
		return c.ifExists || c.set == allValues || c.negated && c.set != anyValue
	case c.set == allValues:
		return !slices.ContainsFunc(values, func(v string) bool { return !c.passes(v, keys) })
	}
	return slices.ContainsFunc(values, func(v string) bool { return c.passes(v, keys) })
}

// passes says whether one value equals one of the document's, or with a negated operator none.
func (c *condition) passes(value string, keys map[string][]string) bool {
	return slices.ContainsFunc(c.tests, func(t test) bool { return t(value, keys) }) != c.negated
}

func compileString(text string, variables bool) (test, error) {
	g, err := compile(text, false, variables)
	return g.match, err
}

func compileLike(text string, variables bool) (test, error) {
	g, err := compile(text, true, variables)
	return g.match, err
}

func compileFold(text string, variables bool) (test, error) {
	g, err := compile(text, false, variables)
	return func(value string, keys map[string][]string) bool {
		tokens, ok := g.resolve(keys)
		return ok && strings.EqualFold(string(tokens), value)
	}, err
}

func compileARN(text string, variables bool) (test, error) {
	g, err := compile(text, true, variables)
	if err != nil {
		return nil, err
	}
	if text != "*" && !strings.HasPrefix(text, "${") && strings.Count(text, ":") < arnParts-1 {
		return nil, syntax("%.80q is not an ARN.", text)
	}
	if text == "*" {
		return g.match, nil
	}
	return g.matchARN, nil
}

func compileBool(text string, _ bool) (test, error) {
	if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
		return nil, syntax("%.40q is neither true nor false.", text)
	}
	return func(value string, _ map[string][]string) bool { return strings.EqualFold(text, value) }, nil
}

func numeric(holds func(value, limit float64) bool) func(string, bool) (test, error) {
	return func(text string, _ bool) (test, error) {
		limit, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, syntax("%.40q is not a number.", text)
		}
		return func(value string, _ map[string][]string) bool {
			v, err := strconv.ParseFloat(value, 64)
			return err == nil && holds(v, limit)
		}, nil
	}
}

func date(holds func(compared int) bool) func(string, bool) (test, error) {
	return func(text string, _ bool) (test, error) {
		limit, ok := parseDate(text)
		if !ok {
			return nil, syntax("%.40q is not a date as ISO 8601 or as seconds of the Unix epoch.", text)
		}
		return func(value string, _ map[string][]string) bool {
			v, ok := parseDate(value)
			return ok && holds(v.Compare(limit))
		}, nil
	}
}

func parseDate(text string) (time.Time, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) > 4 {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func compileIP(text string, _ bool) (test, error) {
	block, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, syntax("%.60q is not an IP address or a block of them.", text)
		}
		block = netip.PrefixFrom(addr, addr.BitLen())
	}
	return func(value string, _ map[string][]string) bool {
		addr, err := netip.ParseAddr(value)
		return err == nil && block.Contains(addr.Unmap().WithZone(""))
	}, nil
}
