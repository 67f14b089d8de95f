package awss3

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weir-data/weir/objstore"
)

// readFull fills buf. Unlike io.ReadFull it returns io.EOF only for a body that ended, never for one that was cut off.
func readFull(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var got int
		got, err = r.Read(buf[n:])
		n += got
	}
	return n, err
}

// readPart reads a part, or what body has: that is io.EOF. Its buffer grows with what there is, as most bodies are much smaller than a part.
func readPart(body io.Reader) (buf []byte, err error) {
	for err == nil && len(buf) < partBytes {
		n := len(buf)
		next := make([]byte, min(max(4*n, 256<<10), partBytes))
		copy(next, buf)
		var got int
		got, err = readFull(body, next[n:])
		buf = next[:n+got]
	}
	return buf, err
}

// putBig uploads a body of unknown length in parts; one that fits into a part is put at once.
func (s *Store) putBig(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (etag string, size int, err error) {
	buf, err := readPart(body)
	if err == io.EOF {
		etag, err = s.putSmall(ctx, bucket, key, buf, opts)
		return etag, len(buf), err
	}
	if err != nil {
		return "", 0, err
	}
	up, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &key, Metadata: opts.Metadata, ContentType: optional(opts.ContentType),
		ContentEncoding: optional(opts.Headers["Content-Encoding"]), CacheControl: optional(opts.Headers["Cache-Control"]),
		ContentDisposition: optional(opts.Headers["Content-Disposition"]), ContentLanguage: optional(opts.Headers["Content-Language"]),
		Expires: expires(opts.Headers), StorageClass: types.StorageClass(opts.StorageClass),
	})
	if err != nil {
		return "", 0, err
	}
	etag, size, err = s.uploadParts(ctx, up, buf, body, opts)
	if err != nil {
		// The context may be the reason; parts left behind cost money.
		_, abortErr := s.client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId})
		return "", 0, errors.Join(err, abortErr)
	}
	return etag, size, nil
}

// uploadParts sends the full part in buf, then the rest of body, and completes the upload.
func (s *Store) uploadParts(ctx context.Context, up *s3.CreateMultipartUploadOutput, buf []byte, body io.Reader, opts objstore.PutOptions) (etag string, size int, err error) {
	var parts []types.CompletedPart
	for n := len(buf); n > 0; {
		number := aws.Int32(int32(len(parts) + 1))
		out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: number, Body: bytes.NewReader(buf[:n]),
		})
		if err != nil {
			return "", 0, err
		}
		parts = append(parts, types.CompletedPart{
			PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C,
			ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
		})
		size += n
		if n, err = readFull(body, buf); err != nil && err != io.EOF {
			return "", 0, err
		}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, IfMatch: optional(opts.IfMatch),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}
	if opts.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return "", 0, err
	}
	return bareETag(out.ETag), size, nil
}
