package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

const (
	reachWithin = 60 * time.Second // others begin to listen a little later
	reachEvery  = 500 * time.Millisecond
	dialWithin  = 3 * time.Second
	dialAtOnce  = 32 // of a host: all of a large site dial all others at the same time
)

// holding are ports at which the agent listens for its peers' checks.
type holding struct {
	mu        sync.Mutex // protects the rest
	listeners []net.Listener
	timer     *time.Timer
}

// hold listens at ports of an address for a while. Ports that somebody has are left out.
func (h *holding) hold(address string, ports []int, d time.Duration) {
	h.release()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, port := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		h.listeners = append(h.listeners, l)
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	}
	h.timer = time.AfterFunc(d, h.release)
}

func (h *holding) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.listeners {
		l.Close()
	}
	h.listeners = nil
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// check looks whether the host can become part of a cluster.
func (t *task) check(ctx context.Context, c *host.Check) (any, error) {
	out := host.Checked{Findings: []host.Finding{}}
	blocks := func(check, format string, args ...any) {
		out.Findings = append(out.Findings, host.Finding{Check: check, Severity: host.Blocks, Text: fmt.Sprintf(format, args...)})
	}
	for _, port := range c.Ports {
		if l, err := net.Listen("tcp", net.JoinHostPort(t.opts.Address, strconv.Itoa(port))); err != nil {
			blocks("port", "TCP port %d is in use: %v: stop who listens there", port, err)
		} else {
			l.Close()
		}
	}
	if len(c.Listen) > 0 {
		t.holding.hold(t.opts.Address, c.Listen, time.Duration(c.For)*time.Second)
	}
	for _, s := range c.Space {
		t.checkSpace(s, blocks)
	}
	if c.Clean {
		t.checkClean(blocks)
		out.Findings = append(out.Findings, t.checkNetworks()...)
	}
	if c.Kernel {
		out.Findings = append(out.Findings, t.checkKernel()...)
	}
	t.say("looking for %d ports of other hosts", len(c.Peers))
	t.checkPeers(ctx, c.Peers, blocks)
	if c.Canary != nil && c.Source != nil {
		t.say("pulling %s", c.Canary.Name)
		if err := t.opts.Runtime.Canary(ctx, *c.Source, *c.Canary); err != nil {
			blocks("source", "%v", err)
		}
	}
	out.Inventory = t.opts.Inventory(ctx)
	return out, context.Cause(ctx)
}

type complain = func(check, format string, args ...any)

// checkSpace looks at the nearest folder that is there.
func (t *task) checkSpace(s host.Space, blocks complain) {
	at := s.Path
	for at != "/" && !t.tree.exists(at) {
		at = filepath.Dir(at)
	}
	free, err := durable.Free(t.tree.outside(at))
	switch {
	case err != nil:
		blocks("disk", "%s: how much is free cannot be known: %v", s.Path, err)
	case free < s.Bytes:
		blocks("disk", "%s has %s free, %s are needed: remove what is not needed, or use a larger disk", s.Path, units.Bytes(free), units.Bytes(s.Bytes))
	}
}

// checkClean looks for what an earlier Kubernetes has left.
func (t *task) checkClean(blocks complain) {
	for _, path := range []string{adminConfig, kubeletConfig, etcdMember, "/var/lib/rancher/k3s/server/db", "/var/lib/rancher/k3s/agent/etc"} {
		if t.tree.exists(path) {
			blocks("clean", "%s is there: the host is, or was, part of another cluster: take it out of that first", path)
		}
	}
	for _, name := range t.tree.list(manifests) {
		if strings.HasSuffix(name, ".yaml") {
			blocks("clean", "%s/%s is there: the host is, or was, part of another cluster: take it out of that first", manifests, name)
		}
	}
}

// checkNetworks looks for networks of pods that are set up already: the container runtime
// takes the first of them, before the cluster's own comes.
func (t *task) checkNetworks() (list []host.Finding) {
	for _, name := range t.tree.list(networkFolder) {
		if slices.Contains([]string{".conf", ".conflist", ".json"}, filepath.Ext(name)) {
			list = append(list, host.Finding{Check: "clean", Severity: host.Warning, Text: networkFolder + "/" + name + " is there: pods get their network by it; remove it unless it is wanted"})
		}
	}
	return list
}

// wantedModules are those without which pods' networks do not work.
var wantedModules = []string{"overlay", "br_netfilter", "nf_conntrack"}

// checkKernel looks at what Kubernetes needs of a kernel. What may be there in another
// way is a warning.
func (t *task) checkKernel() (list []host.Finding) {
	found := t.opts.Inventory(context.Background()).Kernel
	for _, m := range wantedModules {
		if there, known := found.Modules[m]; known && !there {
			list = append(list, host.Finding{Check: "kernel", Severity: host.Warning, Text: "the kernel has no module " + m + ": pods may not reach each other"})
		}
	}
	if found.Swap > 0 {
		list = append(list, host.Finding{Check: "swap", Severity: host.Blocks, Text: "swap is in use: switch it off, in /etc/fstab too, or let the kubelet allow it"})
	}
	return list
}

// checkPeers dials other hosts until they answer.
func (t *task) checkPeers(ctx context.Context, peers []host.Peer, blocks complain) {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	var wait sync.WaitGroup
	var mu sync.Mutex
	turns := make(chan struct{}, dialAtOnce)
	for _, p := range peers {
		wait.Go(func() {
			if err := reach(ctx, p, turns); err != nil {
				mu.Lock()
				defer mu.Unlock()
				blocks("reach", "host %s does not answer at %s: %v: let its firewall and the network between let that through", p.Name, net.JoinHostPort(p.Address, strconv.Itoa(p.Port)), err)
			}
		})
	}
	wait.Wait()
}

// reach dials a peer until it answers. Each time takes one of so many turns.
func reach(ctx context.Context, p host.Peer, turns chan struct{}) (last error) {
	for {
		turns <- struct{}{}
		c, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, "tcp", net.JoinHostPort(p.Address, strconv.Itoa(p.Port)))
		<-turns
		if err == nil {
			return c.Close()
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-time.After(reachEvery):
		case <-ctx.Done():
			var code syscall.Errno
			if errors.As(last, &code) {
				return code
			}
			return last
		}
	}
}
