package crawler

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// Bounds of inference. What is nested deeper than jsonDepthMax is text; members and elements beyond theirs are not
// looked at.
const (
	jsonDepthMax    = 32
	jsonMembersMax  = 1000 // of an object
	jsonElementsMax = 1000 // of an array
)

// errNoTable stops reading what is nested too deep, or has too many members, to be a table's.
var errNoTable = errors.New("not the record of a table")

// inferJSON learns the schema of records: objects one after the other, on lines or not, or one array of them. ok is
// false if data is not that. A record that the sample cuts short is left out, unless the sample is whole: then the
// object is broken and no JSON. After limit records it stops; read is how many bytes it took.
func inferJSON(data []byte, whole bool, limit int64) (r jsonRecords, ok bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	p := &jsonInference{d}
	defer func() { r.read = max(r.read, d.InputOffset()) }()
	for r.records < limit {
		t, err := d.Token()
		if err == io.EOF && !r.array {
			r.read = int64(len(data))
			break
		}
		if err != nil {
			return r, !whole && r.records > 0
		}
		if t == json.Delim('[') && r.records == 0 && !r.array {
			r.array = true
			continue
		}
		if t == json.Delim(']') && r.array {
			if _, err := d.Token(); err != io.EOF {
				return r, false
			}
			r.read = int64(len(data))
			return r, r.records > 0
		}
		if t != json.Delim('{') {
			return r, false
		}
		record, err := p.object(1)
		if err != nil {
			return r, !whole && r.records > 0 && err != errNoTable
		}
		if len(r.fields) < jsonMembersMax {
			r.fields = mergeFields(r.fields, record.Fields)
		}
		r.records++
	}
	return r, len(r.fields) > 0
}

// jsonRecords is what a sample of JSON looks like.
type jsonRecords struct {
	fields  []columnar.Field
	records int64
	array   bool  // one array of records
	read    int64 // bytes
}

type jsonInference struct{ *json.Decoder }

// object reads the members of an object whose brace was read.
func (p *jsonInference) object(depth int) (columnar.Type, error) {
	t := columnar.Type{Kind: columnar.Struct}
	if depth > 10*jsonDepthMax {
		return t, errNoTable
	}
	index := map[string]int{}
	for {
		key, err := p.Token()
		if err != nil {
			return t, unexpected(err)
		}
		if key == json.Delim('}') {
			break
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return t, err
		}
		name, _ := key.(string)
		if i, twice := index[strings.ToLower(name)]; twice {
			t.Fields[i].Type = merge(t.Fields[i].Type, value)
			continue
		}
		if len(t.Fields) == jsonMembersMax {
			return t, errNoTable
		}
		index[strings.ToLower(name)] = len(t.Fields)
		t.Fields = append(t.Fields, columnar.Field{Name: name, Type: value, Nullable: true})
	}
	if len(t.Fields) == 0 || depth > jsonDepthMax {
		return columnar.Type{Kind: columnar.String}, nil // Hive has no struct without fields
	}
	return t, nil
}

func (p *jsonInference) array(depth int) (columnar.Type, error) {
	elem := columnar.Type{Kind: unknown}
	if depth > 10*jsonDepthMax {
		return elem, errNoTable
	}
	for n := 0; p.More(); n++ {
		t, err := p.value(depth + 1)
		if err != nil {
			return elem, err
		}
		if n < jsonElementsMax {
			elem = merge(elem, t)
		}
	}
	if _, err := p.Token(); err != nil {
		return elem, unexpected(err)
	}
	if depth > jsonDepthMax {
		return columnar.Type{Kind: columnar.String}, nil
	}
	return columnar.Type{Kind: columnar.List, Fields: []columnar.Field{{Name: "element", Type: elem, Nullable: true}}}, nil
}

func (p *jsonInference) value(depth int) (columnar.Type, error) {
	token, err := p.Token()
	if err != nil {
		return columnar.Type{}, unexpected(err)
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return p.object(depth)
		}
		return p.array(depth)
	case bool:
		return columnar.Type{Kind: columnar.Bool}, nil
	case json.Number:
		return columnar.Type{Kind: numberKind(v.String())}, nil
	case nil:
		return columnar.Type{Kind: unknown}, nil
	}
	return columnar.Type{Kind: columnar.String}, nil
}

// numberKind is int where it fits, then bigint, then double.
func numberKind(text string) columnar.Kind {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return columnar.Float64
	case int64(int32(n)) != n:
		return columnar.Int64
	}
	return columnar.Int32
}

// unexpected makes an end inside of a value an error like any other.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
