// Package faults runs the real landfall binary on a disk that fails.
//
// Nouns. A disk is a folder behind a FUSE file system of this process, which
// hands every operation down and counts it. A fault makes one counted
// operation, or it and all after it, fail with an error number. A site is a
// data folder on a disk with `landfall serve` over it; its ledger is what it
// has acknowledged, and has to hold whatever fails later.
//
// The binary under test is $LANDFALL_BIN, or is built from the parent module.
// Tests need root and /dev/fuse; without them they are skipped, or fail when
// CI=true. The tests run in namespaces of their own, so that no mount and no
// process outlives them; see main_test.go.
package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The environment that the outer process hands down.
const (
	innerEnv  = "LANDFALL_FAULTS_INNER"
	binaryEnv = "LANDFALL_FAULTS_BIN"
)

// The tests run in a second process with its own mounts and processes. When
// either of the two dies, the kernel ends all that is below and takes the
// mounts away; the outer one then removes the files.
func TestMain(m *testing.M) {
	if os.Getenv(innerEnv) != "" {
		os.Exit(runInner(m))
	}
	os.Exit(runOuter(m))
}

func runOuter(m *testing.M) int {
	if missing() != "" {
		return m.Run()
	}
	work, err := os.MkdirTemp("", "lf-") // short: sockets have short paths
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(work)
	binary, err := findBinary(work)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), innerEnv+"=1", binaryEnv+"="+binary, "TMPDIR="+work)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "new namespaces:", err)
		return 1
	}
	return 0
}

// runInner is process 1 of its namespaces: whatever it leaves ends with it.
func runInner(m *testing.M) int {
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("proc", "/proc", "proc", 0, "")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "namespaces:", err)
		return 1
	}
	defer stopUpstream()
	return m.Run()
}

func findBinary(work string) (string, error) {
	if bin := os.Getenv("LANDFALL_BIN"); bin != "" {
		abs, err := filepath.Abs(bin)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return "", fmt.Errorf("LANDFALL_BIN: %w", err)
		}
		return abs, nil
	}
	bin := filepath.Join(work, "landfall")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/landfall")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building landfall: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return bin, nil
}

// missing says what the tests lack here, empty for nothing.
func missing() string {
	if os.Geteuid() != 0 {
		return "root, for mounts"
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return "FUSE: " + err.Error()
	}
	f.Close()
	return ""
}

// need ends the test when it cannot run here.
func need(t *testing.T) {
	t.Helper()
	what := missing()
	switch {
	case what == "":
	case os.Getenv("CI") == "true":
		t.Fatal("this test needs " + what)
	default:
		t.Skip("this test needs " + what)
	}
}
