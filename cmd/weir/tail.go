package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
)

// TailCmd shows the records of a stream as they arrive.
type TailCmd struct {
	Stream   string   `arg:"" help:"Stream to follow."`
	From     string   `help:"Where to begin: latest, trim-horizon, a time (2026-01-31T12:00:00Z, 2026-01-31, 12:00), or how long ago (10m)." default:"latest" placeholder:"WHEN"`
	Until    string   `help:"Stop at this time, in the same forms; now shows what is there and stops." placeholder:"WHEN"`
	Count    int      `short:"n" help:"Stop after so many records." placeholder:"N"`
	Shard    []string `help:"Only this shard: its id or its number. May be repeated." placeholder:"SHARD"`
	Key      string   `help:"Only records whose partition key matches: a pattern with * and ?, or /a regular expression/." placeholder:"PATTERN"`
	Grep     string   `help:"Only records whose data matches this regular expression." placeholder:"REGEXP"`
	Where    []string `help:"Only records whose JSON holds this: .path, or .path OP VALUE with ==, !=, <, <=, > or >=. May be repeated." sep:"none" placeholder:"CONDITION"`
	Select   string   `help:"Show only this part of JSON data: .path, as in .user.tags[0]." placeholder:"PATH"`
	JSON     bool     `help:"A line of JSON for each record: shard, sequenceNumber, time, key, and data or dataBase64." xor:"form"`
	Raw      bool     `help:"Nothing but the data, one record a line." xor:"form"`
	Pretty   bool     `help:"JSON data over several lines." xor:"form"`
	Endpoint string   `help:"Endpoint to read from. Default: AWS_ENDPOINT_URL, else a weir on this machine, else the data directory itself." placeholder:"URL"`
	Embedded bool     `help:"Open the data directory in this process, whatever else runs."`
	Data     string   `help:"Data directory, when no server runs." default:"./weir-data" type:"path"`
}

// Help is shown by weir tail --help.
func (TailCmd) Help() string {
	return `A line is time, shard, partition key and data. Records of a shard come in order; those of different shards as they are
read. Splits and merges are followed: the shards that come of one begin when all before them was shown. Records that the
KPL aggregated are shown as the records that were given to it. Ctrl-C stops and says how many records there were.

Examples:
  weir tail rides                                        what arrives from now on
  weir tail rides --from trim-horizon --until now        what is there, then stop
  weir tail rides --from 10m --key 'user-*' -n 20        twenty records of the last ten minutes
  weir tail rides --where '.fare_amount > 50' --select .tip_amount
  weir tail rides --json | jq .data.fare_amount
  weir tail rides --raw > rides.ndjson`
}

// Run follows the stream until ctx, the count or the time is over.
func (c *TailCmd) Run(ctx context.Context) error {
	began := time.Now()
	out := newScreen(os.Stdout)
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	view, err := c.view(out, w)
	if err != nil {
		return err
	}
	f, done, err := c.follower(ctx, began)
	if err != nil {
		return err
	}
	defer done()
	if out.tty && c.Until == "" {
		out.printf("%s\n", out.dim("following "+c.Stream+" at "+f.where+"; ctrl-C stops"))
	}
	err = f.follow(ctx, func(shard string, recs []types.Record) (bool, error) {
		more := view.show(shard, recs)
		return more, w.Flush()
	})
	if err = errors.Join(explain(err, c.Stream, f.where), w.Flush()); err != nil && ctx.Err() == nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s, %d %s, %.1f s\n", view.summary(), f.opened, plural(f.opened, "shard"), time.Since(began).Seconds())
	return nil
}

// view is what is shown, and how, by the flags.
func (c *TailCmd) view(out *screen, w *bufio.Writer) (*tailView, error) {
	filter, err := newTailFilter(c.Key, c.Grep, c.Where)
	if err != nil {
		return nil, err
	}
	v := &tailView{filter: filter, left: c.Count, counted: c.Count > 0, w: w}
	if c.Select != "" {
		if v.part, err = parseJSONPath(c.Select); err != nil {
			return nil, fmt.Errorf("--select: %w", err)
		}
	}
	switch {
	case c.JSON:
		v.append = appendJSONLine
	case c.Raw:
		v.append = appendRawLine
	case out.tty || c.Pretty:
		v.append = linePrinter{screen: out, pretty: c.Pretty}.appendLine
	default:
		v.append = appendTabLine
	}
	return v, nil
}

// follower finds the server, or opens the data directory in this process, and says where to begin and to end.
func (c *TailCmd) follower(ctx context.Context, now time.Time) (f *follower, done func(), err error) {
	f = &follower{stream: c.Stream, note: func(text string) { fmt.Fprintln(os.Stderr, "weir:", text) }}
	if f.from, err = parseStart(c.From, now); err != nil {
		return nil, nil, fmt.Errorf("--from: %w", err)
	}
	if c.Until != "" {
		if f.until, err = parseWhen(c.Until, now); err != nil {
			return nil, nil, fmt.Errorf("--until: %w", err)
		}
	}
	for _, s := range c.Shard {
		index, ok := stream.ParseShardID(s)
		if !ok {
			return nil, nil, fmt.Errorf("--shard %s: neither a shard's id nor its number", s)
		}
		f.only = append(f.only, stream.ShardID(index))
	}
	endpoint, done, err := c.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	cl, err := newClients(ctx, endpoint)
	if err != nil {
		done()
		return nil, nil, err
	}
	f.client, f.where, f.pace = cl.Kinesis, endpoint, paceFor(endpoint)
	return f, done, nil
}

// open finds a server, or serves the data directory meanwhile.
func (c *TailCmd) open(ctx context.Context) (endpoint string, done func(), err error) {
	if c.Embedded && c.Endpoint != "" {
		return "", nil, errors.New("--embedded and --endpoint contradict each other")
	}
	if !c.Embedded {
		if endpoint = findEndpoint(ctx, c.Endpoint); endpoint != "" {
			return endpoint, func() {}, nil
		}
	}
	if _, err := os.Stat(c.Data); err != nil {
		return "", nil, fmt.Errorf("no weir answers on http://%s and there is no data directory %s: start one with \"weir serve\", "+
			"or say where to read with --endpoint or --data", defaultListen, c.Data)
	}
	h, err := openHouse(ctx, houseConfig{Dir: c.Data, Listen: defaultListen, ListenElsewhere: true})
	if err != nil {
		return "", nil, err
	}
	fmt.Fprintf(os.Stderr, "no weir is running: serving %s at %s meanwhile\n", c.Data, h.URL)
	return h.URL, func() { h.Close() }, nil
}

// tailStart is where to begin: at a time if it is not zero.
type tailStart struct {
	kind types.ShardIteratorType
	at   time.Time
}

func parseStart(text string, now time.Time) (tailStart, error) {
	switch strings.ReplaceAll(strings.ToLower(text), "_", "-") {
	case "latest":
		return tailStart{kind: types.ShardIteratorTypeLatest}, nil
	case "trim-horizon":
		return tailStart{kind: types.ShardIteratorTypeTrimHorizon}, nil
	}
	at, err := parseWhen(text, now)
	if at.After(now) {
		return tailStart{}, fmt.Errorf("%s is in the future", at.Format(time.RFC3339))
	}
	return tailStart{kind: types.ShardIteratorTypeAtTimestamp, at: at}, err
}

// whenLayouts are the forms of a time; those without a zone are of this machine's.
var whenLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999", "2006-01-02 15:04:05.999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
}

// parseWhen reads a time, a time of today, Unix seconds, now, or how long before now: 10m.
func parseWhen(text string, now time.Time) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(text, "-")); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 1e8 && n < 1e11 {
		return time.Unix(n, 0), nil
	}
	for _, layout := range whenLayouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: 2026-01-31T12:00:00Z, 2026-01-31, 12:00, or 10m for ten minutes ago", text)
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
