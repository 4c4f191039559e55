package inventory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func certificate(t *testing.T, ends time.Time, authority bool) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: ends, IsCA: authority, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Certificates of a control plane are told with their ends, those in kubeconfigs too, and
// authorities and what is none are not.
func TestCertificates(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for path, content := range map[string][]byte{
		"pki/apiserver.crt":   certificate(t, day, false),
		"pki/ca.crt":          certificate(t, day, true),
		"pki/etcd/server.crt": certificate(t, day.AddDate(0, 1, 0), false),
		"pki/broken.crt":      []byte("no certificate"),
		"admin.conf":          fmt.Appendf(nil, "users:\n- user:\n    client-certificate-data: %s\n", base64.StdEncoding.EncodeToString(certificate(t, day.AddDate(1, 0, 0), false))),
		"other.conf":          []byte("users: []\n"),
	} {
		at := filepath.Join(root, "etc/kubernetes", path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range reader(root).certificates() {
		got = append(got, c.Name+" "+c.Ends.Format(time.DateOnly))
	}
	if want := "admin.conf 2028-01-01, apiserver 2027-01-01, etcd/server 2027-02-01"; strings.Join(got, ", ") != want {
		t.Errorf("%q", got)
	}
}
