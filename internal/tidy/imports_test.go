// Package tidy holds the project's policy as tests: which package may import which.
package tidy

import (
	"bufio"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weir-data/weir"

// restricted are the imports outside the module that need permission.
var restricted = map[string]bool{"net/http": true, "C": true}

type rule struct {
	pattern string
	allowed []string
}

func TestImports(t *testing.T) {
	rules := readRules(t, "imports.txt")
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		test := strings.HasSuffix(p, "_test.go")
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if msg := check(rules, pkg, imp, test); msg != "" {
				t.Errorf("%s: %s", rel, msg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("only %d Go files looked at: the walk is broken", files)
	}
}

// check says what is wrong with package pkg importing imp; "" is fine. Tests may import any package
// of the module and net/http, but never C.
func check(rules []rule, pkg, imp string, test bool) string {
	local, inside := strings.CutPrefix(imp, module+"/")
	if !inside {
		if !restricted[imp] || test && imp != "C" {
			return ""
		}
		local = imp
	}
	if inside && (test || strings.HasPrefix(local, "internal/") || local == pkg) {
		return ""
	}
	for _, r := range rules {
		if !match(r.pattern, pkg) {
			continue
		}
		for _, a := range r.allowed {
			if a == "*" && inside || match(a, local) {
				return ""
			}
		}
		return "package " + pkg + " may not import " + local + " (rule \"" + r.pattern + "\" in internal/tidy/imports.txt)"
	}
	return "package " + pkg + " has no rule in internal/tidy/imports.txt"
}

func match(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

func readRules(t *testing.T, name string) []rule {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rules []rule
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		left, right, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		rules = append(rules, rule{strings.TrimSpace(left), strings.Fields(right)})
	}
	return rules
}

func TestCheck(t *testing.T) {
	rules := []rule{{"cmd/*", []string{"*"}}, {"stream", []string{"metrics"}}}
	for _, c := range []struct {
		pkg, imp string
		test, ok bool
	}{
		{"stream", module + "/metrics", false, true},
		{"stream", module + "/internal/vfs", false, true},
		{"stream", module + "/wire", false, false},
		{"stream", module + "/wire", true, true},
		{"stream", "net/http", false, false},
		{"stream", "C", true, false},
		{"stream", "fmt", false, true},
		{"cmd/weir", module + "/wire", false, true},
		{"nowhere", module + "/wire", false, false},
	} {
		if msg := check(rules, c.pkg, c.imp, c.test); (msg == "") != c.ok {
			t.Errorf("check(%s, %s, test=%v) = %q", c.pkg, c.imp, c.test, msg)
		}
	}
}
