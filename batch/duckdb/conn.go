package duckdb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// conn is a connection: one statement at a time.
type conn struct {
	raw    mapping.Connection
	parsed struct { // the query that was looked at last
		query     string
		selection *selection
	}
}

func (c *conn) disconnect() { mapping.Disconnect(&c.raw) }

// exec runs a statement and drops its result.
func (c *conn) exec(ctx context.Context, sql string) error {
	return c.run(ctx, sql, func(*mapping.Result) error { return nil })
}

// query runs a statement and returns all of its result, in memory of its own.
func (c *conn) query(ctx context.Context, sql string) (*columnar.Batch, error) {
	var out *columnar.Batch
	err := c.run(ctx, sql, func(res *mapping.Result) (err error) {
		out, err = fetch(res)
		return err
	})
	return out, err
}

// run executes a statement and lets f look at the result. When ctx ends, the statement is interrupted.
func (c *conn) run(ctx context.Context, sql string, f func(*mapping.Result) error) error {
	var stmt mapping.PreparedStatement
	defer mapping.DestroyPrepare(&stmt)
	if err := c.prepare(sql, &stmt); err != nil {
		return err
	}
	var pending mapping.PendingResult
	defer mapping.DestroyPending(&pending)
	if mapping.PendingPrepared(stmt, &pending) == mapping.StateError {
		return sqlError(mapping.PendingError(pending))
	}
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ctx.Done():
			mapping.Interrupt(c.raw)
		case <-done:
		}
	}()
	var res mapping.Result
	err := execute(pending, &res)
	close(done)
	<-watched // else a late interrupt would hit the next statement
	defer mapping.DestroyResult(&res)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return f(&res)
}

// execute does a statement.
func execute(pending mapping.PendingResult, res *mapping.Result) error {
	if await(pending) == mapping.PendingStateError {
		return sqlError(mapping.PendingError(pending))
	}
	if mapping.ExecutePending(pending, res) == mapping.StateError {
		return sqlError(mapping.ResultError(res))
	}
	return nil
}

const (
	// awaitYields is how often in a row a statement is asked for work before its thread sleeps.
	awaitYields = 32
	// A thread sleeps so long at first, and at the most.
	awaitFirst, awaitMax = 10 * time.Microsecond, 200 * time.Microsecond
)

// await takes part in the work of a statement until that is done or has failed. Where there is nothing to do but to wait for other threads it
// sleeps: ExecutePending asks again and again instead, which was an eighth of the processor time of windows in mode update, on cores that others need.
func await(pending mapping.PendingResult) mapping.PendingState {
	idle, pause := 0, awaitFirst
	for {
		switch state := mapping.PendingExecuteTask(pending); {
		case state == mapping.PendingStateResultNotReady:
			idle, pause = 0, awaitFirst
		case state != mapping.PendingStateNoTasksAvailable:
			return state
		case idle < awaitYields:
			idle++
			runtime.Gosched()
		default:
			time.Sleep(pause)
			pause = min(2*pause, awaitMax)
		}
	}
}

func (c *conn) prepare(sql string, stmt *mapping.PreparedStatement) error {
	if mapping.Prepare(c.raw, sql, stmt) == mapping.StateError {
		return sqlError(mapping.PrepareError(*stmt))
	}
	return nil
}

// ErrMemory says that a statement needs more than Options.MemoryLimit.
var ErrMemory = errors.New("out of memory")

// errBroken says that DuckDB has found a fault in itself. The instance is of no use any more.
var errBroken = errors.New("DuckDB has failed")

// sqlError keeps the sentence of DuckDB's message and drops its hints and its copy of the statement.
func sqlError(message string) error {
	if text, ok := strings.CutPrefix(message, "Out of Memory Error: "); ok {
		text, _, _ = strings.Cut(text, "\n")
		return fmt.Errorf("%w: %s", ErrMemory, text)
	}
	for _, kind := range []string{"INTERNAL Error: ", "FATAL Error: "} {
		if text, ok := strings.CutPrefix(message, kind); ok {
			text, _, _ = strings.Cut(text, "\n")
			return fmt.Errorf("%w: %s", errBroken, text)
		}
	}
	message, _, _ = strings.Cut(message, "\n\nLINE ")
	message, _, _ = strings.Cut(message, "\n\nPossible solutions")
	message, _, _ = strings.Cut(message, "\n\nSee also")
	message = strings.TrimSpace(message)
	if isValueError(message) {
		return &valueError{message}
	}
	return errors.New(message)
}
