// Package examples holds the two tutorials as a user would keep them: programs, a pipeline file, Terraform; and the queries of the
// Nexmark benchmark as pipeline files. Go code takes from here the pipelines that the demo and the benchmark run, so that the ones
// in the README are the ones that are tried.
package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// RidesPipeline is the pipeline file of the rides tutorial.
//
//go:embed rides/rides.yaml
var RidesPipeline []byte

//go:embed nexmark/*.yaml
var nexmarkFiles embed.FS

// NexmarkQueries are the names of Nexmark's queries that have a pipeline: q0, q1 and so on.
func NexmarkQueries() []string {
	files, err := fs.Glob(nexmarkFiles, "nexmark/q*.yaml")
	if err != nil {
		panic(err) // the pattern is sound
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(f, "nexmark/"), ".yaml")
	}
	number := func(q string) int { n, _ := strconv.Atoi(q[1:]); return n }
	slices.SortFunc(files, func(a, b string) int { return number(a) - number(b) })
	return files
}

// NexmarkPipeline is the pipeline file of a query.
func NexmarkPipeline(query string) ([]byte, error) {
	text, err := nexmarkFiles.ReadFile("nexmark/" + query + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no query %q of Nexmark here; there are %s", query, strings.Join(NexmarkQueries(), ", "))
	}
	return text, nil
}
