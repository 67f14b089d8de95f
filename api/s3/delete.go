package s3

import (
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/weir-data/weir/objstore/file"
)

// DeleteObject and DeleteObjects. MFA delete is not there: buckets cannot be set to ask for it.

const deletionsMax = 1000

func (h *Handler) deleteObject(c *call) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	d := file.Deletion{Key: c.key, IfMatch: strings.Trim(c.Header.Get("If-Match"), `"`)}
	if version != nil {
		d.Version = *version
	}
	done, err := h.store.DeleteAll(c.Context(), c.bucket, []file.Deletion{d})
	if err != nil {
		return err
	}
	if done[0].Err != nil {
		return done[0].Err
	}
	if done[0].Marker {
		c.set("x-amz-delete-marker", "true")
	}
	if b, err := h.store.Bucket(c.bucket); err == nil && done[0].Versioned && b.Versioning != file.Unversioned {
		c.set("x-amz-version-id", versionName(done[0].Version))
	}
	return c.answerEmpty(http.StatusNoContent)
}

type deletedEntry struct {
	Key                   string
	VersionId             string `xml:",omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionId string `xml:",omitempty"`
}

type deleteError struct {
	Key       string
	VersionId string `xml:",omitempty"`
	Code      string
	Message   string
}

func (h *Handler) deleteObjects(c *call) error {
	if c.Header.Get("Content-Md5") == "" && !namesChecksum(c.Header) {
		return invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in struct {
		Quiet   bool
		Objects []struct{ Key, VersionId, ETag string } `xml:"Object"`
	}
	if err := decodeXML(raw, "Delete", &in); err != nil {
		return err
	}
	if len(in.Objects) == 0 || len(in.Objects) > deletionsMax {
		return malformedXML()
	}
	ds := make([]file.Deletion, len(in.Objects))
	for i, o := range in.Objects {
		ds[i] = file.Deletion{Key: o.Key, Version: o.VersionId, IfMatch: strings.Trim(o.ETag, `"`)}
	}
	results, err := h.store.DeleteAll(c.Context(), c.bucket, ds)
	if err != nil {
		return err
	}
	out := struct {
		XMLName xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []deletedEntry `xml:"Deleted"`
		Errors  []deleteError  `xml:"Error"`
	}{}
	for i, d := range ds {
		if err := results[i].Err; err != nil {
			e, known := exception(err, c)
			if !known {
				h.opts.Logger.Error("s3 delete failed", "bucket", c.bucket, "key", d.Key, "request", c.id, "err", err)
			}
			out.Errors = append(out.Errors, deleteError{d.Key, d.Version, e.Name, e.Message})
		} else if !in.Quiet {
			out.Deleted = append(out.Deleted, entryOf(d, results[i]))
		}
	}
	return c.answerXML(out)
}

func entryOf(d file.Deletion, done file.Deleted) deletedEntry {
	e := deletedEntry{Key: d.Key, VersionId: d.Version, DeleteMarker: done.Marker}
	if done.Marker {
		e.DeleteMarkerVersionId = versionName(done.Version)
	}
	return e
}

func namesChecksum(header http.Header) bool {
	for i := range algorithms {
		if header.Get(algorithms[i].header()) != "" {
			return true
		}
	}
	return strings.Contains(strings.ToLower(header.Get("X-Amz-Trailer")), "x-amz-checksum-")
}
