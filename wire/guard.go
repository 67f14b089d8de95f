package wire

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// GuardOptions of Guard.
type GuardOptions struct {
	// Verified says that every request must be signed: then a strange Host is no danger, as nobody can sign for us.
	Verified bool
	// Hosts are further names of this server, besides localhost and IP addresses, as "weir" in a container network.
	Hosts []string
	// Allow lets a request of a page of another origin pass; nil: none. It may say yes only to what a bucket's own rules allow.
	Allow func(*http.Request) bool
}

// Guard keeps web pages of others from driving a server that listens on this machine. It refuses with 403
// requests that a browser sends for a page of another origin, and, where requests are not verified, requests to a host
// name that is not ours: a page may point its own name at 127.0.0.1 (DNS rebinding). Names that end in .localhost are
// ours, so bucket.localhost works.
func Guard(opts GuardOptions, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !opts.Verified && !ourHost(r.Host, opts.Hosts) {
			refuse(w, "Host "+r.Host+" is not a name of this server")
			return
		}
		if foreign(r) && (opts.Allow == nil || !opts.Allow(r)) {
			refuse(w, "Requests from web pages of another origin are not allowed")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
	writeBody(w, http.StatusForbidden, []byte(message+"\n"))
}

// ourHost reports whether the Host header names this machine. An attacker's page cannot have an IP address for a name.
func ourHost(host string, ours []string) bool {
	host = hostName(host)
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(ours, func(o string) bool {
		o = strings.ToLower(o)
		return host == o || strings.HasSuffix(host, "."+o)
	})
}

// hostName is the host without port and brackets, in small letters.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// foreign reports whether a browser sent r on behalf of a page that is not from this server. Following a link to a
// document is no danger; a link that names an action is.
func foreign(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || !strings.EqualFold(u.Host, r.Host)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return !reads || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.URL.Query().Has("Action")
}
