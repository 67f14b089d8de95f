package kinesis

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	fast "github.com/segmentio/asm/base64"

	"github.com/weir-data/weir/wire/codec"
)

// What the scanner takes, the general decoder takes too, and finds the same in it.
func FuzzScan(f *testing.F) {
	for _, text := range []string{
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}`,
		`{"Records": [ {"PartitionKey":"ü","Data":"","ExplicitHashKey":"12"} , {"Data":"AAAA","PartitionKey":"b"}],"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}`,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"\u00fc"}]}`,
		`{"StreamName":"s","Records":[{"Data":"aGV\nbG8=","PartitionKey":"k"}]} `,
		`{"StreamName":"s","Records":[{"Data":"a===","PartitionKey":"k"},]}`,
		`{"StreamName":"s","Records":[{"Data":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh","PartitionKey":"k","X":null}]}`,
		"{\"StreamName\":\"s\",\"Records\":[{\"Data\":\"aGVs\nbG8=\",\"PartitionKey\":\"k\"}]}",
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8="},{"Data":"","PartitionKey":"k"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c putCall
		if !c.scan(bytes.Clone(body)) {
			return
		}
		var in kinesis.PutRecordsInput
		if err := codec.DecodeJSON(body, &in, nil); err != nil {
			t.Fatalf("taken, but it is %v", err)
		}
		if err := checkShape(&in, c.keyless); err != nil {
			t.Fatalf("taken, but it is %v", err)
		}
		if c.keyless != slices.ContainsFunc(in.Records, func(e types.PutRecordsRequestEntry) bool { return e.PartitionKey == nil }) {
			t.Fatalf("keyless %v", c.keyless)
		}
		if value(c.name) != value(in.StreamName) || value(c.arn) != value(in.StreamARN) || len(c.entries) != len(in.Records) {
			t.Fatalf("%q %q %d entries, want %q %q %d", value(c.name), value(c.arn), len(c.entries), value(in.StreamName), value(in.StreamARN), len(in.Records))
		}
		for i, e := range c.entries {
			want := in.Records[i]
			if string(e.PartitionKey) != value(want.PartitionKey) || e.ExplicitHashKey != value(want.ExplicitHashKey) || !bytes.Equal(e.Data, want.Data) {
				t.Fatalf("entry %d: %+v, want %+v", i, e, want)
			}
		}
	})
}

func TestScanTakesWhatClientsSend(t *testing.T) {
	for text, want := range map[string]bool{
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}`:                        true,
		"{ \"Records\" : [\n{\"PartitionKey\": \"k\", \"Data\": \"\"}], \"StreamName\": \"s\" }":       true,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k","ExplicitHashKey":"0"}]}`:  true,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8="}]}`:                                           true, // for a stream that needs no keys
		`{"StreamName":"s","Records":[]}`:                                                              false,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":""}]}`:                         false,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8","PartitionKey":"k"}]}`:                         false,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k","ExplicitHashKey":"01"}]}`: false,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]} x`:                      false,
		`{"StreamName":"s","StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}`:       false,
		`{"StreamName":"s","DryRun":true,"Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}`:          false,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"a\"b"}]}`:                     false,
		`{"StreamName":"no/such name","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}]}`:             false,
		"{\"StreamName\":\"s\",\"Records\":[{\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"\xff\"}]}":       false,
		"{\"StreamName\":\"s\",\"Records\":[{\"Data\":\"aGVs\nbG8=\",\"PartitionKey\":\"k\"}]}":        false,
		`{"StreamName":"s","Records":[{"Data":"aGVsbG8=","PartitionKey":"k"}`:                          false,
	} {
		var c putCall
		if got := c.scan([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// The vector code encodes and decodes as the standard library does.
func FuzzBase64(f *testing.F) {
	f.Add([]byte("hello"), "aGVsbG8=")
	f.Add(bytes.Repeat([]byte{0xff}, 100), base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("ab"), 60))+"\n")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if got, want := string(appendBase64(nil, data)), base64.StdEncoding.EncodeToString(data); got != want {
			t.Fatalf("%x: %q, want %q", data, got, want)
		}
		want, wantErr := base64.StdEncoding.DecodeString(text)
		got := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := fast.StdEncoding.Decode(got, []byte(text))
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got[:n], want) {
			t.Fatalf("%q: %x, %v, want %x, %v", text, got[:n], err, want, wantErr)
		}
	})
}

// Whatever a client sends as an iterator, it is opened only if it was sealed here.
func FuzzIterator(f *testing.F) {
	s := newSealer([]byte("key"), time.Now)
	f.Add(s.iterator(position{1, 2, 3}))
	f.Add(`"AAAA"`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, _, err := s.openIterator(text); err == nil && p != (position{1, 2, 3}) {
			t.Fatalf("%q opens as %+v", text, p)
		}
	})
}

func TestIteratorsCannotBeMadeUp(t *testing.T) {
	s := newSealer([]byte("key"), time.Now)
	it := s.iterator(position{7, 1, 99})
	raw, err := base64.StdEncoding.DecodeString(it)
	if err != nil || len(it) > 512 {
		t.Fatalf("%q: %v", it, err)
	}
	for i := range len(raw) * 8 {
		bad := bytes.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		if _, _, err := s.openIterator(base64.StdEncoding.EncodeToString(bad)); err == nil {
			t.Fatalf("bit %d can be changed", i)
		}
	}
	if _, _, err := newSealer([]byte("other"), time.Now).openIterator(it); err == nil {
		t.Fatal("another key opens it")
	}
	if _, _, err := s.openIterator(s.seal(tokenShards, raw[tokenHeadBytes:][:positionBytes])); err == nil {
		t.Fatal("a token of another kind is an iterator")
	}
	if p, _, err := s.openIterator(`"` + it + `"`); err != nil || p.counter != 99 {
		t.Fatalf("in quotes: %+v, %v", p, err)
	}
	if again := s.iterator(position{7, 1, 99}); again == it {
		t.Fatal("two iterators for one position are equal")
	}
}

func BenchmarkScan(b *testing.B) {
	body := putBody(500, 450)
	var c putCall
	b.SetBytes(int64(len(body)))
	for range b.N {
		c.entries, c.arena, c.name = c.entries[:0], c.arena[:0], nil
		if !c.scan(body) {
			b.Fatal("not taken")
		}
	}
	b.ReportMetric(float64(b.N*500)/b.Elapsed().Seconds(), "records/s")
}

// putBody is a PutRecords request.
func putBody(records, size int) []byte {
	b := []byte(`{"StreamName":"s","Records":[`)
	data := bytes.Repeat([]byte("ride "), size/5)
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"Data":"`...)
		b = appendBase64(b, data)
		b = append(b, `","PartitionKey":"key`...)
		b = append(b, byte('0'+i/100), byte('0'+i/10%10), byte('0'+i%10))
		b = append(b, `"}`...)
	}
	return append(b, "]}"...)
}
