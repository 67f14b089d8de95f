package keyring

import (
	"fmt"
	"regexp"
	"strings"
)

// keyName is what a key id says.
type keyName struct {
	region, account string // of an ARN
	kind            string // key or alias
	name            string
}

var (
	keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):([0-9]{12}):((?:key|alias)/.*)$`)
	keyID  = regexp.MustCompile(`^(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|mrk-[0-9a-f]{32})$`)
	// An alias must fit into the name of a file; KMS allows a few more characters.
	aliasName = regexp.MustCompile(`^[a-zA-Z0-9/_-]{1,200}$`)
)

// parse reads a key id: 1234abcd-…, alias/NAME, or the ARN of one. What is neither gives ErrID.
func parse(id string) (keyName, error) {
	var n keyName
	rest := id
	if m := keyARN.FindStringSubmatch(id); m != nil {
		n.region, n.account, rest = m[1], m[2], m[3]
	} else if !strings.HasPrefix(id, "alias/") {
		rest = "key/" + id
	}
	n.kind, n.name, _ = strings.Cut(rest, "/")
	if n.kind == "key" && keyID.MatchString(n.name) {
		n.name = strings.ToLower(n.name)
		return n, nil
	}
	if n.kind == "alias" && aliasName.MatchString(n.name) {
		return n, nil
	}
	return keyName{}, fmt.Errorf("%w %s", ErrID, id)
}

// file is the name of the key's file. It has dots where no id can have one, so two keys never share a file.
func (n keyName) file(own string) string {
	name := n.kind + "." + strings.ReplaceAll(n.name, "/", ".")
	if n.account == "" || n.account == own {
		return name
	}
	return n.account + "." + name
}

// Same reports whether two ids name the same key, as far as they say it: an ARN and the id or alias in it do.
func Same(a, b string) bool {
	x, err := parse(a)
	if err != nil {
		return a == b
	}
	y, err := parse(b)
	if err != nil {
		return false
	}
	elsewhere := x.account != "" && y.account != "" && x.account != y.account
	return !elsewhere && x.kind == y.kind && x.name == y.name
}
