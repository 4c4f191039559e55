package agent

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Where a server of k3s keeps its state: in a database, or in etcd's folder below that.
const (
	k3sUnit     = "k3s.service"
	k3sDatabase = k3sFolder + "/server/db"
	k3sEtcd     = k3sDatabase + "/etcd"
)

// k3sStep carries a step of k3s out, for which it must not run.
func (t *task) k3sStep(ctx context.Context, k *host.K3s) error {
	if k.Step != host.RenewCerts || !isK3s(k.Unit) {
		return fmt.Errorf("k3s: %w: step %q of unit %q", registry.ErrInvalid, k.Step, k.Unit)
	}
	t.kubeadm.Lock()
	defer t.kubeadm.Unlock()
	return t.whileStopped(ctx, k.Unit, func() error {
		t.say("k3s certificate rotate")
		_, err := t.program(ctx, "k3s", "certificate", "rotate")
		return err
	})
}

// whileStopped does something while a unit is stopped, and begins that again, also when
// it failed.
func (t *task) whileStopped(ctx context.Context, unit string, do func() error) error {
	if err := t.unit(ctx, &host.Unit{Name: unit, Act: host.Stop}); err != nil {
		return err
	}
	return errors.Join(do(), t.unit(context.WithoutCancel(ctx), &host.Unit{Name: unit, Act: host.Start}))
}

// k3sSnapshot saves the state of a server of k3s: etcd's by k3s itself, while it runs; a
// database by copying it while k3s is stopped.
// https://docs.k3s.io/cli/etcd-snapshot
func (t *task) k3sSnapshot(ctx context.Context, s *host.Snapshot) (any, error) {
	path, err := t.snapshotPath(s.Name)
	if err != nil {
		return nil, err
	}
	if t.tree.exists(k3sEtcd) {
		err = t.k3sEtcdSnapshot(ctx, s, path)
	} else if !t.tree.exists(k3sDatabase) {
		err = fmt.Errorf("k3s: %w: there is no state in %s: this host runs no server, or one with a database elsewhere", registry.ErrNotFound, k3sDatabase)
	} else {
		path = strings.TrimSuffix(path, ".db") + ".tgz"
		err = t.whileStopped(ctx, k3sUnit, func() error {
			t.say("copying the state of k3s")
			return t.packFolder(k3sDatabase, path)
		})
	}
	if err != nil {
		return nil, err
	}
	out, err := measured(path)
	return out, errors.Join(err, t.sweepSnapshots())
}

func (t *task) k3sEtcdSnapshot(ctx context.Context, s *host.Snapshot, path string) error {
	folder := filepath.Join(t.data, "unpacked", t.id)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := durable.MkdirAll(folder, 0o700); err != nil {
		return registry.DiskError(err)
	}
	args := []string{"etcd-snapshot", "save", "--name", s.Name, "--etcd-snapshot-dir", folder}
	if s.Port != 0 {
		args = append(args, "--etcd-server", "https://127.0.0.1:"+strconv.Itoa(s.Port))
	}
	t.say("k3s etcd-snapshot save")
	if _, err := t.program(ctx, "k3s", args...); err != nil {
		return err
	}
	// Its name has the node's and the time behind what was asked for.
	found, err := filepath.Glob(filepath.Join(folder, s.Name+"*"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("k3s etcd-snapshot save: %w: it made %d files in %s, want one", registry.ErrIncomplete, len(found), folder)
	}
	if err != nil {
		return err
	}
	return registry.DiskError(durable.Rename(found[0], path))
}

// k3sRestore puts a snapshot in place of the state of a server; what was there stays
// beside it until the next restore.
func (t *task) k3sRestore(ctx context.Context, r *host.Restore) error {
	path, err := t.snapshotPath(r.Name)
	if err != nil {
		return err
	}
	t.kubeadm.Lock()
	defer t.kubeadm.Unlock()
	if archive := strings.TrimSuffix(path, ".db") + ".tgz"; fileIs(archive) {
		return t.whileStopped(ctx, k3sUnit, func() error { return t.swapDatabase(ctx, archive) })
	}
	if !fileIs(path) {
		return fmt.Errorf("snapshot %s: %w: this host has none of this name", r.Name, registry.ErrNotFound)
	}
	return t.whileStopped(ctx, k3sUnit, func() error {
		t.say("making the state of k3s of the snapshot")
		_, err := t.program(ctx, "k3s", "server", "--cluster-reset", "--cluster-reset-restore-path", path)
		return err
	})
}

func fileIs(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// swapDatabase puts a copy of the database in place. What an interrupted attempt has put
// aside is the state before.
func (t *task) swapDatabase(ctx context.Context, archive string) error {
	t.say("putting the state of k3s in place")
	fresh := filepath.Join(t.data, "unpacked", t.id)
	items, err := t.unpackFile(ctx, archive, fresh)
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if t.attempt == 1 {
		if err := t.tree.remove(k3sBefore); err != nil {
			return err
		}
	}
	if t.tree.exists(k3sDatabase) && !t.tree.exists(k3sBefore) {
		if err := t.moveFolder(k3sDatabase, k3sBefore); err != nil {
			return err
		}
	}
	if err := t.tree.remove(k3sDatabase); err != nil { // of that attempt
		return err
	}
	for _, i := range items {
		if err := t.placeState(filepath.Join(fresh, i.Path), k3sDatabase+"/"+i.Path, i); err != nil {
			return err
		}
	}
	return nil
}

// placeState copies a file or folder of a state, with its mode.
func (t *task) placeState(from, to string, i item) error {
	if i.Folder {
		return t.tree.mkdir(to, i.Mode)
	}
	if err := t.tree.mkdir(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return t.tree.put(to, t.tree.write(i.Mode, f))
}

// packFolder writes the files of a folder of the host as a tar+gzip, durably.
func (t *task) packFolder(folder, to string) error {
	local, err := t.tree.follow(folder)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() { // ends with the reader
		zipped := gzip.NewWriter(w)
		archive := tar.NewWriter(zipped)
		from, err := fs.Sub(t.tree.root.FS(), local)
		if err == nil {
			err = archive.AddFS(from)
		}
		w.CloseWithError(errors.Join(err, archive.Close(), zipped.Close()))
	}()
	defer r.Close()
	return writeStream(to, r)
}

// measured is what a snapshot's file is.
func measured(path string) (out host.Snapshotted, err error) {
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return out, err
	}
	sum, err := digest.Canonical.FromReader(f)
	return host.Snapshotted{Path: path, Size: info.Size(), Digest: sum}, err
}
