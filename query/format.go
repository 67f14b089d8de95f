package query

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// setFormat reads a table's SerDe into a binding.
func setFormat(b *Binding, t catalog.Table) error {
	lib, params := strings.ToLower(t.Storage.SerDe.Library), t.Storage.SerDe.Parameters
	class := strings.ToLower(t.Parameters["classification"])
	if lib == "" && class == "" {
		lib = strings.ToLower(t.Storage.InputFormat)
	}
	switch {
	case strings.Contains(lib, "parquet"), lib == "" && class == "parquet":
		b.Format = Parquet
		return nil
	case strings.Contains(lib, "json"), lib == "" && class == "json":
		b.Format = JSON
		b.IgnoreMalformed = strings.EqualFold(params["ignore.malformed.json"], "true")
		return nil
	case strings.Contains(lib, "opencsvserde"):
		b.Format = CSV
		b.CSV = CSVOptions{Delimiter: first(params["separatorChar"], ","), Quote: first(params["quoteChar"], `"`),
			Escape: first(params["escapeChar"], `\`), AllText: true}
	case strings.Contains(lib, "lazysimpleserde"), strings.Contains(lib, "textinputformat"), lib == "" && class == "csv":
		delim := "\x01"
		if class == "csv" && lib == "" {
			delim = ","
		}
		b.Format = CSV
		b.CSV = CSVOptions{Delimiter: first(params["field.delim"], first(params["serialization.format"], delim)),
			Escape: params["escape.delim"], Null: `\N`}
		if null, ok := params["serialization.null.format"]; ok {
			b.CSV.Null = null
		}
		if b.CSV.Delimiter == "1" { // what Hive stores for its own default
			b.CSV.Delimiter = "\x01"
		}
	default:
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("table %s.%s: SerDe %q is not supported: Parquet, JSON, LazySimple and OpenCSV are", t.Database, t.Name, first(t.Storage.SerDe.Library, t.Storage.InputFormat))}
	}
	return csvDetails(b, t)
}

func csvDetails(b *Binding, t catalog.Table) error {
	if s := first(t.Parameters["skip.header.line.count"], t.Storage.SerDe.Parameters["skip.header.line.count"]); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return &sql.Error{Code: "HIVE_INVALID_METADATA", Msg: "Invalid value for skip.header.line.count property: " + s}
		}
		b.CSV.SkipLines = n
	}
	if len([]rune(b.CSV.Delimiter)) != 1 {
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("field delimiter %q is not a single character", b.CSV.Delimiter)}
	}
	for _, c := range b.Columns {
		if c.Type.Name == "array" || c.Type.Name == "map" || c.Type.Name == "row" {
			return &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("column %q: nested types in text files are not supported", c.Name)}
		}
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// jsonNames finds out how the keys of JSON files are spelled: the SerDe ignores case, the engine does not. It looks at
// the start of the first file; a mapping of the SerDe decides before that.
func (s *Service) jsonNames(ctx context.Context, b *Binding, t catalog.Table, files []dataFile) error {
	spelled, err := s.sampleKeys(ctx, files[0])
	if err != nil {
		return err
	}
	for i, c := range b.Columns {
		b.Columns[i].File = t.Storage.SerDe.Parameters["mapping."+c.Name]
		key := spelled[c.Name]
		if b.Columns[i].File == "" && key != nil {
			b.Columns[i].File = key.name
		}
		if typ, differs := key.respell(c.Type); differs {
			b.Columns[i].FileType = typ
		}
	}
	return nil
}

// spelling is how a key is written in files, and the keys of objects below it, by their lower-case form.
type spelling struct {
	name  string
	below map[string]*spelling
}

// respell is t with the fields of rows named as in the files.
func (k *spelling) respell(t sql.Type) (out sql.Type, differs bool) {
	if k == nil || len(t.Args) == 0 {
		return t, false
	}
	out = t
	out.Args = append([]sql.Type(nil), t.Args...)
	out.Fields = append([]string(nil), t.Fields...)
	switch t.Name {
	case "array":
		out.Args[0], differs = k.respell(t.Args[0])
	case "row":
		for i, f := range t.Fields {
			below := k.below[f]
			if below == nil {
				continue
			}
			typ, d := below.respell(t.Args[i])
			differs = differs || d || below.name != f
			out.Fields[i], out.Args[i] = below.name, typ
		}
	}
	return out, differs
}

// note records the keys of a decoded value. Elements of an array share one spelling.
func (k *spelling) note(v any) {
	switch v := v.(type) {
	case map[string]any:
		if k.below == nil {
			k.below = map[string]*spelling{}
		}
		for name, value := range v {
			lower := strings.ToLower(name)
			s := k.below[lower]
			if s == nil {
				s = &spelling{name: name}
				k.below[lower] = s
			}
			if name == lower {
				s.name = name
			}
			s.note(value)
		}
	case []any:
		for _, e := range v {
			k.note(e)
		}
	}
}

// sampleBytes is how much of a file sampleKeys reads.
const sampleBytes = 256 << 10

// sampleKeys maps lower-case key to the spelling that the first objects of a JSON file use.
func (s *Service) sampleKeys(ctx context.Context, f dataFile) (map[string]*spelling, error) {
	r, _, err := s.opts.Objects.Get(ctx, f.bucket, f.key, nil)
	if err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", f.bucket, f.key, err)
	}
	defer r.Close()
	var in io.Reader = bufio.NewReader(r)
	if head, err := in.(*bufio.Reader).Peek(2); err == nil && bytes.Equal(head, []byte{0x1f, 0x8b}) {
		if in, err = gzip.NewReader(in); err != nil {
			return nil, fmt.Errorf("read s3://%s/%s: %w", f.bucket, f.key, err)
		}
	}
	return sampleSpelling(in), nil
}

// sampleSpelling reads the first objects, one a line; what cannot be read is the engine's to report.
func sampleSpelling(in io.Reader) map[string]*spelling {
	var root spelling
	lines := bufio.NewScanner(io.LimitReader(in, sampleBytes))
	lines.Buffer(nil, sampleBytes)
	for n := 0; n < 100 && lines.Scan(); n++ {
		var object map[string]any
		if json.Unmarshal(lines.Bytes(), &object) == nil {
			root.note(object)
		}
	}
	return root.below
}
