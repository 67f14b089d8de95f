// Package pipelines is the HTTP API of package pipelines, weir's own. All of it lies below /_weir/pipelines; bodies are JSON, but for
// pipeline files, which are YAML. Errors are {"error": "…"} with a status that says whose they are. Where requests must be signed,
// these too: Signature Version 4, service "weir".
//
//	GET    /_weir/pipelines                     all of them: {"pipelines": [Status …]}
//	POST   /_weir/pipelines[?paused=true]       keep and start a pipeline; the body is its file
//	GET    /_weir/pipelines/NAME                its Status
//	PUT    /_weir/pipelines/NAME                give it another file
//	DELETE /_weir/pipelines/NAME                stop and forget it; table, dead letters and progress stay
//	POST   /_weir/pipelines/NAME/pause          finish the batch and rest
//	POST   /_weir/pipelines/NAME/resume         start again
//	GET    /_weir/pipelines/NAME/progress       its newest batches as Spark's StreamingQueryProgress, one a line;
//	       [?after=BATCH][&follow=true]         those after a batch; on and on as they come
package pipelines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/pipelines"
	"github.com/weir-data/weir/wire"
)

// Path is where the API lies.
const Path = "/_weir/pipelines"

// fileMax bounds the body of a request in bytes.
const fileMax = 256 << 10

// Options of Handler. Manager is required.
type Options struct {
	Manager *pipelines.Manager
	// Verify finds out who sent a request of the given body, and refuses it or lets it pass; nil lets everyone pass.
	Verify func(r *http.Request, body []byte) (*http.Request, error)
}

type handler struct {
	opts Options
	mux  *http.ServeMux
}

// Handler answers what lies at Path and below.
func Handler(opts Options) http.Handler {
	h := &handler{opts: opts, mux: http.NewServeMux()}
	m := opts.Manager
	h.answer("GET "+Path, http.StatusOK, func(r *http.Request, _ string) (any, error) {
		return map[string]any{"pipelines": m.List()}, nil
	})
	h.answer("POST "+Path, http.StatusCreated, func(r *http.Request, file string) (any, error) {
		paused, err := flag(r, "paused")
		if err != nil {
			return nil, err
		}
		return m.Create(r.Context(), file, paused)
	})
	h.answer("GET "+Path+"/{name}", http.StatusOK, func(r *http.Request, _ string) (any, error) {
		return m.Status(r.PathValue("name"))
	})
	h.answer("PUT "+Path+"/{name}", http.StatusOK, func(r *http.Request, file string) (any, error) {
		return m.Replace(r.Context(), r.PathValue("name"), file)
	})
	h.answer("DELETE "+Path+"/{name}", http.StatusOK, func(r *http.Request, _ string) (any, error) {
		return struct{}{}, m.Remove(r.Context(), r.PathValue("name"))
	})
	h.answer("POST "+Path+"/{name}/pause", http.StatusOK, func(r *http.Request, _ string) (any, error) {
		return m.Pause(r.Context(), r.PathValue("name"))
	})
	h.answer("POST "+Path+"/{name}/resume", http.StatusOK, func(r *http.Request, _ string) (any, error) {
		return m.Resume(r.Context(), r.PathValue("name"))
	})
	h.mux.HandleFunc("GET "+Path+"/{name}/progress", h.progress)
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// answer serves a pattern with what do gives for a request and its body.
func (h *handler) answer(pattern string, status int, do func(r *http.Request, body string) (any, error)) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r, body, err := h.admit(r)
		if err != nil {
			fail(w, err)
			return
		}
		out, err := do(r, body)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(out) // an error is the caller's who went
	})
}

// admit reads the body of a request and verifies who sent it.
func (h *handler) admit(r *http.Request) (*http.Request, string, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, fileMax+1))
	if err != nil {
		return nil, "", badRequest{fmt.Errorf("read request: %w", err)}
	}
	if len(body) > fileMax {
		return nil, "", badRequest{fmt.Errorf("the body has more than %d bytes", fileMax)}
	}
	if h.opts.Verify != nil {
		if r, err = h.opts.Verify(r, body); err != nil {
			return nil, "", err
		}
	}
	return r, string(body), nil
}

// progress sends reports, one a line.
func (h *handler) progress(w http.ResponseWriter, r *http.Request) {
	r, _, err := h.admit(r)
	if err != nil {
		fail(w, err)
		return
	}
	follow, err := flag(r, "follow")
	after := int64(-1)
	if text := r.URL.Query().Get("after"); text != "" && err == nil {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			err = badRequest{fmt.Errorf("after=%s is not the number of a batch", text)}
		}
	}
	name, m := r.PathValue("name"), h.opts.Manager
	changed, reports := (<-chan struct{})(nil), []batch.Report(nil)
	look := func() (err error) {
		if changed, err = m.Changes(name); err == nil {
			reports, err = m.Reports(name, after)
		}
		return err
	}
	if err == nil {
		err = look()
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	for {
		for _, report := range reports {
			if err := lines.Encode(report); err != nil {
				return
			}
			after = report.BatchID
		}
		if !follow || out.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		if look() != nil { // it was removed, or the server stops
			return
		}
	}
}

// flag reads a parameter of the query that is true or false.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, badRequest{fmt.Errorf("%s=%s is neither true nor false", name, text)}
	}
	return on, nil
}

// badRequest is an error of the caller.
type badRequest struct{ error }

// statuses are those of package pipelines' errors.
var statuses = []struct {
	err    error
	status int
}{
	{pipelines.ErrNotFound, http.StatusNotFound},
	{pipelines.ErrExists, http.StatusConflict},
	{pipelines.ErrInvalid, http.StatusBadRequest},
	{pipelines.ErrFull, http.StatusTooManyRequests},
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var refused *wire.Error
	var bad badRequest
	switch {
	case errors.As(err, &refused):
		status = refused.Status
	case errors.As(err, &bad):
		status = http.StatusBadRequest
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			status = s.status
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": strings.TrimSpace(err.Error())})
}
