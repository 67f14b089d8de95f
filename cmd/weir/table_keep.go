package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weir-data/weir/delta"
)

// TableCheckCmd verifies a table.
type TableCheckCmd struct {
	tableTarget
	LogOnly bool `help:"Leave out the data files."`
}

// Help is shown by weir table check --help.
func (TableCheckCmd) Help() string {
	return `Reads every commit, compares each checkpoint and version checksum with them, and looks at every data file: that it is there, its
size, its footer against the statistics, its deletion vector. Changes nothing. The exit status is 0 if all is well.

Examples:
  weir table check lake.rides
  weir table check ./rides --log-only
` + tableTargets
}

// Run prints what is wrong.
func (c *TableCheckCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(o *openTable) error {
		line := newProgressLine()
		report, err := o.Check(ctx, delta.CheckOptions{LogOnly: c.LogOnly, Progress: func(what string, done, of int) {
			line.show("%s of %s %s", count(int64(done)), count(int64(of)), what)
		}})
		line.end()
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSONLine(os.Stdout, report)
		} else {
			printReport(newScreen(os.Stdout), report, c.LogOnly)
		}
		if n := len(report.Problems) + report.More; n > 0 && err == nil {
			err = fmt.Errorf("%s found; nothing was changed", counted(int64(n), "problem"))
		}
		return err
	})
}

func printReport(scr *screen, r *delta.Report, logOnly bool) {
	for _, p := range r.Problems {
		scr.printf("%s %s %s\n", scr.red("✗"), scr.bold(p.Where), p.What)
	}
	if r.More > 0 {
		scr.printf("%s %s more\n", scr.red("✗"), count(int64(r.More)))
	}
	mark := scr.green("✓")
	if len(r.Problems) > 0 {
		mark = scr.dim("·")
	}
	scr.printf("%s versions %d to %d: %s, %s\n", mark, r.Oldest, r.Newest, counted(int64(r.Commits), "commit"), counted(int64(r.Checkpoints), "checkpoint"))
	if !logOnly && r.Newest >= 0 {
		scr.printf("%s %s, %s, %s\n", mark, counted(int64(r.Files), "data file"), sizeText(r.Bytes), counted(r.Rows, "row"))
	}
}

// TableVacuumCmd removes files that are no longer needed.
type TableVacuumCmd struct {
	tableTarget
	Retention string `help:"How long files stay after they left the table, as 30d, 12h or 0. Default: what the table says, else 7d." placeholder:"TIME"`
	Force     bool   `help:"Allow a retention shorter than the table's."`
	DryRun    bool   `help:"List what would go, and remove nothing."`
	Record    bool   `help:"Leave VACUUM START and VACUUM END in the table's history."`
}

// Help is shown by weir table vacuum --help.
func (TableVacuumCmd) Help() string {
	return `Older versions whose files are removed can no longer be read or restored. What failed writers left behind goes too.

Examples:
  weir table vacuum lake.rides --dry-run
  weir table vacuum s3://lake/rides --retention 30d
  weir table vacuum ./rides --retention 0 --force       while nothing else uses the table
` + tableTargets
}

// Run removes the files.
func (c *TableVacuumCmd) Run(ctx context.Context) error {
	opts := delta.VacuumOptions{Force: c.Force, DryRun: c.DryRun, Record: c.Record}
	if c.Retention != "" {
		var err error
		if opts.Retention, err = parseRetention(c.Retention); err != nil {
			return err
		}
		opts.NoRetention = true
	}
	return c.with(ctx, func(o *openTable) error {
		line := newProgressLine()
		opts.Listed = func(n int) { line.show("%s looked at", counted(int64(n), "object")) }
		opts.Found = func(key string, size int64) {
			switch {
			case c.JSON:
				_ = printJSONLine(os.Stdout, map[string]any{"path": key, "size": size})
			case c.DryRun:
				fmt.Printf("%12s  %s\n", sizeText(size), key)
			}
		}
		out, err := o.Vacuum(ctx, opts)
		line.end()
		if errors.Is(err, delta.ErrInvalid) && !c.Force {
			return fmt.Errorf("%w. If nothing else uses the table, add --force", err)
		}
		if err != nil || c.JSON {
			return err
		}
		verb := "removed"
		if c.DryRun {
			verb = "would remove"
		}
		fmt.Printf("%s %s, %s, of %s in the folder\n", verb, counted(int64(out.Files), "file"), sizeText(out.Bytes), counted(int64(out.Listed), "object"))
		return nil
	})
}

// parseRetention reads 30d besides Go's durations.
func parseRetention(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		if err == nil && d >= 0 && d < 100*365*time.Hour {
			return 24 * d, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("retention %q: write 30d, 12h or 0", text)
}

// TableRestoreCmd brings back an older version.
type TableRestoreCmd struct {
	tableTarget
	To            string `arg:"" help:"A version, or a time in UTC."`
	IgnoreMissing bool   `help:"Leave out files that are gone, with their rows."`
}

// Help is shown by weir table restore --help.
func (TableRestoreCmd) Help() string {
	return `Writes a new version with the files, schema and properties of the old one; nothing is lost, and the restore can be undone by another.

Examples:
  weir table restore lake.rides 12
  weir table restore ./rides "2026-01-31 12:00"
` + tableTargets
}

// Run restores the table.
func (c *TableRestoreCmd) Run(ctx context.Context) error {
	return c.with(ctx, func(o *openTable) error {
		version, err := o.version(ctx, c.To)
		if err != nil {
			return err
		}
		before, err := o.Snapshot(ctx)
		if err != nil {
			return err
		}
		out, err := o.Restore(ctx, version, delta.RestoreOptions{IgnoreMissing: c.IgnoreMissing})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSONLine(os.Stdout, out)
		}
		if out.Version == before.Version() {
			fmt.Printf("version %d is already what version %d was\n", out.Version, version)
			return nil
		}
		fmt.Printf("version %d is what version %d was: %s added, %s removed", out.Version, version, counted(int64(out.Added.Files), "file"), counted(int64(out.Removed.Files), "file"))
		if out.Missing > 0 {
			fmt.Printf(", %s missing", counted(int64(out.Missing), "file"))
		}
		fmt.Printf("\nundo it with: weir table restore %s %d\n", c.Table, before.Version())
		return nil
	})
}

// TableSetCmd changes properties.
type TableSetCmd struct {
	tableTarget
	Properties []string `arg:"" optional:"" help:"name=value."`
	Unset      []string `help:"Remove this property." placeholder:"NAME"`
	Feature    []string `help:"Add this table feature. Engines that lack it no longer read, or write, the table." placeholder:"NAME"`
}

// Help is shown by weir table set --help.
func (TableSetCmd) Help() string {
	return `Examples:
  weir table set lake.rides delta.logRetentionDuration="interval 60 days"
  weir table set ./rides owner=ann --unset draft
  weir table set ./rides --feature deletionVectors
` + tableTargets
}

// Run sets the properties.
func (c *TableSetCmd) Run(ctx context.Context) error {
	set := map[string]string{}
	for _, p := range c.Properties {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return fmt.Errorf("%q is not of the form name=value", p)
		}
		set[name] = value
	}
	for _, f := range c.Feature {
		set["delta.feature."+f] = "supported"
	}
	if len(set)+len(c.Unset) == 0 {
		return errors.New("nothing to set: give name=value, --unset NAME or --feature NAME")
	}
	return c.with(ctx, func(o *openTable) error {
		before, err := o.Snapshot(ctx)
		if err != nil {
			return err
		}
		version, err := o.SetProperties(ctx, set, c.Unset)
		if err != nil {
			return err
		}
		d, err := o.Diff(ctx, before.Version(), version)
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
