package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// maxDetached bounds a file of signatures, in bytes.
const maxDetached = maxSignatures * maxSignature

// detached is a signature of a file of its own.
type detached struct {
	keyID string // empty when the file does not say it by an id that is used here
	raw   []byte
}

// AddSignatures makes the signatures of a file beside the bundle count like its own
// (FORMAT.md, section 9). The keys are those that are known here: a signature that
// does not say whose it is has to be of one of them, and one that says so has to be
// that key's, or it is ErrUntrusted. What says that it is of another key is added
// unseen. ErrInvalid when the file is none of signatures.
func (r *Reader) AddSignatures(file io.Reader, keys []trust.Key) (added int, err error) {
	list, err := readDetached(file)
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		s, known, err := r.attribute(d, keys)
		if err != nil {
			return added, err
		}
		i := slices.IndexFunc(r.signatures, func(old trust.Signature) bool { return old.KeyID == s.KeyID })
		switch {
		case i < 0 && len(r.signatures) == maxSignatures:
			return added, fmt.Errorf("%w: more than %d signatures, with those in the bundle", registry.ErrInvalid, maxSignatures)
		case i < 0:
			r.signatures = append(r.signatures, s)
			added++
		case known: // it is a good one, whatever the other is
			r.signatures[i] = s
		}
	}
	return added, nil
}

// attribute finds whose signature it is.
func (r *Reader) attribute(d detached, keys []trust.Key) (s trust.Signature, known bool, err error) {
	for _, k := range keys {
		if d.keyID != "" && d.keyID != k.ID() {
			continue
		}
		known = true
		s = signatureOf(k.ID(), r.signed, d.raw)
		if k.Verify(r.signed, s) == nil {
			return s, true, nil
		}
	}
	switch {
	case d.keyID == "":
		return s, false, fmt.Errorf("%w: no key that is known here has made this signature of the bundle", registry.ErrUntrusted)
	case known:
		return s, false, fmt.Errorf("%w: it says that it is of key %s, and is not that key's signature of the bundle", registry.ErrUntrusted, d.keyID)
	}
	return signatureOf(d.keyID, r.signed, d.raw), false, nil
}

// signatureOf is a signature in the form that bundles have.
func signatureOf(keyID string, payload, raw []byte) trust.Signature {
	sum := sha256.Sum256(payload)
	return trust.Signature{KeyID: keyID, Raw: raw, Bundle: fmt.Appendf(nil,
		`{"mediaType":%q,"verificationMaterial":{"publicKey":{"hint":%q}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":%q},"signature":%q}}`,
		trust.BundleArtifact, keyID, base64.StdEncoding.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(raw))}
}

// readDetached reads a file of signatures: Sigstore bundles one after another, or the
// bytes of one signature, also in base64.
func readDetached(file io.Reader) ([]detached, error) {
	content, err := io.ReadAll(io.LimitReader(file, maxDetached+1))
	if err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(content)
	switch {
	case len(content) > maxDetached:
		return nil, fmt.Errorf("%w: a file of more than %d bytes is none of signatures", registry.ErrInvalid, maxDetached)
	case bytes.HasPrefix(text, []byte("{")):
		return readSigstore(text)
	case trust.IsRawSignature(content):
		return []detached{{raw: content}}, nil
	}
	if raw, err := base64.StdEncoding.DecodeString(string(text)); err == nil && trust.IsRawSignature(raw) {
		return []detached{{raw: raw}}, nil
	}
	return nil, fmt.Errorf("%w: neither a Sigstore bundle nor a signature", registry.ErrInvalid)
}

// readSigstore reads Sigstore bundles; of what they say, the signature counts, and the
// key's id when it is one of those that are used here.
func readSigstore(content []byte) (list []detached, err error) {
	for d := json.NewDecoder(bytes.NewReader(content)); ; {
		var one json.RawMessage
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: signature: %w", registry.ErrInvalid, err)
		}
		f, err := trust.ParseFileSignature(one)
		if err != nil {
			return nil, err
		}
		if len(list) == maxSignatures {
			return nil, fmt.Errorf("%w: more than %d signatures", registry.ErrInvalid, maxSignatures)
		}
		s := detached{raw: f.Raw}
		if isID(f.KeyID) {
			s.keyID = f.KeyID
		}
		list = append(list, s)
	}
}

// SignDetached makes the file of a key's signature of a bundle, which is not changed.
// As with Sign, the content is not read.
func SignDetached(path string, key *trust.PrivateKey) ([]byte, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s, err := key.Sign(r.signed)
	return append(s.Bundle, '\n'), err
}
