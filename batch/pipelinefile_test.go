package batch_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestPipelineFiles reads the files in testdata/pipelines.txt, which stand between lines of ====, and compares what they
// say, or what is wrong with them, with the text after the ----.
func TestPipelineFiles(t *testing.T) {
	const name = "testdata/pipelines.txt"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, c := range strings.Split(string(text), "====\n") {
		in, want, _ := strings.Cut(c, "----\n")
		got := describePipeline(batch.ParsePipeline("p.yaml", []byte(in)))
		if got != want && !*update {
			t.Errorf("%s\ngot\n%s\nwant\n%s", in, got, want)
		}
		if i > 0 {
			out.WriteString("====\n")
		}
		out.WriteString(in + "----\n" + got)
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func describePipeline(p *batch.Pipeline, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: trigger %+v, dead letters %q, mode %v\n", p.Name, p.Trigger, p.DeadLetters, p.Mode)
	if p.MaxWatermark || p.State != "" {
		fmt.Fprintf(&b, "max watermark %v, state %q\n", p.MaxWatermark, p.State)
	}
	for _, s := range p.Sources {
		fmt.Fprintf(&b, "%s: %s %s %v, start %v, %+v, %v, limit %v\n", s.Name, s.Kind, s.Stream, s.Settings, s.Start, s.Format, s.Mode, s.Limit)
		for _, f := range s.Schema.Fields {
			fmt.Fprintf(&b, "  %s %s nullable=%v\n", f.Name, f.Type, f.Nullable)
		}
		if s.Query != "" {
			fmt.Fprintf(&b, "  query %s\n", s.Query)
		}
		if s.Watermark != nil {
			fmt.Fprintf(&b, "  watermark %+v\n", *s.Watermark)
		}
		if s.Deduplicate != nil {
			fmt.Fprintf(&b, "  deduplicate %+v\n", *s.Deduplicate)
		}
	}
	fmt.Fprintf(&b, "query %q\n", p.Query)
	for _, s := range p.Sinks {
		fmt.Fprintf(&b, "sink %+v\n", s)
	}
	return b.String()
}

func FuzzParsePipeline(f *testing.F) {
	f.Add([]byte(ridesFile))
	f.Add([]byte(numbersFile))
	if text, err := os.ReadFile("testdata/pipelines.txt"); err == nil {
		for _, c := range strings.Split(string(text), "====\n") {
			in, _, _ := strings.Cut(c, "----\n")
			f.Add([]byte(in))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := batch.ParsePipeline("p.yaml", text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without text")
			}
			return
		}
		if p.Name == "" || len(p.Sources) == 0 || p.Sources[0].Stream == "" || p.Sources[0].Schema == nil || len(p.Sources[0].Schema.Fields) == 0 || p.Sources[0].Limit.Records <= 0 {
			t.Fatalf("%q gave %+v", text, p)
		}
	})
}
