// Package cluster is what a Kubernetes cluster on hosts is to be, and how it gets there:
// the document that describes it, and plans. A plan is data that pure functions make
// from a cluster, its definitions and its hosts; package cluster/run carries it out, and
// goes on where it was interrupted. It dials nobody.
//
// Nouns. A cluster is made of pools of hosts: one control plane, and workers. Its
// running definition is what it was brought to last, the previous one what it can return
// to, the staged one what its hosts hold already. A run is one time that something is
// done to the cluster: it is formed or restored, staged, upgraded, brought back, scaled,
// set to other variables, given new certificates, deleted. A phase is a part of a plan
// that people have a word for; its steps are done one wave after another, the steps of a
// wave at the same time.
package cluster

import (
	"github.com/landfall-dev/landfall/lifecycle/source"
)

// What a document's first fields say.
const (
	APIVersion = "landfall.dev/v1alpha1"
	Kind       = "Cluster"
)

// Spec is the document, cluster.yaml. Parse gives it with its defaults filled in.
type Spec struct {
	Name         string            `json:"name"`       // a DNS label of at most 40 characters
	Definition   string            `json:"definition"` // NAME:VERSION
	Source       source.Spec       `json:"source"`
	ControlPlane ControlPlane      `json:"controlPlane"`
	Workers      []Pool            `json:"workers,omitempty"`
	Network      Network           `json:"network"`
	Proxy        Proxy             `json:"proxy,omitzero"`
	TimeServers  []string          `json:"timeServers,omitempty"`
	Variables    map[string]any    `json:"variables,omitempty"` // the site's values, beside what 'definition set' said
	ValueSets    map[string]string `json:"valueSets,omitempty"` // chosen, by chart release
	Kubeadm      Kubeadm           `json:"kubeadm,omitzero"`
	Upgrade      UpgradeSpec       `json:"upgrade,omitzero"`
}

// ControlPlane is the pool that runs the control plane.
type ControlPlane struct {
	Hosts []string `json:"hosts"` // 1, 3 or 5 names
	// Workloads also run there when it is true, or when there are no workers.
	Workloads bool `json:"workloads,omitempty"`
}

// Pool is a pool of workers.
type Pool struct {
	Name   string            `json:"name"` // a DNS label
	Hosts  []string          `json:"hosts"`
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`
}

// Taint is as Kubernetes has it.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"` // NoSchedule, PreferNoSchedule, NoExecute
}

// Network is the cluster's.
type Network struct {
	Pods     string `json:"pods"`     // CIDR; default 10.244.0.0/16
	Services string `json:"services"` // CIDR; default 10.96.0.0/12
	Domain   string `json:"domain"`   // default cluster.local
	// VirtualAddress is the control plane's, whichever of its hosts has it; kube-vip,
	// whose image has to be in the definition, moves it. Required for more than one host.
	VirtualAddress string `json:"virtualAddress,omitempty"`
	Interface      string `json:"interface,omitempty"` // that has the virtual address; empty: that of the default route
	Port           int    `json:"port"`                // of the API server; default 6443
	ProxyMode      string `json:"proxyMode"`           // of kube-proxy: iptables (default), ipvs, nftables
}

// Proxy is what hosts and their container runtime reach other networks through.
type Proxy struct {
	HTTP  string   `json:"http,omitempty"`
	HTTPS string   `json:"https,omitempty"`
	No    []string `json:"no,omitempty"` // beside the cluster's own networks and hosts
}

// Kubeadm is what is handed on to kubeadm.
type Kubeadm struct {
	IgnorePreflightErrors []string          `json:"ignorePreflightErrors,omitempty"`
	APIServerArgs         map[string]string `json:"apiServerArgs,omitempty"`
	ControllerManagerArgs map[string]string `json:"controllerManagerArgs,omitempty"`
	SchedulerArgs         map[string]string `json:"schedulerArgs,omitempty"`
	KubeletArgs           map[string]string `json:"kubeletArgs,omitempty"`
	// Kubelet is merged over the KubeletConfiguration.
	Kubelet map[string]any `json:"kubelet,omitempty"`
	// Proxy is merged over the KubeProxyConfiguration.
	Proxy map[string]any `json:"proxy,omitempty"`
}

// UpgradeSpec is how upgrades roll.
type UpgradeSpec struct {
	Wave    int      `json:"wave,omitempty"`    // workers at the same time; default 1
	Drain   Duration `json:"drain,omitempty"`   // for so long a host may take to get empty; default 10m
	Health  Duration `json:"health,omitempty"`  // for so long a host or layer may take to get ready; default 10m
	Windows []Window `json:"windows,omitempty"` // in which hosts may be touched; none: always
}

// Window is a maintenance window, in the appliance's time zone.
type Window struct {
	Days     []string `json:"days,omitempty"` // mon … sun; none: all
	Start    string   `json:"start"`          // HH:MM
	Duration Duration `json:"duration"`
}

// Hosts are all hosts of the cluster, the control plane first.
func (s *Spec) Hosts() []string {
	list := append([]string(nil), s.ControlPlane.Hosts...)
	for _, p := range s.Workers {
		list = append(list, p.Hosts...)
	}
	return list
}
