package driver

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
)

// kubeadm is Kubernetes as kubeadm brings it up, with containerd.
type kubeadm struct{}

// Where things are on a host of kubeadm's.
const (
	kubeadmAPI   = "kubeadm.k8s.io/v1beta4"
	criSocket    = "unix:///run/containerd/containerd.sock"
	adminConfig  = "/etc/kubernetes/admin.conf"
	kubeadmPods  = "/etc/kubernetes/manifests/"
	patchFolder  = "/etc/kubernetes/patches"
	unitFolder   = "/usr/local/lib/systemd/system/" // below /etc/systemd/system, where providers' units are, which win
	kubeletPort  = 10250
	etcdPort     = 2379
	etcdPeerPort = 2380
	apiWait      = 10 * time.Minute
)

// Ports implements Driver.
func (kubeadm) Ports(s *Setting, n Node) (listen, reach []int) {
	if n.Role == Worker {
		return []int{kubeletPort}, []int{kubeletPort}
	}
	ports := []int{s.Spec.Network.Port, etcdPort, etcdPeerPort, kubeletPort}
	return ports, ports
}

// Early implements Driver.
func (kubeadm) Early() bool { return true }

// Prepare implements Driver.
func (kubeadm) Prepare(s *Setting, n Node) ([]cluster.Act, error) {
	acts, err := s.equip(n)
	if err != nil {
		return nil, err
	}
	acts = append(acts, kernelActs(n)...)
	// Until it has a configuration the kubelet ends and begins again, as kubeadm's
	// packages have it too.
	return append(acts, unit(n, "containerd.service", host.Enable), unit(n, "containerd.service", host.Restart), unit(n, "kubelet.service", host.Enable)), nil
}

// equip brings a node's files and programs to those of the setting, and its clock.
func (s *Setting) equip(n Node) ([]cluster.Act, error) {
	files, err := kubeadmFiles(s, n)
	if err != nil {
		return nil, err
	}
	acts := append([]cluster.Act{s.put(n, files)}, s.install(n)...)
	return append(append(acts, unit(n, "", host.Reload)), s.timeActs(n)...), nil
}

func kubeadmFiles(s *Setting, n Node) ([]host.File, error) {
	files, err := s.runtimeFiles(nodeconfig.Containerd)
	if err != nil {
		return nil, err
	}
	pause, err := s.image("registry.k8s.io/pause", "each pod begins with")
	if err != nil {
		return nil, err
	}
	files = append(files, kernelFiles()...)
	files = append(files, s.proxyFiles("containerd.service", "kubelet.service")...)
	clock, err := s.timeFile(n)
	if err != nil {
		return nil, err
	}
	return append(append(files, clock...),
		text("/etc/containerd/config.toml", fmt.Sprintf(containerdConfig, pause)),
		text("/etc/crictl.yaml", "runtime-endpoint: "+criSocket+"\nimage-endpoint: "+criSocket+"\n"),
		text(unitFolder+"containerd.service", containerdUnit),
		text(unitFolder+"kubelet.service", kubeletUnit),
		text(unitFolder+"kubelet.service.d/10-kubeadm.conf", kubeletDropIn),
		text(patchFolder+"/README", "Patches that kubeadm applies are put here, by files of a definition: see 'kubeadm init --help' for their names.\n"),
	), nil
}

// containerdConfig is of version 2, which releases 1.7 and 2 read.
// https://github.com/containerd/containerd/blob/v2.2.9/docs/cri/config.md
const containerdConfig = `# Written by landfall. Settings of one's own go into /etc/containerd/conf.d.
version = 2
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
`

// Programs are found along systemd's search path, so that a provider may put them into
// /usr/local/bin as well as into /usr/bin.
const containerdUnit = `[Unit]
Description=containerd container runtime
After=network.target local-fs.target

[Service]
Type=notify
ExecStart=containerd
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
`

const kubeletUnit = `[Unit]
Description=kubelet
Wants=network-online.target
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
ExecStart=kubelet
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`

// kubeletDropIn is how kubeadm hands its configuration on.
// https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/kubelet-integration/
const kubeletDropIn = `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`

// Start implements Driver.
func (k kubeadm) Start(s *Setting, n Node) ([]cluster.Act, error) {
	var acts []cluster.Act
	if n.Role != Worker {
		config := adminConfig
		if n.Role == First { // only this one may do anything before kubeadm has made its rules
			config = "/etc/kubernetes/super-admin.conf"
		}
		files, err := virtualAddress(s, kubeadmPods, config)
		if err != nil {
			return nil, err
		}
		acts = append(acts, act(n, host.Op{Files: &host.Files{Put: files}}, cluster.FillPKI))
	}
	step, fill, config := host.Join, cluster.FillJoin, joinConfig(s, n)
	if n.Role == First {
		step, fill, config = host.Init, cluster.FillNothing, initConfig(s, n)
	}
	content, err := documents(config...)
	if err != nil {
		return nil, err
	}
	acts = append(acts, act(n, host.Op{Kubeadm: &host.Kubeadm{Step: step, Config: content, Node: n.Name, Ignore: s.Spec.Kubeadm.IgnorePreflightErrors}}, fill))
	if n.Role == First {
		acts = append(acts, kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait}))
	}
	return append(acts, kube(cluster.KubeAct{Do: cluster.LabelNode, Node: n.Name, Labels: n.Labels, Taints: n.Taints, Limit: apiWait})), nil
}

// registration is how a node calls itself. Taints are set when it is there, so that
// changing them later is the same.
func registration(s *Setting, n Node) map[string]any {
	args := map[string]string{"node-ip": n.Address}
	maps.Copy(args, s.Spec.Kubeadm.KubeletArgs)
	r := map[string]any{"name": n.Name, "criSocket": criSocket, "kubeletExtraArgs": argumentsOf(args), "imagePullPolicy": "IfNotPresent", "taints": []any{}}
	if len(s.Spec.Kubeadm.IgnorePreflightErrors) > 0 {
		r["ignorePreflightErrors"] = s.Spec.Kubeadm.IgnorePreflightErrors
	}
	return r
}

// argumentsOf is arguments as kubeadm's documents have them, in order.
func argumentsOf(args map[string]string) []any {
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		list = append(list, map[string]any{"name": name, "value": args[name]})
	}
	return list
}

// initConfig is what kubeadm begins a cluster with.
// https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
func initConfig(s *Setting, n Node) []map[string]any {
	spec, net := s.Spec, s.Spec.Network
	names := []string{hostOf(s.Endpoint)}
	for _, node := range s.Nodes {
		if node.Role != Worker {
			names = append(names, node.Name, node.Address)
		}
	}
	slices.Sort(names)
	server := map[string]any{"certSANs": slices.Compact(names)}
	cluster := map[string]any{
		"apiVersion": kubeadmAPI, "kind": "ClusterConfiguration",
		"clusterName": spec.Name, "kubernetesVersion": "v" + s.Definition.Kubernetes.Version, "controlPlaneEndpoint": s.Endpoint,
		"networking": map[string]any{"podSubnet": net.Pods, "serviceSubnet": net.Services, "dnsDomain": net.Domain},
		"apiServer":  server,
	}
	if len(spec.Kubeadm.APIServerArgs) > 0 {
		server["extraArgs"] = argumentsOf(spec.Kubeadm.APIServerArgs)
	}
	for key, args := range map[string]map[string]string{"controllerManager": spec.Kubeadm.ControllerManagerArgs, "scheduler": spec.Kubeadm.SchedulerArgs} {
		if len(args) > 0 {
			cluster[key] = map[string]any{"extraArgs": argumentsOf(args)}
		}
	}
	kubelet := map[string]any{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "cgroupDriver": "systemd"}
	proxy := map[string]any{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": net.ProxyMode}
	return []map[string]any{
		{
			"apiVersion": kubeadmAPI, "kind": "InitConfiguration", "nodeRegistration": registration(s, n),
			"localAPIEndpoint": map[string]any{"advertiseAddress": n.Address, "bindPort": net.Port},
			"patches":          map[string]any{"directory": patchFolder},
		}, cluster,
		chart.Merge(kubelet, spec.Kubeadm.Kubelet), chart.Merge(proxy, spec.Kubeadm.Proxy),
	}
}

func joinConfig(s *Setting, n Node) []map[string]any {
	c := map[string]any{
		"apiVersion": kubeadmAPI, "kind": "JoinConfiguration", "nodeRegistration": registration(s, n),
		"discovery": map[string]any{"bootstrapToken": map[string]any{
			"apiServerEndpoint": s.Endpoint, "token": cluster.JoinTokenHere, "caCertHashes": []string{cluster.CAHashHere},
		}},
		"patches": map[string]any{"directory": patchFolder},
	}
	if n.Role == Control {
		c["controlPlane"] = map[string]any{"localAPIEndpoint": map[string]any{"advertiseAddress": n.Address, "bindPort": s.Spec.Network.Port}}
	}
	return []map[string]any{c}
}

func hostOf(endpoint string) string {
	name, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return endpoint
	}
	return name
}

// Upgrade implements Driver.
// https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/
func (k kubeadm) Upgrade(s *Setting, n Node) ([]cluster.Act, error) {
	acts, err := s.equip(n)
	if err != nil {
		return nil, err
	}
	step, ignore := host.UpgradeNode, slices.Clone(s.Spec.Kubeadm.IgnorePreflightErrors)
	if n.Role == First {
		// It tries whether a pod can be scheduled, which none can where the one node is drained.
		step, ignore = host.UpgradeApply, append(ignore, "CreateJob")
	}
	acts = append(acts, unit(n, "containerd.service", host.Restart),
		act(n, host.Op{Kubeadm: &host.Kubeadm{Step: step, Version: s.Definition.Kubernetes.Version, Node: n.Name, Ignore: ignore}}, cluster.FillNothing))
	moved, err := moveAddress(s, n)
	return append(append(acts, moved...), unit(n, "kubelet.service", host.Restart)), err
}

// moveAddress brings the static pod of the virtual address to the setting's image. kubeadm
// leaves it as it is.
func moveAddress(s *Setting, n Node) ([]cluster.Act, error) {
	if n.Role == Worker {
		return nil, nil
	}
	files, err := virtualAddress(s, kubeadmPods, adminConfig)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	return []cluster.Act{act(n, host.Op{Files: &host.Files{Put: files}}, cluster.FillNothing)}, nil
}

// Return implements Driver. kubeadm upgrades to an older patch, too; across a minor a
// worker's kubelet alone goes back, which may be older than the control plane: kubeadm,
// which reads the cluster's newer configuration, is not run.
func (k kubeadm) Return(s *Setting, n Node) ([]cluster.Act, error) {
	switch {
	case !s.acrossMinor():
		return k.Upgrade(s, n)
	case n.Role != Worker:
		return nil, s.noWayBack(n)
	}
	acts, err := s.equip(n)
	return append(acts, unit(n, "containerd.service", host.Restart),
		act(n, host.Op{Kubeadm: &host.Kubeadm{Step: host.Return, Version: s.From.Kubernetes.Version, Node: n.Name}}, cluster.FillNothing),
		unit(n, "kubelet.service", host.Restart)), err
}

// Snapshot implements Driver.
func (kubeadm) Snapshot(_ *Setting, n Node, name string) ([]cluster.Act, error) {
	return []cluster.Act{act(n, host.Op{Snapshot: &host.Snapshot{Name: name}}, cluster.FillNothing)}, nil
}

// Restore implements Driver. What kubeadm made for the older version comes back with the
// snapshot.
func (k kubeadm) Restore(s *Setting, n Node, name string) ([]cluster.Act, error) {
	acts, err := k.Prepare(s, n)
	if err != nil {
		return nil, err
	}
	acts = append(acts, act(n, host.Op{Restore: &host.Restore{Name: name, Node: n.Name, Address: n.Address}}, cluster.FillNothing))
	moved, err := moveAddress(s, n)
	return append(append(acts, moved...), unit(n, "kubelet.service", host.Restart), kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait})), err
}

// Renew implements Driver. Kubelets renew theirs themselves.
func (kubeadm) Renew(_ *Setting, n Node) ([]cluster.Act, error) {
	if n.Role == Worker {
		return nil, nil
	}
	return []cluster.Act{act(n, host.Op{Kubeadm: &host.Kubeadm{Step: host.RenewCerts, Node: n.Name}}, cluster.FillNothing), kube(cluster.KubeAct{Do: cluster.AwaitAPI, Limit: apiWait})}, nil
}

// Remove implements Driver.
func (kubeadm) Remove(_ *Setting, n Node) ([]cluster.Act, error) {
	return []cluster.Act{act(n, host.Op{Clean: &host.Clean{}}, cluster.FillNothing)}, nil
}
