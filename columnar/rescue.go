package columnar

import "slices"

// unplaced are the places of the present object that have no column: members that the schema lacks, and values that do not fit. It is kept while
// the object is decoded, and what must be done about them is done behind it, in a second walk over its text, so that objects without any cost
// nothing.
type unplaced struct {
	misfits []int // where values that do not fit begin in the record
	unknown bool  // some member has no field
}

func (u *unplaced) any() bool { return u.unknown || len(u.misfits) > 0 }

// settle gives the object of record that lies in from..to its row of the rescued column, and learns its unknown fields.
func (d *JSONDecoder) settle(record []byte, from, to int) {
	if d.found != nil && d.unplaced.unknown {
		d.discover(&d.root, &d.found.root, record[from:to])
		d.found.records++
	}
	if d.rescued == nil {
		return
	}
	if d.unplaced.any() {
		slices.Sort(d.unplaced.misfits)
		d.rescued.Data, _ = d.rescueObject(d.rescued.Data, &d.root, record, from, to)
	}
	if len(d.rescued.Data) == int(d.rescued.Offsets[d.rescued.Len]) {
		d.rescued.addNull()
		return
	}
	d.rescued.endBytes()
}

// rescueObject appends, as an object, the members of the object in from..to that have no place in o; any says that there were some.
func (d *JSONDecoder) rescueObject(dst []byte, o *object, record []byte, from, to int) (out []byte, any bool) {
	begin := len(dst)
	dst = append(dst, '{')
	for key, value := range members(record[from:to]) {
		at := cap(record) - cap(value) // value is a part of the record
		before := len(dst)
		if any {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), '"', ':')
		found := false
		if dst, found = d.rescueValue(dst, o.member(d, key), record, at, at+len(value)); !found {
			dst = dst[:before]
		}
		any = any || found
	}
	if !any {
		return dst[:begin], false
	}
	return append(dst, '}'), true
}

// member is the field of a raw key, nil if there is none.
func (o *object) member(d *JSONDecoder, key []byte) *node {
	i, ok := o.lookup(d, key, slices.Contains(key, '\\'))
	if !ok {
		return nil
	}
	return o.fields[i]
}

// rescueValue appends what of the value in from..to has no place in n: all of it, or the members of a struct. Of an array or map nothing
// can be told apart, so it is all or nothing.
func (d *JSONDecoder) rescueValue(dst []byte, n *node, record []byte, from, to int) (out []byte, any bool) {
	i, exact := slices.BinarySearch(d.unplaced.misfits, from)
	switch {
	case n == nil || exact:
	case n.kind == Struct && record[from] == '{':
		return d.rescueObject(dst, &n.obj, record, from, to)
	case (n.kind == List || n.kind == Map) && (i < len(d.unplaced.misfits) && d.unplaced.misfits[i] < to || d.unplaced.unknown && d.lacks(n, record[from:to])):
	default:
		return dst, false
	}
	return append(dst, record[from:to]...), true
}

// lacks says whether a value of an array, a map or a struct has a member for which there is no field.
func (d *JSONDecoder) lacks(n *node, value []byte) bool {
	switch {
	case n.kind == Struct && value[0] == '{':
		for key, v := range members(value) {
			if f := n.obj.member(d, key); f == nil || d.lacks(f, v) {
				return true
			}
		}
	case n.kind == List && value[0] == '[':
		for v := range elements(value) {
			if d.lacks(n.kids[0], v) {
				return true
			}
		}
	case n.kind == Map && value[0] == '{':
		for _, v := range members(value) {
			if d.lacks(n.kids[1], v) {
				return true
			}
		}
	}
	return false
}

// discover learns the members of b that o lacks.
func (d *JSONDecoder) discover(o *object, v *inferred, b []byte) {
	for key, value := range members(b) {
		f := o.member(d, key)
		if f != nil && !d.lacks(f, value) {
			continue
		}
		child := d.found.field(v, key)
		switch {
		case child == nil:
		case f == nil:
			if d.found.value(child, value, 1) != nil {
				child.t = Type{Kind: String} // too wide for a struct
			}
		default:
			d.discoverIn(f, child, value)
		}
	}
}

// discoverIn learns what the values of n lack.
func (d *JSONDecoder) discoverIn(n *node, v *inferred, b []byte) {
	switch n.kind {
	case Struct:
		v.t = Type{Kind: Struct}
		d.discover(&n.obj, v, b)
		return
	case List:
		v.t = Type{Kind: List}
		if v.fields == nil {
			v.fields = []*inferred{{name: "element", t: Type{Kind: Unknown}}}
		}
		for value := range elements(b) {
			if d.lacks(n.kids[0], value) {
				d.discoverIn(n.kids[0], v.fields[0], value)
			}
		}
	}
	// Maps keep the type that they have: their values are not widened.
}

// Discovered are the fields that records had and the schema lacks, since the decoder was made, as far as their values tell a type: those of
// structs that the schema has are in structs of the same names. Options must have Evolve.
func (d *JSONDecoder) Discovered() []Field {
	if d.found == nil {
		return nil
	}
	return known(d.found.root.full().Fields)
}

// known leaves out what has no type yet.
func known(fields []Field) []Field {
	var out []Field
	for _, f := range fields {
		if t, ok := knownType(f.Type); ok && f.Name != "" {
			f.Type = t
			out = append(out, f)
		}
	}
	return out
}

func knownType(t Type) (Type, bool) {
	switch t.Kind {
	case Unknown:
		return t, false
	case Struct:
		t.Fields = known(t.Fields)
		return t, len(t.Fields) > 0
	case List:
		elem, ok := knownType(t.Fields[0].Type)
		t.Fields = []Field{{Name: "element", Type: elem, Nullable: true}}
		return t, ok
	}
	return t, true
}
