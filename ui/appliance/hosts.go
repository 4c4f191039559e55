package appliance

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/found"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/clusters"
	"github.com/landfall-dev/landfall/ui/hosts"
)

// openHosts manages hosts, and clusters of them, where an address is set for them.
func (a *Appliance) openHosts(ctx context.Context) (err error) {
	if a.config.Hosts.Listen == "" {
		return nil
	}
	a.hosts, err = hosts.Open(ctx, a.store, hosts.Options{Certs: a.certs, Refuse: func(w http.ResponseWriter, err error) { api.Refuse(w, err) },
		Registry: a.registryAt, Names: a.names, PlatformsChanged: a.definitions.Wake, Audit: a.audit, Events: a.events, Log: a.log})
	if err != nil {
		return err
	}
	a.keep = append(a.keep, a.hosts.Keep)
	a.clusters, err = clusters.Open(ctx, a.store, clusters.Options{Definitions: a.definitions, Values: a.values, Hosts: a.hosts, Jobs: a.jobs, Folder: a.path(clustersFolder), Registry: a.source,
		Audit: a.audit, Events: a.events, Log: a.log})
	return err
}

// keepHosts answers agents for as long as the appliance runs.
func (a *Appliance) keepHosts(l net.Listener) {
	if l == nil {
		return
	}
	a.keep = append(a.keep, func(ctx context.Context) {
		if err := a.hosts.Serve(ctx, l); err != nil {
			a.log.Error("agents are not answered any more", "error", err)
		}
	})
	if a.config.Hosts.Announce {
		a.keep = append(a.keep, func(ctx context.Context) { a.announce(ctx, l.Addr()) })
	}
}

// announce tells on the networks where hosts link, until ctx ends. Without it hosts have
// to be told the address.
func (a *Appliance) announce(ctx context.Context, at net.Addr) {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return
	}
	site, err := a.store.SiteID(ctx)
	if err != nil {
		a.log.Warn("hosts cannot find this appliance by themselves", "error", err)
		return
	}
	stop, err := found.Announce(ctx, found.Service{Kind: found.Appliance, Name: "landfall-" + site[:8], Port: tcp.Port, Text: map[string]string{
		found.Site: site, found.Authority: link.HashOf(a.certs.Authority()), found.Version: a.opts.Version,
	}}, found.AnnounceOptions{Log: a.log})
	if err != nil {
		a.log.Warn("hosts cannot find this appliance by themselves", "error", err)
		return
	}
	<-ctx.Done()
	stop()
}

// names are what the appliance is called on its networks, the best first.
func (a *Appliance) names() []string {
	list := append([]string{}, a.now().TLS.Names...)
	found, err := net.InterfaceAddrs()
	if err != nil {
		return list
	}
	for _, one := range found {
		if n, ok := one.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			list = append(list, n.IP.String())
		}
	}
	return list
}

// registryAt is where a host that reaches the appliance by a name reaches its registry;
// empty when only this machine does.
func (a *Appliance) registryAt(reached string) string {
	for _, at := range a.config.Listen {
		name, port, err := net.SplitHostPort(at.Address)
		if err != nil {
			continue
		}
		scheme := "http://"
		if at.TLS {
			scheme = "https://"
		}
		ip := net.ParseIP(name)
		switch {
		case ip != nil && ip.IsLoopback(), name == "localhost":
			continue
		case reached != "" && (name == "" || ip != nil && ip.IsUnspecified()):
			name = reached
		case name == "":
			continue
		}
		return scheme + net.JoinHostPort(name, port)
	}
	return ""
}

// source is how hosts reach the appliance's own registry.
func (a *Appliance) source(context.Context) (s host.Source, err error) {
	reached := ""
	if names := a.names(); len(names) > 0 {
		reached = names[0]
	}
	if s.URL = a.registryAt(reached); s.URL == "" {
		return s, fmt.Errorf("%w: hosts cannot reach this appliance's registry: it listens on loopback only; see --listen", registry.ErrConflict)
	}
	if a.certs.Status().Source == certs.Own {
		s.CA = a.certs.CAPEM()
	}
	return s, nil
}
