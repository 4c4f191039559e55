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
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
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
	LandRequest
}

// LandRequest says how a bundle lands.
type LandRequest struct {
	Keys     []string `json:"keys,omitempty"` // PEM; when there are any, only their signatures count
	Override string   `json:"override,omitempty"`
}

// Options are those of bundle.Land.
func (l LandRequest) Options() (o bundle.LandOptions, err error) {
	for _, text := range l.Keys {
		k, err := trust.ParseKey([]byte(text))
		if err != nil {
			return o, err
		}
		o.Keys = append(o.Keys, k)
	}
	o.Override = l.Override
	return o, nil
}

// landing is a site that bundles land in.
type landing interface {
	registry.Writer
	bundle.Site
}

// Importing is how far an import is.
type Importing struct {
	Total   int64          `json:"total"`             // bytes that the site misses
	Moved   int64          `json:"moved"`             // of these
	Present int            `json:"present"`           // blobs and manifests that it has
	Verdict *trust.Verdict `json:"verdict,omitempty"` // at the end
}

// tellEvery is how often a stream says how far it is.
const tellEvery = 200 * time.Millisecond

// importBundle streams a bundle from a file of this machine into the store. It
// leaves a processor to the site's clients.
func importBundle(dst landing) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, opts, err := openForImport(r)
		if err != nil {
			refuse(w, err)
			return
		}
		defer f.Close()
		stream(w, func(tell func(Importing)) (*Importing, error) {
			p := &importing{tell: tell}
			opts.Copy = registry.CopyOptions{Progress: p.event, Jobs: max(1, runtime.NumCPU()-1)}
			var err error
			p.at.Verdict, err = bundle.Land(r.Context(), dst, dst, f, opts)
			return &p.at, err
		})
	}
}

// openForImport opens what a request of this machine means.
func openForImport(r *http.Request) (b *bundle.Reader, opts bundle.LandOptions, err error) {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); !ok || a.Network() != "unix" {
		return nil, opts, fmt.Errorf("%w: files of the appliance are imported by commands on its own machine", registry.ErrDenied)
	}
	var request importRequest
	if err := decode(r, &request); err != nil {
		return nil, opts, err
	}
	if !filepath.IsAbs(request.Path) {
		return nil, opts, fmt.Errorf("%w: path %q is not absolute", registry.ErrInvalid, request.Path)
	}
	if opts, err = request.Options(); err != nil {
		return nil, opts, err
	}
	device, inode, err := identify(request.Path)
	if err != nil || device != request.Device || inode != request.Inode {
		return nil, opts, fmt.Errorf("%s: %w: %w", request.Path, registry.ErrNotFound, cmp.Or(err, ErrUnseen))
	}
	b, err = bundle.Open(request.Path)
	return b, opts, err
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

// importing counts what an import does and tells of it now and then.
type importing struct {
	mu   sync.Mutex // protects the fields below, and is held around tell
	at   Importing
	told time.Time
	tell func(Importing)
}

func (p *importing) event(e registry.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case registry.Planned:
		p.at.Total = e.Bytes
	case registry.Advanced:
		p.at.Moved += e.Bytes
	case registry.Skipped:
		p.at.Present++
	}
	if time.Since(p.told) > tellEvery {
		p.told = time.Now()
		p.tell(p.at)
	}
}

// ImportBundle lets an appliance on this machine import a file. ErrUnseen when
// it cannot: then the content has to be sent to it.
func (c *Client) ImportBundle(ctx context.Context, path string, land LandRequest, tell func(Importing)) (*Importing, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	request := importRequest{Path: path, LandRequest: land}
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
	return read[Importing, Importing](ctx, c, answer, tell)
}
