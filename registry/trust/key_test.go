package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// A key is the same after it was written and read, and keeps its id.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{trust.ECDSA, trust.Ed25519} {
		k := generate(t, kind)
		private, err := k.PEM()
		if err != nil {
			t.Fatal(err)
		}
		again, err := trust.ParsePrivateKey(private)
		if err != nil || again.ID() != k.ID() || again.Kind() != kind {
			t.Errorf("%s: %v", kind, err)
		}
		public, err := trust.ParseKey(k.Key.PEM())
		if err != nil || public.ID() != k.ID() || len(k.ID()) != 32 {
			t.Errorf("%s: %v, id %q", kind, err, k.ID())
		}
		if s := sign(t, again, "content"); public.Verify([]byte("content"), s) != nil {
			t.Errorf("%s: the key that was read signs otherwise", kind)
		}
	}
	if _, err := trust.Generate("rsa"); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("a key of any type: %v", err)
	}
}

// A signature is of one key, one content, and whole; anything else is refused.
func TestSignatures(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{trust.ECDSA, trust.Ed25519} {
		k, other := generate(t, kind), generate(t, kind)
		s := sign(t, k, "content")
		if err := k.Verify([]byte("content"), s); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		foreign := sign(t, other, "content")
		raw := bytes.Clone(s.Raw)
		raw[len(raw)-1] ^= 1
		for what, c := range map[string]struct {
			payload string
			s       trust.Signature
		}{
			"other content":       {"Content", s},
			"other key":           {"content", foreign},
			"other key's id":      {"content", trust.Signature{KeyID: k.ID(), Bundle: foreign.Bundle, Raw: foreign.Raw}},
			"raw of another":      {"content", trust.Signature{KeyID: k.ID(), Bundle: s.Bundle, Raw: foreign.Raw}},
			"raw changed":         {"content", trust.Signature{KeyID: k.ID(), Bundle: s.Bundle, Raw: raw}},
			"no raw":              {"content", trust.Signature{KeyID: k.ID(), Bundle: s.Bundle}},
			"white space":         {"content", trust.Signature{KeyID: k.ID(), Bundle: append([]byte(" "), s.Bundle...), Raw: s.Raw}},
			"more members":        {"content", trust.Signature{KeyID: k.ID(), Bundle: append([]byte(`{"x":1,`), s.Bundle[1:]...), Raw: s.Raw}},
			"nothing":             {"content", trust.Signature{KeyID: k.ID()}},
			"another's statement": {"content", trust.Signature{KeyID: k.ID(), Bundle: sign(t, k, "x").Bundle, Raw: s.Raw}},
		} {
			if err := k.Verify([]byte(c.payload), c.s); err == nil {
				t.Errorf("%s: %s was accepted", kind, what)
			}
		}
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	good := generate(t, trust.ECDSA)
	private, err := good.PEM()
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, key any) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	public := string(good.Key.PEM())
	for want, text := range map[string]string{
		"not a key in PEM":        "hello",
		"a private key":           string(private),
		"more than one PEM block": public + public,
		`PEM block "CERTIFICATE"`: encode("CERTIFICATE", good.Public()),
		"a key of type *rsa":      encode("PUBLIC KEY", &weak.PublicKey),
		"over P-384":              encode("PUBLIC KEY", &p384.PublicKey),
		"public key: ":            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"larger than 65536 bytes": strings.Repeat("#", 70_000),
	} {
		if _, err := trust.ParseKey([]byte(text)); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, text := range map[string]string{
		"not a key in PEM":          "",
		"a public key; the private": public,
		"is encrypted":              "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"PRIVATE KEY is wanted":     "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
	} {
		if _, err := trust.ParsePrivateKey([]byte(text)); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// No bytes make the parsers panic, and no bytes are a signature by chance.
func FuzzSignature(f *testing.F) {
	k := generate(f, trust.ECDSA)
	s := sign(f, k, "content")
	f.Add(s.Bundle, s.Raw)
	f.Add([]byte("{}"), []byte{})
	f.Fuzz(func(t *testing.T, bundle, raw []byte) {
		err := k.Verify([]byte("content"), trust.Signature{KeyID: k.ID(), Bundle: bundle, Raw: raw})
		if err == nil && (!bytes.Equal(bundle, s.Bundle) || !bytes.Equal(raw, s.Raw)) {
			t.Fatalf("%q and %x were accepted", bundle, raw)
		}
	})
}

func FuzzKey(f *testing.F) {
	k := generate(f, trust.Ed25519)
	private, err := k.PEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Key.PEM())
	f.Add(private)
	f.Fuzz(func(t *testing.T, content []byte) {
		if k, err := trust.ParseKey(content); err == nil {
			if again, err := trust.ParseKey(k.PEM()); err != nil || again.ID() != k.ID() {
				t.Fatalf("%v", err)
			}
		}
		if k, err := trust.ParsePrivateKey(content); err == nil {
			if _, err := k.Sign(content); err != nil {
				t.Fatal(err)
			}
		}
	})
}
