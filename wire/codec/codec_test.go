package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/fxamacker/cbor/v2"
)

var when = time.UnixMilli(1700000000120).UTC()

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{&kinesis.PutRecordOutput{}, `{}`},
		{(*kinesis.PutRecordOutput)(nil), `{}`},
		{&kinesis.GetRecordsOutput{Records: []types.Record{}}, `{"Records":[]}`},
		{&kinesis.PutRecordOutput{ShardId: aws.String("a\"\\\n\u2028\x01\xff")}, `{"ShardId":"a\"\\\n` + "\u2028" + `\u0001` + "\ufffd" + `"}`},
		{&types.Record{Data: []byte{0, 255}, ApproximateArrivalTimestamp: &when}, `{"Data":"AP8=","ApproximateArrivalTimestamp":1700000000.12}`},
		{&cwtypes.Datapoint{Sum: aws.Float64(7), Average: aws.Float64(-0.25), Maximum: aws.Float64(1e300), Minimum: aws.Float64(0)}, `{"Average":-0.25,"Maximum":1e+300,"Minimum":0.0,"Sum":7.0}`},
		// Scalars that are no pointers are sent also when zero; enums are not.
		{&gluetypes.StorageDescriptor{}, `{"Compressed":false,"NumberOfBuckets":0,"StoredAsSubDirectories":false}`},
		{&gluetypes.Database{Parameters: map[string]string{"b": "2", "a": "1"}, Name: aws.String("n")}, `{"Name":"n","Parameters":{"a":"1","b":"2"}}`},
		// Members whose name in the model starts with a small letter, and an ISO 8601 timestamp.
		{&gluetypes.TableOptimizerConfiguration{Enabled: aws.Bool(true), RoleArn: aws.String("r")}, `{"enabled":true,"roleArn":"r"}`},
		{&gluetypes.TableOptimizerConfiguration{VpcConfiguration: &gluetypes.TableOptimizerVpcConfigurationMemberGlueConnectionName{Value: "c"}}, `{"vpcConfiguration":{"glueConnectionName":"c"}}`},
	} {
		got, err := AppendJSON(nil, c.in)
		if err != nil || string(got) != c.want {
			t.Errorf("%T:\n got %s, %v\nwant %s", c.in, got, err, c.want)
		}
	}
}

func TestAppendEpoch(t *testing.T) {
	for ms, want := range map[int64]string{0: "0", 1: "0.001", 1500: "1.5", 1700000000123: "1700000000.123", -1500: "-1.5", 253402300799999: "253402300799.999"} {
		if got := string(AppendEpoch(nil, time.UnixMilli(ms))); got != want {
			t.Errorf("%d: %s, want %s", ms, got, want)
		}
	}
}

func TestDecodeJSON(t *testing.T) {
	var in kinesis.PutRecordsInput
	err := DecodeJSON([]byte(` {"Unknown":{"a":[1,{"b":null}],"c":"\u00"},"StreamName":"s\u00fc\ud83d\ude00\ud83d","Records":[{"Data":"AP\/8","PartitionKey":"k"},{"Data":""},null],"StreamARN":null} `), &in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *in.StreamName != "sü😀\ufffd" || in.StreamARN != nil || len(in.Records) != 3 || in.Records[1].Data == nil {
		t.Errorf("got %+v", in)
	}
	var get kinesis.GetShardIteratorInput
	if err := DecodeJSON([]byte(`{"Timestamp":1700000000.12}`), &get, nil); err != nil || !get.Timestamp.Equal(when) {
		t.Errorf("timestamp %v, %v", get.Timestamp, err)
	}
	var table glue.CreateTableInput
	if err := DecodeJSON([]byte(`{"TableInput":{"Retention":3.9,"Parameters":{"k":"v"},"StorageDescriptor":{"Compressed":true}}}`), &table, nil); err != nil || table.TableInput.Retention != 3 || table.TableInput.Parameters["k"] != "v" || !table.TableInput.StorageDescriptor.Compressed {
		t.Errorf("table %+v, %v", table.TableInput, err)
	}
	var optimizer glue.CreateTableOptimizerInput
	unions := Unions{&gluetypes.TableOptimizerVpcConfigurationMemberGlueConnectionName{}}
	err = DecodeJSON([]byte(`{"TableOptimizerConfiguration":{"enabled":true,"vpcConfiguration":{"glueConnectionName":"c"}}}`), &optimizer, unions)
	if vpc, ok := optimizer.TableOptimizerConfiguration.VpcConfiguration.(*gluetypes.TableOptimizerVpcConfigurationMemberGlueConnectionName); err != nil || !ok || vpc.Value != "c" {
		t.Errorf("union %+v, %v", optimizer.TableOptimizerConfiguration, err)
	}
	if err := DecodeJSON(nil, &in, nil); err != nil {
		t.Error("an empty body is an empty structure:", err)
	}
}

func TestDecodeJSONErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"StreamName":5}`:                "NUMBER_VALUE cannot be converted to String",
		`{"StreamName":true}`:             "TRUE_VALUE cannot be converted to String",
		`{"StreamName":[]}`:               "Start of list found where not expected",
		`{"StreamName":{}}`:               "Start of structure or map found where not expected.",
		`{"Records":5}`:                   "Unexpected field type",
		`{"Records":{}}`:                  "Start of structure or map found where not expected.",
		`{"Records":[{"Data":"*"}]}`:      "Blob is not valid base64",
		`[]`:                              "Start of list found where not expected",
		`{"StreamName":"a"`:               "Unexpected end of document",
		`{"StreamName":"a}`:               "Unexpected end of document",
		`{"StreamName":"\x"}`:             "Bad escape",
		`{"StreamName":"` + "\xff" + `"}`: "not valid UTF-8",
		`{"StreamName":"a"}{}`:            "Unexpected text after",
		`{"StreamName" "a"}`:              "a colon is missing",
		`{"A":1 "B":2}`:                   "a comma or } is missing",
		`{"A":01}`:                        "Bad number",
		`{"A":nul}`:                       "Unexpected token",
		`{"A":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: "nested too deeply",
	} {
		err := DecodeJSON([]byte(text), &kinesis.PutRecordsInput{}, nil)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, want) {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
	many := `{"Records":[` + strings.Repeat("{},", elementsMax) + `{}]}`
	if err := DecodeJSON([]byte(many), &kinesis.PutRecordsInput{}, nil); err != errElements {
		t.Errorf("%d records: %v", elementsMax+1, err)
	}
}

// Bytes as the Java SDK sends them: maps of indefinite length, blobs as bytes, timestamps as tagged milliseconds.
func TestJavaCBOR(t *testing.T) {
	body, err := hex.DecodeString("bf" + "6a53747265616d4e616d65" + "6173" + // StreamName: s
		"6954696d657374616d70" + "c11b0000018bcfe56878" + // Timestamp
		"675265636f726473" + "9f" + "a26444617461" + "5f41614162ff" + // Records: [{Data: ab in two pieces,
		"6c506172746974696f6e4b6579" + "7f616b6131ff" + "ff" + "ff") // PartitionKey: k1 in two pieces}]
	if err != nil {
		t.Fatal(err)
	}
	in := struct {
		StreamName *string
		Timestamp  *time.Time
		Records    []types.PutRecordsRequestEntry
	}{}
	if err := DecodeCBOR(body, &in, Milliseconds, nil); err != nil {
		t.Fatal(err)
	}
	if *in.StreamName != "s" || !in.Timestamp.Equal(when) || string(in.Records[0].Data) != "ab" || *in.Records[0].PartitionKey != "k1" {
		t.Errorf("got %+v", in)
	}
	out, err := AppendCBOR(nil, &types.Record{ApproximateArrivalTimestamp: &when}, Milliseconds)
	if err != nil || !bytes.Contains(out, []byte{0xc1, 0x1b}) || bytes.Contains(out, []byte{0xc1, 0xfb}) {
		t.Errorf("timestamp must be a tagged integer: %x, %v", out, err)
	}
	out, _ = AppendCBOR(nil, &types.Record{ApproximateArrivalTimestamp: &when}, Seconds)
	if !bytes.Contains(out, []byte{0xc1, 0xfb}) {
		t.Errorf("timestamp must be a tagged double: %x", out)
	}
}

func TestHalfFloat(t *testing.T) {
	for bits := 0; bits < 1<<16; bits++ {
		raw := []byte{0xa1, 0x65, 'V', 'a', 'l', 'u', 'e', 0xf9, byte(bits >> 8), byte(bits)}
		var d cwtypes.MetricDatum
		var want struct{ Value float64 }
		if err := errors.Join(DecodeCBOR(raw, &d, Seconds, nil), cbor.Unmarshal(raw, &want)); err != nil {
			t.Fatal(err)
		}
		if *d.Value != want.Value && (*d.Value == *d.Value || want.Value == want.Value) {
			t.Fatalf("%04x: %v, want %v", bits, *d.Value, want.Value)
		}
	}
}

func TestQuery(t *testing.T) {
	form, _ := url.ParseQuery("Action=X&MetricData.member.2.MetricName=b&MetricData.member.10.MetricName=c&MetricData.member.1.MetricName=a" +
		"&MetricData.member.1.Timestamp=2023-11-14T22:13:20.120Z&MetricData.member.1.Value=1.5&MetricData.member.1.Dimensions.member.1.Name=d&StrictEntityValidation=true&Namespace=n%20s")
	var in cloudwatch.PutMetricDataInput
	if err := DecodeQuery(form, &in, nil); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range in.MetricData {
		names = append(names, *d.MetricName)
	}
	if !reflect.DeepEqual(names, []string{"a", "b", "c"}) || !in.MetricData[0].Timestamp.Equal(when) || *in.MetricData[0].Dimensions[0].Name != "d" || *in.Namespace != "n s" {
		t.Errorf("got %v %+v", names, in)
	}
	for _, bad := range []string{"MetricData=x", "Namespace.x=1", "MetricData.member.x.Value=1", "MetricData.member.1.Value=a", "StrictEntityValidation=maybe", "MetricData.member.1.Timestamp=now"} {
		form, _ := url.ParseQuery(bad)
		var e *Error
		if err := DecodeQuery(form, &cloudwatch.PutMetricDataInput{}, nil); !errors.As(err, &e) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	got, err := AppendXML(nil, "ListRolesResult", &iam.ListRolesOutput{IsTruncated: false, Roles: []iamtypes.Role{{RoleName: aws.String("a<&\x01"), CreateDate: aws.Time(when.Truncate(time.Second))}}})
	want := `<ListRolesResult><Roles><member><CreateDate>2023-11-14T22:13:20Z</CreateDate><RoleName>a&lt;&amp;` + "\ufffd" + `</RoleName></member></Roles><IsTruncated>false</IsTruncated></ListRolesResult>`
	if err != nil || !sameElements(string(got), want) {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

// sameElements compares XML whose members may be in another order.
func sameElements(a, b string) bool {
	count := func(s string) map[string]int {
		n := map[string]int{}
		for _, part := range strings.SplitAfter(s, ">") {
			n[part]++
		}
		return n
	}
	return reflect.DeepEqual(count(a), count(b))
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"DatabaseName":"d","TableInput":{"Name":"t\ud83d\ude00","Retention":-1e2,"LastAccessTime":1.5,"Parameters":{"a":null},"StorageDescriptor":{"Columns":[{"Name":"c"}],"Compressed":false}}}`))
	f.Add([]byte(`{"x":[[{"y":1.0e-5}]],"CatalogId":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in glue.CreateTableInput
		if DecodeJSON(data, &in, nil) != nil {
			return
		}
		if len(bytes.TrimSpace(data)) > 0 && !json.Valid(data) && !bytes.Contains(data, []byte(`\`)) { // a skipped member's escapes are not looked at
			t.Fatalf("accepted what is no JSON: %q", data)
		}
		out, err := AppendJSON(nil, &in)
		if err != nil {
			t.Fatal(err)
		}
		var again glue.CreateTableInput
		if err := DecodeJSON(out, &again, nil); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if second, _ := AppendJSON(nil, &again); !bytes.Equal(out, second) {
			t.Fatalf("%s became %s", out, second)
		}
	})
}

func FuzzDecodeCBOR(f *testing.F) {
	for _, v := range []any{
		&cloudwatch.PutMetricDataInput{Namespace: aws.String("n"), MetricData: []cwtypes.MetricDatum{{Value: aws.Float64(1), Timestamp: &when, Values: []float64{1, 2}}}},
		&cloudwatch.PutMetricDataInput{StrictEntityValidation: aws.Bool(true)},
	} {
		for _, epoch := range []Epoch{Seconds, Milliseconds} {
			b, _ := AppendCBOR(nil, v, epoch)
			f.Add(b)
		}
	}
	mode, err := cbor.DecOptions{MaxNestedLevels: 4 * depthMax, MaxArrayElements: elementsMax * 8, MaxMapPairs: elementsMax * 8}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in cloudwatch.PutMetricDataInput
		if DecodeCBOR(data, &in, Seconds, nil) != nil || len(data) == 0 {
			return
		}
		if err := mode.Wellformed(data); err != nil && !strings.Contains(err.Error(), "exceeded max") {
			t.Fatalf("accepted %x: %v", data, err)
		}
		out, err := AppendCBOR(nil, &in, Seconds)
		if err != nil {
			t.Fatal(err)
		}
		var again cloudwatch.PutMetricDataInput
		if err := DecodeCBOR(out, &again, Seconds, nil); err != nil {
			t.Fatalf("%x: %v", out, err)
		}
		if second, _ := AppendCBOR(nil, &again, Seconds); !bytes.Equal(out, second) {
			t.Fatalf("%x became %x", out, second)
		}
	})
}

func FuzzDecodeQuery(f *testing.F) {
	f.Add("MetricData.member.1.MetricName=a&MetricData.member.2.Values.member.1=2&Namespace=x")
	f.Add("MetricData=&Namespace.a.b=1&.=2&..=3")
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		var in cloudwatch.PutMetricDataInput
		if DecodeQuery(form, &in, nil) != nil {
			return
		}
		if _, err := AppendXML(nil, "R", &in); err != nil {
			t.Fatal(err)
		}
	})
}

// AWS takes a number that is too large for its type as the largest, so that the bounds of the member speak.
func TestIntegersSaturate(t *testing.T) {
	for text, want := range map[string]int32{"2147483647": 1<<31 - 1, "2147483648": 1<<31 - 1, "9007199254740992": 1<<31 - 1, "-2147483649": -1 << 31, "34.56": 34} {
		var in kinesis.GetRecordsInput
		if err := DecodeJSON([]byte(`{"Limit":`+text+`}`), &in, nil); err != nil || *in.Limit != want {
			t.Errorf("%s: %d, %v", text, aws.ToInt32(in.Limit), err)
		}
	}
}
