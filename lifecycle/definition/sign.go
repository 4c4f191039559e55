package definition

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

const (
	// maxSignatures bounds how many keys can sign a document.
	maxSignatures = 16
	// maxSignature bounds one signature, in bytes.
	maxSignature = 8 << 10
)

// Sign signs a document. What is signed is its bytes, so that other tools can
// verify it: cosign verify-blob --key KEY.pub --bundle FILE.sig FILE.
func Sign(document []byte, key *trust.PrivateKey) (trust.Signature, error) { return key.Sign(document) }

// Verify proves that all signatures are of this document, as far as they themselves
// and keys tell, and that each of the keys has signed it. It returns the ids of the
// keys, of those given, that did. ErrUntrusted says whose signature is missing, or
// not of this document.
func Verify(document []byte, sigs []trust.Signature, keys []trust.Key) (signers []string, err error) {
	for _, s := range sigs {
		if err := fits(document, s, keys); err != nil {
			return nil, err
		}
	}
	for _, k := range keys {
		if !slices.ContainsFunc(sigs, func(s trust.Signature) bool { return s.KeyID == k.ID() }) {
			return nil, fmt.Errorf("%w: key %s has not signed it: %s", registry.ErrUntrusted, k.ID(), haveSigned(sigs))
		}
		if !slices.Contains(signers, k.ID()) {
			signers = append(signers, k.ID())
		}
	}
	return signers, nil
}

func haveSigned(sigs []trust.Signature) string {
	if len(sigs) == 0 {
		return "nobody has: sign it, or get the one that is"
	}
	var ids []string
	for _, s := range sigs {
		ids = append(ids, s.KeyID)
	}
	return strings.Join(ids, ", ") + " did"
}

// fits tells a signature of something else: by its key when that is known, else by
// what it says itself.
func fits(document []byte, s trust.Signature, keys []trust.Key) error {
	changed := fmt.Errorf("%w: it was changed after key %s signed it: build it again, or get it from its author", registry.ErrUntrusted, s.KeyID)
	sum := sha256.Sum256(document)
	f, err := trust.ParseFileSignature(s.Bundle)
	if err != nil {
		return err
	}
	if f.SHA256 != nil && !bytes.Equal(f.SHA256, sum[:]) {
		return changed
	}
	for _, k := range keys {
		if k.ID() == s.KeyID && k.Verify(document, s) != nil {
			return fmt.Errorf("%w: it says that key %s signed it, and that is not so: get it from its author", registry.ErrUntrusted, s.KeyID)
		}
	}
	return nil
}

// signatureOf reads one Sigstore bundle of the form that is written here.
func signatureOf(content []byte) (trust.Signature, error) {
	f, err := trust.ParseFileSignature(content)
	if err != nil {
		return trust.Signature{}, err
	}
	if f.MediaType != trust.BundleArtifact || f.KeyID == "" {
		return trust.Signature{}, fmt.Errorf("%w: not a Sigstore bundle (%s) with the signature of a file by a key", registry.ErrInvalid, trust.BundleArtifact)
	}
	return trust.Signature{KeyID: f.KeyID, Bundle: content, Raw: f.Raw}, nil
}

// MarshalSignatures is a file of signatures, a Sigstore bundle in each line.
func MarshalSignatures(sigs []trust.Signature) []byte {
	var b []byte
	for _, s := range sigs {
		b = append(append(b, s.Bundle...), '\n')
	}
	return b
}

// ParseSignatures reads a file of signatures; they are not checked. Errors begin
// with name.
func ParseSignatures(name string, content []byte) (sigs []trust.Signature, err error) {
	if len(content) > maxSignatures*maxSignature {
		return nil, fmt.Errorf("%s: %w: larger than %d bytes: not signatures", name, registry.ErrInvalid, maxSignatures*maxSignature)
	}
	for d := json.NewDecoder(bytes.NewReader(content)); ; {
		var one json.RawMessage
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: not signatures, each a Sigstore bundle: %w", name, registry.ErrInvalid, err)
		}
		s, err := signatureOf(bytes.Clone(one))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		sigs = append(sigs, s)
	}
	if len(sigs) == 0 || len(sigs) > maxSignatures {
		return nil, fmt.Errorf("%s: %w: %d signatures, want 1 to %d", name, registry.ErrInvalid, len(sigs), maxSignatures)
	}
	return sigs, nil
}
