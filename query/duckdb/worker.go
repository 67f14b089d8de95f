package duckdb

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	duck "github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/internal/worker"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// workerKind is what the engine's workers are called.
const workerKind = "query"

// task is what the engine asks of a worker.
type task struct {
	Request *query.Request
	Limits  limits
}

type limits struct {
	Memory  int64 // bytes
	Threads int
	TempDir string
	Dirs    []string // all that may be read or written
}

// failure is what a worker says about a query that failed.
type failure struct {
	Message string
	Memory  bool // ran out of memory
	Cancel  bool
}

// WorkerMain runs the worker and exits, if this process was started as one; else it returns at once. Programs that use
// an Engine call it first thing.
func WorkerMain() {
	worker.Main(workerKind, func(in io.Reader, out io.Writer) error {
		return (&server{out: bufio.NewWriterSize(out, 64<<10)}).serve(in)
	})
}

// server runs one query at a time. Each gets a database of its own, so that nothing of one query reaches the next; it
// is opened ahead.
type server struct {
	out *bufio.Writer

	mu     sync.Mutex
	conn   *duck.Connection // of the query that runs
	cancel bool             // the query that runs was cancelled
}

// serve reads tasks until the engine closes the pipe, which also happens when it dies.
func (w *server) serve(in io.Reader) error {
	tasks := make(chan *task)
	done := make(chan error, 1)
	go func() {
		defer close(tasks)
		for {
			kind, payload, err := worker.ReadFrame(in, nil)
			if err != nil {
				// Nobody is there to read an answer: do not wait for a query that still runs.
				os.Exit(0)
			}
			switch kind {
			case frameCancel:
				w.interrupt()
			case frameQuery:
				t := new(task)
				if err := json.Unmarshal(payload, t); err != nil {
					done <- fmt.Errorf("read task: %w", err)
					return
				}
				tasks <- t
			}
		}
	}()
	for {
		db, err := openDatabase()
		if err != nil {
			return err
		}
		select {
		case err := <-done:
			return err
		case t := <-tasks:
			err := w.run(db, t)
			db.close()
			if err != nil {
				return err
			}
		}
	}
}

func (w *server) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = true
	if w.conn != nil {
		duck.Interrupt(*w.conn)
	}
}

// run answers one task. An error means that the pipe is broken.
func (w *server) run(db *database, t *task) error {
	w.mu.Lock()
	w.conn, w.cancel = &db.conn, false
	w.mu.Unlock()
	unwatch := worker.WatchMemory(t.Limits.Memory)
	report, err := w.query(db, t)
	unwatch()
	w.mu.Lock()
	w.conn = nil
	cancelled := w.cancel
	w.mu.Unlock()
	if err != nil {
		var pipe *pipeError
		if errors.As(err, &pipe) {
			return err
		}
		f := failure{Message: err.Error(), Cancel: cancelled}
		f.Memory = strings.HasPrefix(f.Message, "Out of Memory Error")
		return w.send(frameFailed, f)
	}
	return w.send(frameDone, report)
}

func (w *server) send(kind byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := worker.WriteFrame(w.out, kind, payload); err != nil {
		return &pipeError{err}
	}
	if err := w.out.Flush(); err != nil {
		return &pipeError{err}
	}
	return nil
}

// pipeError says that the engine no longer listens.
type pipeError struct{ error }

func (w *server) query(db *database, t *task) (*query.Report, error) {
	if err := db.limit(t.Limits); err != nil {
		return nil, err
	}
	report, err := w.attempt(db, t.Request, false)
	if err != nil && strings.Contains(err.Error(), noCommonField) && report == nil {
		if t.Request.Copy != nil {
			if err := clearFolder(t.Request.Copy.Dir); err != nil {
				return nil, err
			}
		}
		return w.attempt(db, t.Request, true)
	}
	return report, err
}

// clearFolder removes what an attempt wrote into a folder.
func clearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// attempt defines the tables of a request and runs it. byLayout makes it look at the files first.
func (w *server) attempt(db *database, r *query.Request, byLayout bool) (*query.Report, error) {
	for i := range r.Tables {
		if err := db.define(&r.Tables[i], byLayout); err != nil {
			return nil, err
		}
	}
	if r.Copy != nil {
		return w.copy(db, r)
	}
	return w.rows(db, r.SQL)
}

// define makes the table of a binding.
func (d *database) define(b *query.Binding, byLayout bool) (err error) {
	byLayout = byLayout && b.Format == query.Parquet && len(b.Files) > 0
	if !byLayout {
		if byLayout, err = d.needsLayouts(b); err != nil {
			return err
		}
	}
	var layouts []layout
	if byLayout {
		if b, layouts, err = d.layouts(b); err != nil {
			return err
		}
	}
	if b.Deleted != nil {
		if err := d.registerDeleted(deletedFunction(b, layouts != nil), b); err != nil {
			return err
		}
	}
	statements, err := define(b, layouts)
	if err != nil {
		return err
	}
	for _, text := range statements {
		if err := d.exec(text); err != nil {
			return err
		}
	}
	return nil
}

// rows sends the result of a query.
func (w *server) rows(db *database, text string) (*query.Report, error) {
	report := &query.Report{}
	frame := make([]byte, 0, rowsTarget+8<<10)
	flush := func() error {
		if len(frame) == 0 {
			return nil
		}
		err := worker.WriteFrame(w.out, frameRows, frame)
		if err == nil {
			err = w.out.Flush()
		}
		frame = frame[:0]
		if err != nil {
			return &pipeError{err}
		}
		return nil
	}
	var cell []byte
	err := db.query(text, func(cols []sql.Column) error {
		return w.send(frameColumns, cols)
	}, func(cols []*vector, rows int) error {
		for row := range rows {
			for _, v := range cols {
				if v.null(row) {
					frame = append(frame, 0)
					continue
				}
				cell = v.text(cell[:0], row)
				frame = appendCell(frame, nonNil(cell))
			}
			report.Rows++
			if len(frame) >= rowsTarget {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, flush()
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// copy writes the result to files and reports them.
func (w *server) copy(db *database, r *query.Request) (*query.Report, error) {
	text, err := copyStatement(r.SQL, r.Copy)
	if err != nil {
		return nil, err
	}
	report := &query.Report{}
	ignore := func([]sql.Column) error { return nil }
	if r.Copy.Format == "parquet" {
		err := db.query(text, ignore, func(cols []*vector, rows int) error {
			for row := range rows {
				f := writtenParquet(cols, row)
				report.Written = append(report.Written, f)
				report.Rows += f.Rows
			}
			return nil
		})
		return report, err
	}
	err = db.query(text, ignore, func(cols []*vector, rows int) error {
		report.Rows += at[int64](cols[0], 0)
		return nil
	})
	if err == nil && report.Rows > 0 {
		report.Written, err = filesBelow(r.Copy.Dir)
	}
	return report, err
}

// writtenParquet reads a row of COPY … RETURN_STATS.
func writtenParquet(cols []*vector, row int) query.Written {
	f := query.Written{Path: string(cols[0].bytes(row)), Rows: int64(at[uint64](cols[1], row)), Bytes: int64(at[uint64](cols[2], row))}
	if cols[5].null(row) {
		return f
	}
	e := at[listEntry](cols[5], row)
	f.Partition = map[string]string{}
	key, value := cols[5].children[0].children[0], cols[5].children[0].children[1]
	for i := int(e.offset); i < int(e.offset+e.length); i++ {
		f.Partition[string(key.bytes(i))] = hiveNull
		if !value.null(i) {
			f.Partition[string(key.bytes(i))] = string(value.bytes(i))
		}
	}
	return f
}

// hiveNull is NULL in a partition folder.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

// filesBelow lists what a COPY wrote; partition values stand in the folders.
func filesBelow(dir string) ([]query.Written, error) {
	var out []query.Written
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := query.Written{Path: path, Rows: -1, Bytes: info.Size(), Partition: map[string]string{}}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for part := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(rel)), "/") {
			if k, v, ok := strings.Cut(part, "="); ok {
				if v, err = url.PathUnescape(v); err != nil {
					return err
				}
				f.Partition[k] = v
			}
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

// database is one in-memory DuckDB with one connection.
type database struct {
	db   duck.Database
	conn duck.Connection
}

func openDatabase() (*database, error) {
	d := new(database)
	var config duck.Config
	if duck.CreateConfig(&config) == duck.StateError {
		return nil, errors.New("open DuckDB: no configuration")
	}
	defer duck.DestroyConfig(&config)
	for name, value := range map[string]string{"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"} {
		if duck.SetConfig(config, name, value) == duck.StateError {
			return nil, fmt.Errorf("open DuckDB: setting %s", name)
		}
	}
	var msg string
	if duck.OpenExt(":memory:", &d.db, config, &msg) == duck.StateError {
		return nil, fmt.Errorf("open DuckDB: %s", msg)
	}
	if duck.Connect(d.db, &d.conn) == duck.StateError {
		return nil, errors.New("connect to DuckDB")
	}
	return d, nil
}

func (d *database) close() {
	duck.Disconnect(&d.conn)
	duck.Close(&d.db)
}

// limit bounds what queries may use and shuts the database's doors: after it no setting can be changed.
func (d *database) limit(l limits) error {
	dirs, roots := make([]string, len(l.Dirs)), make([]string, len(l.Dirs))
	for i, dir := range l.Dirs {
		roots[i] = quote(strings.TrimRight(dir, "/"))
		dirs[i] = quote(strings.TrimRight(dir, "/") + "/")
	}
	threads := l.Threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	for _, s := range []string{
		"SET TimeZone = 'UTC'",
		fmt.Sprintf("SET memory_limit = '%dB'", l.Memory),
		fmt.Sprintf("SET threads = %d", threads),
		"SET temp_directory = " + quote(l.TempDir),
		"SET max_temp_directory_size = '16GB'",
		"SET preserve_insertion_order = true",
		"SET ieee_floating_point_ops = true",
		"SET max_expression_depth = 5000",
		"SET order_by_non_integer_literal = true",
		"SET allowed_directories = [" + strings.Join(dirs, ", ") + "]",
		"SET allowed_paths = [" + strings.Join(roots, ", ") + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := d.exec(s); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement that has no result.
func (d *database) exec(text string) error {
	var res duck.Result
	defer duck.DestroyResult(&res)
	if duck.Query(d.conn, text, &res) == duck.StateError {
		return errors.New(duck.ResultError(&res))
	}
	return nil
}

// query runs a statement and hands over its columns, then its rows chunk by chunk.
func (d *database) query(text string, columns func([]sql.Column) error, chunk func(cols []*vector, rows int) error) error {
	var res duck.Result
	defer duck.DestroyResult(&res)
	if duck.Query(d.conn, text, &res) == duck.StateError {
		return errors.New(duck.ResultError(&res))
	}
	n := int(duck.ColumnCount(&res))
	cols := make([]sql.Column, n)
	for i := range cols {
		lt := duck.ColumnLogicalType(&res, duck.IdxT(i))
		cols[i] = sql.Column{Name: duck.ColumnName(&res, duck.IdxT(i)), Type: typeOf(lt)}
		duck.DestroyLogicalType(&lt)
	}
	if err := columns(cols); err != nil {
		return err
	}
	vectors := make([]*vector, n)
	for {
		c := duck.FetchChunk(res)
		if c.Ptr == nil {
			return nil
		}
		rows := int(duck.DataChunkGetSize(c))
		for i := range vectors {
			vectors[i] = newVector(duck.DataChunkGetVector(c, duck.IdxT(i)))
		}
		err := chunk(vectors, rows)
		duck.DestroyDataChunk(&c)
		if err != nil {
			return err
		}
	}
}
