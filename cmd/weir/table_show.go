package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/delta"
)

// TableShowCmd describes a version of a table.
type TableShowCmd struct {
	tableTarget
	At string `help:"A version, or a time in UTC. Default: the newest." placeholder:"VERSION"`
}

// Help is shown by weir table show --help.
func (TableShowCmd) Help() string {
	return `Examples:
  weir table show lake.rides
  weir table show s3://lake/rides --at 12
  weir table show ./rides --at "2026-01-31 12:00"
` + tableTargets
}

// tableShown is what there is to show.
type tableShown struct {
	Location    string            `json:"location"`
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Version     int64             `json:"version"`
	Time        time.Time         `json:"time"`
	Operation   string            `json:"operation,omitempty"`
	Engine      string            `json:"engine,omitempty"`
	Files       int               `json:"files"`
	Bytes       int64             `json:"bytes"`
	Rows        int64             `json:"rows"`
	Deleted     int64             `json:"deletedRows,omitempty"`
	Unknown     int               `json:"filesWithoutStatistics,omitempty"`
	PartitionBy []string          `json:"partitionBy"`
	Partitions  int               `json:"partitions,omitempty"`
	Small       int               `json:"smallFiles"`
	Reader      int               `json:"minReaderVersion"`
	Writer      int               `json:"minWriterVersion"`
	Features    []string          `json:"features,omitempty"`
	Properties  map[string]string `json:"properties"`
	Columns     []columnShown     `json:"columns"`
}

type columnShown struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
}

// smallFileBytes is the size below which a file counts as small.
const smallFileBytes = 16 << 20

// Run prints the description.
func (c *TableShowCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(o *openTable) error {
		s, err := o.snapshot(ctx, c.At)
		if err != nil {
			return err
		}
		shown, err := describeTable(s)
		if err != nil {
			return err
		}
		if shown.Location = o.location; o.folder != "" {
			shown.Location = o.folder
		}
		if info, err := o.Info(ctx, s.Version()); err == nil && info != nil {
			shown.Operation, shown.Engine = info.Operation, info.EngineInfo
		}
		if c.JSON {
			return printJSONLine(os.Stdout, shown)
		}
		return shown.print(newScreen(os.Stdout))
	})
}

func describeTable(s *delta.Snapshot) (*tableShown, error) {
	p := s.Protocol()
	shown := &tableShown{
		ID: s.ID(), Name: s.Name(), Version: s.Version(), Time: s.Time(), PartitionBy: s.PartitionBy(), Properties: s.Properties(),
		Reader: p.MinReaderVersion, Writer: p.MinWriterVersion, Features: p.WriterFeatures,
	}
	for _, f := range s.Schema().Fields {
		shown.Columns = append(shown.Columns, columnShown{f.Name, f.Type.String(), f.Nullable})
	}
	partitions := map[string]bool{}
	for f, err := range s.Files(nil) {
		if err != nil {
			return nil, err
		}
		shown.Files++
		shown.Bytes += f.Size
		partitions[delta.PartitionPath(shown.PartitionBy, f.Partition)] = true
		if f.Size < smallFileBytes {
			shown.Small++
		}
		if f.Stats == nil {
			shown.Unknown++
			continue
		}
		shown.Rows += f.Stats.NumRecords
		if f.DeletionVector != nil {
			shown.Rows -= f.DeletionVector.Cardinality
			shown.Deleted += f.DeletionVector.Cardinality
		}
	}
	if len(shown.PartitionBy) > 0 {
		shown.Partitions = len(partitions)
	}
	return shown, nil
}

func (t *tableShown) print(scr *screen) error {
	line := func(name, format string, args ...any) {
		scr.printf("%s %s\n", scr.bold(fmt.Sprintf("%-11s", name)), fmt.Sprintf(format, args...))
	}
	line("location", "%s", t.Location)
	if t.Name != "" {
		line("name", "%s", t.Name)
	}
	line("id", "%s", t.ID)
	by := ""
	if t.Operation != "" {
		by = ", " + t.Operation
	}
	if t.Engine != "" {
		by += " by " + t.Engine
	}
	line("version", "%d, %s UTC%s", t.Version, timeText(t.Time), by)
	rows := count(t.Rows)
	if t.Deleted > 0 {
		rows += fmt.Sprintf(", besides %s that deletion vectors hide", count(t.Deleted))
	}
	if t.Unknown > 0 {
		rows += fmt.Sprintf(", and those of %s without statistics", counted(int64(t.Unknown), "file"))
	}
	line("rows", "%s", rows)
	files := counted(int64(t.Files), "file") + ", " + sizeText(t.Bytes)
	if t.Files > 0 {
		files += fmt.Sprintf(", %s each", sizeText(t.Bytes/int64(t.Files)))
	}
	if t.Small > 1 {
		files += fmt.Sprintf("; %s below %s", count(int64(t.Small)), sizeText(smallFileBytes))
	}
	line("files", "%s", files)
	if len(t.PartitionBy) > 0 {
		line("partitions", "%s by %s", count(int64(t.Partitions)), strings.Join(t.PartitionBy, ", "))
	}
	protocol := fmt.Sprintf("reader %d, writer %d", t.Reader, t.Writer)
	if len(t.Features) > 0 {
		protocol += ": " + strings.Join(t.Features, ", ")
	}
	line("protocol", "%s", protocol)
	for i, key := range slices.Sorted(maps.Keys(t.Properties)) {
		name := ""
		if i == 0 {
			name = "properties"
		}
		line(name, "%s = %s", key, t.Properties[key])
	}
	scr.printf("\n")
	a := &answer{Columns: []string{"column", "type", "nullable", "partition"}, Types: []string{"varchar", "varchar", "varchar", "varchar"}}
	for _, column := range t.Columns {
		nullable, partition := "yes", ""
		if !column.Nullable {
			nullable = "no"
		}
		if slices.Contains(t.PartitionBy, column.Name) {
			partition = "yes"
		}
		a.Rows = append(a.Rows, []*string{&column.Name, &column.Type, &nullable, &partition})
	}
	return printTable(scr.w, a)
}

// TableFilesCmd lists the data files of a version.
type TableFilesCmd struct {
	tableTarget
	At string `help:"A version, or a time in UTC. Default: the newest." placeholder:"VERSION"`
}

// Help is shown by weir table files --help.
func (TableFilesCmd) Help() string {
	return `Examples:
  weir table files lake.rides
  weir table files s3://lake/rides --at 12 --json | jq .path
` + tableTargets
}

// Run prints the files.
func (c *TableFilesCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(o *openTable) error {
		s, err := o.snapshot(ctx, c.At)
		if err != nil {
			return err
		}
		a := &answer{Columns: []string{"path", "size", "rows", "deleted", "modified"}, Types: []string{"varchar", "integer", "integer", "integer", "varchar"}}
		for f, err := range s.Files(nil) {
			if err != nil {
				return err
			}
			rows, deleted := int64(-1), int64(0)
			if f.Stats != nil {
				rows = f.Stats.NumRecords
			}
			if f.DeletionVector != nil {
				deleted = f.DeletionVector.Cardinality
			}
			if c.JSON {
				err := printJSONLine(os.Stdout, struct {
					Path      string             `json:"path"`
					Size      int64              `json:"size"`
					Rows      int64              `json:"rows"`
					Deleted   int64              `json:"deletedRows"`
					Modified  time.Time          `json:"modified"`
					Partition map[string]*string `json:"partition"`
				}{f.Path, f.Size, rows, deleted, f.ModTime, f.Partition})
				if err != nil {
					return err
				}
				continue
			}
			a.Rows = append(a.Rows, cells(f.Path, sizeText(f.Size), countOr(rows, "unknown"), count(deleted), timeText(f.ModTime)))
		}
		if c.JSON {
			return nil
		}
		return printTable(os.Stdout, a)
	})
}

// cells are the values of a row.
func cells(values ...string) []*string {
	row := make([]*string, len(values))
	for i := range values {
		row[i] = &values[i]
	}
	return row
}

// countOr is a count, or a word for one that is not known.
func countOr(n int64, unknown string) string {
	if n < 0 {
		return unknown
	}
	return count(n)
}
