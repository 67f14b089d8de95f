package incremental

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/sql"
)

// GROUP BY with ROLLUP, CUBE and GROUPING SETS: each row is taken once for each set, with null for the keys that the set does not have,
// and the set is one more key. It is a number with a bit for each of those keys, the first the highest, that is set where the set lacks
// the key: what grouping() of all of them gives.

const (
	setsMax    = 64 // of one GROUP BY: a row is taken so many times
	setKeysMax = 30 // that some sets lack
)

// keySet are the keys of a grouping set, by their places among all.
type keySet []int

// crossed are the sets that a GROUP BY means, its elements a and b side by side: each of a with each of b.
func crossed(a, b []keySet) ([]keySet, error) {
	if len(a)*len(b) > setsMax {
		return nil, unsupported("more than %d grouping sets", setsMax)
	}
	var all []keySet
	for _, x := range a {
		for _, y := range b {
			all = append(all, append(slices.Clone(x), y...))
		}
	}
	return all, nil
}

// setsOf are the sets of one element of GROUP BY, whose parts have the given keys.
func setsOf(kind string, parts []keySet) ([]keySet, error) {
	switch kind {
	case "GROUPING SETS":
		return parts, nil
	case "ROLLUP":
		sets := []keySet{nil}
		for i := range parts {
			sets = append(sets, slices.Concat(parts[:i+1]...))
		}
		return sets, nil
	}
	sets := []keySet{nil}
	for _, part := range parts { // CUBE
		var err error
		if sets, err = crossed(sets, []keySet{part, nil}); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// readSets notes which keys the sets lack, and adds the key of the sets.
func (g *group) readSets(sets []keySet) error {
	for i, k := range g.keys {
		if !slices.ContainsFunc(sets, func(s keySet) bool { return !slices.Contains(s, i) }) {
			continue
		}
		if k.kind != plainKey {
			return unsupported("a time window that some grouping sets lack; put it beside them: GROUP BY window(…), ROLLUP (…)")
		}
		k.time, k.varies = column{}, true // what it carries is not there in all groups
		g.varying = append(g.varying, i)
	}
	if len(g.varying) > setKeysMax {
		return unsupported("grouping sets over more than %d keys", setKeysMax)
	}
	for _, s := range sets {
		mask := 0
		for _, i := range g.varying {
			mask <<= 1
			if !slices.Contains(s, i) {
				mask |= 1
			}
		}
		if slices.Contains(g.masks, mask) {
			return unsupported("the same grouping set twice")
		}
		g.masks = append(g.masks, mask)
	}
	if g.session() != nil {
		return unsupported("session_window() beside grouping sets")
	}
	g.keys = append(g.keys, &key{text: "grouping sets", kind: setKey})
	return nil
}

// expand adds the step that takes each row once for each set.
func (g *group) expand() {
	cols := []string{"r.*"}
	names := g.varying
	for place, i := range names {
		k, bit := g.keys[i], 1<<(len(names)-1-place)
		var in []string
		for _, mask := range g.masks {
			if mask&bit == 0 {
				in = append(in, strconv.Itoa(mask))
			}
		}
		value := "NULL"
		if len(in) > 0 {
			value = "CASE WHEN s.weir_set IN (" + strings.Join(in, ", ") + ") THEN r." + quote(k.name) + " END"
		}
		k.name = g.rows.free(k.name)
		cols = append(cols, value+" AS "+quote(k.name))
		g.cols[k.name] = k.typ
	}
	set := g.keys[len(g.keys)-1]
	set.name, set.typ = g.rows.free("grouping_set"), sql.Type{Name: "bigint"}
	g.cols[set.name] = set.typ
	masks := make([]string, len(g.masks))
	for i, mask := range g.masks {
		masks[i] = "(" + strconv.Itoa(mask) + ")"
	}
	cols = append(cols, "CAST(s.weir_set AS BIGINT) AS "+quote(set.name))
	g.input = g.c.add(g.name+"_sets", "SELECT "+strings.Join(cols, ", ")+" FROM "+quote(g.input)+" AS r CROSS JOIN (VALUES "+
		strings.Join(masks, ", ")+") AS s(weir_set)")
}

// grouping is what grouping(…) gives: a bit for each argument, set where the row's grouping set lacks it.
func (g *group) grouping(call *sql.Call) (sql.Expr, bool) {
	var places []int // of the arguments among the keys
	for _, arg := range call.Args {
		t := sql.PrintExpr(arg)
		i := slices.IndexFunc(g.keys, func(k *key) bool { return k.text == t && k.kind != setKey })
		if i < 0 {
			return nil, false // what it is called with is for package sql to refuse
		}
		places = append(places, i)
	}
	if len(g.masks) == 0 || len(places) == 0 {
		return nil, false
	}
	set := keyColumn(len(g.keys) - 1)
	if slices.Equal(places, g.varying) {
		return set, true // by which a row is told from another, as the rules for keys see
	}
	c := &sql.Case{Operand: set}
	for _, mask := range g.masks {
		value := 0
		for _, place := range places {
			value <<= 1
			if at := slices.Index(g.varying, place); at >= 0 {
				value |= mask >> (len(g.varying) - 1 - at) & 1
			}
		}
		c.Whens = append(c.Whens, sql.When{Cond: &sql.Number{Text: strconv.Itoa(mask)}, Then: &sql.Number{Text: strconv.Itoa(value)}})
	}
	return c, true
}

// setsText tells the sets, for the definition of the state: by the keys that the bits are about.
func (g *group) setsText() string {
	var keys []string
	for _, i := range g.varying {
		keys = append(keys, strings.ReplaceAll(g.keys[i].text, `"`, ""))
	}
	return strings.Trim(fmt.Sprint(g.masks), "[]") + " of " + strings.Join(keys, ", ")
}
