package appliance

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is what systemd is to a service.
type manager struct {
	t    *testing.T
	path string // of its socket
	told chan string
	all  []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{t: t, path: filepath.Join(t.TempDir(), "notify"), told: make(chan string, 1000)}
	socket := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}))(t)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for buffer := make([]byte, 64<<10); ; {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			for line := range strings.Lines(string(buffer[:n])) {
				m.told <- strings.TrimSpace(line)
			}
		}
	}()
	t.Cleanup(func() {
		socket.Close()
		<-heard
	})
	return m
}

// next waits until the service tells something that begins so.
func (m *manager) next(prefix string) string {
	m.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line := <-m.told:
			if m.all = append(m.all, line); strings.HasPrefix(line, prefix) {
				return line
			}
		case <-late:
			m.t.Fatalf("never told %s, only %q", prefix, m.all)
		}
	}
}

// The service manager hears when the appliance serves, that it lives, that it reads
// its configuration again, and when it ends; a file that is wrong changes nothing.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	s := prepareSite(t)
	file := filepath.Join(t.TempDir(), "config.yaml")
	configure := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("log: {level: info}\n")
	s.args = append(s.args, "--config", file)
	s.env = []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=200000"}
	s.start()
	m.next("READY=1")
	for range 3 {
		m.next("WATCHDOG=1")
	}
	anonymous := func() int { return s.plain().do("GET", "/v2/a/tags/list", nil).status }
	if got := anonymous(); got != 404 {
		t.Errorf("pull by nobody: %d", got)
	}

	reload := func() {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		m.next("RELOADING=1")
		m.next("MONOTONIC_USEC=")
	}
	configure("log: {level: debug}\nregistry: {anonymousPull: false}\ntls: {names: [site.example]}\n")
	reload()
	m.next("READY=1")
	if got := anonymous(); got != 401 {
		t.Errorf("pull by nobody, when it is off: %d", got)
	}
	if !strings.Contains(s.read(), "level=DEBUG") {
		t.Errorf("no line of level debug: %s", s.read())
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(s.caFile()))(t))
	conn, err := tls.Dial("tcp", s.https, &tls.Config{RootCAs: pool, ServerName: "site.example"})
	if err != nil {
		t.Errorf("the name that was added: %v", err)
	} else {
		conn.Close()
	}

	configure("registry: {anonymousPull: perhaps}\n")
	reload()
	if told := m.next("STATUS="); !strings.Contains(told, "anonymousPull") {
		t.Errorf("a file that is wrong: %s", told)
	}
	m.next("READY=1")
	if got := anonymous(); got != 401 {
		t.Errorf("pull by nobody, with a file that is wrong: %d", got)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	m.next("STOPPING=1")
}

// Sockets that the service manager has opened are taken over: nobody is refused
// while the appliance starts.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	s := prepareSite(t)
	plain, secure := must(net.Listen("tcp", "127.0.0.1:0"))(t), must(net.Listen("tcp", "127.0.0.1:0"))(t)
	command := s.command()
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, command.Args...)...)
	cmd.Env = append(command.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=http:https")
	cmd.SysProcAttr = command.SysProcAttr
	for _, l := range []net.Listener{plain, secure} {
		f := must(l.(*net.TCPListener).File())(t)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	early := make(chan string, 1)
	go func() { // before it has begun
		got, err := http.Get("http://" + plain.Addr().String() + "/api/v1/system/health")
		if err != nil {
			early <- err.Error()
			return
		}
		got.Body.Close()
		early <- got.Status
	}()
	s.daemon = launch(t, cmd)
	s.greeted()
	if got := <-early; got != "200 OK" {
		t.Errorf("who came early: %s", got)
	}
	if s.http != plain.Addr().String() || s.https != secure.Addr().String() {
		t.Errorf("it serves at %s and %s, not at %s and %s", s.http, s.https, plain.Addr(), secure.Addr())
	}
	s.browser().want(200, "GET", "/api/v1/system/health", nil)
	if code := s.stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	// The sockets are the manager's: they take connections for the next start.
	conn, err := net.Dial("tcp", plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	plain.Close()
	secure.Close()
}

// Who pulls when the appliance is asked to end gets all; a landing goes on at the
// next start, as the same job.
func TestGracefulEnd(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	const size = 24 << 20 // more than the sockets on the way hold
	c := newContent(t, 12, 1, 1, size)
	other := newContent(t, 13, 1, 300, 32<<10)
	s := prepareSite(t)
	s.env = []string{"NOTIFY_SOCKET=" + m.path}
	s.start()
	m.next("READY=1")
	s.land(c)
	g := newGate(t, t.TempDir())
	path := g.place(t, other.bundle)
	device, inode := identify(t, path)
	held := g.hold(other.bytes / 2)
	id := s.local.startJob("bundles/import", object{"path": path, "device": device, "inode": inode}).ID
	await(t, "the landing is held up", held)

	content := noise(12*10_000, size)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	name, _, _ := strings.Cut(c.names[0], ":")
	got, err := http.Get("http://" + s.http + "/v2/" + name + "/blobs/" + digest)
	if err != nil || got.StatusCode != 200 {
		t.Fatalf("%v %v", got, err)
	}
	defer got.Body.Close()
	head := make([]byte, 1<<20)
	if _, err := io.ReadFull(got.Body, head); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.next("STOPPING=1")
	g.open()
	rest, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(append(head, rest...), content) {
		t.Errorf("%d of %d bytes were pulled: %v", len(head)+len(rest), size, err)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("it ended with %d: %s", code, s.read())
	}
	s.start()
	j := s.local.done(id)
	t.Logf("%s\n%s", j, s.local.lines(id))
	if len(s.local.names()) != 2 {
		t.Errorf("names %v", s.local.names())
	}
	s.expectOnce(id)
}
