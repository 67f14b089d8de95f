package access

import (
	"encoding/json"
	"strings"
	"unicode"
)

// document is a policy document, as far as it is understood here.
type document struct {
	Version   string
	Statement statements
}

type statement struct {
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       words
	NotAction    words
	Resource     words
	NotResource  words
	Condition    map[string]map[string]words
}

// statements and words may be one, or a list.
type (
	statements []statement
	words      []string
)

func (s *statements) UnmarshalJSON(b []byte) error { return oneOrMany(b, (*[]statement)(s)) }
func (w *words) UnmarshalJSON(b []byte) error      { return oneOrMany(b, (*[]string)(w)) }

func oneOrMany[T any](b []byte, into *[]T) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, into)
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*into = []T{one}
	return nil
}

func parseDocument(text string) (document, error) {
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, refuse(ErrMalformedPolicy, "Syntax errors in policy.")
	}
	if d.Version != "" && d.Version != "2012-10-17" && d.Version != "2008-10-17" {
		return d, refuse(ErrMalformedPolicy, "Policy document must be version 2012-10-17 or greater.")
	}
	if len(d.Statement) == 0 {
		return d, refuse(ErrMalformedPolicy, "Syntax errors in policy.")
	}
	for _, s := range d.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			return d, refuse(ErrMalformedPolicy, "Syntax errors in policy.")
		}
		if len(s.Action)+len(s.NotAction) == 0 {
			return d, refuse(ErrMalformedPolicy, "Policy statement must contain actions.")
		}
		for _, a := range append(append(words{}, s.Action...), s.NotAction...) {
			if a != "*" && !strings.Contains(a, ":") {
				return d, refuse(ErrMalformedPolicy, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
		}
	}
	return d, nil
}

// checkPolicy checks the document of an identity policy.
func checkPolicy(text string) error {
	d, err := parseDocument(text)
	if err != nil {
		return err
	}
	for _, s := range d.Statement {
		if s.Principal != nil || s.NotPrincipal != nil {
			return refuse(ErrMalformedPolicy, "Policy document should not specify a principal.")
		}
		if len(s.Resource)+len(s.NotResource) == 0 {
			return refuse(ErrMalformedPolicy, "Policy statement must contain resources.")
		}
	}
	return nil
}

// checkTrust checks the document that says who may assume a role.
func checkTrust(text string) error {
	d, err := parseDocument(text)
	if err != nil {
		return err
	}
	for _, s := range d.Statement {
		if s.Resource != nil || s.NotResource != nil {
			return refuse(ErrMalformedPolicy, "Has prohibited field Resource")
		}
		if s.Principal == nil && s.NotPrincipal == nil {
			return refuse(ErrMalformedPolicy, "Missing required field Principal")
		}
	}
	if weight(text) > trustPolicyMax {
		return refuse(ErrLimit, "Cannot exceed quota for ACLSizePerRole: %d", trustPolicyMax)
	}
	return nil
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

// trusts reports whether a trust policy lets who assume its role. Of conditions only StringEquals on sts:ExternalId is
// understood; a statement with another does not allow, and does deny.
func trusts(text string, who Identity, externalID string) bool {
	d, err := parseDocument(text)
	if err != nil {
		return false
	}
	allowed := false
	for _, s := range d.Statement {
		if !matchesAny(s.Action, "sts:AssumeRole") || !s.names(who) {
			continue
		}
		met, understood := s.conditionMet(externalID)
		if s.Effect == "Deny" && (met || !understood) {
			return false
		}
		allowed = allowed || s.Effect == "Allow" && met && understood
	}
	return allowed
}

// names reports whether who is among the statement's AWS principals.
func (s *statement) names(who Identity) bool {
	var anyone string
	if json.Unmarshal(s.Principal, &anyone) == nil {
		return anyone == "*"
	}
	var kinds map[string]words
	if json.Unmarshal(s.Principal, &kinds) != nil {
		return false
	}
	for _, p := range kinds["AWS"] {
		if p == "*" || p == who.Account || p == "arn:aws:iam::"+who.Account+":root" || p == who.ARN {
			return true
		}
	}
	return false
}

func (s *statement) conditionMet(externalID string) (met, understood bool) {
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if operator != "StringEquals" || !strings.EqualFold(key, "sts:ExternalId") {
				return false, false
			}
			found := false
			for _, v := range values {
				found = found || v == externalID
			}
			if !found {
				return false, true
			}
		}
	}
	return true, true
}

// matchesAny reports whether an action is one of patterns, in which * stands for anything.
func matchesAny(patterns []string, action string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && len(prefix) <= len(action) && strings.EqualFold(prefix, action[:len(prefix)]) {
			return true
		}
		if strings.EqualFold(p, action) {
			return true
		}
	}
	return false
}
