package s3

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A configuration comes back as it was sent, and is unset again after its removal.
func TestConfigurations(t *testing.T) {
	s := start(t, false)
	s.raw(t, "PUT /logs")
	s.raw(t, "PUT /lake?versioning\n\n<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	for name, doc := range map[string]string{
		"accelerate":        "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
		"cors":              "<CORSConfiguration><CORSRule><AllowedOrigin>http://x</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
		"encryption":        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
		"lifecycle":         "<LifecycleConfiguration><Rule><ID>a</ID><Filter><Prefix>x</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
		"logging":           "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
		"object-lock":       "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
		"ownershipControls": "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
		"policy":            `{"Version": "2012-10-17", "Statement": []}`,
		"replication":       "<ReplicationConfiguration><Role>r</Role><Rule><Status>Enabled</Status></Rule></ReplicationConfiguration>",
		"requestPayment":    "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
		"tagging":           "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
		"website":           "<WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument></WebsiteConfiguration>",
	} {
		_, unset := s.raw(t, "GET /lake?"+name)
		if res, body := s.raw(t, "PUT /lake?"+name+"\n\n"+doc); res.StatusCode/100 != 2 {
			t.Errorf("put %s: %d %s", name, res.StatusCode, body)
		}
		if res, body := s.raw(t, "GET /lake?"+name); res.StatusCode != 200 || body != doc {
			t.Errorf("get %s: %d %s", name, res.StatusCode, body)
		}
		res, body := s.raw(t, "DELETE /lake?"+name)
		if res.StatusCode == http.StatusMethodNotAllowed {
			continue
		}
		if res.StatusCode != http.StatusNoContent {
			t.Errorf("delete %s: %d %s", name, res.StatusCode, body)
		}
		_, again := s.raw(t, "GET /lake?"+name)
		if codeIn(again) != codeIn(unset) && name != "ownershipControls" { // new buckets have some
			t.Errorf("unset %s: %s, then %s", name, unset, again)
		}
	}
}

func codeIn(body string) string {
	_, rest, _ := strings.Cut(body, "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}

// What S3 says of a new bucket.
func TestNewBucket(t *testing.T) {
	s := start(t, false)
	for name, want := range map[string]string{
		"location":          "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>",
		"accelerate":        "<AccelerateConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>",
		"versioning":        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></VersioningConfiguration>",
		"logging":           "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>",
		"requestPayment":    "<Payer>BucketOwner</Payer>",
		"encryption":        "<SSEAlgorithm>AES256</SSEAlgorithm>",
		"ownershipControls": "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>",
		"publicAccessBlock": "<RestrictPublicBuckets>true</RestrictPublicBuckets>",
		"acl":               "<Permission>FULL_CONTROL</Permission>",
		"notification":      "<NotificationConfiguration",
		"inventory":         "<IsTruncated>false</IsTruncated>",
	} {
		if res, body := s.raw(t, "GET /lake?"+name); res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	res, _ := s.raw(t, "HEAD /lake")
	if got := res.Header.Get("X-Amz-Bucket-Region"); got != "us-east-1" {
		t.Errorf("region %q", got)
	}
	if res, _ := s.raw(t, "PUT /lake"); res.StatusCode != 200 {
		t.Errorf("create again: %d", res.StatusCode)
	}
}

func TestCORS(t *testing.T) {
	s := start(t, false)
	s.put(t, "k", "x")
	s.raw(t, "PUT /lake?cors\n\n<CORSConfiguration><CORSRule><AllowedOrigin>http://*.ok</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>7</MaxAgeSeconds></CORSRule></CORSConfiguration>")
	for _, c := range []struct {
		request string
		status  int
		origin  string
	}{
		{"OPTIONS /lake/k\nOrigin: http://a.ok\nAccess-Control-Request-Method: GET", 200, "http://a.ok"},
		{"OPTIONS /lake/k\nOrigin: http://a.ok\nAccess-Control-Request-Method: GET\nAccess-Control-Request-Headers: X-a, x-b", 200, "http://a.ok"},
		{"OPTIONS /lake/k\nOrigin: http://a.ok\nAccess-Control-Request-Method: GET\nAccess-Control-Request-Headers: y", 403, ""},
		{"OPTIONS /lake/k\nOrigin: http://a.ok\nAccess-Control-Request-Method: PUT", 403, ""},
		{"OPTIONS /lake/k\nOrigin: http://a.bad\nAccess-Control-Request-Method: GET", 403, ""},
		{"OPTIONS /lake/k", 400, ""},
		{"GET /lake/k\nOrigin: http://b.ok", 200, "http://b.ok"},
		{"GET /lake/k\nOrigin: http://a.bad", 200, ""},
		{"GET /lake/k", 200, ""},
	} {
		res, _ := s.raw(t, c.request)
		if res.StatusCode != c.status || res.Header.Get("Access-Control-Allow-Origin") != c.origin {
			t.Errorf("%q: %d %v", c.request, res.StatusCode, res.Header)
		}
	}
	req, _ := http.NewRequest("GET", s.url+"/lake/k", nil)
	req.Header.Set("Origin", "http://a.ok")
	if !s.handler.Allows(req) {
		t.Error("Allows refuses what the rules allow")
	}
	if req.Header.Set("Origin", "http://a.bad"); s.handler.Allows(req) {
		t.Error("Allows allows what no rule does")
	}
}

func TestListing(t *testing.T) {
	s := start(t, false)
	ctx := t.Context()
	keys := []string{"a b", "a/1", "a/2", "b/\u0001", "b+&<>\"'", "ü"}
	for _, k := range keys {
		s.put(t, k, k)
	}
	s.put(t, "a/2/x", "")
	var got []string
	pages := s3.NewListObjectsV2Paginator(s.Client, &s3.ListObjectsV2Input{Bucket: aws.String("lake"), MaxKeys: aws.Int32(2), Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, aws.ToString(o.Key))
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, aws.ToString(p.Prefix)+"*")
		}
	}
	slices.Sort(got)
	if want := "%C3%BC a+b a/* b%2B%26%3C%3E%22%27 b/*"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	out, err := s.ListObjects(ctx, &s3.ListObjectsInput{Bucket: aws.String("lake"), Prefix: aws.String("a/"), Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)})
	if err != nil || !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextMarker) != "a/1" {
		t.Errorf("version 1: %+v, %v", out, err)
	}
	if _, body := s.raw(t, "GET /lake?list-type=2&max-keys=0"); !strings.Contains(body, "<IsTruncated>false</IsTruncated>") || strings.Contains(body, "<Contents>") {
		t.Errorf("no keys wanted: %s", body)
	}
}

func TestVersions(t *testing.T) {
	s := start(t, false)
	ctx, bucket := t.Context(), aws.String("lake")
	s.put(t, "k", "null")
	if _, err := s.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	one, two := s.put(t, "k", "one").VersionId, s.put(t, "k", "two").VersionId
	gone, err := s.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")})
	if err != nil || !aws.ToBool(gone.DeleteMarker) {
		t.Fatal(gone, err)
	}
	res, _ := s.raw(t, "GET /lake/k")
	if res.StatusCode != 404 || res.Header.Get("X-Amz-Delete-Marker") != "true" || res.Header.Get("X-Amz-Version-Id") != *gone.VersionId {
		t.Errorf("deleted: %d %v", res.StatusCode, res.Header)
	}
	for version, want := range map[string]string{"null": "null", *one: "one", *two: "two"} {
		if _, body := s.raw(t, "GET /lake/k?versionId="+version); body != want {
			t.Errorf("version %s is %q", want, body)
		}
	}
	if res, _ := s.raw(t, "GET /lake/k?versionId="+*gone.VersionId); res.StatusCode != 405 {
		t.Errorf("marker: %d", res.StatusCode)
	}
	var ids []string
	pages := s3.NewListObjectVersionsPaginator(s.Client, &s3.ListObjectVersionsInput{Bucket: bucket, MaxKeys: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.DeleteMarkers {
			ids = append(ids, *m.VersionId)
		}
		for _, v := range page.Versions {
			ids = append(ids, *v.VersionId)
		}
	}
	if want := []string{*gone.VersionId, *two, *one, "null"}; !slices.Equal(ids, want) {
		t.Errorf("versions %q, want %q", ids, want)
	}
	for _, id := range ids[:2] {
		if _, err := s.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k"), VersionId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, body := s.raw(t, "GET /lake/k"); body != "one" {
		t.Errorf("after two removals: %q", body)
	}
	for _, id := range ids[2:] {
		s.raw(t, "DELETE /lake/k?versionId="+id)
	}
	if res, body := s.raw(t, "DELETE /lake"); res.StatusCode != 204 {
		t.Errorf("delete bucket: %d %s", res.StatusCode, body)
	}
}

func TestCopyAndDeleteMany(t *testing.T) {
	s := start(t, false)
	ctx, bucket := t.Context(), aws.String("lake")
	s.raw(t, "PUT /lake/a%20b\nContent-Type: x/y\nx-amz-meta-m: 1\nx-amz-tagging: t=1\n\nbody")
	for _, request := range []string{
		"PUT /lake/copy\nx-amz-copy-source: /lake/a%20b",
		"PUT /lake/other\nx-amz-copy-source: lake/a%20b\nx-amz-metadata-directive: REPLACE\nx-amz-meta-n: 2\nx-amz-tagging-directive: REPLACE",
	} {
		if res, body := s.raw(t, request); res.StatusCode != 200 || !strings.Contains(body, "CopyObjectResult") {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	res, body := s.raw(t, "GET /lake/copy")
	if body != "body" || res.Header.Get("Content-Type") != "x/y" || res.Header.Get("X-Amz-Meta-M") != "1" || res.Header.Get("X-Amz-Tagging-Count") != "1" {
		t.Errorf("copy: %q %v", body, res.Header)
	}
	res, _ = s.raw(t, "GET /lake/other")
	if res.Header.Get("Content-Type") == "x/y" || res.Header.Get("X-Amz-Meta-N") != "2" || res.Header.Get("X-Amz-Tagging-Count") != "" {
		t.Errorf("replacing copy: %v", res.Header)
	}
	out, err := s.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("copy")}, {Key: aws.String("copy")}, {Key: aws.String("none")}, {Key: aws.String("other"), ETag: aws.String("x")},
	}}})
	if err != nil || len(out.Deleted) != 3 || len(out.Errors) != 1 || aws.ToString(out.Errors[0].Code) != "PreconditionFailed" {
		t.Errorf("%+v, %v", out, err)
	}
}
