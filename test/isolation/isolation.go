// Package isolation runs a test program in namespaces of its own, so that whatever
// ends it, its processes, mounts and ports end too, and finds the binary that is
// tested. What the namespaces are furnished with is for each suite to say.
package isolation

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// BinaryEnv names the binary under test. Without it, it is built from the parent
// module.
const BinaryEnv = "LANDFALL_BIN"

// Outer is what a suite does outside: it provides the binary and, as root, runs
// the tests inside; else it runs them here. The work folder, with a name that begins
// like prefix, is the tests' TMPDIR.
func Outer(prefix string, tests, isolated func() int) int {
	work, err := os.MkdirTemp("", prefix)
	if err == nil {
		defer os.RemoveAll(work)
		err = errors.Join(os.Setenv("TMPDIR", work), provideBinary(work))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Geteuid() != 0 {
		return tests()
	}
	return isolated()
}

// provideBinary makes BinaryEnv an absolute path.
func provideBinary(work string) error {
	if bin := os.Getenv(BinaryEnv); bin != "" {
		abs, err := filepath.Abs(bin)
		if err == nil {
			_, err = os.Stat(abs)
		}
		return errors.Join(err, os.Setenv(BinaryEnv, abs))
	}
	bin := filepath.Join(work, "landfall")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/landfall")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building landfall: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return os.Setenv(BinaryEnv, bin)
}

// Run runs this program again as process 1 of new namespaces, with insideEnv set,
// and returns its exit code. It keeps hold of their mounts until the processes have
// ended: a file system of a process that is gone can be unmounted, and its folder
// removed; the other way round the kernel would wait for a process that serves a
// disk to write to it while it dies. afterwards comes then. more are further flags of
// clone, like CLONE_NEWNET.
func Run(insideEnv string, more uintptr, afterwards func()) int {
	runtime.LockOSThread() // namespaces and Pdeathsig are about the thread
	err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if err != nil {
		fmt.Fprintln(os.Stderr, "new namespaces:", err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | more, Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if err = cmd.Start(); err == nil {
		go func() {
			<-signals
			_ = cmd.Process.Kill()
		}()
		err = cmd.Wait()
	}
	afterwards()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "new namespaces:", err)
		return 1
	}
	return 0
}

// DropMounts takes away what tests that were ended left mounted: at some places,
// and below TMPDIR, so that their folders can be removed.
func DropMounts(places ...string) {
	for _, at := range places {
		_ = unix.Unmount(at, unix.MNT_DETACH)
	}
	for _, at := range MountPoints("/proc/thread-self/mountinfo") {
		if strings.HasPrefix(at, os.Getenv("TMPDIR")+"/") {
			_ = unix.Unmount(at, unix.MNT_DETACH)
		}
	}
}

// MountPoints are those that a mountinfo file of /proc lists.
func MountPoints(file string) (list []string) {
	content, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			list = append(list, fields[4])
		}
	}
	return list
}
