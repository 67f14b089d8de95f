package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/internal/load"
)

// perCall is how many records a call of PutRecords may have.
const perCall = 500

// putter puts records from several connections; call i has the records from i*perCall on.
type putter struct {
	o     options
	addr  string
	log   *times
	began time.Time
	calls atomic.Int64 // begun
	sent  atomic.Int64 // records
	bytes atomic.Int64
}

func putRecords(ctx context.Context, o options, addr string, log *times) (outcome, error) {
	p := &putter{o: o, addr: addr, log: log}
	if err := p.create(ctx); err != nil {
		return outcome{}, err
	}
	if o.duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.duration)
		defer stop()
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs error
	)
	p.began = time.Now()
	for range o.connections {
		wg.Go(func() {
			if err := p.connection(ctx); err != nil {
				mu.Lock()
				errs = errors.Join(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return outcome{Records: int(p.sent.Load()), Bytes: p.bytes.Load()}, errs
}

// create makes the stream unless it is there, and waits until it takes records.
func (p *putter) create(ctx context.Context) error {
	c, err := load.Dial(p.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	call := func(operation string, in map[string]any) (load.Response, error) {
		body, err := json.Marshal(in)
		if err != nil {
			return load.Response{}, err
		}
		return c.Do(p.request(operation, body))
	}
	resp, err := call("CreateStream", map[string]any{"StreamName": p.o.stream, "ShardCount": p.o.shards})
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK && !bytes.Contains(resp.Body, []byte("ResourceInUseException")) {
		return &load.Refused{Status: resp.Status, Body: string(resp.Body)}
	}
	for ctx.Err() == nil {
		resp, err := call("DescribeStreamSummary", map[string]any{"StreamName": p.o.stream})
		if err != nil {
			return err
		}
		if string(load.Member(resp.Body, "StreamStatus")) == "ACTIVE" {
			return nil
		}
		sleepUntil(ctx, time.Now().Add(20*time.Millisecond))
	}
	return ctx.Err()
}

func (p *putter) request(operation string, body []byte) []byte {
	return load.Request(p.addr, "/", body, load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202." + operation},
		load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"})
}

// connection makes calls until all records are sent or the time is over.
func (p *putter) connection(ctx context.Context) error {
	c, err := load.Dial(p.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := newMaker(p.o)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		first := int(p.calls.Add(1)-1) * perCall
		n := perCall
		if p.o.total > 0 {
			if n = min(n, p.o.total-first); n <= 0 {
				return nil
			}
		}
		if p.o.rate > 0 && !sleepUntil(ctx, p.began.Add(time.Duration(float64(first+n)/p.o.rate*float64(time.Second)))) {
			return nil
		}
		if err := p.put(c, m, first, n); err != nil {
			return fmt.Errorf("put records %d to %d: %w", first, first+n-1, err)
		}
		p.log.add(first, n, time.Now())
		p.sent.Add(int64(n))
	}
	return nil
}

// put returns when all n records are acknowledged. What is throttled is sent again.
func (p *putter) put(c *load.Conn, m *maker, first, n int) error {
	left := make([]int, n)
	for i := range left {
		left[i] = first + i
	}
	for {
		resp, err := c.Do(p.request("PutRecords", p.body(m, left)))
		if err != nil {
			return err
		}
		if resp.Status != http.StatusOK && !bytes.Contains(resp.Body, []byte("ProvisionedThroughputExceededException")) {
			return &load.Refused{Status: resp.Status, Body: string(resp.Body)}
		}
		if resp.Status == http.StatusOK {
			if left, err = refused(resp.Body, left); err != nil || len(left) == 0 {
				return err
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// body is a call with the records of these numbers.
func (p *putter) body(m *maker, numbers []int) []byte {
	b := make([]byte, 0, 700*len(numbers)+256)
	b = append(append(append(b, `{"StreamName":"`...), p.o.stream...), `","Records":[`...)
	var record []byte
	now := time.Now()
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		record = m.append(record[:0], n, now)
		p.bytes.Add(int64(len(record)))
		b = base64.StdEncoding.AppendEncode(append(b, `{"Data":"`...), record)
		b = append(strconv.AppendUint(append(b, `","PartitionKey":"`...), spread(n)%9973, 10), `"}`...)
	}
	return append(b, `]}`...)
}

// refused are the numbers of the records that an answer refuses for now.
func refused(body []byte, numbers []int) (left []int, err error) {
	if bytes.Contains(body, []byte(`"FailedRecordCount":0`)) {
		return nil, nil
	}
	i := 0
	err = load.Each(body, "Records", []string{"ErrorCode"}, func(v [][]byte) error {
		if i == len(numbers) {
			return errors.New("more records in the answer than in the call")
		}
		if v[0] != nil {
			if string(v[0]) != "ProvisionedThroughputExceededException" {
				return fmt.Errorf("record refused: %s", v[0])
			}
			left = append(left, numbers[i])
		}
		i++
		return nil
	})
	if err == nil && i != len(numbers) {
		err = fmt.Errorf("%d records in the answer to %d", i, len(numbers))
	}
	return left, err
}
