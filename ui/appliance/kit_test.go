package appliance_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/ui/appliance"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/settings"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is a whole appliance, as it is reached from outside.
type site struct {
	t      testing.TB
	opts   siteOptions
	dir    string
	plain  string // http://127.0.0.1:PORT
	secure string // https://127.0.0.1:PORT
	setup  string // the secret of the first start; empty when there are users
	client *http.Client
	local  *http.Client // over the socket

	appliance    *appliance.Appliance
	console, log *buffer
	level        *slog.LevelVar
	stop         func() error // once; what Run and Close say
}

// siteOptions of a site. The zero value is what a newcomer gets, on free ports and
// without drives.
type siteOptions struct {
	dir    string              // of another site that has ended; empty for a new one
	flags  map[string][]string // besides the addresses
	env    []string
	load   func() (*settings.Effective, error) // instead of flags and env; also for a reload
	before func(a *appliance.Appliance)        // it runs
}

// effective is the configuration of a site in a folder.
func effective(dir string, flags map[string][]string, env ...string) (*settings.Effective, error) {
	all := map[string][]string{"data": {dir}, "listen": {"http://127.0.0.1:0", "https://127.0.0.1:0"}, "log-level": {"debug"}, "log-requests": {"true"}}
	maps.Copy(all, flags)
	return settings.Load(settings.Sources{Flags: all, Env: append([]string{"LANDFALL_MEDIA_WATCH=false"}, env...)})
}

// start runs an appliance until the test ends.
func start(t testing.TB, opts siteOptions) *site {
	t.Helper()
	s := &site{t: t, opts: opts, dir: opts.dir, console: &buffer{}, log: &buffer{}, level: &slog.LevelVar{}}
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	load := opts.load
	if load == nil {
		load = func() (*settings.Effective, error) { return effective(s.dir, opts.flags, opts.env...) }
	}
	e, err := load()
	if err != nil {
		t.Fatal(err)
	}
	ring, level := diagnostics.NewRing(0), s.level
	level.Set(e.Config.Log.Level)
	log := observe.NewLog(io.MultiWriter(s.log, ring), observe.LogOptions{Level: level})
	if s.appliance, err = appliance.Open(t.Context(), e, appliance.Options{Version: "test", Log: log, Level: level, Ring: ring, Console: s.console, Reload: load}); err != nil {
		t.Fatal(err)
	}
	if opts.before != nil {
		opts.before(s.appliance)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.appliance.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		stop()
		err := <-ended
		s.client.CloseIdleConnections()
		s.local.CloseIdleConnections()
		return joined(err, s.appliance.Close())
	})
	s.reach(t, ended)
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	servingLine = regexp.MustCompile(`serving (https?://\S+) from`)
	setupLink   = regexp.MustCompile(`https?://\S+/setup#(\S+)`)
)

// reach learns from the console where the appliance answers, as people do.
func (s *site) reach(t testing.TB, ended chan error) {
	t.Helper()
	greeted := func() bool {
		return strings.Contains(s.console.String(), "fingerprint") || strings.Contains(s.console.String(), "open: nobody")
	}
	for began := time.Now(); s.plain == "" || s.secure == "" || !greeted(); {
		if time.Since(began) > time.Minute {
			t.Fatalf("the appliance does not say where it is: %s", s.console)
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case err := <-ended:
			ended <- err
			t.Fatalf("the appliance has ended: %v\n%s", err, s.log)
		}
		for _, found := range servingLine.FindAllStringSubmatch(s.console.String(), -1) {
			if strings.HasPrefix(found[1], "https:") {
				s.secure = found[1]
			} else {
				s.plain = found[1]
			}
		}
	}
	s.client = &http.Client{CheckRedirect: unfollowed, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}
	socket := filepath.Join(s.dir, appliance.Socket)
	s.local = &http.Client{CheckRedirect: unfollowed, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.want("GET", "/api/v1/tls/ca.pem", "", 200)))
	s.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	if needs := strings.Contains(s.want("GET", "/api/v1/session", "", 200), `"setup":true`); needs {
		eventually(t, "the link of the first start", func() bool {
			found := setupLink.FindStringSubmatch(s.console.String())
			if found != nil {
				s.setup = found[1]
			}
			return found != nil
		})
	}
}

func unfollowed(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// restart ends the appliance and starts another on its data.
func (s *site) restart() *site {
	s.t.Helper()
	if err := s.stop(); err != nil {
		s.t.Fatal(err)
	}
	opts := s.opts
	opts.dir = s.dir
	return start(s.t, opts)
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request to the plain listener; headers alternate names and values.
func (s *site) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	return s.send(s.client, s.plain, method, path, body, headers...)
}

func (s *site) send(c *http.Client, base, method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	got, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %s: %v", method, path, got.Status, err)
	}
	return answer{got.StatusCode, got.Header, string(content)}
}

// want is the body of an answer that has to have a status.
func (s *site) want(method, path, body string, status int, headers ...string) string {
	s.t.Helper()
	got := s.do(method, path, body, headers...)
	if got.status != status {
		s.t.Fatalf("%s %s %.200s: %d, want %d: %s", method, path, body, got.status, status, got.body)
	}
	return got.body
}

// onSocket is want as the machine's administrator.
func (s *site) onSocket(method, path, body string, status int, headers ...string) string {
	s.t.Helper()
	got := s.send(s.local, "http://socket", method, path, body, headers...)
	if got.status != status {
		s.t.Fatalf("%s %s %.200s on the socket: %d, want %d: %s", method, path, body, got.status, status, got.body)
	}
	return got.body
}

// buffer keeps what is written.
type buffer struct {
	mu   sync.Mutex // protects kept
	kept bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept.String()
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal("never: " + what)
		}
	}
}
