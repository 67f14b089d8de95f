package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// codes are S3's names and messages for what the store says. Empty messages are the error's own text.
var codes = []struct {
	err     error
	name    string
	status  int
	message string
}{
	{objstore.ErrNoSuchBucket, "NoSuchBucket", 404, "The specified bucket does not exist"},
	{objstore.ErrNoSuchKey, "NoSuchKey", 404, "The specified key does not exist."},
	{objstore.ErrPrecondition, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold"},
	{objstore.ErrInvalidBucket, "InvalidBucketName", 400, "The specified bucket is not valid."},
	{objstore.ErrInvalidKey, "KeyTooLongError", 400, "Your key is too long"},
	{objstore.ErrRange, "InvalidRange", 416, "The requested range is not satisfiable"},
	{objstore.ErrNoSpace, "ServiceUnavailable", 503, "The disk is full. Make room and try again."},
	{file.ErrBucketExists, "BucketAlreadyOwnedByYou", 409, "Your previous request to create the named bucket succeeded and you already own it."},
	{file.ErrBucketNotEmpty, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty"},
	{file.ErrNoSuchVersion, "NoSuchVersion", 404, "The specified version does not exist."},
	{file.ErrMarker, "MethodNotAllowed", 405, "The specified method is not allowed against this resource."},
	{file.ErrNoSuchUpload, "NoSuchUpload", 404, "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	{file.ErrInvalidPart, "InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	{file.ErrPartOrder, "InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	{file.ErrPartTooSmall, "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size"},
	{io.ErrUnexpectedEOF, "IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	{context.Canceled, "RequestTimeout", 400, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."},
}

// exception is what S3 says of err; known is false for a fault of ours.
func exception(err error, c *call) (e *wire.Error, known bool) {
	if errors.As(err, &e) {
		return e, true
	}
	for _, code := range codes {
		if !errors.Is(err, code.err) {
			continue
		}
		e := &wire.Error{Name: code.name, Status: code.status, Message: code.message, Fields: map[string]any{}}
		switch code.name {
		case "NoSuchBucket", "InvalidBucketName", "BucketAlreadyOwnedByYou", "BucketNotEmpty":
			e.Fields["BucketName"] = c.bucket
		case "NoSuchKey", "NoSuchVersion":
			e.Fields["Key"] = c.key
		case "MethodNotAllowed":
			e.Fields["Method"] = c.Method
		}
		return e, true
	}
	return wire.Errorf("InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again."), false
}

// fail answers with an error.
func (h *Handler) fail(c *call, err error) {
	e, known := exception(err, c)
	if !known {
		h.opts.Logger.Error("s3 request failed", "method", c.Method, "bucket", c.bucket, "key", c.key, "request", c.id, "err", err)
	}
	header := c.w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires", "ETag", "Last-Modified"} {
		delete(header, name)
	}
	if e.Status == http.StatusNotModified || c.Method == http.MethodHead {
		c.w.WriteHeader(e.Status)
		return
	}
	header.Set("Content-Type", "application/xml")
	c.w.WriteHeader(e.Status)
	c.w.Write(errorXML(e, c.id)) // a client that has gone is no concern of ours
}

type errorField struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func errorXML(e *wire.Error, id string) []byte {
	doc := struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Fields    []errorField
		RequestId string
		HostId    string
	}{Code: e.Name, Message: e.Message, RequestId: id, HostId: hostID(id)}
	for name, value := range e.Fields {
		doc.Fields = append(doc.Fields, errorField{xml.Name{Local: name}, fmt.Sprint(value)})
	}
	slices.SortFunc(doc.Fields, func(a, b errorField) int { return strings.Compare(a.XMLName.Local, b.XMLName.Local) })
	raw, err := xml.Marshal(doc)
	if err != nil {
		panic(err) // names and texts only
	}
	return append([]byte(xml.Header), raw...)
}

func invalidArgument(name, value, format string, args ...any) error {
	return &wire.Error{
		Name: "InvalidArgument", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...),
		Fields: map[string]any{"ArgumentName": name, "ArgumentValue": value},
	}
}

func invalidRequest(format string, args ...any) error {
	return wire.Errorf("InvalidRequest", http.StatusBadRequest, format, args...)
}

func malformedXML() error {
	return wire.Errorf("MalformedXML", http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
}
