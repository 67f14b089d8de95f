package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
)

// ListObjects, ListObjectsV2, ListObjectVersions: byte order of whole keys, encoding-type=url, pages of up to 1,000.

const pageMax = 1000

type contents struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	StorageClass      string
	Owner             *owner
}

type commonPrefix struct{ Prefix string }

// listing is what both versions of ListObjects answer.
type listing struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string
	Prefix                string
	Marker                *string
	NextMarker            string  `xml:",omitempty"`
	StartAfter            *string `xml:",omitempty"`
	ContinuationToken     *string `xml:",omitempty"`
	NextContinuationToken string  `xml:",omitempty"`
	KeyCount              *int
	MaxKeys               int
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []contents
	CommonPrefixes        []commonPrefix
}

func (h *Handler) listObjects(c *call) error {
	marker := c.query.Get("marker")
	page, out, err := h.listPage(c, marker)
	if err != nil {
		return err
	}
	encode := keyEncoder(out.EncodingType)
	encoded := encode(marker)
	out.Marker = &encoded
	if out.Delimiter != "" {
		out.NextMarker = encode(page.Next)
	}
	return c.answerXML(out)
}

func (h *Handler) listObjectsV2(c *call) error {
	if t := c.query.Get("list-type"); t != "2" {
		return invalidArgument("list-type", t, "Invalid List Type specified in Request")
	}
	after := c.query.Get("start-after")
	token := c.query.Get("continuation-token")
	if c.query.Has("continuation-token") {
		if token == "" {
			return invalidArgument("continuation-token", "", "The continuation token provided is incorrect")
		}
		var err error
		if after, err = decodeToken(token); err != nil {
			return err
		}
	}
	page, out, err := h.listPage(c, after)
	if err != nil {
		return err
	}
	if c.query.Has("start-after") {
		encoded := keyEncoder(out.EncodingType)(c.query.Get("start-after"))
		out.StartAfter = &encoded
	}
	if token != "" {
		out.ContinuationToken = &token
	}
	out.NextContinuationToken = encodeToken(page.Next)
	n := len(out.Contents) + len(out.CommonPrefixes)
	out.KeyCount = &n
	return c.answerXML(out)
}

// listPage reads the parameters of both versions and a page.
func (h *Handler) listPage(c *call, after string) (objstore.Page, *listing, error) {
	limit, err := c.intParam("max-keys", pageMax, pageMax)
	if err != nil {
		return objstore.Page{}, nil, err
	}
	encoding, err := c.encodingType()
	if err != nil {
		return objstore.Page{}, nil, err
	}
	opts := objstore.ListOptions{Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"), After: after, Limit: limit}
	var page objstore.Page
	if limit > 0 {
		page, err = h.store.List(c.Context(), c.bucket, opts)
	} else {
		_, err = h.store.Bucket(c.bucket)
	}
	if err != nil {
		return page, nil, err
	}
	encode := keyEncoder(encoding)
	out := &listing{
		Name: c.bucket, Prefix: encode(opts.Prefix), MaxKeys: limit, Delimiter: encode(opts.Delimiter),
		EncodingType: encoding, IsTruncated: page.Next != "",
	}
	var listedOwner *owner
	if c.query.Get("fetch-owner") == "true" || !c.query.Has("list-type") {
		listedOwner = &h.owner
	}
	for _, o := range page.Objects {
		out.Contents = append(out.Contents, contents{
			Key: encode(o.Key), LastModified: isoTime(o.ModTime), ETag: quoted(o.ETag), Size: o.Size,
			StorageClass: "STANDARD", Owner: listedOwner,
		})
	}
	for _, p := range page.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(p)})
	}
	return page, out, nil
}

func (c *call) encodingType() (string, error) {
	t := c.query.Get("encoding-type")
	if t != "" && t != "url" {
		return "", invalidArgument("encoding-type", t, "Invalid Encoding Method specified in Request")
	}
	return t, nil
}

// keyEncoder is how names stand in an answer: XML cannot hold all characters that keys can.
func keyEncoder(encodingType string) func(string) string {
	if encodingType == "" {
		return func(s string) string { return s }
	}
	return func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
}

// Tokens are opaque to clients: the last key, with a mark in front.
const tokenMark = "1"

func encodeToken(after string) string {
	if after == "" {
		return ""
	}
	return base64.URLEncoding.EncodeToString([]byte(tokenMark + after))
}

func decodeToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.URLEncoding.DecodeString(token)
	after, ok := strings.CutPrefix(string(raw), tokenMark)
	if err != nil || !ok {
		return "", invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
	}
	return after, nil
}

type versionEntry struct {
	XMLName      xml.Name
	Key          string
	VersionId    string
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int64
	StorageClass string `xml:",omitempty"`
	Owner        owner
}

func (h *Handler) listVersions(c *call) error {
	limit, err := c.intParam("max-keys", pageMax, pageMax)
	if err != nil {
		return err
	}
	encoding, err := c.encodingType()
	if err != nil {
		return err
	}
	opts := file.VersionList{
		Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"), After: c.query.Get("key-marker"),
		AfterVersion: c.query.Get("version-id-marker"), Limit: limit,
	}
	if opts.AfterVersion != "" && opts.After == "" {
		return invalidArgument("version-id-marker", opts.AfterVersion, "A version-id marker cannot be specified without a key marker.")
	}
	var page file.VersionPage
	if limit > 0 {
		page, err = h.store.ListVersions(c.Context(), c.bucket, opts)
	} else {
		_, err = h.store.Bucket(c.bucket)
	}
	if err != nil {
		return err
	}
	encode := keyEncoder(encoding)
	out := struct {
		XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
		Name                string
		Prefix              string
		KeyMarker           string
		VersionIdMarker     string
		NextKeyMarker       string `xml:",omitempty"`
		NextVersionIdMarker string `xml:",omitempty"`
		MaxKeys             int
		Delimiter           string `xml:",omitempty"`
		EncodingType        string `xml:",omitempty"`
		IsTruncated         bool
		Entries             []versionEntry
		CommonPrefixes      []commonPrefix
	}{
		Name: c.bucket, Prefix: encode(opts.Prefix), KeyMarker: encode(opts.After), VersionIdMarker: opts.AfterVersion,
		MaxKeys: limit, Delimiter: encode(opts.Delimiter), EncodingType: encoding, IsTruncated: page.More,
	}
	if page.More {
		out.NextKeyMarker, out.NextVersionIdMarker = encode(page.NextKey), page.NextVersionID
	}
	for _, v := range page.Versions {
		out.Entries = append(out.Entries, h.versionEntry(v, encode))
	}
	for _, p := range page.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(p)})
	}
	return c.answerXML(out)
}

func (h *Handler) versionEntry(v file.Object, encode func(string) string) versionEntry {
	e := versionEntry{
		XMLName: xml.Name{Local: "DeleteMarker"}, Key: encode(v.Key), VersionId: versionName(v.Version), IsLatest: v.Latest,
		LastModified: isoTime(v.ModTime), Owner: h.owner,
	}
	if v.Marker {
		return e
	}
	e.XMLName.Local, e.ETag, e.Size, e.StorageClass = "Version", quoted(v.ETag), &v.Size, "STANDARD"
	if v.StorageClass != "" {
		e.StorageClass = v.StorageClass
	}
	return e
}
