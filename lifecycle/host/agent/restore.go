package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Where etcd is on a control plane of kubeadm's.
const (
	etcdFolder    = "/var/lib/etcd"
	etcdMember    = etcdFolder + "/member"
	etcdRestored  = "/var/lib/landfall-etcd-restored"
	etcdBefore    = "/var/lib/landfall-etcd-before-restore"
	manifests     = kubernetesFolder + "/manifests"
	manifestsAway = kubernetesFolder + "/landfall-manifests"
	podsEndWithin = 5 * time.Minute
)

var statePods = []string{"kube-apiserver.yaml", "etcd.yaml"}

// restore puts a snapshot in place of etcd's state. What was there stays beside it,
// until the next restore. It is done from its beginning when it was interrupted: a state
// that was restored already is restored again.
func (t *task) restore(ctx context.Context, r *host.Restore) error {
	if r.K3s {
		return t.k3sRestore(ctx, r)
	}
	path, err := t.snapshotPath(r.Name)
	if err != nil {
		return err
	}
	if err := t.mayMakeState(path, r.Name); err != nil {
		return err
	}
	t.kubeadm.Lock()
	defer t.kubeadm.Unlock()
	if err := t.tree.remove(etcdRestored); err != nil {
		return err
	}
	if err := t.makeState(ctx, path, r.Node, r.Address); err != nil {
		return err
	}
	if err := t.movePods(manifests, manifestsAway); err != nil {
		return err
	}
	if err = t.swapState(ctx); err == nil {
		err = t.returnControlPlane(path)
	}
	return errors.Join(err, t.movePods(manifestsAway, manifests))
}

// mayMakeState proves that a snapshot, and what reads it, are there.
func (t *task) mayMakeState(path, name string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("snapshot %s: %w: %w", name, registry.ErrNotFound, err)
	}
	if program, _ := t.findProgram("etcdutl"); program == "" {
		return fmt.Errorf("etcdutl: %w: a snapshot cannot be restored without it: let a provider of the definition bring it", registry.ErrNotFound)
	}
	return nil
}

// makeState makes the state of a snapshot, of one member, beside etcd's own.
func (t *task) makeState(ctx context.Context, path, node, address string) error {
	t.say("making etcd's state of the snapshot")
	peer := "https://" + net.JoinHostPort(address, "2380")
	_, err := t.program(ctx, "etcdutl", "snapshot", "restore", path, "--name", node, "--initial-cluster", node+"="+peer,
		"--initial-advertise-peer-urls", peer, "--data-dir", t.tree.outside(etcdRestored))
	return err
}

// returnControlPlane puts the static pods and what the kubelet was told from beside a
// snapshot in place; those that work with the state come back later, from where they are.
func (t *task) returnControlPlane(path string) error {
	content, err := os.ReadFile(besides(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a snapshot of an agent that did not keep them
	}
	if err != nil {
		return err
	}
	var kept nodeFiles
	if err := json.Unmarshal(content, &kept); err != nil {
		return fmt.Errorf("%s: %w", besides(path), err)
	}
	files := nodeFiles{}
	for at, f := range kept {
		if name := filepath.Base(at); filepath.Dir(at) == manifests && slices.Contains(statePods, name) {
			at = manifestsAway + "/" + name
		}
		files[at] = f
	}
	return t.writeNode(files)
}

// movePods moves the manifests of static pods that work with etcd's state.
func (t *task) movePods(from, to string) error {
	if err := t.tree.mkdir(to, 0o700); err != nil {
		return err
	}
	for _, name := range statePods {
		err := t.tree.rename(from+"/"+name, to+"/"+name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// swapState waits until nobody works with the state, and puts the restored one in place.
func (t *task) swapState(ctx context.Context) error {
	t.say("waiting for etcd to end")
	limited, cancel := context.WithTimeoutCause(ctx, podsEndWithin, fmt.Errorf("%w: etcd has not ended within %s", registry.ErrUnreachable, podsEndWithin))
	defer cancel()
	for t.etcdRuns(limited) {
		select {
		case <-time.After(time.Second):
		case <-limited.Done():
			return context.Cause(limited)
		}
	}
	if t.attempt == 1 { // what an interrupted attempt has put aside is the state before
		if err := t.tree.remove(etcdBefore); err != nil {
			return err
		}
	}
	if t.tree.exists(etcdMember) && !t.tree.exists(etcdBefore) {
		if err := t.tree.mkdir(etcdBefore, 0o700); err != nil {
			return err
		}
		if err := t.moveFolder(etcdMember, etcdBefore+"/member"); err != nil {
			return err
		}
	}
	if err := t.tree.remove(etcdMember); err != nil { // restored by that attempt
		return err
	}
	return t.moveFolder(etcdRestored+"/member", etcdMember)
}

// etcdRuns reports whether somebody answers at etcd's port.
func (t *task) etcdRuns(ctx context.Context) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", t.opts.Etcd)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// moveFolder moves a folder, to another file system, too.
func (t *task) moveFolder(from, to string) error {
	if err := t.tree.rename(from, to); err == nil {
		return nil
	}
	a, err := t.tree.local(from)
	if err != nil {
		return err
	}
	b, err := t.tree.local(to)
	if err != nil {
		return err
	}
	if err := t.tree.root.RemoveAll(b); err != nil {
		return err
	}
	if err := copyFolder(t.tree.outside("/"+a), t.tree.outside("/"+b)); err != nil {
		return registry.DiskError(err)
	}
	return t.tree.root.RemoveAll(a)
}

// copyFolder copies a folder of which nobody else may read anything meanwhile, with its
// modes.
func copyFolder(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	content := os.DirFS(from)
	if err := os.CopyFS(to, content); err != nil {
		return err
	}
	return fs.WalkDir(content, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.Chmod(filepath.Join(to, name), info.Mode().Perm())
	})
}
