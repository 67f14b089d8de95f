// Command bench does one operation on a Delta table, as a whole process, and says how long it took: weir's side of make
// delta-bench. It also makes the tables that both sides are measured on.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// result is what a process prints when it is done.
type result struct {
	Seconds float64 `json:"seconds"` // of the operation, without the start of the process
	Version int64   `json:"version"`
	Files   int     `json:"files"` // that the table has then
}

var operations = map[string]func(context.Context, string, []string) error{
	"make-commits": func(ctx context.Context, dir string, args []string) error { return makeTable(ctx, dir, args, 1) },
	"make-files":   func(ctx context.Context, dir string, args []string) error { return makeTable(ctx, dir, args, 10_000) },
	"open":         func(context.Context, string, []string) error { return nil }, // all operations end with it
	"append":       appendRides,
	"optimize":     optimize,
	"checkpoint": func(ctx context.Context, dir string, _ []string) error {
		t, err := delta.Open(ctx, delta.Dir(dir))
		if err != nil {
			return err
		}
		_, err = t.Checkpoint(ctx)
		return err
	},
}

func main() {
	if len(os.Args) < 3 || operations[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench make-commits|make-files|open|append|checkpoint|optimize FOLDER [ARGUMENT]")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, op, dir string, args []string) error {
	start := time.Now()
	if err := operations[op](ctx, dir, args); err != nil {
		return err
	}
	if !ready.IsZero() {
		start = ready
	}
	r := result{Seconds: time.Since(start).Seconds()}
	t, err := delta.Open(ctx, delta.Dir(dir))
	if err != nil {
		return err
	}
	s, err := t.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.Files, _ = s.NumFiles()
	r.Version = s.Version()
	if op == "open" {
		r.Seconds = time.Since(start).Seconds()
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// makeTable makes a table of a number of data files, which are named but not there, some in each commit, and no checkpoint.
func makeTable(ctx context.Context, dir string, args []string, perCommit int) error {
	if len(args) != 1 {
		return fmt.Errorf("how many files?")
	}
	total, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "_delta_log"), 0o755); err != nil {
		return err
	}
	kind := func(name string, k columnar.Kind) columnar.Field {
		return columnar.Field{Name: name, Type: columnar.Type{Kind: k}, Nullable: true}
	}
	schema := &columnar.Schema{Fields: []columnar.Field{kind("id", columnar.Int64), kind("name", columnar.String), kind("at", columnar.Timestamp),
		kind("fare", columnar.Float64), kind("day", columnar.String)}}
	for version, made := 0, 0; made < total; version++ {
		actions := []delta.Action{{CommitInfo: &delta.CommitInfo{Timestamp: int64(version), Operation: "WRITE"}}}
		if version == 0 {
			actions = append(actions, delta.Action{Protocol: &delta.Protocol{MinReaderVersion: 1, MinWriterVersion: 2}},
				delta.Action{Metadata: &delta.Metadata{ID: "6a1b1a3e-0f3c-4f0a-9d1a-5b1f6a2f7c11", Format: delta.Format{Provider: "parquet", Options: map[string]string{}},
					SchemaString: string(schema.JSON()), PartitionColumns: []string{"day"}, Configuration: map[string]string{"delta.checkpointInterval": "1000000"}}})
		}
		for range min(perCommit, total-made) {
			actions = append(actions, delta.Action{Add: fileOf(made)})
			made++
		}
		body, err := delta.EncodeActions(actions)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "_delta_log", fmt.Sprintf("%020d.json", version)), body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fileOf is a data file as a writer of rides names it.
func fileOf(i int) *delta.Add {
	day := fmt.Sprintf("2019-%02d-%02d", i/28%12+1, i%28+1)
	at := time.Date(2019, time.Month(i/28%12+1), i%28+1, i%24, 0, 0, 0, time.UTC)
	return &delta.Add{
		Path:            fmt.Sprintf("day=%s/part-00000-%08x-9a1b-4c2d-8e3f-%012x.c000.snappy.parquet", day, uint32(i*2654435761), i*7919),
		PartitionValues: map[string]*string{"day": &day}, Size: int64(20_000 + i%5000), ModificationTime: at.UnixMilli(), DataChange: true,
		Stats: fmt.Sprintf(`{"numRecords":%d,"minValues":{"id":%d,"name":"Ann %d","at":"%s","fare":2.5},"maxValues":{"id":%d,"name":"Zoe %d","at":"%s","fare":%d.75},"nullCount":{"id":0,"name":%d,"at":0,"fare":1}}`,
			400+i%100, i*400, i%97, at.Format("2006-01-02T15:04:05.000Z"), i*400+399, i%97, at.Add(time.Hour).Format("2006-01-02T15:04:05.000Z"), i%500, i%3),
	}
}
