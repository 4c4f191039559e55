package mirror

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

const (
	username = "robot"
	password = "s3cret of the robot"
)

func withTLS(o *faultproxy.Options) { o.TLS = true }

func withBasic(o *faultproxy.Options) { o.Username, o.Password = username, password }

func withTokens(o *faultproxy.Options) { o.Tokens = &faultproxy.Tokens{} }

// Certificates of an authority of one's own count when it is named, and else not.
func TestTLS(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, "ggcr", newContent(fresh()), withTLS)
	ca := writeFile(t, "ca.pem", string(u.Authority()))
	d := newStore(t)
	at := "endpoints: [" + u.URL() + "]" // else this machine would be spoken to over http, too
	for name, lines := range map[string][]string{"no authority": nil, "another's": {"ca: " + writeFile(t, "ca.pem", string(newWay(t, u.place, nil, withTLS).Authority()))}} {
		r := d.sync(t, mirrorFile(t, [][]string{settings(u.Host(), append(lines, at)...)}, u.choice("all", u.content.repositories())))
		if r.code != exitUnreachable || !strings.Contains(r.stderr, "certificate") || u.Counts().Total() > 0 {
			t.Errorf("%s: %s", name, r)
		}
	}
	d.mustSync(t, mirrorFile(t, [][]string{settings(u.Host(), "ca: "+ca)}, u.choice("all", u.content.repositories())))
	level(t, d.read(t), u.content, u.landed)
}

// way is how credentials are told.
type way struct {
	lines func(t *testing.T, host string) []string
	env   func(t *testing.T) []string
}

// ways are all, with a wrong password instead when that is asked for.
func ways(password string) map[string]way {
	none := func(*testing.T) []string { return nil }
	return map[string]way{
		"a file": {func(t *testing.T, _ string) []string {
			return []string{"credentials: {username: " + username + ", passwordFile: " + writeFile(t, "password", password+"\n") + "}"}
		}, none},
		"a variable": {func(*testing.T, string) []string {
			return []string{"credentials: {username: " + username + ", passwordEnv: ROBOT}"}
		}, func(*testing.T) []string { return []string{"ROBOT=" + password} }},
		"Docker's configuration": {func(t *testing.T, host string) []string {
			auth := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
			return []string{"credentials: {dockerConfig: " + writeFile(t, "config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)) + "}"}
		}, none},
		"a helper": {func(*testing.T, string) []string { return []string{"credentials: {helper: robot}"} }, func(t *testing.T) []string {
			return []string{"PATH=" + helper(t, password) + string(filepath.ListSeparator) + os.Getenv("PATH")}
		}},
	}
}

// helper is a folder with docker-credential-robot (Docker's "Credential helper
// protocol").
func helper(t *testing.T, password string) string {
	t.Helper()
	file := writeFile(t, "docker-credential-robot", `#!/bin/sh
test "$1" = get || exit 1
read -r host
printf '{"ServerURL":"%s","Username":"`+username+`","Secret":"`+password+`"}' "$host"
`)
	if err := os.Chmod(file, 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return filepath.Dir(file)
}

// However a password is told, it opens registries with basic and with token
// authentication; a wrong one opens none, and neither is shown.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for guard, options := range map[string][]func(*faultproxy.Options){
		"basic": {withBasic}, "tokens": {withBasic, withTokens}, "basic over TLS": {withBasic, withTLS}, "tokens over TLS": {withBasic, withTokens, withTLS},
	} {
		for name, right := range ways(password) {
			t.Run(guard+" with "+name, func(t *testing.T) {
				t.Parallel()
				u := newUpstream(t, "ggcr", newContent(fresh()), options...)
				d := newStore(t)
				wrong := ways("wr0ng")[name]
				r := d.syncWith(t, wrong.env(t), u.guarded(t, wrong.lines(t, u.Host())))
				if r.code == exitDone || r.code == exitPartial || !strings.Contains(r.stderr, "401") || u.Counts().BlobBytes+u.Counts().ManifestBytes > 0 {
					t.Error(r)
				}
				silent(t, r, "wr0ng")
				r = d.syncWith(t, right.env(t), u.guarded(t, right.lines(t, u.Host())))
				if r.code != exitDone {
					t.Fatal(r)
				}
				silent(t, r, password)
				level(t, d.read(t), u.content, u.landed)
			})
		}
	}
}

// guarded is a mirror.yaml with credentials, of which nothing else is new.
func (u *upstream) guarded(t *testing.T, lines []string) string {
	t.Helper()
	if u.Authority() != nil {
		lines = append(lines, "ca: "+writeFile(t, "ca.pem", string(u.Authority())))
	} else {
		lines = append(lines, "plainHTTP: true")
	}
	return mirrorFile(t, [][]string{settings(u.Host(), lines...)}, u.choice("all", u.content.repositories()))
}

func silent(t *testing.T, r result, secret string) {
	t.Helper()
	for _, s := range []string{secret, base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))} {
		if strings.Contains(r.stdout+r.stderr, s) {
			t.Errorf("it shows the password: %s\n%s", r, r.stdout)
		}
	}
}

// Credentials that cannot be read are told before anything is sent.
func TestNoCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, words string }{
		"no file":     {"credentials: {username: x, passwordFile: /none/such}", "/none/such"},
		"no variable": {"credentials: {username: x, passwordEnv: NONE_SUCH}", "NONE_SUCH"},
		"no helper":   {"credentials: {helper: none-such}", "docker-credential-none-such"},
		"no config":   {"credentials: {dockerConfig: /none/such.json}", "/none/such.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "ggcr", newContent(fresh()), withBasic)
			d := newStore(t)
			r := d.sync(t, u.guarded(t, []string{c.line}))
			if r.code == exitDone || r.code == exitPartial || !strings.Contains(r.stderr, c.words) || u.Counts().Total() > 0 {
				t.Errorf("%s; %s", u.Counts(), r)
			}
		})
	}
}

// Tokens that end while blobs are on their way are had anew, in every repository.
func TestTokensExpire(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "distribution", "bundle"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "ggcr", newContent(fresh()), withTokens)
			d := newDestination(t, to)
			held := u.hold(t, http.MethodGet+" .*/blobs/")
			before := make(chan int, 1)
			go func() {
				<-held.reached
				before <- u.Counts().Requests[faultproxy.Token]
				u.ExpireTokens()
				close(held.released)
			}()
			d.mustSync(t, mirrorFile(t, [][]string{u.plain()}, u.choice("all", u.content.repositories())), "--jobs", "1")
			if first, all := <-before, u.Counts().Requests[faultproxy.Token]; first == 0 || all <= first {
				t.Errorf("%d tokens before they expire, %d in all", first, all)
			}
			level(t, d.read(t), u.content, u.landed)
		})
	}
}

// A destination may be guarded, too, and its tokens may end. Its authority is named
// in mirror.yaml or on the command line.
func TestGuardedDestination(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]func(*faultproxy.Options){"basic": {withBasic, withTLS}, "tokens": {withBasic, withTokens, withTLS}} {
		for _, kind := range []string{"distribution", "ggcr", "landfall"} {
			for _, ca := range []string{"by flag", "by file"} {
				t.Run(name+" before "+kind+" "+ca, func(t *testing.T) {
					t.Parallel()
					guarded(t, kind, ca == "by flag", options)
				})
			}
		}
	}
}

func guarded(t *testing.T, kind string, flag bool, options []func(*faultproxy.Options)) {
	u := newUpstream(t, "distribution", newContent(fresh()))
	p := newPlace(t, kind)
	guard := startProxy(t, "http://"+p.host, options...)
	held := u.hold(t, http.MethodGet+" .*/blobs/")
	go func() {
		<-held.reached
		guard.ExpireTokens()
		close(held.released)
	}()
	d := &destination{args: []string{"--server", guard.URL()}, read: func(*testing.T) place { return p }}
	lines := ways(password)["a file"].lines(t, "")
	ca := writeFile(t, "ca.pem", string(guard.Authority()))
	if flag {
		d.args = append(d.args, "--ca", ca)
	} else {
		lines = append(lines, "ca: "+ca)
	}
	d.mustSync(t, mirrorFile(t, [][]string{u.plain(), settings(guard.Host(), lines...)}, u.choice("all", u.content.repositories())))
	level(t, d.read(t), u.content, u.landed)
}
