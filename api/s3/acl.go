package s3

import (
	"encoding/xml"
	"errors"
	"net/http"

	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// ACLs of buckets and objects. Buckets refuse ACLs from their creation, as on S3, until their ownership controls allow
// them. A bucket's ACL is stored and returned; nothing is decided by it. Objects have their owner's ACL only.

type accessControlPolicy struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Xmlns   string   `xml:"xmlns,attr"`
	Owner   owner    `xml:"Owner"`
	Grants  []grant  `xml:"AccessControlList>Grant"`
}

type grant struct {
	Grantee    grantee
	Permission string
}

type grantee struct {
	XSI         string `xml:"xmlns:xsi,attr"`
	Type        string `xml:"xsi:type,attr"`
	ID          string `xml:",omitempty"`
	DisplayName string `xml:",omitempty"`
	URI         string `xml:",omitempty"`
}

const xsi = "http://www.w3.org/2001/XMLSchema-instance"

func (h *Handler) ownersACL() accessControlPolicy {
	return accessControlPolicy{Xmlns: xmlns, Owner: h.owner, Grants: []grant{
		{grantee{XSI: xsi, Type: "CanonicalUser", ID: h.owner.ID, DisplayName: h.owner.DisplayName}, "FULL_CONTROL"},
	}}
}

// cannedACL is what a value of x-amz-acl stands for.
func (h *Handler) cannedACL(name string) (accessControlPolicy, error) {
	group := func(group, permission string) grant {
		return grant{grantee{XSI: xsi, Type: "Group", URI: "http://acs.amazonaws.com/groups/" + group}, permission}
	}
	acl := h.ownersACL()
	switch name {
	case "private", "bucket-owner-read", "bucket-owner-full-control":
	case "public-read":
		acl.Grants = append(acl.Grants, group("global/AllUsers", "READ"))
	case "public-read-write":
		acl.Grants = append(acl.Grants, group("global/AllUsers", "READ"), group("global/AllUsers", "WRITE"))
	case "authenticated-read":
		acl.Grants = append(acl.Grants, group("global/AuthenticatedUsers", "READ"))
	case "log-delivery-write":
		acl.Grants = append(acl.Grants, group("s3/LogDelivery", "WRITE"), group("s3/LogDelivery", "READ_ACP"))
	default:
		return acl, invalidArgument("x-amz-acl", name, "Invalid canned ACL")
	}
	return acl, nil
}

// aclsOff says that the bucket's ownership controls forbid ACLs.
func (h *Handler) aclsOff(bucket string) (bool, error) {
	raw, err := h.store.Config(bucket, "ownershipControls")
	if errors.Is(err, file.ErrNoSuchConfig) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var in ownershipControls
	if err := decodeXML(raw, "OwnershipControls", &in); err != nil {
		return false, err
	}
	return in.Rules[0].ObjectOwnership == "BucketOwnerEnforced", nil
}

func aclNotSupported() error {
	return wire.Errorf("AccessControlListNotSupported", http.StatusBadRequest, "The bucket does not allow ACLs")
}

func (h *Handler) getBucketACL(c *call) error {
	raw, err := h.store.Config(c.bucket, "acl")
	if errors.Is(err, file.ErrNoSuchConfig) {
		return c.answerXML(h.ownersACL())
	}
	if err != nil {
		return err
	}
	c.sendXML(raw)
	return nil
}

func (h *Handler) putBucketACL(c *call) error {
	raw, err := h.sentACL(c)
	if err != nil {
		return err
	}
	if err := h.store.SetConfig(c.bucket, "acl", raw); err != nil {
		return err
	}
	return c.answerEmpty(http.StatusOK)
}

// sentACL is the ACL that a request sets, by header or document.
func (h *Handler) sentACL(c *call) ([]byte, error) {
	off, err := h.aclsOff(c.bucket)
	if err != nil {
		return nil, err
	}
	for _, header := range grantHeaders {
		if c.Header.Get(header) != "" {
			return nil, notImplemented(header)
		}
	}
	canned := c.Header.Get("X-Amz-Acl")
	if off && canned != "private" && canned != "bucket-owner-full-control" {
		return nil, aclNotSupported()
	}
	if canned != "" {
		acl, err := h.cannedACL(canned)
		return xmlBytes(acl), err
	}
	raw, err := c.document()
	if err != nil {
		return nil, err
	}
	var in struct {
		Owner  *struct{ ID string }
		Grants []struct{ Permission string } `xml:"AccessControlList>Grant"`
	}
	if err := decodeXML(raw, "AccessControlPolicy", &in); err != nil {
		return nil, err
	}
	if in.Owner == nil || in.Owner.ID != h.owner.ID {
		return nil, wire.Errorf("AccessDenied", http.StatusForbidden, "Access Denied")
	}
	return raw, nil
}

var grantHeaders = []string{
	"X-Amz-Grant-Read", "X-Amz-Grant-Write", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write-Acp", "X-Amz-Grant-Full-Control",
}

// checkObjectACL refuses headers of a put that give others access to an object.
func (h *Handler) checkObjectACL(c *call) error {
	for _, header := range grantHeaders {
		if c.Header.Get(header) != "" {
			return aclNotSupported()
		}
	}
	switch acl := c.Header.Get("X-Amz-Acl"); acl {
	case "", "private", "bucket-owner-full-control":
		return nil
	default:
		off, err := h.aclsOff(c.bucket)
		if err != nil {
			return err
		}
		if off {
			return aclNotSupported()
		}
		return notImplemented("x-amz-acl: " + acl)
	}
}

func (h *Handler) getObjectACL(c *call) error {
	if _, err := h.stat(c); err != nil {
		return err
	}
	return c.answerXML(h.ownersACL())
}

func (h *Handler) putObjectACL(c *call) error {
	if _, err := h.stat(c); err != nil {
		return err
	}
	if c.Header.Get("X-Amz-Acl") == "" {
		off, err := h.aclsOff(c.bucket)
		if err == nil && off {
			err = aclNotSupported()
		} else if err == nil {
			err = notImplemented("ACLs of objects")
		}
		return err
	}
	if err := h.checkObjectACL(c); err != nil {
		return err
	}
	return c.answerEmpty(http.StatusOK)
}
