package file

import (
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlaces(t *testing.T) {
	for key, plain := range map[string]bool{
		"a": true, "a/b": true, ".hidden": true, ".weir/tmp": true, "...": true, "a b?*": true, "日本/語": true,
		strings.Repeat("s", 255): true, strings.Repeat("s", 256): false,
		"": false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/../b": false, "a/.": false,
		"nul\x00": false,
	} {
		place, ok := plainPlace("lake", key)
		if ok != plain || ok && place != "lake/"+key {
			t.Errorf("%q: %q, %t", key, place, ok)
		}
	}
}

// A key's place is inside the store, belongs to the bucket, and tells the key.
func FuzzPlace(f *testing.F) {
	for _, k := range []string{"a/b", "../x", "a//b", "/etc/passwd", "a/./b", "x\x00y", strings.Repeat("é", 200)} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if place, ok := plainPlace("lake", key); ok {
			if !filepath.IsLocal(place) || path.Clean(place) != place || !strings.HasPrefix(place, "lake/") {
				t.Fatalf("%q has the place %q", key, place)
			}
			if back, ok := plainKey("lake", place); !ok || back != key {
				t.Fatalf("%q has the place %q, which is that of %q", key, place, back)
			}
		}
		odd := oddPlace("lake", key)
		if !filepath.IsLocal(odd) || path.Clean(odd) != odd || !strings.HasPrefix(odd, oddDir+"/lake/") {
			t.Fatalf("%q has the odd place %q", key, odd)
		}
	})
}

// The order of version keys is that of keys, then newest first.
func FuzzVersionKey(f *testing.F) {
	f.Add("a", uint64(1), "a\x00", uint64(2))
	f.Add("a", uint64(1), "a", uint64(2))
	f.Add("a\x00\x01", uint64(1), "a", uint64(1<<63))
	f.Fuzz(func(t *testing.T, a string, i uint64, b string, j uint64) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		ka, kb := versionKey("lake", a, i), versionKey("lake", b, j)
		want := strings.Compare(a, b)
		if want == 0 && i != j {
			want = map[bool]int{true: -1, false: 1}[i > j]
		}
		if strings.Compare(ka, kb) != want {
			t.Fatalf("%q %d and %q %d: %q, %q", a, i, b, j, ka, kb)
		}
		if back, rest, ok := cutOrdered("lake", ka); !ok || back != a || len(rest) != 8 {
			t.Fatalf("%q came back as %q, %t", a, back, ok)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"seq":1,"size":3,"etag":"x","mtime":5,"tags":[{"k":"a","v":"b"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := decodeRecord(raw); err == nil {
			r.object("k")
		}
	})
}
