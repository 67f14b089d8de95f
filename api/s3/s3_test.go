package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

type keyring struct{}

func (keyring) Lookup(id, _ string) (string, wire.Identity, error) {
	if id != "AK" {
		return "", wire.Identity{}, errors.New("unknown key")
	}
	return "secret", wire.Identity{Account: "000000000000"}, nil
}

// service is S3 behind the front door. Without verified, requests need no signature.
type service struct {
	*s3.Client
	url     string
	handler *Handler
}

func start(t testing.TB, verified bool) service {
	t.Helper()
	db := meta.NewMem()
	store, err := file.Open("objects", db, file.Options{FS: vfs.NewCrashable()})
	if err != nil {
		t.Fatal(err)
	}
	var server *wire.Server
	handler := New(Options{
		Store: store, PartBytesMin: 100,
		Authenticate: func(r *http.Request) (*http.Request, error) { return server.Authenticate(r) },
	})
	opts := wire.Options{Fallback: handler}
	if verified {
		opts.Credentials = keyring{}
	}
	if server, err = wire.NewServer(opts); err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(server)
	t.Cleanup(func() {
		hs.Close()
		if err := errors.Join(store.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	client := s3.New(s3.Options{
		BaseEndpoint: &hs.URL, Region: "us-east-1", UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AK", "secret", ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lake")}); err != nil {
		t.Fatal(err)
	}
	return service{client, hs.URL, handler}
}

func (s service) put(t *testing.T, key, body string) *s3.PutObjectOutput {
	t.Helper()
	out, err := s.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("lake"), Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// raw sends a request as it is: "METHOD /path", then lines "Header: value", an empty line, and the body.
func (s service) raw(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	first, headers, _ := strings.Cut(head, "\n")
	method, target, _ := strings.Cut(first, " ")
	req, err := http.NewRequest(method, s.url+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(headers, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			req.Header.Set(name, value)
			if name == "Host" {
				req.Host = value
			}
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(answer)
}

func TestErrors(t *testing.T) {
	s := start(t, false)
	s.put(t, "k", "0123456789")
	for request, want := range map[string]string{
		"GET /nowhere":                                            "404 NoSuchBucket",
		"GET /nowhere/k":                                          "404 NoSuchBucket",
		"GET /lake/none":                                          "404 NoSuchKey",
		"GET /No_Bucket/k":                                        "400 InvalidBucketName",
		"GET /a":                                                  "400 InvalidBucketName",
		"PUT /192.168.5.4":                                        "400 InvalidBucketName",
		"DELETE /lake":                                            "409 BucketNotEmpty",
		"POST /lake/k":                                            "501 NotImplemented",
		"GET /lake/k?torrent":                                     "501 NotImplemented",
		"PATCH /lake/k":                                           "405 MethodNotAllowed",
		"GET /lake/k?versionId=":                                  "400 InvalidArgument",
		"GET /lake/k?versionId=zz":                                "404 NoSuchVersion",
		"GET /lake/k\nRange: bytes=10-":                           "416 InvalidRange",
		"GET /lake/k?partNumber=2":                                "416 InvalidPartNumber",
		"GET /lake/k\nIf-Match: \"x\"":                            "412 PreconditionFailed",
		"GET /lake/" + strings.Repeat("k", 1025):                  "400 KeyTooLongError",
		"GET /lake/k\nX-Amz-Expected-Bucket-Owner: 1":             "403 AccessDenied",
		"GET /lake?list-type=3":                                   "400 InvalidArgument",
		"GET /lake?list-type=2&max-keys=-1":                       "400 InvalidArgument",
		"GET /lake?list-type=2&max-keys=x":                        "400 InvalidArgument",
		"GET /lake?list-type=2&continuation-token=%25":            "400 InvalidArgument",
		"GET /lake?list-type=2&encoding-type=x":                   "400 InvalidArgument",
		"GET /lake?versions&version-id-marker=v":                  "400 InvalidArgument",
		"GET /lake/k?uploadId=none":                               "404 NoSuchUpload",
		"PUT /lake/k?uploadId=none&partNumber=0\n\nx":             "400 InvalidArgument",
		"PUT /lake/k?uploadId=none&partNumber=10001\n\nx":         "400 InvalidArgument",
		"PUT /lake/k?uploadId=none&partNumber=1\n\nx":             "404 NoSuchUpload",
		"PUT /lake/x\nContent-MD5: AAAA\n\nx":                     "400 InvalidDigest",
		"PUT /lake/x\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\n\nx": "400 BadDigest",
		"PUT /lake/x\nx-amz-checksum-crc32: AAAAAA==\n\nx":        "400 BadDigest",
		"PUT /lake/x\nx-amz-checksum-crc32: AAAA\n\nx":            "400 InvalidRequest",
		"PUT /lake/x\nx-amz-checksum-crc32: AAAAAA==\nx-amz-checksum-crc32c: AAAAAA==\n\nx":                                                  "400 InvalidRequest",
		"PUT /lake/x\nx-amz-sdk-checksum-algorithm: CRC32\n\nx":                                                                              "400 InvalidRequest",
		"PUT /lake/x\nX-Amz-Content-Sha256: " + strings.Repeat("0", 64) + "\n\nx":                                                            "400 XAmzContentSHA256Mismatch",
		"PUT /lake/x\nIf-None-Match: \"x\"\n\nx":                                                                                             "501 NotImplemented",
		"PUT /lake/k\nIf-None-Match: *\n\nx":                                                                                                 "412 PreconditionFailed",
		"PUT /lake/none\nIf-Match: \"x\"\n\nx":                                                                                               "404 NoSuchKey",
		"PUT /lake/x\nx-amz-server-side-encryption: aws:kms\n\nx":                                                                            "501 NotImplemented",
		"PUT /lake/x\nx-amz-server-side-encryption: rot13\n\nx":                                                                              "400 InvalidArgument",
		"PUT /lake/x\nx-amz-storage-class: GLACIER\n\nx":                                                                                     "501 NotImplemented",
		"PUT /lake/x\nx-amz-storage-class: COLD\n\nx":                                                                                        "400 InvalidStorageClass",
		"PUT /lake/x\nx-amz-acl: public-read\n\nx":                                                                                           "400 AccessControlListNotSupported",
		"PUT /lake/x\nx-amz-tagging: a=1&a=2\n\nx":                                                                                           "400 InvalidTag",
		"PUT /lake/x\nx-amz-meta-a: " + strings.Repeat("v", 2050) + "\n\nx":                                                                  "400 MetadataTooLarge",
		"PUT /lake/x\nx-amz-copy-source: lake/none":                                                                                          "404 NoSuchKey",
		"PUT /lake/x\nx-amz-copy-source: lake":                                                                                               "400 InvalidArgument",
		"PUT /lake/k\nx-amz-copy-source: lake/k":                                                                                             "400 InvalidRequest",
		"PUT /lake/x\nx-amz-copy-source: lake/k\nx-amz-metadata-directive: ADD":                                                              "400 InvalidArgument",
		"PUT /lake/x\nx-amz-copy-source: lake/k\nx-amz-copy-source-if-match: \"x\"":                                                          "412 PreconditionFailed",
		"POST /lake/x?uploads\nx-amz-checksum-algorithm: MD5":                                                                                "400 InvalidRequest",
		"POST /lake/x?uploads\nx-amz-checksum-algorithm: SHA256\nx-amz-checksum-type: FULL_OBJECT":                                           "400 InvalidRequest",
		"POST /lake?delete\n\n<Delete><Object><Key>k</Key></Object></Delete>":                                                                "400 InvalidRequest",
		"PUT /new-bucket\n\n<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>":          "400 IllegalLocationConstraintException",
		"PUT /lake?versioning\n\n<VersioningConfiguration/>":                                                                                 "400 IllegalVersioningConfigurationException",
		"PUT /lake?tagging\n\nnot xml":                                                                                                       "400 MalformedXML",
		"PUT /lake?tagging\n\n<Tagging></Tagging><x/>":                                                                                       "400 MalformedXML",
		"PUT /lake?policy\n\n{":                                                                                                              "400 MalformedPolicy",
		"PUT /lake?website\n\n<WebsiteConfiguration/>":                                                                                       "400 MalformedXML",
		"PUT /lake?replication\n\n<ReplicationConfiguration><Rule><Status>Enabled</Status></Rule></ReplicationConfiguration>":                "400 InvalidRequest",
		"PUT /lake?notification\n\n<NotificationConfiguration><TopicConfiguration/></NotificationConfiguration>":                             "501 NotImplemented",
		"PUT /lake?acl\nx-amz-acl: public-read":                                                                                              "400 AccessControlListNotSupported",
		"PUT /lake?logging\n\n<BucketLoggingStatus><LoggingEnabled><TargetBucket>none</TargetBucket></LoggingEnabled></BucketLoggingStatus>": "400 InvalidTargetBucketForLogging",
		"GET /lake?cors":           "404 NoSuchCORSConfiguration",
		"GET /lake?lifecycle":      "404 NoSuchLifecycleConfiguration",
		"GET /lake?policy":         "404 NoSuchBucketPolicy",
		"GET /lake?tagging":        "404 NoSuchTagSet",
		"GET /lake?website":        "404 NoSuchWebsiteConfiguration",
		"GET /lake?replication":    "404 ReplicationConfigurationNotFoundError",
		"GET /lake?object-lock":    "404 ObjectLockConfigurationNotFoundError",
		"GET /lake?analytics&id=x": "404 NoSuchConfiguration",
		"GET /nowhere?cors":        "404 NoSuchBucket",
		"GET /lake/k?attributes":   "400 InvalidRequest",
		"GET /lake/none?tagging":   "404 NoSuchKey",
		"OPTIONS /lake/k\nOrigin: http://x\nAccess-Control-Request-Method: GET": "403 AccessForbidden",
	} {
		res, body := s.raw(t, request)
		var e struct{ Code, Message, RequestId, HostId string }
		if err := xml.Unmarshal([]byte(body), &e); err != nil {
			t.Errorf("%.80q: %d %q: %v", request, res.StatusCode, body, err)
			continue
		}
		if got := fmt.Sprint(res.StatusCode, " ", e.Code); got != want || e.Message == "" || e.RequestId == "" || e.HostId == "" {
			t.Errorf("%.80q: %s, want %s: %s", request, got, want, body)
		}
	}
	if _, err := s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("lake"), Key: aws.String("x")}); code(err) != "NotFound" {
		t.Errorf("a refused put left something: %v", err)
	}
}

// Signatures are verified on the way in, and the content of signed bodies.
func TestSignatures(t *testing.T) {
	s := start(t, true)
	s.put(t, "ü + % space/é=1", "signed")
	res, body := s.raw(t, "GET /lake/k")
	if res.StatusCode != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("unsigned: %d %s", res.StatusCode, body)
	}
	thief := s3.New(s3.Options{ // of its own: signers share keys by access key id
		BaseEndpoint: &s.url, Region: "us-east-1", UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AK", "wrong", ""),
	})
	if _, err := thief.ListBuckets(t.Context(), nil); code(err) != "SignatureDoesNotMatch" {
		t.Errorf("wrong secret: %v", err)
	}
	in := &s3.GetObjectInput{Bucket: aws.String("lake"), Key: aws.String("ü + % space/é=1"), ResponseContentType: aws.String("x/y")}
	signed, err := s3.NewPresignClient(s.Client).PresignGetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.Get(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if raw, _ := io.ReadAll(got.Body); string(raw) != "signed" || got.Header.Get("Content-Type") != "x/y" {
		t.Errorf("presigned: %d %q", got.StatusCode, raw)
	}
}

func TestGet(t *testing.T) {
	s := start(t, false)
	etag := aws.ToString(s.put(t, "k", "0123456789").ETag)
	s.raw(t, "PUT /lake/m\nContent-Type: text/x\nCache-Control: no-store\nX-Amz-Meta-Mixed: Case\nx-amz-tagging: a=1&b=2\n\nbody")
	for _, c := range []struct{ request, status, body string }{
		{"GET /lake/k", "200", "0123456789"},
		{"GET /lake/k\nRange: bytes=2-4", "206", "234"},
		{"GET /lake/k\nRange: bytes=-4", "206", "6789"},
		{"GET /lake/k\nRange: bytes=7-", "206", "789"},
		{"GET /lake/k\nRange: bytes=4-2", "200", "0123456789"},
		{"GET /lake/k\nRange: bytes=1-2,4-5", "200", "0123456789"},
		{"GET /lake/k\nRange: lines=1-2", "200", "0123456789"},
		{"GET /lake/k?partNumber=1", "206", "0123456789"},
		{"GET /lake/k\nIf-None-Match: " + etag, "304", ""},
		{"GET /lake/k\nIf-None-Match: \"x\"", "200", "0123456789"},
		{"GET /lake/k\nIf-Match: " + etag, "200", "0123456789"},
		{"GET /lake/k\nIf-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "304", ""},
		{"GET /lake/k\nIf-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "200", "0123456789"},
		{"GET /lake/k\nIf-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "200", "0123456789"},
		{"HEAD /lake/k", "200", ""},
		{"HEAD /lake/none", "404", ""},
		{"GET /k\nHost: lake.localhost", "200", "0123456789"},
		{"GET /k\nHost: lake.s3.amazonaws.com:80", "200", "0123456789"},
	} {
		res, body := s.raw(t, c.request)
		if fmt.Sprint(res.StatusCode) != c.status || body != c.body {
			t.Errorf("%q: %d %q, want %s %q", c.request, res.StatusCode, body, c.status, c.body)
		}
	}
	res, _ := s.raw(t, "GET /lake/m?response-cache-control=private")
	for name, want := range map[string]string{
		"Content-Type": "text/x", "Cache-Control": "private", "X-Amz-Meta-Mixed": "Case", "X-Amz-Tagging-Count": "2",
		"Accept-Ranges": "bytes", "Content-Length": "4",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestChecksums(t *testing.T) {
	s := start(t, true)
	ctx := t.Context()
	data := bytes.Repeat([]byte("checksum me "), 100)
	for _, alg := range types.ChecksumAlgorithm("").Values() {
		if algorithmOf(string(alg)) == nil {
			continue // newer than S3's five
		}
		single, err := s.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String("single"), Body: bytes.NewReader(data), ChecksumAlgorithm: alg})
		if err != nil {
			t.Fatal(alg, err)
		}
		got, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("lake"), Key: aws.String("single"), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(alg, err)
		}
		if raw, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(raw, data) || got.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: %d bytes, %v, %s", alg, len(raw), err, got.ChecksumType)
		}
		for _, kind := range []types.ChecksumType{types.ChecksumTypeFullObject, types.ChecksumTypeComposite} {
			whole, err := s.inParts(t, alg, kind, data[:500], data[500:])
			full := algorithmOf(string(alg)).poly != 0
			allowed := kind == types.ChecksumTypeFullObject && full || kind == types.ChecksumTypeComposite && alg != types.ChecksumAlgorithmCrc64nvme
			if (err == nil) != allowed {
				t.Errorf("%s %s: %v", alg, kind, err)
			}
			if err != nil {
				continue
			}
			one, many := sums(single), sums(whole)
			if kind == types.ChecksumTypeFullObject && one != many || kind == types.ChecksumTypeComposite && !strings.HasSuffix(many, "-2") {
				t.Errorf("%s %s: %s in one, %s in parts", alg, kind, one, many)
			}
		}
	}
}

// sums is the one checksum of an answer.
func sums(out any) string {
	switch o := out.(type) {
	case *s3.PutObjectOutput:
		return aws.ToString(o.ChecksumCRC32) + aws.ToString(o.ChecksumCRC32C) + aws.ToString(o.ChecksumCRC64NVME) + aws.ToString(o.ChecksumSHA1) + aws.ToString(o.ChecksumSHA256)
	case *s3.CompleteMultipartUploadOutput:
		return aws.ToString(o.ChecksumCRC32) + aws.ToString(o.ChecksumCRC32C) + aws.ToString(o.ChecksumCRC64NVME) + aws.ToString(o.ChecksumSHA1) + aws.ToString(o.ChecksumSHA256)
	}
	return ""
}

func (s service) inParts(t *testing.T, alg types.ChecksumAlgorithm, kind types.ChecksumType, bodies ...[]byte) (*s3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	ctx, bucket, key := t.Context(), aws.String("lake"), aws.String("parts")
	up, err := s.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: alg, ChecksumType: kind})
	if err != nil {
		return nil, err
	}
	var parts []types.CompletedPart
	for i, body := range bodies {
		number := aws.Int32(int32(i + 1))
		out, err := s.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: number, Body: bytes.NewReader(body), ChecksumAlgorithm: alg})
		if err != nil {
			return nil, err
		}
		parts = append(parts, types.CompletedPart{
			PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C,
			ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
		})
	}
	done, err := s.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		return nil, err
	}
	if ups, err := s.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket}); err != nil || len(ups.Uploads) > 0 {
		t.Errorf("uploads after completion: %v, %v", ups.Uploads, err)
	}
	got, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, PartNumber: aws.Int32(2)})
	if err != nil {
		return nil, err
	}
	if raw, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(raw, bodies[1]) || aws.ToInt32(got.PartsCount) != 2 {
		t.Errorf("part 2: %d bytes, %v, of %d", len(raw), err, aws.ToInt32(got.PartsCount))
	}
	return done, nil
}

// Trailers and chunk signatures are decoded by wire; what they say of the content is checked here.
func TestTrailer(t *testing.T) {
	s := start(t, false)
	chunked := func(sum string) string {
		return "PUT /lake/t\nX-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nX-Amz-Decoded-Content-Length: 5\nContent-Encoding: aws-chunked\nX-Amz-Trailer: x-amz-checksum-crc32\n\n" +
			"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + sum + "\r\n\r\n"
	}
	if res, body := s.raw(t, chunked("NhCmhg==")); res.StatusCode != 200 || res.Header.Get("X-Amz-Checksum-Crc32") != "NhCmhg==" {
		t.Errorf("right trailer: %d %s", res.StatusCode, body)
	}
	if res, body := s.raw(t, chunked("AAAAAA==")); res.StatusCode != 400 || !strings.Contains(body, "BadDigest") {
		t.Errorf("wrong trailer: %d %s", res.StatusCode, body)
	}
	if res, body := s.raw(t, chunked("junk")); res.StatusCode != 400 || !strings.Contains(body, "InvalidRequest") {
		t.Errorf("bad trailer: %d %s", res.StatusCode, body)
	}
	if res, body := s.raw(t, "GET /lake/t"); body != "hello" || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("%q %v", body, res.Header)
	}
}
