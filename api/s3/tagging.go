package s3

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// Get-, Put- and DeleteObjectTagging, and the tags of buckets.

type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Xmlns   string   `xml:"xmlns,attr"`
	TagSet  tagSet
}

type tagSet struct {
	Tags []tag `xml:"Tag"`
}

type tag struct{ Key, Value string }

const (
	objectTagsMax = 10
	bucketTagsMax = 50
)

func checkTags(tags []tag, max int) error {
	if len(tags) > max {
		return wire.Errorf("BadRequest", http.StatusBadRequest, "Object tags cannot be greater than %d", max)
	}
	seen := make(map[string]bool)
	for _, t := range tags {
		switch n := utf8.RuneCountInString(t.Key); {
		case n == 0 || n > 128:
			return invalidTag("The TagKey you have provided is invalid", t.Key)
		case utf8.RuneCountInString(t.Value) > 256:
			return invalidTag("The TagValue you have provided is invalid", t.Key)
		case seen[t.Key]:
			return invalidTag("Cannot provide multiple Tags with the same key", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

func invalidTag(message, key string) error {
	return &wire.Error{Name: "InvalidTag", Status: http.StatusBadRequest, Message: message, Fields: map[string]any{"TagKey": key}}
}

func checkBucketTags(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in tagging
	if err := decodeXML(raw, "Tagging", &in); err != nil {
		return nil, err
	}
	return raw, checkTags(in.TagSet.Tags, bucketTagsMax)
}

// headerTags reads x-amz-tagging, a query string.
func headerTags(value string) ([]file.Tag, error) {
	form, err := url.ParseQuery(value)
	if err != nil {
		return nil, invalidArgument("x-amz-tagging", value, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var tags []tag
	for k, vs := range form {
		for _, v := range vs {
			tags = append(tags, tag{k, v})
		}
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return fileTags(tags), checkTags(tags, objectTagsMax)
}

func fileTags(tags []tag) []file.Tag {
	var list []file.Tag
	for _, t := range tags {
		list = append(list, file.Tag{Key: t.Key, Value: t.Value})
	}
	return list
}

func (h *Handler) getObjectTags(c *call) error {
	obj, err := h.stat(c)
	if err != nil {
		return err
	}
	out := tagging{Xmlns: xmlns}
	for _, t := range obj.Tags {
		out.TagSet.Tags = append(out.TagSet.Tags, tag{t.Key, t.Value})
	}
	h.setVersion(c, obj)
	return c.answerXML(out)
}

func (h *Handler) putObjectTags(c *call) error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in tagging
	if err := decodeXML(raw, "Tagging", &in); err != nil {
		return err
	}
	if err := checkTags(in.TagSet.Tags, objectTagsMax); err != nil {
		return err
	}
	return h.setTags(c, fileTags(in.TagSet.Tags), http.StatusOK)
}

func (h *Handler) deleteObjectTags(c *call) error { return h.setTags(c, nil, http.StatusNoContent) }

func (h *Handler) setTags(c *call, tags []file.Tag, status int) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	obj, err := h.store.SetTags(c.bucket, c.key, version, tags)
	if err != nil {
		return err
	}
	h.setVersion(c, obj)
	return c.answerEmpty(status)
}
