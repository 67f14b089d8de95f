package codec

import (
	"encoding/base64"
	"math"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// DecodeQuery reads the parameters of a Query request (Tags.member.1.Key=…) into the struct that into
// points to.
func DecodeQuery(form url.Values, into any, unions Unions) error {
	root, err := formTree(form)
	if err != nil {
		return err
	}
	return decode(&formSource{at: root}, into, unions)
}

// node is a parameter, or a prefix that parameters share.
type node struct {
	value    string
	leaf     bool
	children map[string]*node
}

func formTree(form url.Values) (*node, error) {
	root := &node{}
	count := 0
	for name, values := range form {
		if len(values) == 0 {
			continue
		}
		parts := strings.Split(name, ".")
		if len(parts) > 2*depthMax {
			return nil, errDepth
		}
		if count += len(parts); count > elementsMax {
			return nil, errElements
		}
		at := root
		for _, part := range parts {
			if at.children == nil {
				at.children = map[string]*node{}
			}
			child := at.children[part]
			if child == nil {
				child = &node{}
				at.children[part] = child
			}
			at = child
		}
		at.value, at.leaf = values[0], true
	}
	return root, nil
}

// formSource walks a tree of parameters.
type formSource struct {
	at   *node
	open []*walk
}

// walk is where a structure, map or list is being read.
type walk struct {
	names []string // of the elements to come
	nodes []*node
}

func (s *formSource) begin(want shape) error {
	if s.at.leaf && (s.at.value != "" || s.at.children != nil) {
		return malformed("Unexpected text %.40q where a structure or list should be", s.at.value)
	}
	if len(s.open) == depthMax {
		return errDepth
	}
	w := &walk{}
	switch want {
	case structure:
		for name, child := range s.at.children {
			w.names = append(w.names, name)
			w.nodes = append(w.nodes, child)
		}
	case list:
		nodes, err := numbered(s.at.children["member"])
		if err != nil {
			return err
		}
		w.names, w.nodes = make([]string, len(nodes)), nodes
	case mapping:
		entries, err := numbered(s.at.children["entry"])
		if err != nil {
			return err
		}
		for _, e := range entries {
			key, value := e.children["key"], e.children["value"]
			if key == nil || value == nil {
				return malformed("A map entry needs a key and a value")
			}
			w.names = append(w.names, key.value)
			w.nodes = append(w.nodes, value)
		}
	}
	s.open = append(s.open, w)
	return nil
}

// numbered returns the children of n, which are called 1, 2, 3 …, in that order.
func numbered(n *node) ([]*node, error) {
	if n == nil {
		return nil, nil
	}
	byIndex := make(map[int]*node, len(n.children))
	order := make([]int, 0, len(n.children))
	for name, child := range n.children {
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || byIndex[i] != nil {
			return nil, malformed("List index %.40q is not a number", name)
		}
		byIndex[i] = child
		order = append(order, i)
	}
	sort.Ints(order)
	nodes := make([]*node, len(order))
	for k, i := range order {
		nodes[k] = byIndex[i]
	}
	return nodes, nil
}

func (s *formSource) key() (string, bool, error) {
	w := s.open[len(s.open)-1]
	if len(w.nodes) == 0 {
		s.open = s.open[:len(s.open)-1]
		return "", false, nil
	}
	name := w.names[0]
	s.at = w.nodes[0]
	w.names, w.nodes = w.names[1:], w.nodes[1:]
	return name, true, nil
}

func (s *formSource) next() (bool, error) {
	_, more, err := s.key()
	return more, err
}

func (s *formSource) null() (bool, error) { return false, nil }
func (s *formSource) skip() error         { return nil }

func (s *formSource) text() (string, error) {
	if s.at.children != nil {
		return "", malformed("Unexpected structure or list where text should be")
	}
	return s.at.value, nil
}

func (s *formSource) integer() (int64, error) {
	t, err := s.text()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return 0, malformed("%.40q is not a whole number", t)
	}
	return n, nil
}

func (s *formSource) float() (float64, error) {
	t, err := s.text()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		return 0, malformed("%.40q is not a number", t)
	}
	return f, nil
}

func (s *formSource) boolean() (bool, error) {
	t, err := s.text()
	if err != nil {
		return false, err
	}
	switch strings.ToLower(t) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, malformed("%.40q is not true or false", t)
}

func (s *formSource) blob() ([]byte, error) {
	t, err := s.text()
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(t)
	if err != nil {
		return nil, malformed("Blob is not valid base64")
	}
	return b, nil
}

// time reads ISO 8601, or seconds since 1970 as old clients send.
func (s *formSource) time(bool) (time.Time, error) {
	t, err := s.text()
	if err != nil {
		return time.Time{}, err
	}
	if f, err := strconv.ParseFloat(t, 64); err == nil && !math.IsNaN(f) {
		return epochTime(f)
	}
	return isoTime(t)
}
