package incremental

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/batch"
)

// deduplicate adds the steps that drop rows of an input whose key was seen before. Of rows of a batch with the same key the earliest
// by event time stays.
func (c *compiler) deduplicate(r *relation, s Stream) (*relation, error) {
	d := s.Deduplicate
	var keys []string
	for _, k := range d.Columns {
		if r.index(strings.ToLower(k)) < 0 {
			return nil, fmt.Errorf("stream %s: deduplicate: no column %s", r.name, k)
		}
		keys = append(keys, strings.ToLower(k))
	}
	if len(keys) == 0 {
		for _, col := range r.cols {
			keys = append(keys, col.name)
		}
	}
	op, end := "dedupe", ""
	from := "SELECT * FROM " + quote(r.name)
	name := c.operator("dedupe")
	spec := batch.StateSpec{Name: name, Keys: keys, Touched: r.name, Definition: map[string]string{"columns": strings.Join(keys, ", ")}}
	if s.EventTime != "" {
		ts := quote(s.EventTime)
		spec.Late = c.add(name+"_late", "SELECT count(*) AS late FROM "+quote(r.name)+" WHERE "+ts+" <= weir_late()")
		from += " WHERE (" + ts + " <= weir_late()) IS NOT TRUE"
		if d.WithinWatermark {
			end = plus("coalesce("+ts+", TIMESTAMP '1970-01-01')", s.Delay) // as Spark: without a time it is forgotten at the first watermark
			spec.Definition["within"] = s.Delay.String()
		} else if slices.Contains(keys, strings.ToLower(s.EventTime)) {
			end = ts
		}
	}
	if d.WithinWatermark {
		if op = "dedupeWithinWatermark"; s.EventTime == "" {
			return nil, unsupported("dropDuplicatesWithinWatermark is not supported on streaming DataFrames/DataSets without watermark")
		}
	}
	cols := strings.Join(quoteAll(keys), ", ")
	if end != "" {
		cols += ", " + end + " AS " + quote(until)
	}
	spec.Operator, spec.Like = op, c.add(name+"_keys", "SELECT "+cols+" FROM "+quote(r.name)+" WHERE false")
	seen := "SELECT * FROM " + quote(name)
	if end != "" {
		seen += " WHERE " + quote(until) + " > weir_late() OR " + quote(until) + " IS NULL"
	}
	list := strings.Join(quoteAll(keys), ", ")
	unseen := "SELECT r.* FROM (" + from + ") AS r ANTI JOIN (" + seen + ") AS s ON " + same(keys, "r", "s")
	first := c.add(name+"_new", "SELECT * EXCLUDE weir_n FROM (SELECT *, row_number() OVER (PARTITION BY "+list+" ORDER BY "+firstOrder(r, s.EventTime)+
		") AS weir_n FROM ("+unseen+")) WHERE weir_n = 1")
	spec.Update = c.add(name+"_seen", "SELECT "+cols+" FROM "+quote(first))
	if end != "" {
		spec.Until = until
		spec.Update = c.add(name+"_kept", "SELECT * FROM "+quote(spec.Update)+" WHERE "+quote(until)+" > weir_watermark() OR "+quote(until)+" IS NULL")
	}
	c.program.States = append(c.program.States, spec)
	out := &relation{name: first, cols: r.cols, stream: true}
	return out, nil
}

// firstOrder is the order in which the first of some rows is looked for: by event time, then by what else can be compared, so that
// a batch that runs again finds the same.
func firstOrder(r *relation, eventTime string) string {
	var by []string
	if eventTime != "" {
		by = append(by, quote(eventTime))
	}
	for _, c := range r.cols {
		if c.typ.Name != "map" {
			by = append(by, quote(c.name))
		}
	}
	return strings.Join(by, ", ")
}
