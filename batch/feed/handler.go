package feed

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/weir-data/weir/batch"
)

// Handler serves the sources that open gives, by name. A call ends when its caller goes.
func Handler(open func(stream string) (batch.Source, error)) http.Handler {
	mux := http.NewServeMux()
	calls := map[string]func(context.Context, batch.Source, *request) (batch.Offset, error){
		"plan": func(ctx context.Context, s batch.Source, r *request) (batch.Offset, error) {
			return s.Plan(ctx, r.Start, r.Limit)
		},
		"wait": func(ctx context.Context, s batch.Source, r *request) (batch.Offset, error) {
			ctx, cancel := context.WithTimeout(ctx, waitMax)
			defer cancel()
			if err := s.Wait(ctx, r.Start); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return nil, err
			}
			return nil, nil
		},
		"latest": func(ctx context.Context, s batch.Source, _ *request) (batch.Offset, error) {
			return s.(Replayable).Latest(ctx)
		},
		"look": func(ctx context.Context, s batch.Source, r *request) (batch.Offset, error) {
			if p, ok := s.(Placer); ok {
				return nil, p.Look(ctx, r.Start)
			}
			return nil, nil
		},
		"position": func(ctx context.Context, s batch.Source, r *request) (batch.Offset, error) {
			return s.(Replayable).Position(ctx, r.At)
		},
	}
	for name, call := range calls {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			s, in, ok := source(w, r, open)
			if !ok {
				return
			}
			at, err := call(r.Context(), s, in)
			give(w, s, at, err)
		})
	}
	for name, call := range map[string]func(context.Context, http.ResponseWriter, batch.Source, *request){"read": read, "take": take, "places": places} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if s, in, ok := source(w, r, open); ok {
				call(r.Context(), w, s, in)
			}
		})
	}
	return mux
}

// Replayable is a source that this package can carry.
type Replayable interface {
	batch.Source
	batch.Starter
	batch.Tipper
}

// Placer is a source whose records lie in files that other processes of this machine may read.
type Placer interface {
	batch.Metered
	// Places tells ReadPlaces where the next batch after start lies, nothing if it had better be taken through the socket.
	Places(ctx context.Context, start batch.Offset, limit batch.Limit) ([]byte, error)
	// Look brings the metrics up to date for a batch that ended at end.
	Look(ctx context.Context, end batch.Offset) error
}

// source reads a request and opens what it names; ok is false when it has answered itself.
func source(w http.ResponseWriter, r *http.Request, open func(string) (batch.Source, error)) (s batch.Source, in *request, ok bool) {
	in = new(request)
	if err := json.NewDecoder(io.LimitReader(r.Body, requestMax)).Decode(in); err != nil {
		http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
		return nil, nil, false
	}
	s, err := open(in.Stream)
	if err == nil {
		if _, whole := s.(Replayable); !whole {
			err = errors.New("stream " + in.Stream + " cannot be read from another process")
		}
	}
	if err != nil {
		give(w, s, nil, err)
		return nil, nil, false
	}
	return s, in, true
}

// give answers a call that has no chunks.
func give(w http.ResponseWriter, s batch.Source, at batch.Offset, err error) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answerOf(s, at, err)) // an error is the caller's who went
}

// places tells where the next batch lies.
func places(ctx context.Context, w http.ResponseWriter, s batch.Source, in *request) {
	var told []byte
	var err error
	if p, ok := s.(Placer); ok {
		told, err = p.Places(ctx, in.Start, in.Limit)
	}
	a := answerOf(s, nil, err)
	a.Places = told
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(a) // an error is the caller's who went
}

func answerOf(s batch.Source, at batch.Offset, err error) answer {
	if err != nil {
		var missing *batch.MissingError
		return answer{Error: err.Error(), Temporary: batch.IsTemporary(err), Missing: errors.As(err, &missing)}
	}
	a := answer{Offset: at}
	if m, ok := s.(batch.Metered); ok {
		a.Metrics = m.Metrics()
	}
	return a
}

// read sends the records of a range.
func read(ctx context.Context, w http.ResponseWriter, s batch.Source, in *request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &frames{w: w}
	err := s.Read(ctx, in.Start, in.End, out.add)
	out.end(s, nil, err)
}

// take sends the records of the next batch, and where it ends.
func take(ctx context.Context, w http.ResponseWriter, s batch.Source, in *request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &frames{w: w}
	if t, ok := s.(batch.Taker); ok {
		end, err := t.Take(ctx, in.Start, in.Limit, out.add)
		out.end(s, end, err)
		return
	}
	end, err := s.Plan(ctx, in.Start, in.Limit)
	if err == nil {
		err = s.Read(ctx, in.Start, end, out.add)
	}
	out.end(s, end, err)
}
