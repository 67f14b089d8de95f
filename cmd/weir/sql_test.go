package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSplitStatements(t *testing.T) {
	in := "SELECT ';' ; -- a; comment\n SELECT \"a;b\" /* ; */ FROM t;\n\n;; SELECT 'it''s'"
	got := splitStatements(in)
	want := []string{"SELECT ';'", "-- a; comment\n SELECT \"a;b\" /* ; */ FROM t", "SELECT 'it''s'"}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q", got)
	}
	for text, want := range map[string]bool{"SELECT 1;": true, "SELECT 1": false, "SELECT ';": false, "SELECT 1; -- done": true, "SELECT 1 -- ;": false, "SELECT ';'": false} {
		if complete(text) != want {
			t.Errorf("complete(%q) = %v", text, !want)
		}
	}
}

func text(s string) *string { return &s }

func TestPrinters(t *testing.T) {
	a := &answer{Columns: []string{"id", "name"}, Types: []string{"integer", "varchar"},
		Rows: [][]*string{{text("1"), text("Ann, \"B\"")}, {text("20"), nil}, {nil, text("")}}}
	for format, want := range map[string]string{
		"table": "   id | name\n------+----------\n    1 | Ann, \"B\"\n   20 | NULL\n NULL | \n",
		"csv":   "id,name\n1,\"Ann, \"\"B\"\"\"\n20,\n,\"\"\n",
		"json":  "{\"id\":1,\"name\":\"Ann, \\\"B\\\"\"}\n{\"id\":20,\"name\":null}\n{\"id\":null,\"name\":\"\"}\n",
	} {
		var b strings.Builder
		if err := printers[format](&b, a); err != nil || b.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s\n%v", format, b.String(), want, err)
		}
	}
}

// script answers statements by a table.
type script map[string]*answer

func (s script) run(_ context.Context, sql string) (*answer, error) {
	if a, ok := s[sql]; ok {
		return a, nil
	}
	return nil, errors.New("no such statement: " + sql)
}

func TestRunAll(t *testing.T) {
	s := script{"A": {Columns: []string{"x"}, Types: []string{"integer"}, Rows: [][]*string{{text("1")}}}, "B": {}}
	var b strings.Builder
	if err := runAll(t.Context(), s, "A; B; A", "csv", &b); err != nil || b.String() != "x\n1\nx\n1\n" {
		t.Errorf("%q %v", b.String(), err)
	}
	if err := runAll(t.Context(), s, "A; C; A", "csv", &b); err == nil {
		t.Error("no error")
	}
}
