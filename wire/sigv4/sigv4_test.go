package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// The key and the time of the examples in the S3 documentation.
const (
	exampleID     = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// request builds a request from lines: method and target, then headers.
func request(lines ...string) *http.Request {
	method, target, _ := strings.Cut(lines[0], " ")
	r := httptest.NewRequest(method, target, nil)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "Content-Length":
			fmt.Sscan(value, &r.ContentLength)
		default:
			r.Header.Add(name, value)
		}
	}
	return r
}

func authorization(headers, signature string) string {
	return "Authorization: AWS4-HMAC-SHA256 Credential=" + exampleID + "/20130524/us-east-1/s3/aws4_request,SignedHeaders=" + headers + ",Signature=" + signature
}

func chunkedPut(mode, signature string) *http.Request {
	headers := "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"
	return request("PUT /examplebucket/chunkObject.txt", "Host: s3.amazonaws.com", "x-amz-date: 20130524T000000Z",
		"x-amz-storage-class: REDUCED_REDUNDANCY", "Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560",
		"Content-Length: 66824", "x-amz-content-sha256: "+mode, authorization(headers, signature))
}

const chunkedSeed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"

// "Signature calculations" and "Transferring payload in multiple chunks" in the S3 documentation.
func TestDocumentedSignatures(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"get object": request("GET /test.txt", "Host: examplebucket.s3.amazonaws.com", "Range: bytes=0-9", "x-amz-date: 20130524T000000Z", "x-amz-content-sha256: "+emptyPayloadHash,
			authorization("host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")),
		"list": request("GET /?max-keys=2&prefix=J", "Host: examplebucket.s3.amazonaws.com", "x-amz-date: 20130524T000000Z", "x-amz-content-sha256: "+emptyPayloadHash,
			authorization("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")),
		"lifecycle": request("GET /?lifecycle", "Host: examplebucket.s3.amazonaws.com", "x-amz-date: 20130524T000000Z", "x-amz-content-sha256: "+emptyPayloadHash,
			authorization("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")),
		"presigned": request("GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", "Host: examplebucket.s3.amazonaws.com"),
		"chunked":   chunkedPut(SignedChunks, chunkedSeed),
	} {
		sig, err := Parse(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var v Verifier
		if err := v.Verify(r, sig, exampleSecret, sig.PayloadHash(r), true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.Verify(r, sig, "other", sig.PayloadHash(r), true); err != ErrMismatch {
			t.Errorf("%s with another secret: %v", name, err)
		}
		r.Header.Set("x-amz-acl", "public-read")
		if err := v.Verify(r, sig, exampleSecret, sig.PayloadHash(r), true); err != ErrUnsignedHeader {
			t.Errorf("%s with an unsigned header: %v", name, err)
		}
	}
}

func TestVersion2(t *testing.T) {
	// Made with botocore's HmacV1QueryAuth for AK / s3cret.
	for name, r := range map[string]*http.Request{
		"path": request("GET /bucket/a%20b?AWSAccessKeyId=AK&Signature=SIG&Expires=1700000000", "Host: localhost:4566"),
		"host": request("GET /a%20b?AWSAccessKeyId=AK&Signature=SIG&Expires=1700000000", "Host: bucket.s3.localhost:4566"),
	} {
		const want = "krbvktfDwctI0QxTRL2mx6o3m2I="
		sig, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		var v Verifier
		if err := v.Verify(r, sig, "s3cret", "", true); err != ErrMismatch {
			t.Errorf("%s: a wrong signature: %v", name, err)
		}
		sig.hex = want
		if err := v.Verify(r, sig, "s3cret", "", true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := sig.Check(time.Unix(1700000001, 0), 0); err == nil {
			t.Errorf("%s: expired, but accepted", name)
		}
	}
}

func TestParseErrors(t *testing.T) {
	const ok = "Credential=AK/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00"
	for auth, want := range map[string]string{
		"Bearer x":                            "requires 'Credential' parameter",
		"AWS5-HMAC-SHA999 " + ok:              "Unsupported authorization",
		"AWS4-HMAC-SHA256":                    "requires 'Credential' parameter",
		"AWS4-HMAC-SHA256 Credential=AK":      "requires 'Signature' parameter",
		"AWS4-HMAC-SHA256 " + ok[:len(ok)-15]: "requires 'Signature'",
		"AWS4-HMAC-SHA256 " + strings.Replace(ok, "us-east-1/", "", 1):            "5 slash-delimited",
		"AWS4-HMAC-SHA256 " + strings.Replace(ok, "aws4_request", "x", 1):         "5 slash-delimited",
		"AWS4-HMAC-SHA256 " + strings.Replace(ok, "20130524", "20130525", 1):      "does not match",
		"AWS4-HMAC-SHA256 " + strings.Replace(ok, "Headers=host", "Headers=a", 1): "'Host'",
	} {
		r := request("GET /", "x-amz-date: 20130524T000000Z", "Authorization: "+auth)
		var e *FormatError
		if _, err := Parse(r); !errors.As(err, &e) || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v, want %s", auth, err, want)
		}
	}
	if _, err := Parse(request("GET /?a=b")); err != ErrMissing {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := Parse(request("GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256")); err == nil {
		t.Error("a presigned query without its other parameters")
	}
}

func TestCheck(t *testing.T) {
	header := &Signature{Time: exampleTime}
	presigned := &Signature{Time: exampleTime, Presigned: true, Expires: exampleTime.Add(time.Hour)}
	for _, c := range []struct {
		sig *Signature
		at  time.Duration
		ok  bool
	}{
		{header, 5 * time.Minute, true}, {header, 5*time.Minute + time.Second, false},
		{header, -5 * time.Minute, true}, {header, -5*time.Minute - time.Second, false},
		{presigned, time.Hour, true}, {presigned, time.Hour + time.Second, false}, {presigned, -6 * time.Minute, false},
	} {
		if err := c.sig.Check(exampleTime.Add(c.at), 5*time.Minute); (err == nil) != c.ok {
			t.Errorf("presigned %v after %v: %v", c.sig.Presigned, c.at, err)
		}
	}
}

const signedBody = "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + "%s" +
	"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + "%s" +
	"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"

func TestSignedChunks(t *testing.T) {
	sig, err := Parse(chunkedPut(SignedChunks, chunkedSeed))
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(signedBody, strings.Repeat("a", 65536), strings.Repeat("a", 1024))
	read := func(body string) (string, error) {
		var v Verifier
		in, err := v.NewBody(iotest.HalfReader(strings.NewReader(body)), SignedChunks, sig, exampleSecret, http.Header{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(in)
		return string(out), err
	}
	if out, err := read(body); err != nil || out != strings.Repeat("a", 66560) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"changed data":      {strings.Replace(body, "aaa", "aba", 1), ErrMismatch},
		"changed signature": {strings.Replace(body, "=0055", "=0056", 1), ErrMismatch},
		"last chunk cut":    {body[:strings.Index(body, "\r\n0;")], ErrChunkFormat},
		"last chunk forged": {strings.Replace(body, "=b6c6", "=b6c7", 1), ErrMismatch},
		"no signature":      {strings.Replace(body, ";chunk-signature", ";x", 1), ErrMismatch},
		"negative size":     {"-1\r\n", ErrChunkFormat},
		"huge size":         {"fffffffffffffff\r\n", ErrChunkFormat},
		"endless line":      {strings.Repeat("1", 1<<20), ErrChunkFormat},
		"empty":             {"", ErrChunkFormat},
	} {
		if _, err := read(c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// sign makes the body that a client makes of chunks, in any of the chunked modes.
func sign(v *Verifier, sig *Signature, mode string, trailers string, chunks ...string) string {
	last := sig.hex
	next := func(kind, rest string) string {
		last = fmt.Sprintf("%x", mac(v.key(sig, exampleSecret), kind+"\n"+sig.Time.Format(stampLayout)+"\n"+sig.scope()+"\n"+last+"\n"+rest))
		return last
	}
	var b strings.Builder
	for _, c := range append(chunks, "") {
		fmt.Fprintf(&b, "%x", len(c))
		if mode != UnsignedTrailer {
			b.WriteString(";chunk-signature=" + next("AWS4-HMAC-SHA256-PAYLOAD", emptyPayloadHash+"\n"+HashHex([]byte(c))))
		}
		b.WriteString("\r\n")
		if c != "" {
			b.WriteString(c + "\r\n")
		}
	}
	if mode != SignedChunks {
		b.WriteString(strings.ReplaceAll(trailers, "\n", "\r\n"))
	}
	if mode == SignedTrailer {
		b.WriteString("x-amz-trailer-signature:" + next("AWS4-HMAC-SHA256-TRAILER", HashHex([]byte(trailers))) + "\r\n")
	}
	return b.String() + "\r\n"
}

func TestTrailers(t *testing.T) {
	sig, err := Parse(chunkedPut(SignedTrailer, chunkedSeed))
	if err != nil {
		t.Fatal(err)
	}
	var v Verifier
	read := func(mode, body string) (http.Header, error) {
		trailer := http.Header{}
		in, err := v.NewBody(strings.NewReader(body), mode, sig, exampleSecret, trailer)
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(in)
		if err == nil && string(out) != "hello world" {
			t.Errorf("%s: %q", mode, out)
		}
		return trailer, err
	}
	for _, mode := range []string{SignedTrailer, UnsignedTrailer} {
		body := sign(&v, sig, mode, "x-amz-checksum-crc32c:sOO8/Q==\n", "hello ", "world")
		trailer, err := read(mode, body)
		if err != nil || trailer.Get("X-Amz-Checksum-Crc32c") != "sOO8/Q==" {
			t.Errorf("%s: %v, %v", mode, trailer, err)
		}
		if trailer, err := read(mode, strings.TrimSuffix(body, "\r\n")); err != nil || len(trailer) != 1 {
			t.Errorf("%s without the last line: %v, %v", mode, trailer, err)
		}
		if _, err := read(mode, strings.TrimSuffix(body, "\r\n\r\n")); err == nil {
			t.Errorf("%s: cut in the middle of a trailer, but accepted", mode)
		}
	}
	body := sign(&v, sig, SignedTrailer, "x-amz-checksum-crc32c:sOO8/Q==\n", "hello ", "world")
	if _, err := read(SignedTrailer, strings.Replace(body, "sOO8", "sOO9", 1)); err != ErrMismatch {
		t.Errorf("changed trailer: %v", err)
	}
	if _, err := read(SignedTrailer, body[:strings.Index(body, "x-amz-trailer-signature")]+"\r\n"); err != ErrMismatch {
		t.Errorf("unsigned trailer: %v", err)
	}
}

func TestPlainBody(t *testing.T) {
	var v Verifier
	for body, want := range map[string]error{"hello": nil, "hellx": ErrPayloadHash, "": ErrPayloadHash} {
		in, err := v.NewBody(strings.NewReader(body), HashHex([]byte("hello")), nil, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(in); err != want {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
	if _, err := v.NewBody(nil, "nonsense", nil, "", nil); err == nil {
		t.Error("a hash that is none")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AK/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00", "20130524T000000Z", "a=b", "/x%20y")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=1&X-Amz-Expires=5", "/")
	f.Add("", "", "AWSAccessKeyId=A&Signature=b&Expires=1", "/")
	f.Fuzz(func(t *testing.T, auth, date, query, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = path + "?" + query
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Authorization", auth)
		r.Header.Set("X-Amz-Date", date)
		sig, err := Parse(r)
		if err != nil {
			return
		}
		var v Verifier
		if err := v.Verify(r, sig, "a secret that nobody knows", HashHex(nil), true); err == nil {
			t.Fatal("verified")
		}
		sig.Check(exampleTime, time.Minute)
	})
}

func FuzzChunks(f *testing.F) {
	sig, err := Parse(chunkedPut(SignedTrailer, chunkedSeed))
	if err != nil {
		f.Fatal(err)
	}
	modes := []string{SignedChunks, SignedTrailer, UnsignedTrailer}
	for i, mode := range modes {
		f.Add(uint8(i), []byte(sign(&Verifier{}, sig, mode, "x-a:b\n", "hello", "w")))
	}
	f.Fuzz(func(t *testing.T, mode uint8, body []byte) {
		var v Verifier
		in, err := v.NewBody(bytes.NewReader(body), modes[mode%3], sig, exampleSecret, http.Header{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(in)
		if len(out) > len(body) {
			t.Fatalf("%d bytes of %d", len(out), len(body))
		}
		if err == nil && mode%3 != 2 && len(out) > 0 && string(out) != "hellow" {
			t.Fatalf("forged %q", out)
		}
	})
}
