package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/appliance"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/settings"
)

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the site's appliance: registry, management API and upkeep",
		Long: "Run the site's appliance. At the first start it prints a link by which the first administrator is made. Whoever is\n" +
			"on this machine manages it with the other commands, which find it by its data folder.\n\n" +
			"Addresses beyond loopback speak HTTPS, with a certificate of the site's own authority until another one is set.\n" +
			"SIGHUP reads the configuration again. What was interrupted, by a power cut too, goes on at the next start.\n\n" +
			"With --mirror its mirrors run by their schedules, and by 'landfall sync start'. A file that has changed comes into\n" +
			"force by itself; as long as it is invalid, the last one stays, and 'landfall sync ls' says why. When a time of a\n" +
			"schedule was missed, the mirror runs once, soon after the start.",
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c)
	role, asHost := addHostRole(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch *role {
		case roleSite:
		case roleHost:
			return asHost.serve(c)
		default:
			return usageError{fmt.Errorf("--role %q: want site or host", *role)}
		}
		e, err := flags.load(c)
		if err != nil {
			return err
		}
		return serve(c, e, func() (*settings.Effective, error) { return flags.load(c) })
	}
	return c
}

// waiting is by how much Go runs more threads than there are processors. One
// that waits for the disk keeps its place for up to 10 ms, and with a place for
// each processor only, requests would wait for that.
const waiting = 2

func serve(c *cobra.Command, e *settings.Effective, reload func() (*settings.Effective, error)) (err error) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(waiting * runtime.GOMAXPROCS(0))
	}
	var level slog.LevelVar
	level.Set(e.Config.Log.Level)
	format := observe.LogText
	if e.Config.Log.Format == "json" {
		format = observe.LogJSON
	}
	ring := diagnostics.NewRing(0)
	log := observe.NewLog(io.MultiWriter(c.ErrOrStderr(), ring), observe.LogOptions{Format: format, Level: &level})
	observe.BridgeLogrus(log)
	a, err := appliance.Open(c.Context(), e, appliance.Options{Version: version(), Log: log, Level: &level, Ring: ring, Console: c.ErrOrStderr(), Reload: reload})
	if errors.Is(err, registry.ErrInvalid) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return a.Run(c.Context())
}

// addStoreFlags adds the options of a store that verbs have.
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
