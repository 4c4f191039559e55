package appliance_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/appliance"
	"github.com/landfall-dev/landfall/ui/settings"
)

// The appliance speaks no TLS that is too old or too weak, and no HTTP/2.
func TestTLSDowngrade(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	roots := s.client.Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, address, _ := strings.Cut(s.secure, "://")
	for what, c := range map[string]*tls.Config{
		"TLS 1.0":             {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1":             {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"no forward secrecy":  {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}},
		"CBC":                 {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}},
		"RC4, 3DES":           {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
		"a name that is none": {ServerName: "evil.example"},
	} {
		if c.RootCAs = roots; c.ServerName == "" {
			c.ServerName = "localhost"
		}
		if conn, err := tls.Dial("tcp", address, c); err == nil {
			conn.Close()
			t.Errorf("%s is spoken", what)
		}
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if at := conn.ConnectionState(); at.Version != tls.VersionTLS13 || at.NegotiatedProtocol != "http/1.1" {
		t.Errorf("%+v", at)
	}
}

// Who speaks plain HTTP where TLS is spoken learns that, and nothing else; a request
// that asks for another protocol goes on in this one.
func TestPlainOnTLS(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	conn := dial(t, s.secure)
	if _, err := io.WriteString(conn, "GET /api/v1/session HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	content, _ := io.ReadAll(got.Body)
	if got.StatusCode != 400 || !strings.Contains(string(content), "HTTPS") || got.Header.Get("Location") != "" {
		t.Errorf("%s %v %q", got.Status, got.Header, content)
	}
	conn = dial(t, s.plain)
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if said, _ := cutOff(conn); strings.Contains(said, "200") {
		t.Errorf("HTTP/2: %q", said)
	}
	status, body := s.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if status != 200 || body != "ok\n" {
		t.Errorf("%d %s", status, body)
	}
}

// Where others could listen, an appliance does not begin to speak plain HTTP, and
// asks everybody who they are.
func TestPlainBeyondLoopback(t *testing.T) {
	t.Parallel()
	for what, flags := range map[string]map[string][]string{
		"everywhere":       {"listen": {"http://0.0.0.0:0"}},
		"everywhere, IPv6": {"listen": {"http://[::]:0"}},
		"no host":          {"listen": {"http://:0"}},
		"another address":  {"listen": {"https://127.0.0.1:0", "http://192.0.2.1:0"}},
		"metrics":          {"listen": {"https://127.0.0.1:0"}, "metrics-listen": {"http://0.0.0.0:0"}},
		"open":             {"listen": {"https://0.0.0.0:0"}, "open": {"true"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			all := map[string][]string{"data": {t.TempDir()}}
			for name, values := range flags {
				all[name] = values
			}
			e, err := settings.Load(settings.Sources{Flags: all, Env: []string{"LANDFALL_MEDIA_WATCH=false"}})
			if err == nil {
				var a *appliance.Appliance
				if a, err = appliance.Open(t.Context(), e, appliance.Options{}); err == nil {
					ctx, stop := context.WithCancel(t.Context())
					stop() // one that begins to serve ends at once
					err = a.Run(ctx)
					a.Close()
				}
			}
			if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "plain HTTP") && !strings.Contains(err.Error(), "everybody") {
				t.Errorf("%v, want ErrInvalid", err)
			}
		})
	}
}

// No folder is listed, no file of the machine is served, and there is nothing to
// debug with, not even for the machine's administrator.
func TestNothingElse(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	for _, path := range []string{"/debug", "/debug/", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/debug/requests", "/api", "/api/", "/api/v1", "/api/v1/",
		"/api/v1/docs", "/api/v1/schemas", "/docs", "/inbox/", "/exports/", "/blobs/", "/tls/", "/tls/ca.key", "/landfall.db", "/landfall.sock", "/dist/", "/assets/", "/web/", "/.git/config",
		"/v2", "/v2/docker.io/", "/v2/blobs", "/v2/../landfall.db", "/auth", "/auth/", "/auth/oidc/login", "/server-status", "/metrics/", "/healthz/", "/index.html", "/README", "/api/v2/session",
		"/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/etc/passwd", "/api/v1/../../landfall.db", "/api/v1/uploads/../../landfall.db"} {
		got := s.send(s.local, "http://socket", "GET", path, "")
		for _, part := range []string{"<pre>", "<a href=\"", "root:x:", "SQLite", "PRIVATE KEY", "goroutine", "profile", "cmdline", "DIRECTORY"} {
			if strings.Contains(got.body, part) && got.status != 301 && got.status != 307 {
				t.Errorf("%s: %d %.300s", path, got.status, got.body)
			}
		}
		ui := strings.Contains(got.header.Get("Content-Type"), "text/html") && got.status == 200 || strings.Contains(got.body, "make ui")
		if got.status < 300 && !ui {
			t.Errorf("%s: %d %.300s", path, got.status, got.body)
		}
	}
}

// The port for metrics answers them, and nothing else.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the console does not tell of it
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s := start(t, siteOptions{flags: map[string][]string{"metrics-listen": {"http://" + address}}})
	for path, status := range map[string]int{"/metrics": 200, "/": 404, "/api/v1/session": 404, "/v2/": 404, "/debug/pprof/": 404, "/healthz": 404} {
		if got := s.send(s.client, "http://"+address, "GET", path, ""); got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
