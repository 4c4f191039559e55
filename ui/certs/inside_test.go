package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a machine is called, from its own files.
func TestHostNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, hosts, resolv, want string }{
		{"edge1", "", "", "edge1 edge1 edge1.local"},
		{"Edge1", "127.0.1.1 edge1.Site.example edge1 # edge1.no.example\n::1 localhost\n", "", "edge1 edge1 edge1.site.example edge1.local"},
		{"edge1", "", "nameserver 10.0.0.1\nsearch a.example b.example\n", "edge1 edge1 edge1.a.example edge1.local"},
		{"edge1.site.example", "", "search other.example", "edge1.site.example edge1 edge1.local"},
		{"edge1", "edge1.x", "search\ndomain .", "edge1 edge1 edge1.local"},
		{"(none)", "", "", ""},
		{"", "", "search a.example", ""},
		{"ed ge", "1.2.3.4 a\x00b", "search a_b", ""},
	} {
		if got := strings.Join(hostNames(test.name, []byte(test.hosts), []byte(test.resolv)), " "); got != test.want {
			t.Errorf("%q: %s; want %s", test.name, got, test.want)
		}
	}
}

// Whatever the files of the system say, a certificate can be made.
func FuzzHostNames(f *testing.F) {
	f.Add("edge1", "127.0.1.1 edge1.site.example edge1\n", "search a.example\n")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	a := &authority{key: key, cert: &x509.Certificate{SubjectKeyId: make([]byte, 20)}}
	f.Fuzz(func(t *testing.T, name, hosts, resolv string) {
		names := namesOf(Host{Names: hostNames(name, []byte(hosts), []byte(resolv))}, nil)
		l, err := a.issue(names, time.Now())
		if err != nil {
			t.Fatalf("%s: %v", names, err)
		}
		for _, n := range names.names {
			if err := l.cert.Leaf.VerifyHostname(n); err != nil {
				t.Error(err)
			}
		}
	})
}

// seed is a self-signed certificate with its key.
func seed(t testing.TB) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"edge1"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// What is taken can be served, and is the same after it was stored; what is
// refused names a field.
func FuzzCustom(f *testing.F) {
	cert, key := seed(f)
	f.Add(cert, key)
	f.Add(slices.Concat(cert, key), []byte{})
	f.Add(slices.Concat(cert, cert), key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certText, keyText []byte) {
		k, err := parseCustom(certText, keyText)
		if err != nil {
			if r, ok := err.(*Refusal); !ok || r.Field == "" || r.Reason == "" {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		_ = k.check(time.Now())
		k.warnings(time.Now(), namesOf(Host{Names: []string{"edge1"}}, []string{"*.x.example", "10.0.0.1"}))
		text, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tls.X509KeyPair(text, text); err != nil {
			t.Fatal(err)
		}
		if len(text) > maxCertText {
			return
		}
		if again, err := parseCustom(text, nil); err != nil || again.version != k.version {
			t.Fatal(again, err)
		}
	})
}

// No file in place of the authority's is a crash.
func FuzzAuthority(f *testing.F) {
	cert, key := seed(f)
	f.Add(key, cert)
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, keyText, certText []byte) {
		if parsed, err := parseAuthorityKey(keyText); err == nil {
			_, _ = parseAuthority(certText, parsed)
		}
		if _, err := parseAuthority(certText, k); err == nil {
			t.Error("a certificate of a key that nobody else has")
		}
	})
}
