// Package mirror runs `landfall sync` against real registries: distribution in a
// process of its own, go-containerregistry's in this one, and Landfall's.
//
// Nouns. An upstream is a registry behind a fault proxy, with a window between
// the two through which requests are seen and held up. A destination is where a
// run copies to: a store, an appliance, another registry or a bundle. A place is
// a registry that this process itself reads and writes, without faults. What is
// level has been read back from the destination byte by byte.
//
// The binary under test is $LANDFALL_BIN, or is built from the parent module.
// Nothing waits for a time to pass: tests look at counters, at what is held up
// and at how the binary ends. TestMatrix logs a table of all faults with -v.
package mirror

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programs are what the tests run; TestMain sets it.
var programs struct {
	landfall string
	rival    string // distribution's registry
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	work, err := os.MkdirTemp("", "landfall-mirror-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(work)
	if err := errors.Join(build(work), os.Setenv("TMPDIR", work)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stopShared()
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // they wait more than they work
	return m.Run()
}

// build finds or makes the programs.
func build(dir string) (err error) {
	programs.rival = filepath.Join(dir, "rival")
	if programs.landfall, err = filepath.Abs(os.Getenv("LANDFALL_BIN")); os.Getenv("LANDFALL_BIN") != "" {
		_, statErr := os.Stat(programs.landfall)
		return errors.Join(err, statErr, goBuild("../bench", programs.rival, "./rival"))
	}
	programs.landfall = filepath.Join(dir, "landfall")
	return errors.Join(goBuild("../..", programs.landfall, "./cmd/landfall"), goBuild("../bench", programs.rival, "./rival"))
}

func goBuild(module, to, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", to, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}
