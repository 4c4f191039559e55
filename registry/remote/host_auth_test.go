package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// A token from a file or a variable is shown as it is, to no token server.
func TestTokenOfAHost(t *testing.T) {
	t.Setenv("TEST_TOKEN", "tok")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("tok\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, inner := filled(t, "")
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer tok" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, req)
	}))
	for name, c := range map[string]Credentials{"file": {TokenFile: file}, "variable": {TokenEnv: "TEST_TOKEN"}} {
		if _, err := special(t, Host{Endpoints: []string{server}, Credentials: c}).Resolve(t.Context(), v1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := special(t, Host{Endpoints: []string{server}, Credentials: Credentials{TokenEnv: "TEST_MISSING"}}).Resolve(t.Context(), v1); !errors.Is(err, registry.ErrDenied) {
		t.Error(err)
	}
}

// A host that wants a certificate is shown it, under the authority that is trusted.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	_, inner := filled(t, "")
	s := httptest.NewUnstartedServer(inner)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	h := Host{Endpoints: []string{s.URL}, CAFile: write("ca.pem", "CERTIFICATE", s.Certificate().Raw)}
	if _, err := special(t, h).Resolve(t.Context(), v1); !errors.Is(err, registry.ErrUnreachable) {
		t.Errorf("without a certificate: %v", err)
	}
	h.CertFile, h.KeyFile = write("cert.pem", "CERTIFICATE", certificate), write("key.pem", "PRIVATE KEY", private)
	if _, err := special(t, h).Resolve(t.Context(), v1); err != nil {
		t.Error(err)
	}
}
