package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// What Kubernetes leaves behind that no operation wrote.
var leftovers = []string{
	etcdMember, etcdRestored, etcdBefore, "/var/lib/kubelet", "/etc/cni/net.d", "/var/lib/cni", "/var/log/pods", "/var/log/containers",
	kubernetesFolder, "/var/lib/rancher/k3s", "/etc/rancher",
}

// clean takes away all that operations have put on the host. Nothing is under way
// meanwhile. On a clean host it is done at once.
func (t *task) clean(ctx context.Context, c *host.Clean) error {
	o, err := t.loadOwned()
	if err != nil {
		return err
	}
	if o.Kubernetes {
		t.say("taking Kubernetes out")
		if err := t.reset(ctx); err != nil {
			t.log.Warn("kubeadm could not reset the host; its files are removed nevertheless", "error", err)
		}
	}
	for _, owner := range slices.Clone(o.Pins) {
		if err := t.unpin(ctx, owner); err != nil {
			t.log.Warn("pins could not be taken away; they go with the runtime", "owner", owner, "error", err)
		}
	}
	if err := t.stopUnits(ctx, o); err != nil {
		return err
	}
	if err := t.removeState(o, c.Keep); err != nil {
		return err
	}
	t.files.Lock()
	err = t.release(slices.Sorted(maps.Keys(o.Files)))
	t.files.Unlock()
	if err != nil {
		return err
	}
	if err := t.releaseFolders(); err != nil {
		return err
	}
	if _, err := t.program(ctx, "systemctl", "daemon-reload"); err != nil {
		t.log.Warn("systemd was not told of units that are gone", "error", err)
	}
	return t.forgetAll()
}

// stopUnits stops and disables what was not running or enabled before.
func (t *task) stopUnits(ctx context.Context, o *owned) error {
	for _, name := range slices.Sorted(maps.Keys(o.Units)) {
		u := o.Units[name]
		for _, do := range []struct {
			act    host.Act
			wanted bool
		}{{host.Disable, u.Enabled}, {host.Stop, u.Started}} {
			if !do.wanted {
				continue
			}
			if err := t.unit(ctx, &host.Unit{Name: name, Act: do.act}); err != nil {
				return fmt.Errorf("unit %s: %w", name, err)
			}
		}
	}
	return t.own(func(o *owned) { clear(o.Units) })
}

// removeState removes what Kubernetes, and without Keep the runtime, has kept on disk.
func (t *task) removeState(o *owned, keep bool) error {
	if !o.Kubernetes {
		return nil
	}
	folders := slices.Clone(leftovers)
	if !keep {
		folders = append(folders, "/var/lib/containerd")
	}
	var errs []error
	for _, folder := range folders {
		errs = append(errs, t.tree.unmountBelow(folder))
		if len(t.tree.mountsAt(folder)) > 0 { // the folder itself is a file system: what is in it goes
			for _, name := range t.tree.list(folder) {
				errs = append(errs, t.tree.remove(filepath.Join(folder, name)))
			}
			continue
		}
		errs = append(errs, t.tree.remove(folder))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return t.own(func(o *owned) { o.Kubernetes = false })
}

// forgetAll removes what the agent has kept for what is gone.
func (t *task) forgetAll() error {
	var errs []error
	for _, folder := range []string{"kept", "blobs", "providers", "unpacked", "snapshots"} {
		entries, err := os.ReadDir(filepath.Join(t.data, folder))
		errs = append(errs, err)
		for _, e := range entries {
			errs = append(errs, os.RemoveAll(filepath.Join(t.data, folder, e.Name())))
		}
	}
	for _, name := range []string{"kubeadm.json", "reset.json"} {
		if err := os.Remove(filepath.Join(t.data, name)); err != nil && !os.IsNotExist(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
