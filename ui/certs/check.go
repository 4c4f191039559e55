package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Bounds of what people may set: in bytes of each text, and in certificates.
const (
	maxCertText = 256 << 10
	maxKeyText  = 16 << 10
	maxChain    = 10
)

// Bounds of RSA keys in bits: the least that is safe, the most that clients take.
const (
	minRSA = 2048
	maxRSA = 8192
)

// Refusal says why a certificate cannot be set. It is a registry.ErrInvalid.
type Refusal struct {
	Field  string // certificate or key
	Reason string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%v: %s: %s", registry.ErrInvalid, r.Field, r.Reason)
}

// Unwrap makes a Refusal a registry.ErrInvalid.
func (r *Refusal) Unwrap() error { return registry.ErrInvalid }

func refuse(field, format string, args ...any) error {
	return &Refusal{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// parseCustom reads a chain and its key, and proves that they belong together.
func parseCustom(certText, keyText []byte) (*custom, error) {
	blocks, err := pemBlocks("certificate", certText, maxCertText)
	if err != nil {
		return nil, err
	}
	chain, err := parseChain(blocks)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(keyText)) > 0 {
		if blocks, err = pemBlocks("key", keyText, maxKeyText); err != nil {
			return nil, err
		}
	}
	key, err := parseKey(blocks)
	if err != nil {
		return nil, err
	}
	match := func(cert *x509.Certificate) bool {
		public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		return ok && public.Equal(key.Public())
	}
	if !match(chain[0]) {
		if i := slices.IndexFunc(chain, match); i > 0 {
			return nil, refuse("certificate", "the key belongs to certificate %d (%s); the server's certificate comes first, then its issuer, and so on", i+1, title(chain[i]))
		}
		return nil, refuse("key", "it is not the key of the certificate (%s)", title(chain[0]))
	}
	return newCustom(chain, key), nil
}

// pemBlocks are all PEM blocks of a text.
func pemBlocks(field string, text []byte, limit int) (list []*pem.Block, err error) {
	if len(text) > limit {
		return nil, refuse(field, "%d bytes are more than the %d that are taken", len(text), limit)
	}
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		list = append(list, block)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, refuse(field, "the PEM block after the first %d is damaged or cut off", len(list))
	case len(list) == 0 && len(text) > 0 && text[0] == 0x30: // an ASN.1 sequence
		return nil, refuse(field, "this is a binary file (DER or PKCS #12); PEM text is wanted, like that of openssl x509, openssl pkey or openssl pkcs12 -nodes")
	case len(list) == 0:
		return nil, refuse(field, "there is no PEM block (-----BEGIN ...) in it")
	}
	return list, nil
}

// parseChain reads the certificates among blocks.
func parseChain(blocks []*pem.Block) (chain []*x509.Certificate, err error) {
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if len(chain) == maxChain {
			return nil, refuse("certificate", "a chain of more than %d certificates", maxChain)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refuse("certificate", "certificate %d cannot be read: %v", len(chain)+1, err)
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, refuse("certificate", "there is no CERTIFICATE in it, but %s", blocks[0].Type)
	}
	return chain, nil
}

// parseKey reads the one private key among blocks. Its errors hold nothing of it.
func parseKey(blocks []*pem.Block) (key crypto.Signer, err error) {
	for _, block := range blocks {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if key != nil {
			return nil, refuse("key", "there is more than one private key in it")
		}
		if key, err = parsePrivateKey(block); err != nil {
			return nil, err
		}
	}
	if key == nil {
		return nil, refuse("key", "there is no PRIVATE KEY in it")
	}
	return key, nil
}

func parsePrivateKey(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, refuse("key", "it is encrypted with a passphrase, which nobody could enter when the appliance starts; set it without: openssl pkey -in KEY -out PLAIN")
	}
	if len(block.Bytes) > maxKeyText {
		return nil, refuse("key", "%d bytes are more than the %d that are taken", len(block.Bytes), maxKeyText)
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, refuse("key", "it is damaged, or of a kind that is not known here")
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, refuse("key", "it is neither an RSA nor an ECDSA nor an Ed25519 key")
}

// check refuses what clients would not accept now.
func (k *custom) check(now time.Time) error {
	chain, err := k.chain()
	if err != nil {
		return err
	}
	for i, cert := range chain {
		if err := checkStrength(i, cert); err != nil {
			return err
		}
		if now.After(cert.NotAfter) {
			return refuse("certificate", "certificate %d (%s) has expired on %s; the clock of this machine says %s", i+1, title(cert), stamp(cert.NotAfter), stamp(now))
		}
		if now.Before(cert.NotBefore) {
			return refuse("certificate", "certificate %d (%s) is valid from %s only; the clock of this machine says %s", i+1, title(cert), stamp(cert.NotBefore), stamp(now))
		}
		if i > 0 && chain[i-1].CheckSignatureFrom(cert) != nil {
			return refuse("certificate", "certificate %d (%s) was not issued by certificate %d (%s); the server's certificate comes first, then its issuer, and so on",
				i, title(chain[i-1]), i+1, title(cert))
		}
	}
	return checkUse(chain[0])
}

// checkStrength refuses weak keys and signatures. That of a root is not looked at
// by anybody.
func checkStrength(i int, cert *x509.Certificate) error {
	switch public := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSA || bits > maxRSA {
			return refuse("certificate", "certificate %d (%s) has an RSA key of %d bits; %d to %d are taken", i+1, title(cert), bits, minRSA, maxRSA)
		}
	case *ecdsa.PublicKey:
		if bits := public.Params().BitSize; bits < 256 {
			return refuse("certificate", "certificate %d (%s) has an ECDSA key of %d bits; at least 256 are needed", i+1, title(cert), bits)
		}
	case ed25519.PublicKey:
	default:
		return refuse("certificate", "certificate %d (%s) has a key that is neither RSA nor ECDSA nor Ed25519", i+1, title(cert))
	}
	root := i > 0 && bytes.Equal(cert.RawSubject, cert.RawIssuer)
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		if !root {
			return refuse("certificate", "certificate %d (%s) is signed with %s, which clients refuse", i+1, title(cert), cert.SignatureAlgorithm)
		}
	}
	return nil
}

// checkUse refuses certificates that are not for servers.
func checkUse(cert *x509.Certificate) error {
	forServers := len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 ||
		slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
	switch {
	case !forServers:
		return refuse("certificate", "%s is not for TLS servers (extended key usage serverAuth is missing)", title(cert))
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse("certificate", "%s may not sign handshakes (key usage digitalSignature is missing)", title(cert))
	case len(cert.DNSNames)+len(cert.IPAddresses) == 0:
		return refuse("certificate", "%s names no host as subject alternative name, and clients look at nothing else", title(cert))
	}
	return nil
}

func title(cert *x509.Certificate) string { return cert.Subject.String() }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
