package columnar

import (
	"slices"
	"strings"
)

// EvolveSchema adds fields that RecordDecoder.Discovered gave to s: at the end of the schema, or of the structs in which they were. A name that
// differs from one that is there only in case is left out, as SQL has no place for it. added are the paths of the new fields; if there are
// none, the schema is s itself.
func EvolveSchema(s *Schema, found []Field) (evolved *Schema, added []string) {
	fields, added := evolveFields(s.Fields, found, "")
	if len(added) == 0 {
		return s, nil
	}
	return &Schema{Fields: fields}, added
}

func evolveFields(fields, found []Field, path string) (out []Field, added []string) {
	out = slices.Clone(fields)
	for _, f := range found {
		i := slices.IndexFunc(out, func(have Field) bool { return strings.EqualFold(have.Name, f.Name) })
		switch {
		case i < 0:
			f.Nullable = true
			out = append(out, f)
			added = append(added, path+f.Name)
		case out[i].Name == f.Name:
			t, more := evolveType(out[i].Type, f.Type, path+f.Name)
			out[i].Type = t
			added = append(added, more...)
		}
	}
	return out, added
}

func evolveType(t, found Type, path string) (Type, []string) {
	if t.Kind != found.Kind {
		return t, nil
	}
	var added []string
	switch t.Kind {
	case Struct:
		t.Fields, added = evolveFields(t.Fields, found.Fields, path+".")
	case List:
		elem := t.Fields[0]
		elem.Type, added = evolveType(elem.Type, found.Fields[0].Type, path+".element")
		t.Fields = []Field{elem}
	}
	return t, added
}
