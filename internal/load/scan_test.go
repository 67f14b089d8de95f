package load

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestEach(t *testing.T) {
	body := []byte(`{"FailedRecordCount":0, "Records": [{"Data":"aGk=","Key":"a\"b\\","At":1.5}, {"At":null,"More":true,"Data":""},{}],"Next":"it\"","Next":"x"}`)
	var got []string
	err := Each(body, "Records", []string{"Key", "Data", "At"}, func(v [][]byte) error {
		got = append(got, fmt.Sprintf("%q %v %q", v[0], v[1] == nil, v[2]))
		return nil
	})
	want := `"a\"b\\\\" false "1.5";"" false "null";"" true ""`
	want = strings.ReplaceAll(want, `a\"b`, `a\\\"b`)
	if err != nil || strings.Join(got, ";") != want {
		t.Errorf("%v\n%s\n%s", err, strings.Join(got, ";"), want)
	}
	if got := string(Member(body, "Next")); got != "x" {
		t.Errorf("Next is %q", got)
	}
	for _, bad := range []string{``, `{"Records":{}}`, `{"Records":[{"a":{"b":1}}]}`, `{"Records":[{"a":"b"`, `{"Records":[{"a":"b"}`, `{"Records":[{"a" "b"}]}`} {
		if err := Each([]byte(bad), "Records", nil, func([][]byte) error { return nil }); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// What is valid and flat is found as encoding/json finds it; nothing panics.
func FuzzEach(f *testing.F) {
	f.Add(`{"Records":[{"Data":"aGk=","Key":"k"},{"Data":"\u00fc\\"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var got []string
		err := Each([]byte(text), "Records", []string{"Data"}, func(v [][]byte) error {
			got = append(got, string(v[0]))
			return nil
		})
		Member([]byte(text), "Data")
		var doc struct{ Records []map[string]string }
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err != nil || strings.Count(text, "Records") != 1 || strings.Contains(text, `\`) || d.Decode(&doc) != nil {
			return
		}
		if len(got) != len(doc.Records) {
			t.Fatalf("%d objects, want %d", len(got), len(doc.Records))
		}
		for i, r := range doc.Records {
			if strings.ToValidUTF8(got[i], "\ufffd") != strings.ToValidUTF8(r["Data"], "\ufffd") && strings.Count(text, `"Data"`) <= len(got) {
				t.Fatalf("object %d: %q, want %q", i, got[i], r["Data"])
			}
		}
	})
}
