package s3

import (
	"net/http"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// PutObject. The answer follows the sync. Conditions: If-None-Match: *, If-Match.

const (
	metaPrefix       = "x-amz-meta-"
	metadataBytesMax = 2 << 10
	objectBytesMax   = 5 << 30 // of one PUT
)

func (h *Handler) putObject(c *call) error {
	if c.Header.Get("X-Amz-Copy-Source") != "" {
		return h.copyObject(c)
	}
	if c.Header.Get("X-Amz-Write-Offset-Bytes") != "" {
		return notImplemented("x-amz-write-offset-bytes")
	}
	opts, err := h.putOptions(c)
	if err != nil {
		return err
	}
	if opts.IfAbsent, opts.IfMatch, err = writeConditions(c.Header); err != nil {
		return err
	}
	if err := c.checkLength(); err != nil {
		return err
	}
	sums, err := newChecksums(c, "")
	if err != nil {
		return err
	}
	opts.Seal = func(body file.Body, a *file.Attributes) error {
		known, err := sums.seal(body)
		a.Checksums, a.ChecksumType = sums.kept(known, ""), fullObject
		return err
	}
	obj, err := h.store.PutObject(c.Context(), c.bucket, c.key, sums.reader(c.Body), opts)
	if err != nil {
		return err
	}
	c.set("ETag", quoted(obj.ETag))
	c.set("x-amz-server-side-encryption", "AES256")
	setChecksums(c, obj.Checksums, obj.ChecksumType)
	h.setVersion(c, obj)
	return c.answerEmpty(http.StatusOK)
}

// seal checks a body that was read: its digests and checksums.
func (s *checksums) seal(body file.Body) (known map[string]string, err error) {
	if err := s.checkMD5(body.MD5, nil); err != nil {
		return nil, err
	}
	return s.finish(body.CRC64NVME)
}

// checkLength refuses bodies of unknown or excessive length.
func (c *call) checkLength() error {
	switch {
	case c.ContentLength < 0:
		return wire.Errorf("MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header.")
	case c.ContentLength > objectBytesMax:
		return &wire.Error{
			Name: "EntityTooLarge", Status: http.StatusBadRequest, Message: "Your proposed upload exceeds the maximum allowed size",
			Fields: map[string]any{"ProposedSize": c.ContentLength, "MaxSizeAllowed": int64(objectBytesMax)},
		}
	}
	return nil
}

// writeConditions reads the conditions that S3 knows for writes.
func writeConditions(header http.Header) (ifAbsent bool, ifMatch string, err error) {
	noneMatch := header.Get("If-None-Match")
	if noneMatch != "" && noneMatch != "*" || header.Get("If-Modified-Since") != "" || header.Get("If-Unmodified-Since") != "" {
		return false, "", notImplemented("conditions other than If-Match and If-None-Match: *")
	}
	ifMatch = strings.Trim(header.Get("If-Match"), `"`)
	if noneMatch != "" && ifMatch != "" {
		return false, "", invalidRequest("If-Match and If-None-Match cannot both be given")
	}
	return noneMatch == "*", ifMatch, nil
}

// storageClasses are those whose objects can be read at once.
var storageClasses = []string{"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}

// unsupported are headers of a put that ask for what we do not do.
var unsupported = []string{
	"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id",
	"X-Amz-Server-Side-Encryption-Context", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm",
	"X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date",
}

// putOptions reads what a request says of a new object.
func (h *Handler) putOptions(c *call) (opts file.PutOptions, err error) {
	if err := checkUnsupported(c.Header); err != nil {
		return opts, err
	}
	if err := h.checkObjectACL(c); err != nil {
		return opts, err
	}
	opts.ContentType = c.Header.Get("Content-Type")
	opts.Headers = storedHeaders(c.Header)
	if opts.Metadata, err = metadata(c.Header); err != nil {
		return opts, err
	}
	if opts.Attributes.StorageClass, err = storageClass(c.Header); err != nil {
		return opts, err
	}
	opts.Tags, err = headerTags(c.Header.Get("X-Amz-Tagging"))
	return opts, err
}

func checkUnsupported(header http.Header) error {
	for _, name := range unsupported {
		if header.Get(name) != "" {
			return notImplemented(strings.ToLower(name))
		}
	}
	if hold := header.Get("X-Amz-Object-Lock-Legal-Hold"); hold != "" && hold != "OFF" {
		return notImplemented("x-amz-object-lock-legal-hold")
	}
	switch sse := header.Get("X-Amz-Server-Side-Encryption"); sse {
	case "", "AES256":
		return nil
	case "aws:kms", "aws:kms:dsse":
		return notImplemented("x-amz-server-side-encryption: " + sse)
	default:
		return invalidArgument("x-amz-server-side-encryption", sse, "The encryption method specified is not supported")
	}
}

func storageClass(header http.Header) (string, error) {
	class := header.Get("X-Amz-Storage-Class")
	switch {
	case class == "" || class == "STANDARD":
		return "", nil
	case slices.Contains(storageClasses, class):
		return class, nil
	case class == "GLACIER" || class == "DEEP_ARCHIVE":
		return "", notImplemented("storage class " + class)
	}
	return "", &wire.Error{Name: "InvalidStorageClass", Status: http.StatusBadRequest, Message: "The storage class you specified is not valid", Fields: map[string]any{"StorageClassRequested": class}}
}

// storedHeaders are those that come back with the object.
func storedHeaders(header http.Header) map[string]string {
	var kept map[string]string
	for _, name := range []string{"Content-Encoding", "Cache-Control", "Content-Disposition", "Content-Language", "Expires", "X-Amz-Website-Redirect-Location"} {
		if v := header.Get(name); v != "" {
			if kept == nil {
				kept = make(map[string]string)
			}
			kept[name] = v
		}
	}
	return kept
}

// metadata is the user's own, names in small letters.
func metadata(header http.Header) (map[string]string, error) {
	var meta map[string]string
	size := 0
	for name, values := range header {
		name, ok := strings.CutPrefix(strings.ToLower(name), metaPrefix)
		if !ok {
			continue
		}
		if meta == nil {
			meta = make(map[string]string)
		}
		meta[name] = strings.Join(values, ",")
		size += len(name) + len(meta[name])
	}
	if size > metadataBytesMax {
		return nil, &wire.Error{
			Name: "MetadataTooLarge", Status: http.StatusBadRequest, Message: "Your metadata headers exceed the maximum allowed metadata size",
			Fields: map[string]any{"Size": size, "MaxSizeAllowed": metadataBytesMax},
		}
	}
	return meta, nil
}

var _ objstore.Store = (*file.Store)(nil)
