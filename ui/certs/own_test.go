package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
)

// The leaf of a real machine is for all that it is called by, and is accepted by
// who trusts the authority only.
func TestHandshake(t *testing.T) {
	t.Parallel()
	c, err := certs.Open(t.TempDir(), certs.Options{Names: []string{"registry.site.example", "203.0.113.9", "*.apps.example"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	address := serveTLS(t, c, "127.0.0.1:0")
	for _, name := range []string{"127.0.0.1", "::1", "localhost", strings.ToLower(hostname), "registry.site.example", "203.0.113.9", "x.apps.example"} {
		if _, err := shake(address, trusting(name, now, c.CAPEM())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, config := range []*tls.Config{trusting("other.example", now, c.CAPEM()), trusting("localhost", now)} {
		if _, err := shake(address, config); err == nil {
			t.Errorf("a client that asks for %s was content", config.ServerName)
		}
	}
	if six := serveTLS(t, c, "[::1]:0"); six != "" {
		leaf(t, six, trusting("", now, c.CAPEM()))
	}
}

// All addresses of interfaces are in the leaf, but those of the link with IPv6.
func TestMachineAddresses(t *testing.T) {
	t.Parallel()
	c, err := certs.Open(t.TempDir(), certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names := c.Status().Own.Names
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		ip := a.(*net.IPNet).IP
		link := ip.To4() == nil && ip.IsLinkLocalUnicast()
		if slices.Contains(names, ip.String()) == link {
			t.Errorf("%s in %v: %v", ip, names, !link)
		}
	}
}

// The chain carries the authority, by whose fingerprint a newcomer knows it.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	chain, err := shake(serveTLS(t, c, "127.0.0.1:0"), trusting("edge1", today, c.CAPEM()))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(c.CAPEM())
	if len(chain) != 2 || !bytes.Equal(chain[1].Raw, block.Bytes) {
		t.Errorf("a chain of %d certificates; want the leaf and the authority", len(chain))
	}
	status := c.Status()
	if len(c.Fingerprint()) != 95 || strings.Count(c.Fingerprint(), ":") != 31 || status.Authority.Fingerprint != c.Fingerprint() {
		t.Errorf("the fingerprint %s; in the status %s", c.Fingerprint(), status.Authority.Fingerprint)
	}
	if status.Source != certs.Own || status.Own.DaysLeft != 30 || status.Authority.DaysLeft != 3650 || len(status.Warnings) != 0 {
		t.Errorf("the status: %+v", status)
	}
	for name, mode := range map[string]fs.FileMode{"ca.key": 0o600, "ca.pem": 0o644} {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}

// TLS 1.1 is refused; 1.2 and 1.3 speak HTTP/1.1, whatever else a client offers.
func TestProtocols(t *testing.T) {
	t.Parallel()
	c := newSite(t).open(t)
	address := serveTLS(t, c, "127.0.0.1:0")
	old := trusting("edge1", today, c.CAPEM())
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := shake(address, old); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v; want a refusal", err)
	}
	weak := trusting("edge1", today, c.CAPEM())
	weak.MaxVersion, weak.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	if _, err := shake(address, weak); err == nil {
		t.Error("weak suites were accepted")
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := trusting("edge1", today, c.CAPEM())
		config.MaxVersion, config.NextProtos = version, []string{"h2", "http/1.1"}
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			t.Fatal(err)
		}
		if state := conn.ConnectionState(); state.Version != version || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s: %q", tls.VersionName(state.Version), state.NegotiatedProtocol)
		}
		conn.Close()
	}
}

// Who speaks plain HTTP at a port of TLS is told so, and gets nothing else.
func TestPlainAtTLS(t *testing.T) {
	t.Parallel()
	answer, err := http.Get("http://" + serveTLS(t, newSite(t).open(t), "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTPS") {
		t.Errorf("%s: %s, %v", answer.Status, text, err)
	}
}

// A renewal leaves open connections alone; new ones get the new leaf, and sessions
// of the old one are not resumed.
func TestRenewal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	address := serveTLS(t, c, "127.0.0.1:0")
	config := trusting("edge1", today, c.CAPEM())
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	config.Time = func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	get := func() *x509.Certificate {
		answer, err := (&http.Client{Transport: transport}).Get("https://" + address)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "hello over HTTP/1.1" {
			t.Fatalf("%q, %v", text, err)
		}
		return answer.TLS.PeerCertificates[0]
	}
	first := get()
	s.set(func() { s.now = today.Add(20*24*time.Hour - time.Second) })
	if again := leaf(t, address, config); !again.Equal(first) {
		t.Error("the leaf was renewed before two thirds of its life")
	}
	s.set(func() { s.now = today.Add(20 * 24 * time.Hour) })
	second := leaf(t, address, config)
	if second.Equal(first) || second.NotAfter.Sub(s.now) != 30*24*time.Hour {
		t.Errorf("after two thirds of its life: valid until %s", second.NotAfter)
	}
	if !get().Equal(first) {
		t.Error("the open connection was not used again")
	}
	transport.CloseIdleConnections()
	if !get().Equal(second) {
		t.Error("a new connection got the old leaf")
	}
}

// Clocks that jump, and clocks that are wrong.
func TestClocks(t *testing.T) {
	t.Parallel()
	year := func(y int) time.Time { return time.Date(y, 6, 1, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		name    string
		site    []time.Time // the machine's clock, one after the other; the first is at the first start
		clients []time.Time // accept what is served then
		warned  bool
	}{
		{"right", []time.Time{today}, []time.Time{today, today.AddDate(0, 0, 29), today.AddDate(0, -11, 0)}, false},
		{"set back by a month", []time.Time{today, today.AddDate(0, -1, 0)}, []time.Time{today.AddDate(0, -1, 0), today.AddDate(0, -1, 29)}, false},
		{"far in the future, then right", []time.Time{year(2090), today}, []time.Time{today, today.AddDate(0, 0, 29)}, false},
		{"right, then far in the future", []time.Time{today, year(2090)}, []time.Time{today, year(2035)}, true},
		{"right, then far in the future, then right", []time.Time{today, year(2090), today}, []time.Time{today}, false},
		{"born in 1970, then right", []time.Time{time.Unix(100, 0), today}, []time.Time{today}, false},
		{"born in 1970", []time.Time{time.Unix(100, 0)}, []time.Time{time.Unix(90, 0), today, year(2035)}, true},
		{"right, then 1970", []time.Time{today, time.Unix(5, 0)}, []time.Time{time.Unix(5, 0), today, year(2035)}, true},
		{"right, then 1970, then right", []time.Time{today, time.Unix(5, 0), today.AddDate(0, 1, 0)}, []time.Time{today.AddDate(0, 1, 0)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.now = test.site[0]
			c := s.open(t)
			address := serveTLS(t, c, "127.0.0.1:0")
			for _, now := range test.site {
				s.set(func() { s.now = now })
				blind := trusting("edge1", now)
				blind.InsecureSkipVerify = true
				leaf(t, address, blind)
			}
			for _, now := range test.clients {
				if _, err := shake(address, trusting("edge1", now, c.CAPEM())); err != nil {
					t.Errorf("a client at %s: %v", now, err)
				}
			}
			if w := c.Status().Warnings; len(w) > 0 != test.warned {
				t.Errorf("warnings: %q", w)
			}
			if clock := test.site[len(test.site)-1]; !test.warned && leaf(t, address, trusting("edge1", clock, c.CAPEM())).NotAfter.Sub(clock) > 30*24*time.Hour {
				t.Error("with the clock right the leaf is not short-lived")
			}
		})
	}
}

// Keep follows addresses and names, survives that they cannot be told, and ends.
func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		c := s.open(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.Keep(ctx); close(ended) }()
		synctest.Wait()
		before := c.Status().Own
		time.Sleep(time.Minute)
		if now := c.Status().Own; now.Fingerprint != before.Fingerprint {
			t.Error("a new leaf without a reason")
		}
		s.set(func() { s.hostErr = errors.New("no netlink") })
		time.Sleep(time.Minute)
		if now := c.Status().Own; now.Fingerprint != before.Fingerprint {
			t.Error("a new leaf because the addresses are not known")
		}
		s.set(func() {
			s.hostErr = nil
			s.host = certs.Host{Names: []string{"edge2"}, Addresses: []netip.Addr{netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fd00::7"), netip.MustParseAddr("169.254.1.1")}}
		})
		time.Sleep(31 * time.Second)
		want := "edge2 localhost 127.0.0.1 169.254.1.1 ::1 fd00::7"
		if names := strings.Join(c.Status().Own.Names, " "); names != want {
			t.Errorf("the leaf is for %s; want %s", names, want)
		}
		if err := c.SetNames([]string{"site.example"}); err != nil {
			t.Fatal(err)
		}
		if names := c.Status().Own.Names; !slices.Contains(names, "site.example") || slices.Contains(names, "edge1") {
			t.Errorf("the leaf is for %s", names)
		}
		stop()
		<-ended
	})
}

// A leaf stays small on a machine with an address for each service of a cluster.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 5000 {
		s.host.Addresses = append(s.host.Addresses, netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}))
	}
	s.host.Addresses = append(s.host.Addresses, netip.MustParseAddr("fd00::7"))
	names := s.open(t).Status().Own.Names
	if len(names) > 300 || !slices.Contains(names, "10.0.0.5") || !slices.Contains(names, "fd00::7") || !slices.Contains(names, "::1") {
		t.Errorf("%d names", len(names))
	}
}

// Names that no certificate can be for are refused before anything is made.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "host:5443", "-x", "a..b", "*", "x.*.example", "fe80::1%eth0", "0.0.0.0", "bücher.example", strings.Repeat("a", 64), "https://x"} {
		s := newSite(t)
		opts := s.options()
		opts.Names = []string{"good.example", name}
		if _, err := certs.Open(s.dir, opts); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q: %v; want %v", name, err, registry.ErrInvalid)
		}
		if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
			t.Errorf("%q left %v, %v", name, entries, err)
		}
	}
}
