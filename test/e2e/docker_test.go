package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// docker runs a dockerd of the test's own with a generated daemon.json and
// returns the docker command for it.
func docker(t *testing.T, config string) []string {
	t.Helper()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "d.sock")
	ready := func(log string) bool { return strings.Contains(log, "API listen on") }
	start(t, ready, "dockerd", "--config-file", filepath.Join(config, "daemon.json"), "--bridge=none", "--iptables=false",
		"--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "--host", socket, "--cgroup-parent", "/"+cgroup)
	t.Cleanup(func() { unmountBelow(t, dir) })
	return []string{"docker", "--config", dir + "/client", "--host", socket}
}

func TestDockerMirrorAndPush(t *testing.T) {
	need(t, isolation, "dockerd", "docker", "runc", "containerd")
	c := carry(t)
	docker := docker(t, nodeConfig(t, "docker", c.address))

	// Through the mirror, by tag and by digest.
	digest := c.digests["docker.io/library/hello:1"]
	for _, name := range []string{"hello:1", "hello@" + digest.String()} {
		out := run(t, append(docker, "pull", name)...)
		if !strings.Contains(out, digest.String()) {
			t.Errorf("docker pull %s says another digest than the upstream's %s:\n%s", name, digest, out)
		}
	}
	if out := run(t, append(docker, "run", "--rm", "--network=none", "hello:1")...); out != "landed from docker.io/library/hello:1" {
		t.Errorf("docker run printed %q", out)
	}

	// Another upstream's, by the site's own name.
	run(t, append(docker, "pull", c.address+"/quay.io/team/hello:1")...)
	if out := run(t, append(docker, "run", "--rm", "--network=none", c.address+"/quay.io/team/hello:1")...); out != "landed from quay.io/team/hello:1" {
		t.Errorf("docker run printed %q", out)
	}

	// Pushed, then read back by another client and by docker itself.
	pushed := c.address + "/team/pushed:2"
	run(t, append(docker, "tag", "hello:1", pushed)...)
	out := run(t, append(docker, "push", pushed)...)
	got := run(t, tool("crane"), "digest", "--insecure", pushed)
	if !strings.Contains(out, got) {
		t.Errorf("docker pushed a digest and the site has %s:\n%s", got, out)
	}
	run(t, tool("crane"), "validate", "--insecure", "--remote", pushed)
	run(t, append(docker, "rmi", "--force", pushed, "hello:1")...)
	run(t, append(docker, "pull", c.address+"/team/pushed@"+got)...)
}
