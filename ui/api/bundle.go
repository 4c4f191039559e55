package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/landing"
)

// ErrUnseen says that the appliance does not see the file that the client means.
var ErrUnseen = errors.New("the appliance does not see this file")

// importRequest names a file on the machine that both sides run on. Device and
// inode tell whether the appliance sees the same one: it may live in a
// container.
type importRequest struct {
	Path   string `json:"path"`
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	landing.Request
}

// Lander lands bundles from files of this machine.
type Lander interface {
	// Land closes r.
	Land(ctx context.Context, r *bundle.Reader, path string, request landing.Request, tell func(landing.Progress)) (*landing.Progress, error)
}

// importBundle streams a bundle from a file of this machine into the store.
func importBundle(l Lander) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, request, err := openForImport(r)
		if err != nil {
			refuse(w, err)
			return
		}
		stream(w, func(tell func(landing.Progress)) (*landing.Progress, error) {
			return l.Land(r.Context(), b, request.Path, request.Request, tell)
		})
	}
}

// openForImport opens what a request of this machine means.
func openForImport(r *http.Request) (b *bundle.Reader, request importRequest, err error) {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); !ok || a.Network() != "unix" {
		return nil, request, fmt.Errorf("%w: files of the appliance are imported by commands on its own machine", registry.ErrDenied)
	}
	if err := decode(r, &request); err != nil {
		return nil, request, err
	}
	if !filepath.IsAbs(request.Path) {
		return nil, request, fmt.Errorf("%w: path %q is not absolute", registry.ErrInvalid, request.Path)
	}
	device, inode, err := identify(request.Path)
	if err != nil || device != request.Device || inode != request.Inode {
		return nil, request, fmt.Errorf("%s: %w: %w", request.Path, registry.ErrNotFound, cmp.Or(err, ErrUnseen))
	}
	b, err = bundle.Open(request.Path)
	return b, request, err
}

// identify tells files apart whatever they are called.
func identify(path string) (device, inode uint64, err error) {
	f, err := os.Open(path) // not only there, but readable
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, errors.ErrUnsupported
	}
	return s.Dev, s.Ino, nil
}

// ImportBundle lets an appliance on this machine import a file. ErrUnseen when
// it cannot: then the content has to be sent to it.
func (c *Client) ImportBundle(ctx context.Context, path string, land landing.Request, tell func(landing.Progress)) (*landing.Progress, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	request := importRequest{Path: path, Request: land}
	if request.Device, request.Inode, err = identify(path); err != nil {
		return nil, err
	}
	answer, err := c.send(ctx, http.MethodPost, "bundles/import", request, typeStream)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", ErrUnseen, err)
	}
	if err != nil {
		return nil, err
	}
	return read[landing.Progress, landing.Progress](ctx, c, answer, tell)
}
