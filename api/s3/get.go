package s3

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// GetObject and HeadObject: ranges (one; S3 too answers several with the whole object), parts by number, conditions,
// response-* overrides, versions, checksums on request.

func (h *Handler) getObject(c *call) error { return h.answerObject(c) }

func (h *Handler) headObject(c *call) error { return h.answerObject(c) }

func (h *Handler) answerObject(c *call) error {
	body, obj, err := h.open(c)
	if err != nil {
		return err
	}
	defer body.Close()
	h.setVersion(c, obj)
	if err := checkReadConditions(c.Header, obj, ""); err != nil {
		c.set("ETag", quoted(obj.ETag))
		c.set("Last-Modified", obj.ModTime.Format(http.TimeFormat))
		return err
	}
	status, offset, length, err := c.part(obj)
	if err != nil {
		return err
	}
	h.setObject(c, obj, status == http.StatusOK)
	if err := c.override(); err != nil {
		return err
	}
	c.set("Content-Length", strconv.FormatInt(length, 10))
	if status == http.StatusPartialContent {
		c.set("Content-Range", "bytes "+strconv.FormatInt(offset, 10)+"-"+strconv.FormatInt(offset+length-1, 10)+"/"+strconv.FormatInt(obj.Size, 10))
	}
	c.w.WriteHeader(status)
	if c.Method == http.MethodHead {
		return nil
	}
	body.Choose(offset, length)
	if _, err := body.WriteTo(c.w); err != nil && c.Context().Err() == nil {
		// The head is sent: all that is left is to break the connection, so that the client sees a short body.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// version is the version that a request names; nil is the current one.
func (c *call) version() (*string, error) {
	if !c.query.Has("versionId") {
		return nil, nil
	}
	v := c.query.Get("versionId")
	if v == "" {
		return nil, invalidArgument("versionId", "", "Version id cannot be the empty string")
	}
	return &v, nil
}

// open opens the version of an object that a request is about. A delete marker in its place is told in the headers.
func (h *Handler) open(c *call) (*file.Reader, file.Object, error) {
	version, err := c.version()
	if err != nil {
		return nil, file.Object{}, err
	}
	if version != nil {
		body, obj, err := h.store.OpenVersion(c.Context(), c.bucket, c.key, *version)
		if errors.Is(err, file.ErrMarker) {
			h.setMarker(c, obj)
			c.set("Allow", "DELETE")
			c.set("Last-Modified", obj.ModTime.Format(http.TimeFormat))
		}
		return body, obj, err
	}
	body, obj, err := h.store.Open(c.Context(), c.bucket, c.key)
	if errors.Is(err, objstore.ErrNoSuchKey) {
		if marker, ok, _ := h.store.LatestMarker(c.bucket, c.key); ok {
			h.setMarker(c, marker)
		}
	}
	return body, obj, err
}

// stat describes the version of an object that a request is about.
func (h *Handler) stat(c *call) (file.Object, error) {
	body, obj, err := h.open(c)
	if err != nil {
		return obj, err
	}
	return obj, body.Close()
}

func (h *Handler) setMarker(c *call, marker file.Object) {
	c.set("x-amz-delete-marker", "true")
	c.set("x-amz-version-id", versionName(marker.Version))
}

func versionName(v string) string {
	if v == "" {
		return file.NullVersion
	}
	return v
}

// setVersion adds the version's id, in buckets that keep versions.
func (h *Handler) setVersion(c *call, obj file.Object) {
	if b, err := h.store.Bucket(c.bucket); err == nil && b.Versioning != file.Unversioned {
		c.set("x-amz-version-id", versionName(obj.Version))
	}
}

const defaultContentType = "binary/octet-stream"

// setObject adds what is known of an object. Checksums are of the whole object, so a part goes without.
func (h *Handler) setObject(c *call, obj file.Object, whole bool) {
	contentType := obj.ContentType
	if contentType == "" {
		contentType = defaultContentType
	}
	c.set("Content-Type", contentType)
	c.set("ETag", quoted(obj.ETag))
	c.set("Last-Modified", obj.ModTime.Format(http.TimeFormat))
	c.set("Accept-Ranges", "bytes")
	c.set("x-amz-server-side-encryption", "AES256")
	for name, value := range obj.Headers {
		c.set(name, value)
	}
	for name, value := range obj.Metadata {
		c.set(metaPrefix+name, value) // in small letters: some clients tell the case
	}
	if obj.StorageClass != "" {
		c.set("x-amz-storage-class", obj.StorageClass)
	}
	if n := len(obj.Tags); n > 0 {
		c.set("x-amz-tagging-count", strconv.Itoa(n))
	}
	if whole && strings.EqualFold(c.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		setChecksums(c, obj.Checksums, obj.ChecksumType)
	}
	if c.query.Has("partNumber") && len(obj.Parts) > 0 {
		c.set("x-amz-mp-parts-count", strconv.Itoa(len(obj.Parts)))
	}
}

func setChecksums(c *call, sums map[string]string, kind string) {
	for name, value := range sums {
		if a := algorithmOf(name); a != nil {
			c.set(a.header(), value)
		}
	}
	if len(sums) > 0 {
		c.set("x-amz-checksum-type", kind)
	}
}

// part finds which bytes a request is for: a range, a part by number, or all.
func (c *call) part(obj file.Object) (status int, offset, length int64, err error) {
	header := c.Header.Get("Range")
	if c.query.Has("partNumber") {
		if header != "" {
			return 0, 0, 0, invalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		return c.numberedPart(obj)
	}
	r, ok := parseRange(header)
	if !ok {
		return http.StatusOK, 0, obj.Size, nil
	}
	offset, length, err = r.Resolve(obj.Size)
	if errors.Is(err, objstore.ErrRange) {
		c.set("Content-Range", "bytes */"+strconv.FormatInt(obj.Size, 10))
		err = &wire.Error{
			Name: "InvalidRange", Status: http.StatusRequestedRangeNotSatisfiable, Message: "The requested range is not satisfiable",
			Fields: map[string]any{"RangeRequested": header, "ActualObjectSize": obj.Size},
		}
	}
	return http.StatusPartialContent, offset, length, err
}

func (c *call) numberedPart(obj file.Object) (status int, offset, length int64, err error) {
	text := c.query.Get("partNumber")
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > partsMax {
		return 0, 0, 0, invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
	}
	if len(obj.Parts) == 0 && number == 1 {
		if obj.Size == 0 {
			return http.StatusOK, 0, 0, nil
		}
		return http.StatusPartialContent, 0, obj.Size, nil
	}
	for i, p := range obj.Parts {
		if i == number-1 {
			return http.StatusPartialContent, offset, p.Size, nil
		}
		offset += p.Size
	}
	return 0, 0, 0, wire.Errorf("InvalidPartNumber", http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable")
}

// parseRange reads bytes=a-b, bytes=a- and bytes=-n. Anything else is no range: the whole object is the answer.
func parseRange(header string) (*objstore.Range, bool) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash {
		return nil, false
	}
	if first == "" {
		n, ok := parsePos(last)
		if n == 0 {
			n = -1 << 62 // a suffix of nothing cannot be satisfied: an offset behind any end
		}
		return &objstore.Range{Offset: -n, Length: -1}, ok
	}
	a, ok := parsePos(first)
	if !ok || last == "" {
		return &objstore.Range{Offset: a, Length: -1}, ok
	}
	b, ok := parsePos(last)
	if !ok || b < a {
		return nil, false
	}
	return &objstore.Range{Offset: a, Length: b - a + 1}, true
}

func parsePos(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 62)
	if errors.Is(err, strconv.ErrRange) {
		return 1<<62 - 1, true
	}
	return int64(n), err == nil
}

// checkReadConditions evaluates If-Match and its kin as RFC 9110 orders them. prefix is that of the headers of a copy's
// source, where everything that does not hold is a failed precondition.
func checkReadConditions(header http.Header, obj file.Object, prefix string) error {
	failed := func(condition string) error {
		return &wire.Error{
			Name: "PreconditionFailed", Status: http.StatusPreconditionFailed,
			Message: "At least one of the pre-conditions you specified did not hold", Fields: map[string]any{"Condition": condition},
		}
	}
	unchanged := func(condition string) error {
		if prefix != "" {
			return failed(condition)
		}
		return wire.Errorf("NotModified", http.StatusNotModified, "Not Modified")
	}
	modified := obj.ModTime.Truncate(time.Second)
	match, noneMatch := header.Get(prefix+"If-Match"), header.Get(prefix+"If-None-Match")
	since, sinceOK := httpTime(header.Get(prefix + "If-Modified-Since"))
	until, untilOK := httpTime(header.Get(prefix + "If-Unmodified-Since"))
	switch {
	case match != "" && !matchesETag(match, obj.ETag):
		return failed("If-Match")
	case match == "" && untilOK && modified.After(until):
		return failed("If-Unmodified-Since")
	case noneMatch != "" && matchesETag(noneMatch, obj.ETag):
		return unchanged("If-None-Match")
	case noneMatch == "" && sinceOK && !modified.After(since):
		return unchanged("If-Modified-Since")
	}
	return nil
}

func httpTime(text string) (time.Time, bool) {
	t, err := http.ParseTime(text)
	return t, err == nil
}

// matchesETag compares with a list of ETags, in quotes or not, or *.
func matchesETag(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}

// override puts response-* parameters in the place of stored headers.
func (c *call) override() error {
	for param, header := range map[string]string{
		"response-content-type": "Content-Type", "response-content-language": "Content-Language", "response-expires": "Expires",
		"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition",
		"response-content-encoding": "Content-Encoding",
	} {
		if strings.ContainsAny(c.query.Get(param), "\r\n") {
			return invalidArgument(param, "", "Header value cannot contain line breaks")
		}
		c.set(header, c.query.Get(param))
	}
	return nil
}

var _ io.WriterTo = (*file.Reader)(nil)
