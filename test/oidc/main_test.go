// Package oidc proves with an OpenID provider that others have made that people
// log in to an appliance through it. The module has no other purpose than to keep
// the provider's dependencies to itself.
package oidc

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// appliance is the program under test, serving on loopback.
type appliance struct {
	t       *testing.T
	url     string
	secret  string // of the link of its first start
	command *exec.Cmd
	log     chan string // all that it has said, once it has ended
}

var (
	serving = regexp.MustCompile(`serving (http://\S+)`)
	link    = regexp.MustCompile(`/setup#(\S+)`)
)

// start starts an appliance whose users log in at an issuer.
func start(t *testing.T, issuer string) *appliance {
	t.Helper()
	program := os.Getenv("LANDFALL_BIN")
	if program == "" {
		t.Fatal("LANDFALL_BIN names no program: run 'make e2e'")
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "client-secret")
	config := filepath.Join(dir, "config.yaml")
	for file, content := range map[string]string{
		secret: clientSecret + "\n",
		config: "auth:\n  oidc:\n    issuer: " + issuer + "\n    clientID: " + clientID + "\n    clientSecretFile: " + secret +
			"\n    scopes: [profile]\n    adminGroups: [platform]\n    viewerGroups: [everybody]\n",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &appliance{t: t, log: make(chan string, 1)}
	a.command = exec.Command(program, "serve", "--config", config, "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")
	out, err := a.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.command.Stdout = a.command.Stderr
	if err := a.command.Start(); err != nil {
		t.Fatal(err)
	}
	a.read(out)
	t.Cleanup(func() {
		_ = a.command.Process.Signal(syscall.SIGTERM)
		log := <-a.log
		if err := a.command.Wait(); err != nil || t.Failed() {
			t.Errorf("%v\n%s", err, log)
		}
		for _, s := range []string{clientSecret, a.secret, userPassword} {
			if rest := strings.Replace(log, "#"+s, "", 1); strings.Contains(rest, s) {
				t.Errorf("a secret is in the log:\n%s", log)
			}
		}
	})
	return a
}

// read takes in what the appliance says until it serves and has told its link.
func (a *appliance) read(out io.Reader) {
	a.t.Helper()
	ready := make(chan struct{})
	go func() {
		var log strings.Builder
		told := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				a.url = m[1]
			}
			if m := link.FindStringSubmatch(lines.Text()); m != nil {
				a.secret = m[1]
			}
			if !told && a.url != "" && a.secret != "" {
				told = true
				close(ready)
			}
		}
		a.log <- log.String()
		if !told {
			close(ready)
		}
	}()
	select {
	case <-ready:
	case <-time.After(time.Minute):
	}
	if a.url == "" || a.secret == "" {
		_ = a.command.Process.Kill()
		a.t.Fatalf("the appliance does not serve:\n%s", <-a.log)
	}
}

// setUp makes the local administrator.
func (a *appliance) setUp() {
	a.t.Helper()
	body := `{"secret":"` + a.secret + `","name":"root","password":"correct horse battery"}`
	answer, err := http.Post(a.url+"/api/v1/setup", "application/json", strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		a.t.Fatalf("setup: %s %s", answer.Status, text)
	}
}

// me is who the appliance takes a browser for.
type me struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Role   string   `json:"role"`
	Rights []string `json:"rights"`
	OIDC   bool     `json:"oidc"`
}

func (a *appliance) me(b *http.Client) (m me) {
	a.t.Helper()
	answer, err := b.Get(a.url + "/api/v1/session")
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&m); err != nil {
		a.t.Fatal(err)
	}
	return m
}

// browser follows redirects, keeps cookies, and fills in the provider's form.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: time.Minute}
}

var request = regexp.MustCompile(`name="id" value="([^"]*)"`)

// login logs in at the provider, and ends where the appliance sends the browser.
func (a *appliance) login(b *http.Client, user, password string) (status int, end *url.URL) {
	a.t.Helper()
	page, err := b.Get(a.url + "/auth/oidc/login?to=/api/v1/session")
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := io.ReadAll(page.Body)
	page.Body.Close()
	id := request.FindSubmatch(text)
	if err != nil || id == nil {
		a.t.Fatalf("no form: %s, %v\n%s", page.Request.URL, err, text)
	}
	answer, err := b.PostForm(page.Request.URL.String(), url.Values{"id": {string(id[1])}, "username": {user}, "password": {password}})
	if err != nil {
		a.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode, answer.Request.URL
}
