package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// CheckCmd verifies a data directory and changes nothing.
type CheckCmd struct {
	Data string `help:"Data directory." default:"./weir-data" type:"existingdir"`
}

// Help is shown by weir check --help.
func (CheckCmd) Help() string {
	return `Reads every segment of the stream log, every object and every Delta log of a data directory that no weir serve has open, and
verifies checksums, order, sizes and versions. Of each thing that is wrong it says in which file and where, which records it costs, and
what can be done. The exit status is 0 if all is well.`
}

// Run prints a line for each part, and what is wrong with it.
func (c *CheckCmd) Run(ctx context.Context) error {
	scr := newScreen(os.Stdout)
	wrong := 0
	for _, part := range []struct {
		name string
		run  func(ctx context.Context, dir string) (string, error)
	}{
		{"streams", checkLog("streams")},
		{"delivery streams", checkLog("firehose")},
		{"objects", checkObjects},
	} {
		text, err := part.run(ctx, c.Data)
		if err != nil {
			wrong++
			scr.printf("%s %-18s %v\n", scr.red("✗"), part.name, err)
			continue
		}
		scr.printf("%s %-18s %s\n", scr.green("✓"), part.name, text)
	}
	if wrong > 0 {
		return errors.New("the data directory is damaged; nothing was changed")
	}
	return nil
}

func checkLog(name string) func(context.Context, string) (string, error) {
	return func(_ context.Context, data string) (string, error) {
		dir := filepath.Join(data, name)
		if !exists(dir) {
			return "none", nil
		}
		r, err := stream.Check(vfs.Default, dir)
		if len(r.Problems) > 0 {
			names := streamNames(filepath.Join(data, "meta"))
			if own := filepath.Join(dir, "meta"); exists(own) {
				names = streamNames(own)
			}
			return "", errors.New(explainProblems(dir, r.Problems, names))
		}
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%s records in %d segments, %s bytes", count(r.Records), r.Segments, count(r.Bytes))
		if r.Torn > 0 {
			text += fmt.Sprintf("; a torn tail at %d of the last segment, which was never acknowledged, is cut at the next start", r.Torn)
		}
		return text, nil
	}
}

// streamNames are the names of streams by their numbers, as far as the metadata can be read.
func streamNames(dir string) map[uint64]string {
	m, err := meta.OpenReadOnly(vfs.Default, dir)
	if err != nil {
		return nil
	}
	defer m.Close()
	names, err := stream.Names(m)
	if err != nil {
		return nil
	}
	return names
}

// problemsShown bounds what is printed of one log.
const problemsShown = 50

// explainProblems says of each problem where it is, which records it costs, and what can be done.
func explainProblems(dir string, problems []stream.Problem, names map[uint64]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s in %s", len(problems), plural(len(problems), "problem"), dir)
	for _, p := range problems[:min(len(problems), problemsShown)] {
		fmt.Fprintf(&b, "\n  %s at %d: %v\n", filepath.Join(dir, p.File), p.Pos, p.Err)
		for _, l := range p.Lost {
			fmt.Fprintf(&b, "    cannot be read: %s\n", describeLost(l, names))
		}
		fmt.Fprintf(&b, "    %s", p.Advice)
	}
	if more := len(problems) - problemsShown; more > 0 {
		fmt.Fprintf(&b, "\n  and %s more", count(int64(more)))
	}
	return b.String()
}

func describeLost(l stream.Lost, names map[uint64]string) string {
	name := fmt.Sprintf("%q", names[l.Stream])
	if names[l.Stream] == "" {
		name = fmt.Sprintf("number %d, which is deleted or unknown,", l.Stream)
	}
	text := fmt.Sprintf("%s %s of stream %s %s after sequence number %s", count(int64(l.Records)), plural(int(l.Records), "record"), name, l.Shard, l.After)
	if l.Before.IsZero() {
		return text + ", up to the end of the segment"
	}
	return text + " and before " + l.Before.String()
}
