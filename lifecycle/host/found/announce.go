package found

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/mdns/v2"
)

// AnnounceOptions say how to announce. The zero value is the default.
type AnnounceOptions struct {
	// Log is told of networks on which the service is announced, and why it is on none.
	// Nil for silence.
	Log *slog.Logger
	// Look is how often it is looked whether the machine has come to other networks or
	// addresses: 15 seconds when 0.
	Look time.Duration
}

const defaultLook = 15 * time.Second

// Announce answers who looks for a service, until ctx ends or stop is called; stop waits
// for the end. It follows the machine to other networks and addresses. That it can be on
// none, or that multicast is not possible, is no error: it is tried again. ErrInvalid for
// a service that cannot be announced.
func Announce(ctx context.Context, s Service, opts AnnounceOptions) (stop func(), err error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	a := &announcer{service: s, log: opts.Log, look: opts.Look}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.look == 0 {
		a.look = defaultLook
	}
	ctx, end := context.WithCancel(ctx)
	a.follow()
	var going sync.WaitGroup
	going.Go(func() { a.run(ctx) })
	return func() { end(); going.Wait() }, nil
}

// announcer announces one service.
type announcer struct {
	service Service
	log     *slog.Logger
	look    time.Duration

	conn   *mdns.Conn // nil: it is announced nowhere
	on     string     // interfaces and addresses that conn was opened for
	failed string     // why it is announced nowhere, as was told last
}

func (a *announcer) run(ctx context.Context) {
	tick := time.NewTicker(a.look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.follow()
		case <-ctx.Done():
			a.close()
			return
		}
	}
}

func (a *announcer) close() {
	if a.conn != nil {
		a.conn.Close()
	}
	a.conn, a.on = nil, ""
}

// follow announces the service on the networks on which the machine is now.
func (a *announcer) follow() {
	list, err := networks()
	if err == nil {
		on := described(list)
		if a.conn != nil && on == a.on {
			return
		}
		a.close()
		a.conn, err = open(list, a.options()...)
		a.on = on
	}
	switch {
	case err != nil && err.Error() != a.failed:
		a.failed = err.Error()
		a.log.Warn("this machine cannot be found by others on its networks; it is tried again", "error", err)
	case err == nil:
		a.failed = ""
		a.log.Debug("others can find this machine", "service", a.service.Kind, "name", a.service.Name, "networks", a.on)
	}
}

// described tells networks and addresses of a machine apart from others.
func described(list []net.Interface) string {
	var parts []string
	for _, i := range list {
		addresses, _ := i.Addrs() // none, when it went away
		for _, at := range addresses {
			parts = append(parts, fmt.Sprintf("%s#%d %s", i.Name, i.Index, at))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// options are the service as the library knows it. The name of the machine in DNS is of
// the service alone: the machine's own may be announced by another program, whose matter
// it is.
func (a *announcer) options() []mdns.ServerOption {
	sum := sha256.Sum256([]byte(string(a.service.Kind) + a.service.Name))
	instance := mdns.ServiceInstance{Instance: a.service.Name, Service: string(a.service.Kind), Port: uint16(a.service.Port)} //nolint:gosec // check has bounded it
	for _, key := range slices.Sorted(maps.Keys(a.service.Text)) {
		instance.Text = append(instance.Text, mdns.NewTXTString(key, a.service.Text[key]))
	}
	return []mdns.ServerOption{mdns.WithLocalNames("landfall-" + hex.EncodeToString(sum[:6]) + ".local"), mdns.WithService(instance)}
}
