package definition_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/trust"
)

// A signature counts for one document and one key; what was changed after it was
// signed is told also by who does not know the key.
func TestVerify(t *testing.T) {
	t.Parallel()
	document := []byte("document")
	a, b, c := key(t, trust.ECDSA), key(t, trust.Ed25519), key(t, trust.ECDSA)
	sigs := []trust.Signature{signature(t, document, a), signature(t, document, b)}
	forged := signature(t, document, c)
	forged.KeyID = a.ID()
	forged.Bundle = bytes.ReplaceAll(forged.Bundle, []byte(c.ID()), []byte(a.ID()))
	for name, test := range map[string]struct {
		document string
		sigs     []trust.Signature
		keys     []trust.Key
		signers  []string
		want     string // in the error; empty: none
	}{
		"unsigned, nobody asks":  {"document", nil, nil, nil, ""},
		"signed, nobody asks":    {"document", sigs, nil, nil, ""},
		"one asked for":          {"document", sigs, []trust.Key{b.Key}, []string{b.ID()}, ""},
		"both asked for":         {"document", sigs, []trust.Key{a.Key, b.Key, a.Key}, []string{a.ID(), b.ID()}, ""},
		"unsigned":               {"document", nil, []trust.Key{a.Key}, nil, "key " + a.ID() + " has not signed it: nobody has"},
		"another asked for":      {"document", sigs, []trust.Key{a.Key, c.Key}, nil, "key " + c.ID() + " has not signed it: " + a.ID() + ", " + b.ID() + " did"},
		"changed":                {"Document", sigs, nil, nil, "it was changed after key " + a.ID() + " signed it: build it again, or get it from its author"},
		"changed, key known":     {"Document", sigs[1:], []trust.Key{b.Key}, nil, "it was changed after key " + b.ID()},
		"in another's name":      {"document", []trust.Signature{forged}, []trust.Key{a.Key}, nil, "it says that key " + a.ID() + " signed it, and that is not so"},
		"no signature of a file": {"document", []trust.Signature{{KeyID: a.ID(), Bundle: []byte("{}")}}, nil, nil, "not a Sigstore bundle"},
	} {
		signers, err := definition.Verify([]byte(test.document), test.sigs, test.keys)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) || !slices.Equal(signers, test.signers) {
			t.Errorf("%s: %q, %v, want %q", name, signers, err, test.want)
		}
		if err != nil && !errors.Is(err, registry.ErrUntrusted) && name != "no signature of a file" {
			t.Errorf("%s: %v is no ErrUntrusted", name, err)
		}
	}
}

// A file of signatures is read as it was written; what is no such file is refused.
func TestSignatureFiles(t *testing.T) {
	t.Parallel()
	sigs := []trust.Signature{signature(t, []byte("x"), key(t, trust.ECDSA)), signature(t, []byte("x"), key(t, trust.Ed25519))}
	content := definition.MarshalSignatures(sigs)
	again, err := definition.ParseSignatures("edge.sig", content)
	if err != nil || len(again) != 2 || again[0].KeyID != sigs[0].KeyID || !bytes.Equal(again[1].Bundle, sigs[1].Bundle) || !bytes.Equal(again[1].Raw, sigs[1].Raw) {
		t.Errorf("%+v, %v", again, err)
	}
	for want, content := range map[string]string{
		"0 signatures":          "",
		"not signatures":        "hello",
		"unexpected EOF":        string(content[:len(content)-10]),
		"not a Sigstore bundle": "{}",
		"17 signatures":         strings.Repeat(string(sigs[0].Bundle), 17),
		"larger than":           strings.Repeat(" ", 200_000),
		"a signature of more":   `{"mediaType":"` + strings.Repeat("x", 9000) + `"}`,
	} {
		if _, err := definition.ParseSignatures("edge.sig", []byte(content)); !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "edge.sig: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Referrers that are none of its signatures are passed over, bad ones are told.
func TestSignaturesOfArtifact(t *testing.T) {
	t.Parallel()
	ref := registry.Ref{Repository: "example.com/x", Tag: "v1"}
	dst := &memory.Registry{}
	config := blob(ocispec.MediaTypeEmptyJSON, "{}")
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config}
	m.SchemaVersion = 2
	subject := put(t, dst, ref, m, "{}")
	refer := func(artifactType string, layers ...string) digest.Digest {
		r := m
		r.Subject, r.ArtifactType = &subject, artifactType
		for _, l := range layers {
			r.Layers = append(r.Layers, blob(trust.BundleArtifact, l))
		}
		return put(t, dst, registry.Ref{Repository: ref.Repository}, r, layers...).Digest
	}
	refer("application/vnd.example.sbom", "sbom")
	s := signature(t, []byte("x"), key(t, trust.ECDSA))
	refer(definition.TypeSignature, string(s.Bundle))
	if sigs, err := definition.Signatures(t.Context(), dst, ref); err != nil || len(sigs) != 1 || sigs[0].KeyID != s.KeyID {
		t.Errorf("%+v, %v", sigs, err)
	}
	for want, layers := range map[string][]string{"not one layer": {"a", "b"}, "not a Sigstore bundle": {"{}"}, "at most 8192": {strings.Repeat("x", 9000)}} {
		bad := refer(definition.TypeSignature, layers...)
		if _, err := definition.Signatures(t.Context(), dst, ref); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err := dst.Delete(t.Context(), ref.ByDigest(bad)); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzSignatures(f *testing.F) {
	s := signature(f, []byte("x"), key(f, trust.Ed25519))
	f.Add(definition.MarshalSignatures([]trust.Signature{s, s}))
	f.Add([]byte("{}{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		sigs, err := definition.ParseSignatures("x", content)
		if err != nil {
			return
		}
		again, err := definition.ParseSignatures("x", definition.MarshalSignatures(sigs))
		if err != nil || len(again) != len(sigs) {
			t.Fatalf("%d signatures, then %d, %v", len(sigs), len(again), err)
		}
		if signers, err := definition.Verify([]byte("y"), sigs, nil); err == nil && len(signers) > 0 {
			t.Fatal("somebody signed what nobody did")
		}
	})
}
