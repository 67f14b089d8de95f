package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// DumpCmd prints what is in a file of weir's, for people.
type DumpCmd struct {
	Path string `arg:"" help:"A segment or index of the stream log, a commit of a Delta log, or the metadata folder." type:"existingpath"`
}

// Help is shown by weir dump --help.
func (DumpCmd) Help() string {
	return `Examples:
  weir dump weir-data/streams/SEGMENT                             frames of the stream log, one a line
  weir dump weir-data/objects/lake/rides/_delta_log/00000000000000000003.json
  weir dump weir-data/meta                                        space, key and value of all metadata (stop weir serve first)

docs/formats describes every format.`
}

// Run prints to standard output.
func (c *DumpCmd) Run(ctx context.Context) error {
	out := bufio.NewWriter(os.Stdout)
	return errors.Join(dump(out, c.Path), out.Flush())
}

func dump(out io.Writer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir() && exists(filepath.Join(path, "meta")):
		return dumpMeta(out, filepath.Join(path, "meta"))
	case info.IsDir():
		return dumpMeta(out, path)
	case strings.HasSuffix(path, ".json") || strings.HasSuffix(path, "_last_checkpoint"):
		return dumpJSON(out, path)
	}
	return stream.Dump(out, vfs.Default, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// dumpJSON indents every document of a file of JSON lines.
func dumpJSON(out io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in, enc := json.NewDecoder(f), json.NewEncoder(out)
	in.UseNumber()
	enc.SetIndent("", "  ")
	for {
		var v any
		if err := in.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
}

func dumpMeta(out io.Writer, dir string) error {
	if !exists(filepath.Join(dir, "CURRENT")) && !exists(filepath.Join(dir, "LOCK")) {
		return fmt.Errorf("%s is not a metadata folder (a data directory's is called meta)", dir)
	}
	m, err := meta.Open(vfs.Default, dir)
	if err != nil {
		return fmt.Errorf("%w (is weir serve running on it?)", err)
	}
	defer m.Close()
	for e, err := range m.All() {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", e.Space, printable([]byte(e.Key)), printable(e.Value))
	}
	return nil
}

// printable is text as it is, and anything else quoted.
func printable(b []byte) string {
	if utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool { return r < ' ' }) {
		return string(b)
	}
	return fmt.Sprintf("%q", b)
}
