package duckdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/worker"
)

// workerKind is what the processes of Workers are called.
const workerKind = "rows"

// WorkerMain serves and exits in a process that Workers started, and returns at once in all others. Programs that use Workers call
// it first thing.
func WorkerMain() {
	worker.Main(workerKind, func(in io.Reader, out io.Writer) error {
		s := &server{out: bufio.NewWriterSize(out, 64<<10), running: map[int64]context.CancelFunc{}}
		return s.serve(bufio.NewReaderSize(in, 64<<10))
	})
}

// server runs statements in one instance.
type server struct {
	writing sync.Mutex // held for a message
	out     *bufio.Writer

	db    *DB
	fault error // why there is no db

	mu      sync.Mutex // guards running
	running map[int64]context.CancelFunc
}

// serve reads until the pipe ends, which it also does when its other side dies: then nobody waits for what still runs.
func (s *server) serve(in io.Reader) error {
	s.fault = errors.New("no instance is open")
	for {
		kind, payload, err := worker.ReadFrame(in, nil)
		if errors.Is(err, io.EOF) {
			os.Exit(0)
		}
		if err != nil {
			return err
		}
		switch kind {
		case frameOpen:
			err = s.open(payload)
		case frameCall:
			err = s.begin(payload, in)
		case frameCancel:
			err = s.cancel(payload)
		default:
			err = fmt.Errorf("unknown frame %q", kind)
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) open(payload []byte) error {
	var opts Options
	if err := json.Unmarshal(payload, &opts); err != nil {
		return fmt.Errorf("read options: %w", err)
	}
	if s.db, s.fault = Open(opts); s.fault == nil {
		s.fault = worker.LimitMemory(opts.MemoryLimit)
	}
	return nil
}

func (s *server) begin(payload []byte, in io.Reader) error {
	c := new(call)
	if err := json.Unmarshal(payload, c); err != nil {
		return fmt.Errorf("read call: %w", err)
	}
	tables, err := c.readTables(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.running[c.ID] = cancel
	s.mu.Unlock()
	db, fault := s.db, s.fault
	go func() {
		defer cancel()
		kind, head, rows := byte(frameFailed), answer{}, []*columnar.Batch(nil)
		if fault == nil {
			kind, head, rows, fault = c.run(ctx, db, tables)
		}
		if fault != nil {
			kind, head, rows = frameFailed, failedAnswer(c.ID, fault, errors.Is(fault, ErrMemory)), nil
		}
		s.mu.Lock()
		delete(s.running, c.ID)
		s.mu.Unlock()
		s.answer(kind, head, rows)
	}()
	return nil
}

func (s *server) cancel(payload []byte) error {
	var id int64
	if err := json.Unmarshal(payload, &id); err != nil {
		return fmt.Errorf("read cancellation: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.running[id]; stop != nil {
		stop()
	}
	return nil
}

// answer writes an answer. If that is not possible, nobody is there any more.
func (s *server) answer(kind byte, head answer, rows []*columnar.Batch) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := writeMessage(s.out, kind, head, rows...); err != nil {
		fmt.Fprintln(os.Stderr, "answer:", err)
		os.Exit(1)
	}
}

// run runs a call.
func (c *call) run(ctx context.Context, db *DB, tables []Table) (kind byte, head answer, rows []*columnar.Batch, err error) {
	head.ID = c.ID
	if c.Copy != nil {
		head.Files, err = c.Copy.run(ctx, db, c.SQL, tables)
		return frameFiles, head, nil, err
	}
	b, err := db.Query(ctx, c.SQL, tables...)
	if err != nil {
		return 0, head, nil, err
	}
	if n := b.StreamSize(); n > rowsBytesMax {
		return 0, head, nil, fmt.Errorf("%w: a result of %d bytes", ErrMemory, n)
	}
	head.Schema = b.Schema.JSON()
	return frameRows, head, []*columnar.Batch{b}, nil
}

func (c *copyCall) run(ctx context.Context, db *DB, sql string, tables []Table) ([]CopiedFile, error) {
	columns, err := columnar.ParseSchemaJSON(c.Columns)
	if err != nil {
		return nil, err
	}
	return db.copy(ctx, sql, CopyOptions{
		Dir: c.Dir, Columns: columns, PartitionBy: c.PartitionBy, Compression: c.Compression, FileBytes: c.FileBytes,
		Serial: c.Serial,
	}, c.FieldIDs, tables)
}
