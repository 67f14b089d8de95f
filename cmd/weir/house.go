package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-data/weir/access"
	"github.com/weir-data/weir/api/athena"
	"github.com/weir-data/weir/api/cloudwatch"
	"github.com/weir-data/weir/api/firehose"
	"github.com/weir-data/weir/api/glue"
	"github.com/weir-data/weir/api/iam"
	"github.com/weir-data/weir/api/kinesis"
	apipipelines "github.com/weir-data/weir/api/pipelines"
	"github.com/weir-data/weir/api/s3"
	"github.com/weir-data/weir/api/sts"
	"github.com/weir-data/weir/batch"
	batchdelta "github.com/weir-data/weir/batch/delta"
	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/crawler"
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/internal/keyring"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/pipelines"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/query/duckdb"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// house is everything that lives on one data directory, and the front door to it.
type house struct {
	URL string

	cfg       houseConfig
	keys      []access.Key
	meta      *meta.Store
	metrics   *metrics.Registry
	streams   *stream.Store
	objects   *file.Store
	catalog   *catalog.Store
	crawlers  *crawler.Runner
	access    *access.Store
	delivery  *delivery.Streams
	channels  *delivery.Channels
	queries   *query.Service
	pipelines *pipelines.Manager   // nil if this house runs none
	workers   *batchduckdb.Workers // change tables
	socket    string               // for processes of this house; see openInside

	closers closers
	stop    context.CancelFunc
	served  chan struct{} // closed when the listener has stopped
	failed  error         // why it stopped; to be read after served
}

// openHouse opens the data directory, recovers what a crash left, and listens.
func openHouse(ctx context.Context, cfg houseConfig) (_ *house, err error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	keys, err := cfg.keys()
	if err != nil {
		return nil, err
	}
	cfg.Account = cmp.Or(cfg.Account, access.AccountOf(keys), "000000000000")
	h := &house{cfg: cfg, keys: keys, served: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.closers.close())
		}
	}()
	ln, err := cfg.listen(len(h.keys) > 0)
	if err != nil {
		return nil, err
	}
	h.closers.add(func() error { ln.Close(); return nil })
	for _, step := range []func() error{h.openMeta, h.openStreams, h.openTables, h.openDelivery, h.openQueries, h.openInside} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if cfg.Pipelines {
		if err := h.openPipelines(); err != nil {
			return nil, err
		}
	}
	handler, err := h.handler()
	if err != nil {
		return nil, err
	}
	h.serve(ln, handler)
	return h, nil
}

// Close finishes what is under way and releases the directory.
func (h *house) Close() error {
	h.stop()
	<-h.served
	return errors.Join(h.failed, h.closers.close())
}

func (h *house) dir(names ...string) string {
	return filepath.Join(append([]string{h.cfg.Dir}, names...)...)
}

func (h *house) openMeta() (err error) {
	if err := os.MkdirAll(h.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if h.meta, err = meta.Open(vfs.Default, h.dir("meta")); errors.Is(err, fs.ErrPermission) {
		return explain(err, "", "")
	} else if err != nil {
		return fmt.Errorf("%w (does another weir use %s? stop it, or give another folder with --data)", err, h.cfg.Dir)
	}
	h.closers.add(h.meta.Close)
	if h.metrics, err = metrics.Open(metrics.Options{Meta: h.meta}); err != nil {
		return err
	}
	h.closers.add(h.metrics.Close)
	h.access, err = access.Open(access.Options{Meta: h.meta, Account: h.cfg.Account, Keys: h.keys})
	return err
}

func (h *house) openStreams() (err error) {
	var limits stream.Limits
	if h.cfg.limited() {
		limits = stream.Limits{Records: 1000, Bytes: 1 << 20}
	}
	h.streams, err = stream.Open(stream.Options{
		Dir: h.dir("streams"), Meta: h.meta, Metrics: h.metrics, Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger,
		Limits: limits, RetentionMost: h.cfg.Retention,
		Keys: keyring.New(keyring.Options{Dir: cmp.Or(h.cfg.Keys, h.dir("keys")), Region: h.cfg.Region, Account: h.cfg.Account}),
	})
	if err != nil {
		return err
	}
	h.closers.add(h.streams.Close)
	return nil
}

func (h *house) openTables() (err error) {
	if h.objects, err = file.Open(h.dir("objects"), h.meta, file.Options{}); err != nil {
		return err
	}
	h.closers.add(h.objects.Close)
	if h.catalog, err = catalog.New(h.meta, catalog.Options{}); err != nil {
		return err
	}
	h.crawlers = crawler.New(h.catalog, h.objects, crawler.Options{})
	h.closers.add(h.crawlers.Close)
	return nil
}

func (h *house) openDelivery() error {
	m, err := meta.Open(vfs.Default, h.dir("firehose", "meta"))
	if err != nil {
		return err
	}
	h.closers.add(m.Close)
	direct, err := stream.Open(stream.Options{
		Dir: h.dir("firehose"), Meta: m, Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger,
	})
	if err != nil {
		return err
	}
	h.closers.add(direct.Close)
	h.delivery, err = delivery.Open(delivery.Options{
		Meta: h.meta, Objects: h.objects, Log: directLog{direct}, Tables: h.catalog, Metrics: h.metrics,
		Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger,
		Stream: func(_ context.Context, name string) (batch.Source, error) {
			return batchstream.NewWith(h.streams, name, batch.UnpackAll), nil
		},
	})
	if err != nil {
		return err
	}
	h.closers.add(h.delivery.Close)
	h.channels, err = delivery.OpenChannels(delivery.Options{
		Meta: h.meta, Objects: h.objects, Metrics: h.metrics, Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger,
		Stream: func(_ context.Context, name string) (batch.Source, error) {
			return batchstream.NewWith(h.streams, name, batch.KeepPacked), nil
		},
	})
	if err != nil {
		return err
	}
	h.closers.add(h.channels.Close)
	return nil
}

func (h *house) openQueries() (err error) {
	tmp := h.dir("tmp", "query")
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o755)); err != nil { // what a crash left there is of no use
		return fmt.Errorf("data directory: %w", err)
	}
	// Users' statements run in processes of their own: a crash of native code there takes no stream down.
	engine := duckdb.New(duckdb.Options{TempDir: tmp, Dirs: []string{h.dir("objects")}})
	h.closers.add(engine.Close)
	h.workers = batchduckdb.NewWorkers(batchduckdb.WorkersOptions{Dir: batchdelta.StagingDir(h.objects), TempDir: tmp})
	h.closers.add(func() error { h.workers.Close(); return nil })
	workers := &liveWorkers{socket: func() string { return h.socket }, region: h.cfg.Region, scratch: batchdelta.StagingDir(h.objects)}
	h.closers.add(workers.Close)
	tails := &liveTables{
		meta: h.meta, objects: h.objects, state: func(name string) string { return h.dir("pipelines", name) }, workers: workers, now: time.Now,
	}
	changes := &changer{objects: h.objects, workers: h.workers}
	h.queries, err = query.New(query.Options{
		Meta: h.meta, Catalog: h.catalog, Objects: h.objects, Engine: engine, Changer: changes, Live: tails, CacheDir: h.dir("tmp", "cache"),
		Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger, Observe: observeQuery(h.metrics, h.publishesMetrics),
	})
	if err != nil {
		return err
	}
	h.closers.add(h.queries.Close)
	return nil
}

// publishesMetrics says whether a workgroup wants metrics of its queries; one that is gone by now does not.
func (h *house) publishesMetrics(workgroup string) bool {
	g, err := h.queries.WorkGroup(workgroup)
	return err == nil && g.Metrics
}

// handler is the front door: health and metrics, then the AWS services, then S3.
func (h *house) handler() (http.Handler, error) {
	var front *wire.Server
	bucket := s3.New(s3.Options{
		Store: h.objects, Region: h.cfg.Region, Account: h.cfg.Account, Logger: h.cfg.Logger,
		Authenticate: func(r *http.Request) (*http.Request, error) { return front.Authenticate(r) },
	})
	opts := wire.Options{Account: h.cfg.Account, Region: h.cfg.Region, Fallback: bucket, Logger: h.cfg.Logger}
	if len(h.keys) > 0 {
		opts.Credentials = sts.Credentials(h.access)
	}
	all, err := h.services()
	if err != nil {
		return nil, err
	}
	front, err = wire.NewServer(opts, all...)
	if err != nil {
		return nil, err
	}
	guard := wire.GuardOptions{
		Verified: len(h.keys) > 0,
		Allow:    func(r *http.Request) bool { return front.ForFallback(r) && bucket.Allows(r) },
	}
	pages := &operatorPages{measured: h.metrics, verified: len(h.keys) > 0}
	if h.pipelines != nil {
		pages.pipelines = apipipelines.Handler(apipipelines.Options{Manager: h.pipelines, Verify: func(r *http.Request, body []byte) (*http.Request, error) {
			return front.Verify(r, "weir", body)
		}})
	}
	return wire.Guard(guard, pages.handler(front)), nil
}

// services are the AWS services of a house.
func (h *house) services() ([]wire.Service, error) {
	streams, err := kinesis.Service(kinesis.Options{Streams: h.streams, Meta: h.meta, Channels: h.channels, Limits: h.cfg.limited()})
	if err != nil {
		return nil, err
	}
	return []wire.Service{
		streams,
		firehose.Service(h.delivery),
		glue.Service(h.catalog, h.crawlers),
		athena.Service(h.queries),
		cloudwatch.Service(h.metrics, cloudwatch.Options{}),
		sts.Service(h.access),
		iam.Service(h.access),
	}, nil
}

func (h *house) serve(ln net.Listener, handler http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	h.URL = "http://" + ln.Addr().String()
	go func() {
		defer close(h.served)
		h.failed = wire.Serve(ctx, ln, handler)
	}()
}

// limited says in the banner which limits hold.
func (h *house) limited() string {
	if h.cfg.limited() {
		return "limits of AWS hold"
	}
	return "limits off"
}

// verified says in the banner who may use the server.
func (h *house) verified() string {
	if n := len(h.keys); n > 0 {
		return fmt.Sprintf("requests signed by %d access key(s)", n)
	}
	return "requests are not verified"
}
