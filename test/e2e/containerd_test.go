package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// carried are three upstreams' images as the site got them: created from
// registries that answer to the original names, carried in a file, imported.
type carried struct {
	bundle  string
	address string             // of the site
	digests map[string]v1.Hash // by name with tag
}

// carry makes the images, carries them, closes the upstream and sets the
// tripwire in its place.
func carry(t *testing.T) carried {
	t.Helper()
	up := newNamedUpstream(t)
	c := carried{digests: map[string]v1.Hash{}}
	var refs []string
	for ref, as := range map[string]flavour{"docker.io/library/hello:1": dockerV2, "registry.k8s.io/hello:1": oci, "quay.io/team/hello:1": oci} {
		c.digests[ref] = push(t, ref, helloIndex(t, as, "landed from "+ref))
		refs = append(refs, ref)
	}
	c.bundle = createBundle(t, refs...)
	up.close()
	tripwire(t)
	c.address = site(t, c.bundle)
	return c
}

// containerd runs one of its own and returns the ctr command for it.
func containerd(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "c.sock")
	ready := func(log string) bool { return strings.Contains(log, "containerd successfully booted") }
	start(t, ready, "containerd", "--config", "/dev/null", "--root", dir+"/root", "--state", dir+"/state", "--address", socket)
	return []string{"ctr", "--address", socket, "--namespace", cgroup}
}

func TestContainerdPullsByOriginalNames(t *testing.T) {
	need(t, isolation, "containerd", "ctr", "runc")
	c := carry(t)
	hosts := nodeConfig(t, "containerd", c.address)
	ctr := containerd(t)

	for ref, digest := range c.digests {
		repository, _, _ := strings.Cut(ref, ":")
		for _, name := range []string{ref, repository + "@" + digest.String()} {
			out := run(t, append(ctr, "images", "pull", "--hosts-dir", hosts, name)...)
			t.Logf("ctr images pull %s\n%s", name, lastLines(out, 8))
			if listed := run(t, append(ctr, "images", "ls", "name=="+name)...); !strings.Contains(listed, digest.String()) {
				t.Errorf("%s: containerd holds another digest than the upstream's %s:\n%s", name, digest, listed)
			}
			out = run(t, append(ctr, "run", "--rm", name, "e2e")...)
			t.Logf("ctr run --rm %s\n%s", name, out)
			if out != "landed from "+ref {
				t.Errorf("%s printed %q", name, out)
			}
			run(t, append(ctr, "images", "rm", "--sync", name)...)
		}
		run(t, append(ctr, "images", "pull", "--hosts-dir", hosts, "--all-platforms", ref)...)
	}

	for _, name := range []string{"quay.io/team/none:1", "docker.io/library/hello:2", "never.example/x:1"} {
		if r := try(t, append(ctr, "images", "pull", "--hosts-dir", hosts, name)...); r.code == 0 || !strings.Contains(r.stderr, "not found") {
			t.Errorf("pull of what the site does not have: exit %d: %s", r.code, r)
		}
	}
}
