// Package runtime is the container runtime of a host, containerd, as the agent uses it:
// it brings images in under their original names, from the site's registry alone, and
// keeps them from being collected for as long as somebody wants them. It starts no
// containers.
//
// Nouns. A record is an image's entry in containerd. An image has three: one for its
// name, one for the repository with its digest, and one for its id, which is the digest
// of its configuration; the CRI plugin makes the same. A pin is a label of a record that
// names its owner; a record with pins has the label by which the CRI plugin tells the
// kubelet that an image stays. A lease keeps what a pull has brought until records do.
package runtime

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	introspection "github.com/containerd/containerd/api/services/introspection/v1"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Options of a Runtime. The zero value is the default.
type Options struct {
	Endpoint string       // path of containerd's socket; empty: the first of those that containerd and k3s have
	Data     string       // folder for files that live for a moment; empty: the system's for such
	Log      *slog.Logger // nil for silence
}

// Where sockets are.
var sockets = []string{"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"}

// namespace is that of Kubernetes in containerd.
const namespace = "k8s.io"

// statusLimit is how long containerd may think about how it is.
const statusLimit = 5 * time.Second

// Runtime is that of one host. It is opened for each thing that is done, since
// containerd may be begun again meanwhile. It is safe for concurrent use.
type Runtime struct {
	opts Options

	pins sync.Mutex // held while labels are read, decided about and written

	mu     sync.Mutex      // protects active
	active map[string]bool // leases of pulls under way, by id
}

// New makes one. It dials nobody yet.
func New(opts Options) *Runtime {
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	return &Runtime{opts: opts, active: map[string]bool{}}
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

// installed reports whether a runtime was ever begun since the machine started.
func (r *Runtime) installed() bool {
	_, err := os.Stat(r.endpoint())
	return err == nil
}

// open makes a client of containerd; whether that runs is seen at the first call.
func (r *Runtime) open(ctx context.Context) (*containerd.Client, context.Context, error) {
	client, err := containerd.New(r.endpoint(), containerd.WithDefaultNamespace(namespace))
	if err != nil {
		return nil, ctx, fmt.Errorf("containerd at %s: %w: %w", r.endpoint(), registry.ErrUnreachable, err)
	}
	return client, namespaces.WithNamespace(ctx, namespace), nil
}

// Status tells how the runtime is: the zero value when there is none. It is ready when
// it answers, and its CRI plugin, which the kubelet speaks to, works.
func (r *Runtime) Status(ctx context.Context) (s host.Runtime) {
	if !r.installed() {
		return s
	}
	s.Name, s.Endpoint = "containerd", r.endpoint()
	client, ctx, err := r.open(ctx)
	if err != nil {
		return s
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	version, err := client.Version(ctx)
	if err != nil {
		return s
	}
	s.Version = version.Version
	cri, err := plugins(ctx, client, "type==io.containerd.grpc.v1,id==cri")
	s.Ready = err == nil && len(cri) > 0
	list, err := client.ImageService().List(ctx)
	if err != nil {
		return s
	}
	for _, i := range group(list) {
		if s.Images++; i.Pinned {
			s.Pinned++
		}
	}
	return s
}

// plugins are those of containerd that a filter lets through, and that work.
func plugins(ctx context.Context, client *containerd.Client, filter string) (list []*introspection.Plugin, err error) {
	all, err := client.IntrospectionService().Plugins(ctx, filter)
	if err != nil {
		return nil, err
	}
	for _, p := range all.Plugins {
		if p.InitErr == nil {
			list = append(list, p)
		}
	}
	return list, nil
}
