package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/minio/crc64nvme"

	"github.com/weir-data/weir/wire"
)

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

const documentBytesMax = 8 << 20 // the largest is a completion of 10,000 parts

// document reads a request's XML or JSON body, checking its digests.
func (c *call) document() ([]byte, error) {
	if c.ContentLength > documentBytesMax {
		return nil, wire.Errorf("MaxMessageLengthExceeded", http.StatusBadRequest, "Your request was too big.")
	}
	sums, err := newChecksums(c, "")
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(sums.reader(c.Body), documentBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > documentBytesMax {
		return nil, wire.Errorf("MaxMessageLengthExceeded", http.StatusBadRequest, "Your request was too big.")
	}
	if err := sums.checkMD5(nil, raw); err != nil {
		return nil, err
	}
	_, err = sums.finish(crc64nvme.Checksum(raw))
	return raw, err
}

// decodeXML reads a document whose root element is root into v.
func decodeXML(raw []byte, root string, v any) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	for {
		t, err := d.Token()
		if err != nil {
			return malformedXML()
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != root {
			return malformedXML()
		}
		if err := d.DecodeElement(v, &start); err != nil {
			return malformedXML()
		}
		break
	}
	for { // nothing but space may follow
		switch t, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return malformedXML()
		default:
			if _, ok := t.(xml.StartElement); ok {
				return malformedXML()
			}
		}
	}
}

// answerXML sends v, whose XMLName has a tag with the namespace.
func (c *call) answerXML(v any) error {
	raw, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	c.sendXML(append([]byte(xml.Header), raw...))
	return nil
}

func (c *call) sendXML(raw []byte) {
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	c.w.WriteHeader(http.StatusOK)
	c.w.Write(raw)
}

func (c *call) answerEmpty(status int) error {
	if status == http.StatusOK {
		c.w.Header().Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}

// set writes a header under exactly this name.
func (c *call) set(name, value string) {
	if value != "" {
		c.w.Header()[name] = []string{value}
	}
}

// isoTime is how S3 writes times in XML.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func quoted(etag string) string { return `"` + etag + `"` }

// intParam reads a query parameter from 0 to max; a greater one is max.
func (c *call) intParam(name string, unset, max int) (int, error) {
	text := c.query.Get(name)
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalidArgument(name, text, "Provided %s not an integer or within integer range", name)
	}
	if n < 0 {
		return 0, invalidArgument(name, text, "Argument %s must be an integer between 0 and 2147483647", name)
	}
	return min(int(n), max), nil
}
