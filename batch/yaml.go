package batch

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a pipeline file, far above what a person writes.
const (
	fileBytesMax  = 256 << 10
	fileErrorsMax = 20
)

// FileError is one thing wrong in a pipeline file. Line and Column count from 1; 0 means the file as a whole.
type FileError struct {
	File         string
	Line, Column int
	Path         string // such as source.schema.fare_amount
	Reason       string
}

func (e *FileError) Error() string {
	at := e.File
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	if e.Path == "" {
		return at + ": " + e.Reason
	}
	return at + ": " + e.Path + ": " + e.Reason
}

// yamlReader walks the syntax tree of a file and collects what is wrong, so that one look shows all.
type yamlReader struct {
	file  string
	errs  []error
	modes []sinkMode // what the sinks say of the output mode
}

func (r *yamlReader) err() error { return errors.Join(r.errs...) }

func (r *yamlReader) failf(n ast.Node, path, format string, args ...any) {
	e := &FileError{File: r.file, Path: path, Reason: fmt.Sprintf(format, args...)}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		at := n.GetToken()
		if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && m.Values[0].Key.GetToken() != nil {
			at = m.Values[0].Key.GetToken() // a block mapping's own token is its first colon
		}
		e.Line, e.Column = at.Position.Line, at.Position.Column
	}
	if len(r.errs) < fileErrorsMax {
		r.errs = append(r.errs, e)
	}
}

// document returns the one mapping that text is, or nil.
func (r *yamlReader) document(text []byte) (root *ast.MappingNode) {
	if len(text) > fileBytesMax {
		r.failf(nil, "", "has %d bytes, more than the %d that a pipeline file may have", len(text), fileBytesMax)
		return nil
	}
	f, err := parseYAML(text)
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil && syntax.GetToken().Position != nil {
		at := syntax.GetToken().Position
		r.errs = append(r.errs, &FileError{File: r.file, Line: at.Line, Column: at.Column, Reason: syntax.GetMessage()})
		return nil
	}
	if err != nil {
		r.failf(nil, "", "%v", err)
		return nil
	}
	if len(f.Docs) != 1 {
		r.failf(nil, "", "holds %d documents; write one pipeline per file", len(f.Docs))
		return nil
	}
	root, ok := f.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		r.failf(f.Docs[0].Body, "", "is not a pipeline; it has keys such as name, source, query and sink")
		return nil
	}
	return root
}

// parseYAML turns the parser's panics, which some malformed texts cause, into errors.
func parseYAML(text []byte) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is not YAML: %v", p)
		}
	}()
	return parser.ParseBytes(text, 0)
}

// entries yields the keys and values of a mapping, after checking that each is among allowed (none: any) and
// comes once.
func (r *yamlReader) entries(n ast.Node, path string, allowed ...string) iter.Seq2[string, ast.Node] {
	return func(yield func(string, ast.Node) bool) {
		m, ok := n.(*ast.MappingNode)
		switch n.(type) {
		case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
			r.failf(n, path, "uses an anchor, alias or tag of YAML, which pipeline files do not have; write it out")
			return
		}
		if !ok {
			r.failf(n, path, "must hold keys and values, one a line, indented")
			return
		}
		seen := map[string]bool{}
		for _, v := range m.Values {
			key, ok := scalarText(v.Key)
			at := strings.TrimPrefix(path+"."+key, ".")
			switch {
			case !ok || key == "":
				r.failf(v.Key, path, "a key must be plain text")
			case seen[key]:
				r.failf(v.Key, at, "stands here twice")
			case allowed != nil && !slices.Contains(allowed, key):
				r.failf(v.Key, at, "is not a known key%s", meant(key, allowed))
			default:
				seen[key] = true
				if !yield(key, v.Value) {
					return
				}
			}
		}
	}
}

// meant suggests the known key nearest to what was written.
func meant(key string, allowed []string) string {
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s)) }
	for _, a := range allowed {
		if plain(a) == plain(key) || editedOnce(plain(key), plain(a)) {
			return fmt.Sprintf("; did you mean %s?", a)
		}
	}
	return "; known here are " + strings.Join(allowed, ", ")
}

// editedOnce says whether one inserted, removed, changed or swapped letter makes b of a.
func editedOnce(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	if len(a) == 0 || len(b) == 0 {
		return len(a)+len(b) <= 1
	}
	return a[1:] == b || b[1:] == a || a[1:] == b[1:] ||
		len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
}

// has says whether m has a key.
func has(m *ast.MappingNode, want string) bool {
	return slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool {
		key, _ := scalarText(v.Key)
		return key == want
	})
}

func (r *yamlReader) require(n ast.Node, path string, keys ...string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return
	}
	for _, want := range keys {
		if !has(m, want) {
			r.failf(n, strings.TrimPrefix(path+"."+want, "."), "is missing")
		}
	}
}

// text is the value of a scalar that must not be empty; "" after an error.
func (r *yamlReader) text(n ast.Node, path string) string {
	s, ok := scalarText(n)
	if !ok || strings.TrimSpace(s) == "" {
		r.failf(n, path, "must be a text")
		return ""
	}
	return strings.TrimSpace(s)
}

// scalarText is a scalar as it was written: 007 stays 007.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

func (r *yamlReader) boolean(n ast.Node, path string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.failf(n, path, "must be true or false")
		return true
	}
	return b.Value
}

func (r *yamlReader) number(n ast.Node, path string, low, high int64) int64 {
	s, _ := scalarText(n)
	v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil || v < low || v > high {
		r.failf(n, path, "%q is not a whole number from %d to %d", s, low, high)
		return low
	}
	return v
}

// oneOf is the index of the scalar among choices; 0 after an error.
func (r *yamlReader) oneOf(n ast.Node, path string, choices ...string) int {
	s := r.text(n, path)
	i := slices.Index(choices, strings.ToLower(s))
	if s != "" && i < 0 {
		r.failf(n, path, "%q is not supported; use %s", s, strings.Join(choices, " or "))
	}
	return max(i, 0)
}

// names reads a list of distinct column names, or one name.
func (r *yamlReader) names(n ast.Node, path string) []string {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return []string{r.text(n, path)}
	}
	var names []string
	for _, v := range list.Values {
		name := r.text(v, path)
		if slices.ContainsFunc(names, func(s string) bool { return strings.EqualFold(s, name) }) {
			r.failf(v, path, "column %s stands here twice", name)
		}
		names = append(names, name)
	}
	return names
}

// texts reads keys and texts.
func (r *yamlReader) texts(n ast.Node, path string) map[string]string {
	all := map[string]string{}
	for key, value := range r.entries(n, path) {
		text, ok := scalarText(value)
		if !ok {
			r.failf(value, path+"."+key, "must be a text")
		}
		all[key] = text
	}
	return all
}
