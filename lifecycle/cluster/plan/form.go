package plan

import (
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Form makes the plan that forms a cluster.
func Form(in Input) (*cluster.Plan, error) {
	m, err := newMaker(cluster.Form, in)
	if err != nil {
		return nil, err
	}
	m.one(cluster.Gate, "closure", "prove that all content of "+m.plan.To+" is here", cluster.SiteAct{Do: cluster.CheckClosure, Definition: m.plan.To})
	m.one(cluster.Gate, "pin", "keep that content", cluster.SiteAct{Do: cluster.PinContent, Definition: m.plan.To, As: ownerStaged}, cluster.SiteAct{Do: cluster.MakeKeys})
	m.source()
	order := []func() error{m.preflight, m.prepare, m.stage, m.first, m.join}
	if !m.driver.Early() {
		order = []func() error{m.preflight, m.prepare, m.first, m.join, m.stage}
	}
	for _, add := range order {
		if err := add(); err != nil {
			return nil, err
		}
	}
	m.layers(in.To.Layers)
	m.verify()
	m.one(cluster.Finish, "settle", "note that "+m.plan.To+" runs", cluster.SiteAct{Do: cluster.Settle, Definition: m.plan.To})
	return m.plan, nil
}

// What is checked before a host becomes part of a cluster.
const (
	listenFor = 120     // seconds
	margin    = 1 << 30 // bytes that stay free
	runtimeIn = "/var/lib/containerd"
)

// preflight checks all hosts at the same time, since they reach each other at ports at
// which nobody but their agents listens yet.
func (m *maker) preflight() error {
	steps, err := m.each(cluster.Preflight, m.setting.Nodes, func(n driver.Node) (cluster.Step, error) { return m.checkHost(n), nil })
	if err != nil {
		return err
	}
	m.wave(cluster.Preflight, steps...)
	m.plan.Waves[len(m.plan.Waves)-1].Peers = m.peers(m.setting.Nodes)
	m.one(cluster.Preflight, "compare", "compare the hosts' ids and clocks", cluster.SiteAct{Do: cluster.ComparePeers})
	return nil
}

const checkLimit = 10 * time.Minute

// checkHost checks a host that is to become a node.
func (m *maker) checkHost(n driver.Node) cluster.Step {
	listen, _ := m.driver.Ports(m.setting, n)
	check := &host.Check{Ports: listen, Listen: listen, For: listenFor, Kernel: true, Clean: true, Space: m.space(n)}
	if canary, ok := m.canary(n); ok {
		source := m.Source
		check.Canary, check.Source = &canary, &source
	}
	return cluster.Step{Title: "check host " + n.Name, Limit: checkLimit, Acts: []cluster.Act{hostAct(n.Name, host.Op{Check: check})}}
}

// peers are the places at which nodes are to be reached by others.
func (m *maker) peers(nodes []driver.Node) (list []host.Peer) {
	for _, n := range nodes {
		_, reach := m.driver.Ports(m.setting, n)
		for _, port := range reach {
			list = append(list, host.Peer{Name: n.Name, Address: n.Address, Port: port})
		}
	}
	return list
}

// space is what has to be free on a node: images as they come and unpacked, and what
// providers bring.
func (m *maker) space(n driver.Node) []host.Space {
	const unpacked = 3 // times the size of compressed layers, with them
	bytes := size(m.To, registry.PlatformString(n.Platform))
	return []host.Space{{Path: runtimeIn, Bytes: bytes*unpacked + margin}}
}

// size is that of what a platform's hosts pull of a definition, in bytes, each blob once.
func size(d *definition.Definition, platform string) (total int64) {
	for _, n := range blobs(d, platform) {
		total += n
	}
	return total
}

// canary is the smallest image of a definition.
func (m *maker) canary(n driver.Node) (least host.Image, ok bool) {
	platform, bytes := registry.PlatformString(n.Platform), int64(0)
	for _, i := range m.To.Images {
		if !slices.Contains(i.Platforms, platform) {
			continue
		}
		if size := imageSize(&i, platform, map[string]int64{}); !ok || size < bytes {
			least, bytes, ok = host.Image{Name: i.Name, Digest: i.Digest}, size, true
		}
	}
	return least, ok
}

// blobs are those that a platform's hosts pull, by digest, with their sizes in bytes.
func blobs(d *definition.Definition, platform string) map[string]int64 {
	list := map[string]int64{}
	for i := range d.Images {
		imageSize(&d.Images[i], platform, list)
	}
	for _, l := range d.Layers {
		for _, p := range l.Providers {
			if len(p.Platforms) == 0 || slices.Contains(p.Platforms, platform) {
				list[p.Digest.String()] = p.Size
			}
		}
	}
	return list
}

func imageSize(i *definition.Image, platform string, list map[string]int64) (total int64) {
	for _, m := range i.Manifests {
		if m.Platform != "" && m.Platform != platform || m.Subject != "" {
			continue
		}
		for _, b := range m.Blobs {
			list[b.Digest.String()] = b.Size
			total += b.Size
		}
	}
	return total
}

// prepare brings the container runtime up everywhere. It comes in a provider, so that
// images can be pulled only then.
func (m *maker) prepare() error { return m.prepareNodes(m.setting.Nodes) }

func (m *maker) prepareNodes(nodes []driver.Node) error {
	steps, err := m.each(cluster.Install, nodes, func(n driver.Node) (cluster.Step, error) {
		acts, err := m.driver.Prepare(m.setting, n)
		return cluster.Step{Title: "install the runtime on " + n.Name, Acts: acts}, err
	})
	m.wave(cluster.Install, steps...)
	return err
}

// source brings the content to where the hosts pull from, when that is not the appliance.
// What runs is needed there for the way back, and may have got lost meanwhile.
func (m *maker) source() {
	if m.Spec.Source.Own() {
		return
	}
	s := cluster.Step{ID: string(cluster.Gate) + "-source", Title: "bring that content to " + m.Spec.Source.String() + ", and prove it there", Limit: stageLimit}
	names := []string{m.plan.From, m.plan.To}
	if m.plan.Kind == cluster.Rollback {
		names[0] = ""
	}
	for _, name := range names {
		if name != "" {
			s.Acts = append(s.Acts, cluster.Act{Site: &cluster.SiteAct{Do: cluster.StageSource, Definition: name}})
		}
	}
	m.wave(cluster.Gate, s)
}

const stageLimit = 24 * time.Hour

// stage brings all images to all hosts: any pod may be put anywhere.
func (m *maker) stage() error { return m.stageNodes(m.setting.Nodes) }

func (m *maker) stageNodes(nodes []driver.Node) error {
	steps, err := m.each(cluster.StageContent, nodes, func(n driver.Node) (cluster.Step, error) {
		return cluster.Step{Title: "bring images to " + n.Name, Limit: stageLimit, Acts: []cluster.Act{m.pull(m.To, n, ownerRunning)}}, nil
	})
	m.wave(cluster.StageContent, steps...)
	return err
}

func (m *maker) first() error {
	n := m.setting.Nodes[0]
	acts, err := m.driver.Start(m.setting, n)
	m.wave(cluster.FirstHost, cluster.Step{ID: string(cluster.FirstHost) + "-" + n.Name, Host: n.Name, Title: "begin the control plane on " + n.Name, Acts: acts})
	return err
}

// joinAtOnce is how many workers join at the same time.
const joinAtOnce = 8

func (m *maker) join() error { return m.joinNodes(m.setting.Nodes[1:], false) }

// joinNodes has nodes join, the control plane's first; await waits for each to be ready,
// which it gets where the cluster's network is there already.
func (m *maker) joinNodes(nodes []driver.Node, await bool) error {
	steps, err := m.each(cluster.Joining, nodes, func(n driver.Node) (cluster.Step, error) {
		acts, err := m.driver.Start(m.setting, n)
		if await {
			acts = append(acts, m.awaitNode(n))
		}
		return cluster.Step{Title: "join " + n.Name, Acts: acts}, err
	})
	if err != nil {
		return err
	}
	alone := len(controls(nodes)) // etcd takes its members one by one
	for _, s := range steps[:alone] {
		m.wave(cluster.Joining, s)
	}
	for group := range slices.Chunk(steps[alone:], joinAtOnce) {
		m.wave(cluster.Joining, group...)
	}
	return nil
}

// applies reports whether a layer has anything to apply.
func applies(l *definition.Layer) bool { return len(l.Charts)+len(l.Manifests) > 0 }

// layers apply layers, one after another; when the network is there, nodes get ready.
func (m *maker) layers(list []definition.Layer) {
	health := time.Duration(m.Spec.Upgrade.Health)
	ready := false
	nodes := func() {
		if ready = true; m.plan.Kind == cluster.Form || m.plan.Kind == cluster.Restore {
			m.wave(cluster.Addons, cluster.Step{ID: "add-ons.nodes", Title: "wait until all hosts are ready", Acts: m.await()})
		}
	}
	for i := range list {
		l := &list[i]
		if !ready && (l.Type == "storage" || l.Type == "addon") {
			nodes()
		}
		if applies(l) {
			act := cluster.KubeAct{Do: cluster.ApplyLayer, Definition: m.plan.To, Layer: l.Name, Limit: health}
			m.wave(cluster.Addons, cluster.Step{ID: string(cluster.Addons) + "-" + l.Name, Title: "bring layer " + l.Name + " up", Limit: 2 * health, Acts: []cluster.Act{kubeAct(act)}})
		}
	}
	if !ready {
		nodes()
	}
}

func (m *maker) await() (acts []cluster.Act) {
	for _, n := range m.setting.Nodes {
		acts = append(acts, m.awaitNode(n))
	}
	return acts
}

func (m *maker) awaitNode(n driver.Node) cluster.Act {
	return kubeAct(cluster.KubeAct{Do: cluster.AwaitNode, Node: n.Name, Version: m.To.Kubernetes.Version, Limit: time.Duration(m.Spec.Upgrade.Health)})
}

func (m *maker) verify() {
	limit := time.Duration(m.Spec.Upgrade.Health)
	m.wave(cluster.Verify, cluster.Step{ID: string(cluster.Verify) + "-cluster", Title: "prove that all is well and runs what the definition says", Acts: []cluster.Act{
		kubeAct(cluster.KubeAct{Do: cluster.AwaitPods, Limit: limit}),
		kubeAct(cluster.KubeAct{Do: cluster.VerifyPods, Definition: m.plan.To, Limit: limit}),
		kubeAct(cluster.KubeAct{Do: cluster.CheckHealth, Limit: limit}),
	}})
}
