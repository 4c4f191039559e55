package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/service"
	"github.com/landfall-dev/landfall/ui/settings"
)

// headerTimeout is how long a client may take for the head of a request.
const headerTimeout = 10 * time.Second

// listeners are where the appliance answers.
type listeners struct {
	all       []net.Listener
	metrics   net.Listener // nil: on the others
	hosts     net.Listener // for agents; nil: none are managed
	addresses []string     // of all, for people
	browser   string       // the one for a browser
	tls       bool         // one of them speaks it
}

func (l *listeners) close() {
	for _, one := range l.all {
		one.Close()
	}
	if l.metrics != nil {
		l.metrics.Close()
	}
	if l.hosts != nil {
		l.hosts.Close()
	}
}

// The names of sockets that systemd may open for the appliance.
const (
	socketHTTP  = "http"
	socketHTTPS = "https"
)

// listen answers at the addresses of the configuration, unless systemd has opened
// sockets, and at the one for commands where that is possible.
func (a *Appliance) listen(ctx context.Context) (l *listeners, err error) {
	l = &listeners{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	given, err := service.Listeners(socketHTTP, socketHTTPS)
	if err != nil {
		return l, err
	}
	for _, one := range given[socketHTTPS] {
		a.add(l, one, true)
	}
	for _, one := range given[socketHTTP] {
		if err := certs.CheckPlain(ctx, one.Addr().String(), a.config.PlainHTTP); err != nil {
			return l, err
		}
		a.add(l, one, false)
	}
	if len(given) == 0 {
		if err := a.listenConfigured(ctx, l); err != nil {
			return l, err
		}
	}
	if m := a.config.Metrics.Listen; m.Address != "" {
		one, err := a.open(ctx, m, "metrics.listen")
		if err != nil {
			return l, err
		}
		if m.TLS {
			one = a.certs.Listener(one)
		}
		l.metrics = one
	}
	if at := a.config.Hosts.Listen; at != "" {
		if l.hosts, err = a.open(ctx, settings.Listen{Address: at, TLS: true}, "hosts.listen"); err != nil {
			return l, err
		}
	}
	if socket, err := listenSocket(a.path(Socket)); err != nil {
		a.log.Warn("no socket for commands on this machine; use --server", "error", err)
	} else {
		l.all = append(l.all, socket)
	}
	return l, nil
}

func (a *Appliance) listenConfigured(ctx context.Context, l *listeners) error {
	for _, at := range a.config.Listen {
		one, err := a.open(ctx, at, "--listen")
		if err != nil {
			return err
		}
		a.add(l, one, at.TLS)
	}
	return nil
}

// add answers on a listener.
func (a *Appliance) add(l *listeners, one net.Listener, secure bool) {
	scheme := "http://"
	if secure {
		scheme, l.tls = "https://", true
		one = a.certs.Listener(one)
	}
	l.all = append(l.all, one)
	address := scheme + one.Addr().String()
	l.addresses = append(l.addresses, address)
	// A password is better typed where nobody on the way can read it; and plain
	// addresses are on loopback, where few browsers are.
	if l.browser == "" || secure && !strings.HasPrefix(l.browser, "https://") {
		l.browser = reachable(scheme, one.Addr())
	}
}

// reachable is an address that can be put into a browser.
func reachable(scheme string, at net.Addr) string {
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return scheme + at.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = strings.ToLower(name)
		}
	}
	return scheme + net.JoinHostPort(host, port)
}

// open opens one address, and refuses plain HTTP where passwords could be read.
func (a *Appliance) open(ctx context.Context, at settings.Listen, field string) (net.Listener, error) {
	if !at.TLS {
		if err := certs.CheckPlain(ctx, at.Address, a.config.PlainHTTP); err != nil {
			return nil, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s %s: another program answers there", registry.ErrConflict, field, at.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", field, at.Address, err)
	}
	return l, nil
}

// listenSocket answers commands on this machine; the data folder's lock
// guarantees that a socket found there is a dead one. It gets its name when it
// answers, and nobody else may use it.
func listenSocket(path string) (net.Listener, error) {
	begun := path + ".new"
	if err := os.Remove(begun); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.Listen("unix", begun)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) //nolint:forcetypeassert // that of a unix socket
	if err := errors.Join(os.Chmod(begun, 0o600), os.Rename(begun, path)); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(begun))
	}
	return &socket{Listener: l, path: path}, nil
}

// socket removes its name when it ends.
type socket struct {
	net.Listener
	path  string
	close sync.Once
}

func (s *socket) Close() (err error) {
	s.close.Do(func() {
		err = errors.Join(os.Remove(s.path), s.Listener.Close())
	})
	return err
}
