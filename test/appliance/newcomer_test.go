package appliance

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Somebody who has nothing but the binary and a bundle gets from the first start to
// a pull by a host, and has to believe nobody on the way.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	need(t, "openssl", "skopeo", "containerd", "ctr")
	ref, digest := upstreamPush(t, "newcomer/app", smallImage(t, 7))
	k := newKey(t)
	bundle := createBundle(t, "--sign", k.private, ref)
	s := newSite(t, "--tls-name", "site.example")

	// The console shows how to know the site, and the way in, and no password.
	ca := s.caFile()
	if got := run(t, "openssl", "x509", "-in", ca, "-noout", "-fingerprint", "-sha256"); !strings.EqualFold(got, "sha256 Fingerprint="+s.fingerprint) {
		t.Errorf("openssl says %q, the console %q", got, s.fingerprint)
	}
	if strings.Contains(strings.ToLower(s.read()), "password") {
		t.Errorf("a password is on the console: %s", s.read())
	}
	s.becomesAdministrator()
	b := s.browser()
	b.want(200, "POST", "/api/v1/session", object{"name": "ada", "password": password})
	s.trustsAs(b, k)

	// The bundle is sent, seen through and landed.
	me := decode[struct{ ID string }](t, b.want(200, "GET", "/api/v1/session", nil).body).ID
	text := decode[token](t, b.want(201, "POST", "/api/v1/tokens", object{"name": "laptop", "owner": me}).body).Text
	sent := tryWith(t, []string{"LANDFALL_TOKEN=" + text}, "", landfall("upload", bundle, "--server", "https://"+s.https, "--ca", ca)...)
	if sent.code != 0 || !strings.Contains(sent.stderr, "sha256:"+sumOf(t, bundle)) {
		t.Fatalf("upload: exit %d: %s", sent.code, sent)
	}
	upload := strings.TrimSpace(sent.stdout)
	events := b.follow("job,content")
	seen := decode[inspection](t, b.want(200, "POST", "/api/v1/bundles/inspect", object{"upload": upload}).body)
	if seen.Verdict == nil || len(seen.Verdict.Signers) != 1 || seen.Verdict.Signers[0] != "key "+k.id(t)+" of build team" || len(seen.Names) != 1 || seen.Names[0].Change != "new" {
		t.Errorf("%+v, %+v", seen, seen.Verdict)
	}
	id := b.startJob("bundles/import", object{"upload": upload}).ID
	j := events.job("the landing is done", func(j job) bool { return j.ID == id && j.ended() })
	if j.State != "done" {
		t.Fatal(j)
	}
	if got := b.names(); len(got) != 1 || got[0] != ref+" "+digest {
		t.Errorf("names %v, want %s %s", got, ref, digest)
	}
	if got := get[struct{ State string }](b, "uploads/"+upload); got.State != "consumed" {
		t.Errorf("the upload after its landing: %+v", got)
	}
	if left := must(os.ReadDir(filepath.Join(s.data, "inbox")))(t); len(left) > 0 {
		t.Errorf("bytes of the upload are left: %v", left)
	}
	s.pulledByAnybody(ca, ref, digest)
	t.Log(s.auditVerify())
}

// inspection is what the site says of a bundle before it lands.
type inspection struct {
	Refused string
	Verdict *struct{ Signers []string }
	Names   []struct{ Name, Change string }
}

// becomesAdministrator uses the link of the first start, which works once.
func (s *site) becomesAdministrator() {
	s.t.Helper()
	b, secret := s.browser(), s.secret()
	setup := func(name, secret string) answer {
		return b.do("POST", "/api/v1/setup", object{"secret": secret, "name": name, "password": password})
	}
	if !get[struct{ Setup bool }](b, "session").Setup {
		s.t.Error("it does not say that it has to be set up")
	}
	if got := setup("eve", secret[1:]); got.status != 403 {
		s.t.Errorf("another secret: %d %s", got.status, got.body)
	}
	got := setup("ada", secret)
	if got.status != 200 {
		s.t.Fatalf("setup: %d %s", got.status, got.body)
	}
	cookies := got.header["Set-Cookie"]
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0], "__Host-landfall=") || !strings.Contains(cookies[0], "HttpOnly") || !strings.Contains(cookies[0], "Secure") {
		s.t.Errorf("cookies %q", cookies)
	}
	if me := get[struct{ Name, Role string }](b, "session"); me.Name != "ada" || me.Role != "admin" {
		s.t.Errorf("%+v", me)
	}
	if got := setup("eve", secret); got.status != 403 {
		s.t.Errorf("the link a second time: %d %s", got.status, got.body)
	}
	if got := s.local.want(200, "GET", "/api/v1/users", nil).body; strings.Count(got, `"name"`) != 1 {
		s.t.Errorf("users: %s", got)
	}
	// Whoever does not know the authority is told so.
	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}
	if _, err := stranger.Get("https://" + s.https + "/"); err == nil || !strings.Contains(err.Error(), "certificate") {
		s.t.Errorf("without the authority: %v", err)
	}
}

// trustsAs puts a key into the trust policy, unless somebody else has changed it.
func (s *site) trustsAs(b *caller, k key) {
	s.t.Helper()
	tag := b.want(200, "GET", "/api/v1/trust/policy", nil).header.Get("ETag")
	after := b.want(200, "PUT", "/api/v1/trust/policy", object{"text": policy(s.t, k)}, "If-Match", tag).header.Get("ETag")
	if got := b.do("PUT", "/api/v1/trust/policy", object{"text": ""}, "If-Match", tag); got.status != 412 {
		s.t.Errorf("over somebody else's change: %d %s", got.status, got.body)
	}
	if got := b.want(200, "GET", "/api/v1/trust/policy", nil).header.Get("ETag"); got != after || got == tag {
		s.t.Errorf("ETag %s, then %s, then %s", tag, after, got)
	}
	if keys := b.want(200, "GET", "/api/v1/trust/keys", nil).body; !strings.Contains(keys, `"owner":"build team"`) {
		s.t.Errorf("keys: %s", keys)
	}
}

// pulledByAnybody pulls as hosts do, which know the authority and no password.
func (s *site) pulledByAnybody(ca, ref, digest string) {
	t := s.t
	t.Helper()
	certs := t.TempDir()
	copyFile(t, ca, certs, "ca.crt")
	at := s.https + "/" + ref
	if got := run(t, "skopeo", "inspect", "--no-creds", "--cert-dir", certs, "--format", "{{.Digest}}", "docker://"+at); got != digest {
		t.Errorf("skopeo sees %s, want %s", got, digest)
	}
	layout := filepath.Join(t.TempDir(), "layout")
	run(t, "skopeo", "copy", "--src-no-creds", "--preserve-digests", "--src-cert-dir", certs, "docker://"+at, "oci:"+layout+":app")
	var index struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(must(os.ReadFile(layout+"/index.json"))(t), &index); err != nil || len(index.Manifests) != 1 || index.Manifests[0].Digest != digest {
		t.Errorf("skopeo copied %+v, %v", index, err)
	}
	ctr := containerd(t)
	_, port, _ := strings.Cut(s.https, ":")
	at = "site.example:" + port + "/" + ref // with an address of loopback it would speak plain HTTP
	run(t, append(ctr, "images", "pull", "--tlscacert", ca, at)...)
	if listed := run(t, append(ctr, "images", "ls", "name=="+at)...); !strings.Contains(listed, digest) {
		t.Errorf("containerd holds another digest than %s:\n%s", digest, listed)
	}
}
