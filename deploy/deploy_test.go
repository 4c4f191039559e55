package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// systemd takes the units, with and without the drop-in, and finds no more exposure
// in them than 2.0 of 10.
func TestUnits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs systemd-analyze")
		}
		t.Skip("this test needs systemd-analyze")
	}
	dir := t.TempDir()
	install := func(from, to string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.ReplaceAll(content, []byte("/usr/bin/landfall"), []byte("/bin/true")) // it must be there
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	analyze := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil {
			t.Errorf("systemd-analyze %s: %v\n%s", args, err, out)
		}
	}
	service, socket := filepath.Join(dir, "landfall.service"), filepath.Join(dir, "landfall.socket")
	install("landfall.service", "landfall.service")
	install("landfall.socket", "landfall.socket")
	analyze("verify", service, socket)
	analyze("security", "--offline=true", "--no-pager", "--threshold=20", service)
	if err := os.Mkdir(service+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	install("landfall-mount.conf", "landfall.service.d/mount.conf")
	analyze("verify", service)
	analyze("security", "--offline=true", "--no-pager", "--threshold=20", service)
}
