package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// groupRoot is the parent of all control groups of labs.
const groupRoot = "landfall-k8s"

// controllers are the hierarchies of control groups of version 1, as this lab knows them;
// unified is there beside them, for systemd.
var controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified"}

func groups(name string) (list []string) {
	for _, c := range controllers {
		list = append(list, filepath.Join("/sys/fs/cgroup", c, groupRoot, name))
	}
	return list
}

// enterGroups makes a host's control groups and puts a process into them.
func enterGroups(name string, pid int) error {
	if _, err := os.Stat("/sys/fs/cgroup/cpu/cgroup.procs"); err != nil {
		return fmt.Errorf("%w: this laboratory needs control groups of version 1 (systemd.unified_cgroup_hierarchy=0)", err)
	}
	for _, dir := range groups(name) {
		if err := errors.Join(os.MkdirAll(dir, 0o755), prepareGroup(dir)); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// prepareGroup sets what a group has to have before processes and children are in it.
func prepareGroup(dir string) error {
	parent := filepath.Dir(dir)
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(parent), file))
		if err != nil {
			break // another hierarchy
		}
		for _, d := range []string{parent, dir} {
			if err := os.WriteFile(filepath.Join(d, file), content, 0o644); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.clone_children"), []byte("1"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeGroups takes a host's groups away, or with no name those of all labs. What still
// runs in them ended with its namespace; the kernel may take a moment.
func removeGroups(name string) error {
	var err error
	for range 100 {
		err = nil
		for _, root := range groups(name) {
			err = errors.Join(err, removeGroup(root))
		}
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func removeGroup(root string) (err error) {
	var dirs []string
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for _, dir := range slices.Backward(dirs) {
		if e := os.Remove(dir); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
