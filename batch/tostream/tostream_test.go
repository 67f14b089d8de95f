package tostream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// result is rows in memory.
type result struct {
	batch.Rows
	b *columnar.Batch
}

func (r result) Each(_ context.Context, f func(*columnar.Batch) error) error { return f(r.b) }

var schema = &columnar.Schema{Fields: []columnar.Field{
	{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}, {Name: "text", Type: columnar.Type{Kind: columnar.String}, Nullable: true},
}}

func rowsOf(t *testing.T, n int, text string) result {
	b := columnar.NewBuilder(schema)
	for i := range n {
		if err := b.Append(int64(i), text); err != nil {
			t.Fatal(err)
		}
	}
	return result{b: b.Batch()}
}

// memStream keeps what was put, and checks the bounds.
type memStream struct {
	t    *testing.T
	got  []Record
	puts int
	err  error
}

func (m *memStream) Put(_ context.Context, records []Record) error {
	size := 0
	for _, r := range records {
		size += len(r.Data) + len(r.Key)
	}
	if len(records) > PutMax || size > PutBytesMax && len(records) > 1 {
		m.t.Errorf("%d records of %d bytes", len(records), size)
	}
	m.puts++
	m.got = append(m.got, records...)
	return m.err
}

func (m *memStream) Check(context.Context) error { return m.err }

func TestWrite(t *testing.T) {
	stream := &memStream{t: t}
	s := New(Options{Stream: stream, Name: "out", KeyColumn: "text"})
	if _, err := s.Open(t.Context(), batch.Output{Schema: schema}); err != nil {
		t.Fatal(err)
	}
	if w, err := s.Write(t.Context(), 7, rowsOf(t, 1200, "x")); err != nil || w.Rows != 1200 || stream.puts != 3 {
		t.Fatalf("%+v in %d puts, %v", w, stream.puts, err)
	}
	if r := stream.got[1199]; string(r.Data) != `{"n":1199,"text":"x"}` || r.Key != "x" {
		t.Errorf("%s %s", r.Key, r.Data)
	}
	if _, err := s.Write(t.Context(), 8, rowsOf(t, 12, strings.Repeat("é", 500_000))); err != nil {
		t.Fatal(err)
	}
	if key := stream.got[1200].Key; len(key) != 256 || strings.ToValidUTF8(key, "") != key {
		t.Errorf("a key of %d bytes", len(key))
	}
	stream.err = errors.New("gone")
	if _, err := s.Write(t.Context(), 9, rowsOf(t, 1, "x")); err == nil || batch.IsTemporary(err) {
		t.Errorf("%v", err)
	}
	stream.err = batch.Temporary(stream.err)
	if _, err := s.Open(t.Context(), batch.Output{Schema: schema}); !batch.IsTemporary(err) {
		t.Errorf("%v", err)
	}
}

func TestOpen(t *testing.T) {
	s := New(Options{Stream: &memStream{t: t}, Name: "out", KeyColumn: "none"})
	for mode, want := range map[batch.OutputMode]string{batch.Append: "gives no column none", batch.Complete: "output mode complete"} {
		if _, err := s.Open(t.Context(), batch.Output{Schema: schema, Mode: mode}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
	}
	spread := map[string]bool{}
	stream := &memStream{t: t}
	s = New(Options{Stream: stream, Name: "out"})
	if _, err := s.Write(t.Context(), 1, rowsOf(t, 10, "x")); err != nil {
		t.Fatal(err)
	}
	for _, r := range stream.got {
		spread[r.Key] = true
	}
	if len(spread) != 10 {
		t.Errorf("keys %s", fmt.Sprint(spread))
	}
}
