package state

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// fits says why what was kept cannot be the state of a query that keeps want; nil if it can. A query may stop to keep a column
// that is no part of the definition, such as an aggregate; everything else would change what the kept rows mean.
func fits(kept, want []table) error {
	var errs []error
	byName := map[string]table{}
	for _, t := range kept {
		byName[t.Name] = t
	}
	for _, t := range want {
		old, ok := byName[t.Name]
		if !ok {
			errs = append(errs, fmt.Errorf("the query has come to need %s, of which nothing was kept", t.title()))
			continue
		}
		delete(byName, t.Name)
		if diff := old.differs(t); len(diff) > 0 {
			errs = append(errs, fmt.Errorf("%s has changed: %s", old.title(), strings.Join(diff, "; ")))
		}
	}
	for _, t := range kept {
		if _, left := byName[t.Name]; left {
			errs = append(errs, fmt.Errorf("the query has no %s any more", t.title()))
		}
	}
	return errors.Join(errs...)
}

func (t table) title() string { return fmt.Sprintf("state %s (%s)", t.Name, t.Operator) }

// differs lists what of t is not so in want.
func (t table) differs(want table) []string {
	var diff []string
	change := func(what, was, is string) {
		switch {
		case was == is, lists[what] && slices.Equal(sortedList(was), sortedList(is)):
		case was == "":
			diff = append(diff, fmt.Sprintf("%s is new: %s", what, is))
		case is == "":
			diff = append(diff, fmt.Sprintf("%s was %s and is gone", what, was))
		default:
			diff = append(diff, fmt.Sprintf("%s was %s, is %s", what, was, is))
		}
	}
	change("its operator", t.Operator, want.Operator)
	parts := maps.Clone(t.Definition)
	if parts == nil {
		parts = map[string]string{}
	}
	maps.Copy(parts, want.Definition)
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		change(part, t.Definition[part], want.Definition[part])
	}
	if len(diff) > 0 {
		return diff // what follows from it would only be noise
	}
	if !slices.Equal(slices.Sorted(slices.Values(t.Keys)), slices.Sorted(slices.Values(want.Keys))) {
		change("its key", strings.Join(t.Keys, ", "), strings.Join(want.Keys, ", "))
	}
	change("the column by which rows leave", t.Until, want.Until)
	have, need := t.columnTypes(), want.columnTypes()
	for _, name := range slices.Sorted(maps.Keys(need)) {
		change("column "+name, have[name], need[name])
	}
	return diff
}

// lists are the parts of definitions that are lists in no order: rows are found by the names of columns.
var lists = map[string]bool{"group by": true, "columns": true}

// sortedList splits a text at its commas, those in brackets and quotes apart, and sorts the parts.
func sortedList(text string) []string {
	var parts []string
	depth, quote, from := 0, byte(0), 0
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == ',' && depth == 0:
			parts, from = append(parts, strings.TrimSpace(text[from:i])), i+1
		}
	}
	parts = append(parts, strings.TrimSpace(text[from:]))
	slices.Sort(parts)
	return parts
}

// columnTypes are the columns with their types; a schema that cannot be read has none, which manifests do not have.
func (t table) columnTypes() map[string]string {
	types := map[string]string{}
	if schema, err := columnar.ParseSchemaJSON(t.Columns); err == nil {
		for _, f := range schema.Fields {
			types[f.Name] = f.Type.String()
		}
	}
	return types
}
