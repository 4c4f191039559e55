// Package ui is the site's face: what the appliance answers on its addresses, and
// the appliance itself, put together of its parts. Appliance is that; Server is how
// it answers: the registry below /v2/, the management API below /api/v1/, the Local
// UI at /.
package ui

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/registry/auth"

	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/web"
)

// Options of a Server. The zero value serves the registry and a page.
type Options struct {
	// Log gets what clients are not told, and one line for each request at
	// debug level. Nil for silence.
	Log *slog.Logger
	// LogRequests raises the lines of requests to info level.
	LogRequests bool
	// View is the store with what is attached to it; nil: nothing is.
	View *attach.View
	// Upstream brings what is pulled and not here; nil: nobody does. It stays the
	// caller's to close, after Serve has returned.
	Upstream engine.Upstream
	// Traces gets a span for each request. Nil for none. It stays the caller's
	// to close, after Serve has returned.
	Traces *observe.Traces
	// Guard says who may do what; nil: everybody may do everything.
	Guard *Guard
	// Manage has the handlers of what is managed, by their patterns.
	Manage map[string]http.Handler
	// HeaderTime is how long a client may take for the head of a request; 10
	// seconds when 0. BodyTime is that for its body where nobody is more patient,
	// as registry and uploads are while bytes come; a minute when 0.
	HeaderTime, BodyTime time.Duration
}

// Guard is how a Server learns who sends a request and what they may do.
type Guard struct {
	// Identify wraps all that is managed, Registry what is below /v2/: they put who
	// it is into the request's context, and refuse credentials that do not count.
	Identify, Registry func(http.Handler) http.Handler
	// Access decides about requests to the registry.
	Access auth.AccessController
	// Metrics answers a request of /metrics that may not be, and says so.
	Metrics func(w http.ResponseWriter, r *http.Request) (refused bool)
	// ConnContext learns from a connection who is on its other side.
	ConnContext func(ctx context.Context, c net.Conn) context.Context
	// Open are the handlers of who is not known yet, by their patterns.
	Open map[string]http.Handler
}

// Server serves one store. It speaks HTTP/1.1 only: HTTP/2 takes the zero-copy
// path away from blob reads.
type Server struct {
	http     http.Server
	observer *observe.Observer
	running  sync.WaitGroup // requests under way: the store must outlive them
}

const (
	headerTime = 10 * time.Second
	bodyTime   = time.Minute
)

// shutdownGrace is how long requests may go on after the end was asked for.
const shutdownGrace = 10 * time.Second

// NewServer makes a server. The store stays the caller's to close, after Serve
// has returned.
func NewServer(s *store.Store, opts Options) *Server {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = observe.WithRequests(log)
	server := &Server{}
	server.observer = observe.New(observe.Options{Log: log, LogRequests: opts.LogRequests, Source: s, Traces: opts.Traces})
	handler := server.observer.Wrap(newMux(s, opts, log, server.observer))
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	server.http = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			server.running.Add(1)
			defer server.running.Done()
			if r.ContentLength != 0 {
				// Also when nobody reads it: net/http does, before it sends an answer.
				// It takes the deadline away where the body ends.
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(cmp.Or(opts.BodyTime, bodyTime)))
			}
			handler.ServeHTTP(w, r)
		}),
		Protocols:         &protocols,
		ReadHeaderTimeout: cmp.Or(opts.HeaderTime, headerTime),
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if opts.Guard != nil {
		server.http.ConnContext = opts.Guard.ConnContext
	}
	return server
}

// OnEnding has a function called, once, when the server begins to end: what lasts
// as long as the server is to end then.
func (s *Server) OnEnding(do func()) { s.http.RegisterOnShutdown(sync.OnceFunc(do)) }

// Traffic is what has gone through since the program began.
func (s *Server) Traffic() observe.Traffic { return s.observer.Traffic() }

// Metrics answers for a listener of its own.
func (s *Server) Metrics() http.Handler { return s.observer.Metrics() }

// newMux is everything that the site answers.
func newMux(s *store.Store, opts Options, log *slog.Logger, observer *observe.Observer) *http.ServeMux {
	mux := http.NewServeMux()
	guard := opts.Guard
	if guard == nil {
		same := func(next http.Handler) http.Handler { return next }
		guard = &Guard{Identify: same, Registry: same, Metrics: func(http.ResponseWriter, *http.Request) bool { return false }}
	}
	mux.Handle("/v2/", guard.Registry(engine.New(s, engine.Options{Log: log, View: opts.View, Upstream: opts.Upstream, Access: guard.Access})))
	for pattern, handler := range opts.Manage {
		mux.Handle(pattern, secured(guard.Identify(handler)))
	}
	for pattern, handler := range guard.Open {
		mux.Handle(pattern, secured(handler))
	}
	metrics := observer.Metrics()
	mux.Handle("GET /metrics", guard.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !guard.Metrics(w, r) {
			metrics.ServeHTTP(w, r)
		}
	})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.Handle("/", secured(web.Handler()))
	return mux
}

// secured adds the headers that keep browsers from guessing, framing and telling.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// Serve answers on all listeners until ctx ends, then lets running requests
// finish for a while.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- s.http.Serve(newTurns(l)) }()
	}
	var err error
	running := len(listeners)
	select {
	case <-ctx.Done():
	case err = <-ended:
		running--
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if s.http.Shutdown(grace) != nil {
		s.http.Close()
	}
	for range running {
		err = errors.Join(err, unlessClosed(<-ended))
	}
	s.running.Wait()
	return unlessClosed(err)
}

func unlessClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
