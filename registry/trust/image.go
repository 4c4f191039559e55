package trust

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/registry"
)

// The two forms in which cosign signs images.
const (
	// SimpleSigning is the media type of what cosign signs under the tag
	// sha256-HEX.sig ("Cosign signature specifications", "Simple Signing").
	SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// SimpleSignature is the annotation of such a layer with the signature, in base64.
	SimpleSignature = "dev.cosignproject.cosign/signature"
	// BundleArtifact is the artifact type of a referrer that is a Sigstore bundle,
	// and of its one layer.
	BundleArtifact = bundleType
)

// ImageRule says whose signatures the images of some repositories need.
type ImageRule struct {
	Keys    []TrustedKey
	Require bool // what has none is not let in; else it is only noted
}

// ImageRule returns the first rule that matches a repository, nil without one.
func (p *Policy) ImageRule(repository string) *ImageRule {
	for _, r := range p.images {
		if !slices.ContainsFunc(r.repositories, func(g match.Glob) bool { return g.Match(repository) }) {
			continue
		}
		rule := &ImageRule{Require: r.require}
		for _, id := range r.keys {
			rule.Keys = append(rule.Keys, *p.Key(id))
		}
		return rule
	}
	return nil
}

// simplePayload is what of a simple signing document counts.
type simplePayload struct {
	Critical struct {
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// VerifySimple proves that a simple signing document is about an image and
// signed by the key.
func (k Key) VerifySimple(image digest.Digest, payload, signature []byte) error {
	if !k.signedImage(payload, signature) {
		return errSignature
	}
	var p simplePayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("%w: signed document: %w", registry.ErrInvalid, err)
	}
	if p.Critical.Image.Digest != image {
		return fmt.Errorf("it is a signature of %.80q, not of this image", p.Critical.Image.Digest)
	}
	return nil
}

// signedImage takes both forms of Ed25519: which one cosign makes depends on its
// version.
func (k Key) signedImage(payload, signature []byte) bool {
	public, ok := k.public.(ed25519.PublicKey)
	sum := sha512.Sum512(payload)
	return k.signed(payload, signature) || ok && ed25519.VerifyWithOptions(public, sum[:], signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
}

// envelope is what of a Sigstore bundle with a DSSE envelope counts.
type envelope struct {
	DSSE *struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
		Signatures  []struct {
			Sig []byte `json:"sig"`
		} `json:"signatures"`
	} `json:"dsseEnvelope"`
}

// inToto is what of an in-toto statement counts.
type inToto struct {
	Subject []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	PredicateType string `json:"predicateType"`
}

const (
	inTotoType = "application/vnd.in-toto+json"
	// cosignPredicate says "I have signed this image", and nothing else of it.
	cosignPredicate = "https://sigstore.dev/cosign/sign/v1"
)

// ErrNotASignature says that a Sigstore bundle is a statement about an image
// other than its signature, such as an SBOM or provenance.
var ErrNotASignature = errors.New("it is an attestation, not a signature of the image")

// VerifyBundle proves that a Sigstore bundle is a signature of an image by the
// key: a DSSE envelope around an in-toto statement, as cosign 3 makes them.
func (k Key) VerifyBundle(image digest.Digest, bundle []byte) error {
	var e envelope
	if err := json.Unmarshal(bundle, &e); err != nil {
		return fmt.Errorf("%w: Sigstore bundle: %w", registry.ErrInvalid, err)
	}
	if e.DSSE == nil || e.DSSE.PayloadType != inTotoType {
		return fmt.Errorf("%w: a Sigstore bundle without an in-toto statement", registry.ErrInvalid)
	}
	signed := preAuthentication(e.DSSE.PayloadType, e.DSSE.Payload)
	valid := false
	for _, s := range e.DSSE.Signatures {
		valid = valid || k.signedImage(signed, s.Sig)
	}
	if !valid {
		return errSignature
	}
	var statement inToto
	if err := json.Unmarshal(e.DSSE.Payload, &statement); err != nil {
		return fmt.Errorf("%w: in-toto statement: %w", registry.ErrInvalid, err)
	}
	if statement.PredicateType != cosignPredicate {
		return ErrNotASignature
	}
	for _, s := range statement.Subject {
		if s.Digest[image.Algorithm().String()] == image.Encoded() {
			return nil
		}
	}
	return errors.New("it is a signature of another image")
}

// preAuthentication is PAE of the DSSE specification, version 1.
func preAuthentication(kind string, payload []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "DSSEv1 %d %s %d ", len(kind), kind, len(payload))
	b.Write(payload)
	return b.Bytes()
}

// ImageVerdict is what was found out about the signatures of an image.
type ImageVerdict struct {
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	Verified   bool          `json:"verified"`
	Signers    []string      `json:"signers,omitempty"`  // "key ID of OWNER"
	Problems   []string      `json:"problems,omitempty"` // of signatures that do not count
}

// Rememberer is a registry.Batch of a site: it remembers, in one step with the names
// that it commits, how the state changes and what was found out about images. A nil
// change is none.
type Rememberer interface {
	Remember(change func(State) State, images []ImageVerdict)
}

// Refused says why the rule does not let the image in; nil when it does.
func (v *ImageVerdict) Refused(r *ImageRule) error {
	if v.Verified || !r.Require {
		return nil
	}
	why := "it has no signature"
	if len(v.Problems) > 0 {
		why = v.Problems[0]
	}
	return fmt.Errorf("image %s@%s: %w: %s", v.Repository, v.Digest, registry.ErrUntrusted, why)
}

// Judge tries a signature of any form with all keys of the rule; verify is one
// of the key's ways, now the latest time that is certain. ErrNotASignature does not count against the image.
func (r *ImageRule) Judge(v *ImageVerdict, now time.Time, verify func(Key) error) {
	var last error
	for _, k := range r.Keys {
		err := verify(k.Key)
		if errors.Is(err, ErrNotASignature) {
			return
		}
		if err == nil {
			if err = k.usable(now); err != nil {
				err = fmt.Errorf("%s, which signed it, %w", &k, err)
			}
		}
		if err == nil {
			v.Verified = true
			if !slices.Contains(v.Signers, k.String()) {
				v.Signers = append(v.Signers, k.String())
			}
			return
		}
		if last == nil || !errors.Is(err, errSignature) {
			last = err
		}
	}
	v.Problems = append(v.Problems, cmp.Or(last, errSignature).Error())
}
