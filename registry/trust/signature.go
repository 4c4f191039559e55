package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/registry"
)

// Signature is one key's signature of some bytes, in two forms that other tools
// verify.
type Signature struct {
	KeyID string
	// Bundle is a Sigstore bundle of version 0.3 with a message signature and a
	// public key's hint: what `cosign verify-blob --key` takes. The signature is
	// ECDSA over SHA-256 in ASN.1 DER, or Ed25519ph (RFC 8032, 5.1).
	Bundle []byte
	// Raw is the signature alone: the same for ECDSA, what `openssl dgst -sha256`
	// verifies; for Ed25519 that of RFC 8032 without a prehash, what `openssl
	// pkeyutl -rawin` verifies.
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
	signed, digest := k.digest(payload)
	signature, err := k.signer.Sign(rand.Reader, signed, k.options())
	if err != nil {
		return Signature{}, fmt.Errorf("sign with key %s: %w", k.ID(), err)
	}
	s := Signature{KeyID: k.ID(), Raw: signature}
	if k.Kind() == Ed25519 {
		if s.Raw, err = k.signer.Sign(rand.Reader, payload, crypto.Hash(0)); err != nil {
			return Signature{}, fmt.Errorf("sign with key %s: %w", k.ID(), err)
		}
	}
	s.Bundle, err = json.Marshal(sigstoreBundle{bundleType, verificationMaterial{publicKeyHint{k.ID()}}, messageSignature{digest, signature}})
	return s, err
}

// digest is what is signed of a payload, and how a bundle states it.
func (k Key) digest(payload []byte) (signed []byte, stated messageDigest) {
	if k.Kind() == Ed25519 {
		sum := sha512.Sum512(payload)
		return sum[:], messageDigest{"SHA2_512", sum[:]}
	}
	sum := sha256.Sum256(payload)
	return sum[:], messageDigest{"SHA2_256", sum[:]}
}

func (k Key) options() crypto.SignerOpts {
	if k.Kind() == Ed25519 {
		return &ed25519.Options{Hash: crypto.SHA512}
	}
	return crypto.SHA256
}

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
	signed, stated := k.digest(payload)
	if have := b.MessageSignature.MessageDigest; have.Algorithm != stated.Algorithm || !bytes.Equal(have.Digest, stated.Digest) {
		return errSignature
	}
	if !k.valid(payload, signed, b.MessageSignature.Signature, s.Raw) {
		return errSignature
	}
	return nil
}

// valid checks both forms; for ECDSA they are the same.
func (k Key) valid(payload, signed, prehashed, raw []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		return bytes.Equal(prehashed, raw) && ecdsa.VerifyASN1(public, signed, raw)
	case ed25519.PublicKey:
		return ed25519.VerifyWithOptions(public, signed, prehashed, &ed25519.Options{Hash: crypto.SHA512}) == nil && ed25519.Verify(public, payload, raw)
	}
	return false
}
