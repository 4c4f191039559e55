package pki_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A host whose clock is ten months behind takes the authorities, and those that were
// made for one cluster are nobody else's.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	k, err := pki.New(now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.New(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []pki.Pair{k.Cluster, k.Etcd, k.FrontProxy} {
		c := parse(t, p.Certificate)
		roots := x509.NewCertPool()
		roots.AddCert(c)
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now.Add(-300 * 24 * time.Hour)}); err != nil {
			t.Error(err)
		}
	}
	first, _ := k.Hash()
	second, _ := other.Hash()
	if first == second || !strings.HasPrefix(first, "sha256:") || len(first) != 71 {
		t.Errorf("hashes %s and %s", first, second)
	}
	if k.Token == other.Token || len(k.Token) < 32 {
		t.Errorf("tokens %s and %s", k.Token, other.Token)
	}
}

// What kubeadm finds is complete, and what is secret can be read by root only.
func TestFiles(t *testing.T) {
	t.Parallel()
	k, err := pki.New(now)
	if err != nil {
		t.Fatal(err)
	}
	files, err := k.Files()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, strings.TrimPrefix(f.Path, "/etc/kubernetes/pki/"))
		if secret := strings.HasSuffix(f.Path, ".key"); secret != (f.Mode == 0o600) || len(f.Content) == 0 {
			t.Errorf("%s has mode %o and %d bytes", f.Path, f.Mode, len(f.Content))
		}
	}
	want := []string{"ca.crt", "ca.key", "etcd/ca.crt", "etcd/ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub"}
	if !slices.Equal(paths, want) {
		t.Errorf("files %v", paths)
	}
}

// A kubeconfig carries a certificate of the cluster's authority for that user and group.
func TestKubeconfig(t *testing.T) {
	t.Parallel()
	k, err := pki.New(now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Kubeconfig("shop", "10.0.0.1:6443", "landfall", pki.Administrators, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User map[string]string `json:"user"`
		} `json:"users"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if s := config.Clusters[0].Cluster.Server; s != "https://10.0.0.1:6443" {
		t.Errorf("server %s", s)
	}
	raw, err := base64.StdEncoding.DecodeString(config.Users[0].User["client-certificate-data"])
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, raw)
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, k.Cluster.Certificate))
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: usage}); err != nil {
		t.Error(err)
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now.Add(2 * time.Hour), KeyUsages: usage}); err == nil {
		t.Error("it is still valid after its time")
	}
	if c.Subject.CommonName != "landfall" || !slices.Equal(c.Subject.Organization, []string{"system:masters"}) {
		t.Errorf("subject %s", c.Subject)
	}
}
