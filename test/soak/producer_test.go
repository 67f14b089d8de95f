package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weir-data/weir/internal/load"
)

const (
	producerCount = 5   // the last of them puts records one by one
	batchRecords  = 500 // of the others
	lagMax        = 400_000
)

// produce puts records until ctx is done, and notes what was acknowledged. It waits while a group of readers is more than
// lagMax records behind: what is tested is that nothing is lost before it expires, so readers must not be left behind by a
// day, which passes in no time here.
func (w *world) produce(ctx context.Context, number int) error {
	conn, err := load.Dial(w.server.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	request, places := w.template(number)
	marks := make([]mark, len(places))
	next := uint64(1)
	for ctx.Err() == nil {
		if w.ledger.total()-w.slowest() > lagMax {
			pause(ctx, time.Millisecond)
			continue
		}
		for i, at := range places {
			marks[i] = mark{uint64(number), next}
			marks[i].encode(request[at:at+markText], w.secret)
			next++
		}
		began := time.Now()
		resp, err := conn.Do(request)
		if err != nil {
			return fmt.Errorf("producer %d: %w", number, err)
		}
		if len(places) > 1 {
			w.meter.latency(time.Since(began))
		}
		if err := w.acknowledge(resp, marks); err != nil {
			return fmt.Errorf("producer %d: %w", number, err)
		}
	}
	return nil
}

// template is a whole request of a producer, and where in it the marks of its records belong.
func (w *world) template(number int) (request []byte, places []int) {
	const hole = "<mark>"
	space := bytes.Repeat([]byte("A"), markText)
	entry := func(i int) string {
		return fmt.Sprintf(`"Data":"%s%s","PartitionKey":"%d-%d"`, hole, filler, number, i%97)
	}
	operation, body := "PutRecord", `{"StreamName":"`+streamName+`",`+entry(0)+`}`
	if number < producerCount-1 {
		var b bytes.Buffer
		b.WriteString(`{"StreamName":"` + streamName + `","Records":[`)
		for i := range batchRecords {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("{" + entry(i) + "}")
		}
		b.WriteString("]}")
		operation, body = "PutRecords", b.String()
	}
	request = w.server.request(operation, bytes.ReplaceAll([]byte(body), []byte(hole), space))
	for at := 0; ; at++ {
		i := bytes.Index(request[at:], []byte(`"Data":"`))
		if i < 0 {
			return request, places
		}
		at += i + len(`"Data":"`)
		places = append(places, at)
	}
}

// acknowledge notes the records of an answer. Records that were refused because the queue was full are not stored, and not
// sent again: their numbers are left out.
func (w *world) acknowledge(resp load.Response, marks []mark) error {
	if resp.Status != 200 {
		if bytes.Contains(resp.Body, []byte("ProvisionedThroughputExceededException")) {
			w.meter.throttled.Add(int64(len(marks)))
			return nil
		}
		return &load.Refused{Status: resp.Status, Body: string(resp.Body)}
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if len(marks) == 1 {
		var out struct{ SequenceNumber, ShardId string }
		if err := json.Unmarshal(resp.Body, &out); err != nil {
			return err
		}
		w.ledger.addLocked([]byte(out.ShardId), []byte(out.SequenceNumber), marks[0])
		w.meter.records.Add(1)
		return nil
	}
	i, stored := 0, int64(0)
	err := load.Each(resp.Body, "Records", []string{"SequenceNumber", "ShardId", "ErrorCode"}, func(v [][]byte) error {
		switch {
		case i == len(marks):
			return fmt.Errorf("more than %d records in an answer", i)
		case v[2] == nil:
			w.ledger.addLocked(v[1], v[0], marks[i])
			stored++
		case string(v[2]) == "ProvisionedThroughputExceededException":
			w.meter.throttled.Add(1)
		default:
			return fmt.Errorf("record refused: %s", v[2])
		}
		i++
		return nil
	})
	if err == nil && i != len(marks) {
		err = fmt.Errorf("%d records in the answer to %d", i, len(marks))
	}
	w.meter.records.Add(stored)
	return err
}
