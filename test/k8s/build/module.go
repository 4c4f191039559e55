package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// strip leaves out what only a debugger reads.
const strip = "-s -w"

// Kubernetes is the folder with kube-apiserver, kube-controller-manager, kube-scheduler,
// kube-proxy, kubelet, kubeadm and kubectl of a version, like 1.36.3. The version is
// stamped into them: kubeadm decides by it.
func (c *Cache) Kubernetes(version string) (string, error) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("version %q: want one like 1.36.3", version)
	}
	flags := strip
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, stamp := range []string{"gitVersion=v" + version, "gitMajor=" + parts[0], "gitMinor=" + parts[1],
			"gitCommit=" + strings.Repeat("0", 40), "gitTreeState=clean", "buildDate=2026-01-01T00:00:00Z"} {
			flags += " -X " + p + "." + stamp
		}
	}
	return c.module("kubernetes-"+parts[0]+"."+parts[1], module{flags: flags})
}

// Runtime is the folder with containerd, containerd-shim-runc-v2 and ctr.
func (c *Cache) Runtime() (string, error) {
	return c.module("containerd", module{flags: strip + " -X github.com/containerd/containerd/v2/version.Version=v2.2.9"})
}

// Runc is the folder with runc, the only program here that needs a C compiler.
func (c *Cache) Runc() (string, error) {
	return c.module("runc", module{cgo: true, flags: strip + " -X main.version=1.4.3 -linkmode external -extldflags -static", tags: "seccomp netgo osusergo"})
}

// Plugins is the folder with the network plugins bridge, host-local, loopback and portmap.
func (c *Cache) Plugins() (string, error) { return c.module("cni", module{flags: strip}) }

// Etcd is the folder with etcd (called server), etcdctl and etcdutl.
func (c *Cache) Etcd() (string, error) { return c.module("etcd", module{flags: strip}) }

// CoreDNS is the folder with coredns.
func (c *Cache) CoreDNS() (string, error) {
	return c.module("coredns", module{flags: strip, packages: ".", name: "coredns"})
}

// Programs is a new folder with the programs of this module that images have: app, cni,
// pause. It is the caller's, and not of the cache: they are built in a moment.
func (c *Cache) Programs() (string, error) {
	dir, err := os.MkdirTemp("", "programs-")
	if err != nil {
		return "", err
	}
	return dir, goBuild(".", dir+"/", false, "-trimpath", "-ldflags", strip, "./program/...")
}

// Landfall builds the binary under test with its clock that many seconds ahead.
func (c *Cache) Landfall(out string, ahead int) error {
	overlay, remove, err := aheadOverlay(ahead)
	if err != nil {
		return err
	}
	defer remove()
	return goBuild("../..", out, false, "-trimpath", "-ldflags", strip, "-overlay", overlay, "./cmd/landfall")
}

// module is how a module is built.
type module struct {
	flags, tags string
	packages    string // "": its tools
	name        string // of the one program; "": as the packages are called
	cgo         bool
}

func (c *Cache) module(name string, m module) (string, error) {
	source := filepath.Join("modules", name)
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	parts := []string{runtime.Version(), runtime.GOARCH, m.flags, m.tags}
	for _, file := range append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum")) {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		parts = append(parts, string(content))
	}
	return c.made(name, key(parts...), func(dir string) error {
		packages := m.packages
		if packages == "" {
			packages = "tool"
		}
		return goBuild(source, filepath.Join(dir, m.name)+tail(m.name), m.cgo, "-trimpath", "-ldflags", m.flags, "-tags", m.tags, packages)
	})
}

// tail is what tells go build that its output is a folder.
func tail(name string) string {
	if name == "" {
		return "/"
	}
	return ""
}

// goBuild runs go build in a folder.
func goBuild(dir, out string, cgo bool, args ...string) error {
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if strings.HasSuffix(out, "/") {
		abs += "/"
	}
	cmd := exec.Command("go", append([]string{"build", "-mod=readonly", "-p=2", "-o", abs}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", dir, err, strings.TrimSpace(string(said)))
	}
	return nil
}
