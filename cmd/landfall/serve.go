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
)

func newServe() *cobra.Command {
	var data, listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the site's registry",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), c.ErrOrStderr(), data, listen)
		},
	}
	addDataFlag(c, &data)
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:5080", "`address` to answer on; port 0 takes a free one")
	return c
}

func serve(ctx context.Context, stderr io.Writer, data, listen string) (err error) {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	s, err := store.Open(ctx, data, store.Options{})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	address, err := net.Listen("tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: --listen %s: another program answers there", registry.ErrConflict, listen)
	}
	if err != nil {
		return fmt.Errorf("--listen %s: %w", listen, err)
	}
	listeners := []net.Listener{address}
	if socket, err := listenSocket(filepath.Join(data, socketName)); err != nil {
		log.Warn("no socket for commands on this machine; use --server", "error", err)
	} else {
		listeners = append(listeners, socket)
	}
	fmt.Fprintf(stderr, "landfall: serving http://%s from %s\n", address.Addr(), data)
	return ui.NewServer(s, log).Serve(ctx, listeners...)
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
