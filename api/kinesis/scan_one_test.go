package kinesis

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/wire/codec"
)

// What the scanner of PutRecord takes, the general decoder takes too, and finds the same in it.
func FuzzScanOne(f *testing.F) {
	for _, text := range []string{
		`{"StreamName":"s","Data":"aGVsbG8=","PartitionKey":"k"}`,
		`{ "PartitionKey": "ü", "Data": "", "ExplicitHashKey":"12","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"} `,
		`{"StreamName":"s","Data":"aGVsbG8=","PartitionKey":"\u00fc"}`,
		`{"StreamName":"s","Data":"a===","SequenceNumberForOrdering":"49","PartitionKey":"k",}`,
		`{"Data":"YWFh","Data":"YWFi"}`,
		`{}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c putOne
		if !c.scan(bytes.Clone(body)) {
			return
		}
		var in kinesis.PutRecordInput
		if err := codec.DecodeJSON(body, &in, nil); err != nil {
			t.Fatalf("taken, but it is %v", err)
		}
		if !reflect.DeepEqual(c.in, in) {
			t.Fatalf("%+v, want %+v", c.in, in)
		}
	})
}

func TestScanOneTakesWhatClientsSend(t *testing.T) {
	for text, want := range map[string]bool{
		`{"StreamName":"s","Data":"aGVsbG8=","PartitionKey":"k"}`:                   true,
		"{ \"PartitionKey\" : \"k\",\n\"Data\": \"\", \"StreamName\": \"s\" }":      true,
		`{"StreamName":"s","Data":"YQ==","PartitionKey":"k","ExplicitHashKey":"0"}`: true,
		`{"StreamName":"s","Data":"YQ==","PartitionKey":"k","DryRun":true}`:         false,
		`{"StreamName":"s","Data":"YQ==","PartitionKey":null}`:                      false,
		`{"StreamName":"s","Data":"YQ","PartitionKey":"k"}`:                         false,
		`{"StreamName":"s","Data":"YQ==","PartitionKey":"a\nb"}`:                    false,
		`{"StreamName":"s","Data":"YQ==","Data":"YQ=="}`:                            false,
		`{"StreamName":"s"`:    false,
		`{"StreamName":"s"} x`: false,
	} {
		var c putOne
		if got := c.scan([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
