// Command model condenses the model of an AWS service, as botocore ships it, to what tests need: of each operation the
// shapes of input and output and the names of its errors; of each shape its type, members, and constraints. Texts of
// documentation are left out.
//
//	pip download --no-deps botocore==1.43.127 && unzip botocore-*.whl 'botocore/data/kinesis/*'
//	go run ./tools/model -source 'botocore 1.43.127' botocore/data/kinesis/2013-12-02/service-2.json.gz > test/aws/testdata/kinesis.json
//
// botocore is under the Apache License, version 2.0; what is written says so.
package main

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Ref is how botocore names a shape.
type Ref struct {
	Shape string `json:"shape"`
}

// Service is the part of botocore's format that is read.
type Service struct {
	Metadata struct {
		UID string `json:"uid"`
	} `json:"metadata"`
	Operations map[string]struct {
		Input  Ref   `json:"input"`
		Output Ref   `json:"output"`
		Errors []Ref `json:"errors"`
	} `json:"operations"`
	Shapes map[string]struct {
		Type        string         `json:"type"`
		Required    []string       `json:"required"`
		Members     map[string]Ref `json:"members"`
		Member      Ref            `json:"member"`
		Key         Ref            `json:"key"`
		Value       Ref            `json:"value"`
		Min         *float64       `json:"min"`
		Max         *float64       `json:"max"`
		Pattern     string         `json:"pattern"`
		Enum        []string       `json:"enum"`
		EventStream bool           `json:"eventstream"`
	} `json:"shapes"`
}

// Model is what is written.
type Model struct {
	Source     string               `json:"source"`
	License    string               `json:"license"`
	API        string               `json:"api"`
	Operations map[string]Operation `json:"operations"`
	Shapes     map[string]Shape     `json:"shapes"`
}

// Operation is one operation: names of shapes, and of the errors that it declares.
type Operation struct {
	Input  string   `json:"input,omitempty"`
	Output string   `json:"output,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

// Shape is a type with its constraints. Members, Member, Key and Value hold names of shapes.
type Shape struct {
	Type        string            `json:"type"`
	Required    []string          `json:"required,omitempty"`
	Members     map[string]string `json:"members,omitempty"`
	Member      string            `json:"member,omitempty"`
	Key         string            `json:"key,omitempty"`
	Value       string            `json:"value,omitempty"`
	Min         *float64          `json:"min,omitempty"`
	Max         *float64          `json:"max,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Enum        []string          `json:"enum,omitempty"`
	EventStream bool              `json:"eventStream,omitempty"`
}

func main() {
	source := flag.String("source", "", "what the model comes from, with its version")
	flag.Parse()
	if *source == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: model -source 'botocore VERSION' service-2.json[.gz]")
		os.Exit(2)
	}
	if err := run(*source, flag.Arg(0), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

func run(source, path string, out io.Writer) error {
	service, err := read(path)
	if err != nil {
		return fmt.Errorf("read model %s: %w", path, err)
	}
	m := condense(service)
	m.Source, m.License = source, "Apache License, version 2.0"
	return write(out, m)
}

func read(path string) (*Service, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	s := new(Service)
	return s, json.NewDecoder(in).Decode(s)
}

// condense keeps the operations and the shapes that they reach.
func condense(s *Service) *Model {
	m := &Model{API: s.Metadata.UID, Operations: map[string]Operation{}, Shapes: map[string]Shape{}}
	for name, op := range s.Operations {
		o := Operation{Input: op.Input.Shape, Output: op.Output.Shape}
		for _, e := range op.Errors {
			o.Errors = append(o.Errors, e.Shape)
		}
		slices.Sort(o.Errors)
		m.Operations[name] = o
		m.reach(s, o.Input)
		m.reach(s, o.Output)
	}
	return m
}

// reach adds a shape and those that it consists of.
func (m *Model) reach(s *Service, name string) {
	if _, done := m.Shapes[name]; done || name == "" {
		return
	}
	from := s.Shapes[name]
	to := Shape{
		Type: from.Type, Required: from.Required, Member: from.Member.Shape, Key: from.Key.Shape, Value: from.Value.Shape,
		Min: from.Min, Max: from.Max, Pattern: from.Pattern, Enum: from.Enum, EventStream: from.EventStream,
	}
	for member, ref := range from.Members {
		if to.Members == nil {
			to.Members = map[string]string{}
		}
		to.Members[member] = ref.Shape
	}
	m.Shapes[name] = to
	for _, ref := range to.Members {
		m.reach(s, ref)
	}
	m.reach(s, to.Member)
	m.reach(s, to.Key)
	m.reach(s, to.Value)
}

// write prints one operation or shape a line, in the order of their names, so that a newer model reads well as a diff.
func write(out io.Writer, m *Model) error {
	head := fmt.Appendf(nil, "{\n\"source\": %q,\n\"license\": %q,\n\"api\": %q,\n", m.Source, m.License, m.API)
	b, err := appendLines(head, "operations", m.Operations)
	if err != nil {
		return err
	}
	b = append(b, ",\n"...)
	if b, err = appendLines(b, "shapes", m.Shapes); err != nil {
		return err
	}
	_, err = out.Write(append(b, "\n}\n"...))
	return err
}

func appendLines[T any](b []byte, name string, of map[string]T) ([]byte, error) {
	b = fmt.Appendf(b, "%q: {", name)
	sep := "\n"
	for _, k := range slices.Sorted(maps.Keys(of)) {
		line, err := json.Marshal(of[k])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		b = fmt.Appendf(b, "%s%q: %s", sep, k, line)
		sep = ",\n"
	}
	return append(b, "\n}"...), nil
}
