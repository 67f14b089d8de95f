package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/weir-data/weir/internal/load"
)

const streamName = "bench"

// kinesis is a server that speaks the Kinesis API in JSON 1.1 over HTTP/1.1.
type kinesis struct {
	*process
	addr   string
	listen func(addr string) (program, error)
}

func newKinesalite(tools string) peer {
	return &kinesis{listen: func(addr string) (program, error) {
		return program{name: "node", args: []string{filepath.Join(tools, "node_modules/kinesalite/cli.js"), "--port", port(addr)}}, nil
	}}
}

func newKinesisLocal(tools string) peer {
	return &kinesis{listen: func(addr string) (program, error) {
		other, err := freeAddr() // it wants one for TLS too
		env := []string{"KINESIS_MOCK_PLAIN_PORT=" + port(addr), "KINESIS_MOCK_TLS_PORT=" + port(other), "LOG_LEVEL=ERROR"}
		return program{name: "node", args: []string{"main.js"}, env: env, in: filepath.Join(tools, "node_modules/kinesis-local")}, err
	}}
}

func newWeir(binary string) peer {
	return &kinesis{listen: func(addr string) (program, error) {
		return program{name: binary, args: []string{"serve", "--listen", addr, "--data", "data"}, env: []string{"AWS_ACCESS_KEY_ID="}}, nil
	}}
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "" // there was none
	}
	return p
}

func (k *kinesis) start(ctx context.Context, dir string) (err error) {
	if k.addr, err = freeAddr(); err != nil {
		return err
	}
	prog, err := k.listen(k.addr)
	if err != nil {
		return err
	}
	if k.process, err = launch(ctx, dir, k.addr, prog); err != nil {
		return err
	}
	if err := k.call("CreateStream", map[string]any{"StreamName": streamName, "ShardCount": 4}, nil); err != nil {
		return err
	}
	for ctx.Err() == nil {
		var out struct {
			StreamDescriptionSummary struct{ StreamStatus string }
		}
		if err := k.call("DescribeStreamSummary", map[string]any{"StreamName": streamName}, &out); err != nil {
			return err
		}
		if out.StreamDescriptionSummary.StreamStatus == "ACTIVE" {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}

func (k *kinesis) pid() int { return k.cmd.Process.Pid }

func (k *kinesis) stop() {
	if k.process != nil {
		k.process.stop()
	}
}

// request encodes a call. None of the peers verifies the signature, but some want one to be there.
func (k *kinesis) request(operation string, body []byte) []byte {
	return load.Request(k.addr, "/", body,
		load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202." + operation},
		load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"},
		load.Header{Name: "X-Amz-Date", Value: time.Now().UTC().Format("20060102T150405Z")},
		load.Header{Name: "Authorization", Value: "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/kinesis/aws4_request, " +
			"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=00"})
}

func (k *kinesis) call(operation string, in map[string]any, out any) error {
	c, err := k.dial()
	if err != nil {
		return err
	}
	defer c.close()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := c.do(k.request(operation, body))
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// conn is a connection; what is not a success is an error.
type conn struct {
	c       *load.Conn
	request []byte
}

func (k *kinesis) dial() (*conn, error) {
	c, err := load.Dial(k.addr)
	if err != nil {
		return nil, err
	}
	return &conn{c: c}, nil
}

func (c *conn) do(request []byte) ([]byte, error) {
	resp, err := c.c.Do(request)
	if err != nil {
		return nil, err
	}
	if resp.Status != 200 || bytes.Contains(resp.Body, []byte(`"ErrorCode":"`)) {
		return nil, fmt.Errorf("status %d: %.300s", resp.Status, resp.Body)
	}
	return resp.Body, nil
}

func (c *conn) put() error {
	_, err := c.do(c.request)
	return err
}

func (c *conn) close() { c.c.Close() }

func (k *kinesis) putter(connection, batch int) (putter, error) {
	c, err := k.dial()
	if err != nil {
		return nil, err
	}
	entry := func(i int) string {
		return fmt.Sprintf(`"Data":"%s","PartitionKey":"%s"`, base64.StdEncoding.EncodeToString(ride(i)), rideKey(i))
	}
	if batch == 1 {
		c.request = k.request("PutRecord", []byte(`{"StreamName":"`+streamName+`",`+entry(connection)+`}`))
		return c, nil
	}
	var b bytes.Buffer
	b.WriteString(`{"StreamName":"` + streamName + `","Records":[`)
	for i := range batch {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("{" + entry(connection*batch+i) + "}")
	}
	b.WriteString("]}")
	c.request = k.request("PutRecords", b.Bytes())
	return c, nil
}

// shardReader reads one shard over and over.
type shardReader struct {
	*conn
	k        *kinesis
	shard    int
	iterator string
}

func (k *kinesis) reader(shard int) (reader, error) {
	c, err := k.dial()
	if err != nil {
		return nil, err
	}
	return &shardReader{conn: c, k: k, shard: shard}, nil
}

func (r *shardReader) read() (records int, err error) {
	if r.iterator == "" {
		var out struct{ ShardIterator string }
		in := map[string]any{"StreamName": streamName, "ShardId": fmt.Sprintf("shardId-%012d", r.shard), "ShardIteratorType": "TRIM_HORIZON"}
		if err := r.k.call("GetShardIterator", in, &out); err != nil {
			return 0, err
		}
		r.iterator = out.ShardIterator
	}
	answer, err := r.do(r.k.request("GetRecords", []byte(`{"ShardIterator":"`+r.iterator+`"}`)))
	if err != nil {
		return 0, err
	}
	n := load.Count(answer, "SequenceNumber")
	r.iterator = string(load.Member(answer, "NextShardIterator"))
	if n == 0 {
		r.iterator = ""
	}
	return n, nil
}
