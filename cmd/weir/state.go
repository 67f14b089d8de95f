package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/sql"
)

// StateCmd shows what the query of a pipeline remembers.
type StateCmd struct {
	Pipeline string `arg:"" help:"Name of a pipeline, its file, or the folder of its state."`
	SQL      string `arg:"" optional:"" name:"sql" help:"SQL over the state: each operator's is a table of its name."`
	Operator string `help:"Show this operator only; its table is also called state." placeholder:"NAME"`
	Batch    int64  `help:"The state after this batch. Default: the newest." default:"-1" placeholder:"N"`
	Format   string `help:"table, csv or json." enum:"table,csv,json" default:"table"`
	Data     string `help:"Data directory." default:"./weir-data" type:"path"`
}

// Help is shown by weir state --help.
func (StateCmd) Help() string {
	return `A query with windows, joins or DISTINCT remembers rows from batch to batch. They lie in Parquet files, by versions: the state after each of
the newest batches. This command reads them while the pipeline runs, on the machine where it runs. Without SQL it lists the operators.

There is no command that takes a pipeline back to an older version: its sinks hold the batches since then, and would get them twice.

Examples:
  weir state rides
  weir state rides "SELECT * FROM aggregate ORDER BY until LIMIT 10"
  weir state rides --batch 41 --operator aggregate "SELECT count(*) FROM state"`
}

// Run finds the folder and shows it.
func (c *StateCmd) Run(ctx context.Context) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	a, err := c.ask(ctx, dir)
	if err != nil {
		return err
	}
	return printers[c.Format](os.Stdout, a)
}

// folder is where the state of the pipeline is on this machine.
func (c *StateCmd) folder() (string, error) {
	name, places := c.Pipeline, []string{}
	switch info, err := os.Stat(c.Pipeline); {
	case err == nil && info.IsDir():
		return c.Pipeline, nil
	case err == nil:
		text, err := os.ReadFile(c.Pipeline)
		if err != nil {
			return "", err
		}
		p, err := batch.ParsePipeline(c.Pipeline, text)
		if err != nil {
			return "", err
		}
		if name = p.Name; p.State != "" && !strings.Contains(p.State, "://") {
			places = append(places, p.State)
		}
	case strings.ContainsRune(c.Pipeline, filepath.Separator):
		return "", fmt.Errorf("there is no file and no folder %s", c.Pipeline)
	}
	places = append(places, filepath.Join(c.Data, "pipelines", name))
	if cache, err := stateCache(name); err == nil {
		places = append(places, cache)
	}
	for _, dir := range places {
		if all, err := state.Versions(dir); err == nil && len(all) > 0 {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no state of a pipeline %s in %s: its query remembers nothing, or it has run no batch, or it runs elsewhere (say where with --data, "+
		"or give the folder)", name, strings.Join(places, ", "))
}

// ask shows a version. One that the pipeline has removed meanwhile gives way to the newest.
func (c *StateCmd) ask(ctx context.Context, dir string) (*answer, error) {
	for tries := 0; ; tries++ {
		v, kept, err := c.version(dir)
		if err != nil {
			if c.Batch < 0 && tries < stateTries && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, err
		}
		if c.SQL == "" {
			return c.list(v, kept)
		}
		a, err := c.query(ctx, v)
		if err == nil || c.Batch >= 0 || tries >= stateTries {
			return a, err
		}
		if now, listErr := state.Versions(dir); listErr != nil || slices.Contains(now, v.Batch) {
			return nil, err
		}
	}
}

// stateTries is how often a version may be gone before it could be read.
const stateTries = 3

func (c *StateCmd) version(dir string) (v *state.Version, kept []int64, err error) {
	if kept, err = state.Versions(dir); err != nil {
		return nil, nil, err
	}
	number := c.Batch
	switch {
	case len(kept) == 0:
		return nil, nil, fmt.Errorf("%s has no state", dir)
	case number < 0:
		number = kept[len(kept)-1]
	case !slices.Contains(kept, number):
		return nil, nil, fmt.Errorf("there is no state of batch %d; versions are kept of batches %d to %d", number, kept[0], kept[len(kept)-1])
	}
	if v, err = state.Read(dir, number); err != nil {
		return nil, nil, err
	}
	if c.Operator == "" {
		return v, kept, nil
	}
	i := slices.IndexFunc(v.Tables, func(t state.Table) bool { return t.Name == c.Operator })
	if i < 0 {
		return nil, nil, fmt.Errorf("there is no operator %s, only %s", c.Operator, strings.Join(operators(v), ", "))
	}
	v.Tables = v.Tables[i : i+1]
	return v, kept, nil
}

func operators(v *state.Version) []string {
	var names []string
	for _, t := range v.Tables {
		names = append(names, t.Name)
	}
	return names
}

// list is a row for each operator.
func (c *StateCmd) list(v *state.Version, kept []int64) (*answer, error) {
	a := &answer{
		Columns: []string{"operator", "kind", "keys", "rows", "bytes", "runs", "leaves", "watermark", "batch", "versions"},
		Types:   []string{"varchar", "varchar", "varchar", "bigint", "bigint", "integer", "varchar", "varchar", "bigint", "varchar"},
	}
	for _, t := range v.Tables {
		var rows, bytes int64
		var last time.Time
		for _, run := range t.Runs {
			rows, bytes = rows+run.Rows, bytes+run.Bytes
			if run.Until.After(last) {
				last = run.Until
			}
		}
		a.Rows = append(a.Rows, cells(t.Name, t.Operator, strings.Join(t.Keys, ", "), fmt.Sprint(rows), fmt.Sprint(bytes), fmt.Sprint(len(t.Runs)),
			instant(last), instant(v.Watermark), fmt.Sprint(v.Batch), fmt.Sprintf("%d to %d", kept[0], kept[len(kept)-1])))
	}
	return a, nil
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// query runs the SQL over the tables of v.
func (c *StateCmd) query(ctx context.Context, v *state.Version) (*answer, error) {
	text, err := sql.ToDuckDB(c.SQL, sql.Options{})
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(v.Dir)
	if err != nil {
		return nil, err
	}
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{dir}, MemoryLimit: stateMemory})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var with []string
	for _, t := range v.Tables {
		rows := "(" + duckdb.StateSQL(&t.StateSpec, t.Schema, dir, t.Runs, v.Watermark) + ")"
		with = append(with, `"`+strings.ReplaceAll(t.Name, `"`, `""`)+`" AS NOT MATERIALIZED `+rows)
		if c.Operator != "" && t.Name != "state" {
			with = append(with, `"state" AS NOT MATERIALIZED `+rows)
		}
	}
	b, err := db.Query(ctx, "WITH "+strings.Join(with, ",\n")+"\nSELECT * FROM (\n"+text+"\n)")
	if err != nil {
		return nil, fmt.Errorf("state of batch %d (tables: %s): %w", v.Batch, strings.Join(operators(v), ", "), err)
	}
	return answerOf(b)
}

// stateMemory bounds what DuckDB takes for a look at state.
const stateMemory = 512 << 20

// answerOf prints the values of b.
func answerOf(b *columnar.Batch) (*answer, error) {
	a := &answer{}
	for _, f := range b.Schema.Fields {
		a.Columns, a.Types = append(a.Columns, f.Name), append(a.Types, f.Type.String())
	}
	for i := range b.Len {
		row := make([]*string, len(b.Columns))
		for k, col := range b.Columns {
			text, err := cellText(col.Value(i))
			if err != nil {
				return nil, err
			}
			row[k] = text
		}
		a.Rows = append(a.Rows, row)
	}
	return a, nil
}

func cellText(v any) (*string, error) {
	var s string
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		s = v
	case time.Time:
		s = v.UTC().Format("2006-01-02 15:04:05.999999")
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		s = string(text)
	}
	return &s, nil
}
