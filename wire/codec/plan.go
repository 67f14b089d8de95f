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
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		p.fields = append(p.fields, describe(t, i))
	}
	for i := range p.fields {
		f := &p.fields[i]
		p.byName[f.name] = f
	}
	if !reflect.PointerTo(t).Implements(serializable) { // no schema: accept both spellings of the first letter
		for i := range p.fields {
			f := &p.fields[i]
			lower := strings.ToLower(f.name[:1]) + f.name[1:]
			if p.byName[lower] == nil {
				p.byName[lower] = f
			}
		}
	}
	actual, _ := plans.LoadOrStore(t, p)
	return actual.(*plan)
}

type serializer interface{ SerializeMembers(smithy.ShapeSerializer) }

var serializable = reflect.TypeFor[serializer]()

// describe finds the wire name of field i of t. Go names differ from the model's where the model starts with
// a small letter, so the SDK is asked: a value with only this field set is serialized, and the first member it
// writes is this one.
func describe(t reflect.Type, i int) field {
	f := field{name: t.Field(i).Name, index: i}
	v := reflect.New(t)
	s, ok := v.Interface().(serializer)
	if !ok || !sample(v.Elem().Field(i)) {
		return f
	}
	var r recorder
	s.SerializeMembers(&r)
	if r.first == nil {
		return f
	}
	f.name = r.first.MemberName()
	if format, ok := smithy.SchemaTrait[*traits.TimestampFormat](r.first); ok && format != nil {
		f.iso = format.Format == "date-time"
	}
	return f
}

// sample sets v to something that a generated serializer does not leave out; false if there is nothing.
func sample(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	default:
		return false
	}
	return true
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
