// Package runtime is the container runtime of a host, containerd, as the agent uses it:
// it brings images in under their original names, from the site's registry alone, and
// keeps them from being collected for as long as somebody wants them. It starts no
// containers.
//
// Nouns. A record is an image's entry in containerd: one for its name, one for its
// digest. A pin is a label of a record that names its owner; a record with pins has the
// label by which containerd's CRI plugin tells the kubelet that an image stays.
package runtime

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Options of a Runtime. The zero value is the default.
type Options struct {
	Endpoint string       // path of containerd's socket; empty: the first of those that containerd and k3s have
	Log      *slog.Logger // nil for silence
}

// Where sockets are.
var sockets = []string{"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"}

// namespace is that of Kubernetes in containerd.
const namespace = "k8s.io"

// Labels of records.
const (
	labelManaged = "io.cri-containerd.image"  // the CRI plugin knows the record
	labelPinned  = "io.cri-containerd.pinned" // the kubelet leaves the image alone
	labelOurs    = "landfall.dev/pinned"      // labelPinned was set here
	labelOwner   = "landfall.dev/pin."        // and an owner
	labelIndex   = "landfall.dev/digest"      // what the name stands for
)

// Runtime is that of one host. It is opened for each thing that is done, since
// containerd may be begun again meanwhile.
type Runtime struct{ opts Options }

// New makes one. It dials nobody yet.
func New(opts Options) *Runtime {
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	return &Runtime{opts}
}

func (r *Runtime) endpoint() string {
	if r.opts.Endpoint != "" {
		return r.opts.Endpoint
	}
	for _, path := range sockets {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return sockets[0]
}

// open dials containerd. ErrUnreachable when it does not run.
func (r *Runtime) open(ctx context.Context) (*containerd.Client, context.Context, error) {
	path := r.endpoint()
	client, err := containerd.New(path, containerd.WithDefaultNamespace(namespace))
	if err != nil {
		return nil, ctx, fmt.Errorf("containerd at %s: %w: %w", path, registry.ErrUnreachable, err)
	}
	return client, namespaces.WithNamespace(ctx, namespace), nil
}

// Status tells how the runtime is.
func (r *Runtime) Status(ctx context.Context) (s host.Runtime) {
	s.Name, s.Endpoint = "containerd", r.endpoint()
	if _, err := os.Stat(s.Endpoint); err != nil {
		return host.Runtime{}
	}
	client, ctx, err := r.open(ctx)
	if err != nil {
		return s
	}
	defer client.Close()
	version, err := client.Version(ctx)
	if err != nil {
		return s
	}
	s.Version, s.Ready = version.Version, true
	list, err := client.ImageService().List(ctx)
	if err != nil {
		return s
	}
	for _, i := range list {
		if strings.Contains(i.Name, "@") || strings.HasPrefix(i.Name, "sha256:") {
			continue // the same image by its digest, or its configuration's
		}
		if s.Images++; i.Labels[labelPinned] != "" {
			s.Pinned++
		}
	}
	return s
}

// Unpin takes the pins of an owner away. A runtime that does not run has none that
// matter any more only when it is gone for good, so that this is an error.
func (r *Runtime) Unpin(ctx context.Context, owner string) error {
	if _, err := os.Stat(r.endpoint()); os.IsNotExist(err) {
		return nil
	}
	client, ctx, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return unpin(ctx, client.ImageService(), owner, nil)
}

// unpin takes an owner's pins away, but for those of some records.
func unpin(ctx context.Context, store images.Store, owner string, keep map[string]bool) error {
	list, err := store.List(ctx)
	if err != nil {
		return fmt.Errorf("containerd: %w", err)
	}
	for _, i := range list {
		if _, pinned := i.Labels[labelOwner+owner]; !pinned || keep[i.Name] {
			continue
		}
		delete(i.Labels, labelOwner+owner)
		if !owned(i.Labels) && i.Labels[labelOurs] != "" {
			delete(i.Labels, labelPinned)
			delete(i.Labels, labelOurs)
		}
		if _, err := store.Update(ctx, i, "labels"); err != nil {
			return fmt.Errorf("containerd: image %s: %w", i.Name, err)
		}
	}
	return nil
}

func owned(labels map[string]string) bool {
	for name := range labels {
		if strings.HasPrefix(name, labelOwner) {
			return true
		}
	}
	return false
}
