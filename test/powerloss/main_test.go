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
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/test/isolation"
)

const (
	insideEnv = "LANDFALL_POWERLOSS_INSIDE" // set within the namespaces
	binaryEnv = isolation.BinaryEnv
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
	os.Exit(isolation.Outer("landfall-pl-", m.Run, runIsolated))
}

// runIsolated runs the tests in namespaces of their own.
func runIsolated() int {
	return isolation.Run(insideEnv, 0, func() { isolation.DropMounts("/proc") }) // the tests', of processes that are gone
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
