package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/examples"
)

// The load is what it says: so many records of so many bytes, that a server takes.
func TestBenchRequests(t *testing.T) {
	for _, shape := range []putShape{rides, {1, benchRecord, true}, {500, 1 << 10, false}, {9, 1<<20 - 256, false}} {
		requests, err := shape.requests("127.0.0.1:1", 2, false)
		if err != nil || len(requests) != 2 {
			t.Fatalf("%+v: %d requests, %v", shape, len(requests), err)
		}
		_, body, _ := bytes.Cut(requests[1], []byte("\r\n\r\n"))
		type record struct {
			Data         []byte
			PartitionKey string
		}
		var in struct {
			StreamName string
			Records    []record
			record
		}
		if err := json.Unmarshal(body, &in); err != nil {
			t.Fatalf("%+v: %v", shape, err)
		}
		if shape.one {
			in.Records = []record{in.record}
		}
		total := 0
		for _, r := range in.Records {
			if len(r.Data) != shape.bytes || !json.Valid(r.Data) || r.PartitionKey == "" {
				t.Fatalf("%+v: record of %d bytes: %.80s", shape, len(r.Data), r.Data)
			}
			total += len(r.Data) + len(r.PartitionKey)
		}
		if len(in.Records) != shape.records || total > 10<<20 {
			t.Errorf("%+v: %d records, %d bytes", shape, len(in.Records), total)
		}
	}
}

func TestBenchBinds(t *testing.T) {
	for want, m := range map[string]measurement{
		"disk": {DiskRatio: 0.9, CPUBusy: 0.95}, "cpu": {DiskRatio: 0.5, CPUBusy: 0.95}, "round trip": {DiskRatio: 0.5, CPUBusy: 0.4},
	} {
		if m.bind(); m.Binds != want {
			t.Errorf("%+v: %s, want %s", m, m.Binds, want)
		}
	}
}

func TestRawDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 256 MiB")
	}
	dir := t.TempDir()
	rate, err := rawDisk(dir, 100_000, 20*time.Millisecond)
	if err != nil || rate <= 0 {
		t.Errorf("%v bytes/s, %v", rate, err)
	}
	if err := checkRoom(dir, 1<<60); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("an exbibyte fits: %v", err)
	}
}

// Every query of Nexmark has an answer to be compared with, and the table says what it cannot.
func TestNexmarkAnswers(t *testing.T) {
	for _, q := range examples.NexmarkQueries() {
		if nexmarkSQL[q] == "" {
			t.Errorf("%s has no answer", q)
		}
	}
	table := nexmarkTable([]measurement{{Records: 1e6, PeakMiB: 300, nexmarkFigures: &nexmarkFigures{Query: "q6", Cores: 2, PerCore: 5e5}},
		{Records: 1e6, nexmarkFigures: &nexmarkFigures{Query: "q3", Cores: 2, PerCore: 304_240, Rows: 12345}}})
	if !strings.Contains(table, "| q6 | 1000 k | 2.00 | 500 k | 300 MiB | 0.0 MiB | 0 | – | – | – | – |\n") ||
		!strings.Contains(table, "| 12,345 | 152 k | 2.0 | 219 k | 1.4 |\n") {
		t.Error(table)
	}
}
