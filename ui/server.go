// Package ui is the site's face: what the appliance answers on its address.
// So far that is the registry, the management API and one plain page; the Local UI
// will be mounted beside them.
package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/mirroring"
	"github.com/landfall-dev/landfall/ui/observe"
)

// Options of a Server. The zero value is the default.
type Options struct {
	// Log gets what clients are not told, and one line for each request at
	// debug level. Nil for silence.
	Log *slog.Logger
	// LogRequests raises the lines of requests to info level.
	LogRequests bool
	// Landing lands bundles, and View is what it attaches them to; nil: bundles
	// are not landed here, and nothing is attached.
	Landing *landing.Landing
	View    *attach.View
	// Mirroring runs mirrors; nil: that is not offered.
	Mirroring *mirroring.Mirroring
	// Upstream brings what is pulled and not here; nil: nobody does. It stays the
	// caller's to close, after Serve has returned.
	Upstream engine.Upstream
	// Traces gets a span for each request. Nil for none. It stays the caller's
	// to close, after Serve has returned.
	Traces *observe.Traces
}

// Server serves one store. It speaks HTTP/1.1 only: HTTP/2 takes the zero-copy
// path away from blob reads.
type Server struct {
	http    http.Server
	running sync.WaitGroup // requests under way: the store must outlive them
}

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
	observer := observe.New(observe.Options{Log: log, LogRequests: opts.LogRequests, Source: s, Traces: opts.Traces})
	ending := make(chan struct{})
	handler := observer.Wrap(newMux(s, opts, log, observer, ending))
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	server := &Server{}
	server.http = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			server.running.Add(1)
			defer server.running.Done()
			handler.ServeHTTP(w, r)
		}),
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	server.http.RegisterOnShutdown(func() { close(ending) })
	return server
}

// newMux is everything that the site answers.
func newMux(s *store.Store, opts Options, log *slog.Logger, observer *observe.Observer, ending <-chan struct{}) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/v2/", engine.New(s, engine.Options{Log: log, View: opts.View, Upstream: opts.Upstream}))
	management := api.Options{Ending: ending}
	if opts.Landing != nil { // a nil Landing is no nil Lander
		management.Lander = opts.Landing
	}
	if opts.Mirroring != nil {
		management.Mirrors = opts.Mirroring
	}
	mux.Handle("/api/v1/", api.Handler(s, management))
	mux.Handle("GET /metrics", observer.Metrics())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { page(w, r, s) })
	return mux
}

// Serve answers on all listeners until ctx ends, then lets running requests
// finish for a while.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- s.http.Serve(l) }()
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

// pageNames bounds the plain page.
const pageNames = 200

// page says what this address is and lists what it holds.
func page(w http.ResponseWriter, r *http.Request, s *store.Store) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Landfall\n\nThis is the site's registry. Pull from it with any OCI client:\n\n")
	shown := 0
	for name, err := range names(r.Context(), s) {
		if err != nil || shown == pageNames {
			fmt.Fprintln(w, "  … (landfall content ls shows all)")
			return
		}
		fmt.Fprintf(w, "  %s/%s\n", r.Host, name)
		shown++
	}
	if shown == 0 {
		fmt.Fprintln(w, "  nothing yet: landfall bundle import FILE brings content")
	}
}

// names yields what can be pulled: tags, and repositories without any.
func names(ctx context.Context, s *store.Store) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for repository, err := range s.RepositoryPaths(ctx, "") {
			if err != nil {
				yield("", err)
				return
			}
			tagged := false
			for tag, err := range s.Tags(ctx, repository, "") {
				tagged = true
				if !yield(repository+":"+tag, err) {
					return
				}
			}
			if !tagged && !yield(repository+"@<digest>", nil) {
				return
			}
		}
	}
}
