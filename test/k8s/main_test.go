// Package k8s runs Landfall where it is for: an appliance and hosts without a way out,
// which become a cluster of real Kubernetes, are upgraded, broken and brought back.
//
// Nouns. The connected side is a space where the registries of upstream are, under their
// names, with the laboratory's own builds. The site is the appliance's space and the
// hosts. A figure is a number that was measured. The transcript is every command, with
// what it said.
//
// Tests need root, a machine with control groups of version 1, and Go to build
// Kubernetes once (see package build); they run in namespaces of their own, which take
// all with them that a test leaves behind. The binary under test is $LANDFALL_BIN, or is
// built from the parent module.
package k8s

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/test/isolation"
	"github.com/landfall-dev/landfall/test/k8s/build"
	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// The environment.
const (
	insideEnv = "LANDFALL_K8S_INSIDE" // set in the namespaces
	partsEnv  = "LANDFALL_K8S_PARTS"  // what was built, as JSON
	outEnv    = "LANDFALL_K8S_OUT"    // folder for transcript and figures
)

func TestMain(m *testing.M) {
	lab.Boot()
	if os.Getenv(insideEnv) != "" {
		os.Exit(runInside(m.Run))
	}
	os.Exit(isolation.Outer("landfall-k8s-", m.Run, runIsolated))
}

// runIsolated builds what is not there, and runs the tests inside namespaces.
func runIsolated() int {
	if why := lacking(); why != "" {
		fmt.Fprintln(os.Stderr, "the laboratory cannot run here:", why)
		if os.Getenv("CI") == "true" || os.Getenv("LANDFALL_E2E") == "1" {
			return 1
		}
		return 0
	}
	cache, err := build.Open()
	if err == nil {
		cache.Log = func(format string, args ...any) { fmt.Fprintf(os.Stderr, "k8s: "+format+"\n", args...) }
		err = build.Lock()
	}
	var p parts
	if err == nil {
		p, err = buildParts(cache)
	}
	content, _ := json.Marshal(p)
	if err = errors.Join(err, os.Setenv(partsEnv, string(content))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(p.Programs)
	return isolation.Run(insideEnv, syscall.CLONE_NEWNET, func() {
		isolation.DropMounts("/etc", "/run", "/proc")
		if err := lab.Clean(p.Run); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL: the laboratory left something:", err)
		}
	})
}

// lacking says what the machine does not have; "" when it has all.
func lacking() string {
	var list []string
	for program, pkg := range map[string]string{"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "mkfs.ext4": "e2fsprogs"} {
		if _, err := exec.LookPath(program); err != nil {
			list = append(list, program+" (apt-get install "+pkg+")")
		}
	}
	if _, err := os.Stat("/sys/fs/cgroup/cpu/cgroup.procs"); err != nil {
		list = append(list, "control groups of version 1")
	}
	return strings.Join(list, ", ")
}

func runInside(tests func() int) int {
	if err := lab.Furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "namespaces:", err)
		return 1
	}
	code := tests()
	for _, process := range lab.Left() {
		fmt.Fprintln(os.Stderr, "FAIL: the tests left a process:", process)
		code = max(code, 1)
	}
	return code
}

// parts are the folders of what was built.
type parts struct {
	Cache, Run                   string
	Rootfs, ProxyRoot            string
	Kubernetes                   map[string]string // by version
	Runtime, Runc, Plugins, Etcd string
	CoreDNS, Programs            string
}

func buildParts(c *build.Cache) (p parts, err error) {
	p = parts{Cache: c.Dir, Run: filepath.Join(c.Dir, "run"), Kubernetes: map[string]string{}}
	get := func(to *string, from func() (string, error)) {
		if err == nil {
			*to, err = from()
		}
	}
	for version := range releases {
		var dir string
		get(&dir, func() (string, error) { return c.Kubernetes(version) })
		p.Kubernetes[version] = dir
	}
	get(&p.Runtime, c.Runtime)
	get(&p.Runc, c.Runc)
	get(&p.Plugins, c.Plugins)
	get(&p.Etcd, c.Etcd)
	get(&p.CoreDNS, c.CoreDNS)
	get(&p.Rootfs, c.Rootfs)
	get(&p.ProxyRoot, func() (string, error) { return c.ProxyRoot(p.Rootfs) })
	get(&p.Programs, c.Programs)
	return p, err
}

// built are the parts, inside.
func built(t *testing.T) (p parts) {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Skip("the laboratory needs root, for namespaces")
	}
	if err := json.Unmarshal([]byte(os.Getenv(partsEnv)), &p); err != nil {
		t.Fatal(err)
	}
	return p
}
