package rewrite

import (
	"slices"
	"testing"

	"github.com/weir-data/weir/delta"
)

// TestTrackRowsLater starts to track the rows of a table that has some, while others change it.
func TestTrackRowsLater(t *testing.T) {
	for name, meddle := range map[string]func(l *lake) error{
		"": nil,
		"append": func(l *lake) error {
			_, err := l.table.Append(l.Context(), l.rows("k int", `[9]`), WriteOptions{})
			return err
		},
		"delete": func(l *lake) error {
			_, err := l.table.Delete(l.Context(), l.where("k IN (3, 4)"), "")
			return err
		},
		"optimize": func(l *lake) error {
			_, err := l.table.Optimize(l.Context(), OptimizeOptions{})
			return err
		},
		"track": func(l *lake) error {
			_, err := l.table.Alter(l.Context(), Alteration{Properties: map[string]string{propRowTracking: "true"}})
			return err
		},
	} {
		for put := 1; put <= 3; put++ { // of the feature, the ids, and the property
			l := newLake(t)
			l.create("k int", nil, map[string]string{"delta.enableDeletionVectors": "true"})
			l.append("k int", `[1]`, `[2]`, `[3]`)
			l.append("k int", `[4]`, `[5]`)
			_, err := l.table.Delete(t.Context(), l.where("k = 2"), "")
			l.must(err)
			m := &meddler{Store: l.store, left: put, do: func() {
				if meddle != nil {
					l.must(meddle(l))
				}
			}}
			table, err := Open(t.Context(), Options{Store: m, Location: location, DB: l.db, Staging: l.dir, Now: now})
			l.must(err)
			_, err = table.Alter(t.Context(), Alteration{Properties: map[string]string{propRowTracking: "true"}})
			l.must(err)
			h := &history{lake: l, model: &model{columns: []modelColumn{{key: "k", name: "k", typ: "int"}}}}
			before := h.readIDs()
			rows := map[string][]string{"append": {`[1]`, `[3]`, `[4]`, `[5]`, `[9]`}, "delete": {`[1]`, `[5]`}}[name]
			if rows == nil {
				rows = []string{`[1]`, `[3]`, `[4]`, `[5]`}
			}
			l.want(rows...)
			_, err = l.table.Optimize(t.Context(), OptimizeOptions{Purge: true})
			l.must(err)
			_, err = l.table.Update(t.Context(), l.set("k", "k + 10"), l.where("k = 1"), "")
			l.must(err)
			after := h.readIDs()
			var ids []int64
			for k, is := range before {
				now, ok := after[k]
				if k == 1 {
					now, ok = after[11]
				}
				if !ok || now[0] != is[0] || k != 1 && now[1] != is[1] {
					t.Errorf("%s before put %d: row %d had id and version %v, then %v", name, put, k, is, now)
				}
				ids = append(ids, is[0])
			}
			slices.Sort(ids)
			if len(slices.Compact(ids)) != len(rows) {
				t.Errorf("%s before put %d: ids %v of rows %v", name, put, ids, rows)
			}
			s, err := l.table.table.Snapshot(t.Context())
			l.must(err)
			if p := s.Protocol(); s.Properties()[propRowTracking] != "true" || !slices.Contains(p.WriterFeatures, "rowTracking") {
				t.Errorf("protocol %+v, properties %v", p, s.Properties())
			}
			if checked, err := l.table.table.Check(t.Context(), delta.CheckOptions{}); err != nil || len(checked.Problems) > 0 {
				t.Errorf("%v %v", checked, err)
			}
		}
	}
}
