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

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
)

// ErrUnseen says that the appliance does not see the file that the client means.
var ErrUnseen = errors.New("the appliance does not see this file")

// errFar refuses a path from another machine.
var errFar = fmt.Errorf("%w: files of the appliance are imported by commands on its own machine", registry.ErrDenied)

// importRequest says where a bundle is. Device and inode tell whether the
// appliance sees the same file as a command on its machine: it may live in a
// container.
type importRequest struct {
	landing.Source
	Device uint64 `json:"device,omitempty" doc:"Of the file at path"`
	Inode  uint64 `json:"inode,omitempty" doc:"Of the file at path"`
	landing.Request
}

type importInput struct {
	Keyed
	Body importRequest
}

// Lander lands bundles as jobs.
type Lander interface {
	Start(ctx context.Context, s landing.Source, request landing.Request, idempotencyKey string) (jobs.Job, error)
	Verify(ctx context.Context, s landing.Source, idempotencyKey string) (jobs.Job, error)
	Inspect(ctx context.Context, s landing.Source) (*landing.Inspection, error)
	InspectOutline(ctx context.Context, o landing.Outline) (*landing.Inspection, error)
}

func (a *API) importBundle(ctx context.Context, in *importInput) (*jobAnswer, error) {
	if err := offered(a.opts.Lander != nil, "lands no bundles"); err != nil {
		return nil, err
	}
	if in.Body.Path != "" {
		if err := sees(ctx, in.Body); err != nil {
			return nil, err
		}
	}
	if err := a.mayUse(ctx, in.Body.Source); err != nil {
		return nil, err
	}
	return jobStarted(a.opts.Lander.Start(ctx, in.Body.Source, in.Body.Request, in.Key))
}

// isLocal reports whether a request comes over the socket of the machine.
func isLocal(ctx context.Context) bool {
	a, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	return ok && a.Network() == "unix"
}

// sees proves that a command of this machine means a file that is seen from here.
func sees(ctx context.Context, in importRequest) error {
	if !isLocal(ctx) {
		return errFar
	}
	if !filepath.IsAbs(in.Path) {
		return &FieldError{"body.path", fmt.Errorf("%w: %q is not absolute", registry.ErrInvalid, in.Path)}
	}
	device, inode, err := identify(in.Path)
	if err != nil || device != in.Device || inode != in.Inode {
		return fmt.Errorf("%s: %w: %w", in.Path, registry.ErrNotFound, cmp.Or(err, ErrUnseen))
	}
	return nil
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
// it cannot: then the content has to be sent to it. Once hosts can pull from the
// bundle, the import goes on when ctx ends.
func (c *Client) ImportBundle(ctx context.Context, path string, land landing.Request, tell func(landing.Progress)) (*landing.Progress, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	request := importRequest{Source: landing.Source{Path: path}, Request: land}
	if request.Device, request.Inode, err = identify(path); err != nil {
		return nil, err
	}
	j, err := c.StartJob(ctx, "bundles/import", request)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", ErrUnseen, err)
	}
	if err != nil {
		return nil, err
	}
	return c.followImport(ctx, j, tell)
}

func (c *Client) followImport(ctx context.Context, j jobs.Job, tell func(landing.Progress)) (*landing.Progress, error) {
	attached := false
	j, err := c.Follow(ctx, j.ID, Hearing{GoesOn: func() bool { return attached }, Job: func(at jobs.Job) {
		p := landing.Progress{Attached: at.Progress.Phase == landing.PhaseAttached, Total: at.Progress.TotalBytes,
			Moved: at.Progress.Bytes, Present: int(at.Progress.Items)}
		if attached = attached || p.Attached; tell != nil {
			tell(p)
		}
	}})
	if err != nil {
		return nil, err
	}
	return resultOf[landing.Progress](j)
}
