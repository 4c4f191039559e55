package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// A host that is cleaned is what it was before: files of others are back, folders that
// were made are gone. Cleaning it again is done.
func TestClean(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.write("/etc/app.conf", "of the host", 0o640)
	k.done(host.Op{ID: "f1", Files: &host.Files{Put: []host.File{
		{Path: "/etc/app.conf", Content: []byte("ours")},
		{Path: "/etc/made/deep/file", Content: []byte("ours")},
	}}})
	k.done(k.provider("p1", "1.0.0", k.blob(first(t))))
	for _, id := range []string{"c1", "c2"} {
		k.done(host.Op{ID: id, Clean: &host.Clean{}})
		if k.read("/etc/app.conf") != "of the host" || k.read("/usr/bin/kubelet") != "absent" || k.agent.tree.exists("/etc/made") {
			t.Errorf("%s: %q, %q, made: %v", id, k.read("/etc/app.conf"), k.read("/usr/bin/kubelet"), k.agent.tree.exists("/etc/made"))
		}
	}
	if list := k.agent.Providers(); len(list) != 0 {
		t.Errorf("providers %+v", list)
	}
}

// What an operator put into folders that Kubernetes uses stays, before and after it came,
// and is told; what kubeadm and network plugins made goes.
func TestCleanKeepsOthersFiles(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.program("kubeadm", `root="${0%/usr/bin/*}"
case "$1" in
init) mkdir -p "$root/etc/kubernetes/pki" "$root/etc/kubernetes/manifests" "$root/var/lib/kubelet"
  for f in admin.conf kubelet.conf pki/apiserver.crt manifests/etcd.yaml; do echo made > "$root/etc/kubernetes/$f"; done
  echo made > "$root/var/lib/kubelet/config.yaml";;
reset) rm -rf "$root"/etc/kubernetes/pki/* "$root"/etc/kubernetes/manifests/* "$root"/etc/kubernetes/*.conf;;
esac`)
	before := []string{"/etc/cni/net.d/10-flannel.conflist", "/etc/kubernetes/audit/policy.yaml", "/etc/kubernetes/pki/site.crt", "/etc/rancher/rke2/config.yaml"}
	for _, path := range before {
		k.write(path, "operator's", 0o644)
	}
	k.done(host.Op{ID: "i1", Kubeadm: &host.Kubeadm{Step: host.Init, Config: []byte("{}")}})
	k.write("/etc/cni/net.d/99-operator.conf", "operator's", 0o644)
	for _, path := range []string{"/etc/cni/net.d/10-calico.conflist", "/etc/cni/net.d/calico-kubeconfig", "/var/lib/cni/networks/x"} {
		k.write(path, "made", 0o644)
	}
	r := k.done(host.Op{ID: "c1", Clean: &host.Clean{}})
	var c host.Cleaned
	k.must(r.Decode(&c))
	kept := append(before, "/etc/cni/net.d/99-operator.conf")
	slices.Sort(kept)
	if !slices.Equal(c.Kept, kept) {
		t.Errorf("told as kept: %q, want %q", c.Kept, kept)
	}
	for _, path := range kept {
		if k.read(path) != "operator's" {
			t.Errorf("%s is %q", path, k.read(path))
		}
	}
	for _, path := range []string{"/etc/kubernetes/admin.conf", "/etc/kubernetes/manifests", "/etc/kubernetes/pki/apiserver.crt", "/var/lib/kubelet", "/var/lib/cni", "/etc/cni/net.d/10-calico.conflist", "/etc/cni/net.d/calico-kubeconfig"} {
		if k.agent.tree.exists(path) {
			t.Errorf("left: %s", path)
		}
	}
}

// k3s leaves state that nobody wrote for it: that goes with it, and a file of the host's
// that ours had replaced is back.
func TestCleanK3s(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.write("/etc/rancher/k3s/config.yaml", "operator's", 0o600)
	k.write("/etc/rancher/k3s/config.yaml.d/10-mine.yaml", "operator's", 0o600)
	k.done(host.Op{ID: "f1", Files: &host.Files{Put: []host.File{{Path: "/etc/rancher/k3s/config.yaml", Content: []byte("ours")}, {Path: "/var/lib/rancher/k3s/server/tls/server-ca.key", Content: []byte("key")}}}})
	k.done(host.Op{ID: "u1", Unit: &host.Unit{Name: "k3s.service", Act: host.Enable}})
	made := []string{"/etc/rancher/k3s/k3s.yaml", "/etc/rancher/node/password", "/var/lib/rancher/k3s/server/db/state.db", "/var/lib/rancher/k3s/agent/containerd/x",
		"/run/k3s/containerd/y", "/run/flannel/subnet.env", "/var/lib/kubelet/pods/z", "/run/netns/cni-1234"}
	for _, path := range made {
		k.write(path, "made", 0o644)
	}
	var c host.Cleaned
	r := k.done(host.Op{ID: "c1", Clean: &host.Clean{}})
	k.must(r.Decode(&c))
	for _, path := range append(made, "/var/lib/rancher/k3s", "/run/k3s", "/var/lib/kubelet", "/etc/rancher/node") {
		if k.agent.tree.exists(path) {
			t.Errorf("left: %s", path)
		}
	}
	if k.read("/etc/rancher/k3s/config.yaml") != "operator's" || !slices.Equal(c.Kept, []string{"/etc/rancher/k3s/config.yaml", "/etc/rancher/k3s/config.yaml.d/10-mine.yaml"}) {
		t.Errorf("%q, told as kept: %q", k.read("/etc/rancher/k3s/config.yaml"), c.Kept)
	}
	if !strings.Contains(k.read("systemctl.log"), "disable --now k3s.service") {
		t.Errorf("k3s was not stopped: %s", k.read("systemctl.log"))
	}
}

// A runtime that ran before operations came keeps its images.
func TestCleanOthersRuntime(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.program("systemctl", `case "$1" in is-active) echo active;; is-enabled) echo enabled;; esac`)
	k.program("kubeadm", "")
	k.write("/var/lib/containerd/x", "operator's", 0o644)
	k.done(host.Op{ID: "u1", Unit: &host.Unit{Name: "containerd.service", Act: host.Restart}})
	k.done(host.Op{ID: "i1", Kubeadm: &host.Kubeadm{Step: host.Init, Config: []byte("{}")}})
	r := k.done(host.Op{ID: "c1", Clean: &host.Clean{}})
	var c host.Cleaned
	k.must(r.Decode(&c))
	if k.read("/var/lib/containerd/x") != "operator's" || !slices.Equal(c.Kept, []string{"/var/lib/containerd"}) {
		t.Errorf("%q, told as kept: %q", k.read("/var/lib/containerd/x"), c.Kept)
	}
	if said := k.read("systemctl.log"); strings.Contains(said, "disable") || !strings.Contains(said, "try-restart containerd.service") {
		t.Errorf("a unit that ran before was not left running with its own files: %s", said)
	}
}

// What k3s leaves running when it is stopped ends: its shims with all below them, and
// nothing else.
func TestCleanEndsK3sPods(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.done(host.Op{ID: "u1", Unit: &host.Unit{Name: "k3s-agent.service", Act: host.Enable}})
	begin := func(line string, parent int) (pid int, ended chan struct{}) {
		c := exec.Command("sleep", "60")
		k.must(c.Start())
		folder := fmt.Sprintf("/proc/%d", c.Process.Pid)
		k.write(folder+"/cmdline", line, 0o644)
		k.write(folder+"/stat", fmt.Sprintf("%d (a (b) c) S %d 1 1", c.Process.Pid, parent), 0o644)
		ended = make(chan struct{})
		go func() {
			_ = c.Wait() // it is killed
			os.RemoveAll(filepath.Join(k.root, folder))
			close(ended)
		}()
		t.Cleanup(func() {
			_ = c.Process.Kill() // it has ended, unless the test failed
			<-ended
		})
		return c.Process.Pid, ended
	}
	shim, shimEnded := begin("/var/lib/rancher/k3s/data/x/bin/containerd-shim-runc-v2\x00-namespace\x00k8s.io\x00", 1)
	container, containerEnded := begin("/pause\x00", shim)
	_, belowEnded := begin("/app\x00", container)
	_, otherEnded := begin("/usr/bin/containerd-shim-runc-v2\x00-namespace\x00k8s.io\x00", 1)
	k.done(host.Op{ID: "c1", Clean: &host.Clean{}})
	for _, ended := range []chan struct{}{shimEnded, containerEnded, belowEnded} {
		<-ended
	}
	select {
	case <-otherEnded:
		t.Error("a shim of another containerd was ended")
	default:
	}
}
