package columnar

import (
	"testing"
	"time"
)

func TestTimePattern(t *testing.T) {
	for _, c := range []struct{ pattern, in, want string }{
		{"yyyy-MM-dd HH:mm:ss", "2019-01-15 03:36:12", "2019-01-15T03:36:12Z"},
		{"yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2019-01-15T03:36:12", "2019-01-15T03:36:12Z"},
		{"yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2019-01-15T03:36:12.5+01:00", "2019-01-15T02:36:12.5Z"},
		{"yyyy[-MM[-dd]]", "2019", "2019-01-01T00:00:00Z"}, {"yyyy[-MM[-dd]]", "2019-02-03", "2019-02-03T00:00:00Z"}, {"yyyy[-MM[-dd]]", "2019-02-", ""},
		{"EEEE, d MMMM yyyy h:mm a", "Tuesday, 5 January 2019 3:36 pm", "2019-01-05T15:36:00Z"}, {"h a", "12 AM", "1970-01-01T00:00:00Z"}, {"h a", "13 AM", ""},
		{"yyyy-MM-dd HH:mm VV", "2019-07-15 03:36 Europe/Paris", "2019-07-15T01:36:00Z"}, {"yyyy-MM-dd HH:mm z", "2019-01-15 03:36 PST", "2019-01-15T11:36:00Z"},
		{"yyyyMMddHHmmss", "20190115033612", "2019-01-15T03:36:12Z"}, {"yyyyMMddHHmmss", "2019011503361", ""}, {"dd-MMM-yy", "15-jan-19", "2019-01-15T00:00:00Z"},
		{"yyyy-MM-dd''HH", "2019-01-15'03", "2019-01-15T03:00:00Z"}, {"yyyy-MM-dd", "2019-02-29", ""}, {"yyyy-MM-dd", "2019-02-28 ", ""},
		{"[yyyy", "", "bad"}, {"yyyy]", "", "bad"}, {"yyyy#", "", "bad"}, {"QQ", "", "bad"}, {"", "", "bad"}, {"'x", "", "bad"},
	} {
		p, err := CompileTimePattern(c.pattern)
		if err != nil {
			if c.want != "bad" {
				t.Errorf("%s: %v", c.pattern, err)
			}
			continue
		}
		got := ""
		var zones zoneCache
		if w, ok := p.parse([]byte(c.in), &zones); ok {
			micros, _ := w.instant(nil)
			got = time.UnixMicro(micros).UTC().Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%s of %q: %s, want %s", c.pattern, c.in, got, c.want)
		}
	}
}

// FuzzTimes reads texts in the usual forms and by patterns; what is read fits a day's bounds and reads back.
func FuzzTimes(f *testing.F) {
	f.Add("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2019-01-15T03:36:12.5 Europe/Paris")
	f.Add("EEE, dd MMM yyyy hh:mm a z", "294247-01-10T04:00:54.775807+18:00")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		var zones zoneCache
		if p, err := CompileTimePattern(pattern); err == nil {
			if w, ok := p.parse([]byte(text), &zones); ok {
				w.instant(nil)
			}
		}
		parseDate([]byte(text))
		w, ok := parseWallClock([]byte(text), &zones)
		if !ok {
			return
		}
		micros, ok := w.instant(nil)
		if !ok {
			return
		}
		at := time.UnixMicro(micros).UTC()
		if at.Year() < 0 || at.Year() > 9999 {
			return
		}
		again, ok := parseWallClock([]byte(at.Format("2006-01-02T15:04:05.999999Z")), &zones)
		if back, _ := again.instant(nil); !ok || back != micros {
			t.Fatalf("%q is %s, which reads as %d, not %d", text, at, back, micros)
		}
	})
}
