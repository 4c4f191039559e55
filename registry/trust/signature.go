package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Signature is one key's signature of some bytes, in two forms that other tools
// verify.
type Signature struct {
	KeyID string
	// Bundle is a Sigstore bundle of version 0.3 with a message signature and a
	// public key's hint: what `cosign verify-blob --key` takes.
	Bundle []byte
	// Raw is the signature alone: ECDSA over SHA-256 in ASN.1 DER, which `openssl
	// dgst -sha256` verifies, or Ed25519 (RFC 8032, 5.1.6, without a prehash),
	// which `openssl pkeyutl -rawin` verifies.
	Raw []byte
}

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// maxSignature bounds an encoded signature, in bytes.
const maxSignature = 8 << 10

// The parts of a Sigstore bundle that are used here. Members that other tools
// add are not: what vouches for a key here is the trust policy.
type (
	sigstoreBundle struct {
		MediaType            string               `json:"mediaType"`
		VerificationMaterial verificationMaterial `json:"verificationMaterial"`
		MessageSignature     messageSignature     `json:"messageSignature"`
	}
	verificationMaterial struct {
		PublicKey publicKeyHint `json:"publicKey"`
	}
	publicKeyHint struct {
		Hint string `json:"hint"`
	}
	messageSignature struct {
		MessageDigest messageDigest `json:"messageDigest"`
		Signature     []byte        `json:"signature"`
	}
	messageDigest struct {
		Algorithm string `json:"algorithm"`
		Digest    []byte `json:"digest"`
	}
)

// Sign signs payload.
func (k *PrivateKey) Sign(payload []byte) (Signature, error) {
	sum := sha256.Sum256(payload)
	signed, options := sum[:], crypto.SignerOpts(crypto.SHA256)
	if k.Kind() == Ed25519 {
		signed, options = payload, crypto.Hash(0)
	}
	raw, err := k.signer.Sign(rand.Reader, signed, options)
	if err != nil {
		return Signature{}, fmt.Errorf("sign with key %s: %w", k.ID(), err)
	}
	bundle, err := json.Marshal(sigstoreBundle{bundleType, verificationMaterial{publicKeyHint{k.ID()}}, messageSignature{messageDigest{digestName, sum[:]}, raw}})
	return Signature{k.ID(), bundle, raw}, err
}

// digestName is SHA-256 in Sigstore bundles.
const digestName = "SHA2_256"

// parseSignature reads a Sigstore bundle of the form that Sign writes.
func parseSignature(content []byte) (*sigstoreBundle, error) {
	if len(content) > maxSignature {
		return nil, fmt.Errorf("%w: a signature of more than %d bytes", registry.ErrInvalid, maxSignature)
	}
	var b sigstoreBundle
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("%w: signature: %w", registry.ErrInvalid, err)
	}
	if again, err := json.Marshal(b); err != nil || !bytes.Equal(again, content) {
		return nil, fmt.Errorf("%w: the signature is not in its canonical form", registry.ErrInvalid)
	}
	if b.MediaType != bundleType {
		return nil, fmt.Errorf("%w: a signature of type %.80q, want %s", registry.ErrInvalid, b.MediaType, bundleType)
	}
	return &b, nil
}

// FileSignature is what of a Sigstore bundle with the signature of a file counts.
// Nothing of it is proven.
type FileSignature struct {
	MediaType string
	KeyID     string // whose it says it is; other tools write other texts, or none
	SHA256    []byte // of the file, when it says it
	Raw       []byte
}

// ParseFileSignature reads a Sigstore bundle as tools write them, of any version.
func ParseFileSignature(content []byte) (*FileSignature, error) {
	var b sigstoreBundle
	if len(content) > maxSignature {
		return nil, fmt.Errorf("%w: a signature of more than %d bytes", registry.ErrInvalid, maxSignature)
	}
	if err := json.Unmarshal(content, &b); err != nil {
		return nil, fmt.Errorf("%w: signature: %w", registry.ErrInvalid, err)
	}
	f := &FileSignature{MediaType: b.MediaType, KeyID: b.VerificationMaterial.PublicKey.Hint, Raw: b.MessageSignature.Signature}
	switch {
	case !strings.HasPrefix(b.MediaType, "application/vnd.dev.sigstore.bundle"):
		return nil, fmt.Errorf("%w: not a Sigstore bundle, but of type %.80q", registry.ErrInvalid, b.MediaType)
	case !IsRawSignature(f.Raw):
		return nil, fmt.Errorf("%w: a Sigstore bundle without the signature of a file by a key", registry.ErrInvalid)
	}
	if d := b.MessageSignature.MessageDigest; d.Algorithm == digestName {
		f.SHA256 = d.Digest
	}
	return f, nil
}

// IsRawSignature reports whether bytes have the form of Signature.Raw: of ECDSA, or of
// Ed25519.
func IsRawSignature(b []byte) bool {
	return len(b) == ed25519.SignatureSize || len(b) > 2 && len(b) < 130 && b[0] == 0x30 && int(b[1]) == len(b)-2
}

// errSignature says that a signature is not one of these bytes by this key.
var errSignature = errors.New("the signature is not one of this content")

// Verify proves that a signature is this key's of payload, in both forms.
func (k Key) Verify(payload []byte, s Signature) error {
	b, err := parseSignature(s.Bundle)
	if err != nil {
		return err
	}
	if s.KeyID != k.ID() || b.VerificationMaterial.PublicKey.Hint != k.ID() {
		return fmt.Errorf("it says key %.40q: %w", b.VerificationMaterial.PublicKey.Hint, errSignature)
	}
	m, sum := b.MessageSignature, sha256.Sum256(payload)
	if m.MessageDigest.Algorithm != digestName || !bytes.Equal(m.MessageDigest.Digest, sum[:]) || !bytes.Equal(m.Signature, s.Raw) || !k.signed(payload, s.Raw) {
		return errSignature
	}
	return nil
}

// signed reports whether a signature is this key's of payload.
func (k Key) signed(payload, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(payload)
		return ecdsa.VerifyASN1(public, sum[:], signature)
	case ed25519.PublicKey:
		return ed25519.Verify(public, payload, signature)
	}
	return false
}
