package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/internal/kpl"
)

func TestConditions(t *testing.T) {
	const doc = `{"fare": 52.5, "user": {"name": "Zoë", "tags": ["a", "b"]}, "ok": true, "no": false, "none": null, "odd name": 1, "day": "2019-01-15"}`
	for text, want := range map[string]bool{
		`.fare > 50`: true, `.fare<=52.5`: true, `.fare == 52.50`: true, `.fare != 52.5`: false, `.fare > "50"`: false,
		`.user.name == "Zoë"`: true, `.user.name == Zoë`: true, `.user.tags[0] == a`: true, `.user.tags[-1] == "b"`: true, `.user.tags[2]`: false,
		`.ok`: true, `.no`: false, `.none`: false, `.none == null`: true, `.ok == true`: true, `.missing`: false, `.missing != 1`: true,
		`."odd name" == 1`: true, `.["odd name"] >= 2`: false, `.day >= "2019-01-15"`: true, `.user.tags == ["a", "b"]`: true, `.`: true,
	} {
		f, err := newTailFilter("", "", []string{text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.passes("", []byte(doc)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{"fare > 5", ".fare ~ 5", ".[", ""} {
		if _, err := newTailFilter("", "", []string{text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzCondition(f *testing.F) {
	f.Add(`.user."odd name"[-1] >= "x"`, `{"user":{"odd name":["y"]}}`)
	f.Add(`.[0][1]`, `[[1,2]]`)
	f.Fuzz(func(t *testing.T, text, doc string) {
		if c, err := parseCondition(text); err == nil {
			if v, err := decodeJSON([]byte(doc)); err == nil {
				c.holds(v)
			}
		}
	})
}

func TestKeyPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"user-*", "user-1", true}, {"user-*", "a user-1", false}, {"user-?", "user-12", false}, {"a.c", "abc", false},
		{"/r-[0-9]$/", "user-1", true}, {"*", "", true}, {"a/*", "a/b/c", true},
	} {
		re, err := keyPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := re.MatchString(c.key); got != c.want {
			t.Errorf("%s of %q: %v", c.pattern, c.key, got)
		}
	}
}

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"now": "2026-01-31T12:00:00Z", "10m": "2026-01-31T11:50:00Z", "-90s": "2026-01-31T11:58:30Z", "2026-01-30": "2026-01-30T00:00:00Z",
		"2026-01-30T10:00:00+01:00": "2026-01-30T09:00:00Z", "2026-01-30 10:11": "2026-01-30T10:11:00Z", "08:15": "2026-01-31T08:15:00Z",
		"1769860800": "2026-01-31T12:00:00Z",
	} {
		got, err := parseWhen(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "--5m", "5", ""} {
		if got, err := parseWhen(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if _, err := parseStart("2027-01-01", now); err == nil {
		t.Error("a start in the future is taken")
	}
}

// What is written for people can neither drive their terminal nor break a line.
func TestTailLines(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 5e6, time.UTC)
	rec := func(key, data string) types.Record {
		return types.Record{PartitionKey: &key, Data: []byte(data), SequenceNumber: aws.String("49"), ApproximateArrivalTimestamp: &at}
	}
	recs := []types.Record{rec("k", `{"a": "x\u001b", "n":-1.5e3,"t":[true,null]}`), rec("k\t2", "\x1b[31mred\n"), rec("k", "\xff")}
	for _, c := range []struct {
		name string
		cmd  TailCmd
		tty  bool
		want string
	}{
		{"pipe", TailCmd{}, false, "" +
			"2026-01-31T12:00:00.005Z\tshardId-000000000001\tk\t{\"a\": \"x\\u001b\", \"n\":-1.5e3,\"t\":[true,null]}\n" +
			"2026-01-31T12:00:00.005Z\tshardId-000000000001\t\"k\\t2\"\t\"\\x1b[31mred\\n\"\n" +
			"2026-01-31T12:00:00.005Z\tshardId-000000000001\tk\t\"\\xff\"\n"},
		{"json", TailCmd{JSON: true}, false, "" +
			`{"shard":"shardId-000000000001","sequenceNumber":"49","time":"2026-01-31T12:00:00.005Z","key":"k","data":{"a":"x\u001b","n":-1.5e3,"t":[true,null]}}` + "\n" +
			`{"shard":"shardId-000000000001","sequenceNumber":"49","time":"2026-01-31T12:00:00.005Z","key":"k\t2","data":"\u001b[31mred\n"}` + "\n" +
			`{"shard":"shardId-000000000001","sequenceNumber":"49","time":"2026-01-31T12:00:00.005Z","key":"k","dataBase64":"/w=="}` + "\n"},
		{"raw", TailCmd{Raw: true, Count: 1}, false, `{"a": "x\u001b", "n":-1.5e3,"t":[true,null]}` + "\n"},
		{"select", TailCmd{Raw: true, Select: ".t[0]"}, false, "true\n"},
		{"terminal", TailCmd{Count: 1}, true, "\x1b[2m" + at.Local().Format("15:04:05.000") + "\x1b[0m \x1b[2m  1\x1b[0m \x1b[1mk\x1b[0m " +
			"{\x1b[36m\"a\"\x1b[0m:\x1b[32m\"x\\u001b\"\x1b[0m,\x1b[36m\"n\"\x1b[0m:\x1b[33m-1.5e3\x1b[0m,\x1b[36m\"t\"\x1b[0m:[\x1b[35mtrue\x1b[0m,\x1b[35mnull\x1b[0m]}\n"},
	} {
		t.Setenv("NO_COLOR", "")
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		v, err := c.cmd.view(&screen{tty: c.tty}, w)
		if err != nil {
			t.Fatal(err)
		}
		v.show("shardId-000000000001", recs)
		w.Flush()
		if out.String() != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.name, out.String(), c.want)
		}
	}
}

func TestTailAggregated(t *testing.T) {
	data := kpl.Append(nil, []kpl.Record{{PartitionKey: []byte("a"), Data: []byte("one")}, {PartitionKey: []byte("b"), Data: []byte("two")}})
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	v, err := (&TailCmd{JSON: true, Key: "b"}).view(&screen{}, w)
	if err != nil {
		t.Fatal(err)
	}
	v.show("s", []types.Record{{Data: data, SequenceNumber: aws.String("49"), PartitionKey: aws.String("a")}})
	w.Flush()
	want := `{"shard":"s","sequenceNumber":"49","time":"0001-01-01T00:00:00.000Z","key":"b","subSequenceNumber":1,"data":"two"}` + "\n"
	if out.String() != want || v.summary() != "1 record of 2 read, 3B" {
		t.Errorf("%s%s, want %s", out.String(), v.summary(), want)
	}
}

// Colours never change what is there, and every valid document has an end.
func FuzzJSONColours(f *testing.F) {
	f.Add(`{"a":[1,"b\"",true],"c":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		v, err := decodeJSON([]byte(text))
		if err != nil {
			return
		}
		plain := encodeJSON(v)
		got := string(linePrinter{screen: &screen{}}.appendJSON(nil, plain))
		if got != string(plain) && got != visible(string(plain)) {
			t.Fatalf("%q became %q", plain, got)
		}
		if strings.ContainsRune(got, 0x1b) {
			t.Fatalf("%q drives a terminal", got)
		}
	})
}
