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
	files  ReadPlaces // nil: all comes through the socket

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

// ReadPlaces gives f the records that Placer.Places has told of, from the files in which they lie: each shard's in order, calls for others may
// overlap. It returns where they end, and how much of the limit they are.
type ReadPlaces func(ctx context.Context, places []byte, f func([]batch.Record) error) (end batch.Offset, used batch.Limit, err error)

// Dial returns the named stream of the Handler that is served below path at a Unix socket. It connects with the first call. With files, which may be nil, a
// Source that is behind reads what lies in files of this machine itself.
func Dial(socket, path, stream string, files ReadPlaces) *Source {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
		ReadBufferSize:     256 << 10,
	}
	return &Source{client: &http.Client{Transport: transport}, base: "http://weir" + path + "/", stream: stream, files: files}
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

// Take implements batch.Taker: what lies in files is read there, the rest taken through the socket.
func (s *Source) Take(ctx context.Context, start batch.Offset, limit batch.Limit, f func([]batch.Record) error) (batch.Offset, error) {
	if s.files == nil {
		return s.take(ctx, start, limit, f)
	}
	end, rest, err := s.takeFiles(ctx, start, limit, f)
	switch {
	case err != nil:
		return nil, err
	case rest == (batch.Limit{}) && limit != rest:
		_, err := s.call(ctx, "look", request{Start: end})
		return end, err
	}
	return s.take(ctx, end, rest, f)
}

// takeFiles takes what lies in files and returns its end, and what is left of the limit: the zero one if that is about used up.
func (s *Source) takeFiles(ctx context.Context, start batch.Offset, limit batch.Limit, f func([]batch.Record) error) (end batch.Offset, rest batch.Limit, err error) {
	told, err := s.ask(ctx, "places", request{Start: start, Limit: limit})
	if err != nil || len(told.Places) == 0 {
		return start, limit, err
	}
	end, used, err := s.files(ctx, told.Places, f)
	if err != nil {
		return nil, rest, s.failed("take from files", batch.Temporary(err))
	}
	rest = limit
	if limit.Records > 0 {
		if rest.Records -= used.Records; rest.Records <= limit.Records/spentShare {
			return end, batch.Limit{}, nil
		}
	}
	if limit.Bytes > 0 {
		if rest.Bytes -= used.Bytes; rest.Bytes <= limit.Bytes/spentShare {
			return end, batch.Limit{}, nil
		}
	}
	return end, rest, nil
}

// spentShare of a limit is too little for a call of its own: limits are kept about.
const spentShare = 32

// take makes one call, of which parts are parsed while others come.
func (s *Source) take(ctx context.Context, start batch.Offset, limit batch.Limit, f func([]batch.Record) error) (batch.Offset, error) {
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
	a, err := s.ask(ctx, name, in)
	return a.Offset, err
}

// ask is call, for all of the answer.
func (s *Source) ask(ctx context.Context, name string, in request) (a answer, err error) {
	body, err := s.post(ctx, name, in)
	if err != nil {
		return a, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, requestMax))
	if err != nil {
		return a, s.failed(name, cutOff(err))
	}
	return s.parse(name, raw)
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
	a, err := s.parse(name, raw)
	return a.Offset, err
}

func (s *Source) parse(name string, raw []byte) (a answer, err error) {
	if err := json.Unmarshal(raw, &a); err != nil {
		return answer{}, s.failed(name, cutOff(err))
	}
	if a.Error == "" {
		s.keep(a.Metrics)
		return a, nil
	}
	err = errors.New(a.Error)
	switch {
	case a.Temporary:
		err = batch.Temporary(err)
	case a.Missing:
		err = &batch.MissingError{Kind: "stream", Name: s.stream, Err: err}
	}
	return answer{}, s.failed(name, err)
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
