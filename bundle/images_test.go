package bundle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

// signed is a registry with images that are signed as cosign signs them.
type signed struct {
	*registrytest.Fixture
	t *testing.T
}

func (s *signed) put(repository, mediaType string, content []byte) registry.Descriptor {
	s.t.Helper()
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if err := s.PutBlob(s.t.Context(), repository, d, bytes.NewReader(content)); err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *signed) image(name string) registry.Descriptor {
	return s.AddImage(registry.Ref{Repository: "r.example/" + name, Tag: "v1"}, ocispec.MediaTypeImageManifest, nil, s.AddBlob("r.example/"+name, 100))
}

func (s *signed) raw(k *trust.PrivateKey, content []byte) []byte {
	s.t.Helper()
	signature, err := k.Sign(content)
	if err != nil {
		s.t.Fatal(err)
	}
	return signature.Raw
}

// simple signs what, under the tag of image.
func (s *signed) simple(name string, image, what digest.Digest, k *trust.PrivateKey) {
	repository := "r.example/" + name
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, repository, what)
	layer := s.put(repository, trust.SimpleSigning, payload)
	layer.Annotations = map[string]string{trust.SimpleSignature: base64.StdEncoding.EncodeToString(s.raw(k, payload))}
	s.AddManifest(registry.Ref{Repository: repository, Tag: registry.SignatureTag(image)}, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: s.put(repository, ocispec.MediaTypeImageConfig, []byte("{}")), Layers: []registry.Descriptor{layer},
	})
}

// referrer signs an in-toto statement about what, as a referrer of image.
func (s *signed) referrer(name string, image registry.Descriptor, what digest.Digest, predicate string, k *trust.PrivateKey) {
	repository := "r.example/" + name
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, what.Encoded(), predicate)
	const kind = "application/vnd.in-toto+json"
	signature := s.raw(k, fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement))
	content, err := json.Marshal(map[string]any{"mediaType": trust.BundleArtifact, "dsseEnvelope": map[string]any{
		"payload": []byte(statement), "payloadType": kind, "signatures": []any{map[string]any{"sig": signature}}}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.AddManifest(registry.Ref{Repository: repository}, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: trust.BundleArtifact, Subject: &image,
		Config: s.put(repository, ocispec.MediaTypeEmptyJSON, []byte("{}")), Layers: []registry.Descriptor{s.put(repository, trust.BundleArtifact, content)},
	})
}

func (s *signed) bundle(names ...string) string {
	s.t.Helper()
	var refs []registry.Ref
	for _, n := range names {
		refs = append(refs, registry.Ref{Repository: "r.example/" + n, Tag: "v1"})
	}
	g, err := registry.Walk(s.t.Context(), s, refs, registry.WalkOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.t.TempDir(), "b")
	write(s.t, path, s, g)
	return path
}

func imagePolicy(t *testing.T, site *store.Store, k *trust.PrivateKey, rule string) {
	t.Helper()
	pem := strings.ReplaceAll(strings.TrimSpace(string(k.Key.PEM())), "\n", "\n    ")
	text := "version: 1\nunsigned: allow\nkeys:\n- owner: images\n  pem: |\n    " + pem + "\nimages:\n- {repositories: ['r.example/**'], keys: [" + k.ID() + "]" + rule + "}\n"
	if err := site.SetTrustPolicy(t.Context(), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

const signPredicate = "https://sigstore.dev/cosign/sign/v1"

// Images are let in with a signature of either form, and refused without, with
// somebody else's, and with one of something else.
func TestImageSignatures(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{trust.ECDSA, trust.Ed25519} {
		s := &signed{registrytest.NewFixture(t), t}
		k, stranger := generate(t, kind), generate(t, kind)
		other := digest.FromString("other")
		a, b := s.image("tagged"), s.image("referred")
		s.simple("tagged", a.Digest, a.Digest, k)
		s.referrer("referred", b, b.Digest, "https://spdx.dev/Document", stranger)
		s.referrer("referred", b, b.Digest, signPredicate, k)
		s.image("none")
		foreign := s.image("foreign").Digest
		s.simple("foreign", foreign, foreign, stranger)
		s.simple("moved", s.image("moved").Digest, other, k)
		d := s.image("elsewhere")
		s.referrer("elsewhere", d, other, signPredicate, k)
		e := s.image("sbom")
		s.referrer("sbom", e, e.Digest, "https://spdx.dev/Document", k)
		site := newSite(t)
		imagePolicy(t, site, k, "")
		if err := land(t, site, s.bundle("tagged", "referred")); err != nil {
			t.Error(err)
		}
		v, err := site.ImageVerdict(t.Context(), "r.example/referred", b.Digest)
		if err != nil || !v.Verified || len(v.Signers) != 1 || !strings.HasSuffix(v.Signers[0], " of images") {
			t.Errorf("%+v, %v", v, err)
		}
		for name, want := range map[string]string{
			"none": "it has no signature", "foreign": "the signature is not one of this content", "moved": "not of this image",
			"elsewhere": "it is a signature of another image", "sbom": "it has no signature",
		} {
			err := land(t, site, s.bundle("tagged", name))
			if !errors.Is(err, registry.ErrUntrusted) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "r.example/"+name) {
				t.Errorf("%s: %v\nwant %s", name, err, want)
			}
			if _, err := site.Resolve(t.Context(), registry.Ref{Repository: "r.example/" + name, Tag: "v1"}); err == nil {
				t.Errorf("%s was refused, and is there", name)
			}
		}
		imagePolicy(t, site, k, ", unsigned: record")
		if err := land(t, site, s.bundle("none")); err != nil {
			t.Error(err)
		}
	}
}
