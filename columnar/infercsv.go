package columnar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// csvColumnsMax bounds the columns of CSV whose schema is inferred.
const csvColumnsMax = 4096

// InferCSV learns the schema of CSV from the beginning of a file, as Spark does: int, bigint, double, boolean, with Times date and
// timestamp, else string; a column without values is a string. Without a header the columns are _c0, _c1 and so on. It stops
// after limit lines; a last line that is cut is left out if whole is false.
func InferCSV(data []byte, opts CSVOptions, infer InferOptions, limit int64, whole bool) (fields []InferredField, lines int64, err error) {
	opts.setDefaults()
	d := &CSVDecoder{opts: opts}
	n := NewInference(infer)
	named := !opts.Header
	for len(data) > 0 && lines < limit {
		if data[0] == '\n' || data[0] == '\r' {
			data = data[1:]
			continue
		}
		cells, rest, err := d.cells(data)
		if len(rest) == 0 && !whole && lines > 0 {
			break
		}
		if err != nil {
			return nil, lines, err
		}
		data = rest
		if len(cells) > csvColumnsMax {
			return nil, lines, fmt.Errorf("%w: line of %d values", ErrCSV, len(cells))
		}
		if !named {
			fields = csvHeader(cells)
			named = true
			continue
		}
		lines++
		for len(fields) < len(cells) {
			fields = append(fields, InferredField{Field: Field{Name: "_c" + strconv.Itoa(len(fields)), Type: Type{Kind: Unknown}, Nullable: true}})
		}
		for i, text := range cells {
			if f := &fields[i]; text != "" && text != opts.Null {
				f.MaybeMillis = maybeMillis(text) && (f.MaybeMillis || f.Seen == 0)
				f.Seen++
				if f.Type.Kind != String {
					f.Type = Widen(f.Type, Type{Kind: n.cellKind(text)}, false)
				}
			}
		}
	}
	if len(fields) == 0 {
		return nil, lines, errors.New("no line of CSV")
	}
	return fields, lines, nil
}

// cells splits a line.
func (d *CSVDecoder) cells(s []byte) (cells []string, rest []byte, err error) {
	for more := true; more; {
		var value []byte
		if value, _, s, more, err = d.value(s); err != nil {
			return nil, nil, err
		}
		cells = append(cells, string(value))
	}
	return cells, s, nil
}

func csvHeader(cells []string) (fields []InferredField) {
	for i, name := range cells {
		if name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")); name == "" {
			name = "_c" + strconv.Itoa(i)
		}
		fields = append(fields, InferredField{Field: Field{Name: name, Type: Type{Kind: Unknown}, Nullable: true}})
	}
	return fields
}

func (n *Inference) cellKind(text string) Kind {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		if fitsWidth(v, 4) {
			return Int32
		}
		return Int64
	}
	if _, ok := floatCell([]byte(text), 64); ok {
		return Float64
	}
	if strings.EqualFold(text, "true") || strings.EqualFold(text, "false") {
		return Bool
	}
	if n.opts.Times {
		return n.timeKind([]byte(text))
	}
	return String
}

// InferText learns the schema of JSON objects, one after the other or in one array, or of CSV, from the beginning of a file. It stops after
// limit records; a last one that is cut is left out if whole is false.
func InferText(data []byte, format Format, infer InferOptions, limit int64, whole bool) (fields []InferredField, records int64, err error) {
	switch format.Name {
	case "csv":
		opts, err := parseCSVOptions(format.Options)
		if err != nil {
			return nil, 0, err
		}
		return InferCSV(data, opts, infer, limit, whole)
	case "", "json":
		n := NewInference(infer)
		if _, _, err := n.Sample(data, limit); err != nil && (whole || n.Records() == 0) {
			return nil, n.Records(), err
		}
		return n.Fields(), n.Records(), nil
	}
	return nil, 0, fmt.Errorf("the schema of format %q cannot be inferred", format.Name)
}
