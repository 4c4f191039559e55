package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// While a bundle is brought in, containerd pulls from it by original names and
// runs what it pulled; when all is in the store, it still does.
func TestContainerdPullsAttached(t *testing.T) {
	need(t, isolation, "containerd", "ctr", "runc")
	up := newNamedUpstream(t)
	const ref = "registry.k8s.io/attached:1"
	digest := push(t, ref, helloIndex(t, oci, "landed from "+ref))
	push(t, "registry.k8s.io/large:1", noiseImage(t, 77, 8, 32<<20))
	bundle := createBundle(t, ref, "registry.k8s.io/large:1")
	up.close()
	tripwire(t)
	data := t.TempDir()
	address := serve(t, data)
	hosts := nodeConfig(t, "containerd", address)
	ctr := containerd(t)

	began := time.Now()
	attached := start(t, func(log string) bool { return strings.Contains(log, "hosts can pull now") },
		landfall("bundle", "import", bundle, "--data", data, "--attach")...)
	run(t, append(ctr, "images", "pull", "--hosts-dir", hosts, ref)...)
	if out := run(t, append(ctr, "run", "--rm", ref, "attached")...); out != "landed from "+ref {
		t.Errorf("it printed %q", out)
	}
	t.Logf("%v from the call to the container's output; of the import: %s", time.Since(began).Round(time.Millisecond), lastLines(attached.read(), 1))
	if listed := run(t, append(ctr, "images", "ls", "name=="+ref)...); !strings.Contains(listed, digest.String()) {
		t.Errorf("containerd holds another digest: %s", listed)
	}
	run(t, append(ctr, "images", "rm", "--sync", ref)...)
	run(t, landfall("bundle", "import", bundle, "--data", data, "--attach")...) // waits for the one under way
	if err := moveAway(bundle); err != nil {
		t.Fatal(err)
	}
	run(t, append(ctr, "images", "pull", "--hosts-dir", hosts, ref)...)
	run(t, landfall("content", "scrub", "--data", data)...)
}

// moveAway takes a file from where it was.
func moveAway(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "gone")) }
