package main

import (
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
)

// A pipeline from a folder to a folder has no bucket for its progress.
func TestNoPlaceForProgress(t *testing.T) {
	cl, err := newClients(t.Context(), "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	p, err := batch.ParsePipeline("p.yaml", []byte("name: p\nsource: {stream: 'file:///in', schema: {id: bigint}, mode: fail}\nsink: {parquet: /out}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote(cl, "").state(p); err == nil || !strings.Contains(err.Error(), "--keep") {
		t.Errorf("%v", err)
	}
}
