package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// Buckets: CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation, Get- and PutBucketVersioning.
// In us-east-1 S3 answers the second creation of a bucket with 200; so do we in every region, as all buckets are ours.

type createBucketConfiguration struct {
	LocationConstraint string
	Location           *struct{ Type string }
	Bucket             *struct{ Type string }
	Tags               *tagSet
}

func (h *Handler) createBucket(c *call) error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in createBucketConfiguration
	if len(raw) > 0 {
		if err := decodeXML(raw, "CreateBucketConfiguration", &in); err != nil {
			return err
		}
	}
	if in.Location != nil || in.Bucket != nil {
		return notImplemented("directory buckets")
	}
	if l := in.LocationConstraint; l != "" && l != h.opts.Region && !(l == "EU" && h.opts.Region == "eu-west-1") {
		return &wire.Error{
			Name: "IllegalLocationConstraintException", Status: http.StatusBadRequest,
			Message: "The " + l + " location constraint is incompatible for the region specific endpoint this request was sent to.",
		}
	}
	configs, err := h.newBucketConfigs(c, in.Tags)
	if err != nil {
		return err
	}
	err = h.store.CreateBucketWith(c.bucket, configs)
	if errors.Is(err, file.ErrBucketExists) {
		err = nil
	} else if err == nil && configs["object-lock"] != nil {
		err = h.store.SetVersioning(c.bucket, file.Enabled)
	}
	if err != nil {
		return err
	}
	c.set("Location", "/"+c.bucket)
	return c.answerEmpty(http.StatusOK)
}

// newBucketConfigs are the configurations that S3 gives a new bucket: ACLs off, public access blocked.
func (h *Handler) newBucketConfigs(c *call, tags *tagSet) (map[string][]byte, error) {
	ownership := c.Header.Get("X-Amz-Object-Ownership")
	if ownership == "" {
		ownership = "BucketOwnerEnforced"
	}
	if !slices.Contains(ownerships, ownership) {
		return nil, invalidArgument("x-amz-object-ownership", ownership, "Invalid x-amz-object-ownership header: %s", ownership)
	}
	configs := map[string][]byte{
		"ownershipControls": xmlBytes(ownershipControls{Xmlns: xmlns, Rules: []ownershipRule{{ownership}}}),
		"publicAccessBlock": xmlBytes(publicAccessBlock{Xmlns: xmlns, BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}),
	}
	if acl := c.Header.Get("X-Amz-Acl"); acl != "" && acl != "private" {
		if ownership == "BucketOwnerEnforced" {
			return nil, wire.Errorf("InvalidBucketAclWithObjectOwnership", http.StatusBadRequest, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
		}
		policy, err := h.cannedACL(acl)
		if err != nil {
			return nil, err
		}
		configs["acl"] = xmlBytes(policy)
	}
	if strings.EqualFold(c.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		configs["object-lock"] = []byte(xml.Header + `<ObjectLockConfiguration xmlns="` + xmlns + `"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`)
	}
	if tags != nil && len(tags.Tags) > 0 {
		if err := checkTags(tags.Tags, bucketTagsMax); err != nil {
			return nil, err
		}
		configs["tagging"] = xmlBytes(tagging{Xmlns: xmlns, TagSet: *tags})
	}
	return configs, nil
}

// xmlBytes encodes a struct of ours, which cannot fail.
func xmlBytes(v any) []byte {
	raw, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append([]byte(xml.Header), raw...)
}

func (h *Handler) headBucket(c *call) error {
	if _, err := h.store.Bucket(c.bucket); err != nil {
		return err
	}
	c.set("x-amz-bucket-region", h.opts.Region)
	c.set("x-amz-bucket-arn", "arn:aws:s3:::"+c.bucket)
	c.set("x-amz-access-point-alias", "false")
	c.set("Content-Type", "application/xml")
	return c.answerEmpty(http.StatusOK)
}

func (h *Handler) deleteBucket(c *call) error {
	if err := h.store.DeleteBucket(c.bucket); err != nil {
		return err
	}
	return c.answerEmpty(http.StatusNoContent)
}

type bucketEntry struct {
	Name         string
	CreationDate string
	BucketRegion string
	BucketArn    string
}

func (h *Handler) listBuckets(c *call) error {
	if c.Request.URL.Path != "/" && c.Request.URL.Path != "" {
		return wire.Errorf("InvalidBucketName", http.StatusBadRequest, "The specified bucket is not valid.")
	}
	max, err := c.intParam("max-buckets", 10_000, 10_000)
	if err != nil {
		return err
	}
	after, err := decodeToken(c.query.Get("continuation-token"))
	if err != nil {
		return err
	}
	out := struct {
		XMLName           xml.Name      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner             owner         `xml:"Owner"`
		Buckets           []bucketEntry `xml:"Buckets>Bucket"`
		ContinuationToken string        `xml:",omitempty"`
		Prefix            string        `xml:",omitempty"`
	}{Owner: h.owner, Prefix: c.query.Get("prefix")}
	for _, b := range h.store.Buckets() {
		if b.Name <= after || !strings.HasPrefix(b.Name, out.Prefix) {
			continue
		}
		if len(out.Buckets) == max {
			out.ContinuationToken = encodeToken(out.Buckets[max-1].Name)
			break
		}
		out.Buckets = append(out.Buckets, bucketEntry{b.Name, isoTime(b.Created), h.opts.Region, "arn:aws:s3:::" + b.Name})
	}
	return c.answerXML(out)
}

func (h *Handler) getLocation(c *call) error {
	if _, err := h.store.Bucket(c.bucket); err != nil {
		return err
	}
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: h.opts.Region}
	if out.Region == "us-east-1" {
		out.Region = "" // as S3 has it
	}
	return c.answerXML(out)
}

type versioningConfiguration struct {
	XMLName   xml.Name `xml:"VersioningConfiguration"`
	Xmlns     string   `xml:"xmlns,attr"`
	Status    string   `xml:",omitempty"`
	MfaDelete string   `xml:",omitempty"`
}

func (h *Handler) getVersioning(c *call) error {
	b, err := h.store.Bucket(c.bucket)
	if err != nil {
		return err
	}
	return c.answerXML(versioningConfiguration{Xmlns: xmlns, Status: string(b.Versioning)})
}

func (h *Handler) putVersioning(c *call) error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in versioningConfiguration
	if err := decodeXML(raw, "VersioningConfiguration", &in); err != nil {
		return err
	}
	v := file.Versioning(in.Status)
	if v != file.Enabled && v != file.Suspended {
		return wire.Errorf("IllegalVersioningConfigurationException", http.StatusBadRequest, "The Versioning element must be specified")
	}
	if in.MfaDelete != "" && in.MfaDelete != "Disabled" {
		return notImplemented("MFA delete")
	}
	if err := h.store.SetVersioning(c.bucket, v); err != nil {
		return err
	}
	return c.answerEmpty(http.StatusOK)
}
