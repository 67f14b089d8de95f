package policy

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// node is a value of a JSON document. Texts, numbers and booleans are scalars, as policies do not tell them apart; null
// is nothing that a policy may hold.
type node struct {
	kind    nodeKind
	text    string // of a scalar
	bare    bool   // a scalar that stood without quotes
	items   []node // of a list
	members []member
}

type nodeKind byte

const (
	scalar nodeKind = iota
	list
	object
)

// member is one of an object; names are unique.
type member struct {
	name  string
	value node
}

// readJSON reads one document and refuses what encoding/json lets pass: a name twice in one object, bytes that are not
// UTF-8, and anything behind the document.
func readJSON(text string) (node, error) {
	if len(text) > maxBytes {
		return node{}, syntax("It is larger than %d bytes.", maxBytes)
	}
	if !utf8.ValidString(text) {
		return node{}, syntax("It is not UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	n, err := readNode(d, 0)
	if err != nil {
		return n, err
	}
	if _, err := d.Token(); err != io.EOF {
		return n, syntax("Something follows the document.")
	}
	return n, nil
}

func readNode(d *json.Decoder, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, syntax("It is nested too deeply.")
	}
	t, err := d.Token()
	if err != nil {
		return node{}, syntax("It is not JSON at byte %d.", d.InputOffset())
	}
	switch t := t.(type) {
	case string:
		return node{text: t}, nil
	case json.Number:
		return node{text: t.String(), bare: true}, nil
	case bool:
		if t {
			return node{text: "true", bare: true}, nil
		}
		return node{text: "false", bare: true}, nil
	case json.Delim:
		if t == '[' {
			return readList(d, depth)
		}
		return readObject(d, depth)
	}
	return node{}, syntax("null at byte %d.", d.InputOffset())
}

func readList(d *json.Decoder, depth int) (node, error) {
	n := node{kind: list}
	for d.More() {
		item, err := readNode(d, depth+1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
	return n, closed(d)
}

func readObject(d *json.Decoder, depth int) (node, error) {
	n := node{kind: object}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return n, syntax("It is not JSON at byte %d.", d.InputOffset())
		}
		if seen[name] {
			return n, syntax("%.40q stands twice in one object.", name)
		}
		seen[name] = true
		value, err := readNode(d, depth+1)
		if err != nil {
			return n, err
		}
		n.members = append(n.members, member{name, value})
	}
	return n, closed(d)
}

// closed takes the bracket that ends a list or object.
func closed(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return syntax("It is not JSON at byte %d.", d.InputOffset())
	}
	return nil
}

// texts are the texts of a list, or the one of a scalar.
func (n *node) texts(name string) ([]string, error) {
	switch n.kind {
	case scalar:
		return []string{n.text}, nil
	case object:
		return nil, syntax("%s must be a text or a list of texts.", name)
	}
	if len(n.items) == 0 {
		return nil, syntax("%s is empty.", name)
	}
	all := make([]string, len(n.items))
	for i := range n.items {
		if n.items[i].kind != scalar {
			return nil, syntax("%s must be a text or a list of texts.", name)
		}
		all[i] = n.items[i].text
	}
	return all, nil
}
