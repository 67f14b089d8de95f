package codec

import (
	"math/big"
	"reflect"
	"strings"
	"sync"
	"time"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"
	"github.com/aws/smithy-go/traits"
)

// field is one member of a structure.
type field struct {
	name  string // on the wire
	index int    // in the Go struct
	iso   bool   // a timestamp that the model wants as ISO 8601 text in JSON
}

// plan is what is known about a struct type; built once per type.
type plan struct {
	fields []field
	byName map[string]*field
}

var plans sync.Map // reflect.Type -> *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{byName: map[string]*field{}}
	schema := schemaOf(reflect.New(t).Interface())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.IsExported() && f.Name != "ResultMetadata" {
			p.fields = append(p.fields, describe(schema, f.Name, i))
		}
	}
	for i := range p.fields {
		f := &p.fields[i]
		p.byName[f.name] = f
		if schema == nil { // accept both spellings
			p.byName[lowerFirst(f.name)] = f
		}
	}
	actual, _ := plans.LoadOrStore(t, p)
	return actual.(*plan)
}

// describe finds the wire name of a Go field. They differ where the model starts with a small letter.
func describe(schema *smithy.Schema, name string, index int) field {
	f := field{name: name, index: index}
	if schema == nil {
		return f
	}
	member := schema.Member(name)
	if member == nil {
		member = schema.Member(lowerFirst(name))
	}
	if member == nil {
		return f
	}
	f.name = member.MemberName()
	if format, ok := smithy.SchemaTrait[*traits.TimestampFormat](member); ok && format != nil {
		f.iso = format.Format == "date-time"
	}
	return f
}

func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// schemaOf returns the SDK's schema of a struct: of a structure itself, of a union member its member schema. Only a
// value that serializes itself can tell; the older packages of the SDK have none, and get nil.
func schemaOf(v any) *smithy.Schema {
	s, ok := v.(smithy.Serializable)
	if !ok {
		return nil
	}
	var r recorder
	s.Serialize(&r)
	return r.first
}

// recorder is a ShapeSerializer that remembers the schema of the first thing written.
type recorder struct{ first *smithy.Schema }

func (r *recorder) see(s *smithy.Schema) {
	if r.first == nil {
		r.first = s
	}
}

func (r *recorder) Bytes() []byte                                    { return nil }
func (r *recorder) WriteInt8(s *smithy.Schema, _ int8)               { r.see(s) }
func (r *recorder) WriteInt16(s *smithy.Schema, _ int16)             { r.see(s) }
func (r *recorder) WriteInt32(s *smithy.Schema, _ int32)             { r.see(s) }
func (r *recorder) WriteInt64(s *smithy.Schema, _ int64)             { r.see(s) }
func (r *recorder) WriteFloat32(s *smithy.Schema, _ float32)         { r.see(s) }
func (r *recorder) WriteFloat64(s *smithy.Schema, _ float64)         { r.see(s) }
func (r *recorder) WriteBool(s *smithy.Schema, _ bool)               { r.see(s) }
func (r *recorder) WriteString(s *smithy.Schema, _ string)           { r.see(s) }
func (r *recorder) WriteBigInt(s *smithy.Schema, _ *big.Int)         { r.see(s) }
func (r *recorder) WriteBigFloat(s *smithy.Schema, _ *big.Float)     { r.see(s) }
func (r *recorder) WriteBlob(s *smithy.Schema, _ []byte)             { r.see(s) }
func (r *recorder) WriteTime(s *smithy.Schema, _ time.Time)          { r.see(s) }
func (r *recorder) WriteUnion(s, _ *smithy.Schema)                   { r.see(s) }
func (r *recorder) CloseUnion()                                      {}
func (r *recorder) WriteDocument(s *smithy.Schema, _ document.Value) { r.see(s) }
func (r *recorder) WriteNil(s *smithy.Schema)                        { r.see(s) }
func (r *recorder) WriteStruct(s *smithy.Schema)                     { r.see(s) }
func (r *recorder) CloseStruct()                                     {}
func (r *recorder) WriteList(s *smithy.Schema)                       { r.see(s) }
func (r *recorder) CloseList()                                       {}
func (r *recorder) WriteMap(s *smithy.Schema)                        { r.see(s) }
func (r *recorder) WriteKey(s *smithy.Schema, _ string)              { r.see(s) }
func (r *recorder) CloseMap()                                        {}
