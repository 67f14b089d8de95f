package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// tailFilter says which records are shown. Nil parts let everything pass.
type tailFilter struct {
	key   *regexp.Regexp
	data  *regexp.Regexp
	where []condition
}

func newTailFilter(key, data string, where []string) (f tailFilter, err error) {
	if key != "" {
		if f.key, err = keyPattern(key); err != nil {
			return f, fmt.Errorf("--key: %w", err)
		}
	}
	if data != "" {
		if f.data, err = regexp.Compile(data); err != nil {
			return f, fmt.Errorf("--grep: %w", err)
		}
	}
	for _, text := range where {
		c, err := parseCondition(text)
		if err != nil {
			return f, fmt.Errorf("--where %s: %w", text, err)
		}
		f.where = append(f.where, c)
	}
	return f, nil
}

// keyPattern is /a regular expression/ or a pattern of the whole key, with * and ?.
func keyPattern(text string) (*regexp.Regexp, error) {
	if len(text) > 1 && text[0] == '/' && text[len(text)-1] == '/' {
		return regexp.Compile(text[1 : len(text)-1])
	}
	quoted := regexp.QuoteMeta(text)
	return regexp.Compile(`(?s)^` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted) + `$`)
}

func (f *tailFilter) passes(key string, data []byte) bool {
	if f.key != nil && !f.key.MatchString(key) {
		return false
	}
	if f.data != nil && !f.data.Match(data) {
		return false
	}
	if len(f.where) == 0 {
		return true
	}
	doc, err := decodeJSON(data)
	if err != nil {
		return false
	}
	for _, c := range f.where {
		if !c.holds(doc) {
			return false
		}
	}
	return true
}

// decodeJSON decodes one value, with numbers as they are written.
func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// jsonPath leads to a part of a JSON document: a name is a string, an index an int, from the end if negative.
type jsonPath []any

var pathStep = regexp.MustCompile(`^(?:\.?\[(-?\d+)\]|\.?\[?("(?:[^"\\]|\\.)*")\]?|\.([\pL_$@][\pL\pN_$@-]*))`)

// parseJSONPath reads .name."other name"[0]; a dot alone is the whole document.
func parseJSONPath(text string) (jsonPath, error) {
	path, rest, err := cutJSONPath(strings.TrimSpace(text))
	if err == nil && rest != "" {
		err = fmt.Errorf("%q is not a path, as .user.tags[0] is", text)
	}
	return path, err
}

// cutJSONPath takes the path that text begins with.
func cutJSONPath(text string) (path jsonPath, rest string, err error) {
	if !strings.HasPrefix(text, ".") {
		return nil, text, fmt.Errorf("%q is not a path: it begins with a dot", text)
	}
	rest = text
	for {
		m := pathStep.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		rest = rest[len(m[0]):]
		switch {
		case m[1] != "":
			i, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, text, fmt.Errorf("index %s is too large", m[1])
			}
			path = append(path, i)
		case m[2] != "":
			var name string
			if err := json.Unmarshal([]byte(m[2]), &name); err != nil {
				return nil, text, fmt.Errorf("name %s: %w", m[2], err)
			}
			path = append(path, name)
		default:
			path = append(path, m[3])
		}
	}
	if len(path) == 0 {
		rest = rest[1:]
	}
	return path, rest, nil
}

// in is the part of doc that the path leads to, if it is there.
func (p jsonPath) in(doc any) (any, bool) {
	for _, step := range p {
		switch step := step.(type) {
		case string:
			object, _ := doc.(map[string]any)
			part, ok := object[step]
			if !ok {
				return nil, false
			}
			doc = part
		case int:
			list, _ := doc.([]any)
			if step < 0 {
				step += len(list)
			}
			if step < 0 || step >= len(list) {
				return nil, false
			}
			doc = list[step]
		}
	}
	return doc, true
}

// condition is a path that must lead to something other than null and false, or to what compares with value as op says.
type condition struct {
	path  jsonPath
	op    string // empty: none
	value any
}

var conditionOps = []string{"==", "!=", "<=", ">=", "<", ">"}

func parseCondition(text string) (c condition, err error) {
	var rest string
	if c.path, rest, err = cutJSONPath(strings.TrimSpace(text)); err != nil {
		return c, err
	}
	if rest = strings.TrimSpace(rest); rest == "" {
		return c, nil
	}
	for _, op := range conditionOps {
		if value, ok := strings.CutPrefix(rest, op); ok {
			c.op = op
			if c.value, err = decodeJSON([]byte(value)); err != nil {
				c.value, err = strings.TrimSpace(value), nil // a word without quotes
			}
			return c, nil
		}
	}
	return c, fmt.Errorf("after the path comes one of %s, not %q", strings.Join(conditionOps, " "), rest)
}

// holds says whether doc fulfils the condition. Things of different kinds are unequal, and neither less nor greater.
func (c *condition) holds(doc any) bool {
	found, ok := c.path.in(doc)
	if c.op == "" {
		return ok && found != nil && found != false
	}
	order, comparable := compareJSON(found, c.value)
	switch c.op {
	case "==":
		return ok && comparable && order == 0
	case "!=":
		return !ok || !comparable || order != 0
	case "<":
		return ok && comparable && order < 0
	case "<=":
		return ok && comparable && order <= 0
	case ">":
		return ok && comparable && order > 0
	}
	return ok && comparable && order >= 0
}

func compareJSON(a, b any) (order int, comparable bool) {
	switch a := a.(type) {
	case json.Number:
		if b, ok := b.(json.Number); ok {
			x, errX := a.Float64()
			y, errY := b.Float64()
			return cmp.Compare(x, y), errX == nil && errY == nil
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b), true
		}
	default:
		return 0, reflect.DeepEqual(a, b)
	}
	return 0, false
}
