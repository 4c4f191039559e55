package driver

import (
	"fmt"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
)

// k3s is Kubernetes as k3s brings it up, with the containerd that is in it. Its program
// comes in a provider, as /usr/local/bin/k3s. It is proven against a stand-in only, which
// checks what k3s is given (see the tests).
type k3s struct{}

const (
	k3sFolder = "/etc/rancher/k3s/"
	k3sPods   = "/var/lib/rancher/k3s/agent/pod-manifests/"
	k3sAdmin  = k3sFolder + "k3s.yaml"
	k3sServer = "k3s.service"
	k3sAgent  = "k3s-agent.service"
)

// Ports implements Driver.
func (k3s) Ports(s *Setting, n Node) (listen, reach []int) {
	if n.Role == Worker {
		return []int{kubeletPort}, []int{kubeletPort}
	}
	ports := []int{s.Spec.Network.Port, kubeletPort}
	if len(s.Spec.ControlPlane.Hosts) > 1 {
		ports = append(ports, etcdPort, etcdPeerPort)
	}
	return ports, ports
}

func k3sUnitName(n Node) string {
	if n.Role == Worker {
		return k3sAgent
	}
	return k3sServer
}

// Early implements Driver.
func (k3s) Early() bool { return false }

// Prepare implements Driver. The runtime is up when k3s is, so that images are pulled
// by it when pods begin; what a provider carries as archives it reads before.
func (k k3s) Prepare(s *Setting, n Node) ([]cluster.Act, error) {
	files, err := k3sFiles(s, n)
	if err != nil {
		return nil, err
	}
	acts := append([]cluster.Act{s.put(n, files)}, s.install(n)...)
	acts = append(append(acts, unit(n, "", host.Reload)), s.timeActs(n)...)
	return append(acts, kernelActs(n)...), nil
}

func k3sFiles(s *Setting, n Node) ([]host.File, error) {
	files, err := s.runtimeFiles(nodeconfig.K3s)
	if err != nil {
		return nil, err
	}
	files = append(files, kernelFiles()...)
	files = append(files, s.proxyFiles(k3sUnitName(n))...)
	clock, err := s.timeFile(n)
	if err != nil {
		return nil, err
	}
	files = append(files, clock...)
	if n.Role == Worker {
		return append(files, text(unitFolder+k3sAgent, fmt.Sprintf(k3sUnit, "exec", "agent"))), nil
	}
	address, err := virtualAddress(s, k3sPods, k3sAdmin)
	return append(append(files, address...), text(unitFolder+k3sServer, fmt.Sprintf(k3sUnit, "notify", "server"))), err
}

// https://docs.k3s.io/installation/configuration
const k3sUnit = `[Unit]
Description=k3s
Wants=network-online.target
After=network-online.target

[Service]
Type=%s
ExecStart=k3s %s
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`

// config is k3s's own document.
func (k3s) config(s *Setting, n Node) map[string]any {
	c := map[string]any{"node-name": n.Name, "node-ip": n.Address, "token": cluster.JoinTokenHere}
	if args := s.Spec.Kubeadm.KubeletArgs; len(args) > 0 {
		c["kubelet-arg"] = pairs(args)
	}
	if n.Role == Worker {
		c["server"], c["kube-proxy-arg"] = "https://"+s.Endpoint, []string{"proxy-mode=" + s.Spec.Network.ProxyMode}
		return c
	}
	network := s.Spec.Network
	for key, args := range map[string]map[string]string{"kube-apiserver-arg": s.Spec.Kubeadm.APIServerArgs, "kube-controller-manager-arg": s.Spec.Kubeadm.ControllerManagerArgs, "kube-scheduler-arg": s.Spec.Kubeadm.SchedulerArgs} {
		if len(args) > 0 {
			c[key] = pairs(args)
		}
	}
	c["kube-proxy-arg"] = []string{"proxy-mode=" + network.ProxyMode}
	c["cluster-cidr"], c["service-cidr"], c["cluster-domain"] = network.Pods, network.Services, network.Domain
	c["https-listen-port"], c["tls-san"] = network.Port, []string{hostOf(s.Endpoint)}
	switch {
	case n.Role == Control:
		c["server"] = "https://" + s.Endpoint
	case len(s.Spec.ControlPlane.Hosts) > 1:
		c["cluster-init"] = true
	}
	return c
}

// pairs are arguments as k3s's lists have them, in order.
func pairs(args map[string]string) (list []string) {
	for _, a := range argumentsOf(args) {
		m := a.(map[string]any) //nolint:forcetypeassert // it makes these
		list = append(list, fmt.Sprintf("%s=%s", m["name"], m["value"]))
	}
	return list
}

// Start implements Driver.
func (k k3s) Start(s *Setting, n Node) ([]cluster.Act, error) {
	content, err := documents(k.config(s, n))
	if err != nil {
		return nil, err
	}
	var acts []cluster.Act
	if n.Role != Worker {
		acts = append(acts, act(n, host.Op{Files: &host.Files{}}, cluster.FillK3s))
	}
	config := host.File{Path: k3sFolder + "config.yaml", Mode: 0o600, Content: content}
	acts = append(acts, act(n, host.Op{Files: &host.Files{Put: []host.File{config}}}, cluster.FillJoin), unit(n, k3sUnitName(n), host.Enable))
	if n.Role == First {
		acts = append(acts, kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait}))
	}
	return append(acts,
		kube(cluster.KubeAct{Do: cluster.AwaitNode, Node: n.Name, Limit: apiWait}),
		kube(cluster.KubeAct{Do: cluster.LabelNode, Node: n.Name, Labels: n.Labels, Taints: n.Taints, Limit: apiWait})), nil
}

// Upgrade implements Driver: another program, and k3s begun again, which upgrades all.
func (k k3s) Upgrade(s *Setting, n Node) ([]cluster.Act, error) {
	acts, err := k.Prepare(s, n)
	return append(acts, unit(n, k3sUnitName(n), host.Restart)), err
}

// Return implements Driver. A server migrates its state to a newer minor version, and
// none back.
func (k k3s) Return(s *Setting, n Node) ([]cluster.Act, error) {
	if s.acrossMinor() && n.Role != Worker {
		return nil, s.noWayBack(n)
	}
	return k.Upgrade(s, n)
}

// Snapshot implements Driver. A server without etcd is stopped for a moment.
func (k3s) Snapshot(s *Setting, n Node, name string) ([]cluster.Act, error) {
	return []cluster.Act{
		act(n, host.Op{Snapshot: &host.Snapshot{Name: name, K3s: true, Port: s.Spec.Network.Port}}, cluster.FillNothing),
		kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait}),
	}, nil
}

// Restore implements Driver.
func (k k3s) Restore(s *Setting, n Node, name string) ([]cluster.Act, error) {
	acts, err := k.Prepare(s, n)
	return append(acts,
		act(n, host.Op{Restore: &host.Restore{Name: name, K3s: true, Node: n.Name, Address: n.Address}}, cluster.FillNothing),
		kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait})), err
}

// Renew implements Driver.
func (k3s) Renew(_ *Setting, n Node) ([]cluster.Act, error) {
	acts := []cluster.Act{act(n, host.Op{K3s: &host.K3s{Step: host.RenewCerts, Unit: k3sUnitName(n)}}, cluster.FillNothing)}
	if n.Role != Worker {
		acts = append(acts, kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait}))
	}
	return append(acts, kube(cluster.KubeAct{Do: cluster.AwaitNode, Node: n.Name, Limit: apiWait})), nil
}

// Remove implements Driver.
func (k3s) Remove(_ *Setting, n Node) ([]cluster.Act, error) {
	return []cluster.Act{unit(n, k3sUnitName(n), host.Disable), act(n, host.Op{Clean: &host.Clean{}}, cluster.FillNothing)}, nil
}
