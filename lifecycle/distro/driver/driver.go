// Package driver turns what a cluster is to be into operations of its hosts, for each
// distribution of Kubernetes: which files, units and steps make a host part of it, bring
// it to another version, and take it out again. It is pure: it returns acts and does
// none of them.
//
// Nouns. A node is a host in its cluster. The endpoint is HOST:PORT at which all nodes
// reach the control plane.
package driver

import (
	"fmt"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Role is a node's.
type Role string

// The roles.
const (
	First   Role = "first"         // the control plane's first host, on which the cluster begins
	Control Role = "control-plane" // its other hosts
	Worker  Role = "worker"
)

// Node is a host of a cluster.
type Node struct {
	Name     string // of the host, and of its node in Kubernetes
	Address  string // at which the others reach it, without port
	Role     Role
	Platform registry.Platform
	Labels   map[string]string
	Taints   []cluster.Taint
	Clock    host.Clock // as the inventory tells it: who keeps it right
}

// Setting is what is common to all nodes.
type Setting struct {
	Spec       *cluster.Spec
	Definition *definition.Definition
	From       *definition.Definition // that the cluster runs when it is brought to another one; else nil
	Ref        registry.Ref           // of the definition's artifact: providers and files are blobs of its repository
	Source     host.Source            // without password: see cluster.FillSource
	Nodes      []Node                 // all, the first one first
	Endpoint   string                 // HOST:PORT
}

// Driver is a distribution.
type Driver interface {
	// Ports are those at which a node listens, and which its peers have to reach.
	Ports(s *Setting, n Node) (listen, reach []int)
	// Prepare brings a node's runtime up: its configuration so that it pulls from the
	// source, providers, units. Done again with another definition it is what an
	// upgrade begins with on a node.
	Prepare(s *Setting, n Node) ([]cluster.Act, error)
	// Early reports whether the container runtime runs when a node is prepared, so that
	// images can be pulled before it is started; else they are after it.
	Early() bool
	// Start makes a prepared node part of the cluster.
	Start(s *Setting, n Node) ([]cluster.Act, error)
	// Upgrade brings a node that runs an older version to that of the setting; the caller
	// has drained it, and lets pods back. Prepare is part of it.
	Upgrade(s *Setting, n Node) ([]cluster.Act, error)
	// Return brings a node back to the setting's version, older by at most a minor, or
	// the same. Errors say when the distribution cannot go back without a snapshot.
	Return(s *Setting, n Node) ([]cluster.Act, error)
	// Snapshot saves the state of the control plane on one of its nodes.
	Snapshot(s *Setting, n Node, name string) ([]cluster.Act, error)
	// Restore brings the only node of a control plane back to the setting's version with
	// the state of a snapshot. Prepare is part of it.
	Restore(s *Setting, n Node, name string) ([]cluster.Act, error)
	// Renew makes a node's certificates new, and what holds them begins again; nothing
	// where they renew themselves.
	Renew(s *Setting, n Node) ([]cluster.Act, error)
	// Leave takes a node out of what the control plane is made of, through another host
	// of it that stays; the node itself may be dead.
	Leave(n, through Node) []cluster.Act
	// Remove takes a node out; its state is gone then.
	Remove(s *Setting, n Node) ([]cluster.Act, error)
}

// acrossMinor reports whether a setting brings nodes to another minor version.
func (s *Setting) acrossMinor() bool {
	return s.From != nil && Minor(s.From.Kubernetes.Version) != Minor(s.Definition.Kubernetes.Version)
}

// noWayBack is the error for a control plane that goes back across a minor version.
func (s *Setting) noWayBack(n Node) error {
	return fmt.Errorf("host %s: %w: a control plane goes back from Kubernetes %s to %s by the snapshot from before the upgrade only",
		n.Name, registry.ErrConflict, s.From.Kubernetes.Version, s.Definition.Kubernetes.Version)
}

// For is the driver of a distribution; ErrInvalid when there is none.
func For(distribution string) (Driver, error) {
	switch distribution {
	case "kubeadm":
		return kubeadm{}, nil
	case "k3s":
		return k3s{}, nil
	}
	return nil, fmt.Errorf("%w: distribution %q: clusters can be made of kubeadm and k3s", registry.ErrInvalid, distribution)
}
