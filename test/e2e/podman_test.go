package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// install puts a generated file where its own text says that it goes; /etc is
// the namespace's own.
func install(t *testing.T, config, folder, path string) {
	t.Helper()
	content := must(os.ReadFile(filepath.Join(config, path)))(t)
	target := filepath.Join(folder, path)
	if err := os.WriteFile(target, content, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(target); err != nil {
			t.Error(err)
		}
	})
}

// unmountBelow takes away what a daemon left mounted in its folder.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	for _, point := range mountPoints() {
		if strings.HasPrefix(point, dir+"/") {
			if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", point, err)
			}
		}
	}
}

func TestPodmanSkopeoBuildah(t *testing.T) {
	need(t, isolation, "podman", "skopeo", "buildah", "runc")
	c := carry(t)
	install(t, nodeConfig(t, "podman", c.address), "/etc/containers", "registries.conf.d/50-landfall.conf")

	t.Run("skopeo", func(t *testing.T) { skopeoReadsAndCopies(t, c) })
	t.Run("podman", func(t *testing.T) { podmanPullsRunsAndPushes(t, c) })
	t.Run("buildah", func(t *testing.T) { buildahBuildsAndPushes(t, c) })
}

func skopeoReadsAndCopies(t *testing.T, c carried) {
	// Without --no-tags it also lists the repository, and for that it dials the
	// upstream: tag lists know no registries.conf.
	for ref, digest := range c.digests {
		if got := run(t, "skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", "docker://"+ref); got != digest.String() {
			t.Errorf("%s: skopeo sees %s, the upstream had %s", ref, got, digest)
		}
	}
	copied := c.address + "/copies/hello"
	for ref, digest := range c.digests {
		tagged := copied + ":" + digest.Hex[:8]
		run(t, "skopeo", "copy", "--all", "--preserve-digests", "docker://"+ref, "docker://"+tagged)
		if got := digestOf(t, tagged); got != digest {
			t.Errorf("%s copied with --preserve-digests is %s, want %s", ref, got, digest)
		}
	}
	run(t, "skopeo", "sync", "--src=docker", "--dest=dir", copied, t.TempDir())
}

// podmanArgs are a program with storage of its own: /run is the namespace's
// own, and podman refuses a run root of more than 50 bytes. crun of Debian 12
// refuses hybrid control groups, runc does not.
func podmanArgs(t *testing.T, program string) []string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unmountBelow(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	args := []string{program, "--root", dir + "/root", "--runroot", dir + "/run"}
	if program == "podman" {
		args = append(args, "--tmpdir", dir+"/tmp", "--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=file")
	}
	return args
}

func podmanPullsRunsAndPushes(t *testing.T, c carried) {
	podman := podmanArgs(t, "podman")
	for ref, digest := range c.digests {
		repository, _, _ := strings.Cut(ref, ":")
		for _, name := range []string{ref, repository + "@" + digest.String()} {
			run(t, append(podman, "pull", "--quiet", name)...)
			if out := run(t, append(podman, "run", "--rm", "--network=none", "--cgroup-parent=/"+cgroup, name)...); out != "landed from "+ref {
				t.Errorf("podman run %s printed %q", name, out)
			}
		}
	}
	pushed := c.address + "/team/podman:1"
	run(t, append(podman, "push", "quay.io/team/hello:1", pushed)...)
	run(t, tool("crane"), "validate", "--insecure", "--remote", pushed)
	if r := try(t, append(podman, "pull", "--quiet", "quay.io/team/none:1")...); r.code == 0 {
		t.Errorf("pulled what the site does not have: %s", r)
	}
}

func buildahBuildsAndPushes(t *testing.T, c carried) {
	buildah, digestFile := podmanArgs(t, "buildah"), filepath.Join(t.TempDir(), "digest")
	run(t, append(buildah, "from", "--name", "work", "registry.k8s.io/hello:1")...)
	run(t, append(buildah, "config", "--label", "built=here", "work")...)
	built := c.address + "/team/built:1"
	run(t, append(buildah, "commit", "--quiet", "work", built)...)
	run(t, append(buildah, "push", "--digestfile", digestFile, built)...)
	if got, want := digestOf(t, built).String(), run(t, "cat", digestFile); got != want {
		t.Errorf("buildah pushed %s and the site has %s", want, got)
	}
	if config := run(t, tool("crane"), "config", "--insecure", built); !strings.Contains(config, `"built":"here"`) {
		t.Errorf("the pushed image's config lost its label: %s", config)
	}
	run(t, append(buildah, "rm", "work")...)
}
