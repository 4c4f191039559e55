package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Where kubeadm and Kubernetes have their files.
const (
	kubernetesFolder = "/etc/kubernetes"
	pkiFolder        = kubernetesFolder + "/pki"
	adminConfig      = kubernetesFolder + "/admin.conf"
	kubeletConfig    = kubernetesFolder + "/kubelet.conf"
	patchesFolder    = kubernetesFolder + "/patches"
	stepConfig       = kubernetesFolder + "/landfall-kubeadm.yaml"
)

// step carries a step of kubeadm out. One step at a time: they work on the same files.
func (t *task) step(ctx context.Context, k *host.Kubeadm) (any, error) {
	t.kubeadm.Lock()
	defer t.kubeadm.Unlock()
	if k.Step != host.Reset {
		if err := t.enter(func(o *owned) *bool { return &o.Kubernetes }); err != nil {
			return nil, err
		}
	}
	switch k.Step {
	case host.Init, host.Join:
		return nil, t.begin(ctx, k)
	case host.UpgradeApply:
		return nil, t.kubeadmUpgrade(ctx, k, "apply", "-y", "v"+strings.TrimPrefix(k.Version, "v"))
	case host.UpgradeNode:
		return nil, t.kubeadmUpgrade(ctx, k, "node")
	case host.Reset:
		return nil, t.reset(ctx)
	case host.Return:
		return nil, t.returnNode(k.Version)
	case host.RenewCerts:
		return nil, t.renewCerts(ctx)
	}
	return nil, fmt.Errorf("kubeadm: %w: step %q", registry.ErrInvalid, k.Step)
}

// begin makes the host part of a cluster. What came to its end before stays; what an
// interrupted or failed attempt has left behind is reset first.
func (t *task) begin(ctx context.Context, k *host.Kubeadm) error {
	if t.finished(k.Step) {
		return nil
	}
	if t.begun() {
		t.say("taking back what was begun before")
		if err := t.resetKeepingKeys(ctx); err != nil {
			return err
		}
	}
	if err := t.putKept(); err != nil { // of a reset that was interrupted
		return err
	}
	if err := t.tree.mkdir(kubernetesFolder, 0o755); err != nil {
		return err
	}
	if err := t.tree.put(stepConfig, t.tree.write(0o600, strings.NewReader(string(k.Config)))); err != nil {
		return err
	}
	defer func() { _ = t.tree.remove(stepConfig) }() // it has a token, which ends by itself
	args, ignore := []string{string(k.Step), "--config", t.tree.outside(stepConfig)}, slices.Clone(k.Ignore)
	if k.State != "" {
		if err := t.seed(ctx, k); err != nil {
			return err
		}
		ignore = append(ignore, "DirAvailable--var-lib-etcd") // the state is there
	}
	if len(ignore) > 0 {
		args = append(args, "--ignore-preflight-errors="+strings.Join(ignore, ","))
	}
	t.say("kubeadm %s", k.Step)
	if _, err := t.program(ctx, "kubeadm", args...); err != nil {
		return err
	}
	return t.finish(k.Step)
}

// begun reports whether kubeadm has left something that is in the way of beginning.
func (t *task) begun() bool {
	for _, path := range []string{adminConfig, kubeletConfig, kubernetesFolder + "/bootstrap-kubelet.conf", "/var/lib/etcd/member", "/var/lib/kubelet/config.yaml"} {
		if t.tree.exists(path) {
			return true
		}
	}
	for _, name := range t.tree.list(kubernetesFolder + "/manifests") {
		if strings.HasPrefix(name, "kube-apiserver") || strings.HasPrefix(name, "etcd") {
			return true
		}
	}
	return false
}

// finished reports whether a step came to its end on this host, and has not been taken
// back since.
func (t *task) finished(step host.Step) bool {
	content, err := os.ReadFile(filepath.Join(t.data, "kubeadm.json"))
	var done map[host.Step]bool
	return err == nil && json.Unmarshal(content, &done) == nil && done[step] && t.tree.exists(kubeletConfig)
}

func (t *task) finish(step host.Step) error {
	return saveJSON(filepath.Join(t.data, "kubeadm.json"), map[host.Step]bool{step: true})
}

func (t *task) kubeadmUpgrade(ctx context.Context, k *host.Kubeadm, args ...string) error {
	if err := t.noteNode(k.Version); err != nil {
		return err
	}
	args = append([]string{"upgrade"}, args...)
	if t.tree.exists(patchesFolder) {
		args = append(args, "--patches", t.tree.outside(patchesFolder))
	}
	if len(k.Ignore) > 0 {
		args = append(args, "--ignore-preflight-errors="+strings.Join(k.Ignore, ","))
	}
	if k.Step == host.UpgradeApply { // also to an older patch, when the cluster returns
		args = append(args, "--force")
	}
	t.say("kubeadm %s", strings.Join(args[:2], " "))
	_, err := t.program(ctx, "kubeadm", args...)
	return err
}

// reset takes back what kubeadm did. Without the program there is nothing of it.
func (t *task) reset(ctx context.Context) error {
	if err := os.Remove(filepath.Join(t.data, "kubeadm.json")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if path, _ := t.findProgram("kubeadm"); path == "" {
		return nil
	}
	_, err := t.program(ctx, "kubeadm", "reset", "-f")
	return err
}

// resetKeepingKeys resets, and keeps the cluster's authorities, which the appliance put
// there and kubeadm would take away.
func (t *task) resetKeepingKeys(ctx context.Context) error {
	o, err := t.loadOwned()
	if err != nil {
		return err
	}
	return t.resetKeeping(ctx, slices.Collect(maps.Keys(o.Files)))
}

// resetKeeping resets, and keeps files of Kubernetes' folder.
func (t *task) resetKeeping(ctx context.Context, paths []string) error {
	kept := map[string][]byte{}
	modes := map[string]fs.FileMode{}
	for _, path := range paths {
		if !within(path, kubernetesFolder) {
			continue
		}
		info, err := t.tree.stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			continue
		}
		if kept[path], err = t.tree.read(path); err != nil {
			return err
		}
		modes[path] = info.Mode().Perm()
	}
	if err := t.saveKept(kept, modes); err != nil {
		return err
	}
	if err := t.reset(ctx); err != nil {
		return err
	}
	return t.putKept()
}

// savedFile is a file that a reset must not cost.
type savedFile struct {
	Mode    fs.FileMode `json:"mode"`
	Content []byte      `json:"content"`
}

func (t *task) keptFile() string { return filepath.Join(t.data, "reset.json") }

// saveKept notes files before a reset: an agent that is ended in it puts them back the
// next time. What an earlier one noted counts more than what it has left.
func (t *task) saveKept(content map[string][]byte, modes map[string]fs.FileMode) error {
	files := map[string]savedFile{}
	if before, err := os.ReadFile(t.keptFile()); err == nil {
		_ = json.Unmarshal(before, &files) // one that cannot be read has nothing to say
	}
	for path, c := range content {
		files[path] = savedFile{modes[path], c}
	}
	return saveJSON(t.keptFile(), files)
}

func (t *task) putKept() error {
	content, err := os.ReadFile(t.keptFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var files nodeFiles
	if err := json.Unmarshal(content, &files); err != nil {
		return err
	}
	if err := t.writeNode(files); err != nil {
		return err
	}
	return os.Remove(t.keptFile())
}
