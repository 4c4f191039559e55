package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// authorityLife is how long the authority is valid.
const authorityLife = 10 * 365 * 24 * time.Hour

// certainly is a time that has passed for certain: a clock that says an earlier
// one is wrong.
var certainly = released()

// released is when this program was built, as far as that is known.
func released() time.Time {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return at
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if t, err := time.Parse(time.RFC3339, s.Value); err == nil && t.After(at) {
			return t
		}
	}
	return at
}

// authority is what hosts of the site trust.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// openAuthority reads the authority, and makes it where there is none. A key
// without a certificate gets one: either nobody has seen the authority yet, or
// hosts that trust its lost certificate go on to trust it, since name and key are
// the same.
func openAuthority(dir string, now time.Time, log *slog.Logger) (*authority, error) {
	keyPath, certPath := filepath.Join(dir, authorityKeyFile), filepath.Join(dir, authorityFile)
	keyText, err := readAny(keyPath)
	if err != nil {
		return nil, err
	}
	certText, err := readAny(certPath)
	if err != nil {
		return nil, err
	}
	if keyText == nil && certText != nil {
		return nil, damaged(keyPath, "is not there, but "+authorityFile+" is")
	}
	if keyText == nil {
		if keyText, err = makeKey(keyPath); err != nil {
			return nil, err
		}
	}
	a := &authority{}
	if a.key, err = parseAuthorityKey(keyText); err != nil {
		return nil, damaged(keyPath, err.Error())
	}
	if info, err := os.Stat(keyPath); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others can read the private key of the site's authority; take that away with chmod 600", "file", keyPath)
	}
	if certText == nil {
		if certText, err = a.certify(certPath, now); err != nil {
			return nil, err
		}
		log.Info("made the certificate of the site's authority", "file", certPath)
	}
	if a.cert, err = parseAuthority(certText, a.key); err != nil {
		return nil, damaged(certPath, err.Error())
	}
	return a, nil
}

// readAny reads a file; nil when there is none.
func readAny(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the site's certificates: %w", err)
	}
	return append([]byte{}, content...), nil // an empty file is not none
}

// damaged says that the authority cannot be used, and what to do.
func damaged(path, why string) error {
	return fmt.Errorf("%w: %s %s; bring %s and %s back from a backup. If there is none, remove both: the next start makes a new authority, "+
		"and every host must be told to trust it", registry.ErrInvalid, path, why, authorityKeyFile, authorityFile)
}

func makeKey(path string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return text, durable.WriteFile(path, text, 0o600)
}

// parseAuthorityKey reads the authority's key. Its errors go on after the file's name.
func parseAuthorityKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("does not hold one PEM block PRIVATE KEY")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds a damaged key")
	}
	if k, ok := key.(*ecdsa.PrivateKey); ok && k.Curve == elliptic.P256() {
		return k, nil
	}
	return nil, errors.New("holds another kind of key than ECDSA P-256")
}

// certify makes the authority's certificate.
func (a *authority) certify(path string, now time.Time) ([]byte, error) {
	if now.Before(certainly) {
		now = certainly
	}
	id, err := a.id()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Landfall site " + shortID(id)},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          id,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return text, durable.WriteFile(path, text, 0o644)
}

// id is the identifier of the authority's key. Name and key identifier of its
// certificate follow from it, and so are always the same.
func (a *authority) id() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(a.key.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return sum[:20], nil
}

func shortID(id []byte) string { return hex.EncodeToString(id[:4]) }

// parseAuthority reads the authority's certificate. Its errors go on after the file's name.
func parseAuthority(text []byte, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("does not hold one PEM block CERTIFICATE")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return nil, fmt.Errorf("is damaged (%w)", err)
	case !key.PublicKey.Equal(cert.PublicKey):
		return nil, errors.New("is not the certificate of " + authorityKeyFile)
	case cert.CheckSignatureFrom(cert) != nil:
		return nil, errors.New("is damaged, or not an authority's certificate")
	}
	return cert, nil
}

func encodeCertificates(certs ...*x509.Certificate) (text []byte) {
	for _, cert := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return text
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
