package agent

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// byFiles is who writes the files of a Files.
const byFiles = "files"

const defaultMode fs.FileMode = 0o644

// doFiles writes and removes files. All that can be known to be wrong is looked at, and
// all that comes over the network has come, before the first one is touched.
func (t *task) doFiles(ctx context.Context, f *host.Files) error {
	if err := t.checkFiles(f); err != nil {
		return err
	}
	ready := make([]source, len(f.Put))
	defer func() {
		for _, s := range ready {
			s.discard()
		}
	}()
	for i := range f.Put {
		var err error
		if ready[i], err = t.prepare(ctx, &f.Put[i], fmt.Sprintf("%s.%d", t.id, i)); err != nil {
			return fmt.Errorf("%s: %w", f.Put[i].Path, err)
		}
	}
	t.files.Lock()
	defer t.files.Unlock()
	for i, s := range ready {
		if err := s.put(t, &f.Put[i]); err != nil {
			return err
		}
	}
	for _, path := range f.Remove {
		if err := t.takeAway(path); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) checkFiles(f *host.Files) error {
	seen := map[string]bool{}
	for _, file := range f.Put {
		switch err := t.tree.checkPath(file.Path); {
		case err != nil:
			return err
		case seen[file.Path]:
			return fmt.Errorf("%s: %w: it is put twice", file.Path, registry.ErrInvalid)
		case file.Mode > uint32(fs.ModePerm):
			return fmt.Errorf("%s: %w: mode %#o: permission bits only", file.Path, registry.ErrInvalid, file.Mode)
		case file.Blob != nil && len(file.Content) > 0, file.Folder && file.Blob == nil:
			return fmt.Errorf("%s: %w: want content or a blob, and a blob for a folder", file.Path, registry.ErrInvalid)
		}
		seen[file.Path] = true
	}
	for _, path := range f.Remove {
		if err := t.tree.checkPath(path); err != nil {
			return err
		}
		if seen[path] {
			return fmt.Errorf("%s: %w: it is put and removed", path, registry.ErrInvalid)
		}
		if vital(path) {
			return fmt.Errorf("%s: %w: a host does not work without it; name what is in it", path, registry.ErrInvalid)
		}
	}
	return nil
}

// vital reports whether a folder is one that each host has, and needs.
func vital(path string) bool {
	return filepath.Dir(path) == "/" || slices.Contains([]string{
		"/etc/ssh", "/etc/ssl", "/etc/systemd", "/etc/systemd/system", "/etc/pam.d", "/etc/security", "/etc/network",
		"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/local/bin", "/usr/local/sbin", "/usr/share",
		"/usr/lib/systemd", "/usr/lib/systemd/system", "/lib/systemd", "/lib/systemd/system", "/usr/libexec",
		"/var/lib", "/var/log", "/var/cache", "/var/run", "/var/tmp", "/var/spool", "/run/systemd",
		"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/fstab", "/etc/machine-id",
	}, path)
}

// source is the content of a file that is about to be put.
type source struct {
	blob   string // a file with it
	folder string // an unpacked archive
	items  []item
}

func (s *source) discard() {
	if s.blob != "" {
		os.Remove(s.blob)
	}
	if s.folder != "" {
		os.RemoveAll(s.folder)
	}
}

// prepare brings what a file needs onto the host, beside its place.
func (t *task) prepare(ctx context.Context, f *host.File, name string) (s source, err error) {
	if f.Blob == nil {
		return s, nil
	}
	if s.blob, err = t.fetch(ctx, f.Blob); err != nil || !f.Folder {
		return s, err
	}
	s.folder = filepath.Join(t.data, "unpacked", name)
	s.items, err = t.unpackFile(ctx, s.blob, s.folder)
	return s, err
}

// put puts a file, or the files of a folder, in place. t.files is held.
func (s *source) put(t *task, f *host.File) error {
	if f.Folder {
		return t.place(s.folder, f.Path, s.items, byFiles)
	}
	if err := t.claim([]string{f.Path}, byFiles); err != nil {
		return err
	}
	mode := fs.FileMode(f.Mode)
	if mode == 0 {
		mode = defaultMode
	}
	if s.blob == "" {
		return t.tree.put(f.Path, t.tree.write(mode, bytes.NewReader(f.Content)))
	}
	content, err := os.Open(s.blob)
	if err != nil {
		return err
	}
	defer content.Close()
	return t.tree.put(f.Path, t.tree.write(mode, content))
}

// place puts unpacked items below a folder of the host, each as a whole. a.files is
// held.
func (a *Agent) place(from, to string, items []item, by string) error {
	var paths []string
	for _, i := range items {
		path := filepath.Join(to, i.Path)
		if err := a.tree.checkPath(path); err != nil {
			return err
		}
		if !i.Folder {
			paths = append(paths, path)
		}
	}
	if err := a.claim(paths, by); err != nil {
		return err
	}
	for _, i := range items {
		path := filepath.Join(to, i.Path)
		var err error
		switch {
		case i.Folder:
			err = a.placeFolder(path, i.Mode)
		case i.Link != "":
			err = a.tree.put(path, a.tree.symlink(i.Link))
		default:
			err = a.tree.put(path, a.tree.link(filepath.Join(from, i.Path), i.Mode))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// placeFolder makes a folder; one that is there stays as it is.
func (a *Agent) placeFolder(path string, mode fs.FileMode) error {
	if info, err := a.tree.stat(path); err == nil && info.IsDir() {
		return nil
	}
	var missing []string
	for folder := path; folder != "/" && !a.tree.exists(folder); folder = filepath.Dir(folder) {
		missing = append(missing, folder)
	}
	if err := a.ownLocked(func(o *owned) {
		for _, folder := range missing {
			o.Folders = with(o.Folders, folder)
		}
		slices.Sort(o.Folders)
	}); err != nil {
		return err
	}
	return a.tree.mkdir(path, mode)
}

// takeAway removes a path with what is below it. What operations have put there is
// forgotten, but not what was there before that: it is put back when the host is cleaned.
func (t *task) takeAway(path string) error {
	if err := t.tree.remove(path); err != nil {
		return err
	}
	return t.ownLocked(func(o *owned) {
		for have, f := range o.Files {
			if within(have, path) && f.Kept == nil {
				delete(o.Files, have)
			}
		}
	})
}
