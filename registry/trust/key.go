package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// The kinds of keys: ECDSA over P-256 with SHA-256, and Ed25519.
const (
	ECDSA   = "ecdsa-p256"
	Ed25519 = "ed25519"
)

// Key is a public key.
type Key struct {
	public crypto.PublicKey // *ecdsa.PublicKey over P-256, or ed25519.PublicKey
	der    []byte           // SubjectPublicKeyInfo
}

// maxPEM bounds a file with a key, in bytes.
const maxPEM = 64 << 10

// ParseKey reads a public key in PEM (RFC 7468, "PUBLIC KEY"). ErrInvalid when it
// is something else, or a kind of key that is not known here.
func ParseKey(content []byte) (Key, error) {
	block, err := onlyBlock(content)
	if err != nil {
		return Key{}, err
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return Key{}, fmt.Errorf("%w: a private key; the public one, NAME.pub, is wanted", registry.ErrInvalid)
	}
	if block.Type != "PUBLIC KEY" {
		return Key{}, fmt.Errorf("%w: PEM block %q; PUBLIC KEY is wanted", registry.ErrInvalid, block.Type)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("%w: public key: %w", registry.ErrInvalid, err)
	}
	return newKey(public)
}

// onlyBlock is the one PEM block of a file; text around it is refused, since
// somebody may think that it means something.
func onlyBlock(content []byte) (*pem.Block, error) {
	if len(content) > maxPEM {
		return nil, fmt.Errorf("%w: larger than %d bytes: not a key", registry.ErrInvalid, maxPEM)
	}
	for {
		block, rest := pem.Decode(content)
		switch {
		case block == nil:
			return nil, fmt.Errorf("%w: not a key in PEM", registry.ErrInvalid)
		case block.Type == "EC PARAMETERS": // openssl ecparam writes it before the key
			content = rest
		case strings.TrimSpace(string(rest)) != "":
			return nil, fmt.Errorf("%w: more than one PEM block", registry.ErrInvalid)
		default:
			return block, nil
		}
	}
}

func newKey(public crypto.PublicKey) (Key, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("%w: an ECDSA key over %s; P-256 is wanted", registry.ErrInvalid, k.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		return Key{}, fmt.Errorf("%w: a key of type %T; ECDSA over P-256 or Ed25519 is wanted", registry.ErrInvalid, public)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("%w: public key: %w", registry.ErrInvalid, err)
	}
	return Key{public, der}, nil
}

// ID names the key: the first 32 hexadecimal digits of the SHA-256 of its
// SubjectPublicKeyInfo (RFC 5280, 4.1) in DER.
func (k Key) ID() string {
	sum := sha256.Sum256(k.der)
	return hex.EncodeToString(sum[:16])
}

// Kind is ECDSA or Ed25519.
func (k Key) Kind() string {
	if _, ok := k.public.(ed25519.PublicKey); ok {
		return Ed25519
	}
	return ECDSA
}

// Public is the key as package crypto knows it.
func (k Key) Public() crypto.PublicKey { return k.public }

// PEM is the key as ParseKey reads it.
func (k Key) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der})
}

// PrivateKey signs. Whoever has one can make what the key's owner vouches for.
type PrivateKey struct {
	Key
	signer crypto.Signer
}

// Generate makes a new key of a kind.
func Generate(kind string) (*PrivateKey, error) {
	var signer crypto.Signer
	var err error
	switch kind {
	case ECDSA:
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case Ed25519:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("%w: key type %q (%s, %s)", registry.ErrInvalid, kind, ECDSA, Ed25519)
	}
	if err != nil {
		return nil, err
	}
	return newPrivate(signer)
}

func newPrivate(signer crypto.Signer) (*PrivateKey, error) {
	k, err := newKey(signer.Public())
	if err != nil {
		return nil, err
	}
	return &PrivateKey{k, signer}, nil
}

// PEM is the private key as ParsePrivateKey reads it: PKCS #8 (RFC 5958),
// not encrypted.
func (k *PrivateKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParsePrivateKey reads a private key in PEM, PKCS #8 or SEC 1.
func ParsePrivateKey(content []byte) (*PrivateKey, error) {
	block, err := onlyBlock(content)
	if err != nil {
		return nil, err
	}
	var parsed any
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		err = errors.New("a public key; the private one, NAME.key, is wanted")
	default:
		if strings.Contains(block.Type, "ENCRYPTED") {
			err = errors.New("the private key is encrypted; write it out decrypted ('openssl pkey -in KEY')")
			break
		}
		err = fmt.Errorf("PEM block %q; PRIVATE KEY is wanted", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a key of type %T cannot sign", registry.ErrInvalid, parsed)
	}
	return newPrivate(signer)
}
