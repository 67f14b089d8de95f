package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

var update = flag.Bool("update", false, "rewrite docs/compat.md")

// models are the SDK clients whose methods are all operations of a service.
var models = map[string]any{
	"kinesis": (*kinesis.Client)(nil), "firehose": (*firehose.Client)(nil), "glue": (*glue.Client)(nil), "athena": (*athena.Client)(nil),
	"monitoring": (*cloudwatch.Client)(nil), "sts": (*sts.Client)(nil), "iam": (*iam.Client)(nil),
}

// docs/compat.md is what the code serves, not what somebody remembers.
func TestCompatTable(t *testing.T) {
	h, err := openHouse(t.Context(), houseConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	services, err := h.services()
	if err != nil {
		t.Fatal(err)
	}
	var doc bytes.Buffer
	doc.WriteString("# Operations\n\nGenerated from `api/` by `go test ./cmd/weir -run TestCompatTable -update`. An operation that is not served answers\n" +
		"UnknownOperationException, which names it. S3 is not in this list: its routes are the table in `api/s3/route.go`, and its\n" +
		"package comment says which stored configurations have an effect. What an operation skips stands at the head of its file.\n")
	for _, s := range services {
		all := operationsOf(models[s.Name])
		if len(all) == 0 {
			t.Fatalf("no model of %s", s.Name)
		}
		var served []string
		for _, op := range s.Operations {
			if !slices.Contains(all, op.Name) {
				t.Errorf("%s has no operation %s", s.Name, op.Name)
			}
			served = append(served, op.Name)
		}
		slices.Sort(served)
		fmt.Fprintf(&doc, "\n## %s: %d of %d\n\n%s.\n", s.Name, len(served), len(all), wrap(strings.Join(served, ", "), 130))
		if rest := slices.DeleteFunc(all, func(op string) bool { return slices.Contains(served, op) }); len(rest) > 0 && len(rest) <= 60 {
			fmt.Fprintf(&doc, "\nNot served: %s.\n", wrap(strings.Join(rest, ", "), 118))
		}
	}
	const name = "../../docs/compat.md"
	if *update {
		if err := os.WriteFile(name, doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, doc.Bytes()) {
		t.Errorf("%s is out of date: run go test ./cmd/weir -run TestCompatTable -update", name)
	}
}

// operationsOf are the methods of an SDK client that send a request, sorted.
func operationsOf(client any) []string {
	var names []string
	if client == nil {
		return nil
	}
	t := reflect.TypeOf(client)
	for i := range t.NumMethod() {
		if m := t.Method(i); m.Type.NumIn() >= 3 && strings.HasSuffix(m.Type.In(2).String(), "."+m.Name+"Input") {
			names = append(names, m.Name)
		}
	}
	return names
}

// wrap breaks text at blanks into lines of at most width characters.
func wrap(text string, width int) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		if n > 0 && n+1+len(word) > width {
			b.WriteByte('\n')
			n = 0
		} else if n > 0 {
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}
