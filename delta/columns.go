package delta

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/weir-data/weir/columnar"
)

// Mapping is how the columns of data files are matched with those of the schema (section "Column Mapping").
type Mapping string

// The mappings.
const (
	MapNone Mapping = "none" // by the names of the schema
	MapName Mapping = "name" // by physical names
	MapID   Mapping = "id"   // by field ids; statistics and partition values by physical names
)

// Members of a field's metadata, and properties, that column mapping uses.
const (
	propMappingMode  = "delta.columnMapping.mode"
	metaPhysicalName = "delta.columnMapping.physicalName"
	metaFieldID      = "delta.columnMapping.id"
)

// mappingOf is the mapping that a table's protocol and properties ask for.
func mappingOf(p *Protocol, m *Metadata) (Mapping, error) {
	if !p.reads("columnMapping", 2) {
		return MapNone, nil
	}
	switch mode := m.Configuration[propMappingMode]; mode {
	case "", "none":
		return MapNone, nil
	case "name", "id":
		return Mapping(mode), nil
	default:
		return "", fmt.Errorf("%w: columnMapping with mode %.40q", ErrUnsupported, mode)
	}
}

// Mapping is how columns of the data files are matched with those of the schema.
func (s *Snapshot) Mapping() Mapping { return s.mapping }

// Physical is the schema as data files have it: of the same shape as Schema, field by field, with physical names.
// Without column mapping it is Schema. It must not be changed. FieldID gives the ids of its fields.
func (s *Snapshot) Physical() *columnar.Schema { return s.physical }

// FieldID is the id that a field has in data files, and false if the table gives it none.
func FieldID(f *columnar.Field) (int32, bool) {
	n, ok := f.Metadata[metaFieldID].(json.Number)
	if !ok {
		return 0, false
	}
	id, err := n.Int64()
	return int32(id), err == nil && 0 <= id && id <= math.MaxInt32
}

// physicalFields renames fields and what is below them. The fields of lists and maps keep their names, which no data
// file is asked for.
func physicalFields(mapping Mapping, fields []columnar.Field, named bool, prefix string) ([]columnar.Field, error) {
	out := make([]columnar.Field, len(fields))
	seen := make(map[string]bool, len(fields))
	for i, f := range fields {
		name := prefix + f.Name
		if named {
			physical, ok := f.Metadata[metaPhysicalName].(string)
			if !ok || physical == "" {
				return nil, fmt.Errorf("%w: column %q has no physical name", ErrCorrupt, name)
			}
			if seen[physical] {
				return nil, fmt.Errorf("%w: two columns with the physical name %q", ErrCorrupt, physical)
			}
			seen[physical] = true
			if _, ok := FieldID(&f); !ok && mapping == MapID {
				return nil, fmt.Errorf("%w: column %q has no field id", ErrCorrupt, name)
			}
			f.Name = physical
		}
		if len(f.Type.Fields) > 0 {
			below, err := physicalFields(mapping, f.Type.Fields, f.Type.Kind == columnar.Struct, name+".")
			if err != nil {
				return nil, err
			}
			f.Type.Fields = below
		}
		out[i] = f
	}
	return out, nil
}

// logicalValues gives partition values the names of the schema. It returns the map itself where they have them.
func (s *Snapshot) logicalValues(values map[string]*string) map[string]*string {
	if s.mapping == MapNone || len(values) == 0 {
		return values
	}
	out := make(map[string]*string, len(values))
	for _, name := range s.metadata.PartitionColumns {
		i := s.schema.Index(name)
		if v, ok := values[s.physical.Fields[i].Name]; ok {
			out[name] = v
		}
	}
	return out
}

// logicalStats gives statistics the names of the schema; columns that are gone from it are left out.
func (s *Snapshot) logicalStats(stats *Stats) {
	if s.mapping == MapNone || stats == nil {
		return
	}
	for _, values := range []*map[string]any{&stats.Min, &stats.Max, &stats.NullCount} {
		*values = renamed(*values, s.schema.Fields, s.physical.Fields)
	}
}

func renamed(values map[string]any, logical, physical []columnar.Field) map[string]any {
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]any, len(values))
	for i := range physical {
		v, ok := values[physical[i].Name]
		if !ok {
			continue
		}
		if inner, isMap := v.(map[string]any); isMap && physical[i].Type.Kind == columnar.Struct {
			v = renamed(inner, logical[i].Type.Fields, physical[i].Type.Fields)
		}
		out[logical[i].Name] = v
	}
	return out
}
