package appliance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/test/isolation"
)

// tool runs a daemon of a container runtime.
func tool(t *testing.T, ready string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d := launch(t, cmd)
	d.await(func(said string) bool { return strings.Contains(said, ready) })
}

// containerd runs one of its own and returns the ctr command for it.
func containerd(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "c.sock")
	tool(t, "containerd successfully booted", "containerd", "--config", "/dev/null", "--root", dir+"/root", "--state", dir+"/state", "--address", socket)
	return []string{"ctr", "--address", socket, "--namespace", "test"}
}

// docker runs a dockerd of its own and returns the docker command for it.
func docker(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "d.sock")
	if err := os.WriteFile(dir+"/daemon.json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmountBelow(t, dir) })
	tool(t, "API listen on", "dockerd", "--config-file", dir+"/daemon.json", "--bridge=none", "--iptables=false", "--data-root", dir+"/data",
		"--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "--host", socket)
	return []string{"docker", "--config", dir + "/client", "--host", socket}
}

// podman is one with storage of its own: it refuses a run root of more than 50
// bytes.
func podman(t *testing.T) []string {
	t.Helper()
	dir := must(os.MkdirTemp("/run", "p"))(t)
	t.Cleanup(func() {
		unmountBelow(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return []string{"podman", "--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=file"}
}

// unmountBelow takes away what a runtime left mounted in its folder.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	for _, at := range isolation.MountPoints("/proc/self/mountinfo") {
		if strings.HasPrefix(at, dir+"/") {
			if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", at, err)
			}
		}
	}
}

// trusted makes docker, podman and skopeo know a site's authority.
func (s *site) trusted() {
	s.t.Helper()
	for _, dir := range []string{"/etc/docker/certs.d/", "/etc/containers/certs.d/"} {
		if err := os.MkdirAll(dir+s.https, 0o755); err != nil {
			s.t.Fatal(err)
		}
		copyFile(s.t, s.caFile(), dir+s.https, "ca.crt")
	}
}

// skopeo is somebody who uses it, with logins of its own.
type skopeo struct {
	t    *testing.T
	site string
	auth []string
}

func newSkopeo(t *testing.T, s *site) skopeo {
	return skopeo{t, s.https, []string{"--authfile", filepath.Join(t.TempDir(), "auth.json")}}
}

func (k skopeo) login(name, secret string) result {
	return tryWith(k.t, nil, secret, append([]string{"skopeo", "login", k.site, "-u", name, "--password-stdin"}, k.auth...)...)
}

// push copies what is elsewhere to the site.
func (k skopeo) push(from, to string) result {
	return try(k.t, append([]string{"skopeo", "copy", "--preserve-digests", from, "docker://" + k.site + "/" + to}, k.auth...)...)
}

func (k skopeo) inspect(ref string) result {
	return try(k.t, append([]string{"skopeo", "inspect", "--format", "{{.Digest}}", "docker://" + k.site + "/" + ref}, k.auth...)...)
}

// localImage is an image that skopeo can push from, and its digest.
func localImage(t *testing.T, seed uint64) (from, digest string) {
	t.Helper()
	ref, digest := upstreamPush(t, fmt.Sprint("clients/app", seed), smallImage(t, seed))
	from = "oci:" + filepath.Join(t.TempDir(), "layout") + ":app"
	run(t, "skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", "docker://"+ref, from)
	return from, digest
}

// expect proves that a client was let in, or refused for want of the right.
func expect(t *testing.T, what string, r result, ok bool) {
	t.Helper()
	refused := false
	for _, word := range []string{"unauthorized", "denied", "authentication required", "invalid username/password", "forbidden"} {
		refused = refused || strings.Contains(strings.ToLower(r.stderr+r.stdout), word)
	}
	if ok != (r.code == 0) || !ok && !refused {
		t.Errorf("%s: exit %d, want success %t: %s", what, r.code, ok, r)
	}
}

// A user's password, a personal token and a robot open to skopeo what they may, and
// nothing else; a token that is revoked ends at once.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	need(t, "skopeo")
	s := newSite(t)
	s.trusted()
	image, digest := localImage(t, 20)
	ada := s.addUser("ada", "operator")
	s.addUser("vera", "viewer")
	team := []grant{{"quay.io/team", []string{"push"}}}
	personal := s.addToken(object{"name": "laptop", "owner": ada, "grants": team})
	robot := s.addToken(object{"name": "ci", "grants": team})

	for _, who := range []struct {
		name, secret   string
		login          bool
		inside, beyond bool // may push
	}{
		{"ada", password, true, true, true},
		{"ada", "wrong", false, false, false},
		{"ada", personal.Text, true, true, false},
		{"robot$ci", robot.Text, true, true, false},
		{"vera", password, true, false, false},
		{"vera", personal.Text, false, false, false},
	} {
		k, what := newSkopeo(t, s), who.name+" "+who.secret[:5]
		expect(t, what+" login", k.login(who.name, who.secret), who.login)
		expect(t, what+" pushes inside", k.push(image, "quay.io/team/app:1"), who.inside)
		expect(t, what+" pushes beyond", k.push(image, "quay.io/teamwork/app:1"), who.beyond)
	}
	k := newSkopeo(t, s)
	if got := run(t, "skopeo", "inspect", "--no-creds", "--format", "{{.Digest}}", "docker://"+s.https+"/quay.io/team/app:1"); got != digest {
		t.Errorf("pushed %s, pulled %s", digest, got)
	}

	expect(t, "login", k.login("robot$ci", robot.Text), true)
	s.local.want(204, "DELETE", "/api/v1/tokens/"+robot.ID, nil)
	expect(t, "revoked: push", k.push(image, "quay.io/team/app:2"), false)
	expect(t, "revoked: login", k.login("robot$ci", robot.Text), false)

	// Who may pull only with a login is asked for one.
	expect(t, "anonymous pull", newSkopeo(t, s).inspect("quay.io/team/app:1"), true)
	s.set("registry.anonymousPull", false)
	expect(t, "anonymous pull when it is off", newSkopeo(t, s).inspect("quay.io/team/app:1"), false)
	k = newSkopeo(t, s)
	expect(t, "login", k.login("vera", password), true)
	expect(t, "pull with a login", k.inspect("quay.io/team/app:1"), true)
}

// set changes a setting over the socket.
func (s *site) set(name string, value any) {
	s.t.Helper()
	tag := s.local.want(200, "GET", "/api/v1/settings", nil).header.Get("ETag")
	s.local.want(200, "PATCH", "/api/v1/settings", object{name: value}, "If-Match", tag)
}

// docker logs in, pushes, shares layers between repositories, and pulls; podman
// too, with the token of a robot.
func TestDockerPodman(t *testing.T) {
	t.Parallel()
	need(t, "dockerd", "docker", "containerd", "podman", "skopeo")
	s := newSite(t, "--log-requests")
	s.trusted()
	image, _ := localImage(t, 30)
	s.addUser("ada", "operator")
	robot := s.addToken(object{"name": "ci", "grants": []grant{{"quay.io/team", []string{"push"}}}})
	k := newSkopeo(t, s)
	expect(t, "skopeo login", k.login("ada", password), true)
	expect(t, "skopeo push", k.push(image, "quay.io/base/app:1"), true)
	base := s.https + "/quay.io/base/app:1"

	t.Run("docker", func(t *testing.T) {
		t.Parallel()
		d := docker(t)
		mine := s.https + "/quay.io/mine/app:1"
		run(t, append(d, "pull", base)...)
		run(t, append(d, "tag", base, mine)...)
		expect(t, "push without a login", try(t, append(d, "push", mine)...), false)
		login := append(d, "login", s.https, "-u", "ada", "--password-stdin")
		expect(t, "login with another password", tryWith(t, nil, "nothing like it", login...), false)
		expect(t, "login", tryWith(t, nil, password, login...), true)
		pushed := run(t, append(d, "push", mine)...)
		if !strings.Contains(pushed, "Mounted from quay.io/base/app") {
			t.Errorf("layers were sent again:\n%s", pushed)
		}
		run(t, append(d, "rmi", "--force", base, mine)...)
		run(t, append(d, "pull", mine)...)
	})
	t.Run("podman", func(t *testing.T) {
		t.Parallel()
		p := podman(t)
		mine, other := s.https+"/quay.io/team/app:1", s.https+"/quay.io/teamwork/app:1"
		auth := []string{"--authfile", filepath.Join(t.TempDir(), "auth.json")}
		if err := os.WriteFile(auth[1], []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		with := func(verb string, args ...string) []string { return append(append(append(p, verb), auth...), args...) }
		run(t, with("pull", "--quiet", base)...)
		expect(t, "push without a login", try(t, with("push", base, mine)...), false)
		expect(t, "login", tryWith(t, nil, robot.Text, with("login", s.https, "-u", "robot$ci", "--password-stdin")...), true)
		run(t, with("push", base, mine)...)
		expect(t, "push beyond the grant", try(t, with("push", base, other)...), false)
		run(t, append(p, "rmi", "--force", base)...)
		run(t, with("pull", "--quiet", mine)...)
	})
}

// One pass for several scopes lets mount across repositories, and no more than its
// holder may; it ends with its token.
func TestScopes(t *testing.T) {
	t.Parallel()
	need(t, "skopeo")
	s := newSite(t)
	s.trusted()
	s.set("registry.anonymousPull", false)
	s.addUser("ada", "operator")
	image, _ := localImage(t, 40)
	k := newSkopeo(t, s)
	expect(t, "login", k.login("ada", password), true)
	for _, to := range []string{"quay.io/a/app:1", "quay.io/secret/app:1"} {
		expect(t, "push", k.push(image, to), true)
	}
	expect(t, "copy between repositories", k.push("docker://"+s.https+"/quay.io/a/app:1", "quay.io/c/app:1"), true)

	robot := s.addToken(object{"name": "ci", "grants": []grant{{"quay.io/a", []string{"pull"}}, {"quay.io/b", []string{"push"}}}})
	b := s.browser()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("robot$ci:"+robot.Text))
	query := url.Values{"service": {"landfall"}, "scope": {"repository:quay.io/b/app:pull,push", "repository:quay.io/a/app:pull repository:quay.io/secret/app:pull"}}
	pass := decode[token](t, strings.Replace(b.want(200, "GET", "/auth/token?"+query.Encode(), nil, "Authorization", basic).body, `"token"`, `"text"`, 1)).Text
	as := b.with(pass)

	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal([]byte(as.want(200, "GET", "/v2/quay.io/a/app/manifests/1", nil, "Accept", "application/vnd.oci.image.manifest.v1+json").body), &manifest); err != nil {
		t.Fatal(err)
	}
	mount := func(from string) answer {
		return as.do("POST", "/v2/quay.io/b/app/blobs/uploads/?mount="+manifest.Layers[1].Digest+"&from="+from, nil)
	}
	if got := as.do("GET", "/v2/quay.io/secret/app/tags/list", nil); got.status != 401 && got.status != 403 {
		t.Errorf("another repository: %d %s", got.status, got.body)
	}
	if got := mount("quay.io/secret/app"); got.status != 202 { // it may send the bytes itself
		t.Errorf("mount from where it may not pull: %d %s", got.status, got.body)
	}
	if got := mount("quay.io/a/app"); got.status != 201 {
		t.Errorf("mount: %d %s", got.status, got.body)
	}
	if got := as.do("POST", "/v2/quay.io/a/app/blobs/uploads/", nil); got.status != 401 && got.status != 403 {
		t.Errorf("push where it may pull: %d %s", got.status, got.body)
	}
	s.local.want(204, "DELETE", "/api/v1/tokens/"+robot.ID, nil)
	if got := as.do("GET", "/v2/quay.io/a/app/tags/list", nil); got.status != 401 {
		t.Errorf("a pass of a token that was revoked: %d %s", got.status, got.body)
	}
}
