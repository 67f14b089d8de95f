package codec

import (
	"math"
	"reflect"
	"time"
)

// shape is what the decoder wants next.
type shape int

const (
	structure shape = iota
	mapping
	list
)

// source reads one encoded document from front to back. The decoder says what it wants; what is there
// instead is an *Error.
type source interface {
	// null consumes a null and reports true if one is next.
	null() (bool, error)
	// begin enters a structure, map or list; key or next then walk it, each to its end.
	begin(shape) error
	key() (name string, more bool, err error)
	next() (more bool, err error)
	text() (string, error)
	integer() (int64, error)
	float() (float64, error)
	boolean() (bool, error)
	blob() ([]byte, error)
	time(iso bool) (time.Time, error)
	// skip passes over one value of any kind.
	skip() error
}

// decoder holds what bounds and helps one decoding.
type decoder struct {
	src      source
	unions   Unions
	elements int
}

var (
	timeType = reflect.TypeFor[time.Time]()
	byteType = reflect.TypeFor[byte]()
)

// decode reads the document of src into the struct that into points to.
func decode(src source, into any, unions Unions) error {
	d := decoder{src: src, unions: unions}
	return d.value(reflect.ValueOf(into).Elem(), false)
}

func (d *decoder) value(v reflect.Value, iso bool) error {
	isNull, err := d.src.null()
	if err != nil || isNull {
		return err
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := d.value(p.Elem(), iso); err != nil {
			return err
		}
		v.Set(p)
		return nil
	case reflect.Struct:
		if v.Type() == timeType {
			t, err := d.src.time(iso)
			if err != nil {
				return err
			}
			v.Set(reflect.ValueOf(t))
			return nil
		}
		return d.structure(v)
	case reflect.Slice:
		if v.Type().Elem() == byteType {
			b, err := d.src.blob()
			if err != nil {
				return err
			}
			v.SetBytes(b)
			return nil
		}
		return d.list(v)
	case reflect.Map:
		return d.mapping(v)
	case reflect.Interface:
		return d.union(v)
	}
	return d.scalar(v)
}

func (d *decoder) scalar(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		s, err := d.src.text()
		if err != nil {
			return err
		}
		v.SetString(s)
	case reflect.Bool:
		b, err := d.src.boolean()
		if err != nil {
			return err
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := d.src.integer()
		if err != nil {
			return err
		}
		if v.OverflowInt(n) { // to the nearest that fits, as AWS does; the bounds of the member then decide
			n = min(max(n, math.MinInt32), math.MaxInt32)
		}
		v.SetInt(n)
	case reflect.Float32, reflect.Float64:
		f, err := d.src.float()
		if err != nil {
			return err
		}
		v.SetFloat(f)
	default:
		panic("codec: SDK struct with a member of kind " + v.Kind().String())
	}
	return nil
}

func (d *decoder) structure(v reflect.Value) error {
	if err := d.src.begin(structure); err != nil {
		return err
	}
	p := planOf(v.Type())
	for {
		name, more, err := d.src.key()
		if err != nil || !more {
			return err
		}
		f := p.byName[name]
		if f == nil {
			if err := d.src.skip(); err != nil {
				return err
			}
			continue
		}
		if err := d.value(v.Field(f.index), f.iso); err != nil {
			return err
		}
	}
}

func (d *decoder) list(v reflect.Value) error {
	if err := d.src.begin(list); err != nil {
		return err
	}
	s := reflect.MakeSlice(v.Type(), 0, 0)
	zero := reflect.Zero(v.Type().Elem())
	for {
		more, err := d.src.next()
		if err != nil {
			return err
		}
		if !more {
			v.Set(s)
			return nil
		}
		if err := d.count(); err != nil {
			return err
		}
		s = reflect.Append(s, zero)
		if err := d.value(s.Index(s.Len()-1), false); err != nil {
			return err
		}
	}
}

func (d *decoder) mapping(v reflect.Value) error {
	if err := d.src.begin(mapping); err != nil {
		return err
	}
	m := reflect.MakeMap(v.Type())
	for {
		key, more, err := d.src.key()
		if err != nil {
			return err
		}
		if !more {
			v.Set(m)
			return nil
		}
		if err := d.count(); err != nil {
			return err
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(e, false); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), e)
	}
}

// union reads {"Tag": value} into the registered member struct of that tag.
func (d *decoder) union(v reflect.Value) error {
	if v.Type().Implements(documentType) {
		return malformed("Document values are not supported")
	}
	if err := d.src.begin(structure); err != nil {
		return err
	}
	for {
		tag, more, err := d.src.key()
		if err != nil || !more {
			return err
		}
		isNull, err := d.src.null()
		if err != nil {
			return err
		}
		if isNull {
			continue
		}
		if !v.IsNil() {
			return malformed("Union %s has more than one member", v.Type().Name())
		}
		member := d.unions.member(v.Type(), tag)
		if !member.IsValid() {
			return malformed("Union %s has no member %s", v.Type().Name(), tag)
		}
		if err := d.value(member.Elem().FieldByName("Value"), false); err != nil {
			return err
		}
		v.Set(member)
	}
}

// member returns a new member struct of union t for tag; the zero Value if none is registered.
func (u Unions) member(t reflect.Type, tag string) reflect.Value {
	for _, m := range u {
		mt := reflect.TypeOf(m)
		if mt.Implements(t) && unionTag(t, mt) == tag {
			return reflect.New(mt.Elem())
		}
	}
	return reflect.Value{}
}

func (d *decoder) count() error {
	if d.elements++; d.elements > elementsMax {
		return errElements
	}
	return nil
}

// epochTime is the time that many seconds after 1970, to the millisecond.
func epochTime(seconds float64) (time.Time, error) {
	if math.IsNaN(seconds) || math.Abs(seconds) > 253402300799 { // the end of the year 9999
		return time.Time{}, malformed("Timestamp is out of range")
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), nil
}

// isoTime reads ISO 8601 text.
func isoTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, malformed("Timestamp %q is not in ISO 8601 format", text)
}
