// Package awss3 keeps objects at Amazon S3, or at anything that speaks its API, through the official SDK.
//
// New wraps a client; the Store has no state. Put-if-absent is S3's own If-None-Match. Bodies whose length is not known are
// uploaded in parts, so that nothing is held in memory but one part.
package awss3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/objstore"
)

// partBytes is the size of the parts of big objects, and what a put holds in memory. With 10,000 parts it bounds an
// object to 156 GiB.
const partBytes = 16 << 20

// Store is an objstore.Store at S3.
type Store struct {
	client *s3.Client
	region string
}

var _ objstore.Store = (*Store)(nil)

// New returns a store on client. New buckets are made in the client's region.
func New(client *s3.Client) *Store {
	return &Store{client, client.Options().Region}
}

// CreateBucket makes a bucket; one of the caller's own that exists is no error.
func (s *Store) CreateBucket(ctx context.Context, bucket string) error {
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if s.region != "" && s.region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.region)}
	}
	_, err := s.client.CreateBucket(ctx, in)
	if code(err) == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return wrap(err, "create bucket %q", bucket)
}

// Get opens an object, or the part r of it.
func (s *Store) Get(ctx context.Context, bucket, key string, r *objstore.Range) (io.ReadCloser, objstore.Info, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, objstore.Info{}, err
	}
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	if r != nil {
		in.Range = aws.String(rangeHeader(*r))
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, objstore.Info{}, wrap(err, "object %s/%s", bucket, key)
	}
	size := aws.ToInt64(out.ContentLength)
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if size, err = strconv.ParseInt(total, 10, 64); err != nil {
			return nil, objstore.Info{}, errors.Join(fmt.Errorf("object %s/%s: Content-Range: %w", bucket, key, err), out.Body.Close())
		}
	}
	return out.Body, objstore.Info{
		Key: key, Size: size, ETag: bareETag(out.ETag), ModTime: aws.ToTime(out.LastModified).UTC(),
		ContentType: aws.ToString(out.ContentType), Metadata: out.Metadata,
		Headers: headers(out.ContentEncoding, out.CacheControl, out.ContentDisposition, out.ContentLanguage, out.ExpiresString),
	}, nil
}

func rangeHeader(r objstore.Range) string {
	switch {
	case r.Offset < 0:
		return fmt.Sprintf("bytes=%d", r.Offset)
	case r.Length < 0:
		return fmt.Sprintf("bytes=%d-", r.Offset)
	}
	return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1)
}

// Head describes an object.
func (s *Store) Head(ctx context.Context, bucket, key string) (objstore.Info, error) {
	if err := objstore.CheckKey(key); err != nil {
		return objstore.Info{}, err
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		if code(err) == "NotFound" { // the answer has no body that could tell
			err = s.whyMissing(ctx, bucket)
		}
		return objstore.Info{}, wrap(err, "object %s/%s", bucket, key)
	}
	return objstore.Info{
		Key: key, Size: aws.ToInt64(out.ContentLength), ETag: bareETag(out.ETag), ModTime: aws.ToTime(out.LastModified).UTC(),
		ContentType: aws.ToString(out.ContentType), Metadata: out.Metadata,
		Headers: headers(out.ContentEncoding, out.CacheControl, out.ContentDisposition, out.ContentLanguage, out.ExpiresString),
	}, nil
}

// whyMissing tells a missing object from a missing bucket.
func (s *Store) whyMissing(ctx context.Context, bucket string) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	if code(err) == "NotFound" {
		return objstore.ErrNoSuchBucket
	}
	return objstore.ErrNoSuchKey
}

// Put stores all of body, or nothing if body fails.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if err := objstore.CheckKey(key); err != nil {
		return objstore.Info{}, err
	}
	// The first part tells whether the object is small: then one request does, and it can be sent again.
	first := make([]byte, 64<<10)
	n, err := readFull(body, first)
	var etag string
	switch err {
	case nil:
		etag, n, err = s.putBig(ctx, bucket, key, io.MultiReader(bytes.NewReader(first), body), opts)
	case io.EOF:
		etag, err = s.putSmall(ctx, bucket, key, first[:n], opts)
	}
	if err != nil {
		return objstore.Info{}, wrap(err, "write object %s/%s", bucket, key)
	}
	return s.written(ctx, bucket, key, etag, int64(n), opts)
}

// written describes an object after its put. S3 does not tell the time of a put.
func (s *Store) written(ctx context.Context, bucket, key, etag string, size int64, opts objstore.PutOptions) (objstore.Info, error) {
	info, err := s.Head(ctx, bucket, key)
	if err == nil && info.ETag == etag {
		return info, nil
	}
	if err != nil && !errors.Is(err, objstore.ErrNoSuchKey) {
		return objstore.Info{}, err
	}
	return objstore.Info{ // replaced or removed already
		Key: key, Size: size, ETag: etag, ModTime: time.Now().UTC().Truncate(time.Second),
		ContentType: opts.ContentType, Metadata: opts.Metadata, Headers: opts.Headers,
	}, nil
}

func (s *Store) putSmall(ctx context.Context, bucket, key string, data []byte, opts objstore.PutOptions) (etag string, err error) {
	in := &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: bytes.NewReader(data), Metadata: opts.Metadata, ContentType: optional(opts.ContentType),
		ContentEncoding: optional(opts.Headers["Content-Encoding"]), CacheControl: optional(opts.Headers["Cache-Control"]),
		ContentDisposition: optional(opts.Headers["Content-Disposition"]), ContentLanguage: optional(opts.Headers["Content-Language"]),
		IfMatch: optional(opts.IfMatch), Expires: expires(opts.Headers), StorageClass: types.StorageClass(opts.StorageClass),
	}
	if opts.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.client.PutObject(ctx, in)
	if err != nil {
		return "", err
	}
	return bareETag(out.ETag), nil
}

// Delete removes an object; one that does not exist is no error.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	if err := objstore.CheckKey(key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return wrap(err, "delete object %s/%s", bucket, key)
}

// maxKeys is S3's bound of a page.
const maxKeys = 1000

// List returns objects in byte order of their keys.
func (s *Store) List(ctx context.Context, bucket string, opts objstore.ListOptions) (objstore.Page, error) {
	limit := opts.Limit
	if limit <= 0 {
		limit = maxKeys
	}
	var page objstore.Page
	var token *string
	for {
		in := &s3.ListObjectsV2Input{
			Bucket: &bucket, Prefix: optional(opts.Prefix), Delimiter: optional(opts.Delimiter), ContinuationToken: token,
			MaxKeys: aws.Int32(int32(min(limit-len(page.Objects)-len(page.Prefixes), maxKeys))),
		}
		if token == nil {
			in.StartAfter = optional(startAfter(opts))
		}
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return objstore.Page{}, wrap(err, "list bucket %q", bucket)
		}
		last := addPage(&page, out, opts)
		token = out.NextContinuationToken
		if !aws.ToBool(out.IsTruncated) {
			return page, nil
		}
		if len(page.Objects)+len(page.Prefixes) >= limit {
			page.Next = last
			return page, nil
		}
	}
}

// startAfter skips what a common prefix at the end of the page before stands for.
func startAfter(opts objstore.ListOptions) string {
	if opts.Delimiter != "" && strings.HasSuffix(opts.After, opts.Delimiter) && strings.HasPrefix(opts.After, opts.Prefix) {
		return opts.After + "\U0010ffff"
	}
	return opts.After
}

// addPage appends an answer to page and returns the last name in it.
func addPage(page *objstore.Page, out *s3.ListObjectsV2Output, opts objstore.ListOptions) (last string) {
	for _, o := range out.Contents {
		page.Objects = append(page.Objects, objstore.Info{
			Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ETag: bareETag(o.ETag), ModTime: aws.ToTime(o.LastModified).UTC(),
		})
		last = max(last, aws.ToString(o.Key))
	}
	for _, p := range out.CommonPrefixes {
		if name := aws.ToString(p.Prefix); name != opts.After {
			page.Prefixes = append(page.Prefixes, name)
			last = max(last, name)
		}
	}
	return last
}

func bareETag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func expires(headers map[string]string) *time.Time {
	t, err := http.ParseTime(headers["Expires"])
	if err != nil {
		return nil
	}
	return &t
}

func headers(encoding, cache, disposition, language, expires *string) map[string]string {
	var m map[string]string
	for name, value := range map[string]*string{
		"Content-Encoding": encoding, "Cache-Control": cache, "Content-Disposition": disposition, "Content-Language": language,
		"Expires": expires,
	} {
		if aws.ToString(value) != "" {
			if m == nil {
				m = make(map[string]string)
			}
			m[name] = *value
		}
	}
	return m
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// wrap says what was being done and makes S3's errors the interface's.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	known := map[string]error{
		"NoSuchBucket": objstore.ErrNoSuchBucket, "NoSuchKey": objstore.ErrNoSuchKey,
		"PreconditionFailed": objstore.ErrPrecondition, "ConditionalRequestConflict": objstore.ErrPrecondition,
		"InvalidRange": objstore.ErrRange, "InvalidBucketName": objstore.ErrInvalidBucket, "KeyTooLongError": objstore.ErrInvalidKey,
	}[code(err)]
	var response *awshttp.ResponseError
	if known == nil && errors.As(err, &response) && response.HTTPStatusCode() == http.StatusPreconditionFailed {
		known = objstore.ErrPrecondition
	}
	if known != nil {
		err = fmt.Errorf("%w: %w", known, err)
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
