package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/weir-data/weir/columnar"
)

// lettersInMemory keeps the bytes of all letters.
type lettersInMemory struct{ bytes.Buffer }

func (l *lettersInMemory) Put(_ context.Context, _ string, body []byte) error {
	_, err := l.Write(body)
	return err
}

func TestLettersOfAggregatedRecords(t *testing.T) {
	bigint, err := columnar.ParseType("bigint")
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDecoder("s", &columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: bigint, Nullable: true}}}, columnar.Format{}, Permissive, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out lettersInMemory
	w := &letterWriter{letters: &out, pipeline: "p", stream: "s", batch: 1}
	err = d.add(t.Context(), []Record{
		{SeqNum: "1", Data: []byte("bad")},
		{SeqNum: "2", Data: []byte(`{"n": 1}`), Aggregated: true},
		{SeqNum: "2", Data: []byte("bad too"), Aggregated: true, SubSeqNum: 1},
		{SeqNum: "3", Data: []byte(`{"n": 2}`), Refused: "astray"},
	}, w)
	if err == nil {
		err = w.flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	type short struct {
		SeqNum string `json:"sequenceNumber"`
		Sub    *int   `json:"subSequenceNumber"`
		Reason string `json:"reason"`
	}
	var got []short
	for dec := json.NewDecoder(&out); dec.More(); {
		var l short
		if err := dec.Decode(&l); err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	if len(got) != 3 || got[0].Sub != nil || got[1].SeqNum != "2" || got[1].Sub == nil || *got[1].Sub != 1 ||
		got[2].SeqNum != "3" || got[2].Reason != "astray" {
		t.Errorf("letters %+v", got)
	}
	if rows := d.batches()[0].Len; rows != 1 {
		t.Errorf("%d rows, want only that of record 2", rows)
	}
}
