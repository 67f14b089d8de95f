package s3

import (
	"encoding/xml"
	"strings"

	"github.com/weir-data/weir/objstore/file"
)

// ListParts and ListMultipartUploads.

type partEntry struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	checksumElements
}

func (h *Handler) listParts(c *call) error {
	limit, err := c.intParam("max-parts", pageMax, pageMax)
	if err != nil {
		return err
	}
	after, err := c.intParam("part-number-marker", 0, partsMax)
	if err != nil {
		return err
	}
	id := c.query.Get("uploadId")
	up, err := h.store.Upload(c.bucket, c.key, id)
	if err != nil {
		return err
	}
	parts, err := h.store.Parts(c.bucket, c.key, id, after, limit+1)
	if err != nil {
		return err
	}
	out := struct {
		XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
		Bucket               string
		Key                  string
		UploadId             string
		Initiator            owner
		Owner                owner
		StorageClass         string
		ChecksumAlgorithm    string `xml:",omitempty"`
		ChecksumType         string `xml:",omitempty"`
		PartNumberMarker     int
		NextPartNumberMarker int
		MaxParts             int
		IsTruncated          bool
		Parts                []partEntry `xml:"Part"`
	}{
		Bucket: c.bucket, Key: c.key, UploadId: id, Initiator: h.owner, Owner: h.owner, StorageClass: classOf(up.Attributes.StorageClass),
		ChecksumAlgorithm: wanted(up), PartNumberMarker: after, MaxParts: limit, IsTruncated: len(parts) > limit,
	}
	if out.ChecksumAlgorithm != "" {
		out.ChecksumType = up.ChecksumType
	}
	for _, p := range parts[:min(limit, len(parts))] {
		e := partEntry{PartNumber: p.Number, LastModified: isoTime(p.ModTime), ETag: quoted(p.ETag), Size: p.Size}
		if name := wanted(up); name != "" {
			e.checksumElements = elements(map[string]string{name: p.Checksums[name]}, "")
		}
		out.Parts = append(out.Parts, e)
		out.NextPartNumberMarker = p.Number
	}
	return c.answerXML(out)
}

func classOf(stored string) string {
	if stored == "" {
		return "STANDARD"
	}
	return stored
}

type uploadEntry struct {
	Key               string
	UploadId          string
	Initiator         owner
	Owner             owner
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

// uploadListing is the answer of ListMultipartUploads.
type uploadListing struct {
	XMLName            xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket             string
	KeyMarker          string
	UploadIdMarker     string
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIdMarker string `xml:",omitempty"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	MaxUploads         int
	EncodingType       string `xml:",omitempty"`
	IsTruncated        bool
	Uploads            []uploadEntry `xml:"Upload"`
	CommonPrefixes     []commonPrefix
}

func (h *Handler) listUploads(c *call) error {
	limit, err := c.intParam("max-uploads", pageMax, pageMax)
	if err != nil {
		return err
	}
	encoding, err := c.encodingType()
	if err != nil {
		return err
	}
	encode := keyEncoder(encoding)
	prefix, delimiter := c.query.Get("prefix"), c.query.Get("delimiter")
	out := &uploadListing{
		Bucket: c.bucket, KeyMarker: encode(c.query.Get("key-marker")), UploadIdMarker: c.query.Get("upload-id-marker"),
		Prefix: encode(prefix), Delimiter: encode(delimiter), MaxUploads: limit, EncodingType: encoding,
	}
	after, afterID := c.query.Get("key-marker"), out.UploadIdMarker
	if delimiter != "" && strings.HasSuffix(after, delimiter) && afterID == "" {
		after += "\xff" // a common prefix: behind all keys that it stands for
	}
	for {
		ups, err := h.store.Uploads(c.bucket, prefix, after, afterID, pageMax)
		if err != nil {
			return err
		}
		for _, up := range ups {
			if !out.add(h, up, prefix, delimiter, limit, encode) {
				return c.answerXML(out)
			}
			after, afterID = up.Key, up.ID
		}
		if len(ups) < pageMax {
			return c.answerXML(out)
		}
	}
}

// add appends an upload or its common prefix; false if the page is full.
func (out *uploadListing) add(h *Handler, up file.Upload, prefix, delimiter string, limit int, encode func(string) string) bool {
	group := ""
	if i := strings.Index(up.Key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
		group = up.Key[:len(prefix)+i+len(delimiter)]
		if n := len(out.CommonPrefixes); n > 0 && out.CommonPrefixes[n-1].Prefix == encode(group) {
			return true
		}
	}
	if len(out.Uploads)+len(out.CommonPrefixes) >= limit {
		out.IsTruncated = limit > 0
		return false
	}
	if group != "" {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(group)})
		out.NextKeyMarker, out.NextUploadIdMarker = encode(group), ""
		return true
	}
	e := uploadEntry{
		Key: encode(up.Key), UploadId: up.ID, Initiator: h.owner, Owner: h.owner, StorageClass: classOf(up.Attributes.StorageClass),
		Initiated: isoTime(up.Initiated), ChecksumAlgorithm: wanted(up),
	}
	if e.ChecksumAlgorithm != "" {
		e.ChecksumType = up.ChecksumType
	}
	out.Uploads = append(out.Uploads, e)
	out.NextKeyMarker, out.NextUploadIdMarker = encode(up.Key), up.ID
	return true
}
