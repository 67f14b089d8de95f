package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const partitions = 4

// Versions of the protocol's messages: the last ones before flexible encoding, which needs longer headers.
const (
	createVersion  = 4
	produceVersion = 8
	fetchVersion   = 11
)

// kafka is an Apache Kafka broker: one node that is its own controller.
type kafka struct {
	*process
	lib  string
	addr string
}

func newKafka(tools string) peer { return &kafka{lib: filepath.Join(tools, "kafka", "*")} }

// start formats a log directory and runs the broker, with the heap that its own start script gives it.
func (k *kafka) start(ctx context.Context, dir string) (err error) {
	if k.addr, err = freeAddr(); err != nil {
		return err
	}
	controller, err := freeAddr()
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "server.properties")
	text := "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://" + k.addr + ",CONTROLLER://" + controller +
		"\nadvertised.listeners=PLAINTEXT://" + k.addr + "\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=" + controller +
		"\nlog.dirs=" + filepath.Join(dir, "data") + "\noffsets.topic.replication.factor=1\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	format := exec.CommandContext(ctx, "java", "-cp", k.lib, "kafka.tools.StorageTool", "format", "--standalone", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", config)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format: %w\n%s", err, out)
	}
	if k.process, err = launch(ctx, dir, k.addr, program{
		name: "java", args: []string{"-Xmx1G", "-Xms1G", "-XX:+UseG1GC", "-cp", k.lib, "kafka.Kafka", config},
	}); err != nil {
		return err
	}
	return k.createTopic(ctx)
}

func (k *kafka) pid() int { return k.cmd.Process.Pid }

func (k *kafka) stop() {
	if k.process != nil {
		k.process.stop()
	}
}

// createTopic makes the topic and waits until each partition takes records.
func (k *kafka) createTopic(ctx context.Context) error {
	c, err := dialKafka(k.addr)
	if err != nil {
		return err
	}
	defer c.close()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = streamName, partitions, 1
	req.Topics = append(req.Topics, topic)
	req.TimeoutMillis = 30_000
	req.SetVersion(createVersion)
	answer, err := c.do(encodeKafka(req))
	if err != nil {
		return err
	}
	resp := kmsg.NewPtrCreateTopicsResponse()
	resp.SetVersion(createVersion)
	if err := resp.ReadFrom(answer); err != nil {
		return err
	}
	if code := resp.Topics[0].ErrorCode; code != 0 {
		return fmt.Errorf("create topic: error %d", code)
	}
	w, err := k.putter(0, partitions)
	if err != nil {
		return err
	}
	defer w.close()
	for end := time.Now().Add(30 * time.Second); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if err = w.put(); err == nil || time.Now().After(end) {
			return err
		}
	}
	return ctx.Err()
}

// kafkaConn is a connection with a request that is sent again and again.
type kafkaConn struct {
	c       net.Conn
	request []byte
	buf     []byte
}

func dialKafka(addr string) (*kafkaConn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &kafkaConn{c: c}, nil
}

func (c *kafkaConn) close() { c.c.Close() }

// encodeKafka is a whole request with its size and header.
func encodeKafka(req kmsg.Request) []byte {
	b := make([]byte, 4)
	b = binary.BigEndian.AppendUint16(b, uint16(req.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(req.GetVersion()))
	b = binary.BigEndian.AppendUint32(b, 1) // correlation id: one request is under way at a time
	b = binary.BigEndian.AppendUint16(b, 4)
	b = append(b, "weir"...)
	b = req.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// do sends a request and returns the body of its answer, valid until the next call.
func (c *kafkaConn) do(request []byte) ([]byte, error) {
	if err := c.c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(request); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(c.c, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:])) - 4
	if n < 0 || n > 64<<20 {
		return nil, fmt.Errorf("answer of %d bytes", n)
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, 2*n)
	}
	_, err := io.ReadFull(c.c, c.buf[:n])
	return c.buf[:n], err
}

func (k *kafka) putter(connection, batch int) (putter, error) {
	c, err := dialKafka(k.addr)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(produceVersion)
	req.Acks, req.TimeoutMillis = -1, 30_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = streamName
	for p := range min(partitions, batch) {
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition = int32((connection + p) % partitions)
		part.Records = recordBatch(connection*batch+p, batch/min(partitions, batch))
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	c.request = encodeKafka(req)
	return c, nil
}

// recordBatch encodes n rides from the given one on, not compressed.
func recordBatch(from, n int) []byte {
	now := time.Now().UnixMilli()
	var records []byte
	for i := range n {
		r := kmsg.Record{OffsetDelta: int32(i), Key: []byte(rideKey(from + i)), Value: ride(from + i)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // without the length itself, one byte while it is 0
		records = r.AppendTo(records)
	}
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(n - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(n), Records: records,
	}
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func (c *kafkaConn) put() error {
	answer, err := c.do(c.request)
	if err != nil {
		return err
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.SetVersion(produceVersion)
	if err := resp.ReadFrom(answer); err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return fmt.Errorf("produce to partition %d: error %d", p.Partition, p.ErrorCode)
			}
		}
	}
	return nil
}

// partitionReader reads one partition over and over.
type partitionReader struct {
	*kafkaConn
	partition int32
	offset    int64
}

func (k *kafka) reader(shard int) (reader, error) {
	c, err := dialKafka(k.addr)
	if err != nil {
		return nil, err
	}
	return &partitionReader{kafkaConn: c, partition: int32(shard)}, nil
}

// fetchBytes is as much as GetRecords gives at most.
const fetchBytes = 10 << 20

func (r *partitionReader) read() (records int, err error) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(fetchVersion)
	req.ReplicaID, req.SessionEpoch, req.MinBytes, req.MaxBytes = -1, -1, 0, fetchBytes
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = r.partition, r.offset, fetchBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = streamName, append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	answer, err := r.do(encodeKafka(req))
	if err != nil {
		return 0, err
	}
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(fetchVersion)
	if err := resp.ReadFrom(answer); err != nil {
		return 0, err
	}
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		return 0, fmt.Errorf("fetch: %+v", resp)
	}
	records, next := countRecords(resp.Topics[0].Partitions[0].RecordBatches)
	if r.offset = next; records == 0 {
		r.offset = 0
	}
	return records, nil
}

// countRecords counts those of whole batches, and returns the offset behind them.
func countRecords(b []byte) (records int, next int64) {
	for len(b) >= 61 {
		size := 12 + int(binary.BigEndian.Uint32(b[8:]))
		if size > len(b) {
			break // cut off at the end of the answer
		}
		records += int(binary.BigEndian.Uint32(b[57:]))
		next = int64(binary.BigEndian.Uint64(b)) + int64(binary.BigEndian.Uint32(b[23:])) + 1
		b = b[size:]
	}
	return records, next
}
