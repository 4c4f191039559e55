package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/registry"
)

// Folders that are Kubernetes' alone: they go with it, whatever is in them.
var (
	podState     = []string{"/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers"}
	kubeadmState = []string{etcdMember, etcdRestored, etcdBefore}
	k3sState     = []string{"/run/k3s", "/run/flannel", k3sFolder, k3sBefore}
)

const (
	networkFolder = "/etc/cni/net.d"
	rancherFolder = "/etc/rancher"
	k3sFolder     = "/var/lib/rancher/k3s"
	k3sBefore     = "/var/lib/landfall-k3s-before-restore"
)

// shared are folders in which others may have files, too.
var shared = []string{networkFolder, kubernetesFolder, rancherFolder}

// Files of those folders that nobody but kubeadm, k3s and the network plugins of a cluster
// make; a name with a slash at its end is a folder with all in it.
var made = []string{
	kubernetesFolder + "/admin.conf", kubernetesFolder + "/super-admin.conf", kubernetesFolder + "/kubelet.conf", kubernetesFolder + "/bootstrap-kubelet.conf",
	kubernetesFolder + "/controller-manager.conf", kubernetesFolder + "/scheduler.conf", kubernetesFolder + "/manifests/", kubernetesFolder + "/pki/",
	kubernetesFolder + "/tmp/", manifestsAway + "/", stepConfig,
	rancherFolder + "/k3s/k3s.yaml", rancherFolder + "/node/password",
	networkFolder + "/10-flannel.conflist", networkFolder + "/10-canal.conflist", networkFolder + "/10-calico.conflist", networkFolder + "/calico-kubeconfig",
	networkFolder + "/calico-tls/", networkFolder + "/05-cilium.conflist", networkFolder + "/05-cilium.conf", networkFolder + "/10-kuberouter.conflist",
	networkFolder + "/10-weave.conflist", networkFolder + "/10-antrea.conflist", networkFolder + "/01-kube-ovn.conflist", networkFolder + "/10-kindnet.conflist",
	networkFolder + "/00-multus.conf", networkFolder + "/00-multus.conflist", networkFolder + "/multus.d/", networkFolder + "/whereabouts.d/",
}

func isMade(name string) bool {
	return slices.ContainsFunc(made, func(m string) bool {
		return m == name || strings.HasSuffix(m, "/") && strings.HasPrefix(name, m)
	})
}

// enter notes that Kubernetes comes to the host, and what was in the shared folders then.
func (t *task) enter(which func(*owned) *bool) error {
	before := t.tree.below(shared)
	return t.own(func(o *owned) {
		if !o.Kubernetes && !o.K3s {
			o.Before = slices.DeleteFunc(before, func(name string) bool {
				f, ours := o.Files[name]
				return ours && f.Kept == nil || slices.Contains(o.Folders, strings.TrimSuffix(name, "/"))
			})
		}
		*which(o) = true
	})
}

// removeMade removes what is Kubernetes' own in the shared folders. What operations wrote
// is released later.
func (t *task) removeMade(o *owned) error {
	if !o.Kubernetes && !o.K3s {
		return nil
	}
	var errs []error
	for _, name := range slices.Backward(t.tree.below(shared)) {
		if _, ours := o.Files[name]; ours || slices.Contains(o.Before, name) {
			continue
		}
		switch {
		case isMade(name) && !strings.HasSuffix(name, "/"):
			errs = append(errs, t.tree.remove(name))
		case strings.HasSuffix(name, "/"):
			if local, err := t.tree.local(strings.TrimSuffix(name, "/")); err == nil {
				_ = t.tree.root.Remove(local) // not when there is something in it
			}
		}
	}
	return errors.Join(errs...)
}

// keptByOthers are files and folders that stay though Kubernetes has gone.
func (t *task) keptByOthers(o *owned) (list []string) {
	if !o.Kubernetes && !o.K3s {
		return nil
	}
	for _, name := range t.tree.below(shared) {
		if !strings.HasSuffix(name, "/") {
			list = append(list, name)
		}
	}
	if o.Kubernetes && !o.ownRuntime() && t.tree.exists(runtimeFolder) {
		list = append(list, runtimeFolder)
	}
	return list
}

// below is what is in folders: files, and folders with a slash at their end, the folders
// themselves too, each before what is in it.
func (t *tree) below(folders []string) (list []string) {
	for _, folder := range folders {
		local, err := t.follow(folder)
		if err != nil {
			continue
		}
		_ = fs.WalkDir(t.root.FS(), local, func(at string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil // it is not there, or went meanwhile
			}
			name := path.Join(folder, strings.TrimPrefix(at, local))
			if e.IsDir() {
				name += "/"
			}
			list = append(list, name)
			return nil
		})
	}
	return list
}

// podNetworks are the mounts of pods' networks that network plugins have named.
func (t *task) podNetworks() (list []string) {
	const folder = "/run/netns"
	for _, name := range t.tree.list(folder) {
		if strings.HasPrefix(name, "cni-") {
			if err := t.tree.unmount(folder + "/" + name); err != nil {
				t.log.Warn("a pod's network stays", "name", name, "error", err)
				continue
			}
			list = append(list, folder+"/"+name)
		}
	}
	return list
}

// endK3sPods ends what k3s leaves running when it is stopped: its shims, and the
// containers below them.
func (t *task) endK3sPods(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	for {
		left := t.k3sProcesses()
		if len(left) == 0 {
			return nil
		}
		for _, pid := range left {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("process %d of k3s: %w", pid, err)
			}
		}
		select {
		case <-time.After(endEvery):
		case <-limited.Done():
			return fmt.Errorf("%w: processes %v of k3s have not ended within %s", registry.ErrConflict, left, endWithin)
		}
	}
}

const endEvery = 100 * time.Millisecond

// k3sProcesses are the shims of k3s and all processes below them.
func (t *task) k3sProcesses() (list []int) {
	children := map[int][]int{}
	var roots []int
	for _, name := range t.tree.list("/proc") {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		program, parent := t.process(pid)
		children[parent] = append(children[parent], pid)
		if within(program, k3sFolder) && strings.HasPrefix(filepath.Base(program), "containerd-shim") {
			roots = append(roots, pid)
		}
	}
	for len(roots) > 0 {
		pid := roots[0]
		roots = append(roots[1:], children[pid]...)
		list = append(list, pid)
	}
	return list
}

// process is the first word of a process's command line, and its parent.
func (t *task) process(pid int) (program string, parent int) {
	folder := "/proc/" + strconv.Itoa(pid)
	line, _ := t.tree.read(folder + "/cmdline") // it may have ended
	program, _, _ = strings.Cut(string(line), "\x00")
	stat, _ := t.tree.read(folder + "/stat")
	// proc_pid_stat(5): the name is in parentheses, and may have some itself.
	if fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(fields) > 1 {
		parent, _ = strconv.Atoi(fields[1])
	}
	return program, parent
}
