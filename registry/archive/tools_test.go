package archive_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry/archive"
)

// tool runs a tool, and skips the test where it is not installed.
func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(err)
	}
	c := exec.Command(name, args...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// hand is a Docker archive that was made by hand, in a folder of its own.
func hand(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hand.tar")
	content := tarOf(t, docker(t, []string{"example.com/app:1"}, layer(t, "a", strings.Repeat("a", 70_000)), layer(t, "b", "b"))...)
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// What skopeo writes is read, in every form; and skopeo reads what was made by hand,
// so that these tests are about true archives.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	from := "docker-archive:" + hand(t)
	for _, c := range []struct{ to, name, given, want string }{
		{"docker-archive", ":quay.io/x/app:2", "", "quay.io/x/app:2"},
		{"docker-archive", "", "app:3", "docker.io/library/app:3"},
		{"oci-archive", ":quay.io/x/app:2", "", "quay.io/x/app:2"},
		{"oci-archive", ":2", "quay.io/x/app", "quay.io/x/app:2"},
		{"oci-archive", "", "app:3", "docker.io/library/app:3"},
	} {
		path := filepath.Join(t.TempDir(), "out.tar")
		tool(t, "skopeo", "--insecure-policy", "copy", "-q", from, c.to+":"+path+c.name)
		a := openFile(t, path, archive.Options{Name: c.given})
		if got := names(a); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s%s: names %q, want %s", c.to, c.name, got, c.want)
		}
		lands(t, a)
	}
}

// What podman saves is read: several images with layers in common, both forms.
func TestPodman(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	podman := func(args ...string) {
		t.Helper()
		tool(t, "podman", append([]string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs"}, args...)...)
	}
	if out, err := exec.Command("podman", "--root", dir+"/root", "--runroot", dir+"/run", "--tmpdir", dir+"/tmp", "--storage-driver", "vfs", "info").CombinedOutput(); err != nil {
		t.Skipf("podman does not work here: %v\n%s", err, out)
	}
	podman("load", "-q", "-i", hand(t))
	podman("tag", "example.com/app:1", "localhost/other:2")
	for format, want := range map[string][]string{"docker-archive": {"example.com/app:1", "localhost/other:2"}, "oci-archive": {"example.com/app:1"}} {
		path := filepath.Join(dir, format+".tar")
		podman(append([]string{"save", "-q", "--format", format, "-o", path}, want...)...)
		a := openFile(t, path, archive.Options{})
		if got := names(a); !slices.Equal(got, want) {
			t.Errorf("%s: names %q", format, got)
		}
		lands(t, a)
	}
}
