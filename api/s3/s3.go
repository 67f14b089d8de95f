// Package s3 answers Amazon S3's REST API from an object store of files.
//
// New makes the Handler that wire's server hands all requests to that no other service claims. A request is located
// (bucket and key, from the path or the host name), authenticated, and routed by method and sub-resource to its operation:
// see the table in route.go, and a file per group of operations.
//
// What a bucket's configurations do: versioning, CORS, object ownership (whether ACLs are allowed) and tagging act as on
// S3. Lifecycle, replication, logging, website, accelerate, request payment, encryption, object lock, the policy and the
// public access block are checked, stored and returned as they were sent, so that Terraform finds what it wrote, and have
// no further effect. Event notifications, storage classes that need a restore, encryption with keys of KMS or of the
// caller, locks on single objects, browser form uploads, S3 Select and torrents are refused with NotImplemented.
//
// An object is durable before its put is answered. Bodies are streamed, never held in memory.
package s3

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/wire"
)

// Options of New. Zero fields but Store and Authenticate are defaults.
type Options struct {
	Store *file.Store
	// Authenticate is wire.Server.Authenticate: it verifies a request and gives it its decoded body.
	Authenticate func(*http.Request) (*http.Request, error)
	Region       string // of buckets; default us-east-1
	Account      string // that owns them; default 000000000000
	// Hosts are names of this server below which a bucket's name may stand, as in bucket.localhost; default localhost,
	// s3.localhost and S3's own names.
	Hosts        []string
	PartBytesMin int64 // of all parts of an upload but the last; default 5 MiB
	Now          func() time.Time
	Logger       *slog.Logger // hears of faults of ours; default slog.Default()
}

// Handler is S3 as an http.Handler.
type Handler struct {
	opts  Options
	store *file.Store
	owner owner
}

// New returns the handler of opts.
func New(opts Options) *Handler {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Account == "" {
		opts.Account = "000000000000"
	}
	if opts.Hosts == nil {
		opts.Hosts = []string{
			"s3.localhost", "localhost", "s3.amazonaws.com", "s3." + opts.Region + ".amazonaws.com",
			"s3.localhost.localstack.cloud",
		}
	}
	if opts.PartBytesMin == 0 {
		opts.PartBytesMin = 5 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	sum := sha256.Sum256([]byte(opts.Account))
	return &Handler{opts: opts, store: opts.Store, owner: owner{ID: hex.EncodeToString(sum[:]), DisplayName: "weir"}}
}

// call is one request on its way.
type call struct {
	*http.Request
	w      http.ResponseWriter
	query  url.Values
	bucket string // empty: the request is about all buckets
	key    string // empty: about the bucket
	id     string
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w, id: wire.RequestID(r.Context())}
	if c.id == "" {
		c.id = rand.Text()
	}
	w.Header()["x-amz-request-id"] = []string{c.id}
	w.Header()["x-amz-id-2"] = []string{hostID(c.id)}
	if err := h.serve(c); err != nil {
		h.fail(c, err)
	}
}

func (h *Handler) serve(c *call) error {
	var err error
	if c.query, err = url.ParseQuery(c.URL.RawQuery); err != nil {
		return wire.Errorf("InvalidURI", http.StatusBadRequest, "Couldn't parse the specified URI.")
	}
	c.bucket, c.key = locate(c.Host, c.URL.Path, h.opts.Hosts)
	if c.Method == http.MethodOptions {
		return h.preflight(c)
	}
	if err := checkTarget(c); err != nil {
		return err
	}
	op, err := route(c)
	if err != nil {
		return err
	}
	authentic, err := h.opts.Authenticate(c.Request)
	if err != nil {
		return err
	}
	c.Request = authentic
	for _, header := range []string{"X-Amz-Expected-Bucket-Owner", "X-Amz-Source-Expected-Bucket-Owner"} {
		if id := c.Header.Get(header); id != "" && id != h.opts.Account {
			return wire.Errorf("AccessDenied", http.StatusForbidden, "Access Denied")
		}
	}
	h.allowOrigin(c)
	return op(h, c)
}

// checkTarget refuses names that nothing can have, before anything is looked up.
func checkTarget(c *call) error {
	if c.bucket != "" {
		if err := objstore.CheckBucket(c.bucket); err != nil {
			return err
		}
	}
	if c.key != "" {
		return objstore.CheckKey(c.key)
	}
	return nil
}

// locate splits a request's address into bucket and key: bucket.host/key where host is one of hosts, or host/bucket/key.
func locate(host, path string, hosts []string) (bucket, key string) {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	path = strings.TrimPrefix(path, "/")
	for _, ours := range hosts {
		if host == ours {
			break
		}
		if b, ok := strings.CutSuffix(host, "."+ours); ok && b != "" {
			return b, path
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// hostID stands for the machine that answered. S3's own is opaque too.
func hostID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

type owner struct {
	ID          string
	DisplayName string
}
