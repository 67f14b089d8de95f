package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
verifies checksums, order, sizes and versions. The exit status is 0 if all is well.`
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
	return func(_ context.Context, dir string) (string, error) {
		dir = filepath.Join(dir, name)
		if !exists(dir) {
			return "none", nil
		}
		r, err := stream.Check(vfs.Default, dir)
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
