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
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/test/isolation"
)

// The environment that the outer process hands down.
const (
	insideEnv = "LANDFALL_APPLIANCE_INSIDE"
	binaryEnv = isolation.BinaryEnv
)

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" {
		os.Exit(runInside(m.Run))
	}
	os.Exit(isolation.Outer("lf-", m.Run, runIsolated)) // short: sockets have short paths
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
