package appliance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// site is an appliance over a data folder.
type site struct {
	t    *testing.T
	data string
	args []string // of serve, beside the folder
	env  []string

	*daemon            // since the last start
	http, https string // addresses: host:port
	fingerprint string // of the authority
	link        string // of the first start; empty when none was printed
	local       *caller
}

// newSite starts an appliance on a new folder, with more arguments for serve.
func newSite(t *testing.T, args ...string) *site {
	t.Helper()
	s := prepareSite(t, args...)
	s.start()
	return s
}

// prepareSite is newSite without a start.
func prepareSite(t *testing.T, args ...string) *site {
	t.Helper()
	need(t)
	return &site{t: t, data: filepath.Join(t.TempDir(), "data"), args: args}
}

var (
	httpLine        = regexp.MustCompile(`serving http://(\S+) from`)
	httpsLine       = regexp.MustCompile(`serving https://(\S+) from`)
	fingerprintLine = regexp.MustCompile(`SHA-256 fingerprint ([0-9A-F:]+)\n`)
	linkLine        = regexp.MustCompile(`\n  (https?://\S+/setup#\S+)\n`)
)

// command is the appliance as a process to be started.
func (s *site) command() *exec.Cmd {
	args := landfall(append([]string{"serve", "--data", s.data, "--listen", "127.0.0.1:0", "--listen", "https://127.0.0.1:0"}, s.args...)...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = cleanEnv(s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts the appliance, and waits until it answers.
func (s *site) start() {
	s.t.Helper()
	s.daemon = launch(s.t, s.command())
	s.greeted()
}

// greeted waits until the appliance has said all that it says at its start.
func (s *site) greeted() {
	s.t.Helper()
	s.await(func(said string) bool { return fingerprintLine.MatchString(said) })
	said := s.read()
	s.http, s.https = httpLine.FindStringSubmatch(said)[1], httpsLine.FindStringSubmatch(said)[1]
	s.fingerprint = fingerprintLine.FindStringSubmatch(said)[1]
	socket := filepath.Join(s.data, "landfall.sock")
	s.local = &caller{t: s.t, base: "http://socket", client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}}
	s.t.Cleanup(s.local.client.CloseIdleConnections)
	s.local.want(200, "GET", "/api/v1/system/health", nil) // it has greeted by now
	s.link = ""
	if found := linkLine.FindStringSubmatch(s.read()); found != nil {
		s.link = found[1]
	}
}

// restart ends the appliance with kill -9, and starts it again.
func (s *site) restart() {
	s.t.Helper()
	s.kill()
	s.start()
}

// secret is that of the link of the first start.
func (s *site) secret() string {
	s.t.Helper()
	_, secret, ok := strings.Cut(s.link, "#")
	if !ok {
		s.t.Fatalf("no link was printed: %s", s.read())
	}
	return secret
}

// caFile is a file with the site's authority.
func (s *site) caFile() string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte(s.plain().want(200, "GET", "/api/v1/tls/ca.pem", nil).body), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// plain speaks HTTP, as nobody.
func (s *site) plain() *caller {
	return &caller{t: s.t, base: "http://" + s.http, client: http.DefaultClient}
}

// browser speaks HTTPS and trusts the site's authority only; it keeps cookies.
func (s *site) browser() *caller {
	s.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(s.caFile()))(s.t))
	jar := must(cookiejar.New(nil))(s.t)
	c := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	s.t.Cleanup(c.CloseIdleConnections)
	return &caller{t: s.t, base: "https://" + s.https, client: c}
}

// password is everybody's.
const password = "correct horse battery"

// addUser makes a user over the socket, and returns its id.
func (s *site) addUser(name, role string, grants ...grant) string {
	s.t.Helper()
	u := s.local.want(201, "POST", "/api/v1/users", object{"name": name, "role": role, "password": password, "grants": grants})
	return decode[struct{ ID string }](s.t, u.body).ID
}

// grant lets do something below a prefix of repositories.
type grant struct {
	Prefix  string   `json:"prefix"`
	Actions []string `json:"actions"`
}

// token is one that was made.
type token struct{ ID, Text string }

// addToken makes a token over the socket.
func (s *site) addToken(fields object) token {
	s.t.Helper()
	return decode[token](s.t, s.local.want(201, "POST", "/api/v1/tokens", fields).body)
}

// auditVerify stops the appliance, and has its audit log verified.
func (s *site) auditVerify() string {
	s.t.Helper()
	if code := s.stop(); code != 0 {
		s.t.Errorf("it ends with %d: %s", code, lastLines(s.read(), 5))
	}
	return run(s.t, landfall("audit", "verify", "--data", s.data)...)
}

// audited are the entries of an action, the oldest first, as "target outcome".
func (s *site) audited(action string) (list []string) {
	s.t.Helper()
	entries := decode[page[struct{ Action, Target, Outcome string }]](s.t, s.local.want(200, "GET", "/api/v1/audit?limit=200&action="+action, nil).body).Items
	for i := range entries {
		e := entries[len(entries)-1-i]
		list = append(list, e.Target+" "+e.Outcome)
	}
	return list
}
