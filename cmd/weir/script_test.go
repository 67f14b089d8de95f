package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weir-data/weir/query/duckdb"
)

func TestMain(m *testing.M) {
	duckdb.WorkerMain()
	testscript.Main(m, map[string]func(){"weir": main})
}

// TestScript runs the command line as a user types it: testdata/script holds one archive for each story.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// No settings of the person who runs the tests, and no server that may run on this machine.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("AWS_REGION", "us-east-1")
			return nil
		},
	})
}
