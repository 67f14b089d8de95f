package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	apipipelines "github.com/weir-data/weir/api/pipelines"
	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/pipelines"
)

// PipelineCmd looks after the pipelines of a server.
type PipelineCmd struct {
	Create   PipelineCreateCmd   `cmd:"" help:"Keep a pipeline and start it."`
	List     PipelineListCmd     `cmd:"" help:"All pipelines, and how they go."`
	Show     PipelineShowCmd     `cmd:"" help:"One pipeline, and how it goes."`
	Replace  PipelineReplaceCmd  `cmd:"" help:"Give a pipeline another file."`
	Pause    PipelinePauseCmd    `cmd:"" help:"Let a pipeline finish its batch and rest."`
	Resume   PipelineResumeCmd   `cmd:"" help:"Start a pipeline that rests, has failed or is done."`
	Remove   PipelineRemoveCmd   `cmd:"" help:"Stop a pipeline and forget it. Table, dead letters and progress stay."`
	Progress PipelineProgressCmd `cmd:"" help:"The newest micro-batches as lines of JSON."`
}

// Help is shown by weir pipeline --help.
func (PipelineCmd) Help() string {
	return `A server (weir serve) keeps pipelines and runs each in a process of its own. They go on after a restart of the server, and after a
crash. weir run runs a pipeline without keeping it.

Examples:
  weir pipeline create examples/rides/rides.yaml
  weir pipeline list
  weir pipeline progress rides --follow
  weir pipeline pause rides && weir pipeline replace rides.yaml && weir pipeline resume rides`
}

// pipelineClient calls the API of a server; see package api/pipelines.
type pipelineClient struct {
	Endpoint string `help:"Server. Default: AWS_ENDPOINT_URL, else a weir on this machine." placeholder:"URL"`
}

// call makes a call and returns the body of its answer, which the caller closes.
func (c *pipelineClient) call(ctx context.Context, method, path, body string) (io.ReadCloser, error) {
	endpoint := findEndpoint(ctx, c.Endpoint)
	if endpoint == "" {
		return nil, errors.New("no server runs on this machine. Start one with: weir serve, or say where it is with --endpoint URL")
	}
	req, err := http.NewRequestWithContext(ctx, method, endpoint+apipipelines.Path+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	cl, err := newClients(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	keys, err := cl.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("access keys: %w", err)
	}
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(hash[:]), "weir", cl.Config.Region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, explain(err, "", endpoint)
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var refused struct{ Error string }
	if json.Unmarshal(raw, &refused) != nil || refused.Error == "" {
		refused.Error = fmt.Sprintf("%s: %s", resp.Status, bytes.TrimSpace(raw))
	}
	if resp.StatusCode == http.StatusNotFound && strings.Contains(refused.Error, "NoSuchBucket") {
		refused.Error = "it runs no pipelines: it is no weir serve"
	}
	return nil, fmt.Errorf("%s says: %s", endpoint, refused.Error)
}

// status makes a call whose answer is a Status.
func (c *pipelineClient) status(ctx context.Context, method, path, body string) (s pipelines.Status, err error) {
	out, err := c.call(ctx, method, path, body)
	if err != nil {
		return s, err
	}
	defer out.Close()
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		return s, fmt.Errorf("read answer: %w", err)
	}
	return s, nil
}

// say tells of a change.
func say(s pipelines.Status, err error) error {
	if err == nil {
		fmt.Printf("pipeline %s is %s\n", s.Name, s.State)
	}
	return err
}

// PipelineCreateCmd keeps and starts a pipeline.
type PipelineCreateCmd struct {
	pipelineClient
	File   string `arg:"" help:"Pipeline file." type:"existingfile" placeholder:"PIPELINE.yaml"`
	Paused bool   `help:"Only keep it."`
}

// Run checks the file here first, so that errors name its lines.
func (c *PipelineCreateCmd) Run(ctx context.Context) error {
	text, _, err := readPipeline(c.File)
	if err != nil {
		return err
	}
	path := ""
	if c.Paused {
		path = "?paused=true"
	}
	return say(c.status(ctx, http.MethodPost, path, text))
}

func readPipeline(file string) (text, name string, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	p, err := batch.ParsePipeline(file, raw)
	if err != nil {
		return "", "", err
	}
	return string(raw), p.Name, nil
}

// PipelineReplaceCmd gives a pipeline another file.
type PipelineReplaceCmd struct {
	pipelineClient
	File string `arg:"" help:"Pipeline file; its name says which pipeline." type:"existingfile" placeholder:"PIPELINE.yaml"`
}

// Run replaces the file.
func (c *PipelineReplaceCmd) Run(ctx context.Context) error {
	text, name, err := readPipeline(c.File)
	if err != nil {
		return err
	}
	return say(c.status(ctx, http.MethodPut, "/"+url.PathEscape(name), text))
}

// pipelineName is a pipeline of a server.
type pipelineName struct {
	pipelineClient
	Name string `arg:"" help:"Name of the pipeline."`
}

func (c *pipelineName) path(rest string) string { return "/" + url.PathEscape(c.Name) + rest }

// PipelinePauseCmd lets a pipeline rest.
type PipelinePauseCmd struct{ pipelineName }

// Run returns when it rests.
func (c *PipelinePauseCmd) Run(ctx context.Context) error {
	return say(c.status(ctx, http.MethodPost, c.path("/pause"), ""))
}

// PipelineResumeCmd starts a pipeline again.
type PipelineResumeCmd struct{ pipelineName }

// Run starts it.
func (c *PipelineResumeCmd) Run(ctx context.Context) error {
	return say(c.status(ctx, http.MethodPost, c.path("/resume"), ""))
}

// PipelineRemoveCmd forgets a pipeline.
type PipelineRemoveCmd struct{ pipelineName }

// Run returns when it is gone.
func (c *PipelineRemoveCmd) Run(ctx context.Context) error {
	out, err := c.call(ctx, http.MethodDelete, c.path(""), "")
	if err != nil {
		return err
	}
	fmt.Printf("pipeline %s is gone; its table, dead letters and progress are still there\n", c.Name)
	return out.Close()
}

// PipelineListCmd shows all pipelines.
type PipelineListCmd struct {
	pipelineClient
	JSON bool `help:"As JSON."`
}

// Run prints a line for each.
func (c *PipelineListCmd) Run(ctx context.Context) error {
	out, err := c.call(ctx, http.MethodGet, "", "")
	if err != nil {
		return err
	}
	defer out.Close()
	if c.JSON {
		_, err := io.Copy(os.Stdout, out)
		return err
	}
	var all struct{ Pipelines []pipelines.Status }
	if err := json.NewDecoder(out).Decode(&all); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(all.Pipelines) == 0 {
		fmt.Println("no pipelines. Make one with: weir pipeline create PIPELINE.yaml")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tSINCE\tBATCHES\tRECORDS\tDEAD\tRECORDS/S\tBATCH MS\tERROR")
	for _, s := range all.Pipelines {
		rate, took := "", ""
		if s.Last != nil {
			rate, took = human(s.Last.ProcessedRate), fmt.Sprint(s.Last.BatchDuration)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.State, s.Since.Local().Format(time.DateTime),
			count(s.Totals.Batches), count(s.Totals.Records), count(s.Totals.DeadLetters), rate, took, trouble(&s, time.Now()))
	}
	return w.Flush()
}

// trouble is why a pipeline does not go on: for good, or for now.
func trouble(s *pipelines.Status, now time.Time) string {
	if s.Waiting != nil {
		return "waiting: " + s.Waiting.Text(now)
	}
	return s.Error
}

// PipelineShowCmd shows one pipeline.
type PipelineShowCmd struct {
	pipelineName
	File bool `help:"Print its file only."`
	JSON bool `help:"As JSON."`
}

// Run prints it.
func (c *PipelineShowCmd) Run(ctx context.Context) error {
	s, err := c.status(ctx, http.MethodGet, c.path(""), "")
	if err != nil {
		return err
	}
	switch {
	case c.File:
		fmt.Print(s.File)
		return nil
	case c.JSON:
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(s)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "name\t%s\nstate\t%s since %s\n", s.Name, s.State, s.Since.Local().Format(time.DateTime))
	if s.Error != "" {
		fmt.Fprintf(w, "reason\t%s\n", s.Error)
	}
	if s.Waiting != nil {
		fmt.Fprintf(w, "waiting\t%s\n", s.Waiting.Text(time.Now()))
	}
	fmt.Fprintf(w, "created\t%s\nfile changed\t%s\nrestarts after crashes\t%d\n", s.Created.Local().Format(time.DateTime), s.Changed.Local().Format(time.DateTime), s.Restarts)
	fmt.Fprintf(w, "since the server started\t%s records in %s batches, %s dead letters, %s rows dropped as too late\n",
		count(s.Totals.Records), count(s.Totals.Batches), count(s.Totals.DeadLetters), count(s.Totals.RowsLate))
	if r := s.Last; r != nil {
		fmt.Fprintf(w, "newest batch\t%d of %s: %s records in %d ms (%s/s), %s rows written\n",
			r.BatchID, r.Timestamp, count(r.NumInputRows), r.BatchDuration, human(r.ProcessedRate), count(r.Sink.NumOutputRows))
	}
	return w.Flush()
}

// PipelineProgressCmd prints reports.
type PipelineProgressCmd struct {
	pipelineName
	After  int64 `help:"Only batches after this one." default:"-1"`
	Follow bool  `help:"Go on as batches come." short:"f"`
}

// Run prints them as they come.
func (c *PipelineProgressCmd) Run(ctx context.Context) error {
	path := fmt.Sprintf("/progress?after=%d&follow=%t", c.After, c.Follow)
	out, err := c.call(ctx, http.MethodGet, c.path(path), "")
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(os.Stdout, out)
	return cmp.Or(ctx.Err(), err)
}
