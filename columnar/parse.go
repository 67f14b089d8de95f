package columnar

// CONTRACT STUB: the owner of columnar replaces these bodies and moves them to fitting files.

// Options of a JSON decoder. The zero value is Spark's PERMISSIVE reading.
type JSONOptions struct {
	// IgnoreCase matches keys to fields without regard to case (OpenX, Hive).
	IgnoreCase bool
	// KeyNames maps a JSON key (as written) to a field name.
	KeyNames map[string]string
	// Coerce applies OpenX's conversions: numeric strings to numbers, objects into text columns as compact
	// JSON, a scalar for an array becomes one element. Without it a value of another type is a bad field.
	Coerce bool
	// Location is the zone of timestamps written without one; nil is UTC.
	Location any
}

// FieldError is one value that did not fit its column; the column holds null instead.
type FieldError struct {
	Field  string
	Reason string
}

// JSONDecoder appends JSON objects to columns. It is not safe for concurrent use; make one per core.
type JSONDecoder struct{}

// NewJSONDecoder compiles schema. It returns an error if a type cannot be decoded from JSON.
func NewJSONDecoder(schema *Schema, opts JSONOptions) (*JSONDecoder, error) { panic("stub") }

// Append decodes all objects of one record (usually one, several may stand back to back) and adds a row for
// each. rows is the number added. bad, if not nil, lists fields that were set to null because their value did
// not fit; the slice is reused by the next call. err says that the record is not such JSON at all: then rows is 0
// and the batch is as before.
func (d *JSONDecoder) Append(record []byte) (rows int, bad []FieldError, err error) { panic("stub") }

// Undo removes the last n rows (for callers that refuse a record whose fields do not fit).
func (d *JSONDecoder) Undo(n int) { panic("stub") }

// Len is the number of rows since the last Reset.
func (d *JSONDecoder) Len() int { panic("stub") }

// Batch returns the rows appended since the last Reset. It shares the decoder's buffers.
func (d *JSONDecoder) Batch() *Batch { panic("stub") }

// Reset forgets all rows and keeps the buffers.
func (d *JSONDecoder) Reset() { panic("stub") }
