package clusters

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Drift is what of a cluster is otherwise than its definition says.
type Drift struct {
	Definition string      `json:"definition" doc:"That the cluster runs, NAME:VERSION"`
	Drifted    bool        `json:"drifted" doc:"Something is otherwise"`
	Cluster    *kube.Drift `json:"cluster,omitempty" doc:"In the cluster"`
	Hosts      []HostDrift `json:"hosts,omitempty" doc:"Hosts on which something is otherwise, or that could not be asked"`
	Problem    string      `json:"problem,omitempty" doc:"Why the cluster could not be asked"`
}

// HostDrift is what of a host is otherwise.
type HostDrift struct {
	Host      string           `json:"host"`
	Files     []host.FileState `json:"files,omitempty"`
	Images    []string         `json:"images,omitempty" doc:"Names of images that are not there, or not pinned"`
	Providers []string         `json:"providers,omitempty" doc:"What of providers is otherwise"`
	Problem   string           `json:"problem,omitempty" doc:"Why it could not be asked"`
}

func (h *HostDrift) empty() bool {
	return len(h.Files)+len(h.Images)+len(h.Providers) == 0 && h.Problem == ""
}

// What may take how long, so that an answer comes.
const (
	driftLimit  = 45 * time.Second
	hostsAtOnce = 32
)

// Drift compares a cluster, and its hosts, with the definition that it runs. Nothing is
// changed. What cannot be asked is told, and counts as drift.
func (c *Clusters) Drift(ctx context.Context, name string) (*Drift, error) {
	r, err := c.running(ctx, name)
	if err != nil {
		return nil, err
	}
	in, err := c.input(ctx, r, r.running, "")
	if err != nil {
		return nil, err
	}
	expected, err := plan.Expect(*in)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, driftLimit, fmt.Errorf("%w: no answer within %s", registry.ErrUnreachable, driftLimit))
	defer cancel()
	d := &Drift{Definition: r.running}
	found := make([]HostDrift, len(expected))
	err = parallel.Do(limited, hostsAtOnce, upTo(len(expected)), func(ctx context.Context, i int) error {
		found[i] = c.hostDrift(ctx, in.Hosts[i], &expected[i])
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.Hosts = slices.DeleteFunc(found, func(h HostDrift) bool { return h.empty() })
	if d.Cluster, err = c.kubeDrift(limited, r, in); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		d.Problem = err.Error()
	}
	d.Drifted = len(d.Hosts) > 0 || d.Problem != "" || d.Cluster.Drifted()
	return d, nil
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// hostDrift asks one host. An operation of its own each time: an agent answers for one
// that it knows.
func (c *Clusters) hostDrift(ctx context.Context, h host.Host, e *plan.Expected) HostDrift {
	d := HostDrift{Host: h.Name, Providers: providers(h, e.Providers)}
	if !h.Online {
		d.Problem = "its agent is away"
		return d
	}
	op := host.Op{ID: "drift." + h.Name + "." + strings.ToLower(rand.Text()), Compare: &e.Compare}
	result, err := c.opts.Hosts.Do(ctx, h.Name, op, nil)
	var compared host.Compared
	switch {
	case err != nil:
		d.Problem = err.Error()
	case result.Error != nil:
		d.Problem = result.Error.Message
	default:
		if err := result.Decode(&compared); err != nil {
			d.Problem = err.Error()
		}
	}
	d.Files = compared.Files
	for _, i := range compared.Images {
		d.Images = append(d.Images, i.Name)
	}
	return d
}

// providers say what of a host's providers is otherwise.
func providers(h host.Host, want []host.Provider) (list []string) {
	for _, p := range want {
		i := slices.IndexFunc(h.Inventory.Providers, func(have host.Installed) bool { return have.Name == p.Name && have.Current })
		switch {
		case i < 0:
			list = append(list, p.Name+" is not installed")
		case h.Inventory.Providers[i].Digest != p.Blob.Digest:
			list = append(list, fmt.Sprintf("%s is %s, %s is wanted", p.Name, versionOf(h.Inventory.Providers[i].Version, string(h.Inventory.Providers[i].Digest)), versionOf(p.Version, string(p.Blob.Digest))))
		}
	}
	return list
}

func versionOf(version, digest string) string {
	return strings.TrimSpace(version + " (" + digest + ")")
}

// kubeDrift asks the cluster.
func (c *Clusters) kubeDrift(ctx context.Context, r *row, in *plan.Input) (*kube.Drift, error) {
	client, err := c.kube(ctx, r.name)
	if err != nil {
		return nil, err
	}
	s := &site{c: c, name: r.name}
	want := kube.Wanted{Definition: r.running, Nodes: r.spec.Hosts(), Version: in.To.Kubernetes.Version}
	if want.Images, err = s.Allowed(ctx, r.running); err != nil {
		return nil, err
	}
	for _, l := range in.To.Layers {
		if len(l.Charts)+len(l.Manifests) == 0 {
			continue
		}
		rendered, err := s.Layer(ctx, r.running, l.Name)
		if err != nil {
			return nil, err
		}
		want.Layers = append(want.Layers, *rendered)
	}
	return client.Drift(ctx, want)
}
