package build

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// suite is the Debian that hosts are.
const suite = "bookworm"

// packages are what a host has, beside the smallest Debian: systemd, and what kubeadm and
// kube-proxy call.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "nftables", "conntrack", "ethtool", "socat", "ebtables",
	"kmod", "procps", "mount", "util-linux", "ca-certificates", "curl", "iputils-ping",
}

// Rootfs is a host's root file system, read only by agreement: hosts have it below an
// overlay.
func (c *Cache) Rootfs() (string, error) {
	return c.made("rootfs", key(append(packages, suite, runtime.GOARCH)...), func(dir string) error {
		cmd := exec.Command("mmdebstrap", "--variant=minbase", "--include="+strings.Join(packages, ","), suite, dir)
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("mmdebstrap (apt-get install mmdebstrap): %w\n%s", err, strings.TrimSpace(string(said)))
		}
		return nil
	})
}

// ProxyRoot is a folder with nft, iptables and conntrack and the libraries that they
// need, out of a root file system: what an image of kube-proxy has beside it.
func (c *Cache) ProxyRoot(rootfs string) (string, error) {
	return c.made("proxy-root", key(filepath.Base(rootfs)), func(dir string) error { return copyPrograms(rootfs, dir) })
}
