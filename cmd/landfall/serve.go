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
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/mirroring"
	"github.com/landfall-dev/landfall/ui/observe"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	data, listen  string
	log           observe.LogOptions
	logRequests   bool
	traceEndpoint string
	mirror        string
	store         store.Options
	keep          store.KeepOptions
	scrubRate     string
}

func newServe() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the site's registry",
		Long: "Serve the site's registry. With --mirror its mirrors run by their schedules, and by 'landfall sync start'. A file\n" +
			"that has changed comes into force by itself; as long as it is invalid, the last one stays, and 'landfall sync ls'\n" +
			"says why. What was interrupted goes on at the next start, and when a time of a schedule was missed meanwhile, the\n" +
			"mirror runs once, soon after the start.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if f.keep.ScrubRate, err = parseRate(f.scrubRate); err != nil {
				return usageError{fmt.Errorf("--scrub-rate: %w", err)}
			}
			return serve(c.Context(), c.ErrOrStderr(), f)
		},
	}
	addDataFlag(c, &f.data)
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:5080", "`address` to answer on; port 0 takes a free one")
	c.Flags().TextVar(&f.log.Format, "log-format", observe.LogText, "write the log as `text` or json")
	c.Flags().TextVar(&f.log.Level, "log-level", slog.LevelInfo, "log from this `level` on: debug, info, warn or error")
	c.Flags().BoolVar(&f.logRequests, "log-requests", false, "log requests at level info instead of debug")
	c.Flags().StringVar(&f.traceEndpoint, "trace-endpoint", "", "send traces to the OpenTelemetry collector at this `URL` (OTLP over HTTP)")
	c.Flags().StringVar(&f.mirror, "mirror", "", "keep the mirrors of this mirror.yaml `file` level with their sources")
	addStoreFlags(c, &f.store)
	c.Flags().BoolVar(&f.store.AcceptIncomplete, "accept-incomplete", false, "take manifests whose layers were not pushed; such names cannot be pulled whole")
	c.Flags().StringVar(&f.scrubRate, "scrub-rate", "8MiB", "read every blob again in the background, at most so many bytes per second; 0 for never")
	c.Flags().DurationVar(&f.keep.ScrubEvery, "scrub-every", 7*24*time.Hour, "`time` from the end of a scrub to the next")
	c.Flags().DurationVar(&f.keep.CollectEvery, "collect-every", 0, "apply the policy and collect after each such `time`; 0 for on demand only")
	return c
}

// waiting is by how much Go runs more threads than there are processors. One
// that waits for the disk keeps its place for up to 10 ms, and with a place for
// each processor only, requests would wait for that.
const waiting = 2

func serve(ctx context.Context, stderr io.Writer, f serveFlags) (err error) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(waiting * runtime.GOMAXPROCS(0))
	}
	log := observe.NewLog(stderr, f.log)
	observe.BridgeLogrus(log)
	options := ui.Options{Log: log, LogRequests: f.logRequests}
	if f.traceEndpoint != "" {
		if options.Traces, err = observe.NewTraces(f.traceEndpoint, log); err != nil {
			return usageError{fmt.Errorf("--trace-endpoint: %w", err)}
		}
		defer options.Traces.Close(ctx)
	}
	if f.mirror != "" {
		if _, err := mirroring.Load(f.mirror); err != nil { // before a store is made
			return usageError{err}
		}
	}
	f.store.Warm = true
	s, err := store.Open(ctx, f.data, f.store)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	options.View = attach.NewView(s)
	if f.mirror != "" {
		end, err := serveMirrors(&options, s, f.mirror, log)
		if err != nil {
			return err
		}
		defer end()
	}
	listeners, err := openListeners(f, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "landfall: serving http://%s from %s\n", listeners[0].Addr(), f.data)
	f.keep.Log = log
	keeping, stop := context.WithCancel(ctx)
	var upkeep sync.WaitGroup
	options.Landing = landing.New(s, options.View, log)
	defer options.Landing.Close()
	upkeep.Go(func() { s.Keep(keeping, f.keep) })
	upkeep.Go(func() { options.Landing.Keep(keeping) })
	if options.Mirroring != nil {
		upkeep.Go(func() { options.Mirroring.Keep(keeping) })
	}
	defer upkeep.Wait()
	defer stop()
	return ui.NewServer(s, options).Serve(ctx, listeners...)
}

// openListeners answers at the address, and at the socket where that is possible.
func openListeners(f serveFlags, log *slog.Logger) ([]net.Listener, error) {
	address, err := net.Listen("tcp", f.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: --listen %s: another program answers there", registry.ErrConflict, f.listen)
	}
	if err != nil {
		return nil, fmt.Errorf("--listen %s: %w", f.listen, err)
	}
	listeners := []net.Listener{address}
	if socket, err := listenSocket(filepath.Join(f.data, socketName)); err != nil {
		log.Warn("no socket for commands on this machine; use --server", "error", err)
	} else {
		listeners = append(listeners, socket)
	}
	return listeners, nil
}

// addStoreFlags adds the options of a store that verbs and the appliance share.
func addStoreFlags(c *cobra.Command, o *store.Options) {
	c.Flags().Var((*age)(&o.Lease), "lease", "for so long what somebody was told is here is not collected (default 1h)")
	c.Flags().Var((*age)(&o.TrashAge), "trash", "for so long what was collected can be brought back (default 24h)")
}

// age is a duration of store.Options, where 0 is the default and less is none.
type age time.Duration

func (a *age) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("want a time like 30m, or 0 for none")
	}
	if *a = age(d); d == 0 {
		*a = -1
	}
	return err
}

func (a *age) String() string { return "" }

func (a *age) Type() string { return "time" }

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
