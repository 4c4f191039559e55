// Package e2e runs the real landfall binary against real programs: containerd
// and runc, dockerd, podman, skopeo, buildah, crane and regctl.
//
// Nouns. The upstream is a registry of this process that answers to the names
// quay.io, docker.io and so on, which /etc/hosts points at loopback. The site
// is `landfall serve`. The outside is everything else; the whole test process
// runs in a network namespace with only loopback up, and once the upstream is
// closed a tripwire listens in its place, so that a program which dials an
// original name is noticed.
//
// The binary under test is $LANDFALL_BIN, or is built from the parent module.
// Tests need root for their namespaces and mounts. A program that is missing
// skips its tests, or fails them when CI=true or LANDFALL_E2E=1. Run with
// -count=1: the build of the binary is invisible to go test's cache.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The environment that the stages hand down; see isolate_test.go.
const (
	stageEnv = "LANDFALL_E2E_STAGE" // "", "init" or "test"
	toolsEnv = "LANDFALL_E2E_TOOLS" // folder with what build made
)

func TestMain(m *testing.M) {
	switch os.Getenv(stageEnv) {
	case "init":
		os.Exit(runInit())
	case "test":
		os.Exit(m.Run())
	}
	os.Exit(runOuter(m.Run))
}

// runOuter builds what needs the network or the Go cache and runs the tests in
// namespaces, or, without root, right here.
func runOuter(tests func() int) int {
	work, err := os.MkdirTemp("", "landfall-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(work); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err := errors.Join(build(work), os.Setenv(toolsEnv, work), os.Setenv("TMPDIR", work)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Geteuid() != 0 {
		return tests()
	}
	return runIsolated()
}

// build puts landfall, crane, regctl and the hello program for both platforms
// into dir.
func build(dir string) error {
	if bin := os.Getenv("LANDFALL_BIN"); bin != "" {
		abs, err := filepath.Abs(bin)
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("LANDFALL_BIN: %w", err)
		}
		if err := os.Symlink(abs, filepath.Join(dir, "landfall")); err != nil {
			return err
		}
	} else if err := goBuild("../..", dir, "landfall", "./cmd/landfall", nil); err != nil {
		return err
	}
	return errors.Join(
		goBuild(".", dir, "crane", "github.com/google/go-containerregistry/cmd/crane", nil),
		goBuild(".", dir, "regctl", "github.com/regclient/regclient/cmd/regctl", nil),
		goBuild(".", dir, "hello-amd64", "./testdata/hello", []string{"GOARCH=amd64"}),
		goBuild(".", dir, "hello-arm64", "./testdata/hello", []string{"GOARCH=arm64"}),
	)
}

func goBuild(module, dir, name, pkg string, env []string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), pkg)
	cmd.Dir = module
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// tool is the path of a program that build made.
func tool(name string) string { return filepath.Join(os.Getenv(toolsEnv), name) }
