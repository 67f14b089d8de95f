package s3

import (
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// Configurations of buckets are kept as they were sent, after a check, and returned in the same form: GET, PUT and DELETE of
// a sub-resource. What S3 answers for one that was never set differs from one to the next; clients read the code.

// config is a sub-resource of buckets.
type config struct {
	name    string
	root    string // element of the document
	check   func(h *Handler, c *call, raw []byte) (stored []byte, err error)
	unset   *wire.Error // answer to GET when it is not set
	empty   string      // or this document, without declaration and namespace
	noDel   bool
	putCode int // default 200
}

func unset(code, message string) *wire.Error {
	return wire.Errorf(code, http.StatusNotFound, "%s", message)
}

var configs = []config{
	{name: "accelerate", root: "AccelerateConfiguration", check: checkStatus("AccelerateConfiguration", "Enabled", "Suspended"), empty: "<AccelerateConfiguration/>", noDel: true},
	{name: "cors", root: "CORSConfiguration", check: checkCORS, unset: unset("NoSuchCORSConfiguration", "The CORS configuration does not exist")},
	{name: "encryption", root: "ServerSideEncryptionConfiguration", check: checkEncryption, empty: "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"},
	{name: "lifecycle", root: "LifecycleConfiguration", check: checkLifecycle, unset: unset("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
	{name: "logging", root: "BucketLoggingStatus", check: checkLogging, empty: "<BucketLoggingStatus/>", noDel: true},
	{name: "object-lock", root: "ObjectLockConfiguration", check: checkObjectLock, unset: unset("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"), noDel: true},
	{name: "ownershipControls", root: "OwnershipControls", check: checkOwnership, unset: unset("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")},
	{name: "policy", check: checkPolicy, unset: unset("NoSuchBucketPolicy", "The bucket policy does not exist"), putCode: http.StatusNoContent},
	{name: "publicAccessBlock", root: "PublicAccessBlockConfiguration", check: checkPublicAccess, unset: unset("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")},
	{name: "replication", root: "ReplicationConfiguration", check: checkReplication, unset: unset("ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
	{name: "requestPayment", root: "RequestPaymentConfiguration", check: checkPayer, empty: "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>", noDel: true},
	{name: "tagging", root: "Tagging", check: checkBucketTags, unset: unset("NoSuchTagSet", "The TagSet does not exist"), putCode: http.StatusNoContent},
	{name: "website", root: "WebsiteConfiguration", check: checkWebsite, unset: unset("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
}

// configOf is the configuration that a request for a bucket is about, or nil.
func configOf(c *call) *config {
	for i := range configs {
		if c.query.Has(configs[i].name) {
			return &configs[i]
		}
	}
	return nil
}

func (cfg *config) methods() methods {
	m := methods{"GET": cfg.get, "PUT": cfg.put, "DELETE": cfg.delete}
	if cfg.noDel {
		delete(m, "DELETE")
	}
	return m
}

// transitionHeader goes with the lifecycle configuration, beside the document.
const transitionHeader = "X-Amz-Transition-Default-Minimum-Object-Size"

func (cfg *config) get(h *Handler, c *call) error {
	raw, err := h.store.Config(c.bucket, cfg.name)
	switch {
	case errors.Is(err, file.ErrNoSuchConfig) && cfg.unset != nil:
		e := *cfg.unset
		e.Fields = map[string]any{"BucketName": c.bucket}
		return &e
	case errors.Is(err, file.ErrNoSuchConfig):
		root, rest, _ := strings.Cut(strings.TrimPrefix(cfg.empty, "<"+cfg.root), ">")
		raw = []byte(xml.Header + "<" + cfg.root + ` xmlns="` + xmlns + `"` + root + ">" + rest)
	case err != nil:
		return err
	}
	if cfg.name == "lifecycle" {
		size, err := h.store.Config(c.bucket, "lifecycle.transition")
		if err != nil && !errors.Is(err, file.ErrNoSuchConfig) {
			return err
		}
		c.set(strings.ToLower(transitionHeader), string(size))
	}
	if cfg.name == "policy" {
		c.w.Header().Set("Content-Type", "application/json")
		c.w.Write(raw)
		return nil
	}
	c.sendXML(raw)
	return nil
}

func (cfg *config) put(h *Handler, c *call) error {
	if _, err := h.store.Bucket(c.bucket); err != nil {
		return err
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	if raw, err = cfg.check(h, c, raw); err != nil {
		return err
	}
	if cfg.name == "lifecycle" {
		if err := h.putTransition(c); err != nil {
			return err
		}
	}
	if err := h.store.SetConfig(c.bucket, cfg.name, raw); err != nil {
		return err
	}
	return c.answerEmpty(max(cfg.putCode, http.StatusOK))
}

func (h *Handler) putTransition(c *call) error {
	size := c.Header.Get(transitionHeader)
	if size == "" {
		size = "all_storage_classes_128K"
	}
	if size != "all_storage_classes_128K" && size != "varies_by_storage_class" {
		return invalidArgument(strings.ToLower(transitionHeader), size, "Invalid value for %s", strings.ToLower(transitionHeader))
	}
	c.set(strings.ToLower(transitionHeader), size)
	return h.store.SetConfig(c.bucket, "lifecycle.transition", []byte(size))
}

func (cfg *config) delete(h *Handler, c *call) error {
	if err := h.store.SetConfig(c.bucket, cfg.name, nil); err != nil {
		return err
	}
	return c.answerEmpty(http.StatusNoContent)
}

// checkStatus is for documents that hold one of some states.
func checkStatus(root string, states ...string) func(*Handler, *call, []byte) ([]byte, error) {
	return func(_ *Handler, _ *call, raw []byte) ([]byte, error) {
		var in struct{ Status string }
		if err := decodeXML(raw, root, &in); err != nil {
			return nil, err
		}
		if !slices.Contains(states, in.Status) {
			return nil, malformedXML()
		}
		return raw, nil
	}
}

func checkPayer(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in struct{ Payer string }
	if err := decodeXML(raw, "RequestPaymentConfiguration", &in); err != nil {
		return nil, err
	}
	if in.Payer != "Requester" && in.Payer != "BucketOwner" {
		return nil, malformedXML()
	}
	return raw, nil
}

func checkEncryption(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in struct {
		Rules []struct {
			Default *struct {
				SSEAlgorithm   string
				KMSMasterKeyID string
			} `xml:"ApplyServerSideEncryptionByDefault"`
		} `xml:"Rule"`
	}
	if err := decodeXML(raw, "ServerSideEncryptionConfiguration", &in); err != nil {
		return nil, err
	}
	if len(in.Rules) != 1 {
		return nil, malformedXML()
	}
	for _, r := range in.Rules {
		if r.Default == nil {
			continue
		}
		if !slices.Contains([]string{"AES256", "aws:kms", "aws:kms:dsse"}, r.Default.SSEAlgorithm) {
			return nil, malformedXML()
		}
		if r.Default.SSEAlgorithm == "AES256" && r.Default.KMSMasterKeyID != "" {
			return nil, invalidArgument("ApplyServerSideEncryptionByDefault", "", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
		}
	}
	return raw, nil
}

// checkLifecycle gives rules without an ID one, as S3 does.
func checkLifecycle(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	type inner struct {
		XML string `xml:",innerxml"`
	}
	var in struct {
		Rules []struct {
			ID     string
			Status string
			inner
		} `xml:"Rule"`
	}
	if err := decodeXML(raw, "LifecycleConfiguration", &in); err != nil {
		return nil, err
	}
	if len(in.Rules) == 0 || len(in.Rules) > 1000 {
		return nil, malformedXML()
	}
	seen := make(map[string]bool)
	missing := false
	for _, r := range in.Rules {
		if r.Status != "Enabled" && r.Status != "Disabled" {
			return nil, malformedXML()
		}
		if len(r.ID) > 255 {
			return nil, invalidArgument("ID", r.ID, "ID length should not exceed allowed limit of 255")
		}
		if r.ID != "" && seen[r.ID] {
			return nil, invalidArgument("ID", r.ID, "Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[r.ID] = true
		missing = missing || r.ID == ""
	}
	if !missing {
		return raw, nil
	}
	var out strings.Builder
	out.WriteString(xml.Header + `<LifecycleConfiguration xmlns="` + xmlns + `">`)
	for _, r := range in.Rules {
		out.WriteString("<Rule>")
		if r.ID == "" {
			out.WriteString("<ID>" + rand.Text() + "</ID>")
		}
		out.WriteString(strings.ReplaceAll(strings.ReplaceAll(r.XML, "<ID/>", ""), "<ID></ID>", "") + "</Rule>")
	}
	return []byte(out.String() + "</LifecycleConfiguration>"), nil
}

func checkLogging(h *Handler, _ *call, raw []byte) ([]byte, error) {
	var in struct {
		Enabled *struct{ TargetBucket string } `xml:"LoggingEnabled"`
	}
	if err := decodeXML(raw, "BucketLoggingStatus", &in); err != nil {
		return nil, err
	}
	if in.Enabled == nil {
		return nil, nil // switched off: as if never set
	}
	if _, err := h.store.Bucket(in.Enabled.TargetBucket); err != nil {
		return nil, wire.Errorf("InvalidTargetBucketForLogging", http.StatusBadRequest, "The target bucket for logging does not exist")
	}
	return raw, nil
}

func checkObjectLock(h *Handler, c *call, raw []byte) ([]byte, error) {
	var in struct{ ObjectLockEnabled string }
	if err := decodeXML(raw, "ObjectLockConfiguration", &in); err != nil {
		return nil, err
	}
	if in.ObjectLockEnabled != "Enabled" {
		return nil, malformedXML()
	}
	if b, err := h.store.Bucket(c.bucket); err != nil || b.Versioning != file.Enabled {
		return nil, wire.Errorf("InvalidBucketState", http.StatusConflict, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
	}
	return raw, nil
}

var ownerships = []string{"BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"}

type ownershipControls struct {
	XMLName xml.Name        `xml:"OwnershipControls"`
	Xmlns   string          `xml:"xmlns,attr"`
	Rules   []ownershipRule `xml:"Rule"`
}

type ownershipRule struct{ ObjectOwnership string }

func checkOwnership(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in ownershipControls
	if err := decodeXML(raw, "OwnershipControls", &in); err != nil {
		return nil, err
	}
	if len(in.Rules) != 1 || !slices.Contains(ownerships, in.Rules[0].ObjectOwnership) {
		return nil, malformedXML()
	}
	return raw, nil
}

func checkPolicy(_ *Handler, c *call, raw []byte) ([]byte, error) {
	var in struct {
		Version   string
		Statement json.RawMessage
	}
	if len(raw) > 20<<10 {
		return nil, wire.Errorf("PolicyTooLarge", http.StatusBadRequest, "Policy exceeds the maximum allowed document size.")
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, wire.Errorf("MalformedPolicy", http.StatusBadRequest, "This policy contains invalid Json")
	}
	if len(in.Statement) == 0 {
		return nil, wire.Errorf("MalformedPolicy", http.StatusBadRequest, "Missing required field Statement")
	}
	if in.Version != "" && in.Version != "2012-10-17" && in.Version != "2008-10-17" {
		return nil, wire.Errorf("MalformedPolicy", http.StatusBadRequest, "The policy must contain a valid version string")
	}
	return raw, nil
}

type publicAccessBlock struct {
	XMLName               xml.Name `xml:"PublicAccessBlockConfiguration"`
	Xmlns                 string   `xml:"xmlns,attr"`
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

// checkPublicAccess stores all four settings: S3 returns those that were left out as false.
func checkPublicAccess(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in publicAccessBlock
	if err := decodeXML(raw, "PublicAccessBlockConfiguration", &in); err != nil {
		return nil, err
	}
	in.Xmlns, in.XMLName = xmlns, xml.Name{}
	return xmlBytes(in), nil
}

func checkReplication(h *Handler, c *call, raw []byte) ([]byte, error) {
	var in struct {
		Role  string
		Rules []struct{ Status string } `xml:"Rule"`
	}
	if err := decodeXML(raw, "ReplicationConfiguration", &in); err != nil {
		return nil, err
	}
	if len(in.Rules) == 0 || len(in.Rules) > 1000 {
		return nil, malformedXML()
	}
	if b, err := h.store.Bucket(c.bucket); err != nil || b.Versioning != file.Enabled {
		return nil, invalidRequest("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	}
	return raw, nil
}

func checkWebsite(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in struct {
		Index    *struct{ Suffix string }   `xml:"IndexDocument"`
		Redirect *struct{ HostName string } `xml:"RedirectAllRequestsTo"`
	}
	if err := decodeXML(raw, "WebsiteConfiguration", &in); err != nil {
		return nil, err
	}
	switch {
	case in.Redirect != nil && in.Redirect.HostName == "" || in.Redirect == nil && in.Index == nil:
		return nil, malformedXML()
	case in.Index != nil && (in.Index.Suffix == "" || strings.Contains(in.Index.Suffix, "/")):
		return nil, invalidArgument("IndexDocument", in.Index.Suffix, "The IndexDocument Suffix is not well formed")
	}
	return raw, nil
}

// getNotification: no bucket sends events.
func (h *Handler) getNotification(c *call) error {
	if _, err := h.store.Bucket(c.bucket); err != nil {
		return err
	}
	return c.answerXML(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ NotificationConfiguration"`
	}{})
}

// putNotification takes only the configuration that sends nothing: accepting another and sending nothing would be a lie.
func (h *Handler) putNotification(c *call) error {
	if _, err := h.store.Bucket(c.bucket); err != nil {
		return err
	}
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in struct {
		Any []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if err := decodeXML(raw, "NotificationConfiguration", &in); err != nil {
		return err
	}
	if len(in.Any) > 0 {
		return notImplemented("event notifications")
	}
	return c.answerEmpty(http.StatusOK)
}

// listOfNone answers the listing of configurations of which a bucket has none here, and cannot have any.
func listOfNone(root string) operation {
	return func(h *Handler, c *call) error {
		if _, err := h.store.Bucket(c.bucket); err != nil {
			return err
		}
		if c.query.Has("id") {
			return wire.Errorf("NoSuchConfiguration", http.StatusNotFound, "The specified configuration does not exist.")
		}
		c.sendXML([]byte(xml.Header + "<" + root + ` xmlns="` + xmlns + `"><IsTruncated>false</IsTruncated></` + root + ">"))
		return nil
	}
}
