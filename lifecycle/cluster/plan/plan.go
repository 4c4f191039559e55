// Package plan makes the plans of clusters: pure functions from a cluster, its
// definitions and its hosts to what is to be done, in order. It does nothing, asks
// nobody, and makes the same plan of the same input.
//
// What every plan keeps to: the closure gate comes before any host is touched, content
// is pinned at the site before hosts pull it, control planes come one by one and before
// workers, a host is drained and let back within one step, and no wave touches a host
// twice.
package plan

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Input is what plans are made of.
type Input struct {
	Spec    *cluster.Spec
	To      *definition.Definition // that the cluster is to run
	ToRef   registry.Ref           // of its artifact
	From    *definition.Definition // that it runs; nil: none
	FromRef registry.Ref
	Hosts   []host.Host // those of the spec, in its order
	Source  host.Source // without password
	Rate    int64       // bytes per second of each host; 0: any
}

// Who owns pins on hosts.
const (
	ownerRunning  = "running"
	ownerPrevious = "previous"
	ownerStaged   = "staged"
)

// maker makes one plan.
type maker struct {
	Input
	plan    *cluster.Plan
	driver  driver.Driver
	setting *driver.Setting // of To
}

func newMaker(kind cluster.RunKind, in Input) (*maker, error) {
	m := &maker{Input: in, plan: &cluster.Plan{Kind: kind, Cluster: in.Spec.Name, To: nameOf(in.To)}}
	if in.From != nil {
		m.plan.From = nameOf(in.From)
	}
	if in.To.Kubernetes == nil {
		return nil, fmt.Errorf("definition %s: %w: it has no layer of type kubernetes, so that there is no cluster to make of it", m.plan.To, registry.ErrInvalid)
	}
	var err error
	if m.driver, err = driver.For(in.To.Kubernetes.Distribution); err != nil {
		return nil, fmt.Errorf("definition %s: %w", m.plan.To, err)
	}
	if m.setting, err = settingOf(in, in.To, in.ToRef); err != nil {
		return nil, err
	}
	m.setting.From = in.From
	return m, nil
}

// nameOf is NAME:VERSION.
func nameOf(d *definition.Definition) string { return d.Name + ":" + d.Version }

// settingOf is what drivers need to know of a definition on the input's hosts.
func settingOf(in Input, d *definition.Definition, ref registry.Ref) (*driver.Setting, error) {
	s := &driver.Setting{Spec: in.Spec, Definition: d, Ref: ref, Source: in.Source}
	for _, h := range in.Hosts {
		n, err := nodeOf(in.Spec, h)
		if err != nil {
			return nil, err
		}
		if p := registry.PlatformString(n.Platform); !slices.Contains(d.Platforms, p) {
			return nil, fmt.Errorf("host %s: %w: it is %s, and definition %s is for %s", h.Name, registry.ErrInvalid, p, nameOf(d), strings.Join(d.Platforms, ", "))
		}
		s.Nodes = append(s.Nodes, n)
	}
	if len(s.Nodes) == 0 {
		return nil, fmt.Errorf("cluster %s: %w: it has no hosts", in.Spec.Name, registry.ErrInvalid)
	}
	at := in.Spec.Network.VirtualAddress
	if at == "" {
		at = s.Nodes[0].Address
	}
	s.Endpoint = net.JoinHostPort(at, strconv.Itoa(in.Spec.Network.Port))
	return s, nil
}

func nodeOf(spec *cluster.Spec, h host.Host) (driver.Node, error) {
	n := driver.Node{Name: h.Name, Address: h.Address, Platform: h.Platform(), Role: driver.Worker, Clock: h.Inventory.Time}
	if h.Address == "" || n.Platform.OS == "" {
		return n, fmt.Errorf("host %s: %w: its agent has not told its address and platform yet: 'landfall host ls' shows when it was heard of", h.Name, registry.ErrUnreachable)
	}
	if i := slices.Index(spec.ControlPlane.Hosts, h.Name); i >= 0 {
		n.Role = driver.Control
		if i == 0 {
			n.Role = driver.First
		}
		if !spec.ControlPlane.Workloads && len(spec.Workers) > 0 {
			n.Taints = []cluster.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: "NoSchedule"}}
		}
		return n, nil
	}
	for _, p := range spec.Workers {
		if slices.Contains(p.Hosts, h.Name) {
			n.Taints = p.Taints
			n.Labels = map[string]string{"landfall.dev/pool": p.Name}
			for k, v := range p.Labels {
				n.Labels[k] = v
			}
		}
	}
	return n, nil
}

// wave adds a wave; one without steps is left out.
func (m *maker) wave(phase cluster.Phase, steps ...cluster.Step) {
	if len(steps) > 0 {
		m.plan.Waves = append(m.plan.Waves, cluster.Wave{Phase: phase, Steps: steps, Together: phase == cluster.Preflight})
	}
}

// one adds a wave of one step that the appliance does.
func (m *maker) one(phase cluster.Phase, id, title string, acts ...cluster.SiteAct) {
	s := cluster.Step{ID: string(phase) + "-" + id, Title: title}
	for _, a := range acts {
		s.Acts = append(s.Acts, cluster.Act{Site: &a})
	}
	m.wave(phase, s)
}

// each is a step for each of some nodes.
func (m *maker) each(phase cluster.Phase, nodes []driver.Node, of func(n driver.Node) (cluster.Step, error)) ([]cluster.Step, error) {
	steps := make([]cluster.Step, 0, len(nodes))
	for _, n := range nodes {
		s, err := of(n)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", n.Name, err)
		}
		s.ID, s.Host = string(phase)+"-"+n.Name, n.Name
		steps = append(steps, s)
	}
	return steps, nil
}

func hostAct(name string, op host.Op) cluster.Act {
	return cluster.Act{Host: &cluster.HostAct{Host: name, Op: op, Fill: cluster.FillSource}}
}

func kubeAct(a cluster.KubeAct) cluster.Act { return cluster.Act{Kube: &a} }

// controls are the hosts of the control plane, workers all others.
func controls(nodes []driver.Node) (list []driver.Node) {
	for _, n := range nodes {
		if n.Role != driver.Worker {
			list = append(list, n)
		}
	}
	return list
}

func workers(nodes []driver.Node) (list []driver.Node) {
	for _, n := range nodes {
		if n.Role == driver.Worker {
			list = append(list, n)
		}
	}
	return list
}

// images are those of a definition that a platform's hosts may run.
func images(d *definition.Definition, platform string) (list []host.Image) {
	for _, i := range d.Images {
		if len(i.Platforms) == 0 || slices.Contains(i.Platforms, platform) {
			list = append(list, host.Image{Name: i.Name, Digest: i.Digest})
		}
	}
	return list
}

// pull brings a definition's images to a node and pins them there.
func (m *maker) pull(d *definition.Definition, n driver.Node, owner string) cluster.Act {
	return hostAct(n.Name, host.Op{Pull: &host.Pull{Source: m.Source, Images: images(d, registry.PlatformString(n.Platform)), Owner: owner, Rate: m.Rate, Move: owner == ownerRunning, Replace: true}})
}
