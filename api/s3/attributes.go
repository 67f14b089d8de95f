package s3

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"github.com/weir-data/weir/objstore/file"
)

// GetObjectAttributes: what x-amz-object-attributes names, of ETag, Checksum, ObjectParts, StorageClass, ObjectSize.

type attributesPart struct {
	PartNumber int
	Size       int64
	checksumElements
}

type attributesParts struct {
	PartsCount           int
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Parts                []attributesPart `xml:"Part"`
}

func (h *Handler) getAttributes(c *call) error {
	names := make(map[string]bool)
	for _, line := range c.Header.Values("X-Amz-Object-Attributes") {
		for name := range strings.SplitSeq(line, ",") {
			switch name = strings.TrimSpace(name); name {
			case "ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize":
				names[name] = true
			default:
				return invalidArgument("x-amz-object-attributes", name, "Invalid attribute name specified.")
			}
		}
	}
	if len(names) == 0 {
		return invalidRequest("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	obj, err := h.stat(c)
	if err != nil {
		return err
	}
	out := struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
		ETag         string   `xml:",omitempty"`
		Checksum     *checksumElements
		ObjectParts  *attributesParts
		StorageClass string `xml:",omitempty"`
		ObjectSize   *int64
	}{}
	if names["ETag"] {
		out.ETag = obj.ETag
	}
	if names["Checksum"] && len(obj.Checksums) > 0 {
		sums := elements(obj.Checksums, obj.ChecksumType)
		out.Checksum = &sums
	}
	if names["ObjectParts"] && len(obj.Parts) > 0 {
		if out.ObjectParts, err = partsPage(c, obj); err != nil {
			return err
		}
	}
	if names["StorageClass"] {
		out.StorageClass = classOf(obj.StorageClass)
	}
	if names["ObjectSize"] {
		out.ObjectSize = &obj.Size
	}
	h.setVersion(c, obj)
	c.set("Last-Modified", obj.ModTime.Format(http.TimeFormat))
	return c.answerXML(out)
}

// partsPage lists the parts of an object. As on S3 only composite checksums come with the parts' own.
func partsPage(c *call, obj file.Object) (*attributesParts, error) {
	limit, err := headerInt(c.Header, "X-Amz-Max-Parts", pageMax)
	if err != nil {
		return nil, err
	}
	after, err := headerInt(c.Header, "X-Amz-Part-Number-Marker", 0)
	if err != nil {
		return nil, err
	}
	page := &attributesParts{PartsCount: len(obj.Parts), PartNumberMarker: after, MaxParts: min(limit, pageMax)}
	if obj.ChecksumType != composite {
		return page, nil
	}
	for _, p := range obj.Parts {
		if p.Number <= after {
			continue
		}
		if len(page.Parts) == page.MaxParts {
			page.IsTruncated = true
			break
		}
		sums := make(map[string]string)
		for name := range obj.Checksums {
			sums[name] = p.Checksums[name]
		}
		page.Parts = append(page.Parts, attributesPart{p.Number, p.Size, elements(sums, "")})
		page.NextPartNumberMarker = p.Number
	}
	return page, nil
}

func headerInt(header http.Header, name string, unset int) (int, error) {
	text := header.Get(name)
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument(strings.ToLower(name), text, "Provided %s not an integer or within integer range", strings.ToLower(name))
	}
	return int(n), nil
}
