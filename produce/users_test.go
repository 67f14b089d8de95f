package produce

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"
)

func TestUsers(t *testing.T) {
	at := func() time.Time { return time.Date(2022, 2, 2, 15, 17, 7, 618098000, time.UTC) }
	g, seen := NewUsers(1, 1000, at), map[string]bool{}
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for range 1000 {
		raw, key, err := g.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		var u user
		if err := json.Unmarshal(raw, &u); err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(u.UUID) || key != u.UUID || seen[key] {
			t.Fatalf("bad or repeated uuid: %s", raw)
		}
		seen[key] = true
		if u.EventDate != "2022-02-02T15:17:07.618098" || u.Phone < 900_000_000 || u.Phone > 999_999_999 || u.Name == "" || u.Email == "" {
			t.Fatalf("odd person: %s", raw)
		}
	}
}
