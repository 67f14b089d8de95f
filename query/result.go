package query

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// result writes the rows of a query as Athena's CSV: every value in quotes, NULL as nothing, a line feed behind every
// line. It is the Sink of the engine.
type result struct {
	cols   []sql.Column
	known  []sql.Column // names and types from translation; nil if a star hid them
	w      *bufio.Writer
	pipe   *io.PipeWriter
	stored chan error
	rows   int64
	bytes  int64
	header bool
}

// newResult opens the result object; it exists when close has returned nil.
func (s *Service) newResult(r *running, known []sql.Column) (*result, error) {
	bucket, key, err := objstore.ParseURL(r.OutputLocation)
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	out := &result{known: known, pipe: pw, w: bufio.NewWriterSize(pw, 64<<10), stored: make(chan error, 1)}
	go func() {
		_, err := s.opts.Objects.Put(r.ctx, bucket, key, pr, objstore.PutOptions{ContentType: "application/octet-stream"})
		pr.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // a writer that waits must not wait for ever
		out.stored <- err
	}()
	return out, nil
}

// Columns implements Sink: it merges the engine's types into those of translation, and writes the header.
func (o *result) Columns(cols []sql.Column) error {
	o.cols = mergeColumns(o.known, cols)
	o.header = true
	for i, c := range o.cols {
		o.separate(i)
		o.quoted([]byte(c.Name))
	}
	return o.w.WriteByte('\n')
}

// mergeColumns takes names from translation, and types where translation knows them.
func mergeColumns(known, engine []sql.Column) []sql.Column {
	out := make([]sql.Column, len(engine))
	for i, c := range engine {
		out[i] = sql.Column{Name: strings.ToLower(c.Name), Type: c.Type}
		if i < len(known) {
			out[i].Name = known[i].Name
			if t := known[i].Type; t.Known() {
				out[i].Type = t
			}
		}
	}
	return out
}

// Rows implements Sink.
func (o *result) Rows(cells [][]byte) error {
	n := len(o.cols)
	for i, c := range cells {
		o.separate(i % n)
		if c != nil {
			o.quoted(c)
		}
		if i%n == n-1 {
			o.bytes++
			if err := o.w.WriteByte('\n'); err != nil {
				return err
			}
			o.rows++
		}
	}
	return nil
}

func (o *result) separate(column int) {
	if column > 0 {
		o.w.WriteByte(',')
		o.bytes++
	}
}

// quoted writes a value in quotes. Errors stick in the writer and show at the end of the row.
func (o *result) quoted(v []byte) {
	o.w.WriteByte('"')
	for _, c := range v {
		if c == '"' {
			o.w.WriteByte('"')
		}
		o.w.WriteByte(c)
	}
	o.w.WriteByte('"')
	o.bytes += int64(len(v)) + 2
}

// close stores the object, or drops it if the query failed with err.
func (o *result) close(err error) error {
	if err == nil {
		err = o.w.Flush()
	}
	if err != nil {
		o.pipe.CloseWithError(err)
		if stored := <-o.stored; stored != nil && errors.Is(err, io.ErrClosedPipe) {
			return fmt.Errorf("store result: %w", stored)
		}
		return err
	}
	o.pipe.Close()
	if err := <-o.stored; err != nil {
		return fmt.Errorf("store result: %w", err)
	}
	return nil
}

// writeText stores the lines of a DDL or SHOW statement, and their columns as metadata.
func (s *Service) writeText(r *running, lines []string, cols []sql.Column) error {
	text := strings.Join(lines, "\n")
	if text != "" {
		text += "\n"
	}
	if err := s.put(r, r.OutputLocation, []byte(text)); err != nil {
		return err
	}
	s.update(r, func(x *Execution) { x.Columns, x.Stats.OutputRows = cols, int64(len(lines)) })
	return s.writeMetadata(r)
}

func (s *Service) put(r *running, url string, body []byte) error {
	bucket, key, err := objstore.ParseURL(url)
	if err != nil {
		return err
	}
	_, err = s.opts.Objects.Put(r.ctx, bucket, key, strings.NewReader(string(body)), objstore.PutOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return fmt.Errorf("store %s: %w", url, err)
	}
	return nil
}

// writeMetadata stores what Athena puts beside every result: the columns as a protocol buffer.
func (s *Service) writeMetadata(r *running) error {
	x, err := s.Get(r.ID)
	if err != nil {
		return err
	}
	return s.put(r, r.OutputLocation+".metadata", encodeMetadata(x))
}

// encodeMetadata is a message with the engine's own query id (field 1), and a message for each column (field 4):
// catalog 1, name 4, label 5, type 6, precision 7, scale 8, nullable 9 (3: unknown), case sensitive 10.
func encodeMetadata(x *Execution) []byte {
	var b []byte
	b = protoBytes(b, 1, []byte(x.Submitted.Format("20060102_150405_")+"00000_"+x.ID[:5]))
	for _, c := range x.Columns {
		info := Describe(c)
		var m []byte
		m = protoBytes(m, 1, []byte("hive"))
		m = protoBytes(m, 4, []byte(c.Name))
		m = protoBytes(m, 5, []byte(c.Name))
		m = protoBytes(m, 6, []byte(info.Type))
		m = protoInt(m, 7, info.Precision)
		m = protoInt(m, 8, info.Scale)
		m = protoInt(m, 9, 3)
		m = protoInt(m, 10, map[bool]int{true: 1}[info.CaseSensitive])
		b = protoBytes(b, 4, m)
	}
	return b
}

func protoBytes(b []byte, field int, v []byte) []byte {
	b = append(b, byte(field<<3|2))
	b = appendVarint(b, uint64(len(v)))
	return append(b, v...)
}

func protoInt(b []byte, field, v int) []byte {
	b = append(b, byte(field<<3))
	return appendVarint(b, uint64(v))
}

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// ColumnInfo is what Athena says about a result's column beside its name.
type ColumnInfo struct {
	Type             string
	Precision, Scale int
	CaseSensitive    bool
}

// Describe is the ColumnInfo of a column.
func Describe(c sql.Column) ColumnInfo {
	precision := map[string]int{"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "real": 17, "double": 17,
		"timestamp": 3, "timestamp with time zone": 3, "time": 3, "varbinary": 1073741824}
	info := ColumnInfo{Type: c.Type.Name, Precision: precision[c.Type.Name]}
	switch c.Type.Name {
	case "":
		info.Type, info.Precision, info.CaseSensitive = "varchar", 2147483647, true
	case "real":
		info.Type = "float"
	case "varchar", "char":
		info.CaseSensitive = true
		if info.Precision = c.Type.Len; info.Precision == 0 {
			info.Precision = 2147483647
		}
	case "decimal":
		info.Precision, info.Scale = c.Type.Len, c.Type.Scale
	case "string": // columns of SHOW and DESCRIBE, as Hive says it
		info.CaseSensitive = false
	}
	return info
}

// Page is a part of a result.
type Page struct {
	Columns     []sql.Column
	Rows        [][]*string // nil is NULL
	UpdateCount int64
	Next        string // token of the next page; empty at the end
}

// resultPageMax is AWS's bound on rows per page, the header included.
const resultPageMax = 1000

// Results reads a page of the result of an execution that succeeded: at most max rows (0: 1,000) from token on. The first
// page of a SELECT starts with the names of the columns. ErrInvalid if there is no result, or the token is none.
func (s *Service) Results(x *Execution, token string, max int) (*Page, error) {
	switch {
	case x.State == Queued || x.State == Running:
		return nil, fmt.Errorf("%w: Query has not yet finished. Current state: %s", ErrInvalid, x.State)
	case x.State != Succeeded:
		return nil, fmt.Errorf("%w: Query did not finish successfully. Final query state: %s", ErrInvalid, x.State)
	}
	if max <= 0 || max > resultPageMax {
		max = resultPageMax
	}
	page := &Page{Columns: x.Columns, UpdateCount: x.UpdateCount}
	csv, text := strings.HasSuffix(x.OutputLocation, ".csv"), strings.HasSuffix(x.OutputLocation, ".txt")
	if !csv && !text {
		return page, nil
	}
	pos, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	bucket, key, err := objstore.ParseURL(x.OutputLocation)
	if err != nil {
		return nil, err
	}
	return page, s.readPage(page, bucket, key, pos, max, csv)
}

// parseToken reads a page token: the position in the result object.
func parseToken(token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	pos, err := strconv.ParseInt(token, 36, 64)
	if err != nil || pos <= 0 {
		return 0, fmt.Errorf("%w: Invalid token", ErrInvalid)
	}
	return pos, nil
}
