package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// putRun is one measurement of writing.
type putRun struct {
	shape       putShape
	connections int
	shards      int
	signed      bool
	encrypted   bool
	note        string
}

var rides = putShape{records: benchBatch, bytes: benchRecord}

// benchPut measures durable PutRecords through HTTP.
func benchPut(b *bench) error {
	return b.putEach(putRun{shape: rides, shards: 4, note: "500 records of 450 B a call, answered when synced"})
}

// benchPutOne measures PutRecord, each record answered when it is synced.
func benchPutOne(b *bench) error {
	return b.putEach(putRun{shape: putShape{1, benchRecord, true}, shards: 4, note: "one record of 450 B a call, answered when synced"})
}

func (b *bench) putEach(r putRun) error {
	for _, r.connections = range b.Connections {
		if err := b.put(r); err != nil {
			return err
		}
	}
	return nil
}

// benchPutSigned is benchPut with every request's signature and body hash checked.
func benchPutSigned(b *bench) error {
	return b.put(putRun{shape: rides, shards: 4, connections: 8, signed: true, note: "every signature and body hash verified"})
}

// benchPutEncrypted is benchPut into a stream whose records are encrypted on disk.
func benchPutEncrypted(b *bench) error {
	return b.put(putRun{shape: rides, shards: 4, connections: 8, encrypted: true, note: "AES-256-GCM at rest"})
}

// benchPutSizes measures larger records; nine of a mebibyte are what a call may hold with its keys.
func benchPutSizes(b *bench) error {
	for _, shape := range []putShape{{500, 1 << 10, false}, {9, 1<<20 - 256, false}} {
		// More connections would only fill the queue of the log and be throttled.
		if err := b.put(putRun{shape: shape, shards: 4, connections: 4, note: fmt.Sprintf("%d records a call", shape.records)}); err != nil {
			return err
		}
	}
	return nil
}

// benchPutShards measures streams with more and more shards: a call's records then go to as many shards as it has records.
func benchPutShards(b *bench) error {
	for _, shards := range b.Shards {
		if err := b.put(putRun{shape: rides, shards: shards, connections: 8}); err != nil {
			return err
		}
	}
	return nil
}

// put measures one load, against an HTTP server that stores nothing and against the raw disk, in this order, so that all
// three have the machine to themselves.
func (b *bench) put(r putRun) error {
	m := measurement{
		Connections: r.connections, Shards: r.shards, RecordBytes: r.shape.bytes, Note: r.note,
		Peer: "net/http reading the same requests and storing nothing",
	}
	addr, stop, err := sink(120 * r.shape.records)
	if err != nil {
		return err
	}
	requests, err := r.shape.requests(addr, r.connections, r.signed)
	if err != nil {
		return err
	}
	calls, elapsed, err := drive(addr, requests, b.Duration/3)
	stop()
	if err != nil {
		return err
	}
	m.PeerRate = float64(len(calls)*r.shape.records) / elapsed.Seconds()

	// Groups can be no larger than what all connections have under way.
	group := min(r.shape.records*(r.shape.bytes+32)*r.connections, diskFileBytes/4)
	disk, err := rawDisk(b.dir, group, b.Duration/3)
	if err != nil {
		return err
	}
	m.Disk = disk / float64(r.shape.bytes+32)
	if err := b.putInto(r, &m); err != nil {
		return err
	}
	m.Ratio, m.DiskRatio = m.Records/m.PeerRate, m.Records/m.Disk
	m.bind()
	return b.emit(m)
}

func (b *bench) putInto(r putRun, m *measurement) error {
	s, err := b.serve(r.signed, fmt.Sprintf("-%dx%d-%d-%d", r.shape.records, r.shape.bytes, r.shards, r.connections))
	if err != nil {
		return err
	}
	defer s.stop()
	if err := call(s.addr, "CreateStream", map[string]any{"StreamName": benchStream, "ShardCount": r.shards}, nil, r.signed); err != nil {
		return err
	}
	if r.encrypted {
		in := map[string]any{"StreamName": benchStream, "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
		if err := call(s.addr, "StartStreamEncryption", in, nil, r.signed); err != nil {
			return err
		}
	}
	requests, err := r.shape.requests(s.addr, r.connections, r.signed)
	if err != nil {
		return err
	}
	before := cpuNow(s.cmd.Process.Pid)
	calls, elapsed, err := drive(s.addr, requests, b.Duration)
	if err != nil {
		return err
	}
	m.addCPU(before, s.cmd.Process.Pid, elapsed)
	m.Calls = float64(len(calls)) / elapsed.Seconds()
	m.Records = m.Calls * float64(r.shape.records)
	m.MB = m.Records * float64(r.shape.bytes) / 1e6
	m.P50ms, m.P99ms = percentile(calls, 0.5), percentile(calls, 0.99)
	m.PeakMiB = peakMiB(s.cmd.Process.Pid)
	return nil
}

// benchStart measures from exec to ready, with an empty data directory, and takes the mean of several.
func benchStart(b *bench) error {
	var m measurement
	slowest, sum := 0.0, 0.0
	const runs = 5
	for i := range runs {
		s, err := startChild(b.ctx, filepath.Join(b.dir, fmt.Sprint(i)), false)
		if err != nil {
			return err
		}
		ms := milliseconds(s.ready)
		sum, slowest = sum+ms, max(slowest, ms)
		m.PeakMiB = max(m.PeakMiB, s.stop())
	}
	m.Ready = sum / runs
	m.Note = fmt.Sprintf("mean of %d starts with an empty data directory, slowest %.0f ms", runs, slowest)
	return b.emit(m)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
