package agent

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// owned is what operations have put on the host. It is written before the host is
// touched: it may name what is not there, and never lacks what is.
type owned struct {
	Files   map[string]ownedFile `json:"files,omitempty"`
	Folders []string             `json:"folders,omitempty"` // made for files, the outermost first
	Units   map[string]ownedUnit `json:"units,omitempty"`
	Pins    []string             `json:"pins,omitempty"` // owners of pins in the runtime
	// Kubernetes says that kubeadm has made this host part of a cluster, or began to; K3s
	// the same of k3s.
	Kubernetes bool `json:"kubernetes,omitempty"`
	K3s        bool `json:"k3s,omitempty"`
	// Before is what was in folders that Kubernetes shares with others when it came:
	// files, and folders with a slash at their end.
	Before []string `json:"before,omitempty"`
}

// ownedFile is a file that was written.
type ownedFile struct {
	By   string `json:"by"` // "files", or "provider NAME"
	Kept *kept  `json:"kept,omitempty"`
}

// kept is what a file was before.
type kept struct {
	Name string      `json:"name,omitempty"` // in the folder kept
	Mode fs.FileMode `json:"mode,omitempty"`
	Link string      `json:"link,omitempty"` // it was a symbolic link to this
}

// ownedUnit is a unit that operations have started or enabled, which it was not before,
// or that ran and was begun again with other files.
type ownedUnit struct {
	Started   bool `json:"started,omitempty"`
	Enabled   bool `json:"enabled,omitempty"`
	Restarted bool `json:"restarted,omitempty"`
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(list, func(have string) bool { return have == s })
}

func (a *Agent) ownedPath() string { return filepath.Join(a.data, "owned.json") }

func (a *Agent) loadOwned() (*owned, error) {
	o := &owned{Files: map[string]ownedFile{}, Units: map[string]ownedUnit{}}
	content, err := os.ReadFile(a.ownedPath())
	if errors.Is(err, os.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(content, o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which says what was put on this host: %w", a.ownedPath(), err)
	}
	return o, nil
}

func (a *Agent) saveOwned(o *owned) error {
	content, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return registry.DiskError(durable.WriteFile(a.ownedPath(), content, 0o600))
}

// own changes what is known to be the agent's.
func (a *Agent) own(change func(*owned)) error {
	a.files.Lock()
	defer a.files.Unlock()
	return a.ownLocked(change)
}

func (a *Agent) ownLocked(change func(*owned)) error {
	o, err := a.loadOwned()
	if err != nil {
		return err
	}
	change(o)
	return a.saveOwned(o)
}

// claim makes files the agent's, before they are written: what is there from others is
// kept, and the folders that they need are made. a.files is held.
func (a *Agent) claim(paths []string, by string) error {
	o, err := a.loadOwned()
	if err != nil {
		return err
	}
	for _, path := range paths {
		f, mine := o.Files[path]
		if !mine {
			if f.Kept, err = a.keep(path); err != nil {
				return err
			}
		}
		f.By = by
		o.Files[path] = f
		for folder := filepath.Dir(path); folder != "/" && !a.tree.exists(folder); folder = filepath.Dir(folder) {
			o.Folders = with(o.Folders, folder)
		}
	}
	slices.Sort(o.Folders)
	if err := a.saveOwned(o); err != nil {
		return err
	}
	for _, path := range paths {
		if err := a.tree.mkdir(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// keep saves a file as it is; nil when there is none.
func (a *Agent) keep(path string) (*kept, error) {
	info, err := a.tree.lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	local, err := a.tree.local(path)
	if err != nil {
		return nil, err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := a.tree.root.Readlink(local)
		return &kept{Link: target}, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w: it is there, and no file", path, registry.ErrConflict)
	}
	k := &kept{Name: fmt.Sprintf("%x", sha256.Sum256([]byte(path))), Mode: info.Mode().Perm()}
	f, err := a.tree.root.Open(local)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return k, writeStream(filepath.Join(a.data, "kept", k.Name), f)
}

// release takes files away again, or puts back what was there before. a.files is held.
func (a *Agent) release(paths []string) error {
	o, err := a.loadOwned()
	if err != nil {
		return err
	}
	var names []string
	for _, path := range paths {
		f, mine := o.Files[path]
		if !mine {
			continue
		}
		if err := a.restoreFile(path, f.Kept); err != nil {
			return err
		}
		if f.Kept != nil && f.Kept.Name != "" {
			names = append(names, f.Kept.Name)
		}
		delete(o.Files, path)
	}
	if err := a.saveOwned(o); err != nil {
		return err
	}
	for _, name := range names {
		os.Remove(filepath.Join(a.data, "kept", name))
	}
	return nil
}

func (a *Agent) restoreFile(path string, k *kept) error {
	if k == nil {
		if info, err := a.tree.lstat(path); err == nil && info.IsDir() {
			return nil // others have put it there since
		}
		return a.tree.remove(path)
	}
	if err := a.tree.mkdir(filepath.Dir(path), 0o755); err != nil { // it may have gone with what was in it
		return err
	}
	if k.Link != "" {
		return a.tree.put(path, a.tree.symlink(k.Link))
	}
	f, err := os.Open(filepath.Join(a.data, "kept", k.Name))
	if err != nil {
		return fmt.Errorf("%s: what was there before: %w", path, err)
	}
	defer f.Close()
	return a.tree.put(path, a.tree.write(k.Mode, f))
}

// releaseFolders removes the folders that were made and are empty.
func (a *Agent) releaseFolders() error {
	a.files.Lock()
	defer a.files.Unlock()
	return a.ownLocked(func(o *owned) {
		for _, folder := range slices.Backward(o.Folders) {
			if local, err := a.tree.local(folder); err == nil {
				_ = a.tree.root.Remove(local) // not when others have put something there
			}
		}
		o.Folders = nil
	})
}
