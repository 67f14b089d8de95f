package aws_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// model is the service's model, as tools/model writes it.
type model struct {
	Operations map[string]struct {
		Input, Output string
		Errors        []string
	}
	Shapes map[string]*shape

	least    map[string]string         // the shortest texts by shape, as they were asked for
	patterns map[string]*regexp.Regexp // by shape
}

// shape is a type with its constraints. Members and the like hold names of shapes.
type shape struct {
	Type        string
	Required    []string
	Members     map[string]string
	Member      string
	Key, Value  string
	Min, Max    *int
	Pattern     string
	Enum        []string
	EventStream bool
}

func readModel(t *testing.T) *model {
	t.Helper()
	raw, err := os.ReadFile("testdata/kinesis.json")
	if err != nil {
		t.Fatal(err)
	}
	m := &model{least: map[string]string{}, patterns: map[string]*regexp.Regexp{}}
	if err := json.Unmarshal(raw, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// The model that the tests are made from has the very operations of the client that the server's types come from.
func TestModelIsTheClients(t *testing.T) {
	var calls, ops []string
	client := reflect.TypeFor[*sdk.Client]()
	for i := range client.NumMethod() {
		if m := client.Method(i); m.Type.NumIn() == 4 && m.Type.NumOut() == 2 {
			calls = append(calls, m.Name)
		}
	}
	for op := range readModel(t).Operations {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	if !slices.Equal(calls, ops) {
		t.Fatalf("the client has %v\nthe model %v", calls, ops)
	}
}

// sample says how to write a text of any length that matches a pattern: by repeating fill between before and after.
type sample struct{ before, fill, after string }

// samples are by shape; all others are made of a's.
var samples = map[string]sample{
	"StreamARN":           {"arn:aws:kinesis:us-east-1:" + account + ":stream/", "a", ""},
	"ResourceARN":         {"arn:aws:kinesis:us-east-1:" + account + ":stream/", "a", ""},
	"ChannelARN":          {"arn:aws:kinesis:us-east-1:" + account + ":channel/", "a", ""},
	"ConsumerARN":         {"arn:aws:kinesis:us-east-1:" + account + ":stream/a/consumer/", "a", ":1"},
	"StreamId":            {"aaaaaaaaaaaaaaaaaaaa-aaa", "", ""},
	"HashKey":             {"", "1", ""},
	"SequenceNumber":      {"", "1", ""},
	"ExpectedBucketOwner": {"", "1", ""},
	"BucketARN":           {"arn:aws:s3:::aaa", "a", ""},
	"TableBucketARN":      {"arn:aws:s3tables:us-east-1:" + account + ":bucket/aaa", "a", ""},
	"RoleARN":             {"arn:aws:iam::" + account + ":role/", "a", ""},
	"GSRSchemaARN":        {"arn:aws:glue:us-east-1:" + account + ":schema/r/", "a", ""},
}

// text returns a text of n characters for the shape called name, or false if none of that length matches its pattern.
func (m *model) text(name string, n int) (string, bool) {
	s, known := samples[name]
	if !known {
		s.fill = "a"
	}
	fixed := len(s.before) + len(s.after)
	if n < fixed || n > fixed && s.fill == "" {
		return "", false
	}
	text := s.before + strings.Repeat(s.fill, n-fixed) + s.after
	return text, m.matches(name, text)
}

// shortest is the shortest text that the shape allows.
func (m *model) shortest(name string) string {
	if text, ok := m.least[name]; ok {
		return text
	}
	for n := max(0, value(m.Shapes[name].Min)); n < 200; n++ {
		if text, ok := m.text(name, n); ok {
			m.least[name] = text
			return text
		}
	}
	panic("no sample for the pattern of " + name)
}

func (m *model) matches(name, text string) bool {
	if m.patterns[name] == nil {
		m.patterns[name] = regexp.MustCompile(`^(?:` + cmp.Or(m.Shapes[name].Pattern, `(?s).*`) + `)$`)
	}
	return m.patterns[name].MatchString(text)
}

// mismatch is a text that breaks the pattern and no other bound.
func (m *model) mismatch(name string) (string, bool) {
	s := m.Shapes[name]
	for _, text := range []string{"é é", ":", strings.Repeat("é", value(s.Min))} {
		if n := utf8.RuneCountInString(text); !m.matches(name, text) && n >= value(s.Min) && (s.Max == nil || n <= *s.Max) {
			return text, true
		}
	}
	return "", false
}

// needed are members that the model does not require, but most streams do.
var needed = map[string][]string{
	"CreateStreamInput":        {"ShardCount"},
	"PutRecordInput":           {"PartitionKey"},
	"PutRecordsRequestEntry":   {"PartitionKey"},
	"UpdateMaxRecordSizeInput": {"StreamARN"},
}

// valid is the least value that the model accepts for a shape, as JSON sees it.
func (m *model) valid(name string) any {
	s := m.Shapes[name]
	switch s.Type {
	case "structure":
		v := map[string]any{}
		for _, member := range append(slices.Clone(s.Required), needed[name]...) {
			v[member] = m.valid(s.Members[member])
		}
		return v
	case "list":
		return m.elements(s, max(1, value(s.Min)))
	case "map":
		return m.entries(s, max(1, value(s.Min)))
	case "string":
		if s.Enum != nil {
			return s.Enum[0]
		}
		return m.shortest(name)
	case "integer", "long":
		return max(1, value(s.Min))
	case "boolean":
		return false
	case "blob":
		return ""
	case "timestamp":
		return 1.5e9
	}
	panic("shape " + name + " of type " + s.Type)
}

func (m *model) elements(s *shape, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = m.valid(s.Member)
	}
	return list
}

func (m *model) entries(s *shape, n int) map[string]any {
	entries := map[string]any{}
	for i := range n {
		entries[fmt.Sprintf("k%03d", i)] = m.valid(s.Value)
	}
	return entries
}

// request is the least request of an operation that passes the model and says which stream is meant.
func (m *model) request(op string) map[string]any {
	in := m.valid(m.Operations[op].Input).(map[string]any)
	members := m.Shapes[m.Operations[op].Input].Members
	switch {
	case members["StreamName"] != "" && in["StreamName"] == nil && in["StreamARN"] == nil:
		in["StreamName"] = "absent"
	case members["ConsumerARN"] != "" && in["ConsumerARN"] == nil:
		in["ConsumerARN"] = m.valid("ConsumerARN")
	}
	return in
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
