package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime"
	"sync"

	"github.com/weir-data/weir/batch"
)

// Source is a source of another process. One goroutine uses it.
type Source struct {
	client *http.Client
	base   string
	stream string

	frame []byte
	recs  []batch.Record

	mu      sync.Mutex        // guards metrics
	metrics map[string]string // of the newest answer that had some
}

var (
	_ Replayable    = (*Source)(nil)
	_ batch.Taker   = (*Source)(nil)
	_ batch.Metered = (*Source)(nil)
)

// Dial returns the named stream of the Handler that is served below path at a Unix socket. It connects with the first call.
func Dial(socket, path, stream string) *Source {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
		ReadBufferSize:     256 << 10,
	}
	return &Source{client: &http.Client{Transport: transport}, base: "http://weir" + path + "/", stream: stream}
}

// Plan implements batch.Source.
func (s *Source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	return s.call(ctx, "plan", request{Start: start, Limit: limit})
}

// Wait implements batch.Source.
func (s *Source) Wait(ctx context.Context, start batch.Offset) error {
	_, err := s.call(ctx, "wait", request{Start: start})
	return err
}

// Latest implements batch.Tipper.
func (s *Source) Latest(ctx context.Context) (batch.Offset, error) {
	return s.call(ctx, "latest", request{})
}

// Position implements batch.Starter.
func (s *Source) Position(ctx context.Context, at batch.Start) (batch.Offset, error) {
	return s.call(ctx, "position", request{At: at})
}

// Read implements batch.Source.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	body, err := s.post(ctx, "read", request{Start: start, End: end})
	if err != nil {
		return err
	}
	defer body.Close()
	for {
		kind, payload, err := readFrame(body, s.frame)
		if err != nil {
			return s.failed("read", cutOff(err))
		}
		s.frame = payload
		switch kind {
		case frameRecords:
			if s.recs, err = parseRecords(payload, s.recs[:0]); err != nil {
				return s.failed("read", err)
			}
			if err := f(s.recs); err != nil {
				return err
			}
		case frameEnd:
			_, err := s.answer("read", payload)
			return err
		default:
			return s.failed("read", fmt.Errorf("%w: of kind %q", errFrame, kind))
		}
	}
}

// Take implements batch.Taker: one call, of which parts are parsed while others come.
func (s *Source) Take(ctx context.Context, start batch.Offset, limit batch.Limit, f func([]batch.Record) error) (batch.Offset, error) {
	l := newLanes(ctx, runtime.GOMAXPROCS(0), f)
	end, err := s.takeInto(l, request{Start: start, Limit: limit})
	if lane := l.end(); lane != nil { // the other error follows from it
		return nil, lane
	}
	return end, err
}

func (s *Source) takeInto(l *lanes, in request) (batch.Offset, error) {
	body, err := s.post(l.ctx, "take", in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	for {
		buf, err := l.buffer()
		if err != nil {
			return nil, err
		}
		kind, payload, err := readFrame(body, buf)
		switch {
		case err != nil:
			return nil, s.failed("take", cutOff(err))
		case kind == frameEnd:
			return s.answer("take", payload)
		case kind != frameRecords:
			return nil, s.failed("take", fmt.Errorf("%w: of kind %q", errFrame, kind))
		}
		if err := l.give(payload); err != nil {
			return nil, err
		}
	}
}

// cutOff makes an end before the last frame what it is: the server went, and may come back.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return batch.Temporary(io.ErrUnexpectedEOF)
	}
	return err
}

// call makes a call that has no chunks.
func (s *Source) call(ctx context.Context, name string, in request) (batch.Offset, error) {
	body, err := s.post(ctx, name, in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, requestMax))
	if err != nil {
		return nil, s.failed(name, cutOff(err))
	}
	return s.answer(name, raw)
}

func (s *Source) post(ctx context.Context, name string, in request) (io.ReadCloser, error) {
	in.Stream = s.stream
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, s.failed(name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+name, bytes.NewReader(raw))
	if err != nil {
		return nil, s.failed(name, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, s.failed(name, batch.Temporary(err)) // the server is not there now
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, s.failed(name, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text)))
	}
	return resp.Body, nil
}

func (s *Source) answer(name string, raw []byte) (batch.Offset, error) {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, s.failed(name, cutOff(err))
	}
	if a.Error == "" {
		s.keep(a.Metrics)
		return a.Offset, nil
	}
	err := errors.New(a.Error)
	switch {
	case a.Temporary:
		err = batch.Temporary(err)
	case a.Missing:
		err = &batch.MissingError{Kind: "stream", Name: s.stream, Err: err}
	}
	return nil, s.failed(name, err)
}

func (s *Source) keep(metrics map[string]string) {
	if metrics == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metrics = metrics
}

// Metrics implements batch.Metered: those that the other process has told of.
func (s *Source) Metrics() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.metrics)
}

func (s *Source) failed(what string, err error) error {
	return fmt.Errorf("%s of stream %s: %w", what, s.stream, err)
}
