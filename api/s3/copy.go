package s3

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// CopyObject: metadata and tagging directives, conditions on the source, versions of the source.

type copyResult struct {
	XMLName      xml.Name
	LastModified string
	ETag         string
	checksumElements
}

// checksumElements are the members of many answers.
type checksumElements struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func elements(sums map[string]string, kind string) checksumElements {
	if len(sums) == 0 {
		kind = ""
	}
	return checksumElements{sums["CRC32"], sums["CRC32C"], sums["CRC64NVME"], sums["SHA1"], sums["SHA256"], kind}
}

func (e checksumElements) get(algorithm string) string {
	switch algorithm {
	case "CRC32":
		return e.ChecksumCRC32
	case "CRC32C":
		return e.ChecksumCRC32C
	case "CRC64NVME":
		return e.ChecksumCRC64NVME
	case "SHA1":
		return e.ChecksumSHA1
	}
	return e.ChecksumSHA256
}

func xmlName(local string) xml.Name { return xml.Name{Space: xmlns, Local: local} }

// source is where a copy comes from.
type source struct {
	bucket, key string
	version     string // empty: the current one
}

// copySource reads x-amz-copy-source: [/]bucket/key[?versionId=v], escaped as in a URL.
func copySource(header string) (source, error) {
	bad := invalidArgument("x-amz-copy-source", header, "Invalid copy source object key")
	path, query, _ := strings.Cut(header, "?")
	form, err := url.ParseQuery(query)
	if err != nil {
		return source{}, bad
	}
	if path, err = url.PathUnescape(path); err != nil {
		return source{}, bad
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || objstore.CheckKey(key) != nil {
		return source{}, bad
	}
	return source{bucket, key, form.Get("versionId")}, nil
}

// openSource opens the object that a request copies from and checks the conditions on it.
func (h *Handler) openSource(c *call) (*file.Reader, file.Object, source, error) {
	src, err := copySource(c.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return nil, file.Object{}, src, err
	}
	from := *c
	from.bucket, from.key = src.bucket, src.key
	from.query = url.Values{}
	if src.version != "" {
		from.query.Set("versionId", src.version)
	}
	body, obj, err := h.open(&from)
	if err != nil {
		e, _ := exception(err, &from) // names the source, not the target
		if e.Name == "MethodNotAllowed" {
			return nil, obj, src, invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
		}
		return nil, obj, src, e
	}
	if err := checkReadConditions(c.Header, obj, "X-Amz-Copy-Source-"); err != nil {
		body.Close()
		return nil, obj, src, err
	}
	if b, err := h.store.Bucket(src.bucket); err == nil && b.Versioning != file.Unversioned {
		c.set("x-amz-copy-source-version-id", versionName(obj.Version))
	}
	return body, obj, src, nil
}

func (h *Handler) copyObject(c *call) error {
	body, obj, src, err := h.openSource(c)
	if err != nil {
		return err
	}
	defer body.Close()
	if obj.Size > objectBytesMax {
		return invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(objectBytesMax))
	}
	opts, err := h.copyOptions(c, obj, src)
	if err != nil {
		return err
	}
	keep := c.Header.Get("X-Amz-Checksum-Algorithm")
	if keep != "" && algorithmOf(keep) == nil {
		return invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	for name := range obj.Checksums {
		if keep == "" {
			keep = name
		}
	}
	sums, err := newChecksums(&call{Request: &http.Request{Header: http.Header{}, Method: http.MethodGet}}, keep)
	if err != nil {
		return err
	}
	opts.Seal = func(read file.Body, a *file.Attributes) error {
		known, err := sums.finish(read.CRC64NVME)
		a.Checksums, a.ChecksumType = sums.kept(known, keep), fullObject
		return err
	}
	made, err := h.store.PutObject(c.Context(), c.bucket, c.key, sums.reader(io.Reader(body)), opts)
	if err != nil {
		return err
	}
	h.setVersion(c, made)
	c.set("x-amz-server-side-encryption", "AES256")
	return c.answerXML(copyResult{
		xmlName("CopyObjectResult"), isoTime(made.ModTime), quoted(made.ETag), elements(made.Checksums, made.ChecksumType),
	})
}

// copyOptions takes attributes from the source or the request, as the directives say.
func (h *Handler) copyOptions(c *call, obj file.Object, src source) (file.PutOptions, error) {
	opts, err := h.putOptions(c)
	if err != nil {
		return opts, err
	}
	replaceMeta, err := directive(c.Header, "X-Amz-Metadata-Directive")
	if err != nil {
		return opts, err
	}
	replaceTags, err := directive(c.Header, "X-Amz-Tagging-Directive")
	if err != nil {
		return opts, err
	}
	same := src.bucket == c.bucket && src.key == c.key && src.version == ""
	changes := replaceMeta || c.Header.Get("X-Amz-Storage-Class") != "" || c.Header.Get("X-Amz-Server-Side-Encryption") != "" ||
		c.Header.Get("X-Amz-Website-Redirect-Location") != "" || c.Header.Get("X-Amz-Checksum-Algorithm") != ""
	if same && !changes {
		return opts, invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if !replaceMeta {
		redirect := opts.Headers["X-Amz-Website-Redirect-Location"]
		opts.ContentType, opts.Metadata = obj.ContentType, obj.Metadata
		opts.Headers = make(map[string]string)
		for name, value := range obj.Headers {
			opts.Headers[name] = value
		}
		delete(opts.Headers, "X-Amz-Website-Redirect-Location") // never copied
		if redirect != "" {
			opts.Headers["X-Amz-Website-Redirect-Location"] = redirect
		}
	}
	if !replaceTags {
		opts.Tags = obj.Tags
	}
	opts.IfAbsent, opts.IfMatch, err = writeConditions(c.Header)
	return opts, err
}

// directive says whether a header asks for REPLACE rather than COPY.
func directive(header http.Header, name string) (replace bool, err error) {
	switch v := header.Get(name); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, &wire.Error{
			Name: "InvalidArgument", Status: http.StatusBadRequest, Message: "Unknown directive.",
			Fields: map[string]any{"ArgumentName": strings.ToLower(name), "ArgumentValue": v},
		}
	}
}
