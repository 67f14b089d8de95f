package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"
	"time"

	"github.com/weir-data/weir/access"
)

// ServeCmd serves all APIs until ctrl-C.
type ServeCmd struct {
	Listen      string        `help:"Address to listen on." default:"127.0.0.1:4566"`
	Data        string        `help:"Data directory." default:"./weir-data" type:"path"`
	Keys        string        `help:"Folder of the keys of streams that are encrypted at rest; on another disk than the data it protects more. Default: keys in the data directory." type:"path" placeholder:"DIR"`
	Credentials string        `help:"File with access keys (aws.cfg or ~/.aws/credentials style); every request must then be signed. Keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY count too." type:"existingfile" placeholder:"FILE"`
	Insecure    bool          `help:"Listen on an address of the network although requests are not verified."`
	Limits      string        `help:"Limits of Kinesis: aws (per shard, call and account, as AWS has them, with its throttling answers) or off. Default: off on loopback, aws elsewhere." enum:",aws,off" default:"" placeholder:"aws|off"`
	Region      string        `help:"Region in names and answers." default:"us-east-1"`
	Account     string        `help:"Account in names and answers, 12 digits. Default: aws_account_id of the default profile in the credentials, else 000000000000." placeholder:"ID"`
	Verbose     bool          `help:"Log more." short:"v"`
	Retention   time.Duration `help:"Records of streams expire after this time, however long their stream keeps them: for long runs on small disks." hidden:""`
	CPUProfile  string        `help:"File that gets a CPU profile of the whole run." type:"path" hidden:""`
}

// Help is shown by weir serve --help.
func (ServeCmd) Help() string {
	return `Examples:
  weir serve                                   for this machine only, data in ./weir-data
  weir serve --data /var/lib/weir --credentials aws.cfg --listen 0.0.0.0:4566
  weir serve --limits aws                      a rehearsal for AWS: producers and consumers are throttled as there

Then, in any program that uses an AWS SDK:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1`
}

// Run opens the data directory, says where it listens and serves until ctx is done.
func (c *ServeCmd) Run(ctx context.Context) error {
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if c.CPUProfile != "" {
		stop, err := profileCPU(c.CPUProfile)
		if err != nil {
			return err
		}
		defer stop()
	}
	began := time.Now()
	h, err := openHouse(ctx, houseConfig{
		Dir: c.Data, Keys: c.Keys, Listen: c.Listen, Credentials: c.Credentials, Environment: true, Insecure: c.Insecure,
		Limits: c.Limits, Region: c.Region, Account: c.Account, Retention: c.Retention, Pipelines: true, Logger: logger,
	})
	if err != nil {
		return err
	}
	fmt.Printf("weir is ready at %s (data in %s, %s, %s, started in %d ms)\n",
		h.URL, c.Data, h.verified(), h.limited(), time.Since(began).Milliseconds())
	select {
	case <-ctx.Done():
	case <-h.served:
	}
	return h.Close()
}

// profileCPU writes a profile to a file until stop is called.
func profileCPU(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// houseConfig says how to open a house. Region and Account have defaults.
type houseConfig struct {
	Dir             string
	Listen          string
	ListenElsewhere bool   // on another port if Listen is taken
	Keys            string // folder; empty: keys in Dir
	Credentials     string // file; empty: none
	Environment     bool   // take keys from the environment too
	Insecure        bool
	Limits          string // aws, off, or empty: by the address
	Region          string
	Account         string
	Retention       time.Duration // of records, at most; zero: streams decide
	Pipelines       bool          // run those of the data directory
	Logger          *slog.Logger
}

// keys are the access keys that requests must be signed with; none means that nothing is verified.
func (c *houseConfig) keys() ([]access.Key, error) {
	var keys []access.Key
	if c.Environment {
		keys = access.FromEnvironment(os.Getenv)
	}
	if c.Credentials != "" {
		more, err := access.ReadFile(c.Credentials)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

// listen opens the port. An address of the network needs keys, or the word that none are wanted.
func (c *houseConfig) listen(verified bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: it should be HOST:PORT, as in %s", c.Listen, defaultListen)
	}
	if !verified && !c.Insecure && !loopback(host) {
		return nil, fmt.Errorf("refusing to listen on %s: anyone there could read and write. Give access keys with --credentials FILE, or say --insecure", c.Listen)
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil && c.ListenElsewhere {
		ln, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, fmt.Errorf("%w (is another weir running? choose another port with --listen)", err)
	}
	return ln, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// limited says whether AWS's limits hold: if nothing was said, for callers from the network.
func (c *houseConfig) limited() bool {
	if c.Limits != "" {
		return c.Limits == "aws"
	}
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && !loopback(host)
}

// closers run in the opposite order in which they were added.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c closers) close() error {
	var err error
	for i := len(c) - 1; i >= 0; i-- {
		err = errors.Join(err, c[i]())
	}
	return err
}
