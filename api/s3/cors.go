package s3

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/wire"
)

// Cross-origin requests: a bucket's rules decide which pages of other origins may read and write it from a browser.

type corsConfiguration struct {
	XMLName xml.Name   `xml:"CORSConfiguration"`
	Rules   []corsRule `xml:"CORSRule"`
}

type corsRule struct {
	AllowedOrigins []string `xml:"AllowedOrigin"`
	AllowedMethods []string `xml:"AllowedMethod"`
	AllowedHeaders []string `xml:"AllowedHeader"`
	ExposeHeaders  []string `xml:"ExposeHeader"`
	MaxAgeSeconds  *int
}

func checkCORS(_ *Handler, _ *call, raw []byte) ([]byte, error) {
	var in corsConfiguration
	if err := decodeXML(raw, "CORSConfiguration", &in); err != nil {
		return nil, err
	}
	if len(in.Rules) == 0 || len(in.Rules) > 100 {
		return nil, malformedXML()
	}
	for _, r := range in.Rules {
		if len(r.AllowedOrigins) == 0 || len(r.AllowedMethods) == 0 {
			return nil, malformedXML()
		}
		for _, m := range r.AllowedMethods {
			if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "DELETE"}, m) {
				return nil, invalidRequest("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, pattern := range slices.Concat(r.AllowedOrigins, r.AllowedHeaders) {
			if strings.Count(pattern, "*") > 1 {
				return nil, invalidRequest("AllowedOrigin or AllowedHeader %q can not have more than one wildcard.", pattern)
			}
		}
	}
	return raw, nil
}

// matches compares with a pattern that may hold one *.
func matches(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

// find is the first rule that allows all of a request; nil if none does.
func (cc *corsConfiguration) find(origin, method string, headers []string) *corsRule {
	for i := range cc.Rules {
		r := &cc.Rules[i]
		allowed := slices.ContainsFunc(r.AllowedOrigins, func(p string) bool { return matches(p, origin) }) && slices.Contains(r.AllowedMethods, method)
		for _, h := range headers {
			allowed = allowed && slices.ContainsFunc(r.AllowedHeaders, func(p string) bool { return matches(strings.ToLower(p), h) })
		}
		if allowed {
			return r
		}
	}
	return nil
}

// corsRule is the rule of the bucket that allows the request; nil if there is none.
func (h *Handler) corsRule(bucket, origin, method string, headers []string) *corsRule {
	raw, err := h.store.Config(bucket, "cors")
	if err != nil {
		return nil
	}
	var cc corsConfiguration
	if decodeXML(raw, "CORSConfiguration", &cc) != nil {
		return nil
	}
	return cc.find(origin, method, headers)
}

// Allows says whether a bucket's rules let a page of another origin send r, be it the request itself or its preflight.
// wire.Guard may let those through.
func (h *Handler) Allows(r *http.Request) bool {
	bucket, _ := locate(r.Host, r.URL.Path, h.opts.Hosts)
	method := r.Method
	if method == http.MethodOptions {
		method = r.Header.Get("Access-Control-Request-Method")
	}
	return bucket != "" && h.corsRule(bucket, r.Header.Get("Origin"), method, requestedHeaders(r)) != nil
}

func requestedHeaders(r *http.Request) []string {
	var list []string
	for _, name := range strings.Split(r.Header.Get("Access-Control-Request-Headers"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			list = append(list, name)
		}
	}
	return list
}

func (h *Handler) preflight(c *call) error {
	origin, method := c.Header.Get("Origin"), c.Header.Get("Access-Control-Request-Method")
	if origin == "" || method == "" {
		return wire.Errorf("BadRequest", http.StatusBadRequest, "Insufficient information. Origin request header needed.")
	}
	headers := requestedHeaders(c.Request)
	rule := h.corsRule(c.bucket, origin, method, headers)
	if rule == nil {
		return &wire.Error{
			Name: "AccessForbidden", Status: http.StatusForbidden, Fields: map[string]any{"Method": method, "ResourceType": "BUCKET"},
			Message: "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
		}
	}
	rule.answer(c.w.Header(), origin)
	c.w.Header().Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	if rule.MaxAgeSeconds != nil {
		c.w.Header().Set("Access-Control-Max-Age", strconv.Itoa(*rule.MaxAgeSeconds))
	}
	return c.answerEmpty(http.StatusOK)
}

// allowOrigin adds to an answer what lets the page read it.
func (h *Handler) allowOrigin(c *call) {
	origin := c.Header.Get("Origin")
	if origin == "" || c.bucket == "" {
		return
	}
	if rule := h.corsRule(c.bucket, origin, c.Method, nil); rule != nil {
		rule.answer(c.w.Header(), origin)
	}
}

func (r *corsRule) answer(header http.Header, origin string) {
	if slices.Contains(r.AllowedOrigins, "*") {
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	header.Set("Access-Control-Allow-Methods", strings.Join(r.AllowedMethods, ", "))
	if len(r.ExposeHeaders) > 0 {
		header.Set("Access-Control-Expose-Headers", strings.Join(r.ExposeHeaders, ", "))
	}
	header.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
}
