// Package policy is the policy language of IAM: documents of statements that allow or deny actions on resources to
// principals, under conditions.
//
// Parse checks a document, strictly, and returns a Policy. Policy.Evaluate says what it makes of a Request: Deny if any
// statement denies it, else Allow if any allows it, else Undecided. What Undecided means is for the caller to say: within
// an account a resource policy need not allow, across accounts it must. A Policy never changes and may be shared;
// nothing here is stored.
//
// Reference: the IAM User Guide, "IAM JSON policy reference" and "Policy evaluation logic". Differences: whether a
// principal exists is not checked, since there is no directory of other accounts; and a condition on a key that a request
// does not have counts as absent, as in IAM, also where AWS would know it.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrMalformed is the kind of what Parse refuses. The message is IAM's, with a hint where IAM has none.
var ErrMalformed = errors.New("malformed policy document")

// Error is a refusal of Parse.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// Unwrap is for errors.Is.
func (e *Error) Unwrap() error { return ErrMalformed }

func malformed(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// syntax is malformed in the words that IAM has for most things.
func syntax(format string, args ...any) error {
	return malformed("Syntax errors in policy. %s", fmt.Sprintf(format, args...))
}

// Kind is where a policy is attached, which decides what a statement must and must not have.
type Kind int

// The kinds of policies.
const (
	Resource Kind = iota // on a resource: principals and resources
	Identity             // on a user or role: resources, no principals
	Trust                // on a role, saying who may assume it: principals, no resources
)

// Rules are what Parse demands of a document beyond the grammar. The zero value is a resource policy of any service.
type Rules struct {
	Kind     Kind
	Service  string // the only vendor whose actions may be named: kinesis; empty: any
	Resource string // ARN that every statement must apply to; empty: any
}

// Bounds of what Parse reads; no document of IAM comes near them.
const (
	maxBytes      = 64 << 10
	maxDepth      = 8
	maxStatements = 1000
)

// Policy is a document that was understood.
type Policy struct {
	statements  []statement
	conditional bool
}

// Conditional says whether any statement has a condition or a policy variable, so that a Request needs Keys.
func (p *Policy) Conditional() bool { return p.conditional }

// statement is one of a policy. Of each pair, the list that a statement does not have is nil.
type statement struct {
	deny                    bool
	principals              *principals // nil: not for it to say
	actions, notActions     []glob
	resources, notResources []glob
	conditions              []condition
}

// Principal is who makes a request.
type Principal struct {
	Account string // 12 digits
	ARN     string // of the account's root, a user, or a session of a role
	UserID  string
	Role    string // ARN of the role that a session is of; else empty
}

// Request is what a policy is asked about.
type Request struct {
	Principal Principal
	Action    string // kinesis:PutRecord
	Resource  string // ARN
	// Keys are the values of the condition keys that are known, by name in small letters: aws:sourceip.
	Keys map[string][]string
}

// Decision is what a policy says to a request.
type Decision int

// The decisions, in the order of their strength.
const (
	Undecided Decision = iota
	Allow
	Deny
)

// Evaluate says what the policy makes of a request: a statement that denies outweighs all that allow.
func (p *Policy) Evaluate(r *Request) Decision {
	decision := Undecided
	action := strings.ToLower(r.Action)
	for i := range p.statements {
		s := &p.statements[i]
		if !s.applies(r, action) {
			continue
		}
		if s.deny {
			return Deny
		}
		decision = Allow
	}
	return decision
}

// applies says whether the statement is about a request; action is the request's in small letters.
func (s *statement) applies(r *Request, action string) bool {
	if s.principals != nil && !s.principals.match(&r.Principal) {
		return false
	}
	if s.actions != nil && !matchAny(s.actions, action, r.Keys) || s.notActions != nil && matchAny(s.notActions, action, r.Keys) {
		return false
	}
	if s.resources != nil && !matchAny(s.resources, r.Resource, r.Keys) || s.notResources != nil && matchAny(s.notResources, r.Resource, r.Keys) {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.met(r.Keys) })
}
