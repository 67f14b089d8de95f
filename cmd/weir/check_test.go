package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// weir check says which file is damaged and where, which records of which stream that costs, and what to do; and it
// changes nothing.
func TestCheckExplainsDamage(t *testing.T) {
	dir := t.TempDir()
	m, err := meta.Open(vfs.Default, filepath.Join(dir, "meta"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := stream.Open(stream.Options{Dir: filepath.Join(dir, "streams"), Meta: m, SegmentBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), stream.Config{Name: "rides", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	var placed []stream.Placed
	for range 3 {
		p, err := s.Put(t.Context(), "rides", []stream.Entry{{PartitionKey: []byte("k"), Data: make([]byte, 1000)}})
		if err != nil {
			t.Fatal(err)
		}
		placed = append(placed, p...)
	}
	s.Close()
	m.Close()
	name := filepath.Join(dir, "streams", "000000000001.segment")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("X"), 4096+1073+500)
	f.Close()

	_, err = checkLog("streams")(context.Background(), dir)
	if err == nil {
		t.Fatal("the damage was not found")
	}
	for _, want := range []string{
		"1 problem in " + filepath.Join(dir, "streams"), name + " at 5169: corrupt stream log: payload checksum",
		`1 record of stream "rides" shardId-000000000000 after sequence number ` + placed[0].SeqNum.String() + " and before " + placed[2].SeqNum.String(),
		"Nothing was changed.",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
}
