package query

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// FuzzResultRows reads any bytes as a result object: no panic, and rows that were read write the same bytes again.
func FuzzResultRows(f *testing.F) {
	f.Add([]byte("\"a\",\"b\"\n\"1\",\n,\"x\"\"y\n\"\n"))
	f.Add([]byte("\"open"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &rowReader{r: bufio.NewReader(bytes.NewReader(data))}
		var again bytes.Buffer
		for {
			row, err := r.next(true)
			if err != nil {
				break
			}
			o := &result{w: bufio.NewWriter(&again)}
			for i, c := range row {
				o.separate(i)
				if c != nil {
					o.quoted([]byte(*c))
				}
			}
			o.w.WriteByte('\n')
			o.w.Flush()
			if again.Len() != int(r.pos) {
				t.Fatalf("read %d bytes, wrote %d", r.pos, again.Len())
			}
		}
		if !bytes.HasPrefix(data, again.Bytes()) {
			t.Fatalf("%q became %q", data, again.Bytes())
		}
	})
}

// FuzzSettings feeds what users write into table properties.
func FuzzSettings(f *testing.F) {
	f.Add("NOW-3YEARS,NOW", "yyyy/MM/dd", "1,10", `{"A": [{"b": 1}]}`)
	f.Fuzz(func(t *testing.T, span, format, numbers, line string) {
		pr := prune{}
		if len(span) < 40 && !strings.Contains(format, "s") && !strings.Contains(format, "m") { // seconds of centuries are refused, but late
			_, _ = dateValues("k", span, format, "1000", "YEARS", parseOr("2026-11-22"))
		}
		_, _ = integerValues("k", numbers, "100000000000000", "", pr["k"])
		_ = sampleSpelling(strings.NewReader(line))
		_ = hiveLike(span, format)
		_, _ = hiveValues(nil, format)
	})
}
