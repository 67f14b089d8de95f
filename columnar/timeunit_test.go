package columnar

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestTimestampUnit(t *testing.T) {
	pattern, err := CompileTimePattern("yyyyMMdd")
	if err != nil {
		t.Fatal(err)
	}
	paris, err := loadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	const at, bad = "2026-01-01 00:00:00.123 +0000 UTC", "<nil> bad:v"
	for _, c := range []struct {
		opts     JSONOptions
		in, want string
	}{
		{JSONOptions{TimestampUnit: UnitMillis}, `1767225600123`, at},
		{JSONOptions{TimestampUnit: UnitMillis}, `"1767225600123"`, at},
		{JSONOptions{TimestampUnit: UnitMillis}, `" 1767225600123 "`, at},
		{JSONOptions{TimestampUnit: UnitMillis}, `1.767225600123e12`, at},
		{JSONOptions{TimestampUnit: UnitMillis}, `"2026-01-01T00:00:00.123Z"`, at},
		{JSONOptions{TimestampUnit: UnitMillis}, `"2026-01-01 00:00:00.123"`, at},
		{JSONOptions{TimestampUnit: UnitMillis}, `0.0019`, "1970-01-01 00:00:00.000001 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `-0.0001`, "1969-12-31 23:59:59.999999 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `-0`, "1970-01-01 00:00:00 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `"2019"`, "1970-01-01 00:00:02.019 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `"2019-01"`, "2019-01-01 00:00:00 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `9223372036854775`, "294247-01-10 04:00:54.775 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `9223372036854776`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `-9223372036854001`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `"9223372036854776"`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `1e400`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `0e99999999999`, "1970-01-01 00:00:00 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `1e-99999999999`, "1970-01-01 00:00:00 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitMillis}, `true`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `NaN`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `""`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `"+5"`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `"01"`, bad},
		{JSONOptions{TimestampUnit: UnitMillis}, `null`, "<nil>"},
		{JSONOptions{TimestampUnit: UnitMillis}, `[1]`, bad},
		{JSONOptions{TimestampUnit: UnitMillis, Location: paris}, `1767225600123`, at},
		{JSONOptions{TimestampUnit: UnitMillis, Location: paris}, `"1767225600123"`, at},
		{JSONOptions{TimestampUnit: UnitSeconds}, `1767225600.123`, at},
		{JSONOptions{TimestampUnit: UnitSeconds}, `9223372036854`, "294247-01-10 04:00:54 +0000 UTC"},
		{JSONOptions{TimestampUnit: UnitSeconds}, `9223372036855`, bad},
		{JSONOptions{TimestampUnit: UnitMicros}, `1767225600123000`, at},
		{JSONOptions{TimestampUnit: UnitNanos}, `1767225600123000999`, at},
		{JSONOptions{TimestampUnit: UnitNanos}, `1767225600123000999.99999`, at},
		{JSONOptions{TimestampUnit: UnitNanos}, `-1`, "1969-12-31 23:59:59.999999 +0000 UTC"},
		{JSONOptions{}, `1767225600.123`, bad},
		{JSONOptions{}, `"1767225600"`, bad},
	} {
		if got := decodeRow(t, schemaOf(t, "v:timestamp"), c.opts, `{"v":`+c.in+`}`); got != c.want {
			t.Errorf("%s by unit %d: %s, want %s", c.in, c.opts.TimestampUnit, got, c.want)
		}
		if c.opts.TimestampUnit == 0 || strings.HasSuffix(c.in, `Z"`) {
			continue
		}
		if got := decodeRow(t, schemaOf(t, "v:timestamp_ntz"), c.opts, `{"v":`+c.in+`}`); got != c.want {
			t.Errorf("timestamp_ntz: %s by unit %d: %s, want %s", c.in, c.opts.TimestampUnit, got, c.want)
		}
	}
	// A pattern takes texts first, and no numbers outside of quotes.
	both := JSONOptions{TimestampUnit: UnitMillis, TimestampFormat: pattern, TimestampNTZFormat: pattern}
	got := decodeRow(t, schemaOf(t, "a:array<timestamp>,b:array<timestamp_ntz>"), both, `{"a":["20260101",20260101,"1767225600123","2026-01-01"],"b":["20260101",20260101,"1767225600123"]}`)
	const want = "[2026-01-01 00:00:00 +0000 UTC 1970-01-01 05:37:40.101 +0000 UTC " + at
	if got != want+" <nil>] "+want+"] bad:a.element" {
		t.Errorf("with a pattern: %s", got)
	}
	if got := decodeRow(t, schemaOf(t, "n:timestamp_ntz"), JSONOptions{}, `{"n":5}`); got != "<nil> bad:n" {
		t.Errorf("a number without a unit: %s", got)
	}
	if _, err := NewJSONDecoder(schemaOf(t, "a:timestamp"), JSONOptions{Coerce: true, TimestampUnit: UnitMillis}); err == nil {
		t.Error("a unit with Coerce: no error")
	}
}

func TestCSVTimestampUnit(t *testing.T) {
	s := schemaOf(t, "a:timestamp,b:timestamp_ntz")
	rows, bad, err := decodeCSV(t, s, CSVOptions{TimestampUnit: UnitMillis}, "1767225600123,-1\n2026-01-01,2026-01-01 08:00\n1e30,x\n,\"0\"\n")
	want := "[[2026-01-01 00:00:00.123 +0000 UTC 1969-12-31 23:59:59.999 +0000 UTC] [2026-01-01 00:00:00 +0000 UTC 2026-01-01 08:00:00 +0000 UTC] [<nil> <nil>] [<nil> 1970-01-01 00:00:00 +0000 UTC]]"
	if fmt.Sprint(rows) != want || len(bad) != 2 || err != nil {
		t.Errorf("%v, %v, %v", rows, bad, err)
	}
	if rows, bad, _ := decodeCSV(t, s, CSVOptions{}, "1767225600123,5\n"); len(bad) != 2 {
		t.Errorf("without a unit: %v", rows)
	}
}

// FuzzTimestampUnit compares numbers in all the places where they may stand with exact arithmetic.
func FuzzTimestampUnit(f *testing.F) {
	for _, s := range []string{"1767225600123", "-0.0001", "9223372036854775.807", "-9223372036854000", "1.5e3", "12345678901234567890123e-10", "0.000000000000000000000000000000000000000000001", "-1e-400", "1E30"} {
		for unit := range 4 {
			f.Add(s, unit)
		}
	}
	f.Fuzz(func(t *testing.T, text string, unit int) {
		u := UnitSeconds + TimestampUnit(unit&3)
		var number json.Number
		if err := json.Unmarshal([]byte(text), &number); err != nil || strings.TrimSpace(text) != text || text[0] == '"' || text == "null" {
			return
		}
		if _, exp, ok := strings.Cut(strings.ToLower(text), "e"); ok && len(exp) > 4 {
			return // too much for exact arithmetic
		}
		want := fmt.Sprint(plainMicros(text, u))
		for _, column := range []string{"v:timestamp", "v:timestamp_ntz"} {
			for _, form := range []string{`{"v":%s}`, `{"v":"%s"}`, `{"v":%s }`} {
				d, err := NewJSONDecoder(schemaOf(t, column), JSONOptions{TimestampUnit: u})
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := d.Append(fmt.Appendf(nil, form, text)); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if got := fmt.Sprint(d.Batch().Columns[0].Value(0)); got != want {
					t.Fatalf("%s in %s as %s, unit %d: %s, want %s", text, form, column, u, got, want)
				}
			}
			if rows, _, err := decodeCSV(t, schemaOf(t, column), CSVOptions{TimestampUnit: u}, text); err != nil || rows[0] != "["+want+"]" {
				t.Fatalf("%s of CSV as %s, unit %d: %v, want %s, %v", text, column, u, rows, want, err)
			}
		}
	})
}

// plainMicros is the time that a number stands for, nil for none.
func plainMicros(text string, u TimestampUnit) any {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("no number: " + text)
	}
	perUnit := map[TimestampUnit]*big.Rat{UnitSeconds: big.NewRat(1_000_000, 1), UnitMillis: big.NewRat(1000, 1), UnitMicros: big.NewRat(1, 1), UnitNanos: big.NewRat(1, 1000)}
	r.Mul(r, perUnit[u])
	micros := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: the floor, as denominators are positive
	if !micros.IsInt64() || micros.Int64() < -9_223_372_036_854_000_000 {
		return nil
	}
	return time.UnixMicro(micros.Int64()).UTC()
}
