package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DemoCmd runs both tutorials end to end through the public API of a server of its own, and checks every count.
type DemoCmd struct {
	Rides   string `help:"Ride records to use instead of generated ones: CSV, NDJSON or Parquet, .gz too." type:"existingfile" placeholder:"FILE"`
	Amount  int    `help:"Rides to generate." default:"20000"`
	Users   int    `help:"People to generate." default:"1000"`
	Exit    bool   `help:"Stop when done instead of staying up for a look."`
	Listen  string `help:"Address of the server." default:"127.0.0.1:4566"`
	Data    string `help:"Folder for the demo's data; must be new or empty. Default: a fresh one under weir-data." type:"path"`
	LoseOne bool   `hidden:"" help:"Expects one ride more than was sent, to show that the checks notice."`
}

// Help is shown by weir demo --help.
func (DemoCmd) Help() string {
	return `Two pipelines, as in the tutorials that weir is made for:

  rides   a producer -> Kinesis stream -> micro-batches -> a Delta table partitioned by hour -> SQL
  users   a producer -> Kinesis stream -> Firehose (JSON to Parquet) -> S3 -> Glue -> Athena SQL

Examples:
  weir demo                      both, then stays up so that you can look around
  weir demo --exit               both, then stops; the exit status says whether all counts were right
  weir demo --rides rides.csv.gz your own rides`
}

// demo is the state that the steps share.
type demo struct {
	cmd    *DemoCmd
	screen *screen
	aws    *clients
	house  *house
	dir    string
	checks []check
	sent   map[string]int64 // records by stream
}

// check is one comparison of a count with what it must be.
type check struct {
	what      string
	got, want string
}

func (c check) ok() bool { return c.got == c.want }

func (d *demo) check(what string, got, want any) {
	d.checks = append(d.checks, check{what, fmt.Sprint(got), fmt.Sprint(want)})
}

var errMiscount = errors.New("a count is wrong; see above")

// Run plays the demo step by step. The first failing step ends it.
func (c *DemoCmd) Run(ctx context.Context) error {
	dir, err := c.dataDir()
	if err != nil {
		return err
	}
	d := &demo{cmd: c, screen: newScreen(os.Stdout), dir: dir, sent: map[string]int64{}}
	began := time.Now()
	d.house, err = openHouse(ctx, houseConfig{Dir: dir, Listen: c.Listen, ListenElsewhere: true})
	if err != nil {
		return err
	}
	defer d.house.Close()
	d.screen.printf("weir is up at %s after %d ms; data in %s\n", d.house.URL, time.Since(began).Milliseconds(), dir)
	if d.aws, err = newClients(ctx, d.house.URL); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.rides, d.users, d.graphs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := d.report(time.Since(began)); err != nil {
		return err
	}
	if c.Exit {
		return nil
	}
	d.screen.printf("\nStill up at %s (ctrl-C stops). Try, in another terminal:\n\n", d.house.URL)
	for _, line := range d.suggestions() {
		d.screen.printf("  %s\n", line)
	}
	<-ctx.Done()
	return nil
}

// dataDir is the folder for this run, made anew: a demo counts what it finds, so it must start from nothing.
func (c *DemoCmd) dataDir() (string, error) {
	if c.Data == "" {
		dir := filepath.Join("weir-data", "demo-"+time.Now().Format("20060102-150405"))
		return filepath.Abs(dir)
	}
	entries, err := os.ReadDir(c.Data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty; the demo needs a folder of its own: give another one with --data", c.Data)
	}
	return filepath.Abs(c.Data)
}

// report prints all checks and fails if one of them did not hold.
func (d *demo) report(took time.Duration) error {
	d.screen.title("Checks")
	wrong := 0
	for _, c := range d.checks {
		if c.ok() {
			d.screen.printf("  %s %-58s %s\n", d.screen.green("✓"), c.what, c.got)
			continue
		}
		wrong++
		d.screen.printf("  %s %-58s %s, should be %s\n", d.screen.red("✗"), c.what, c.got, c.want)
	}
	d.screen.printf("\n%d of %d counts right, %.1f s in all\n", len(d.checks)-wrong, len(d.checks), took.Seconds())
	d.screen.printf("\nOn disk, as plain files:\n  %-34s %s\n  %-34s %s\n",
		filepath.Join(d.dir, "objects", rideBucket, "rides"), "the Delta table of rides",
		filepath.Join(d.dir, "objects", userBucket, "users"), "the Parquet files of users")
	if wrong > 0 {
		return errMiscount
	}
	return nil
}

func (d *demo) suggestions() []string {
	return []string{
		"export AWS_ENDPOINT_URL=" + d.house.URL + " AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1",
		selfName() + ` sql "SELECT payment_type, count(*), avg(tip_amount) FROM lake.rides GROUP BY 1 ORDER BY 2 DESC"`,
		"aws kinesis list-streams",
		"aws s3 ls --recursive s3://" + userBucket + "/",
		"curl -s " + d.house.URL + "/metrics",
	}
}

// selfName is how the user started this program.
func selfName() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(exe, "go-build") {
		return "go run ./cmd/weir"
	}
	return "weir"
}
