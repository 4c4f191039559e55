package certs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/certs"
)

// A customer's certificate is served at once, after a restart, and until it is
// removed; clients whose name it is not for get the own leaf.
func TestCustom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	root, issuer := corporate(t)
	server := sign(t, forServer("registry.corp.example"), nil, issuer)
	corp := trusting("registry.corp.example", today, certText(root))
	address := serveTLS(t, c, "127.0.0.1:0")
	if _, err := shake(address, corp); err == nil {
		t.Fatal("trusted before it was set")
	}
	warnings, err := c.SetCustom(t.Context(), certText(server, issuer), keyText(t, server.key), "none")
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "10.0.0.5") || !strings.Contains(warnings[0], "edge1") {
		t.Fatalf("%q, %v", warnings, err)
	}
	again := s.open(t)
	for _, at := range []string{address, serveTLS(t, again, "127.0.0.1:0")} {
		if got := leaf(t, at, corp); !got.Equal(server.cert) {
			t.Errorf("served: %s", got.Subject)
		}
		for _, name := range []string{"edge1", "127.0.0.1"} {
			leaf(t, at, trusting(name, today, c.CAPEM()))
		}
	}
	status := again.Status()
	if status.Source != certs.Custom || status.Custom.Issuer != "CN=Corp issuer" || !slices.Equal(status.Custom.Names, server.cert.DNSNames) || status.Custom.DaysLeft != 365 {
		t.Errorf("%+v", status)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "custom.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := c.RemoveCustom(t.Context(), "none"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("with an old version: %v", err)
	}
	if err := c.RemoveCustom(t.Context(), status.Version); err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveCustom(t.Context(), ""); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := shake(address, corp); err == nil {
		t.Error("served after it was removed")
	}
	var actions []string
	for _, e := range s.entries {
		actions = append(actions, e.Action+e.Outcome)
	}
	if !slices.Equal(actions, []string{"tls.certificate.set", "tls.certificate.remove"}) {
		t.Errorf("the audit log: %q", actions)
	}
}

// Which certificate is for whom, when a client asks for an address.
func TestCustomAddresses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names []string
		own   bool // the client at 127.0.0.1 gets the own leaf
	}{
		{[]string{"x.example"}, true},
		{[]string{"10.0.0.5"}, true},
		{[]string{"10.0.0.5", "127.0.0.1"}, false},
		{[]string{"203.0.113.7"}, false}, // of nobody here: addresses are translated on the way
	} {
		c := newSite(t).open(t)
		server := sign(t, forServer(test.names...), nil, nil)
		if _, err := c.SetCustom(t.Context(), certText(server), keyText(t, server.key), ""); err != nil {
			t.Fatal(err)
		}
		config := trusting("", today)
		config.InsecureSkipVerify = true
		if got := leaf(t, serveTLS(t, c, "127.0.0.1:0"), config); got.Equal(server.cert) == test.own {
			t.Errorf("%v: served %s", test.names, got.Subject)
		}
	}
}

// An expired one is served on, and warned of.
func TestCustomExpires(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	template := forServer("edge1", "10.0.0.5")
	template.NotAfter = today.AddDate(0, 0, 40)
	server := sign(t, template, nil, nil)
	if warnings, err := c.SetCustom(t.Context(), certText(server), keyText(t, server.key), ""); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	for _, test := range []struct {
		days int
		want string
	}{{11, "expires in 29 days"}, {41, "has expired"}} {
		s.set(func() { s.now = today.AddDate(0, 0, test.days) })
		if w := c.Status().Warnings; len(w) != 1 || !strings.Contains(w[0], test.want) {
			t.Errorf("after %d days: %q", test.days, w)
		}
	}
	config := trusting("edge1", s.now)
	config.InsecureSkipVerify = true
	for _, c := range []*certs.Certs{c, s.open(t)} {
		if got := leaf(t, serveTLS(t, c, "127.0.0.1:0"), config); !got.Equal(server.cert) {
			t.Errorf("served: %s", got.Subject)
		}
		if left := c.Status().Custom.DaysLeft; left != -1 {
			t.Errorf("%d days left", left)
		}
	}
}

// What a crash can leave of a change is the old or the new certificate. A change
// that is not in the audit log is not made.
func TestCustomChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.open(t)
	first, second := sign(t, forServer("edge1"), nil, nil), sign(t, forServer("edge1"), nil, nil)
	set := func(p *pair) error {
		_, err := c.SetCustom(t.Context(), certText(p), keyText(t, p.key), "")
		return err
	}
	if err := set(first); err != nil {
		t.Fatal(err)
	}
	version := c.Status().Version
	s.refused = errors.New("the log is full")
	if err := set(second); !errors.Is(err, s.refused) || c.Status().Version != version {
		t.Errorf("%v", err)
	}
	s.refused = nil
	if again := s.open(t); again.Status().Version != version {
		t.Error("the refused change was made")
	}
	next := string(certText(second)) + string(keyText(t, second.key))
	s.write(t, map[string]string{".custom.pem.1": next[:len(next)/2], ".custom.pem.2": next}) // ended while it was written, and before it got its name
	if again := s.open(t); again.Status().Version != version {
		t.Error("half a change was made")
	}
	if rests, err := filepath.Glob(filepath.Join(s.dir, ".*")); err != nil || len(rests) > 0 {
		t.Errorf("keys lie about: %v, %v", rests, err)
	}
	if _, err := c.SetCustom(t.Context(), certText(second), keyText(t, second.key), "none"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("with an old version: %v", err)
	}
	if err := os.Remove(filepath.Join(s.dir, "custom.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "custom.pem", "x"), 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	if err := set(second); err == nil || s.entries[len(s.entries)-1].Outcome != "failed" {
		t.Errorf("%v; the audit log: %+v", err, s.entries)
	}
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	if bits < 1024 {
		t.Fatal("not made by Go")
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Keys of every usual kind and form are taken.
func TestCustomKinds(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root, issuer := corporate(t)
	for _, key := range []crypto.Signer{newRSA(t, 2048), newEC(t, elliptic.P384()), newEC(t, elliptic.P521()), ed} {
		c := newSite(t).open(t)
		server := sign(t, forServer("edge1", "10.0.0.5"), key, issuer)
		warnings, err := c.SetCustom(t.Context(), certText(server, issuer, root), keyText(t, key), "")
		if err != nil || len(warnings) > 0 != (key == crypto.Signer(nil) || strings.Contains(strings.Join(warnings, ""), "Ed25519")) {
			t.Fatalf("%T: %q, %v", key, warnings, err)
		}
		leaf(t, serveTLS(t, c, "127.0.0.1:0"), trusting("edge1", today, certText(root)))
	}
	c := newSite(t).open(t)
	ec, big := newEC(t, elliptic.P256()), newRSA(t, 2048)
	der, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	parameters := []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n")
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(big)})
	ecServer, rsaServer := sign(t, forServer("edge1"), ec, nil), sign(t, forServer("edge1"), big, nil)
	text := func(server *pair) []byte { return append([]byte("subject=CN = server\n"), certText(server)...) }
	for _, form := range [][2][]byte{
		{text(ecServer), append(parameters, block...)},
		{append(text(ecServer), block...), nil},
		{append(text(ecServer), block...), append(text(ecServer), block...)},
		{text(rsaServer), pkcs1},
	} {
		if _, err := c.SetCustom(t.Context(), form[0], form[1], ""); err != nil {
			t.Errorf("%s%s: %v", form[0], form[1], err)
		}
	}
}

// What clients would not accept is refused, in words that say what to do, and
// changes nothing.
func TestCustomRefused(t *testing.T) {
	t.Parallel()
	root, issuer := corporate(t)
	good := sign(t, forServer("edge1"), nil, issuer)
	other := sign(t, forServer("edge1"), nil, issuer)
	key := keyText(t, good.key)
	with := func(change func(*x509.Certificate)) *pair {
		template := forServer("edge1")
		change(&template)
		return sign(t, template, good.key, issuer)
	}
	weakRSA := newRSA(t, 1024)
	weakEC := newEC(t, elliptic.P224())
	encrypted, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", []byte("0123456789"), []byte("pass"), x509.PEMCipherAES256) //nolint:staticcheck // what people have
	if err != nil {
		t.Fatal(err)
	}
	expiredIssuer := sign(t, x509.Certificate{Subject: named("old issuer"), IsCA: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: today.Add(-time.Minute)}, nil, root)
	for _, test := range []struct {
		field, want string
		cert, key   []byte
	}{
		{"key", "not the key of", certText(good, issuer), keyText(t, other.key)},
		{"certificate", "the key belongs to certificate 2", certText(issuer, good), key},
		{"certificate", "was not issued by", certText(good, root), key},
		{"certificate", "was not issued by", certText(good, issuer, other), key},
		{"certificate", "has expired", certText(with(func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Second) }), issuer), key},
		{"certificate", "certificate 2 (CN=old issuer) has expired", certText(sign(t, forServer("edge1"), good.key, expiredIssuer), expiredIssuer), key},
		{"certificate", "the clock of this machine says 2027-03-01T12:00:00Z", certText(with(func(c *x509.Certificate) { c.NotBefore = today.Add(time.Hour) })), key},
		{"certificate", "serverAuth", certText(with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })), key},
		{"certificate", "digitalSignature", certText(with(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })), key},
		{"certificate", "names no host", certText(with(func(c *x509.Certificate) { c.DNSNames = nil })), key},
		{"certificate", "RSA key of 1024 bits", certText(sign(t, forServer("edge1"), weakRSA, issuer)), keyText(t, weakRSA)},
		{"certificate", "ECDSA key of 224 bits", certText(sign(t, forServer("edge1"), weakEC, issuer)), keyText(t, weakEC)},
		{"certificate", "more than 10", certText(good, good, good, good, good, good, good, good, good, good, good), key},
		{"certificate", "more than the", make([]byte, 300<<10), key},
		{"certificate", "no PEM block", []byte("hello"), key},
		{"certificate", "no PEM block", nil, key},
		{"certificate", "no CERTIFICATE", key, key},
		{"certificate", "binary file", good.cert.Raw, key},
		{"certificate", "cut off", certText(good, issuer)[:1000], key},
		{"certificate", "cannot be read", []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), key},
		{"key", "openssl pkey", certText(good), pem.EncodeToMemory(encrypted)},
		{"key", "openssl pkey", certText(good), pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})},
		{"key", "no PRIVATE KEY", certText(good), certText(good)},
		{"key", "no PRIVATE KEY", certText(good), nil},
		{"key", "more than one", certText(good), append(slices.Clone(key), key...)},
		{"key", "damaged", certText(good), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("secret-bytes")})},
		{"key", "neither", certText(good), pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("secret-bytes")})},
		{"key", "binary file", certText(good), []byte{0x30, 0x82}},
		{"key", "more than the", certText(good), make([]byte, 20<<10)},
	} {
		s := newSite(t)
		c := s.open(t)
		_, err := c.SetCustom(t.Context(), test.cert, test.key, "")
		refusal := (*certs.Refusal)(nil)
		if !errors.As(err, &refusal) || !errors.Is(err, registry.ErrInvalid) || refusal.Field != test.field || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want %s ... %s: %v", test.field, test.want, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the key is in the error: %v", err)
		}
		if c.Status().Source != certs.Own || len(s.entries) > 0 {
			t.Errorf("%s: something was changed", test.want)
		}
	}
}
