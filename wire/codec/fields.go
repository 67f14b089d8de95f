package codec

import "reflect"

// Field is a named value for which no SDK struct exists, such as a member of an error.
type Field struct {
	Name  string
	Value any // string, bool, int, int32, int64, float64, time.Time, or an SDK struct
}

func writeFields(out sink, fields []Field) error {
	for _, f := range fields {
		out.member(f.Name)
		if err := write(out, reflect.ValueOf(f.Value), false); err != nil {
			return err
		}
	}
	return nil
}

// AppendFieldsJSON appends fields as one JSON object.
func AppendFieldsJSON(b []byte, fields []Field) ([]byte, error) {
	s := &jsonSink{b: b}
	s.beginStructure()
	err := writeFields(s, fields)
	s.endStructure()
	return s.b, err
}

// AppendFieldsCBOR appends fields as one CBOR map.
func AppendFieldsCBOR(b []byte, fields []Field, epoch Epoch) ([]byte, error) {
	s := &cborSink{b: b, epoch: epoch}
	s.beginStructure()
	err := writeFields(s, fields)
	s.endStructure()
	return s.b, err
}

// AppendFieldsXML appends fields as the children of one XML element called name.
func AppendFieldsXML(b []byte, name string, fields []Field) ([]byte, error) {
	s := &xmlSink{name: name}
	s.b.Write(b)
	s.beginStructure()
	err := writeFields(s, fields)
	s.endStructure()
	return s.b.Bytes(), err
}
