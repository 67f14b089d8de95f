package policy

import (
	"regexp"
	"slices"
	"strings"
)

// principals is the Principal or NotPrincipal of a statement.
type principals struct {
	not    bool
	anyone bool
	listed []string // accounts of 12 digits, ARNs and ids
}

var (
	accountPattern = regexp.MustCompile(`^\d{12}$`)
	rootPattern    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):root$`)
	arnPattern     = regexp.MustCompile(`^arn:aws[a-z-]*:(?:iam::\d{12}:(?:user|role)/|sts::\d{12}:(?:assumed-role/[^/]+|federated-user)/)[^*?\s]+$`)
	idPattern      = regexp.MustCompile(`^A[A-Z]{3}[A-Z0-9]{12,124}$`)
	servicePattern = regexp.MustCompile(`^[a-z0-9.*-]+\.amazonaws\.com(?:\.cn)?$`)
)

// readPrincipals reads "*" or an object of kinds. Who a request comes from is always an AWS principal here, so services
// and federated users are checked and never met.
func readPrincipals(n *node, not bool) (*principals, error) {
	p := &principals{not: not}
	if n.kind == scalar && n.text == "*" {
		p.anyone = true
		return p, nil
	}
	if n.kind != object || len(n.members) == 0 {
		return nil, malformed("Invalid principal in policy.")
	}
	for i := range n.members {
		m := &n.members[i]
		texts, err := m.value.texts(m.name)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			if err := p.add(m.name, text); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *principals) add(kind, text string) error {
	invalid := malformed("Invalid principal in policy: \"%s\":\"%.200s\"", kind, text)
	switch kind {
	case "AWS":
		root := rootPattern.FindStringSubmatch(text)
		switch {
		case text == "*":
			p.anyone = true
		case root != nil:
			p.listed = append(p.listed, root[1])
		case accountPattern.MatchString(text), arnPattern.MatchString(text), idPattern.MatchString(text):
			p.listed = append(p.listed, text)
		default:
			return invalid
		}
		return nil
	case "Service":
		if !servicePattern.MatchString(text) {
			return invalid
		}
		return nil
	case "Federated", "CanonicalUser":
		if text == "" {
			return invalid
		}
		return nil
	}
	return invalid
}

// match says whether a statement is about who. NotPrincipal leaves out only those whose account, role and session or
// user are all listed, as IAM's guide asks one to do.
func (p *principals) match(who *Principal) bool {
	if !p.not {
		return p.anyone || p.has(who.Account) || p.hasUser(who) || who.Role != "" && p.has(who.Role)
	}
	exempt := p.anyone || p.has(who.Account) && (isRoot(who) || p.hasUser(who)) && (who.Role == "" || p.has(who.Role))
	return !exempt
}

func (p *principals) has(text string) bool { return slices.Contains(p.listed, text) }

// hasUser says whether who is listed by ARN, or by the id that a user or the role of a session has for ever.
func (p *principals) hasUser(who *Principal) bool {
	id, _, _ := strings.Cut(who.UserID, ":")
	return p.has(who.ARN) || idPattern.MatchString(id) && p.has(id)
}

// Keys are the condition keys that tell who a principal is, as Request.Keys has them.
func (who *Principal) Keys() map[string][]string {
	arn, kind := who.ARN, "AssumedRole"
	keys := map[string][]string{
		"aws:principalaccount":      {who.Account},
		"aws:principalisawsservice": {"false"},
		"aws:userid":                {who.UserID},
	}
	switch {
	case isRoot(who):
		kind = "Account"
	case strings.Contains(arn, ":user/"):
		kind = "User"
		keys["aws:username"] = []string{arn[strings.LastIndexByte(arn, '/')+1:]}
	case who.Role != "":
		arn = who.Role
	}
	keys["aws:principalarn"], keys["aws:principaltype"] = []string{arn}, []string{kind}
	return keys
}

func isRoot(who *Principal) bool { return strings.HasSuffix(who.ARN, ":root") }
