package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/weir-data/weir/wire/sigv4"
)

// send posts body with headers, given as "Name: value" lines.
func send(t *testing.T, target, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest("POST", target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	jsonType = "Content-Type: application/x-amz-json-1.1"
	cborType = "Content-Type: application/x-amz-cbor-1.1"
	formType = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
)

func TestEnvelopes(t *testing.T) {
	base, got := start(t, Options{})
	for _, c := range []struct {
		name    string
		path    string
		body    string
		headers []string
		status  int
		want    string // regular expression of the whole body
	}{
		{"json", "/", `{"PartitionKey":"k"}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.PutRecord"}, 200,
			`{"SequenceNumber":"49","ShardId":"shardId-000000000000"}`},
		{"json exception", "/", `{}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.DescribeStream"}, 400,
			`{"__type":"ResourceNotFoundException","message":"no such stream"}`},
		{"json wrong type", "/", `{"PartitionKey":5}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.PutRecord"}, 400,
			`{"__type":"SerializationException","Message":"NUMBER_VALUE cannot be converted to String"}`},
		{"json without a body", "/", "", []string{jsonType, "X-Amz-Target: Kinesis_20131202.PutRecord"}, 400,
			`{"__type":"SerializationException","Message":"The request has no body."}`},
		{"json without a target", "/", `{}`, []string{jsonType}, 400, `{"__type":"UnknownOperationException","message":"Unknown operation "}`},
		{"json more members", "/", `{}`, []string{jsonType, "X-Amz-Target: AWSGlue.CreateTable"}, 400,
			`{"__type":"AlreadyExistsException","message":"Table already exists.","ThrottleReasons":"none"}`},
		{"unknown operation", "/", `{}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.Nothing"}, 400,
			`{"__type":"UnknownOperationException","message":"Unknown operation Nothing"}`},
		{"unknown service", "/", `{}`, []string{jsonType, "X-Amz-Target: Nobody.Nothing"}, 400,
			`{"__type":"UnknownOperationException","message":"Unknown operation Nobody.Nothing"}`},
		{"query", "/", "Action=GetCallerIdentity&Version=2011-06-15", []string{formType}, 200,
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n<GetCallerIdentityResult><Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn><UserId>000000000000</UserId></GetCallerIdentityResult>\n<ResponseMetadata><RequestId>[0-9a-f-]{36}</RequestId></ResponseMetadata>\n</GetCallerIdentityResponse>\n`},
		{"query exception", "/", "Action=GetMetricStatistics&Version=2010-08-01&Period=7", []string{formType}, 400,
			`<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">\n<Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>Period must be a multiple of 60</Message></Error>\n<RequestId>[0-9a-f-]{36}</RequestId>\n</ErrorResponse>\n`},
		{"query without action", "/", "a=b", []string{formType}, 400, `(?s).*<Code>MissingAction</Code>.*`},
		{"query of another version", "/", "Action=GetCallerIdentity&Version=1999-01-01", []string{formType}, 400, `(?s).*<Code>InvalidAction</Code><Message>Could not find operation GetCallerIdentity for version 1999-01-01</Message>.*`},
		{"query in the path", "/?Action=GetCallerIdentity&Version=2011-06-15", "", nil, 200, `(?s)<GetCallerIdentityResponse.*`},
		{"fallback", "/bucket", "", nil, 404, "404 page not found\n"},
	} {
		res := send(t, base+c.path, c.body, c.headers...)
		body := text(t, res)
		if res.StatusCode != c.status || !regexp.MustCompile("^(?:"+c.want+")$").MatchString(body) {
			t.Errorf("%s: %d %s", c.name, res.StatusCode, body)
		}
		if c.name != "fallback" && len(res.Header.Get("X-Amzn-Requestid")) != 36 {
			t.Errorf("%s: no request id", c.name)
		}
	}
	if *got.put.PartitionKey != "k" {
		t.Errorf("got %+v", got.put)
	}
}

func TestJavaClient(t *testing.T) {
	base, got := start(t, Options{})
	put, _ := hex.DecodeString("bf" + "6444617461" + "43010203" + "6c506172746974696f6e4b6579" + "616b" + "ff")
	res := send(t, base, string(put), cborType, "X-Amz-Target: Kinesis_20131202.PutRecord")
	var answer map[string]string
	if err := cbor.Unmarshal([]byte(text(t, res)), &answer); err != nil || answer["ShardId"] != "shardId-000000000000" || res.Header.Get("Content-Type") != "application/x-amz-cbor-1.1" {
		t.Errorf("%v %v %v", answer, err, res.Header)
	}
	if string(got.put.Data) != "\x01\x02\x03" {
		t.Errorf("got %+v", got.put)
	}
	res = send(t, base, "\xa0", cborType, "X-Amz-Target: Kinesis_20131202.GetRecords")
	if body := text(t, res); !strings.Contains(body, "\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b") {
		t.Errorf("timestamp is no tagged integer of milliseconds: %x", body)
	}
	res = send(t, base, "\xa0", cborType, "X-Amz-Target: Kinesis_20131202.DescribeStream")
	if err := cbor.Unmarshal([]byte(text(t, res)), &answer); err != nil || answer["__type"] != "ResourceNotFoundException" || res.StatusCode != 400 {
		t.Errorf("%d %v %v", res.StatusCode, answer, err)
	}
}

func TestRPCErrors(t *testing.T) {
	base, _ := start(t, Options{})
	rpc := []string{"Smithy-Protocol: rpc-v2-cbor", "Content-Type: application/cbor"}
	for path, want := range map[string]struct {
		name   string
		status int
	}{
		"/service/GraniteServiceVersion20100801/operation/Nothing": {"UnknownOperationException", 404},
		"/service/Nobody/operation/PutMetricData":                  {"UnknownOperationException", 404},
		"/service/GraniteServiceVersion20100801":                   {"UnknownOperationException", 404},
	} {
		res := send(t, base+path, "", rpc...)
		var answer map[string]string
		if err := cbor.Unmarshal([]byte(text(t, res)), &answer); err != nil || answer["__type"] != want.name || res.StatusCode != want.status {
			t.Errorf("%s: %d %v %v", path, res.StatusCode, answer, err)
		}
	}
}

func TestBodyBounds(t *testing.T) {
	opts := Options{Logger: nil}
	services := fakeServices(&seen{})
	services[0].BodyMax = 1000
	srv, err := NewServer(opts, services...)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	defer hs.Close()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(bytes.Repeat([]byte(" "), 100_000))
	z.Close()
	target := "X-Amz-Target: Kinesis_20131202.PutRecord"
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
	}{
		"fits":         {strings.Repeat(" ", 998) + "{}", nil, 200},
		"large":        {strings.Repeat(" ", 1001), nil, 413},
		"zipped":       {bomb.String(), []string{"Content-Encoding: gzip"}, 413},
		"no gzip":      {"{}", []string{"Content-Encoding: gzip"}, 400},
		"cut gzip":     {bomb.String()[:bomb.Len()-9], []string{"Content-Encoding: gzip"}, 413},
		"odd encoding": {"{}", []string{"Content-Encoding: br"}, 415},
	} {
		res := send(t, hs.URL, c.body, append(c.headers, jsonType, target)...)
		if res.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, res.StatusCode, text(t, res))
		}
	}
}

// All bodies together take no more than their budget, and give all of it back.
func TestBodyBudget(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	srv, err := NewServer(Options{}, Service{Name: "kinesis", Target: "K", JSON: "1.1", Operations: []Operation{
		Raw("Wait", func(_ context.Context, r *Request, _ http.ResponseWriter) error {
			entered <- struct{}{}
			<-leave
			if len(r.Body) != 600<<10 || r.Body[len(r.Body)-1] != 'x' {
				t.Errorf("%d bytes came in", len(r.Body))
			}
			return nil
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv.bodies.left.Store(3 << 19)
	post := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 600<<10)))
		r.Header.Set("X-Amz-Target", "K.Wait")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w
	}
	done := make(chan int)
	for range 2 {
		go func() { done <- post().Code }()
		<-entered
	}
	if w := post(); w.Code != 400 || !strings.Contains(w.Body.String(), "ThrottlingException") {
		t.Errorf("the third at once: %d %s", w.Code, w.Body)
	}
	close(leave)
	if a, b := <-done, <-done; a != 200 || b != 200 {
		t.Errorf("the first two: %d %d", a, b)
	}
	if left := srv.bodies.left.Load(); left != 3<<19 {
		t.Errorf("%d bytes of the budget are left", left)
	}
}

func TestMissingSignature(t *testing.T) {
	base, _ := start(t, Options{Credentials: keyring{"AK": "s3cret"}})
	for _, c := range []struct {
		body    string
		headers []string
		status  int
		want    string
	}{
		{`{}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.PutRecord"}, 400, `"MissingAuthenticationTokenException","message":"Missing Authentication Token"`},
		{`{}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.PutRecord", "Authorization: AWS4-HMAC-SHA256 Credential=AK"}, 400, `"IncompleteSignatureException","message":"Authorization header requires 'Signature' parameter.`},
		{`{}`, []string{jsonType, "X-Amz-Target: Kinesis_20131202.Nothing"}, 400, "UnknownOperationException"},
		{"Action=GetCallerIdentity&Version=2011-06-15", []string{formType}, 403, "<Code>MissingAuthenticationToken</Code><Message>Request is missing Authentication Token</Message>"},
		{"Action=GetCallerIdentity&Version=2011-06-15", []string{formType, "Authorization: AWS4-HMAC-SHA256 Credential=AK"}, 403, "<Code>IncompleteSignature</Code>"},
	} {
		res := send(t, base, c.body, c.headers...)
		if body := text(t, res); res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%v: %d %s", c.headers, res.StatusCode, body)
		}
	}
}

// What AWS says of signatures that are not whole, as kinesalite's tests saw it.
func TestIncompleteSignature(t *testing.T) {
	base, _ := start(t, Options{Credentials: keyring{"AK": "s3cret"}})
	header := func(name string) string { return "Authorization header requires '" + name + "' parameter. " }
	query := func(names ...string) string {
		text := ""
		for _, name := range names {
			text += "AWS query-string parameters must include '" + name + "'. "
		}
		return text + "Re-examine the query-string parameters."
	}
	const dated = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	const incomplete = "IncompleteSignatureException"
	for _, c := range []struct{ path, authorization, date, name, message string }{
		{"/", "X", "", incomplete, header("Credential") + header("Signature") + header("SignedHeaders") + dated + "Authorization=X"},
		{"/?X-Amz-Algorith", "X", "", incomplete, header("Credential") + header("Signature") + header("SignedHeaders") + dated + "Authorization=X"},
		{"/", "AWS4- Signature=b Credential=a", "a", incomplete, header("SignedHeaders") + "Authorization=AWS4- Signature=b Credential=a"},
		{"/", "AWS4- Signature=b,Credential=a", "a", incomplete, header("SignedHeaders") + "Authorization=AWS4- Signature=b,Credential=a"},
		{"/", "AWS4- Signature=b, Credential=a", "a", incomplete, header("SignedHeaders") + "Authorization=AWS4- Signature=b, Credential=a"},
		{"/?X-Amz-Algorithm", "", "", incomplete, query("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")},
		{"/?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d", "", "", incomplete, query("X-Amz-SignedHeaders")},
		{"/?X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-SignedHeaders=c&X-Amz-Date=d", "", "", "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"/?X-Amz-Algorithm", "X", "", "InvalidSignatureException", "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."},
	} {
		headers := []string{"Content-Type:    application/x-amz-json-1.1   ;whatever", "X-Amz-Target: Kinesis_20131202.PutRecord"}
		if c.authorization != "" {
			headers = append(headers, "Authorization: "+c.authorization)
		}
		if c.date != "" {
			headers = append(headers, "Date: "+c.date)
		}
		res := send(t, base+c.path, `{}`, headers...)
		var got struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(text(t, res)), &got); err != nil || res.StatusCode != 400 || got.Type != c.name || got.Message != c.message {
			t.Errorf("%+v:\n\t%d %+v, %v", c, res.StatusCode, got, err)
		}
		id2, err := base64.StdEncoding.DecodeString(res.Header.Get("X-Amz-Id-2"))
		if err != nil || len(id2) < 64 || len(id2) > 80 || len(res.Header.Get("X-Amzn-Requestid")) != 36 || res.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("headers %v", res.Header)
		}
	}
}

func TestGuard(t *testing.T) {
	open := Guard(GuardOptions{Hosts: []string{"weir"}}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	signed := Guard(GuardOptions{Verified: true}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		method, target string
		headers        string
		open, signed   bool
	}{
		{"POST", "http://localhost:4566/", "", true, true},
		{"POST", "http://127.0.0.1:4566/", "", true, true},
		{"POST", "http://[::1]:4566/", "", true, true},
		{"POST", "http://192.168.1.5:4566/", "", true, true},
		{"GET", "http://bucket.localhost:4566/k", "", true, true},
		{"GET", "http://my.bucket.s3.LOCALHOST/k", "", true, true},
		{"POST", "http://weir:4566/", "", true, true},
		{"GET", "http://bucket.weir:4566/", "", true, true},
		{"POST", "http://evil.example:4566/", "", false, true},
		{"POST", "http://localhost.evil.example/", "", false, true},
		{"POST", "http://127.0.0.1.evil.example/", "", false, true},
		{"POST", "http://localhost:4566/", "Origin: http://localhost:4566", true, true},
		{"POST", "http://localhost:4566/", "Origin: http://localhost:3000", false, false},
		{"POST", "http://localhost:4566/", "Origin: https://evil.example", false, false},
		{"POST", "http://localhost:4566/", "Origin: null", false, false},
		{"GET", "http://localhost:4566/b/k", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors", false, false},
		{"GET", "http://localhost:4566/b/k", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate", true, true},
		{"GET", "http://localhost:4566/?Action=DeleteRole", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate", false, false},
		{"GET", "http://localhost:4566/", "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors", true, true},
		{"GET", "http://localhost:4566/", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate", true, true},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		for line := range strings.SplitSeq(c.headers, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				r.Header.Set(name, value)
			}
		}
		answer := func(h http.Handler) bool {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code == 200
		}
		if answer(open) != c.open || answer(signed) != c.signed {
			t.Errorf("%s %s %s: open %v, signed %v", c.method, c.target, c.headers, answer(open), answer(signed))
		}
	}
}

func TestViolations(t *testing.T) {
	var v Violations
	if v.Err() != nil {
		t.Error("no violation, but an error")
	}
	empty, long := "", "aä"
	v.Length(&empty, "streamName", 1, 128)
	if err := v.Err().(*Error); err.Message != "1 validation error detected: Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1" || err.Name != "ValidationException" {
		t.Error(err)
	}
	v.Required(false, "data")
	v.Length(&long, "x", 1, 2)
	v.Length(nil, "x", 1, 2)
	n := int32(10001)
	Range(&v, &n, "limit", 1, 10000)
	Enum(&v, "B", "kind", []string{"A", "C"})
	Enum(&v, "", "kind", []string{"A", "C"})
	v.Pattern(&long, "x", Pattern{"[a-z]+", func(string) bool { return false }})
	want := "5 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value null at 'data' failed to satisfy constraint: Member must not be null; Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000; Value 'B' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [A, C]; Value 'aä' at 'x' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"
	if err := v.Err().(*Error); err.Message != want {
		t.Errorf("\n%s\n%s", err.Message, want)
	}
}

func TestNewServerErrors(t *testing.T) {
	op := Raw("A", nil)
	for name, services := range map[string][]Service{
		"operation twice": {{Name: "a", Target: "T", Operations: []Operation{op, op}}},
		"target twice":    {{Name: "a", Target: "T"}, {Name: "b", Target: "T"}},
		"shape twice":     {{Name: "a", ShapeName: "T"}, {Name: "b", ShapeName: "T"}},
	} {
		if _, err := NewServer(Options{}, services...); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-leave
		}
		io.WriteString(w, r.Proto)
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, ln, h) }()
	get := func(path string, p func(*http.Protocols)) string {
		var protocols http.Protocols
		p(&protocols)
		client := http.Client{Transport: &http.Transport{Protocols: &protocols}}
		defer client.CloseIdleConnections()
		res, err := client.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	one := func(p *http.Protocols) { p.SetHTTP1(true) }
	two := func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }
	if a, b := get("/", one), get("/", two); a != "HTTP/1.1" || b != "HTTP/2.0" {
		t.Errorf("served %s and %s", a, b)
	}
	slow := make(chan string)
	go func() { slow <- get("/slow", one) }()
	<-entered
	stop()
	close(leave)
	if got := <-slow; got != "HTTP/1.1" {
		t.Errorf("a request under way was cut: %s", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), ln, h); err == nil {
		t.Error("serving on a closed listener")
	}
}

// BenchmarkSignedPut is the cost of the front door for a PutRecords request of 302 KB, signature check included.
func BenchmarkSignedPut(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 302_000)
	services := []Service{{Name: "kinesis", Target: "Kinesis_20131202", JSON: "1.1", Operations: []Operation{
		Raw("PutRecords", func(_ context.Context, r *Request, w http.ResponseWriter) error { return nil }),
	}}}
	for _, signed := range []bool{true, false} {
		name, opts := "open", Options{}
		if signed {
			name, opts.Credentials = "signed", keyring{"AK": "s3cret"}
		}
		b.Run(name, func(b *testing.B) {
			srv, err := NewServer(opts, services...)
			if err != nil {
				b.Fatal(err)
			}
			proto := httptest.NewRequest("POST", "http://localhost/", nil)
			proto.Header.Set("X-Amz-Target", "Kinesis_20131202.PutRecords")
			proto.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
			proto.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AK/"+time.Now().UTC().Format("20060102")+"/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=00")
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r := *proto
				r.Body = io.NopCloser(bytes.NewReader(body))
				r.ContentLength = int64(len(body))
				w := httptest.NewRecorder()
				srv.ServeHTTP(w, &r)
			}
		})
	}
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			sigv4.HashHex(body)
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("POST", "/", "Kinesis_20131202.PutRecord", "application/x-amz-json-1.1", "{}")
	f.Add("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", "", "application/cbor", "\xbf\xff")
	f.Add("POST", "/?Action=AssumeRole", "", "application/x-www-form-urlencoded", "Version=2011-06-15&RoleArn=x")
	srv, err := NewServer(Options{}, fakeServices(&seen{})...)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, amzTarget, contentType, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || strings.Contains(amzTarget, "DeleteStream") || strings.Contains(amzTarget, "ListStreams") || strings.Contains(amzTarget, "PutRecords") {
			return // the fakes that panic or fail on purpose
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		r.Header.Set("X-Amz-Target", amzTarget)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
