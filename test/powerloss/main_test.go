// Package powerloss proves with the real landfall binary that a store survives
// a power loss and kill -9 at any moment: it starts without help, every name
// is whole, and whatever was acknowledged is there.
//
// Nouns. The disk is a block device that records what reaches it: an ordered
// log of writes and of flushes. A position is a length of that log. A cut is a
// power loss at a position: the writes before the last flush are on the disk,
// of the later ones any part. The ledger knows what was acknowledged at which
// position, and so what a cut must not take back. An image here is always a
// container image.
//
// It is not about full or broken disks, nor about processes that hang.
//
// The binary under test is $LANDFALL_BIN, or is built from the parent module.
// Cutting the power needs root, /dev/fuse and loop devices; what is missing
// skips the test, or fails it when CI=true. LANDFALL_POWERLOSS_SEED repeats a
// run's choices and LANDFALL_POWERLOSS_CUTS, _KILLS change how many there are;
// LANDFALL_POWERLOSS_KEEP names a folder for the disks that cuts left.
package powerloss

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	insideEnv = "LANDFALL_POWERLOSS_INSIDE" // set within the namespaces
	binaryEnv = "LANDFALL_BIN"
	seedEnv   = "LANDFALL_POWERLOSS_SEED"
	cutsEnv   = "LANDFALL_POWERLOSS_CUTS"
	killsEnv  = "LANDFALL_POWERLOSS_KILLS"
	keepEnv   = "LANDFALL_POWERLOSS_KEEP"
)

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" {
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "namespaces:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	os.Exit(runOuter(m.Run))
}

// runOuter builds the binary and, as root, runs the tests in namespaces of
// their own: whatever ends them, their processes, mounts and devices end too.
func runOuter(tests func() int) int {
	work, err := os.MkdirTemp("", "landfall-pl-")
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
	return runIsolated()
}

// runIsolated keeps hold of the mounts until the process that serves the disk
// is gone: the other way round the kernel would wait for that process to write
// to its own disk while it dies.
func runIsolated() int {
	runtime.LockOSThread() // namespaces and Pdeathsig are about the thread
	err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if err != nil {
		fmt.Fprintln(os.Stderr, "new namespaces:", err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if err = cmd.Start(); err == nil {
		go func() {
			<-signals
			_ = cmd.Process.Kill()
		}()
		err = cmd.Wait()
	}
	dropMounts()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "new namespaces:", err)
		return 1
	}
	return 0
}

// dropMounts takes away what tests that were ended left mounted, so that their
// folders can be removed.
func dropMounts() {
	_ = unix.Unmount("/proc", unix.MNT_DETACH) // the tests', of processes that are gone
	content, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], os.Getenv("TMPDIR")+"/") {
			_ = unix.Unmount(fields[4], unix.MNT_DETACH)
		}
	}
}

// provideBinary makes binaryEnv an absolute path.
func provideBinary(work string) error {
	if bin := os.Getenv(binaryEnv); bin != "" {
		abs, err := filepath.Abs(bin)
		if err == nil {
			_, err = os.Stat(abs)
		}
		return errors.Join(err, os.Setenv(binaryEnv, abs))
	}
	bin := filepath.Join(work, "landfall")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/landfall")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building landfall: %w\n%s", err, out)
	}
	return os.Setenv(binaryEnv, bin)
}

// needDisk ends the test where no power can be cut: as a failure where it has
// to be possible, else as a skip.
func needDisk(t *testing.T) {
	t.Helper()
	var missing []string
	if os.Getenv(insideEnv) == "" {
		missing = append(missing, "root")
	}
	for _, path := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, path)
		}
	}
	for _, program := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		skip(t, "cutting the power needs "+strings.Join(missing, ", "))
	}
}

func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// newRandom makes a run's choices repeatable.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(number(t, seedEnv, int(time.Now().UnixNano())))
	t.Logf("random seed: %s=%d", seedEnv, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// number is an environment variable, or what it is by default.
func number(t *testing.T, env string, byDefault int) int {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return byDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}
