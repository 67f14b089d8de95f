package policy

import "strings"

// Versions of the language. Only the newer one has policy variables.
const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

// Parse reads a document and checks it against the grammar and rules. Its errors are *Error.
func Parse(text string, rules Rules) (*Policy, error) {
	root, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	if root.kind != object {
		return nil, syntax("It must be an object.")
	}
	in := parser{rules: rules}
	var statements *node
	for i := range root.members {
		m := &root.members[i]
		switch m.name {
		case "Version":
			if m.value.text != version2012 && m.value.text != version2008 {
				return nil, malformed("Policy document must be version 2012-10-17 or greater.")
			}
			in.variables = m.value.text == version2012
		case "Id":
			if m.value.kind != scalar || m.value.bare {
				return nil, syntax("Id must be a text.")
			}
		case "Statement":
			statements = &m.value
		default:
			return nil, syntax("There is no element %.40q.", m.name)
		}
	}
	if statements == nil {
		return nil, syntax("Statement is missing.")
	}
	return in.policy(statements)
}

// parser is what reading a statement needs to know of the document.
type parser struct {
	rules     Rules
	variables bool
	sids      map[string]bool
}

func (in *parser) policy(n *node) (*Policy, error) {
	items := []node{*n}
	if n.kind == list {
		items = n.items
	}
	if len(items) == 0 || len(items) > maxStatements {
		return nil, syntax("There must be 1 to %d statements.", maxStatements)
	}
	p := &Policy{}
	in.sids = map[string]bool{}
	for i := range items {
		s, err := in.statement(&items[i])
		if err != nil {
			return nil, err
		}
		p.statements = append(p.statements, s)
		p.conditional = p.conditional || s.conditions != nil || s.hasVariables()
	}
	return p, nil
}

func (in *parser) statement(n *node) (statement, error) {
	var s statement
	if n.kind != object {
		return s, syntax("A statement must be an object.")
	}
	effect := ""
	for i := range n.members {
		m := &n.members[i]
		if m.name == "Effect" {
			effect = m.value.text
		}
		if err := in.element(&s, m); err != nil {
			return s, err
		}
	}
	if effect != "Allow" && effect != "Deny" {
		return s, syntax("Effect must be Allow or Deny.")
	}
	s.deny = effect == "Deny"
	return s, in.complete(&s)
}

// element takes over one member of a statement.
func (in *parser) element(s *statement, m *member) (err error) {
	n := &m.value
	switch m.name {
	case "Effect":
	case "Sid":
		if n.kind != scalar || n.bare {
			return syntax("Sid must be a text.")
		}
		if n.text != "" && in.sids[n.text] {
			return malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		in.sids[n.text] = true
	case "Principal", "NotPrincipal":
		if s.principals != nil {
			return syntax("A statement has either Principal or NotPrincipal.")
		}
		s.principals, err = readPrincipals(n, m.name == "NotPrincipal")
	case "Action":
		s.actions, err = in.actionList(n, m.name)
	case "NotAction":
		s.notActions, err = in.actionList(n, m.name)
	case "Resource":
		s.resources, err = in.resourceList(n, m.name)
	case "NotResource":
		s.notResources, err = in.resourceList(n, m.name)
	case "Condition":
		s.conditions, err = readConditions(n, in.variables)
	default:
		return syntax("There is no element %.40q.", m.name)
	}
	return err
}

func (in *parser) actionList(n *node, name string) ([]glob, error) {
	texts, err := n.texts(name)
	if err != nil {
		return nil, err
	}
	globs := make([]glob, len(texts))
	for i, text := range texts {
		vendor, action, ok := strings.Cut(text, ":")
		if text != "*" && (!ok || vendor == "") {
			return nil, malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
		if text != "*" && (action == "" || strings.ContainsAny(action, ": ") || in.rules.Service != "" && !strings.EqualFold(vendor, in.rules.Service)) {
			return nil, malformed("Policy has invalid action: %.100s", text)
		}
		globs[i], err = compile(strings.ToLower(text), true, false)
		if err != nil {
			return nil, err
		}
	}
	return globs, nil
}

func (in *parser) resourceList(n *node, name string) ([]glob, error) {
	texts, err := n.texts(name)
	if err != nil {
		return nil, err
	}
	globs := make([]glob, len(texts))
	for i, text := range texts {
		if text != "*" && !strings.HasPrefix(text, "arn:") {
			return nil, malformed("Resource %.200s must be in ARN format or \"*\".", text)
		}
		if globs[i], err = compile(text, true, in.variables); err != nil {
			return nil, err
		}
	}
	return globs, nil
}

// complete checks that a statement has all that its kind needs, and nothing that it must not have.
func (in *parser) complete(s *statement) error {
	if s.actions == nil && s.notActions == nil {
		return malformed("Policy statement must contain actions.")
	}
	if s.actions != nil && s.notActions != nil {
		return syntax("A statement has either Action or NotAction.")
	}
	if s.resources != nil && s.notResources != nil {
		return syntax("A statement has either Resource or NotResource.")
	}
	principals, resources := s.principals != nil, s.resources != nil || s.notResources != nil
	switch kind := in.rules.Kind; {
	case kind == Identity && principals:
		return malformed("Policy document should not specify a principal.")
	case kind == Trust && resources:
		return malformed("Has prohibited field Resource")
	case kind != Identity && !principals:
		return malformed("Missing required field Principal")
	case kind != Trust && !resources:
		return malformed("Policy statement must contain resources.")
	case principals && s.principals.not && kind == Trust:
		return malformed("Has prohibited field NotPrincipal")
	case principals && s.principals.not && !s.deny:
		return malformed("NotPrincipal is not supported with Allow")
	case in.rules.Resource != "" && s.resources != nil && !matchAny(s.resources, in.rules.Resource, nil) && !s.hasVariables():
		return malformed("Policy statement must apply to the resource %s", in.rules.Resource)
	}
	return nil
}

func (s *statement) hasVariables() bool {
	for _, g := range append(append([]glob{}, s.resources...), s.notResources...) {
		if g.variables != nil {
			return true
		}
	}
	return false
}
