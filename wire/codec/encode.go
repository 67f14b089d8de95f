package codec

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/aws/smithy-go/document"
)

// sink writes one encoded document from front to back.
type sink interface {
	beginStructure()
	member(name string)
	endStructure()
	beginList(n int)
	item()
	endList()
	beginMap(n int)
	entry(key string)
	endEntry()
	endMap()
	text(string)
	integer(int64)
	float(float64)
	boolean(bool)
	blob([]byte)
	time(t time.Time, iso bool)
	// json takes a document value; an error if the format has no place for one.
	json([]byte) error
	null()
}

var documentType = reflect.TypeFor[document.Marshaler]()

// encode writes the struct v (or pointer to one) to out. Nil members are left out, and so are empty enums;
// numbers and booleans that are no pointers are always written, as AWS does.
func encode(out sink, v any) error {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			out.beginStructure()
			out.endStructure()
			return nil
		}
		rv = rv.Elem()
	}
	return write(out, rv, false)
}

func write(out sink, v reflect.Value, iso bool) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			out.null()
			return nil
		}
		if v.Kind() == reflect.Interface {
			return writeInterface(out, v)
		}
		return write(out, v.Elem(), iso)
	case reflect.Struct:
		if v.Type() == timeType {
			out.time(v.Interface().(time.Time), iso)
			return nil
		}
		return writeStructure(out, v)
	case reflect.Slice:
		if v.Type().Elem() == byteType {
			out.blob(v.Bytes())
			return nil
		}
		out.beginList(v.Len())
		for i := range v.Len() {
			out.item()
			if err := write(out, v.Index(i), false); err != nil {
				return err
			}
		}
		out.endList()
	case reflect.Map:
		return writeMap(out, v)
	case reflect.String:
		out.text(v.String())
	case reflect.Bool:
		out.boolean(v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		out.integer(v.Int())
	case reflect.Float32, reflect.Float64:
		out.float(v.Float())
	default:
		panic("codec: SDK struct with a member of kind " + v.Kind().String())
	}
	return nil
}

func writeStructure(out sink, v reflect.Value) error {
	out.beginStructure()
	p := planOf(v.Type())
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if absent(fv) {
			continue
		}
		out.member(f.name)
		if err := write(out, fv, f.iso); err != nil {
			return err
		}
	}
	out.endStructure()
	return nil
}

// HasMembers reports whether the struct v (or pointer to one) is of a type that has members.
func HasMembers(v any) bool {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return len(planOf(t).fields) > 0
}

func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

// writeMap writes the entries in the order of their keys, so that equal values give equal bytes.
func writeMap(out sink, v reflect.Value) error {
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	out.beginMap(len(keys))
	for _, k := range keys {
		out.entry(k.String())
		if err := write(out, v.MapIndex(k), false); err != nil {
			return err
		}
		out.endEntry()
	}
	out.endMap()
	return nil
}

// writeInterface writes a union as {"Tag": value}, or a document as it is.
func writeInterface(out sink, v reflect.Value) error {
	if m, ok := v.Interface().(document.Marshaler); ok {
		raw, err := m.MarshalSmithyDocument()
		if err != nil {
			return fmt.Errorf("encode document: %w", err)
		}
		return out.json(raw)
	}
	member := v.Elem()
	if member.Kind() != reflect.Pointer || member.IsNil() {
		return fmt.Errorf("encode union %s: %s is not one of its members", v.Type(), member.Type())
	}
	tag := unionTag(v.Type(), member.Type())
	out.beginStructure()
	out.member(tag)
	if err := write(out, member.Elem().FieldByName("Value"), false); err != nil {
		return err
	}
	out.endStructure()
	return nil
}

// unionTag is the wire name of a union member struct, a pointer to which is memberType.
func unionTag(union, memberType reflect.Type) string {
	if schema := schemaOf(reflect.New(memberType.Elem()).Interface()); schema != nil {
		return schema.MemberName()
	}
	return strings.TrimPrefix(memberType.Elem().Name(), union.Name()+"Member")
}
