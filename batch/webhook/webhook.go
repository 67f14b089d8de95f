// Package webhook posts the rows of micro-batches to a URL as lines of JSON: it is a batch.Sink.
//
// A request carries up to Options.Rows rows, application/x-ndjson, and says which it is: the headers Weir-Pipeline, Weir-Mode,
// Weir-Batch and Weir-Part. Rows arrive at least once: a request comes again when its answer was lost, and a batch after a crash, when
// its rows may be dealt out to requests in another way. Idempotency-Key is the same only where the bytes are. Any status from 200 to 299
// means that the rows were taken. 408, 425, 429 and 5xx are tried again; others stop the pipeline.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Options of New. URL is required.
type Options struct {
	URL     string
	Headers map[string]string // of every request, such as Authorization
	Rows    int               // of a request, at most; default 1000
	Timeout time.Duration     // of a request; default 30 seconds
	Client  *http.Client      // default one that follows no redirects
}

// requestBytes is about the size at which a request is full, whatever the number of its rows.
const requestBytes = 4 << 20

// Sink is a webhook.
type Sink struct {
	opts     Options
	pipeline string
	mode     batch.OutputMode
}

var _ batch.Sink = (*Sink)(nil)

// New checks the URL and returns a Sink.
func New(opts Options) (*Sink, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("webhook %q is no URL of http or https", opts.URL)
	}
	if opts.Rows == 0 {
		opts.Rows = 1000
	}
	if opts.Timeout == 0 {
		opts.Timeout = 30 * time.Second
	}
	if opts.Client == nil {
		opts.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Sink{opts: opts}, nil
}

// About implements batch.Sink.
func (s *Sink) About() batch.SinkInfo {
	return batch.SinkInfo{Description: "WebhookSink[" + s.opts.URL + "]", Guarantee: batch.AtLeastOnce}
}

// Open implements batch.Sink. It sends nothing.
func (s *Sink) Open(_ context.Context, out batch.Output) (last int64, err error) {
	s.pipeline, s.mode = out.Pipeline, out.Mode
	return -1, nil
}

// Write implements batch.Sink.
func (s *Sink) Write(ctx context.Context, id int64, rows batch.Rows) (w batch.Written, err error) {
	var body []byte
	held, part := 0, 0
	send := func() error {
		if held == 0 {
			return nil
		}
		if err := s.post(ctx, id, part, body); err != nil {
			return err
		}
		w.Bytes += int64(len(body))
		body, held, part = body[:0], 0, part+1
		return nil
	}
	err = rows.Each(ctx, func(b *columnar.Batch) error {
		for i := range b.Len {
			body = append(b.AppendRow(body, i), '\n')
			held++
			w.Rows++
			if held >= s.opts.Rows || len(body) >= requestBytes {
				if err := send(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = send()
	}
	if err != nil {
		return w, fmt.Errorf("webhook %s: %w", s.opts.URL, err)
	}
	return w, nil
}

// post sends one request and judges its answer.
func (s *Sink) post(ctx context.Context, id int64, part int, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opts.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range s.opts.Headers {
		req.Header.Set(name, value)
	}
	sum := sha256.Sum256(body)
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Weir-Pipeline", s.pipeline)
	req.Header.Set("Weir-Mode", s.mode.String())
	req.Header.Set("Weir-Batch", strconv.FormatInt(id, 10))
	req.Header.Set("Weir-Part", strconv.Itoa(part))
	req.Header.Set("Idempotency-Key", fmt.Sprintf("%s-%d-%d-%x", s.pipeline, id, part, sum[:8]))
	resp, err := s.opts.Client.Do(req)
	if err != nil {
		return batch.Temporary(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is used again
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		return batch.Temporary(answered(resp, text))
	}
	return answered(resp, text)
}

func answered(resp *http.Response, text []byte) error {
	if len(text) == 0 {
		return errors.New("it answered " + resp.Status)
	}
	return fmt.Errorf("it answered %s: %s", resp.Status, bytes.TrimSpace(text))
}
