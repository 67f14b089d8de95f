package columnar

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rowsText shows all rows of a batch, a line each.
func rowsText(b *Batch) string {
	var lines []string
	for i := range b.Len {
		var row []string
		for _, c := range b.Columns {
			row = append(row, fmt.Sprint(c.Value(i)))
		}
		lines = append(lines, strings.Join(row, "|"))
	}
	return strings.Join(lines, "\n")
}

func completeSchema(t testing.TB, format Format, fields string) *Schema {
	t.Helper()
	s, err := format.Complete(schemaOf(t, fields).Fields)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecordColumns(t *testing.T) {
	origin := &Origin{Stream: "rides", Shard: "shardId-0", SeqNum: "49", Key: []byte("k\xff"), Arrival: time.UnixMicro(1547523372000001)}
	for _, c := range []struct {
		format  Format
		fields  string
		records []string
		want    string
	}{
		{Format{CorruptRecord: "_corrupt"}, "a:int,_stream:string,_arrival:timestamp,_corrupt:string,b:string,_partition_key:string,_sequence_number:string,_shard_id:string",
			[]string{`{"a":1,"b":"x"}`, `{"a":"y","b":"z","_stream":"no"}`, `{"a":`, "\xff", ``},
			"1|rides|2019-01-15 03:36:12.000001 +0000 UTC|<nil>|x|k\ufffd|49|shardId-0\n" +
				`<nil>|rides|2019-01-15 03:36:12.000001 +0000 UTC|{"a":"y","b":"z","_stream":"no"}|z|k` + "\ufffd|49|shardId-0\n" +
				`<nil>|rides|2019-01-15 03:36:12.000001 +0000 UTC|{"a":|<nil>|k` + "\ufffd|49|shardId-0\n" +
				"<nil>|rides|2019-01-15 03:36:12.000001 +0000 UTC|\ufffd|<nil>|k\ufffd|49|shardId-0\n" +
				"<nil>|rides|2019-01-15 03:36:12.000001 +0000 UTC||<nil>|k\ufffd|49|shardId-0"},
		{Format{Name: "csv", CorruptRecord: "c", Options: map[string]string{"SEP": ";", "nullValue": "-"}}, "a:int,b:string",
			[]string{"1;x", "-;y\n3;", "x;y", `"open`, "1"}, "1|x|<nil>\n<nil>|y|<nil>\n3|<nil>|<nil>\n<nil>|y|x;y\n<nil>|<nil>|\"open\n1|<nil>|1"},
		{Format{Name: "csv", Options: map[string]string{"header": "true"}}, "a:int,b:string",
			[]string{"b,a\nx,1\n", "a\n2"}, "1|x\n2|<nil>"},
	} {
		s := completeSchema(t, c.format, c.fields)
		d, err := NewRecordDecoder(s, c.format)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			d.Reset()
			for _, r := range c.records {
				n, _, err := d.Append([]byte(r), origin)
				if err != nil {
					t.Fatalf("%s: %v", r, err)
				}
				d.Undo(n)
				checkBatch(t, d.Batch())
				if n2, _, _ := d.Append([]byte(r), origin); n2 != n {
					t.Fatalf("%s: %d rows, then %d", r, n, n2)
				}
			}
			checkBatch(t, d.Batch())
			if got := rowsText(d.Batch()); got != c.want {
				t.Errorf("%+v:\n%s\nwant\n%s", c.format, got, c.want)
			}
		}
	}
}

func TestWholeRecords(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"text", "a\nb\n\n<nil>"}, {"binary", "[97 10 98]|k|1|s|2019-01-15 03:36:12 +0000 UTC|rides\n[]|k|1|s|2019-01-15 03:36:12 +0000 UTC|rides\n[255]|k|1|s|2019-01-15 03:36:12 +0000 UTC|rides"},
	} {
		s, err := Format{Name: c.name}.Complete(nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewRecordDecoder(s, Format{Name: c.name})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []string{"a\nb", "", "\xff"} {
			if _, _, err := d.Append([]byte(r), &Origin{Stream: "rides", Shard: "s", SeqNum: "1", Key: []byte("k"), Arrival: time.Unix(1547523372, 0)}); err != nil {
				t.Fatal(err)
			}
		}
		checkBatch(t, d.Batch())
		if got := rowsText(d.Batch()); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestFormatRefused(t *testing.T) {
	for _, c := range []struct {
		format Format
		fields string
		want   string
	}{
		{Format{Name: "orc"}, "a:int", "unknown format"},
		{Format{Options: map[string]string{"multiLine": "true"}}, "a:int", "no option multiline"},
		{Format{Options: map[string]string{"timestampFormat": "QQ"}}, "a:int", `"QQ" is not supported`},
		{Format{Options: map[string]string{"timeZone": "Mars"}}, "a:int", `"Mars" is not a time zone`},
		{Format{Options: map[string]string{"timestampUnit": "millis"}}, "a:int", `option timestampUnit of format json: "millis" is not s, ms, us or ns`},
		{Format{Name: "csv", Options: map[string]string{"timestampUnit": ""}}, "a:int", `"" is not s, ms, us or ns`},
		{Format{Name: "avro", Options: map[string]string{"avroSchema": `"int"`, "timestampUnit": "ms"}}, "a:int", "no option timestampunit"},
		{Format{Options: map[string]string{"allowNonNumericNumbers": "yes"}}, "a:int", `"yes" is not true or false`},
		{Format{Name: "csv", Options: map[string]string{"sep": "||"}}, "a:int", "not one character"},
		{Format{Name: "csv"}, "a:array<int>", "CSV holds no array<int>"},
		{Format{Name: "text"}, "a:int", "needs one field of type string"},
		{Format{Name: "text", Options: map[string]string{"wholetext": "true"}}, "a:string", "has no options"},
		{Format{CorruptRecord: "a"}, "a:int", "column a is of type string, not int"},
		{Format{}, "_arrival:string", "column _arrival is of type timestamp, not string"},
		{Format{CorruptRecord: "a", Rescued: "a"}, "b:int", "name one column"},
	} {
		s, err := c.format.Complete(schemaOf(t, c.fields).Fields)
		if err == nil {
			_, err = NewRecordDecoder(s, c.format)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.format, err, c.want)
		}
	}
}
