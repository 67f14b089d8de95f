package delta

import (
	"fmt"
	"strings"
	"testing"
)

// TestCheck damages a table in one way at a time and looks for the words that say so.
func TestCheck(t *testing.T) {
	made := func() *aged {
		a := newAged(t, map[string]string{propCheckpointInterval: "3"})
		for _, path := range []string{"a", "b", "c", "d"} {
			a.add(t, path)
		}
		a.remove(t, "b")
		return a
	}
	edit := func(key, from, to string) func(*aged) {
		return func(a *aged) {
			body := string(a.objects[key].body)
			if !strings.Contains(body, from) {
				t.Fatalf("%s lacks %s", key, from)
			}
			a.set(key, strings.Replace(body, from, to, 1))
		}
	}
	for _, c := range []struct {
		name   string
		damage func(*aged)
		want   string // in "where: what", empty: all is well
	}{
		{"nothing", func(*aged) {}, ""},
		{"old commits cleaned up", func(a *aged) { delete(a.objects, commitKey(0)); delete(a.objects, commitKey(1)) }, ""},
		{"commit missing", func(a *aged) { delete(a.objects, commitKey(4)) }, "4.json: is missing"},
		{"commit cut", func(a *aged) { a.set(commitKey(4), `{"add":`) }, "4.json: cannot be read: line 1: corrupt"},
		{"commit changed", edit(commitKey(2), `"path":"b"`, `"path":"x"`), "3.checkpoint.parquet: lacks the data file \"x\""},
		{"removes what is not there", edit(commitKey(5), `"path":"b"`, `"path":"x"`), "5.json: removes the data file \"x\", which the table does not have"},
		{"checkpoint damaged", func(a *aged) { a.set(checkpointKey(3), "PAR1") }, "3.checkpoint.parquet: cannot be read"},
		{"hint damaged", edit(lastCheckpointKey, `"version":3`, `"version":4`), "_last_checkpoint: cannot be read"},
		{"hint gone", func(a *aged) { delete(a.objects, lastCheckpointKey) }, "_last_checkpoint: is missing"},
		{"checksum", edit(crcKey(4), `"numFiles":4`, `"numFiles":5`), "4.crc: corrupt Delta log: version 4"},
		{"file gone", func(a *aged) { delete(a.objects, "c") }, "c: is gone"},
		{"file cut", func(a *aged) { a.set("c", "PAR1") }, "c: has 4 bytes"},
		{"file of another table", func(a *aged) {
			body := parquetFile(t, 2)
			size := len(a.objects["c"].body)
			a.set("c", string(body)+strings.Repeat(" ", max(size-len(body), 0)))
		}, "c: "},
		{"wrong row count", edit(commitKey(4), `\"numRecords\":3`, `\"numRecords\":4`), "d: holds 3 rows, its statistics say 4"},
	} {
		a := made()
		c.damage(a)
		fresh := newTable(a.memory, Options{Now: a.now})
		report, err := fresh.Check(t.Context(), CheckOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var found []string
		for _, p := range report.Problems {
			found = append(found, fmt.Sprintf("%s: %s", p.Where, p.What))
		}
		text := strings.Join(found, "\n")
		if c.want == "" && text != "" || !strings.Contains(text, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, text, c.want)
		}
		if c.want == "" && (report.Files != 3 || report.Rows != 9 || report.Newest != 5) {
			t.Errorf("%s: %+v", c.name, report)
		}
	}
}
