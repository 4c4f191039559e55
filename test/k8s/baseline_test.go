package k8s

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/image"
	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// What plain kubeadm is told, with what this machine needs: control groups of version 1,
// and no say over connection tracking.
const (
	baselineInit = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: %[1]s, bindPort: 6443}
bootstrapTokens: [{token: abcdef.0123456789abcdef, ttl: 24h0m0s}]
nodeRegistration:
  name: edge1
  taints: []
  criSocket: unix:///run/containerd/containerd.sock
  ignorePreflightErrors: [SystemVerification]
  kubeletExtraArgs: [{name: node-ip, value: %[1]s}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v%[2]s
clusterName: edge
controlPlaneEndpoint: %[1]s:6443
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
failCgroupV1: false
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 1%%}
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`
	baselineJoin = `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery: {bootstrapToken: {apiServerEndpoint: "%[1]s:6443", token: abcdef.0123456789abcdef, caCertHashes: ["sha256:%[2]s"]}}
nodeRegistration:
  name: %[3]s
  criSocket: unix:///run/containerd/containerd.sock
  ignorePreflightErrors: [SystemVerification]
  kubeletExtraArgs: [{name: node-ip, value: %[4]s}]
`
	baselineContainerd = `version = 2
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:%s"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
`
	// machineContainerd is what containerd needs on a machine without CAP_SYS_RESOURCE
	// and without AppArmor.
	machineContainerd = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
`
	baselineMirror = `server = "http://10.77.0.10:5000"
[host."http://10.77.0.10:5000"]
  capabilities = ["pull", "resolve"]
`
	baselineContainerdUnit = `[Unit]
Description=containerd
After=network.target
[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
[Install]
WantedBy=multi-user.target
`
	baselineKubeletUnit = `[Unit]
Description=kubelet
After=containerd.service
StartLimitIntervalSec=0
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
`
)

// serveImages serves images at an address of a space until the test ends.
func serveImages(t *testing.T, s *lab.Space, r *image.Registry, address string) {
	t.Helper()
	listener := must(s.Listen(address))(t)
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

// programs are those of a host, by their place there.
func programs(p parts, version string) map[string]string {
	files := map[string]string{}
	for dir, names := range map[string][]string{
		p.Kubernetes[version]: {"kubelet", "kubeadm", "kubectl"}, p.Runtime: {"containerd", "containerd-shim-runc-v2", "ctr"}, p.Runc: {"runc"}, p.Etcd: {"etcdutl", "etcdctl"},
	} {
		for _, name := range names {
			files["/usr/local/bin/"+name] = filepath.Join(dir, name)
		}
	}
	for _, name := range []string{"bridge", "host-local", "loopback", "portmap"} {
		files["/opt/cni/bin/"+name] = filepath.Join(p.Plugins, name)
	}
	return files
}

// kubectl runs it on a host of the control plane.
func kubectl(ctx context.Context, h *lab.Host, args ...string) (string, error) {
	return h.Exec(ctx, append([]string{"kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"}, args...)...)
}

// Plain kubeadm, by hand, on the same hosts: three of them become a cluster that runs the
// application, and are upgraded by a minor version. It gives the figures that Landfall is
// measured by. Programs are copied onto the hosts, as a script would with scp; images come
// from a registry on the switch.
func TestBaseline(t *testing.T) {
	p := built(t)
	l := openLab(t, p, "baseline")
	s := must(l.NewSpace(t.Context(), "registry", lab.ApplianceAddress, nil))(t)
	serveImages(t, s, &image.Registry{Set: must(makeImages(p))(t)}, lab.ApplianceAddress+":5000")
	hosts := newHosts(t, l, lab.Spec{Texts: map[string]string{
		"/etc/containerd/config.toml":                 fmt.Sprintf(baselineContainerd, releases[first].pause),
		"/etc/containerd/conf.d/machine.toml":         machineContainerd,
		"/etc/containerd/certs.d/_default/hosts.toml": baselineMirror,
		"/etc/systemd/system/containerd.service":      baselineContainerdUnit,
		"/etc/systemd/system/kubelet.service":         baselineKubeletUnit,
		"/etc/sysctl.d/90-kubernetes.conf":            "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n",
	}})
	f := newFigures(t)
	began := time.Now()
	atOnce(t, hosts, func(h *lab.Host) error {
		for at, from := range programs(p, first) {
			if err := h.Copy(t.Context(), at, from); err != nil {
				return err
			}
		}
		return nil
	})
	f.set(t, "baseline.install.seconds", time.Since(began).Seconds())
	formPlainly(t, hosts)
	f.set(t, "baseline.form.seconds", time.Since(began).Seconds())
	c := startClient(t.Context(), addresses(hosts)...)
	upgradePlainly(t, p, hosts, f)
	text, failed := verdict(c.end())
	t.Log("client during plain kubeadm's upgrade:", text)
	f.set(t, "baseline.upgrade.failedCalls", float64(len(failed)))
	if n := must(l.Network.Outside())(t); n != 0 {
		t.Errorf("%d packets went outside: %s\n%s", n, must(l.Network.Dialled())(t), strings.Join(l.Network.Asked(), " "))
	}
}

func addresses(hosts []*lab.Host) (list []string) {
	for _, h := range hosts {
		list = append(list, h.Address)
	}
	return list
}

// formPlainly is kubeadm init, two joins, the pod network and the application.
func formPlainly(t *testing.T, hosts []*lab.Host) {
	t.Helper()
	ctx, control := t.Context(), hosts[0]
	atOnce(t, hosts, func(h *lab.Host) error {
		_, err := h.Exec(ctx, "systemctl", "enable", "--now", "containerd.service")
		if err == nil {
			_, err = h.Exec(ctx, "systemctl", "enable", "kubelet.service")
		}
		return err
	})
	say := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(h *lab.Host, args ...string) string {
		t.Helper()
		return must(h.Exec(ctx, args...))(t)
	}
	say(control.Write(ctx, "/etc/kubernetes/init.yaml", fmt.Sprintf(baselineInit, control.Address, first)))
	run(control, "kubeadm", "init", "--config", "/etc/kubernetes/init.yaml")
	hash := must(keyHash(run(control, "cat", "/etc/kubernetes/pki/ca.crt")))(t)
	for _, h := range hosts[1:] {
		say(h.Write(ctx, "/etc/kubernetes/join.yaml", fmt.Sprintf(baselineJoin, control.Address, hash, h.Name, h.Address)))
		run(h, "kubeadm", "join", "--config", "/etc/kubernetes/join.yaml")
	}
	for _, name := range []string{"cni.yaml", "app.yaml"} {
		say(control.Write(ctx, "/root/"+name, string(must(os.ReadFile(filepath.Join("testdata", name)))(t))))
		must(kubectl(ctx, control, "apply", "-f", "/root/"+name))(t)
	}
	must(kubectl(ctx, control, "wait", "--for=condition=Ready", "node", "--all", "--timeout=180s"))(t)
	must(kubectl(ctx, control, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=180s"))(t)
	must(kubectl(ctx, control, "rollout", "status", "deployment/app", "--timeout=180s"))(t)
	answering(t, hosts)
}

// answering waits until the application answers on every host.
func answering(t *testing.T, hosts []*lab.Host) {
	t.Helper()
	one := &client{http: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	eventually(t, time.Minute, "the application on all hosts", func() (bool, string) {
		var errs []error
		for _, h := range hosts {
			_, err := one.ask(h.Address)
			errs = append(errs, err)
		}
		err := errors.Join(errs...)
		return err == nil, fmt.Sprint(err)
	})
}

// keyHash is how kubeadm knows an authority: the SHA-256 of its public key.
func keyHash(certificate string) (string, error) {
	block, _ := pem.Decode([]byte(certificate))
	if block == nil {
		return "", errors.New("no certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:]), nil
}

// upgradePlainly is what the manual of kubeadm says, host by host.
func upgradePlainly(t *testing.T, p parts, hosts []*lab.Host, f *figures) {
	t.Helper()
	ctx, control := t.Context(), hosts[0]
	for i, h := range hosts {
		began := time.Now()
		replace(t, p, h, "kubeadm")
		must(kubectl(ctx, control, "drain", h.Name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s"))(t)
		if i == 0 {
			must(h.Exec(ctx, "kubeadm", "upgrade", "apply", "-y", "v"+second, "--ignore-preflight-errors=SystemVerification,CreateJob"))(t)
		} else {
			must(h.Exec(ctx, "kubeadm", "upgrade", "node", "--ignore-preflight-errors=SystemVerification"))(t)
		}
		replace(t, p, h, "kubelet", "kubectl")
		must(h.Exec(ctx, "systemctl", "restart", "kubelet.service"))(t)
		eventually(t, 3*time.Minute, h.Name+" with the new version", func() (bool, string) {
			said, err := kubectl(ctx, control, "get", "node", h.Name, "-o", `jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}`)
			return err == nil && said == "v"+second+" True", said
		})
		// A newer kubelet begins the control plane's pods again: the server may be away for a while.
		eventually(t, 2*time.Minute, "uncordoning "+h.Name, func() (bool, string) {
			said, err := kubectl(ctx, control, "uncordon", h.Name)
			return err == nil, fmt.Sprint(said, err)
		})
		serving(t, control)
		f.set(t, "baseline.upgrade."+h.Name+".seconds", time.Since(began).Seconds())
	}
}

// serving waits until the API server says that it is ready, and keeps to it.
func serving(t *testing.T, control *lab.Host) {
	t.Helper()
	inRow := 0
	eventually(t, 2*time.Minute, "the API server", func() (bool, string) {
		said, err := kubectl(t.Context(), control, "get", "--raw", "/readyz")
		if inRow++; err != nil {
			inRow = 0
		}
		return inRow >= 8, fmt.Sprint(said, err)
	})
}

// replace puts programs of the new version into the place of those that run.
func replace(t *testing.T, p parts, h *lab.Host, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := h.Copy(t.Context(), "/usr/local/bin/"+name, filepath.Join(p.Kubernetes[second], name)); err != nil {
			t.Fatal(err)
		}
	}
}
