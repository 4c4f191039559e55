package e2e

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A full bundle is an OCI archive for other programs. (skopeo before 1.10 finds
// no image of Docker's media types by name in any OCI archive.)
func TestBundleIsOCIArchive(t *testing.T) {
	need(t, isolation, "skopeo", "containerd", "ctr", "runc", "tar")
	up := newNamedUpstream(t)
	ref := "quay.io/team/hello:1"
	digest := push(t, ref, helloIndex(t, oci, "read from the file"))
	other := push(t, "registry.k8s.io/other:2", helloIndex(t, oci, "other"))
	bundle := createBundle(t, ref, "registry.k8s.io/other:2")
	single := createBundle(t, ref)
	up.close()
	tripwire(t)
	to := newUpstream(t)

	t.Run("skopeo", func(t *testing.T) {
		for name, want := range map[string]v1.Hash{ref: digest, "registry.k8s.io/other:2": other} {
			raw := []byte(run(t, "skopeo", "inspect", "--raw", "oci-archive:"+bundle+":"+name))
			if got, _, err := v1.SHA256(bytes.NewReader(raw)); err != nil || got != want {
				t.Errorf("skopeo reads %s as %s, want %s", name, got, want)
			}
			copied := to.address + "/skopeo:" + want.Hex[:8]
			run(t, "skopeo", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "oci-archive:"+bundle+":"+name, "docker://"+copied)
			if got := digestOf(t, copied); got != want {
				t.Errorf("skopeo copied %s as %s, want %s", name, got, want)
			}
			run(t, tool("crane"), "validate", "--insecure", "--remote", copied)
		}
	})

	t.Run("crane", func(t *testing.T) {
		// crane reads a folder as an OCI layout; a file it takes for what
		// `docker save` writes.
		layout := t.TempDir()
		run(t, "tar", "-xf", single, "-C", layout)
		run(t, tool("crane"), "push", "--insecure", layout, to.address+"/crane:1")
		run(t, tool("crane"), "validate", "--insecure", "--remote", to.address+"/crane:1")
		if r := try(t, tool("crane"), "push", "--insecure", single, to.address+"/crane:tar"); r.code == 0 {
			t.Logf("crane push takes the file as it is now: say so in the manual")
		} else {
			t.Logf("crane push of the file itself, as expected: %s", strings.TrimSpace(r.stderr))
		}
	})

	t.Run("containerd", func(t *testing.T) {
		ctr := containerd(t)
		run(t, append(ctr, "images", "import", bundle)...)
		listed := run(t, append(ctr, "images", "ls")...)
		if !strings.Contains(listed, ref) || !strings.Contains(listed, digest.String()) {
			t.Fatalf("ctr images import gave no %s with %s:\n%s", ref, digest, listed)
		}
		if out := run(t, append(ctr, "run", "--rm", ref, "e2e")...); out != "read from the file" {
			t.Errorf("ctr run printed %q", out)
		}
	})

	t.Run("regctl", func(t *testing.T) {
		layout := filepath.Join(t.TempDir(), "layout")
		run(t, tool("regctl"), "image", "import", "--name", ref, "ocidir://"+layout+":1", bundle)
		if got := run(t, tool("regctl"), "image", "digest", "ocidir://"+layout+":1"); got != digest.String() {
			t.Errorf("regctl imported %s, want %s", got, digest)
		}
	})
}
