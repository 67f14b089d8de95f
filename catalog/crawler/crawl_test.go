package crawler

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

var rewrite = flag.Bool("update", false, "rewrite the answers in testdata")

// world is a catalog over objects, driven by the lines of a scenario.
type world struct {
	t       *testing.T
	store   *catalog.Store
	objects objstore.Store
	crawler catalog.Crawler
	now     time.Time
}

func newWorld(t *testing.T) *world {
	m := meta.NewMem()
	t.Cleanup(func() { m.Close() })
	w := &world{t: t, objects: mem.New(nil), now: time.Date(2024, 11, 22, 0, 0, 0, 0, time.UTC)}
	var err error
	if w.store, err = catalog.New(m, catalog.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := w.objects.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	w.crawler = catalog.Crawler{Name: "c", Role: "r", Database: "db", UpdateBehavior: update, DeleteBehavior: "DEPRECATE_IN_DATABASE"}
	return w
}

// TestCrawl runs the scenarios in testdata: commands, then ---- and the answer of those that print.
func TestCrawl(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := newWorld(t).play(string(text))
			if *rewrite {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(text) {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

// play runs blocks of commands and returns the scenario with the answers that came.
func (w *world) play(text string) string {
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		commands, _, _ := strings.Cut(block, "\n----")
		var answer strings.Builder
		for line := range strings.SplitSeq(commands, "\n") {
			if line != "" && !strings.HasPrefix(line, "#") {
				answer.WriteString(w.do(line))
			}
		}
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(commands + "\n")
		if answer.Len() > 0 {
			out.WriteString("----\n" + answer.String())
		}
	}
	return out.String()
}

func (w *world) do(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	args := strings.Fields(rest)
	switch verb {
	case "put": // put KEY TEXT, with \n and \t in TEXT
		key, body, _ := strings.Cut(rest, " ")
		w.put(key, []byte(strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(body)))
	case "gzip":
		key, body, _ := strings.Cut(rest, " ")
		var b bytes.Buffer
		g := gzip.NewWriter(&b)
		g.Write([]byte(strings.ReplaceAll(body, `\n`, "\n")))
		g.Close()
		w.put(key, b.Bytes())
	case "parquet": // parquet KEY ROWS NAME:TYPE …
		w.parquet(args)
	case "delta": // delta FOLDER PARTITION-COLUMN NAME:TYPE …
		objects := delta.InBucket(w.objects, "lake", args[0])
		_, err := delta.Create(w.t.Context(), objects, delta.CreateOptions{Schema: w.schema(args[2:]), PartitionBy: args[1:2]})
		w.check(err)
	case "delete":
		w.check(w.objects.Delete(w.t.Context(), "lake", rest))
	case "set": // set FIELD VALUE of the crawler
		name, value, _ := strings.Cut(rest, " ")
		w.set(name, value)
	case "table": // table NAME COLUMN:TYPE LOCATION, made by hand
		name, typ, _ := strings.Cut(args[1], ":")
		_ = w.store.CreateDatabase(w.t.Context(), catalog.Database{Name: "db"})
		w.check(w.store.CreateTable(w.t.Context(), catalog.Table{Database: "db", Name: args[0], Storage: catalog.Storage{
			Location: args[2], Columns: []catalog.Column{{Name: name, Type: typ}}, SerDe: catalog.SerDe{Library: "byHand"}}}))
	case "crawl":
		return w.crawl()
	case "show":
		return w.show(args)
	default:
		w.t.Fatalf("unknown command %q", line)
	}
	return ""
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) put(key string, body []byte) {
	w.t.Helper()
	_, err := w.objects.Put(w.t.Context(), "lake", key, bytes.NewReader(body), objstore.PutOptions{})
	w.check(err)
}

func (w *world) schema(columns []string) *columnar.Schema {
	s := &columnar.Schema{}
	for _, c := range columns {
		name, text, _ := strings.Cut(c, ":")
		typ, err := columnar.ParseType(text)
		w.check(err)
		s.Fields = append(s.Fields, columnar.Field{Name: name, Type: typ, Nullable: true})
	}
	return s
}

func (w *world) parquet(args []string) {
	schema := w.schema(args[2:])
	b := columnar.NewBuilder(schema)
	var rows int
	fmt.Sscan(args[1], &rows)
	for range rows {
		w.check(b.Append())
	}
	var file bytes.Buffer
	_, err := columnar.WriteParquet(&file, columnar.ParquetOptions{}, b.Batch())
	w.check(err)
	w.put(args[0], file.Bytes())
}

func (w *world) set(name, value string) {
	switch name {
	case "targets":
		w.crawler.S3, w.crawler.Delta = nil, nil
		for path := range strings.FieldsSeq(value) {
			w.crawler.S3 = append(w.crawler.S3, catalog.S3Target{Path: path})
		}
	case "delta":
		w.crawler.S3, w.crawler.Delta = nil, []catalog.DeltaTarget{{Tables: strings.Fields(value), Native: true}}
	case "exclude":
		w.crawler.S3[0].Exclusions = strings.Fields(value)
	case "prefix":
		w.crawler.TablePrefix = value
	case "update":
		w.crawler.UpdateBehavior = value
	case "deletes":
		w.crawler.DeleteBehavior = value
	case "configuration":
		w.crawler.Configuration = value
	default:
		w.t.Fatalf("unknown field %q", name)
	}
}

func (w *world) crawl() string {
	if err := Check(&w.crawler); err != nil {
		return "refused: " + err.Error() + "\n"
	}
	c, err := crawl(w.t.Context(), w.store, w.objects, w.crawler, w.now)
	if err != nil {
		return "failed: " + err.Error() + "\n"
	}
	return fmt.Sprintf("created %d, updated %d, deleted %d, partitions added %d\n", c.Created, c.Updated, c.Deleted, c.PartitionsAdded)
}

// show prints all tables, or one with the named parameters.
func (w *world) show(args []string) string {
	var out strings.Builder
	tables, err := w.store.Tables(w.t.Context(), "db")
	if err != nil {
		return err.Error() + "\n"
	}
	for _, t := range tables {
		if len(args) > 0 && args[0] != t.Name {
			continue
		}
		serde := t.Storage.SerDe.Library[strings.LastIndexByte(t.Storage.SerDe.Library, '.')+1:]
		fmt.Fprintf(&out, "%s v%s %s %s %s\n", t.Name, t.Version, t.Parameters["classification"], serde, t.Storage.Location)
		fmt.Fprintf(&out, "  %s", columnsText(t.Storage.Columns))
		if len(t.PartitionKeys) > 0 {
			fmt.Fprintf(&out, " | %s", columnsText(t.PartitionKeys))
		}
		out.WriteString("\n")
		if len(args) == 1 && len(t.Parameters) > 0 {
			for _, k := range slices.Sorted(maps.Keys(t.Parameters)) {
				fmt.Fprintf(&out, "  %s=%q\n", k, t.Parameters[k])
			}
		}
		if t.Parameters[paramDeprecated] != "" {
			out.WriteString("  deprecated\n")
		}
		ps, err := w.store.Partitions(w.t.Context(), "db", t.Name, "")
		w.check(err)
		for _, p := range ps {
			fmt.Fprintf(&out, "  %v %s %s", p.Values, p.Storage.Location, columnsText(p.Storage.Columns))
			if p.Parameters[paramDeprecated] != "" {
				out.WriteString(" deprecated")
			}
			out.WriteString("\n")
		}
	}
	return out.String()
}

func columnsText(columns []catalog.Column) string {
	var parts []string
	for _, c := range columns {
		parts = append(parts, c.Name+" "+c.Type)
	}
	return strings.Join(parts, ", ")
}

func TestCrawlIsCancelled(t *testing.T) {
	w := newWorld(t)
	w.put("rides/a.json", []byte(`{"a":1}`))
	w.set("targets", "s3://lake/rides/")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := crawl(ctx, w.store, w.objects, w.crawler, w.now); err == nil {
		t.Error("a cancelled crawl went on")
	}
}
