// Command peer is weir's side of the round trips with other people's Delta Lake (test/interop/delta.sh): it keeps tables in the
// folder of a bucket, where the others see them as plain folders. Requests are JSON objects on standard input, one a line;
// each gets one line of answer.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weir-data/weir/query/duckdb"
)

// request is an operation on a table. Which members it needs depends on Op, see operations.
type request struct {
	Op          string
	Table       string            // name of the table's folder
	Schema      string            // StructType in JSON
	PartitionBy []string          `json:"partition_by"`
	Properties  map[string]string // of a new table
	File        string            // Parquet file of rows that come in
	To          string            // folder that rows are read into
	Version     *int64            // to read; nil: the newest
	Where       string            // rows to change
	Set         map[string]string // expressions by column
	Features    []string          // to add
	MergeSchema bool              `json:"merge_schema"`
	ZOrderBy    []string          `json:"zorder_by"`
	Columns     []string          // to read; none: all
	Rename      map[string]string
	Drop        []string
}

// answer says how a request went.
type answer struct {
	Error   string `json:"error,omitempty"`
	Version int64  `json:"version"`
	Schema  string `json:"schema,omitempty"`
	Result  any    `json:"result,omitempty"`
}

func main() {
	duckdb.WorkerMain()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: peer FOLDER")
		os.Exit(2)
	}
	if err := serve(context.Background(), os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	l, err := openLake(ctx, dir)
	if err != nil {
		return err
	}
	defer l.close()
	requests, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var r request
		if err := requests.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		a, err := l.do(ctx, &r)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := answers.Encode(a); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
}

func (l *lake) do(ctx context.Context, r *request) (answer, error) {
	do := operations[r.Op]
	if do == nil {
		return answer{}, fmt.Errorf("no operation %q", r.Op)
	}
	return do(l, ctx, r)
}
