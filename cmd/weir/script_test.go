package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// listenEnv names the address at which a weir of a script looks for a server.
const listenEnv = "WEIR_TEST_LISTEN"

func TestMain(m *testing.M) {
	workerMain()
	if defaultListen = os.Getenv(listenEnv); defaultListen == "" {
		defaultListen = ownListen(0)
		// Not those of the person who runs the tests. Scripts have an environment of their own.
		for name, value := range map[string]string{
			"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		} {
			os.Setenv(name, value)
		}
	}
	testscript.Main(m, map[string]func(){"weir": main})
}

// ownListen is an address for the n-th user in this process, at which no server listens that chose its port freely.
func ownListen(n int64) string {
	return fmt.Sprintf("127.0.0.1:%d", 10_000+(int64(os.Getpid())*32+n)%20_000)
}

// TestScript runs the command line as a user types it: testdata/script holds one archive for each story.
func TestScript(t *testing.T) {
	var scripts atomic.Int64
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"banner": banner, "serving": serving, "bucket": bucket},
		Setup: func(env *testscript.Env) error {
			// No settings of the person who runs the tests, and no server that may run on this machine, for another script or for a user.
			env.Setenv(listenEnv, ownListen(scripts.Add(1)))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("AWS_REGION", "us-east-1")
			return nil
		},
	})
}

// startServe starts weir serve with the arguments at a free port; out is what it says.
func startServe(ts *testscript.TestScript, args []string) (cmd *exec.Cmd, out io.Reader) {
	weir, err := exec.LookPath("weir")
	ts.Check(err)
	cmd = exec.Command(weir, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Env = ts.Getenv("WORK"), append(os.Environ(), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", listenEnv+"="+ts.Getenv(listenEnv))
	out, err = cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	return cmd, out
}

// banner runs weir serve with the arguments until it says that it is ready, writes what it said into the file banner, and
// interrupts it.
func banner(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("! banner is not possible")
	}
	cmd, out := startServe(ts, args)
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	ts.Check(cmd.Process.Signal(os.Interrupt))
	rest, _ := io.ReadAll(lines) // the pipe ends with the process
	ts.Check(cmd.Wait())
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("banner"), []byte(line), 0o644))
	if s := strings.TrimSpace(string(rest)); s != "" {
		ts.Fatalf("after the banner it said %s", s)
	}
}

// serving runs weir serve with the arguments for the rest of the script, whose commands find it in AWS_ENDPOINT_URL.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("! serving is not possible")
	}
	cmd, out := startServe(ts, args)
	ts.Defer(func() {
		cmd.Process.Signal(os.Interrupt)
		io.Copy(io.Discard, out) // the pipe ends with the process
		ts.Check(cmd.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if url == "" {
		ts.Fatalf("no address in %q", line)
	}
	ts.Setenv("AWS_ENDPOINT_URL", url)
}

// bucket makes a bucket of serving's server, as aws s3 mb does.
func bucket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: bucket NAME")
	}
	req, err := http.NewRequest(http.MethodPut, ts.Getenv("AWS_ENDPOINT_URL")+"/"+args[0], nil)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("make bucket %s: %s", args[0], resp.Status)
	}
}
