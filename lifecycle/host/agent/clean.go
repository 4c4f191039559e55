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

const runtimeFolder = "/var/lib/containerd"

// clean takes away all that operations have put on the host. Nothing is under way
// meanwhile. On a clean host it is done at once. What is known to be ours is forgotten at
// the end only: interrupted, it is done from its beginning.
func (t *task) clean(ctx context.Context, c *host.Clean) (any, error) {
	o, err := t.loadOwned()
	if err != nil {
		return nil, err
	}
	if o.Kubernetes {
		t.say("taking Kubernetes out")
		if err := t.resetKeeping(ctx, o.Before); err != nil {
			t.log.Warn("kubeadm could not reset the host; its files are removed nevertheless", "error", err)
		}
		if err := t.putKept(); err != nil {
			return nil, err
		}
	}
	for _, owner := range slices.Clone(o.Pins) {
		if err := t.unpin(ctx, owner); err != nil {
			t.log.Warn("pins could not be taken away; they go with the runtime", "owner", owner, "error", err)
		}
	}
	if err := t.stopUnits(ctx, o); err != nil {
		return nil, err
	}
	if err := t.removeState(ctx, o, c.Keep); err != nil {
		return nil, err
	}
	t.files.Lock()
	err = t.release(slices.Sorted(maps.Keys(o.Files)))
	t.files.Unlock()
	if err != nil {
		return nil, err
	}
	if err := t.releaseFolders(); err != nil {
		return nil, err
	}
	t.tellUnits(ctx, o)
	out := host.Cleaned{Kept: t.keptByOthers(o)}
	if len(out.Kept) > 0 {
		t.log.Info("files of others stay where Kubernetes had its own", "files", out.Kept)
	}
	return out, errors.Join(t.forgetAll(), t.own(func(o *owned) { *o = owned{} }))
}

// stopUnits stops and disables what was not running or enabled before.
func (t *task) stopUnits(ctx context.Context, o *owned) error {
	for _, name := range slices.Sorted(maps.Keys(o.Units)) {
		u := o.Units[name]
		switch {
		case u.Enabled && !u.Started: // it ran before, and goes on
			if _, err := t.program(ctx, "systemctl", "disable", name); err != nil && !t.unitIsGone(ctx, name, err) {
				return err
			}
		case u.Enabled:
			if err := t.unit(ctx, &host.Unit{Name: name, Act: host.Disable}); err != nil {
				return fmt.Errorf("unit %s: %w", name, err)
			}
		case u.Started:
			if err := t.unit(ctx, &host.Unit{Name: name, Act: host.Stop}); err != nil {
				return fmt.Errorf("unit %s: %w", name, err)
			}
		}
	}
	return nil
}

// tellUnits lets systemd and the units that ran before see the files that are back.
func (t *task) tellUnits(ctx context.Context, o *owned) {
	if _, err := t.program(ctx, "systemctl", "daemon-reload"); err != nil {
		t.log.Warn("systemd was not told of units that are gone", "error", err)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Units)) {
		if !o.Units[name].Restarted {
			continue
		}
		if _, err := t.program(ctx, "systemctl", "try-restart", name); err != nil {
			t.log.Warn("a unit that ran before could not be begun again with its own files", "unit", name, "error", err)
		}
	}
}

// ownRuntime reports whether the container runtime is one that operations brought.
func (o *owned) ownRuntime() bool { return o.Units["containerd.service"].Started }

// removeState removes what Kubernetes, and without keep the runtime, has kept on disk.
func (t *task) removeState(ctx context.Context, o *owned, keep bool) error {
	var folders []string
	if o.Kubernetes || o.K3s {
		folders = slices.Clone(podState)
	}
	if o.Kubernetes {
		folders = append(folders, kubeadmState...)
		if !keep && o.ownRuntime() {
			folders = append(folders, runtimeFolder)
		}
	}
	if o.K3s {
		t.say("ending what k3s has left running")
		if err := t.endK3sPods(ctx); err != nil {
			return err
		}
		folders = append(append(folders, k3sState...), t.podNetworks()...)
	}
	var errs []error
	for _, folder := range folders {
		errs = append(errs, t.removeFolder(folder))
	}
	return errors.Join(append(errs, t.removeMade(o))...)
}

// removeFolder removes a folder with what is mounted below it. One that is a file system
// itself is emptied.
func (t *task) removeFolder(folder string) error {
	errs := []error{t.tree.unmountBelow(folder)}
	if len(t.tree.mountsAt(folder)) > 0 {
		for _, name := range t.tree.list(folder) {
			errs = append(errs, t.tree.remove(filepath.Join(folder, name)))
		}
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, t.tree.remove(folder))...)
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
	for _, name := range []string{"kubeadm.json", "reset.json", "before.json"} {
		if err := os.Remove(filepath.Join(t.data, name)); err != nil && !os.IsNotExist(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
