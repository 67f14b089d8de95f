package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// Multipart uploads: CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload.

const partsMax = 10_000

func (h *Handler) createUpload(c *call) error {
	opts, err := h.putOptions(c)
	if err != nil {
		return err
	}
	algorithm, kind, err := uploadChecksum(c.Header)
	if err != nil {
		return err
	}
	if algorithm != "" {
		opts.Checksums = map[string]string{algorithm: ""} // the value comes with completion
	}
	opts.ChecksumType = kind
	up, err := h.store.CreateUpload(c.bucket, c.key, opts)
	if err != nil {
		return err
	}
	c.set("x-amz-server-side-encryption", "AES256")
	c.set("x-amz-checksum-algorithm", algorithm)
	if algorithm != "" {
		c.set("x-amz-checksum-type", kind)
	}
	return c.answerXML(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadId string
	}{Bucket: c.bucket, Key: c.key, UploadId: up.ID})
}

// uploadChecksum reads which checksum the object is to have. Without one it is CRC64NVME of the whole object, as on S3.
func uploadChecksum(header http.Header) (algorithm, kind string, err error) {
	name, kind := header.Get("X-Amz-Checksum-Algorithm"), header.Get("X-Amz-Checksum-Type")
	if name == "" {
		if kind != "" {
			return "", "", invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return "", fullObject, nil
	}
	a := algorithmOf(name)
	if a == nil {
		return "", "", invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	if kind == "" {
		kind = composite
		if a.name == "CRC64NVME" {
			kind = fullObject
		}
	}
	switch {
	case kind != composite && kind != fullObject:
		return "", "", invalidRequest("Value for x-amz-checksum-type header is invalid.")
	case kind == fullObject && a.poly == 0 || kind == composite && a.name == "CRC64NVME":
		return "", "", invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(a.name))
	}
	return a.name, kind, nil
}

// wanted is the algorithm that an upload was begun with; "" is the default.
func wanted(up file.Upload) string {
	for name := range up.Checksums {
		return name
	}
	return ""
}

func (c *call) partNumber() (int, error) {
	text := c.query.Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > partsMax {
		return 0, invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
	}
	return n, nil
}

func (h *Handler) uploadPart(c *call) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := checkUnsupported(c.Header); err != nil {
		return err
	}
	up, err := h.store.Upload(c.bucket, c.key, c.query.Get("uploadId"))
	if err != nil {
		return err
	}
	if c.Header.Get("X-Amz-Copy-Source") != "" {
		return h.uploadPartCopy(c, up, number)
	}
	if err := c.checkLength(); err != nil {
		return err
	}
	sums, err := newChecksums(c, wanted(up))
	if err != nil {
		return err
	}
	if want := wanted(up); want != "" && sums.alg != nil && sums.alg.name != want {
		return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(want), strings.ToLower(sums.alg.name))
	}
	part, err := h.store.PutPart(c.Context(), c.bucket, c.key, up.ID, number, sums.reader(c.Body), sums.seal)
	if err != nil {
		return err
	}
	c.set("ETag", quoted(part.ETag))
	c.set("x-amz-server-side-encryption", "AES256")
	for name, value := range sums.kept(part.Checksums, wanted(up)) {
		c.set(algorithmOf(name).header(), value)
	}
	return c.answerEmpty(http.StatusOK)
}

func (h *Handler) uploadPartCopy(c *call, up file.Upload, number int) error {
	body, obj, _, err := h.openSource(c)
	if err != nil {
		return err
	}
	defer body.Close()
	if header := c.Header.Get("X-Amz-Copy-Source-Range"); header != "" {
		offset, length, err := copyRange(header, obj.Size)
		if err != nil {
			return err
		}
		body.Choose(offset, length)
	} else if obj.Size > objectBytesMax {
		return invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(objectBytesMax))
	}
	sums, err := newChecksums(&call{Request: &http.Request{Header: http.Header{}, Method: http.MethodGet}}, wanted(up))
	if err != nil {
		return err
	}
	part, err := h.store.PutPart(c.Context(), c.bucket, c.key, up.ID, number, sums.reader(io.Reader(body)), sums.seal)
	if err != nil {
		return err
	}
	return c.answerXML(copyResult{
		xmlName("CopyPartResult"), isoTime(part.ModTime), quoted(part.ETag), elements(sums.kept(part.Checksums, wanted(up)), ""),
	})
}

// copyRange reads bytes=a-b, which must lie within the source.
func copyRange(header string, size int64) (offset, length int64, err error) {
	r, ok := parseRange(header)
	if !ok || r.Offset < 0 || r.Length < 0 {
		return 0, 0, invalidArgument("x-amz-copy-source-range", header, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	if r.Offset+r.Length > size {
		return 0, 0, invalidArgument("x-amz-copy-source-range", header, "Range specified is not valid for source object of size: %d", size)
	}
	if r.Length > objectBytesMax {
		return 0, 0, invalidRequest("The specified copy range is larger than the maximum allowable size for a copy source: %d", int64(objectBytesMax))
	}
	return r.Offset, r.Length, nil
}

type completePart struct {
	PartNumber int
	ETag       string
	checksumElements
}

func (h *Handler) completeUpload(c *call) error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in struct {
		Parts []completePart `xml:"Part"`
	}
	if err := decodeXML(raw, "CompleteMultipartUpload", &in); err != nil {
		return err
	}
	if len(in.Parts) == 0 || len(in.Parts) > partsMax {
		return malformedXML()
	}
	done := file.Completion{PartBytesMin: h.opts.PartBytesMin}
	if done.IfAbsent, done.IfMatch, err = writeConditions(c.Header); err != nil {
		return err
	}
	for _, p := range in.Parts {
		done.Parts = append(done.Parts, file.CompletePart{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`)})
	}
	id := c.query.Get("uploadId")
	up, upErr := h.store.Upload(c.bucket, c.key, id) // gone if this repeats a completion: the store will know
	if kind := c.Header.Get("X-Amz-Checksum-Type"); upErr == nil && kind != "" && kind != up.ChecksumType {
		return invalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", up.ChecksumType)
	}
	done.Seal = func(body file.Body, parts []file.Part, a *file.Attributes) (err error) {
		a.Checksums, err = checkCompletion(c, up, in.Parts, body, parts)
		return err
	}
	obj, err := h.store.CompleteUpload(c.Context(), c.bucket, c.key, id, done)
	if err != nil {
		return err
	}
	h.setVersion(c, obj)
	c.set("x-amz-server-side-encryption", "AES256")
	return c.answerXML(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Location string
		Bucket   string
		Key      string
		ETag     string
		checksumElements
	}{
		Location: "http://" + c.Host + "/" + c.bucket + "/" + c.key, Bucket: c.bucket, Key: c.key, ETag: quoted(obj.ETag),
		checksumElements: elements(obj.Checksums, obj.ChecksumType),
	})
}

// checkCompletion compares what a completion says of the parts with what was uploaded, and computes the object's checksum.
func checkCompletion(c *call, up file.Upload, sent []completePart, body file.Body, parts []file.Part) (map[string]string, error) {
	if text := c.Header.Get("X-Amz-Mp-Object-Size"); text != "" && text != fmt.Sprint(body.Size) {
		return nil, invalidRequest("The provided 'x-amz-mp-object-size' header value %s does not match what was computed: %d", text, body.Size)
	}
	name := wanted(up)
	if name == "" {
		name = "CRC64NVME"
	}
	alg := algorithmOf(name)
	var values []string
	var sizes []int64
	for i, p := range parts {
		for j := range algorithms {
			a := algorithms[j].name
			if want := sent[i].get(a); want != "" && want != p.Checksums[a] {
				return nil, file.ErrInvalidPart
			}
		}
		values, sizes = append(values, p.Checksums[name]), append(sizes, p.Size)
	}
	var total string
	var err error
	if up.ChecksumType == composite {
		total, err = alg.compositeSum(values)
	} else {
		total, err = alg.joinedSum(values, sizes)
	}
	if err != nil {
		return nil, err
	}
	if want := c.Header.Get(alg.header()); want != "" && want != total {
		return nil, wire.Errorf("BadDigest", http.StatusBadRequest, "The %s you specified did not match the calculated checksum.", name)
	}
	return map[string]string{name: total}, nil
}

func (h *Handler) abortUpload(c *call) error {
	if err := h.store.AbortUpload(c.bucket, c.key, c.query.Get("uploadId")); err != nil {
		return err
	}
	return c.answerEmpty(http.StatusNoContent)
}
