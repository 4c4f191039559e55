package agent

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/registry"
)

// tree is the host's files. Paths are absolute as the host sees them; none leads out of
// the root, through symbolic links either. An absolute link is followed from the root
// on, as the host would.
type tree struct {
	path string // of the root, real
	data string // of the data folder as the host sees it; empty when it is outside
	root *os.Root
}

func openTree(path, data string) (*tree, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if data, err = filepath.EvalSymlinks(data); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	t := &tree{path: path, root: root}
	if rel, err := filepath.Rel(path, data); err == nil && filepath.IsLocal(rel) {
		t.data = "/" + rel
	}
	return t, nil
}

func (t *tree) close() error { return t.root.Close() }

// outside is where a path of the host really is, for programs and file systems.
func (t *tree) outside(path string) string { return filepath.Join(t.path, path) }

// checkPath refuses what is no place for an operation's files.
func (t *tree) checkPath(path string) error {
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0):
		return fmt.Errorf("%q: %w: want an absolute path without . and .. in it", path, registry.ErrInvalid)
	case t.data != "" && (within(path, t.data) || within(t.data, path)):
		return fmt.Errorf("%s: %w: the agent's own folder is %s", path, registry.ErrInvalid, t.data)
	}
	return nil
}

// within reports whether a path is a folder or below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// maxLinks is how many symbolic links of a path are followed.
const maxLinks = 40

// local is a path with the links of its folders followed, relative to the root. Its last
// part is not followed: it is what is replaced or removed. What does not exist is as it
// is written.
func (t *tree) local(path string) (string, error) {
	var done []string
	todo := strings.Split(strings.Trim(path, "/"), "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(done) == 0 {
				return "", fmt.Errorf("%s: %w: a symbolic link in it leads out of %s", path, registry.ErrInvalid, t.path)
			}
			done = done[:len(done)-1]
			continue
		}
		next := append(slices.Clone(done), part)
		link, err := t.root.Readlink(filepath.Join(next...))
		if len(todo) == 0 || err != nil {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: %w: too many symbolic links in it", path, registry.ErrInvalid)
		}
		if filepath.IsAbs(link) {
			done = nil
		}
		todo = append(strings.Split(link, "/"), todo...)
	}
	local := filepath.Join(done...)
	if local == "" {
		local = "."
	}
	if t.data != "" && within("/"+local, t.data) {
		return "", fmt.Errorf("%s: %w: it is in the agent's own folder %s", path, registry.ErrInvalid, t.data)
	}
	return local, nil
}

// temporary is beside a file the one that replaces it. Its name is the same each time,
// so that what an interrupted write left is overwritten by the next; programs that read
// whole folders leave out names that begin with a dot.
func temporary(local string) string {
	return filepath.Join(filepath.Dir(local), fmt.Sprintf(".landfall-%x", sha256.Sum256([]byte(filepath.Base(local))))[:26])
}

// put replaces a file by what make makes under a temporary name, durably.
func (t *tree) put(path string, make func(temporary string) error) (err error) {
	local, err := t.local(path)
	if err != nil {
		return err
	}
	if info, err := t.root.Lstat(local); err == nil && info.IsDir() {
		return fmt.Errorf("%s: %w: there is a folder", path, registry.ErrConflict)
	}
	temp := temporary(local)
	_ = t.root.Remove(temp)
	defer func() {
		if err != nil {
			_ = t.root.Remove(temp)
			err = registry.DiskError(fmt.Errorf("%s: %w", path, err))
		}
	}()
	if err := make(temp); err != nil {
		return err
	}
	if err := t.root.Rename(temp, local); err != nil {
		return err
	}
	// rename(2) leaves both names when they are of the same file already, which is so
	// when an interrupted operation has linked it before.
	_ = t.root.Remove(temp)
	return t.sync(filepath.Dir(local))
}

// write makes a file, synced, for put.
func (t *tree) write(mode fs.FileMode, content io.Reader) func(string) error {
	return func(temp string) error {
		f, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := io.Copy(f, content); err != nil {
			return err
		}
		if err := f.Chmod(mode); err != nil {
			return err
		}
		return f.Sync()
	}
}

// symlink makes a link for put.
func (t *tree) symlink(target string) func(string) error {
	return func(temp string) error { return t.root.Symlink(target, temp) }
}

// link makes another name for a file from outside, for put; a copy where the file
// system cannot have one.
func (t *tree) link(from string, mode fs.FileMode) func(string) error {
	return func(temp string) error {
		dir, err := t.root.Open(filepath.Dir(temp))
		if err != nil {
			return err
		}
		defer dir.Close()
		err = unix.Linkat(unix.AT_FDCWD, from, int(dir.Fd()), filepath.Base(temp), 0)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := t.write(mode, f)(temp); err != nil {
			return err
		}
		return t.root.Chtimes(temp, info.ModTime(), info.ModTime())
	}
}

// mkdir makes a folder with those above it.
func (t *tree) mkdir(path string, mode fs.FileMode) error {
	local, err := t.local(filepath.Join(path, "x")) // the folder itself may be a link
	if err != nil {
		return err
	}
	at := "."
	for part := range strings.SplitSeq(filepath.Dir(local), "/") {
		parent := at
		at = filepath.Join(at, part)
		err := t.root.Mkdir(at, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = t.root.Chmod(at, mode) // whatever the umask
		}
		if err == nil {
			err = t.sync(parent)
		}
		if err != nil {
			return registry.DiskError(fmt.Errorf("%s: %w", path, err))
		}
	}
	return nil
}

func (t *tree) sync(local string) error {
	d, err := t.root.Open(local)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lstat is fs.ErrNotExist also when a part of the path is a file.
func (t *tree) lstat(path string) (fs.FileInfo, error) {
	local, err := t.local(path)
	if err != nil {
		return nil, err
	}
	info, err := t.root.Lstat(local)
	if errors.Is(err, unix.ENOTDIR) {
		err = fs.ErrNotExist
	}
	return info, err
}

// stat follows the last part too.
func (t *tree) stat(path string) (fs.FileInfo, error) {
	local, err := t.follow(path)
	if err != nil {
		return nil, err
	}
	return t.root.Stat(local)
}

func (t *tree) exists(path string) bool {
	_, err := t.lstat(path)
	return err == nil
}

// follow is local with the last part followed.
func (t *tree) follow(path string) (string, error) {
	local, err := t.local(filepath.Join(path, "x"))
	return filepath.Dir(local), err
}

// read reads a file as a whole, at most maxRead bytes.
func (t *tree) read(path string) ([]byte, error) {
	local, err := t.follow(path)
	if err != nil {
		return nil, err
	}
	f, err := t.root.Open(local)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

// maxRead bounds a file that is read as a whole: none of those that are is near it.
const maxRead = 16 << 20

// list is the names in a folder; none when it is not there.
func (t *tree) list(path string) []string {
	local, err := t.follow(path)
	if err != nil {
		return nil
	}
	d, err := t.root.Open(local)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	slices.Sort(names)
	return names
}

// remove removes a file, link, or folder with all in it. What is not there is removed.
func (t *tree) remove(path string) error {
	local, err := t.local(path)
	if err != nil {
		return err
	}
	_ = t.root.Remove(temporary(local)) // of an interrupted put
	info, err := t.root.Lstat(local)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if mounted := t.mountsBelow("/" + local); len(mounted) > 0 {
			return fmt.Errorf("%s: %w: a file system is mounted at %s; unmount it first", path, registry.ErrConflict, mounted[0])
		}
		err = t.root.RemoveAll(local)
	} else {
		err = t.root.Remove(local)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return t.sync(filepath.Dir(local))
}

// rename moves a file or folder within the root, durably.
func (t *tree) rename(from, to string) error {
	a, err := t.local(from)
	if err != nil {
		return err
	}
	b, err := t.local(to)
	if err != nil {
		return err
	}
	if err := t.root.Rename(a, b); err != nil {
		return err
	}
	return errors.Join(t.sync(filepath.Dir(b)), t.sync(filepath.Dir(a)))
}
