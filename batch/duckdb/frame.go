package duckdb

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/worker"
)

// Kinds of the frames in which Workers talk with their processes. Each payload is JSON.
const (
	frameOpen   = 'O' // to the process: Options; what it runs, runs in an instance with these
	frameCall   = 'Q' // to the process: call; the batches of its tables follow as package columnar streams them
	frameCancel = 'C' // to the process: interrupt a call, named by its id
	frameRows   = 'R' // from the process: answer; a batch follows
	frameFiles  = 'F' // from the process: answer
	frameFailed = 'E' // from the process: answer
)

// rowsBytesMax bounds the rows that a call carries or is answered with.
const rowsBytesMax = 1 << 30

// call is a Query, or with Copy a Copy.
type call struct {
	ID     int64
	SQL    string
	Copy   *copyCall `json:",omitempty"`
	Tables []tableHead
}

// copyCall is CopyOptions.
type copyCall struct {
	Serial      bool
	Dir         string
	Columns     json.RawMessage
	PartitionBy []string
	Compression string
	FileBytes   int64
	FieldIDs    string
}

// tableHead is a Table without its rows.
type tableHead struct {
	Name    string
	Schema  json.RawMessage
	Batches int
}

// answer is how a call ended.
type answer struct {
	ID      int64
	Schema  json.RawMessage `json:",omitempty"` // of the rows
	Files   []CopiedFile    `json:",omitempty"`
	Message string          `json:",omitempty"` // of an error
	Memory  bool            `json:",omitempty"` // the error is ErrMemory
}

// writeMessage writes a frame and what follows it.
func writeMessage(w *bufio.Writer, kind byte, head any, batches ...*columnar.Batch) error {
	payload, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if err := worker.WriteFrame(w, kind, payload); err != nil {
		return err
	}
	for _, b := range batches {
		if err := columnar.WriteBatch(w, b); err != nil {
			return err
		}
	}
	return w.Flush()
}

// newCall is a call and the batches that follow it.
func newCall(sql string, c *copyCall, tables []Table) (call, []*columnar.Batch, error) {
	out := call{SQL: sql, Copy: c}
	var batches []*columnar.Batch
	var size int64
	for _, t := range tables {
		out.Tables = append(out.Tables, tableHead{t.Name, t.Schema.JSON(), len(t.Rows)})
		for _, b := range t.Rows {
			size += b.StreamSize()
		}
		batches = append(batches, t.Rows...)
	}
	if size > rowsBytesMax {
		return out, nil, fmt.Errorf("statement over %d bytes of rows: more than %d do not fit", size, rowsBytesMax)
	}
	return out, batches, nil
}

// readTables reads the tables of a call.
func (c *call) readTables(r io.Reader) ([]Table, error) {
	var tables []Table
	left := int64(rowsBytesMax)
	for _, h := range c.Tables {
		schema, err := columnar.ParseSchemaJSON(h.Schema)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", h.Name, err)
		}
		t := Table{Name: h.Name, Schema: schema}
		for range h.Batches {
			b, err := columnar.ReadBatch(r, schema, left)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", h.Name, err)
			}
			left -= b.StreamSize()
			t.Rows = append(t.Rows, b)
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// parseAnswer reads an answer; numbers in it are as in CopiedFile.
func parseAnswer(payload []byte) (*answer, error) {
	a := new(answer)
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(a); err != nil {
		return nil, err
	}
	for _, f := range a.Files {
		if err := countsOf(f.Null); err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	return a, nil
}

// countsOf makes the numbers in m, and in what is below it, integers.
func countsOf(m map[string]any) error {
	for name, v := range m {
		switch v := v.(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return fmt.Errorf("count of column %s: %w", name, err)
			}
			m[name] = n
		case map[string]any:
			if err := countsOf(v); err != nil {
				return err
			}
		default:
			return fmt.Errorf("count of column %s is %v", name, v)
		}
	}
	return nil
}

// err is the error that an answer tells.
func (a *answer) err() error {
	if a.Memory {
		return fmt.Errorf("%w: %s", ErrMemory, a.Message)
	}
	return fmt.Errorf("%s", a.Message)
}

// failedAnswer tells an error.
func failedAnswer(id int64, err error, memory bool) answer {
	message := err.Error()
	if memory {
		message = strings.TrimPrefix(message, ErrMemory.Error()+": ")
	}
	return answer{ID: id, Message: message, Memory: memory}
}
