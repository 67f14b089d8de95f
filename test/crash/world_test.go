package crash

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	at "github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	ft "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gt "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kt "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

const (
	streamName   = "crash-stream"
	deliveryName = "crash-delivery"
	bucketName   = "crash-lake"
)

// built is the weir that all tests of the package run, built once; file is empty before.
var built struct {
	once sync.Once
	file string
	err  error
}

func weirBinary(t *testing.T) string {
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "weir-crash-")
		if err != nil {
			built.err = err
			return
		}
		built.file = filepath.Join(dir, "weir")
		msg, err := exec.Command("go", "build", "-o", built.file, "github.com/weir-data/weir/cmd/weir").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build weir: %w\n%s", err, msg)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.file
}

// world is one data directory, one address and the processes that were started on them.
type world struct {
	t      *testing.T
	dir    string
	addr   string
	url    string
	cfg    aws.Config
	binary string

	unsigned bool // the server verifies no requests
}

// freeAddress is one at which a server may listen again and again: system calls that choose a port freely do not choose it while the server
// is down, neither for another test's server nor for the client's own end of a connection.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000)))
		if err == nil {
			ln.Close()
			return ln.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func newWorld(t *testing.T) *world {
	addr := freeAddress(t)
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithLogger(logging.Nop{}), config.WithRegion("us-east-1"), config.WithBaseEndpoint("http://"+addr),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("crash", "crash", "")), config.WithRetryMaxAttempts(10))
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, dir: t.TempDir(), addr: addr, url: "http://" + addr, cfg: cfg, binary: weirBinary(t)}
}

// process is a running weir command.
type process struct {
	cmd  *exec.Cmd
	out  *tail
	done chan error
}

// tail keeps the last output of a process.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (o *tail) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf = append(o.buf, p...); len(o.buf) > 64<<10 {
		o.buf = o.buf[len(o.buf)-32<<10:]
	}
	return len(p), nil
}

// start runs weir with args; "serve" returns when the server answers.
func (w *world) start(name string, args ...string) *process {
	w.t.Helper()
	p := &process{cmd: exec.Command(w.binary, args...), out: new(tail), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.Dir = w.dir
	p.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	if !w.unsigned {
		p.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=crash", "AWS_SECRET_ACCESS_KEY=crash", "AWS_REGION=us-east-1")
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	w.t.Cleanup(func() {
		p.cmd.Process.Kill()
		if w.t.Failed() {
			w.t.Logf("last output of weir %s:\n%s", name, p.output())
		}
	})
	if name == "serve" {
		w.awaitUp(p)
	}
	return p
}

func (w *world) awaitUp(p *process) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", w.addr); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-p.done:
			w.t.Fatalf("weir serve ended: %v\n%s", err, p.output())
		default:
		}
	}
	w.t.Fatalf("weir serve does not answer on %s\n%s", w.addr, p.output())
}

func (p *process) output() string {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return string(p.out.buf)
}

func (p *process) kill() {
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) wait(ctx context.Context) error {
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended says whether the process is gone.
func (p *process) ended() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

func (w *world) ackLog() string { return filepath.Join(w.dir, "acked.txt") }

// pipelineFile is a pipeline with a short trigger, so that kills hit every phase of a batch.
func (w *world) pipelineFile() string {
	name := filepath.Join(w.dir, "pipeline.yaml")
	text := `name: crash
source:
  stream: ` + streamName + `
  start: trim-horizon
  format: json
  schema:
    uuid: string
    event_date: timestamp
    status: string
    phone: long
query: SELECT uuid, event_date, status, phone, hour(event_date) AS hour FROM source
sink:
  delta: s3://` + bucketName + `/pipeline
  table: crash.pipeline
  partition_by: [status]
  mode: append
trigger: 200 milliseconds
dead_letters: s3://` + bucketName + `/_dead/pipeline
`
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// provision makes the stream, the bucket, the table and the delivery stream.
func (w *world) provision(ctx context.Context, encrypted bool) {
	w.t.Helper()
	k := kinesis.NewFromConfig(w.cfg)
	_, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(streamName), ShardCount: aws.Int32(4)})
	w.must("create stream", err)
	w.must("wait for stream", kinesis.NewStreamExistsWaiter(k, quickly).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(streamName)}, time.Minute))
	if encrypted {
		_, err = k.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{
			StreamName: aws.String(streamName), EncryptionType: kt.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis"),
		})
		w.must("encrypt stream", err)
	}
	_, err = w.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
	w.must("create bucket", err)
	g := glue.NewFromConfig(w.cfg)
	_, err = g.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &gt.DatabaseInput{Name: aws.String("crash")}})
	w.must("create database", err)
	_, err = g.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("crash"), TableInput: &gt.TableInput{
		Name: aws.String("delivery"), TableType: aws.String("EXTERNAL_TABLE"), Parameters: map[string]string{"classification": "parquet"},
		StorageDescriptor: &gt.StorageDescriptor{
			Columns: []gt.Column{{Name: aws.String("uuid"), Type: aws.String("string")}, {Name: aws.String("status"), Type: aws.String("string")},
				{Name: aws.String("phone"), Type: aws.String("bigint")}},
			Location:     aws.String("s3://" + bucketName + "/delivery/"),
			InputFormat:  aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"),
			OutputFormat: aws.String("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"),
			SerdeInfo:    &gt.SerDeInfo{SerializationLibrary: aws.String("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")},
		}}})
	w.must("create table", err)
	role := aws.String("arn:aws:iam::000000000000:role/crash")
	_, err = firehose.NewFromConfig(w.cfg).CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{
		DeliveryStreamName: aws.String(deliveryName), DeliveryStreamType: ft.DeliveryStreamTypeKinesisStreamAsSource,
		KinesisStreamSourceConfiguration: &ft.KinesisStreamSourceConfiguration{RoleARN: role,
			KinesisStreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/" + streamName)},
		ExtendedS3DestinationConfiguration: &ft.ExtendedS3DestinationConfiguration{
			BucketARN: aws.String("arn:aws:s3:::" + bucketName), RoleARN: role, Prefix: aws.String("delivery/"), ErrorOutputPrefix: aws.String("errors/"),
			BufferingHints: &ft.BufferingHints{IntervalInSeconds: aws.Int32(1), SizeInMBs: aws.Int32(64)},
			DataFormatConversionConfiguration: &ft.DataFormatConversionConfiguration{Enabled: aws.Bool(true),
				InputFormatConfiguration:  &ft.InputFormatConfiguration{Deserializer: &ft.Deserializer{OpenXJsonSerDe: &ft.OpenXJsonSerDe{}}},
				OutputFormatConfiguration: &ft.OutputFormatConfiguration{Serializer: &ft.Serializer{ParquetSerDe: &ft.ParquetSerDe{}}},
				SchemaConfiguration:       &ft.SchemaConfiguration{RoleARN: role, DatabaseName: aws.String("crash"), TableName: aws.String("delivery"), Region: aws.String("us-east-1")},
			}}})
	w.must("create delivery stream", err)
}

// quickly has a waiter look again soon.
func quickly(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }

func (w *world) s3() *s3.Client {
	return s3.NewFromConfig(w.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func (w *world) must(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// stream is what a stream holds: its sequence numbers, and how often each id occurs.
type stream struct {
	seqs map[string]bool
	ids  map[string]int
}

// streamed reads the whole stream through GetRecords and checks the order within each shard.
func (w *world) streamed(ctx context.Context) stream {
	w.t.Helper()
	k := kinesis.NewFromConfig(w.cfg)
	s := stream{map[string]bool{}, map[string]int{}}
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(streamName)})
	w.must("list shards", err)
	for _, shard := range shards.Shards {
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String(streamName), ShardId: shard.ShardId, ShardIteratorType: kt.ShardIteratorTypeTrimHorizon})
		w.must("get iterator", err)
		last := ""
		for next := it.ShardIterator; next != nil; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			w.must("get records", err)
			for _, r := range out.Records {
				if seq := *r.SequenceNumber; seq <= last {
					w.t.Errorf("%s: %s after %s", *shard.ShardId, seq, last)
				} else if last = seq; s.seqs[seq] {
					w.t.Errorf("sequence number %s twice", seq)
				}
				s.seqs[last] = true
				s.ids[idOf(w.t, r.Data)]++
			}
			if len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
				break
			}
			next = out.NextShardIterator
		}
	}
	return s
}

// idOf takes the uuid out of a user record.
func idOf(t *testing.T, data []byte) string {
	_, rest, ok := strings.Cut(string(data), `"uuid"`)
	if !ok {
		t.Fatalf("record without a uuid: %.100s", data)
	}
	parts := strings.SplitN(rest, `"`, 3)
	if len(parts) < 3 {
		t.Fatalf("record without a uuid: %.100s", data)
	}
	return parts[1]
}

// acked reads the producer's log of acknowledged sequence numbers: shard, blank, number on each line.
func (w *world) acked() []string {
	f, err := os.Open(w.ackLog())
	w.must("open ack log", err)
	defer f.Close()
	var seqs []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if _, seq, ok := strings.Cut(s.Text(), " "); ok {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// settle waits until both tables hold n rows, or have stopped growing for a while.
func (w *world) settle(ctx context.Context, n int, pipeline *process) {
	w.t.Helper()
	last, still := "", 0
	for still < 20 {
		if pipeline.ended() {
			w.t.Fatalf("the pipeline ended:\n%s", pipeline.output())
		}
		now := w.countOf(ctx, "crash.pipeline") + " " + w.countOf(ctx, "crash.delivery")
		if now == fmt.Sprintf("%d %d", n, n) {
			return
		}
		if now == last {
			still++
		} else {
			last, still = now, 0
		}
		time.Sleep(300 * time.Millisecond) // between two looks at a live system
	}
	w.t.Logf("tables stopped growing at %s rows, the stream has %d", last, n)
}

func (w *world) countOf(ctx context.Context, table string) string {
	rows := w.ask(ctx, "SELECT count(*) FROM "+table)
	return rows[1][0]
}

func (w *world) idsOf(ctx context.Context, table string) map[string]int {
	ids := map[string]int{}
	for _, row := range w.ask(ctx, "SELECT uuid FROM "+table)[1:] {
		ids[row[0]]++
	}
	return ids
}

// ask runs a statement through Athena and reads the CSV that it left in S3, header first.
func (w *world) ask(ctx context.Context, sql string) [][]string {
	w.t.Helper()
	a := athena.NewFromConfig(w.cfg)
	started, err := a.StartQueryExecution(ctx, &athena.StartQueryExecutionInput{QueryString: aws.String(sql),
		ResultConfiguration: &at.ResultConfiguration{OutputLocation: aws.String("s3://" + bucketName + "/_results/")}})
	w.must(sql, err)
	for {
		out, err := a.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: started.QueryExecutionId})
		w.must(sql, err)
		q := out.QueryExecution
		switch q.Status.State {
		case at.QueryExecutionStateSucceeded:
			_, key, _ := strings.Cut(strings.TrimPrefix(*q.ResultConfiguration.OutputLocation, "s3://"), "/")
			obj, err := w.s3().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String(key)})
			w.must("result of "+sql, err)
			defer obj.Body.Close()
			rows, err := csv.NewReader(obj.Body).ReadAll()
			w.must("result of "+sql, err)
			return rows
		case at.QueryExecutionStateFailed, at.QueryExecutionStateCancelled:
			if strings.Contains(aws.ToString(q.Status.StateChangeReason), "TABLE_NOT_FOUND") {
				return [][]string{{""}, {"no table yet"}}
			}
			w.t.Fatalf("%s: %s", sql, aws.ToString(q.Status.StateChangeReason))
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%s: %v", sql, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// checkData runs weir check on the data directory that is left.
func (w *world) checkData() {
	out, err := exec.Command(w.binary, "check", "--data", filepath.Join(w.dir, "data")).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) || err != nil {
		w.t.Errorf("weir check: %v\n%s", err, out)
	}
}
