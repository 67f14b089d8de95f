package traffic

import (
	"bytes"
	"cmp"
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

// PerCall is how many records a call of PutRecords has, the last of all perhaps fewer.
const PerCall = 500

// Putter puts records from several connections; call i has the records from i*PerCall on. Addr and Stream are required.
type Putter struct {
	Addr        string // host:port
	Stream      string // created with Shards if it is not there
	Shards      int    // default 4
	Connections int    // default 8
	Records     Options
	Total       int     // 0: until the context ends
	Rate        float64 // records a second; 0: as fast as they are taken
	Clock       func() time.Time
	// Answered is told of each call: the first of its records, how many there are, and how long it took. Several connections call it.
	Answered func(first, n int, took time.Duration)
	// Hold is asked before each call, and again every millisecond as long as it says true; nil: no call waits.
	Hold func() bool

	began time.Time
	calls atomic.Int64 // begun
	sent  atomic.Int64
	bytes atomic.Int64
}

// Sent is how many records were stored, and Bytes their size.
func (p *Putter) Sent() int64  { return p.sent.Load() }
func (p *Putter) Bytes() int64 { return p.bytes.Load() }

// Run puts records until all are stored or ctx ends; calls that were begun are finished, so that what is stored is known.
func (p *Putter) Run(ctx context.Context) error {
	if err := p.create(ctx); err != nil {
		return err
	}
	if p.Clock == nil {
		p.Clock = time.Now
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs error
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.began = time.Now()
	for range cmp.Or(p.Connections, 8) {
		wg.Go(func() {
			if err := p.connection(ctx); err != nil {
				mu.Lock()
				errs = errors.Join(errs, err)
				mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	return errs
}

// create makes the stream unless it is there, and waits until it takes records.
func (p *Putter) create(ctx context.Context) error {
	c, err := load.Dial(p.Addr)
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
	resp, err := call("CreateStream", map[string]any{"StreamName": p.Stream, "ShardCount": cmp.Or(p.Shards, 4)})
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK && !bytes.Contains(resp.Body, []byte("ResourceInUseException")) {
		return &load.Refused{Status: resp.Status, Body: string(resp.Body)}
	}
	for ctx.Err() == nil {
		resp, err := call("DescribeStreamSummary", map[string]any{"StreamName": p.Stream})
		if err != nil {
			return err
		}
		if string(load.Member(resp.Body, "StreamStatus")) == "ACTIVE" {
			return nil
		}
		Until(ctx, time.Now().Add(20*time.Millisecond))
	}
	return ctx.Err()
}

func (p *Putter) request(operation string, body []byte) []byte {
	return load.Request(p.Addr, "/", body, load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202." + operation},
		load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"})
}

// connection makes calls until all records are sent or the time is over.
func (p *Putter) connection(ctx context.Context) error {
	c, err := load.Dial(p.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := NewMaker(p.Records)
	if err != nil {
		return err
	}
	for {
		for p.Hold != nil && p.Hold() {
			if !Until(ctx, time.Now().Add(time.Millisecond)) {
				return nil
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		first := int(p.calls.Add(1)-1) * PerCall
		n := PerCall
		if p.Total > 0 {
			if n = min(n, p.Total-first); n <= 0 {
				return nil
			}
		}
		if p.Rate > 0 { // a call that has its number is made, so that no number is left out
			Until(ctx, p.began.Add(time.Duration(float64(first+n)/p.Rate*float64(time.Second))))
		}
		took, err := p.put(c, m, first, n)
		if err != nil {
			return fmt.Errorf("put records %d to %d: %w", first, first+n-1, err)
		}
		p.sent.Add(int64(n))
		if p.Answered != nil {
			p.Answered(first, n, took)
		}
	}
}

// put returns when all n records are acknowledged, and how long the last call took. What is throttled is sent again.
func (p *Putter) put(c *load.Conn, m *Maker, first, n int) (time.Duration, error) {
	left := make([]int, n)
	for i := range left {
		left[i] = first + i
	}
	for {
		request := p.request("PutRecords", p.body(m, left))
		began := time.Now()
		resp, err := c.Do(request)
		if err != nil {
			return 0, err
		}
		if resp.Status != http.StatusOK && !bytes.Contains(resp.Body, []byte("ProvisionedThroughputExceededException")) {
			return 0, &load.Refused{Status: resp.Status, Body: string(resp.Body)}
		}
		if resp.Status == http.StatusOK {
			if left, err = refused(resp.Body, left); err != nil || len(left) == 0 {
				return time.Since(began), err
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// body is a call with the records of these numbers.
func (p *Putter) body(m *Maker, numbers []int) []byte {
	b := make([]byte, 0, 768*len(numbers)+256)
	b = append(append(append(b, `{"StreamName":"`...), p.Stream...), `","Records":[`...)
	var record []byte
	now := p.Clock()
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		record = m.Append(record[:0], n, now)
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

// Until waits until a time. It is false if ctx ended meanwhile.
func Until(ctx context.Context, at time.Time) bool {
	select {
	case <-time.After(time.Until(at)):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
