package media_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/internal/leaktest"
)

const innerEnv = "LANDFALL_MEDIA_INNER"

// With root, the tests run in a process with mounts and processes of its own:
// whatever they leave ends with it. Fuzzing has pipes to its workers, and mounts
// nothing.
func TestMain(m *testing.M) {
	fuzzing := strings.Contains(strings.Join(os.Args, " "), "-test.fuzz")
	if os.Geteuid() != 0 || fuzzing || os.Getenv(innerEnv) == "alone" {
		leaktest.Main(m)
		return
	}
	if os.Getenv(innerEnv) != "" {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err == nil {
			err = syscall.Mount("proc", "/proc", "proc", 0, "")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "namespaces:", err)
			os.Exit(1)
		}
		leaktest.Main(m)
		return
	}
	os.Exit(inside())
}

// inside runs the tests in their own namespace, or without one where there can be none.
func inside() int {
	run := func(stage string, flags uintptr) error {
		c := exec.Command("/proc/self/exe", os.Args[1:]...)
		c.Args[0] = os.Args[0]
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		c.Env = append(os.Environ(), innerEnv+"="+stage)
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
		return c.Run()
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	err := run("mounts", syscall.CLONE_NEWNS|syscall.CLONE_NEWPID)
	if errors.Is(err, syscall.EPERM) {
		err = run("alone", 0)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
