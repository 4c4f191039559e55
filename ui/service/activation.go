package service

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/landfall-dev/landfall/registry"
)

// Listeners takes over the sockets that the service manager has opened, by the
// FileDescriptorName of their units, which must be among names: what nobody serves
// would take connections and answer none. Empty outside systemd, and when called
// again. A socket that is no stream, or has no known name, is a
// registry.ErrInvalid, and all are closed.
func Listeners(names ...string) (map[string][]net.Listener, error) {
	listeners := map[string][]net.Listener{}
	var errs []error
	for _, f := range activation.Files(true) {
		l, err := listener(f, names)
		f.Close() // l has its own
		if err != nil {
			errs = append(errs, err)
			continue
		}
		listeners[f.Name()] = append(listeners[f.Name()], l)
	}
	if len(errs) == 0 {
		return listeners, nil
	}
	for _, list := range listeners {
		for _, l := range list {
			l.Close()
		}
	}
	return nil, errors.Join(errs...)
}

func listener(f *os.File, names []string) (net.Listener, error) {
	if !slices.Contains(names, f.Name()) {
		return nil, fmt.Errorf("%w: a socket with FileDescriptorName=%s was handed over; the names that are served are %s",
			registry.ErrInvalid, f.Name(), strings.Join(names, ", "))
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("%w: the socket %s that was handed over takes no connections: %w", registry.ErrInvalid, f.Name(), err)
	}
	return l, nil
}
