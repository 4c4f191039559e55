// Package pki makes what a cluster's trust begins with: the authorities of its API
// server, of etcd and of aggregated APIs, and the key that signs service accounts. The
// appliance makes them once and keeps them sealed, so that hosts need not be asked for
// secrets: a control plane gets them as files, who joins gets the authority's hash, and
// a cluster can be brought back on other hosts. Everything else that Kubernetes needs is
// made by its own tools from these. It stores nothing.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const (
	year = 365 * 24 * time.Hour
	// life is for how long authorities are valid. Beginning before they were made, they
	// are valid on hosts whose clocks are behind.
	life   = 10 * year
	before = year
	serial = 127 // bits
)

// Pair is an authority: its certificate and its key, PEM.
type Pair struct {
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key"`
}

// Keys are those of a cluster. They are secret.
type Keys struct {
	Cluster    Pair   `json:"cluster"`
	Etcd       Pair   `json:"etcd"`
	FrontProxy Pair   `json:"frontProxy"`
	Accounts   []byte `json:"accounts"` // the key that signs service accounts, PEM
	Token      string `json:"token"`    // with which hosts join, where the distribution has one for all
}

// New makes the keys of a cluster.
func New(now time.Time) (*Keys, error) {
	k := &Keys{}
	for _, one := range []struct {
		to   *Pair
		name string
	}{{&k.Cluster, "kubernetes"}, {&k.Etcd, "etcd-ca"}, {&k.FrontProxy, "front-proxy-ca"}} {
		pair, err := authority(one.name, now)
		if err != nil {
			return nil, err
		}
		*one.to = pair
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if k.Accounts, err = encodeKey(key); err != nil {
		return nil, err
	}
	var token [32]byte
	_, _ = rand.Read(token[:]) // never fails
	k.Token = hex.EncodeToString(token[:])
	return k, nil
}

func authority(name string, now time.Time) (p Pair, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return p, err
	}
	template, err := certificate(pkix.Name{CommonName: name}, now, life)
	if err != nil {
		return p, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign
	template.DNSNames = []string{name}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return p, err
	}
	p.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.Key, err = encodeKey(key)
	return p, err
}

func certificate(subject pkix.Name, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serial))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{SerialNumber: number.Add(number, big.NewInt(1)), Subject: subject, NotBefore: now.Add(-before), NotAfter: now.Add(valid)}, nil
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// open reads the authority.
func (p Pair) open() (*x509.Certificate, crypto.Signer, error) {
	c, err := p.certificate()
	if err != nil {
		return nil, nil, err
	}
	key, err := parseKey(p.Key)
	return c, key, err
}

func (p Pair) certificate() (*x509.Certificate, error) {
	block, _ := pem.Decode(p.Certificate)
	if block == nil {
		return nil, fmt.Errorf("%w: a cluster's authority has no certificate", registry.ErrInvalid)
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: a cluster's authority has no key", registry.ErrInvalid)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a cluster's key cannot sign", registry.ErrInvalid)
	}
	return signer, nil
}

// Hash is the SHA-256 of the public key of the cluster's authority, as kubeadm's
// discovery wants it: "sha256:" and hexadecimal digits.
func (k *Keys) Hash() (string, error) {
	c, err := k.Cluster.certificate()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// K3sFiles are the keys as k3s finds them on a server. There the authority of servers is
// that of clients, too, as kubeadm has it.
// https://docs.k3s.io/cli/certificate#using-custom-ca-certificates
func (k *Keys) K3sFiles() (files []host.File) {
	const folder = "/var/lib/rancher/k3s/server/tls/"
	for _, one := range []struct {
		name string
		pair Pair
	}{{"server-ca", k.Cluster}, {"client-ca", k.Cluster}, {"request-header-ca", k.FrontProxy}, {"etcd/server-ca", k.Etcd}, {"etcd/peer-ca", k.Etcd}} {
		files = append(files, host.File{Path: folder + one.name + ".crt", Mode: 0o644, Content: one.pair.Certificate},
			host.File{Path: folder + one.name + ".key", Mode: 0o600, Content: one.pair.Key})
	}
	return append(files, host.File{Path: folder + "service.key", Mode: 0o600, Content: k.Accounts})
}

// folder is where kubeadm looks for what it need not make itself.
const folder = "/etc/kubernetes/pki/"

// Files are the keys as kubeadm finds them on a control plane.
func (k *Keys) Files() ([]host.File, error) {
	accounts, err := parseKey(k.Accounts)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(accounts.Public())
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	const open, secret = 0o644, 0o600
	return []host.File{
		{Path: folder + "ca.crt", Mode: open, Content: k.Cluster.Certificate},
		{Path: folder + "ca.key", Mode: secret, Content: k.Cluster.Key},
		{Path: folder + "etcd/ca.crt", Mode: open, Content: k.Etcd.Certificate},
		{Path: folder + "etcd/ca.key", Mode: secret, Content: k.Etcd.Key},
		{Path: folder + "front-proxy-ca.crt", Mode: open, Content: k.FrontProxy.Certificate},
		{Path: folder + "front-proxy-ca.key", Mode: secret, Content: k.FrontProxy.Key},
		{Path: folder + "sa.key", Mode: secret, Content: k.Accounts},
		{Path: folder + "sa.pub", Mode: open, Content: public},
	}, nil
}
