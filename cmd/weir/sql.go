package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/term"
)

// SQLCmd runs statements through Athena's API: of a weir that runs, of AWS, or of one started for the purpose.
type SQLCmd struct {
	Statement string `arg:"" optional:"" help:"Statement to run; several with ; between them. Without one, and on a terminal, a shell opens." placeholder:"SQL"`
	File      string `short:"f" help:"Read statements from this file; - is standard input." placeholder:"FILE"`
	Output    string `short:"o" help:"table, csv or json (an object a line)." enum:"table,csv,json" default:"table"`
	Database  string `short:"d" help:"Database of names that have none." default:"default"`
	Workgroup string `help:"Workgroup to run in." default:"primary"`
	Results   string `help:"Where result files go. Default: the workgroup's place, else, at a weir, s3://weir-query-results/." placeholder:"S3-URL"`
	Endpoint  string `help:"Endpoint to ask. Default: AWS_ENDPOINT_URL, else a weir on this machine, else one is started on the data directory." placeholder:"URL"`
	Embedded  bool   `help:"Open the data directory in this process, whatever else runs."`
	Data      string `help:"Data directory of a weir that is started for this." default:"./weir-data" type:"path"`
}

// Help is shown by weir sql --help.
func (SQLCmd) Help() string {
	return `The dialect is Athena's: Trino for queries, Hive for everyday data definition (docs/sql.md).

Examples:
  weir sql "SELECT vendorid, count(*) FROM lake.rides GROUP BY 1"
  weir sql -o csv "SELECT * FROM lake.rides WHERE year = 2019" > rides.csv
  weir sql -f report.sql
  weir sql "SELECT count(*) FROM lake.rides FOR LIVE"    with what the table's pipeline has yet to write
  weir sql "SELECT count(*) FROM lake.rides FOR LIVE AS OF TIMESTAMP '2026-01-01 12:00:00'"    and had arrived by then
  weir sql -d lake                                  a shell; \q ends it`
}

// statements runs one statement and returns its result; *session is one.
type statements interface {
	run(ctx context.Context, sql string) (*answer, error)
}

// Run runs the statements, or opens the shell.
func (c *SQLCmd) Run(ctx context.Context) error {
	s, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer done()
	text, err := c.text()
	if err != nil {
		return err
	}
	if text == "" {
		return newShell(s, c.Output).run(ctx)
	}
	return runAll(ctx, s, text, c.Output, os.Stdout)
}

// text is what to run; empty asks for the shell.
func (c *SQLCmd) text() (string, error) {
	if c.Statement != "" && c.File != "" {
		return "", errors.New("give a statement or --file, not both")
	}
	if c.Statement != "" {
		return c.Statement, nil
	}
	in := os.Stdin
	switch {
	case c.File == "" && term.IsTerminal(int(os.Stdin.Fd())):
		return "", nil
	case c.File != "" && c.File != "-":
		f, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	const most = 16 << 20
	raw, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read statements: %w", err)
	case len(raw) > most:
		return "", errors.New("read statements: more than 16 MiB")
	case strings.TrimSpace(string(raw)) == "":
		return "", errors.New("nothing to run: give a statement, --file FILE, or statements on standard input")
	}
	return string(raw), nil
}

// runAll runs statements one after the other and prints each result; the first error ends it.
func runAll(ctx context.Context, s statements, text, format string, w io.Writer) error {
	for _, stmt := range splitStatements(text) {
		a, err := s.run(ctx, stmt)
		if err != nil {
			return err
		}
		if len(a.Columns) == 0 {
			continue
		}
		if err := printers[format](w, a); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
		if a.Note != "" {
			fmt.Fprintln(os.Stderr, a.Note)
		}
	}
	return nil
}

// splitStatements cuts a text at its semicolons, other than those in quotes and comments, and drops what is blank.
func splitStatements(text string) []string {
	var out []string
	start := 0
	add := func(end int) {
		if s := strings.TrimSpace(text[start:end]); s != "" {
			out = append(out, s)
		}
	}
	for i := 0; i < len(text); {
		if text[i] == ';' {
			add(i)
			i++
			start = i
			continue
		}
		i += skipToken(text[i:])
	}
	add(len(text))
	return out
}

// skipToken is the length of the quoted text or comment that s starts with, or 1.
func skipToken(s string) int {
	length := func(from int, closing string) int {
		if n := strings.Index(s[from:], closing); n >= 0 {
			return from + n + len(closing)
		}
		return len(s)
	}
	switch {
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		return length(1, s[:1])
	case strings.HasPrefix(s, "--"):
		return length(2, "\n")
	case strings.HasPrefix(s, "/*"):
		return length(2, "*/")
	}
	return 1
}

// session runs statements through Athena's API.
type session struct {
	api                        *athena.Client
	database, workgroup, place string
}

// open finds the endpoint, or starts a weir on the data directory; done ends that again.
func (c *SQLCmd) open(ctx context.Context) (s *session, done func(), err error) {
	done = func() {}
	if c.Embedded && c.Endpoint != "" {
		return nil, nil, errors.New("--embedded and --endpoint contradict each other")
	}
	endpoint := ""
	if !c.Embedded {
		endpoint = findEndpoint(ctx, c.Endpoint)
	}
	if endpoint == "" {
		if _, err := os.Stat(c.Data); err != nil {
			return nil, nil, fmt.Errorf("no weir answers on http://%s and there is no data directory %s: start one with \"weir serve\", or name one with --data", defaultListen, c.Data)
		}
		h, err := openHouse(ctx, houseConfig{Dir: c.Data, Listen: "127.0.0.1:0"})
		if err != nil {
			return nil, nil, err
		}
		endpoint, done = h.URL, func() {
			if err := h.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "weir: close the data directory:", err)
			}
		}
	}
	cl, err := newClients(ctx, endpoint)
	if err != nil {
		done()
		return nil, nil, err
	}
	s = &session{api: cl.Athena, database: c.Database, workgroup: c.Workgroup, place: c.Results}
	if s.place == "" && isLocal(endpoint) {
		if s.place, err = defaultPlace(ctx, cl, c.Workgroup); err != nil {
			done()
			return nil, nil, err
		}
	}
	return s, done, nil
}

// defaultPlace makes a bucket for results, unless the workgroup has a place of its own.
func defaultPlace(ctx context.Context, cl *clients, workgroup string) (string, error) {
	g, err := cl.Athena.GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: &workgroup})
	if err != nil {
		return "", fmt.Errorf("look up workgroup %s: %w", workgroup, err)
	}
	if c := g.WorkGroup.Configuration; c != nil && c.ResultConfiguration != nil && aws.ToString(c.ResultConfiguration.OutputLocation) != "" {
		return "", nil
	}
	const bucket = "weir-query-results"
	if _, err := cl.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(bucket)}); err != nil {
		if _, err := cl.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			return "", fmt.Errorf("make bucket %s for results: %w", bucket, err)
		}
	}
	return "s3://" + bucket + "/", nil
}

// run starts a statement, waits for it and reads its result; it is stopped when ctx ends.
func (s *session) run(ctx context.Context, sql string) (*answer, error) {
	if db, ok := useStatement(sql); ok {
		s.database = db
		return &answer{}, nil
	}
	in := &athena.StartQueryExecutionInput{QueryString: &sql, WorkGroup: &s.workgroup, QueryExecutionContext: &types.QueryExecutionContext{Database: &s.database}}
	if s.place != "" {
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: &s.place}
	}
	started, err := s.api.StartQueryExecution(ctx, in)
	if err != nil {
		return nil, plainError(err)
	}
	done, err := awaitStatement(ctx, s.api, started.QueryExecutionId)
	if err != nil {
		if ctx.Err() != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = s.api.StopQueryExecution(stop, &athena.StopQueryExecutionInput{QueryExecutionId: started.QueryExecutionId}) // nobody waits any more
		}
		return nil, err
	}
	a := &answer{Scanned: aws.ToInt64(done.Statistics.DataScannedInBytes), Note: aws.ToString(done.Status.StateChangeReason)}
	pages := athena.NewGetQueryResultsPaginator(s.api, &athena.GetQueryResultsInput{QueryExecutionId: started.QueryExecutionId})
	header := aws.ToString(done.SubstatementType) == "SELECT"
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read result: %w", err)
		}
		a.add(page.ResultSet, header)
		header = false
	}
	if len(a.Rows) == 0 && done.StatementType != types.StatementTypeDml {
		a.Columns = nil // data definition: nothing to print
	}
	return a, nil
}

// useStatement recognises USE database, which Athena's API has no statement for.
func useStatement(sql string) (database string, ok bool) {
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(sql), ";"))
	if len(words) != 2 || !strings.EqualFold(words[0], "use") {
		return "", false
	}
	return strings.ToLower(strings.Trim(words[1], "`\"")), true
}

// plainError is an API error without the SDK's preamble.
func plainError(err error) error {
	var invalid *types.InvalidRequestException
	if errors.As(err, &invalid) {
		return errors.New(aws.ToString(invalid.Message))
	}
	return err
}
