// Package duckdb runs the queries of pipelines in an embedded DuckDB: it is batch's Transform.
//
// A DB is one DuckDB instance in memory, shut off from the machine: queries see the rows of their micro-batch as the
// table "source" and nothing else, and files can only be written below Options.Dirs. Describe checks a query and
// gives its columns, Write runs it into Parquet files, Rows into memory. The rows are not copied into DuckDB: a
// table function reads the column buffers of package columnar where they are (see scan).
// Rows that go into files by partition are not sorted: a function that the statement calls gathers them in memory (see gather).
// Columns that such a query leaves as they are (see projection) do not go through DuckDB at all: the files' writer takes them from the batch.
// Of these package columnar writes the files, unless columns are nested or rows were spilled.
// Copies that run beside each other may have a second instance, whose statements are run by one thread each.
//
// Timestamps. A columnar.Timestamp, an instant, is a TIMESTAMP in UTC to the query, so that year(), hour() and the like
// are fast and mean UTC. What the query gives as TIMESTAMP or TIMESTAMPTZ is an instant again, and Parquet files say
// so (isAdjustedToUTC).
//
// Query and Copy are for statements of the program's own, over files. Workers run these in processes of their own, where users'
// statements cannot take this one down.
//
// Nothing is kept: after a crash, files of an unfinished Write are garbage in the folder that its caller gave it.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/mapping"
)

// Options of Open. Zero fields are defaults.
type Options struct {
	// Dirs are the folders below which Write may be told to write.
	Dirs []string
	// TempDir is where large results spill; default: a folder below os.TempDir that Close removes.
	TempDir string
	// MemoryLimit bounds DuckDB's memory in bytes; default 128 MiB.
	MemoryLimit int64
	// StateMemory bounds DuckDB's memory in bytes for the Programs with state of a Runner, which has an instance of its own;
	// default 512 MiB.
	StateMemory int64
	// Threads is the number of cores a query uses; default all.
	Threads int
}

const (
	memoryLimitDefault = 128 << 20
	stateMemoryDefault = 512 << 20
	// connsMax bounds the statements that run at the same time.
	connsMax = 4
)

// DB is an open instance. It is safe for concurrent use.
type DB struct {
	opts    Options
	db      mapping.Database
	ownTemp bool

	conns chan *conn // connsMax of them, nil: not opened yet
	close sync.Once

	mu  sync.Mutex // guards one
	one *DB        // an instance with one thread; nil: not opened yet
}

// serial is an instance whose statements are run by one thread each.
func (d *DB) serial() (*DB, error) {
	if d.opts.Threads == 1 {
		return d, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.one == nil {
		opts := d.opts
		opts.Threads = 1
		one, err := Open(opts)
		if err != nil {
			return nil, err
		}
		d.one = one
	}
	return d.one, nil
}

// Open starts an instance.
func Open(opts Options) (*DB, error) {
	if opts.MemoryLimit == 0 {
		opts.MemoryLimit = memoryLimitDefault
	}
	if opts.StateMemory == 0 {
		opts.StateMemory = stateMemoryDefault
	}
	if opts.Threads == 0 {
		opts.Threads = runtime.GOMAXPROCS(0)
	}
	d := &DB{opts: opts, conns: make(chan *conn, connsMax)}
	if opts.TempDir == "" {
		dir, err := os.MkdirTemp("", "weir-duckdb-")
		if err != nil {
			return nil, fmt.Errorf("start DuckDB: %w", err)
		}
		d.opts.TempDir, d.ownTemp = dir, true
	}
	if err := d.start(); err != nil {
		d.stop()
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	return d, nil
}

func (d *DB) start() error {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return errors.New("out of memory")
	}
	defer mapping.DestroyConfig(&config)
	var message string
	if mapping.OpenExt("", &d.db, config, &message) == mapping.StateError {
		return errors.New(message)
	}
	c, err := d.connect()
	if err != nil {
		return err
	}
	for _, statement := range d.settings() {
		if err := c.exec(context.Background(), statement); err != nil {
			c.disconnect()
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if err := errors.Join(registerScan(c.raw), registerGather(c.raw), registerWithoutZone(c.raw)); err != nil {
		c.disconnect()
		return err
	}
	d.conns <- c
	for range connsMax - 1 {
		d.conns <- nil
	}
	return nil
}

// settings bound the instance and then lock it: a query can neither reach files and networks nor undo this.
func (d *DB) settings() []string {
	var dirs []string
	for _, dir := range append(d.opts.Dirs, d.opts.TempDir) {
		dirs = append(dirs, quoteText(strings.TrimRight(dir, "/")))
	}
	return []string{
		"SET GLOBAL TimeZone = 'UTC'",
		fmt.Sprintf("SET GLOBAL threads = %d", d.opts.Threads),
		fmt.Sprintf("SET GLOBAL memory_limit = '%dB'", d.opts.MemoryLimit),
		"SET GLOBAL temp_directory = " + quoteText(d.opts.TempDir),
		"SET GLOBAL max_temp_directory_size = '16GiB'",
		"SET GLOBAL preserve_insertion_order = false",
		"SET GLOBAL prefetch_all_parquet_files = true", // one read for each small file, not one for each of its columns
		"SET GLOBAL autoinstall_known_extensions = false",
		"SET GLOBAL autoload_known_extensions = false",
		"SET GLOBAL allow_community_extensions = false",
		"SET GLOBAL allowed_directories = [" + strings.Join(dirs, ", ") + "]",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL lock_configuration = true",
		"CREATE TYPE " + aliasNTZ + " AS TIMESTAMP", // for tables and views of columns of it
	}
}

// Close ends the instance. No call may be under way or follow.
func (d *DB) Close() {
	d.close.Do(func() {
		for range connsMax {
			if c := <-d.conns; c != nil {
				c.disconnect()
			}
		}
		if d.one != nil {
			d.one.Close()
		}
		d.stop()
	})
}

func (d *DB) stop() {
	if d.db.Ptr != nil {
		mapping.Close(&d.db)
	}
	if d.ownTemp {
		os.RemoveAll(d.opts.TempDir) // what stays is in the system's temporary folder
	}
}

// take waits for a connection; the caller gives it back.
func (d *DB) take(ctx context.Context) (*conn, error) {
	select {
	case c := <-d.conns:
		if c != nil {
			return c, nil
		}
		c, err := d.connect()
		if err != nil {
			d.conns <- nil
		}
		return c, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *DB) give(c *conn) { d.conns <- c }

func (d *DB) connect() (*conn, error) {
	c := new(conn)
	if mapping.Connect(d.db, &c.raw) == mapping.StateError {
		return nil, errors.New("cannot connect to DuckDB")
	}
	return c, nil
}

// quoteText writes s as an SQL text literal.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quoteName writes s as an SQL name.
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
