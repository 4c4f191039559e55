package build

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// netPrograms are called by kube-proxy; netLinks are names of the second.
var (
	netPrograms = []string{"usr/sbin/nft", "usr/sbin/xtables-nft-multi", "usr/sbin/conntrack"}
	netLinks    = []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"}
	libraryPath = regexp.MustCompile(`/\S+\.so\S*`)
)

func copyPrograms(rootfs, dir string) error {
	extensions, err := filepath.Glob(filepath.Join(rootfs, "usr/lib/*/xtables/*.so"))
	if err != nil {
		return err
	}
	files := append([]string(nil), netPrograms...)
	for _, e := range extensions {
		rel, _ := filepath.Rel(rootfs, e)
		files = append(files, rel)
	}
	for _, file := range files {
		needs, err := exec.Command("chroot", rootfs, "ldd", "/"+file).Output()
		if err != nil {
			return fmt.Errorf("ldd %s: %w", file, err)
		}
		for _, one := range append(libraryPath.FindAllString(string(needs), -1), file) {
			if err := copyFile(rootfs, dir, one); err != nil {
				return err
			}
		}
	}
	for _, name := range netLinks {
		err = errors.Join(err, os.Symlink("xtables-nft-multi", filepath.Join(dir, "usr/sbin", name)))
	}
	return err
}

// copyFile copies what a path stands for, links followed below the root.
func copyFile(root, dir, path string) error {
	to := filepath.Join(dir, path)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	content, err := exec.Command("chroot", root, "cat", filepath.Join("/", path)).Output()
	if err != nil {
		return fmt.Errorf("%s of the root file system: %w", path, err)
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o755))
}
