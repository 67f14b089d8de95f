package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 5 * time.Second // for requests under way when the server stops
	headerMax     = 64 << 10
)

// servingKey is where requests find the context of Serve, which ends before theirs.
type servingKey struct{}

// Serve answers on ln with h, HTTP/1.1 and prior-knowledge HTTP/2 alike, until ctx is done; then event streams end, other
// requests under way may finish for a few seconds, and it returns nil. Any other end is an error. There is no limit on how
// long an answer takes, as streams may be long.
func Serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	// Long answers end when the base context does; short ones finish.
	base, stop := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), servingKey{}, ctx))
	defer stop()
	srv := &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMax,
		BaseContext:       func(net.Listener) context.Context { return base },
		// A client may open more streams than the default of 250 at once, each a small request.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(base, stopTimeout)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		stop()
		srv.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	}
	return nil
}
