package codec

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	smithytesting "github.com/aws/smithy-go/testing"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/fxamacker/cbor/v2"
)

// The SDK's module holds snapshots of a request and of an answer of every operation, for its own tests. All their values
// follow from the types: a text is its member's name in underscores, a number is 1, a list has two elements. So what a
// snapshot must become can be built by reflection, by filled, without any codec.
//
// The files are read where the module lies, as whoever compiles this package has the module: nothing to copy, and an
// update of the SDK brings its own.

// snapshotted is a call of the client, with its input and output filled.
type snapshotted struct {
	name    string
	in, out any
	call    func(client *kinesis.Client, in any) (out any, err error)
}

// eventStreams have no snapshots in the module: their answers are no single documents.
var eventStreams = []string{"SubscribeToShard"}

func snapshots(t *testing.T) (dir string, all []snapshotted) {
	raw, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/kinesis").Output()
	if dir = strings.TrimSpace(string(raw)); err != nil || dir == "" {
		t.Fatalf("the folder of the SDK's module: %q, %v", dir, err)
	}
	client := reflect.TypeFor[*kinesis.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() != 4 || m.Type.NumOut() != 2 { // the client itself, context, input, options
			continue
		}
		all = append(all, snapshotted{
			name: m.Name, in: filled(m.Type.In(2).Elem()), out: filled(m.Type.Out(0).Elem()),
			call: func(c *kinesis.Client, in any) (any, error) {
				out := m.Func.Call([]reflect.Value{reflect.ValueOf(c), reflect.ValueOf(t.Context()), reflect.ValueOf(in)})
				err, _ := out[1].Interface().(error)
				return out[0].Interface(), err
			},
		})
	}
	if len(all) < 45 {
		t.Fatalf("only %d operations", len(all))
	}
	return dir, all
}

// filled returns a pointer to a struct of the SDK with every member set as in the snapshots.
func filled(t reflect.Type) any {
	p := reflect.New(t)
	fill(p.Elem(), "")
	return p.Interface()
}

var snapshotTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(snapshotTime))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "ResultMetadata" {
				fill(v.Field(i), f.Name)
			}
		}
	case reflect.Slice:
		if v.Type().Elem() == byteType {
			v.SetBytes([]byte("blob"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), "Member")
		fill(v.Index(1), "Member")
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, "Value")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key0"), e)
	case reflect.String:
		if values := v.MethodByName("Values"); values.IsValid() { // an enumeration
			v.Set(values.Call(nil)[0].Index(0))
			return
		}
		v.SetString("__" + name + "__")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}

// snapshot is the body of a snapshot's file, behind its head and an empty line.
func snapshot(t *testing.T, file string) (head string, body []byte) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndex(raw, []byte("\n\n"))
	return string(raw[:end]), raw[end+2:]
}

func noSnapshot(name string) bool { return strings.Contains(strings.Join(eventStreams, " "), name) }

func TestRequestSnapshots(t *testing.T) {
	dir, all := snapshots(t)
	seen := 0
	for _, op := range all {
		body, err := AppendJSON(nil, op.in)
		if err != nil {
			t.Fatal(err)
		}
		if !noSnapshot(op.name) {
			seen++
			head, of := snapshot(t, filepath.Join(dir, "request_snapshot", op.name+".request.snap"))
			if !strings.Contains(head, "X-Amz-Target: Kinesis_20131202."+op.name) {
				t.Fatalf("%s: head %s", op.name, head)
			}
			sameJSON(t, op.name, body, of)
			body = of
		}
		decoded(t, op.name+" in JSON", op.in, func(into any) error { return DecodeJSON(body, into, nil) })
		roundTripCBOR(t, op.name, op.in)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "request_snapshot", "*.snap")); err != nil || len(files) != seen {
		t.Errorf("%d of %d snapshots read, %v", seen, len(files), err)
	}
}

func TestResponseSnapshots(t *testing.T) {
	dir, all := snapshots(t)
	for _, op := range all {
		ours, err := AppendJSON(nil, op.out)
		if err != nil {
			t.Fatal(err)
		}
		roundTripCBOR(t, op.name, op.out)
		if noSnapshot(op.name) {
			continue
		}
		_, theirs := snapshot(t, filepath.Join(dir, "response_snapshot", op.name+".response.snap"))
		if len(theirs) > 0 { // an answer without members has no body there, and {} with us
			sameJSON(t, op.name, ours, theirs)
		}
		decoded(t, op.name+" in JSON", op.out, func(into any) error { return DecodeJSON(theirs, into, nil) })
		got, err := op.call(clientOf(http.StatusOK, ours), op.in)
		if err == nil {
			err = smithytesting.CompareValues(op.out, got)
		}
		if err != nil {
			t.Errorf("the SDK reads our answer of %s %s: %v", op.name, ours, err)
		}
	}
}

func TestErrorSnapshots(t *testing.T) {
	dir, _ := snapshots(t)
	files, err := filepath.Glob(filepath.Join(dir, "response_snapshot", "*.error.snap"))
	if err != nil || len(files) < 17 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".error.snap")
		_, want := snapshot(t, file)
		got, err := AppendFieldsJSON(nil, []Field{{"__type", name}, {"message", "__Message__"}})
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, name, got, want)
	}
}

// The module has no snapshots of event streams. The payload of an event is a document as any other.
func TestEventSnapshots(t *testing.T) {
	want := `{"ChildShards":[CHILD,CHILD],"ContinuationSequenceNumber":"__ContinuationSequenceNumber__","MillisBehindLatest":1,"Records":[RECORD,RECORD]}`
	want = strings.ReplaceAll(want, "CHILD", `{"HashKeyRange":{"EndingHashKey":"__EndingHashKey__","StartingHashKey":"__StartingHashKey__"},"ParentShards":["__Member__","__Member__"],"ShardId":"__ShardId__"}`)
	want = strings.ReplaceAll(want, "RECORD", `{"ApproximateArrivalTimestamp":946684800,"Data":"YmxvYg==","EncryptionType":"NONE","PartitionKey":"__PartitionKey__","SequenceNumber":"__SequenceNumber__"}`)
	event := filled(reflect.TypeFor[types.SubscribeToShardEvent]())
	got, err := AppendJSON(nil, event)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "event", got, []byte(want))
	decoded(t, "event in JSON", event, func(into any) error { return DecodeJSON([]byte(want), into, nil) })
	roundTripCBOR(t, "event", event)
}

// decoded demands that decode gives want.
func decoded(t *testing.T, what string, want any, decode func(into any) error) {
	t.Helper()
	got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
	if err := decode(got); err != nil {
		t.Errorf("%s: %v", what, err)
	} else if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v\nwant %+v", what, got, want)
	}
}

func sameJSON(t *testing.T, what string, got, want []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v in %s", what, err, got)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatalf("%s: %v in %s", what, err, want)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// roundTripCBOR reads v as the Java SDK writes it, and what we write: by ourselves, and with another decoder.
func roundTripCBOR(t *testing.T, what string, v any) {
	t.Helper()
	java := appendJavaCBOR(nil, reflect.ValueOf(v))
	decoded(t, what+" in Java's CBOR", v, func(into any) error { return DecodeCBOR(java, into, Milliseconds, nil) })
	ours, err := AppendCBOR(nil, v, Milliseconds)
	if err != nil {
		t.Fatalf("%s in CBOR: %v", what, err)
	}
	decoded(t, what+" in our CBOR", v, func(into any) error { return DecodeCBOR(ours, into, Milliseconds, nil) })
	var a, b any
	mode, err := cbor.DecOptions{IndefLength: cbor.IndefLengthAllowed}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	if err := mode.Unmarshal(ours, &a); err != nil {
		t.Fatalf("%s: other decoder: %v", what, err)
	}
	if err := mode.Unmarshal(java, &b); err != nil {
		t.Fatalf("%s: other decoder: %v", what, err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s in CBOR: %v, Java writes %v", what, a, b)
	}
	if bytes.Contains(ours, []byte{0xc1, 0xfb}) {
		t.Errorf("%s: a timestamp that is no integer: %x", what, ours)
	}
}

// appendJavaCBOR writes as the Java SDK does: maps and lists of indefinite length, blobs as bytes, timestamps as tag 1 on
// integer milliseconds.
func appendJavaCBOR(b []byte, v reflect.Value) []byte {
	item := func(v any) []byte {
		raw, err := cbor.Marshal(v)
		if err != nil {
			panic(err)
		}
		return raw
	}
	switch v.Kind() {
	case reflect.Pointer:
		return appendJavaCBOR(b, v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			return append(append(b, 0xc1), item(v.Interface().(time.Time).UnixMilli())...)
		}
		b = append(b, 0xbf)
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "ResultMetadata" {
				b = appendJavaCBOR(append(b, item(f.Name)...), v.Field(i))
			}
		}
		return append(b, 0xff)
	case reflect.Map:
		b = append(b, 0xbf)
		for _, k := range v.MapKeys() {
			b = appendJavaCBOR(append(b, item(k.String())...), v.MapIndex(k))
		}
		return append(b, 0xff)
	case reflect.Slice:
		if v.Type().Elem() == byteType {
			return append(b, item(v.Bytes())...)
		}
		b = append(b, 0x9f)
		for i := range v.Len() {
			b = appendJavaCBOR(b, v.Index(i))
		}
		return append(b, 0xff)
	case reflect.String:
		return append(b, item(v.String())...)
	}
	return append(b, item(v.Interface())...)
}

// clientOf is a client whose every call is answered with body.
func clientOf(status int, body []byte) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		// The texts of the snapshots are no ARNs, which the SDK's own rules would look into.
		BaseEndpoint: aws.String("http://snapshot.test"),
		HTTPClient: smithyhttp.ClientDoFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
				ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r,
			}, nil
		}),
	})
}
