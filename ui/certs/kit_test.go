package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/certs"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var _ certs.Auditor = (*audit.Log)(nil)

// today is a time when no clock is wrong.
var today = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// site is a machine whose clock, names and audit log belong to the test.
type site struct {
	dir string

	mu      sync.Mutex
	now     time.Time
	host    certs.Host
	hostErr error
	entries []audit.Entry
	refused error // what the audit log answers
}

func newSite(t *testing.T) *site {
	return &site{dir: t.TempDir(), now: today, host: certs.Host{Names: []string{"edge1"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.5")}}}
}

func (s *site) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *site) options() certs.Options {
	return certs.Options{
		Audit: s,
		Now:   func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now },
		Host:  func() (certs.Host, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.host, s.hostErr },
	}
}

func (s *site) Note(_ context.Context, e audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.entries = append(s.entries, e)
	}
	return s.refused
}

func (s *site) open(t *testing.T) *certs.Certs {
	t.Helper()
	c, err := certs.Open(s.dir, s.options())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serveTLS answers "hello" at an address until the test ends.
func serveTLS(t *testing.T, c *certs.Certs, at string) string {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Skipf("%s: %v", at, err)
	}
	server := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello over "+r.Proto) }),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(c.Listener(l)) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().String()
}

// trusting is a client's configuration at a time.
func trusting(name string, now time.Time, authorities ...[]byte) *tls.Config {
	pool := x509.NewCertPool()
	for _, text := range authorities {
		pool.AppendCertsFromPEM(text)
	}
	return &tls.Config{RootCAs: pool, ServerName: name, Time: func() time.Time { return now }}
}

// shake makes a handshake and returns the certificates of the other side.
func shake(address string, config *tls.Config) ([]*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates, nil
}

// leaf is the certificate of a handshake that must succeed.
func leaf(t *testing.T, address string, config *tls.Config) *x509.Certificate {
	t.Helper()
	chain, err := shake(address, config)
	if err != nil {
		t.Fatal(err)
	}
	return chain[0]
}

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// sign makes a certificate; signer nil signs itself, key nil makes one.
func sign(t testing.TB, template x509.Certificate, key crypto.Signer, signer *pair) *pair {
	t.Helper()
	if key == nil {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key = k
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = today.Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = today.Add(365 * 24 * time.Hour)
	}
	template.BasicConstraintsValid = true
	if signer == nil {
		signer = &pair{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, signer.cert, key.Public(), signer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{cert, key}
}

func named(name string) pkix.Name { return pkix.Name{CommonName: name} }

// corporate is a customer's authority: a root, and what it has signed.
func corporate(t testing.TB) (root, issuer *pair) {
	root = sign(t, x509.Certificate{Subject: named("Corp root"), IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	issuer = sign(t, x509.Certificate{Subject: named("Corp issuer"), IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, root)
	return root, issuer
}

// forServer is the usual certificate of a server.
func forServer(names ...string) x509.Certificate {
	c := x509.Certificate{Subject: named("server"), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	return c
}

func certText(list ...*pair) []byte {
	var b strings.Builder
	for _, p := range list {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})
	}
	return []byte(b.String())
}

func keyText(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
