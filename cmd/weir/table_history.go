package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/delta"
)

// TableHistoryCmd lists the commits of a table.
type TableHistoryCmd struct {
	tableTarget
	Limit int `short:"n" help:"Show at most this many; 0 is all." default:"20"`
}

// Help is shown by weir table history --help.
func (TableHistoryCmd) Help() string {
	return `Examples:
  weir table history lake.rides
  weir table history s3://lake/rides -n 0 --json
` + tableTargets
}

// Run prints the commits, newest first.
func (c *TableHistoryCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(o *openTable) error {
		a := &answer{Columns: []string{"version", "time", "operation", "details", "engine"}, Types: []string{"bigint", "varchar", "varchar", "varchar", "varchar"}}
		n := 0
		for commit, err := range o.History(ctx) {
			if err != nil {
				return err
			}
			if c.JSON {
				if err := printJSONLine(os.Stdout, historyJSON(commit)); err != nil {
					return err
				}
			} else {
				operation, details, engine := "unknown", "", ""
				if i := commit.Info; i != nil {
					operation, details, engine = i.Operation, commitDetails(i), i.EngineInfo
				}
				a.Rows = append(a.Rows, cells(strconv.FormatInt(commit.Version, 10), timeText(commit.Time), operation, details, engine))
			}
			if n++; n == c.Limit {
				break
			}
		}
		if c.JSON {
			return nil
		}
		return printTable(os.Stdout, a)
	})
}

func historyJSON(c delta.Commit) any {
	out := struct {
		Version    int64             `json:"version"`
		Time       time.Time         `json:"time"`
		Operation  string            `json:"operation,omitempty"`
		Parameters map[string]any    `json:"operationParameters,omitempty"`
		Metrics    map[string]string `json:"operationMetrics,omitempty"`
		Engine     string            `json:"engineInfo,omitempty"`
	}{Version: c.Version, Time: c.Time}
	if i := c.Info; i != nil {
		out.Operation, out.Parameters, out.Metrics, out.Engine = i.Operation, i.OperationParameters, i.OperationMetrics, i.EngineInfo
	}
	return out
}

// commitDetails are a commit's metrics and parameters in a few words.
func commitDetails(i *delta.CommitInfo) string {
	var parts []string
	metric := func(key, format string) {
		if n, err := strconv.ParseInt(i.OperationMetrics[key], 10, 64); err == nil && n > 0 {
			parts = append(parts, fmt.Sprintf(format, count(n)))
		}
	}
	metric("numOutputRows", "%s rows")
	if metric("numAddedFiles", "+%s files"); i.OperationMetrics["numAddedFiles"]+i.OperationMetrics["numRestoredFiles"] == "" {
		metric("numFiles", "+%s files")
	}
	metric("numRemovedFiles", "-%s files")
	metric("numRestoredFiles", "+%s files")
	metric("numDeletedRows", "-%s rows")
	metric("numUpdatedRows", "%s rows updated")
	metric("numDeletedFiles", "%s files deleted")
	for _, key := range slices.Sorted(maps.Keys(i.OperationParameters)) {
		if v := fmt.Sprint(i.OperationParameters[key]); v != "" && v != "[]" && v != "{}" && v != "<nil>" && !strings.Contains("queryId outputMode isManaged", key) {
			parts = append(parts, key+"="+v)
		}
	}
	return strings.Join(parts, ", ")
}

// TableDiffCmd compares two versions of a table.
type TableDiffCmd struct {
	tableTarget
	From string `arg:"" help:"A version, or a time in UTC."`
	To   string `arg:"" optional:"" help:"A version, or a time in UTC. Default: the newest."`
}

// Help is shown by weir table diff --help.
func (TableDiffCmd) Help() string {
	return `Examples:
  weir table diff lake.rides 10 12
  weir table diff ./rides 2026-01-31
` + tableTargets
}

// Run prints what changed.
func (c *TableDiffCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(o *openTable) error {
		from, err := o.version(ctx, c.From)
		if err != nil {
			return err
		}
		newest, err := o.snapshot(ctx, c.To)
		if err != nil {
			return err
		}
		d, err := o.Diff(ctx, from, newest.Version())
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSONLine(os.Stdout, d)
		}
		printDifference(newScreen(os.Stdout), d)
		return nil
	})
}

func printDifference(scr *screen, d *delta.Difference) {
	scr.printf("%s\n", scr.bold(fmt.Sprintf("version %d to version %d", d.From, d.To)))
	files := func(sign string, f delta.FileCount) {
		if f.Files == 0 {
			return
		}
		rows := counted(f.Rows, "row")
		if f.Unknown > 0 {
			rows += fmt.Sprintf(" and those of %s without statistics", counted(int64(f.Unknown), "file"))
		}
		scr.printf("%s %s, %s, %s\n", sign, counted(int64(f.Files), "file"), sizeText(f.Bytes), rows)
	}
	files(scr.green("+"), d.Added)
	files(scr.red("-"), d.Removed)
	if d.Vectors > 0 {
		scr.printf("  of these, %s of which only other rows are deleted\n", counted(int64(d.Vectors), "file"))
	}
	altered := func(what string, list []delta.Altered) {
		for _, c := range list {
			switch {
			case c.From == "":
				scr.printf("%s %s %s: %s\n", scr.green("+"), what, c.Name, c.To)
			case c.To == "":
				scr.printf("%s %s %s: %s\n", scr.red("-"), what, c.Name, c.From)
			default:
				scr.printf("~ %s %s: %s, was %s\n", what, c.Name, c.To, c.From)
			}
		}
	}
	altered("column", d.Columns)
	altered("property", d.Properties)
	if d.Protocol != nil {
		scr.printf("~ protocol: %s, was %s\n", d.Protocol.To, d.Protocol.From)
	}
	if d.Added.Files+d.Removed.Files+len(d.Columns)+len(d.Properties) == 0 && d.Protocol == nil {
		scr.printf("no difference\n")
	}
}
