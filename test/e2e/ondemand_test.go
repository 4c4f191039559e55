package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const onDemand = `registries:
  - {host: quay.io, plainHTTP: true}
  - {host: registry.k8s.io, plainHTTP: true}
mirrors:
  - {name: quay, source: quay.io/team/*, onDemand: true}
  - {name: k8s, source: registry.k8s.io/*, onDemand: true}
`

// containerd pulls by original names what the site does not have yet: it comes
// through. Afterwards the upstreams may be down, and a site that is offline dials
// nobody.
func TestContainerdPullsOnDemand(t *testing.T) {
	need(t, isolation, "containerd", "ctr", "runc")
	up := newNamedUpstream(t)
	refs := []string{"quay.io/team/hello:1", "registry.k8s.io/hello:1"}
	for _, ref := range refs {
		push(t, ref, helloIndex(t, oci, "came for "+ref))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "mirror.yaml")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(onDemand)
	data := filepath.Join(dir, "data")
	address := serve(t, data, "--mirror", file)
	hosts := nodeConfig(t, "containerd", address)

	pull := func(ctr []string, hosts string) {
		t.Helper()
		for _, ref := range refs {
			out := run(t, append(ctr, "images", "pull", "--hosts-dir", hosts, ref)...)
			t.Logf("ctr images pull %s\n%s", ref, lastLines(out, 4))
			if out := run(t, append(ctr, "run", "--rm", ref, "e2e")...); out != "came for "+ref {
				t.Errorf("%s printed %q", ref, out)
			}
			run(t, append(ctr, "images", "rm", "--sync", ref)...)
		}
	}
	ctr := containerd(t)
	pull(ctr, hosts)
	for _, name := range []string{"quay.io/team/none:1", "quay.io/other/hello:1", "docker.io/library/hello:1"} {
		if r := try(t, append(ctr, "images", "pull", "--hosts-dir", hosts, name)...); r.code == 0 || !strings.Contains(r.stderr, "not found") {
			t.Errorf("pull of what nobody has: exit %d: %s", r.code, r)
		}
	}
	up.close()
	pull(ctr, hosts)

	tripwire(t)
	write("offline: true\n" + onDemand)
	copied := filepath.Join(dir, "copy")
	run(t, landfall("content", "backup", copied, "--data", data)...)
	other := filepath.Join(dir, "other")
	run(t, landfall("content", "restore", copied, "--data", other)...)
	pull(ctr, nodeConfig(t, "containerd", serve(t, other, "--mirror", file)))
}
