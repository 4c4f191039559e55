package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/agent"
	"github.com/landfall-dev/landfall/lifecycle/host/found"
	"github.com/landfall-dev/landfall/lifecycle/host/inventory"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/service"
)

// Roles of 'landfall serve'.
const (
	roleSite = "site"
	roleHost = "host"
)

// hostRole are the flags of the role "host".
type hostRole struct {
	data, hostData, tokenFile string
	linkFlags
}

// lookForLink is how often it is looked whether the machine was linked.
const lookForLink = 2 * time.Second

// serveHost is the agent of a host, until ctx ends.
func serveHost(ctx context.Context, out io.Writer, r *hostRole) (err error) {
	log := observe.NewLog(out, observe.LogOptions{Format: observe.LogText})
	containers := runtime.New(runtime.Options{Log: log, Data: filepath.Join(r.data, "unpacked")}) // the agent empties that when it starts
	var a *agent.Agent
	read := readInventory(containers, func() []host.Installed { return a.Providers() })
	if a, err = agent.Open(ctx, agent.Options{Data: r.data, Runtime: containers, Inventory: read, Log: log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	n := service.New(log)
	defer n.Close()
	n.Ready()
	for {
		c, err := r.linked(ctx, log, n)
		if err != nil || c == nil {
			return err
		}
		i := c.Info()
		log.Info("this host is linked", "name", i.Name, "site", i.Site, "server", i.Server)
		n.Status("host %s of %s", i.Name, i.Server)
		if err := a.Run(ctx, c); err != nil || ctx.Err() != nil {
			n.Stopping()
			return err
		}
	}
}

// linked waits until the machine is linked, and links it when a token is at hand; nil
// when ctx ends before.
func (r *hostRole) linked(ctx context.Context, log *slog.Logger, n *service.Notifier) (*link.Client, error) {
	stop := func() {}
	defer func() { stop() }()
	for told := false; ; {
		c, err := link.OpenWith(r.data, link.Settings{Log: log})
		if err == nil || !errors.Is(err, registry.ErrNotFound) {
			return c, err
		}
		if r.tokenFile != "" {
			if err = r.byFile(ctx); err != nil {
				log.Warn("this host could not be linked; it is tried again", "error", err)
			}
		}
		if !told {
			told = true
			log.Info("this host is not linked: 'landfall host token' at the appliance says how")
			n.Status("not linked")
			stop = r.announce(ctx, log)
		}
		select {
		case <-time.After(lookForLink):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// announce tells on this machine's networks that it is not linked, until stop is called.
func (r *hostRole) announce(ctx context.Context, log *slog.Logger) (stop func()) {
	name, err := r.called()
	if err == nil {
		machine := inventory.Read(ctx, inventory.Options{Folders: []string{}}).MachineID
		stop, err = found.Announce(ctx, unlinkedService(name, machine), found.AnnounceOptions{Log: log})
	}
	if err != nil {
		log.Warn("this host cannot be found by others before it is linked", "error", err)
		return func() {}
	}
	return stop
}

// unlinkedService is a machine that is not linked. Several may have the same name: what
// follows it tells them apart.
func unlinkedService(name, machine string) found.Service {
	const digits, most = 8, 63
	apart := fmt.Sprintf("-%.*s", digits, machine)
	return found.Service{Kind: found.Host, Name: name[:min(len(name), most-len(apart))] + apart,
		Text: map[string]string{found.Name: name, found.Machine: machine, found.Version: version()}}
}

func (r *hostRole) byFile(ctx context.Context) error {
	token, err := os.ReadFile(r.tokenFile)
	if err != nil {
		return err
	}
	_, err = r.link(ctx, r.data, strings.TrimSpace(string(token)))
	return err
}

// addHostRole adds what the role "host" needs to 'landfall serve'.
func addHostRole(c *cobra.Command) (role *string, r *hostRole) {
	r = &hostRole{}
	role = c.Flags().String("role", roleSite, "what this machine is: site, the appliance; or host, which an appliance has do things")
	c.Flags().StringVar(&r.hostData, "host-data", "", "with --role host: data `folder` of the agent (LANDFALL_HOST_DATA; default "+hostData+")")
	c.Flags().StringVar(&r.tokenFile, "token-file", "", "with --role host: link with the token in this `file`")
	r.add(c)
	return role, r
}

func (r *hostRole) serve(c *cobra.Command) error {
	if r.data = os.Getenv("LANDFALL_HOST_DATA"); r.data == "" {
		r.data = hostData
	}
	if r.hostData != "" {
		r.data = r.hostData
	}
	var err error
	if r.data, err = filepath.Abs(r.data); err != nil {
		return err
	}
	return serveHost(c.Context(), c.ErrOrStderr(), r)
}
