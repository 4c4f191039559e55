package run

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Kube is the cluster, as a run speaks to it: a kube.Client, whose methods these are.
type Kube interface {
	Nodes
	Layers
	Gates
	AllowJoin(ctx context.Context, token string, valid time.Duration) error
}

// Nodes are the cluster's.
type Nodes interface {
	Nodes(ctx context.Context) ([]kube.Node, error)
	AwaitNode(ctx context.Context, name, version string, fresh bool, progress func(string)) error
	LabelNode(ctx context.Context, name string, labels map[string]string, taints []cluster.Taint) error
	Drain(ctx context.Context, name string, opts kube.DrainOptions) error
	Uncordon(ctx context.Context, name string) error
	RemoveNode(ctx context.Context, name string) error
	RenewPods(ctx context.Context, name string) error
}

// Layers are those that are applied to the cluster.
type Layers interface {
	Apply(ctx context.Context, l kube.Layer, opts kube.ApplyOptions) (*kube.Applied, error)
	RemoveLayer(ctx context.Context, name string, opts kube.ApplyOptions) (*kube.Applied, error)
}

// Gates wait until things are as they should be, and tell what is not.
type Gates interface {
	AwaitAPI(ctx context.Context) error
	AwaitPods(ctx context.Context, node string, progress func(string)) error
	Health(ctx context.Context) ([]host.Finding, error)
	VerifyPods(ctx context.Context, allowed map[string][]digest.Digest) ([]kube.Violation, error)
}

var _ Kube = (*kube.Client)(nil)
