// Package appliance runs the real landfall binary as the appliance of a site: from
// the first start on, with the clients that people have, drives that are pulled
// out, and kill -9 at any moment.
//
// Nouns. A site is a data folder with `landfall serve` over it. A caller is
// somebody who speaks to its API: over the socket, with a session, with a token. A
// gate is where bytes pass on their way from a file or to one; it can hold them up,
// so that a test knows where the binary is. A slot is a loop device, where drives
// are put in and pulled out.
//
// The binary under test is $LANDFALL_BIN, or is built from the parent module. Tests
// need root: they run in namespaces of their own, with loopback as the only
// network, and with nothing that outlives them; see isolate_test.go. Nothing waits
// for a time to pass: tests ask the API, which answers when something happens.
package appliance

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

// The environment that the outer process hands down.
const (
	insideEnv = "LANDFALL_APPLIANCE_INSIDE"
	binaryEnv = "LANDFALL_BIN"
)

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" {
		os.Exit(runInside(m.Run))
	}
	os.Exit(runOuter(m.Run))
}

// runOuter provides the binary and, as root, runs the tests in namespaces.
func runOuter(tests func() int) int {
	work, err := os.MkdirTemp("", "lf-") // short: sockets have short paths
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

// runInside runs the tests; several at a time, because they wait more than they
// work.
func runInside(tests func() int) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	left, err := furnish()
	if err != nil {
		fmt.Fprintln(os.Stderr, "namespaces:", err)
		return 1
	}
	code := tests()
	closeUpstream()
	return max(code, left())
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
		return fmt.Errorf("building landfall: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return os.Setenv(binaryEnv, bin)
}

// debianPackage says what to install for a program.
var debianPackage = map[string]string{
	"containerd": "containerd", "ctr": "containerd", "dockerd": "docker.io", "docker": "docker.io", "podman": "podman", "skopeo": "skopeo",
	"openssl": "openssl", "mkfs.ext4": "e2fsprogs", "mkfs.vfat": "dosfstools", "mcopy": "mtools", "ip": "iproute2",
}

// need ends the test where it cannot run: as a failure where it has to be possible,
// else as a skip. What begins with a slash is a file, all else a program.
func need(t *testing.T, what ...string) {
	t.Helper()
	var missing []string
	if os.Getenv(insideEnv) == "" {
		missing = append(missing, "root, for namespaces")
	}
	for _, name := range what {
		if strings.HasPrefix(name, "/") {
			if _, err := os.Stat(name); err != nil {
				missing = append(missing, name)
			}
		} else if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name+" (apt-get install "+debianPackage[name]+")")
		}
	}
	if len(missing) == 0 {
		return
	}
	message := "this test needs " + strings.Join(missing, ", ")
	if os.Getenv("CI") == "true" || os.Getenv("LANDFALL_E2E") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}
