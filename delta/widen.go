package delta

import (
	"fmt"

	"github.com/weir-data/weir/columnar"
)

// metaTypeChanges is the member of a field's metadata that tells the types its column had before.
const metaTypeChanges = "delta.typeChanges"

// checkTypeChanges refuses columns whose older files hold a type from which the protocol (section "Type Widening")
// knows no way to the column's own.
func checkTypeChanges(s *columnar.Schema) error {
	return eachField(s.Fields, "", func(name string, f *columnar.Field) error {
		raw, ok := f.Metadata[metaTypeChanges]
		if !ok {
			return nil
		}
		changes, ok := raw.([]any)
		if !ok {
			return fmt.Errorf("%w: column %q: %s is no list", ErrCorrupt, name, metaTypeChanges)
		}
		for _, c := range changes {
			change, _ := c.(map[string]any)
			from, ok1 := change["fromType"].(string)
			to, ok2 := change["toType"].(string)
			if !ok1 || !ok2 {
				return fmt.Errorf("%w: column %q: %s without types", ErrCorrupt, name, metaTypeChanges)
			}
			a, err1 := columnar.ParseType(from)
			b, err2 := columnar.ParseType(to)
			if err1 != nil || err2 != nil || !widens(a, b) {
				return fmt.Errorf("%w: typeWidening of column %q from %.40s to %.40s", ErrUnsupported, name, from, to)
			}
		}
		return nil
	})
}

// widens says whether a column may change from one type to another without rewriting its files.
func widens(from, to columnar.Type) bool {
	rank := map[columnar.Kind]int{columnar.Int8: 1, columnar.Int16: 2, columnar.Int32: 3, columnar.Int64: 4}
	size := rank[from.Kind]
	switch to.Kind {
	case columnar.Int16, columnar.Int32, columnar.Int64:
		return 0 < size && size <= rank[to.Kind]
	case columnar.Float64:
		return from.Kind == columnar.Float32 || 0 < size && size <= 3
	case columnar.TimestampNTZ:
		return from.Kind == columnar.Date
	case columnar.Decimal:
		precision, scale := from.Precision, from.Scale
		switch {
		case size == 4:
			precision, scale = 20, 0
		case size > 0:
			precision, scale = 10, 0
		case from.Kind != columnar.Decimal:
			return false
		}
		more := to.Scale - scale
		return more >= 0 && to.Precision-precision >= more
	}
	return false
}

// WasFloat says whether older files of a table may hold a column as 32-bit floating point, of which statistics tell
// other digits than the same value has as a double.
func WasFloat(f *columnar.Field) bool {
	changes, _ := f.Metadata[metaTypeChanges].([]any)
	for _, c := range changes {
		if change, _ := c.(map[string]any); change["fromType"] == "float" {
			return true
		}
	}
	return false
}
