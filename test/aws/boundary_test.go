package aws_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// probe is a request that is valid but for what put does to it, and what must come of that.
type probe struct {
	what      string
	put       func(in map[string]any)
	malformed bool     // a value of the wrong type: SerializationException
	want      []string // violations; none: nothing to say against the request's shape
}

// absent takes a member away.
type absent struct{}

// prober makes the probes of one operation.
type prober struct {
	*model
	probes []probe
}

// place puts a value where a probe's member is.
type place func(in map[string]any, v any)

func (p *prober) add(at, what string, put place, v any, malformed bool, want []string) {
	p.probes = append(p.probes, probe{
		what: at + " " + what, put: func(in map[string]any) { put(in, v) }, malformed: malformed, want: want,
	})
}

// wrong makes probes of values that are of the wrong type.
func (p *prober) wrong(at string, put place, values ...any) {
	for _, v := range values {
		p.add(at, fmt.Sprintf("is %v", v), put, v, true, nil)
	}
}

// members makes the probes of a structure's members.
func (p *prober) members(name, prefix string, parent place) {
	s := p.Shapes[name]
	for _, member := range slices.Sorted(maps.Keys(s.Members)) {
		at := prefix + strings.ToLower(member[:1]) + member[1:]
		put := func(in map[string]any, v any) {
			if parent == nil {
				set(in, member, v)
				return
			}
			of := p.model.valid(name).(map[string]any)
			set(of, member, v)
			parent(in, of)
		}
		var want []string
		if slices.Contains(s.Required, member) {
			want = []string{"Value null at '" + at + "' failed to satisfy constraint: Member must not be null"}
		}
		if !slices.Contains(needed[name], member) {
			p.add(at, "is missing", put, absent{}, false, want)
			p.add(at, "is null", put, nil, false, want)
		}
		p.shape(s.Members[member], at, put)
	}
}

func set(in map[string]any, member string, v any) {
	if _, ok := v.(absent); ok {
		delete(in, member)
		return
	}
	in[member] = v
}

// shape makes the probes of a value.
func (p *prober) shape(name, at string, put place) {
	s := p.Shapes[name]
	list, object := []any{}, map[string]any{}
	switch s.Type {
	case "string":
		p.wrong(at, put, 23, 34.56, true, list, object)
		for what, text := range p.texts(name) {
			p.add(at, what, put, text, false, brokenBy(text, at, p.constraints(name, text)))
		}
	case "integer", "long":
		p.wrong(at, put, "23", true, list, object)
		for _, n := range numbers(s) {
			p.add(at, "is "+strconv.Itoa(n), put, n, false, brokenBy(strconv.Itoa(n), at, s.rangeOf(n)))
		}
	case "boolean":
		p.wrong(at, put, 23, "x", list, object)
		p.add(at, "is false", put, false, false, nil)
	case "timestamp":
		p.wrong(at, put, "23", true, list, object)
		p.add(at, "is a time", put, 1.5e9, false, nil)
	case "blob":
		p.blob(s, at, put)
	case "structure":
		p.wrong(at, put, 23, "x", true, list)
		p.members(name, at+".", put)
	case "list":
		p.wrong(at, put, 23, "x", true, object)
		p.list(s, at, put)
	case "map":
		p.wrong(at, put, 23, "x", true, list)
		p.mapping(s, at, put)
	default:
		panic("a member of type " + s.Type)
	}
}

func (p *prober) blob(s *shape, at string, put place) {
	p.wrong(at, put, 23, true, []any{}, map[string]any{}, "23456", "=+/=", "*")
	for _, n := range []int{0, *s.Max, *s.Max + 1} {
		data := base64.StdEncoding.EncodeToString(make([]byte, n))
		p.add(at, fmt.Sprintf("has %d bytes", n), put, data, false, brokenBy(fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", n, n), at, s.lengthOf(n)))
	}
}

// list probes the number of elements, and the elements: those that are no structures are spoken of as a whole.
func (p *prober) list(s *shape, at string, put place) {
	for _, n := range []int{0, value(s.Min), *s.Max, *s.Max + 1} {
		list := p.elements(s, n)
		p.add(at, fmt.Sprintf("has %d elements", n), put, list, false, brokenBy(shown(list), at, s.lengthOf(n)))
	}
	one := func(in map[string]any, v any) { put(in, []any{v}) }
	of := p.Shapes[s.Member]
	if of.Type == "structure" {
		p.wrong(at, one, 23, "x", true, []any{})
		p.members(s.Member, at+".1.member.", one)
		return
	}
	p.wrong(at, one, 23, true, []any{}, map[string]any{})
	for what, text := range p.texts(s.Member) {
		p.add(at, "has one that "+what, one, text, false, brokenBy(shown([]any{text}), at, together("Member", p.constraints(s.Member, text), of.all())))
	}
}

func (p *prober) mapping(s *shape, at string, put place) {
	for _, n := range []int{0, value(s.Min), *s.Max, *s.Max + 1} {
		entries := p.entries(s, n)
		p.add(at, fmt.Sprintf("has %d entries", n), put, entries, false, brokenBy(shown(entries), at, s.lengthOf(n)))
	}
	p.wrong(at, func(in map[string]any, v any) { put(in, map[string]any{"k": v}) }, 23, true, []any{}, map[string]any{})
	for what, text := range p.texts(s.Key) {
		entries := map[string]any{text: "v"}
		p.add(at, "has a key that "+what, put, entries, false, brokenBy(shown(entries), at, together("Map keys", p.constraints(s.Key, text), p.Shapes[s.Key].all())))
	}
	for what, text := range p.texts(s.Value) {
		entries := map[string]any{"k": text}
		p.add(at, "has a value that "+what, put, entries, false, brokenBy(shown(entries), at, together("Map value", p.constraints(s.Value, text), p.Shapes[s.Value].all())))
	}
}

// texts are those just inside and just outside of each constraint, by what they are.
func (p *prober) texts(name string) map[string]string {
	s := p.Shapes[name]
	texts := map[string]string{}
	if s.Enum != nil {
		texts["is not in the enumeration"] = "NOPE"
		for _, e := range s.Enum {
			texts["is "+e] = e
		}
		return texts
	}
	lengths := []int{0, 1, value(s.Min) - 1, value(s.Min)}
	if s.Max != nil {
		lengths = append(lengths, *s.Max, *s.Max+1)
	}
	for _, n := range lengths {
		text, ok := p.text(name, max(0, n))
		if !ok {
			text = strings.Repeat("a", max(0, n)) // the pattern is broken as well
		}
		texts[fmt.Sprintf("has %d characters", max(0, n))] = text
	}
	if s.Pattern == "" && s.Max != nil {
		texts["has as many characters as may be, of two bytes"] = strings.Repeat("é", *s.Max)
	}
	texts["is as short as may be"] = p.shortest(name)
	if text, ok := p.mismatch(name); ok {
		texts["breaks the pattern"] = text
	}
	switch name { // the patterns bound the digits
	case "HashKey", "SequenceNumber":
		digits := map[string]int{"HashKey": 39, "SequenceNumber": 129}[name]
		texts["has all digits"], texts["has a digit too many"] = strings.Repeat("9", digits), strings.Repeat("9", digits+1)
		texts["begins with 0"], texts["is 0"] = "01", "0"
	}
	return texts
}

// numbers are those just inside and just outside of the range.
func numbers(s *shape) []int {
	list := []int{0, 1}
	if s.Min != nil {
		list = append(list, *s.Min-1, *s.Min)
	}
	if s.Max != nil {
		list = append(list, *s.Max, *s.Max+1)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// constraints are those that a text breaks, in the order in which they are told.
func (p *prober) constraints(name, text string) (broken []string) {
	s := p.Shapes[name]
	if s.Enum != nil && !slices.Contains(s.Enum, text) {
		return []string{"Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]"}
	}
	if !p.matches(name, text) {
		broken = append(broken, "Member must satisfy regular expression pattern: "+s.Pattern)
	}
	return append(broken, s.lengthOf(utf8.RuneCountInString(text))...)
}

func (s *shape) lengthOf(n int) []string { return s.bound(n, "length") }
func (s *shape) rangeOf(n int) []string  { return s.bound(n, "value") }

func (s *shape) bound(n int, what string) (broken []string) {
	if s.Enum != nil {
		return nil
	}
	if s.Min != nil && n < *s.Min {
		broken = append(broken, fmt.Sprintf("Member must have %s greater than or equal to %d", what, *s.Min))
	}
	if s.Max != nil && n > *s.Max {
		broken = append(broken, fmt.Sprintf("Member must have %s less than or equal to %d", what, *s.Max))
	}
	return broken
}

// all are the constraints of a text as they are told of the elements of a list or map.
func (s *shape) all() string {
	var list []string
	if s.Enum != nil {
		list = append(list, "Member must satisfy enum value set: ["+strings.Join(s.Enum, ", ")+"]")
	}
	if s.Max != nil {
		list = append(list, fmt.Sprintf("Member must have length less than or equal to %d", *s.Max))
	}
	if s.Min != nil {
		list = append(list, fmt.Sprintf("Member must have length greater than or equal to %d", *s.Min))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func together(what string, broken []string, all string) []string {
	if broken == nil {
		return nil
	}
	return []string{what + " must satisfy constraint: " + all}
}

// brokenBy are the violations by one value.
func brokenBy(text, at string, broken []string) (all []string) {
	for _, b := range broken {
		all = append(all, "Value '"+text+"' at '"+at+"' failed to satisfy constraint: "+b)
	}
	return all
}

// shown is a list or map as AWS prints it; * where that shows the names of its classes.
func shown(v any) string {
	var texts []string
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if _, ok := e.(string); !ok {
				return "*"
			}
			texts = append(texts, e.(string))
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			texts = append(texts, k+"="+v[k].(string))
		}
		return "{" + strings.Join(texts, ", ") + "}"
	}
	panic(fmt.Sprintf("%T", v))
}

// answer is what a refused request gets.
type answer struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

var manyErrors = regexp.MustCompile(`^(\d+) validation errors? detected: `)

// violationsOf takes the message of a ValidationException apart; nil if it tells of no constraints.
func violationsOf(t *testing.T, a answer) []string {
	t.Helper()
	head := manyErrors.FindStringSubmatch(a.Message)
	if a.Type != "ValidationException" || head == nil {
		return nil
	}
	list := strings.Split(strings.TrimPrefix(a.Message, head[0]), "; ")
	if strconv.Itoa(len(list)) != head[1] || (len(list) == 1) != strings.Contains(head[0], " error ") {
		t.Errorf("miscounted: %.500s", a.Message)
	}
	return list
}

var enumSet = regexp.MustCompile(`enum value set: \[([^\]]*)\]`)

// canonical is a violation without what may differ: the order of an enumeration, the print of a structure.
func canonical(violation string, anyValue bool) string {
	violation = enumSet.ReplaceAllStringFunc(violation, func(set string) string {
		names := strings.Split(enumSet.FindStringSubmatch(set)[1], ", ")
		slices.Sort(names)
		return "enum value set: " + strings.Join(names, " ")
	})
	if anyValue {
		_, rest, _ := strings.Cut(violation, "' at '")
		return "Value '*' at '" + rest
	}
	return violation
}

// same compares violations in any order.
func same(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	got, want = slices.Clone(got), slices.Clone(want)
	for i := range want {
		wild := strings.HasPrefix(want[i], "Value '*'")
		want[i] = canonical(want[i], wild)
		j := slices.IndexFunc(got, func(g string) bool { return canonical(g, wild) == want[i] })
		if j < 0 {
			return false
		}
		got = slices.Delete(got, j, j+1)
	}
	return true
}

func TestBoundaries(t *testing.T) {
	m, front := readModel(t), newFront(t)
	count := 0
	for _, op := range slices.Sorted(maps.Keys(m.Operations)) {
		t.Run(op, func(t *testing.T) {
			p := &prober{model: m}
			p.members(m.Operations[op].Input, "", nil)
			for _, c := range p.probes {
				in := m.request(op)
				c.put(in)
				body, err := json.Marshal(in)
				if err != nil {
					t.Fatal(err)
				}
				p.judge(t, front, op, body, c)
				count++
			}
		})
	}
	t.Logf("%d requests", count)
}

// judge sends a probe and looks at the answer.
func (p *prober) judge(t *testing.T, front http.Handler, op string, body []byte, c probe) {
	t.Helper()
	status, _, raw := call(t, front, op, mediaJSON, body)
	if status == http.StatusOK && p.Operations[op].Output == "" {
		if len(raw) > 0 || c.malformed || c.want != nil {
			t.Errorf("%s: %d %.300s", c.what, status, raw)
		}
		return
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Errorf("%s: %v in %.300s", c.what, err, raw)
		return
	}
	found := violationsOf(t, a)
	switch {
	case status >= 500:
		t.Errorf("%s: status %d, %s", c.what, status, raw)
	case c.malformed && (status != 400 || a.Type != "SerializationException"):
		t.Errorf("%s, which is the wrong type: %d %.300s", c.what, status, raw)
	case !c.malformed && a.Type == "SerializationException":
		t.Errorf("%s: %.300s", c.what, raw)
	case !c.malformed && !same(found, c.want):
		t.Errorf("%s: %d\n got %.600s\nwant %.600s", c.what, status, raw, strings.Join(c.want, "\n     "))
	case status == http.StatusOK:
		p.complete(t, c.what, p.Operations[op].Output, raw)
	}
}

// complete demands the required members of an answer.
func (p *prober) complete(t *testing.T, what, name string, raw json.RawMessage) {
	t.Helper()
	s := p.Shapes[name]
	if s == nil || s.Type != "structure" || s.EventStream {
		return
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Errorf("%s: %v in %.300s", what, err, raw)
		return
	}
	for _, member := range s.Required {
		if got[member] == nil {
			t.Errorf("%s: the answer has no %s: %.300s", what, member, raw)
		}
	}
	for member, of := range got {
		if s.Members[member] == "" {
			t.Errorf("%s: the answer has a %s, which %s has not", what, member, name)
			continue
		}
		p.complete(t, what, s.Members[member], of)
	}
}
