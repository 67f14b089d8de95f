package columnar

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func decodeCSV(t testing.TB, schema *Schema, opts CSVOptions, text string) (rows []string, bad []FieldError, err error) {
	t.Helper()
	d, err := NewCSVDecoder(schema, opts)
	if err != nil {
		t.Fatal(err)
	}
	n, bad, err := d.Append([]byte(text))
	checkBatch(t, d.Batch())
	if n != d.Len() || err != nil && n != 0 {
		t.Fatalf("%d rows reported, %d there, %v", n, d.Len(), err)
	}
	for i := range n {
		var row []any
		for _, c := range d.Batch().Columns {
			row = append(row, c.Value(i))
		}
		rows = append(rows, fmt.Sprint(row))
	}
	return rows, bad, err
}

func TestCSV(t *testing.T) {
	s := schemaOf(t, "a:int,b:string,c:double,d:timestamp,e:decimal(5,1),f:boolean")
	text := "B,a,x,C,d,e,f\r\n" +
		"\"q,\"\"1\"\"\nz\",1,skip,2.5,2019-01-15 03:36:12,12.25,TRUE\r\n" +
		"\n,,,,,,\n" +
		"\"\",1.0,,NaN,2019-01-15T03:36:12+01:00\n" +
		"x,7,,1e400,yesterday,123456,no,more,values\n" +
		"tail,-7"
	rows, bad, err := decodeCSV(t, s, CSVOptions{Header: true}, text)
	want := []string{
		"[1 q,\"1\"\nz 2.5 2019-01-15 03:36:12 +0000 UTC 12.3 true]",
		"[<nil> <nil> <nil> <nil> <nil> <nil>]",
		"[<nil> <nil> NaN 2019-01-15 02:36:12 +0000 UTC <nil> <nil>]",
		"[7 x <nil> <nil> <nil> <nil>]",
		"[-7 tail <nil> <nil> <nil> <nil>]",
	}
	if err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("%v\n got %q\nwant %q", err, rows, want)
	}
	var fields []string
	for _, b := range bad {
		fields = append(fields, b.Field)
	}
	if fmt.Sprint(fields) != "[a  c d e f  ]" {
		t.Errorf("bad fields %v", fields)
	}
	if rows, _, err := decodeCSV(t, s, CSVOptions{Delimiter: '|', Null: "-"}, "5|-|1\n6||2\n"); fmt.Sprint(rows) != "[[5 <nil> 1 <nil> <nil> <nil>] [6 <nil> 2 <nil> <nil> <nil>]]" {
		t.Errorf("pipes: %v, %v", rows, err)
	}
	for _, bad := range []string{"1,\"open", "1,b\n2,\"x\"\"\n"} {
		if _, _, err := decodeCSV(t, s, CSVOptions{}, bad); !errors.Is(err, ErrCSV) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, _, err := decodeCSV(t, s, CSVOptions{Header: true}, "a,A\n1,2\n"); !errors.Is(err, ErrCSV) {
		t.Errorf("header twice: %v", err)
	}
}

// FuzzCSV compares lines that encoding/csv accepts, in strings.
func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,\"b\"\"c\",d\n1,2,3\n"))
	f.Add([]byte("\"x\ny\",,\"\"\r\n"))
	schema := schemaOf(f, "a:string,b:string,c:string")
	typed := schemaOf(f, "a:int,b:double,c:timestamp,d:decimal(10,3),e:date,f:float")
	f.Fuzz(func(t *testing.T, text []byte) {
		decodeCSV(t, typed, CSVOptions{Header: true}, string(text))
		rows, _, err := decodeCSV(t, schema, CSVOptions{Null: "\x00"}, string(text))
		if bytes.ContainsAny(text, "\\\r") || !utf8.Valid(text) {
			return
		}
		r := csv.NewReader(bytes.NewReader(text))
		r.FieldsPerRecord = -1
		want, wantErr := r.ReadAll()
		if wantErr != nil {
			return // stricter about quotes inside a value
		}
		if err != nil || len(rows) != len(want) {
			t.Fatalf("%q: %q, %v, want %q", text, rows, err, want)
		}
		for i, w := range want {
			line := []any{nil, nil, nil}
			for k := range min(len(w), 3) {
				line[k] = w[k]
				if w[k] == "\x00" {
					line[k] = nil
				}
			}
			// encoding/csv does not tell an empty value in quotes from none
			got, ours := strings.ReplaceAll(fmt.Sprint(line), "<nil>", ""), strings.ReplaceAll(rows[i], "<nil>", "")
			if ours != got && !bytes.ContainsRune(text, 0) {
				t.Fatalf("%q line %d: %s, want %s", text, i, rows[i], got)
			}
		}
	})
}
