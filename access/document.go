package access

import (
	"unicode"

	"github.com/weir-data/weir/access/policy"
)

// checkPolicy checks the document of an identity policy.
func checkPolicy(text string) error {
	_, err := parseDocument(text, policy.Identity)
	return err
}

// checkTrust checks the document that says who may assume a role.
func checkTrust(text string) error {
	if _, err := parseDocument(text, policy.Trust); err != nil {
		return err
	}
	if weight(text) > trustPolicyMax {
		return refuse(ErrLimit, "Cannot exceed quota for ACLSizePerRole: %d", trustPolicyMax)
	}
	return nil
}

func parseDocument(text string, kind policy.Kind) (*policy.Policy, error) {
	p, err := policy.Parse(text, policy.Rules{Kind: kind})
	if err != nil {
		return nil, refuse(ErrMalformedPolicy, "%s", err)
	}
	return p, nil
}

// weight is the size of a document as quotas count it: without white space.
func weight(text string) int {
	n := 0
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// trusts reports whether a trust policy lets who assume its role. A document that is not understood lets nobody.
func trusts(text string, who Identity, externalID string) bool {
	p, err := parseDocument(text, policy.Trust)
	if err != nil {
		return false
	}
	r := policy.Request{
		Principal: policy.Principal{Account: who.Account, ARN: who.ARN, UserID: who.UserID, Role: who.Role},
		Action:    "sts:AssumeRole",
	}
	r.Keys = r.Principal.Keys()
	if externalID != "" {
		r.Keys["sts:externalid"] = []string{externalID}
	}
	return p.Evaluate(&r) == policy.Allow
}
