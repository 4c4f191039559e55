package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui"
	"github.com/landfall-dev/landfall/ui/observe"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	data, listen  string
	log           observe.LogOptions
	logRequests   bool
	traceEndpoint string
}

func newServe() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the site's registry",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), c.ErrOrStderr(), f)
		},
	}
	addDataFlag(c, &f.data)
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:5080", "`address` to answer on; port 0 takes a free one")
	c.Flags().TextVar(&f.log.Format, "log-format", observe.LogText, "write the log as `text` or json")
	c.Flags().TextVar(&f.log.Level, "log-level", slog.LevelInfo, "log from this `level` on: debug, info, warn or error")
	c.Flags().BoolVar(&f.logRequests, "log-requests", false, "log requests at level info instead of debug")
	c.Flags().StringVar(&f.traceEndpoint, "trace-endpoint", "", "send traces to the OpenTelemetry collector at this `URL` (OTLP over HTTP)")
	return c
}

func serve(ctx context.Context, stderr io.Writer, f serveFlags) (err error) {
	log := observe.NewLog(stderr, f.log)
	observe.BridgeLogrus(log)
	options := ui.Options{Log: log, LogRequests: f.logRequests}
	if f.traceEndpoint != "" {
		if options.Traces, err = observe.NewTraces(f.traceEndpoint, log); err != nil {
			return usageError{fmt.Errorf("--trace-endpoint: %w", err)}
		}
		defer options.Traces.Close(ctx)
	}
	s, err := store.Open(ctx, f.data, store.Options{})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	address, err := net.Listen("tcp", f.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: --listen %s: another program answers there", registry.ErrConflict, f.listen)
	}
	if err != nil {
		return fmt.Errorf("--listen %s: %w", f.listen, err)
	}
	listeners := []net.Listener{address}
	if socket, err := listenSocket(filepath.Join(f.data, socketName)); err != nil {
		log.Warn("no socket for commands on this machine; use --server", "error", err)
	} else {
		listeners = append(listeners, socket)
	}
	fmt.Fprintf(stderr, "landfall: serving http://%s from %s\n", address.Addr(), f.data)
	return ui.NewServer(s, options).Serve(ctx, listeners...)
}

// listenSocket answers commands on this machine; the data folder's lock
// guarantees that a socket found there is a dead one.
func listenSocket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}
