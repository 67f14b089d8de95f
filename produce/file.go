package produce

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRecord bounds a line of NDJSON: the greatest record that a stream may be set to take.
const maxRecord = 10 << 20

// OpenFile returns the records of a file by its name's ending: .parquet, or .csv, .json, .ndjson or .jsonl, these also with .gz.
// CSV needs a header line; a column whose sampled values are all numbers gives numbers, an empty cell gives null,
// "2019-01-15 03:36:12" becomes "2019-01-15T03:36:12". Parquet is read a row group at a time; nulls stay null, dates and
// timestamps become text as above, bytes base64. Keys are the records' numbers, from 0. Close the file when done.
func OpenFile(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s := &File{closers: []io.Closer{f}}
	var r io.Reader = bufio.NewReaderSize(f, 256<<10)
	base := strings.ToLower(name)
	if strings.HasSuffix(base, ".gz") && !strings.HasSuffix(base, ".parquet.gz") {
		base = strings.TrimSuffix(base, ".gz")
		z, err := gzip.NewReader(r)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		r = z
		s.closers = append(s.closers, z)
	}
	switch filepath.Ext(base) {
	case ".parquet":
		s.next, err = readParquet(f)
	case ".csv":
		s.next, err = readCSV(r)
	case ".json", ".ndjson", ".jsonl":
		s.next = readLines(r)
	default:
		err = fmt.Errorf("cannot tell what is in %s: its name should end in .csv, .json, .ndjson or .jsonl, perhaps with .gz, or in .parquet", name)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	s.name = name
	return s, nil
}

// File is a Source over a file's rows.
type File struct {
	name    string
	next    func(dst []byte) ([]byte, error)
	n       int64
	closers []io.Closer
}

// Next appends the next row as JSON.
func (f *File) Next(dst []byte) ([]byte, string, error) {
	rec, err := f.next(dst)
	if errors.Is(err, io.EOF) {
		return dst, "", io.EOF
	}
	if err != nil {
		return dst, "", fmt.Errorf("%s, record %d: %w", f.name, f.n+1, err)
	}
	key := strconv.FormatInt(f.n, 10)
	f.n++
	return rec, key, nil
}

// Close releases the file.
func (f *File) Close() error {
	var err error
	for i := len(f.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, f.closers[i].Close())
	}
	return err
}

// readLines yields the lines that are not blank, as they are.
func readLines(r io.Reader) func([]byte) ([]byte, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxRecord)
	return func(dst []byte) ([]byte, error) {
		for lines.Scan() {
			if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
				return append(dst, line...), nil
			}
		}
		if err := lines.Err(); err != nil {
			return dst, err
		}
		return dst, io.EOF
	}
}

// sampleRows is how many rows decide which columns hold numbers.
const sampleRows = 1000

// readCSV reads the header and a sample, then yields every row as an object.
func readCSV(r io.Reader) (func([]byte) ([]byte, error), error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; a CSV file begins with a line of column names")
	}
	if err != nil {
		return nil, err
	}
	sample := make([][]string, 0, sampleRows)
	for len(sample) < sampleRows {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		sample = append(sample, row)
	}
	columns := make([]csvColumn, len(header))
	for i, name := range header {
		quoted, err := json.Marshal(strings.TrimPrefix(name, "\ufeff"))
		if err != nil {
			return nil, err
		}
		columns[i] = csvColumn{label: string(quoted) + ": ", text: holdsText(sample, i)}
	}
	in.ReuseRecord = true
	return func(dst []byte) ([]byte, error) {
		if len(sample) > 0 {
			row := sample[0]
			sample = sample[1:]
			return appendRow(dst, columns, row), nil
		}
		row, err := in.Read()
		if err != nil {
			return dst, err
		}
		return appendRow(dst, columns, row), nil
	}, nil
}

// csvColumn is a column's name as JSON with its colon, and whether it holds text, numbers among it too.
type csvColumn struct {
	label string
	text  bool
}

// holdsText says whether column i has a value that is no JSON number. One without any value may turn out to hold numbers.
func holdsText(rows [][]string, i int) bool {
	for _, row := range rows {
		if row[i] != "" && !isNumber(row[i]) {
			return true
		}
	}
	return false
}

// isNumber says whether s is a number as JSON writes it (so 007 and 1. are none).
func isNumber(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	return json.Valid([]byte(s))
}

func appendRow(b []byte, columns []csvColumn, row []string) []byte {
	b = append(b, '{')
	for i, c := range columns {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, c.label...)
		switch v := row[i]; {
		case v == "":
			b = append(b, "null"...)
		case !c.text && isNumber(v):
			b = append(b, v...)
		case isDateTime(v):
			b = append(b, '"')
			b = append(b, v[:10]...)
			b = append(b, 'T')
			b = append(b, v[11:]...)
			b = append(b, '"')
		default:
			b = appendString(b, v)
		}
	}
	return append(b, '}')
}

// isDateTime says whether s is of the form 2019-01-15 03:36:12, perhaps with a fraction.
func isDateTime(s string) bool {
	const form = "dddd-dd-dd dd:dd:dd"
	if len(s) < len(form) || len(s) > len(form)+10 {
		return false
	}
	for i, c := range []byte(s) {
		digit := c >= '0' && c <= '9'
		switch {
		case i >= len(form):
			if !digit && (i > len(form) || c != '.') {
				return false
			}
		case form[i] == 'd' && !digit, form[i] != 'd' && c != form[i]:
			return false
		}
	}
	return true
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always marshals
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
