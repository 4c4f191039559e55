package bundle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/trust"
)

// A signature in a file of its own counts like one in the bundle, in each form in
// which tools write it, also for bundles that have no place for signatures.
func TestDetachedCounts(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b.bundle")
	write(t, path, f, f.Graph)
	for _, kind := range []string{trust.ECDSA, trust.Ed25519} {
		k, other := generate(t, kind), generate(t, trust.ECDSA)
		own, err := bundle.SignDetached(path, k)
		if err != nil {
			t.Fatal(err)
		}
		s, err := k.Sign(open(t, path).Signed().Payload)
		if err != nil {
			t.Fatal(err)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, s.Bundle, "", "  "); err != nil {
			t.Fatal(err)
		}
		foreign := strings.NewReplacer(k.ID(), "c29tZXRoaW5nIGVsc2U=", `"verificationMaterial":{`, `"verificationMaterial":{"tlogEntries":[],`).Replace(string(s.Bundle))
		for form, content := range map[string][]byte{"own": own, "pretty": pretty.Bytes(), "another tool's": []byte(foreign), "raw": s.Raw,
			"base64": []byte(base64.StdEncoding.EncodeToString(s.Raw) + "\n"), "twice": slices.Concat(own, own)} {
			r := open(t, path)
			added, err := r.AddSignatures(bytes.NewReader(content), []trust.Key{other.Key, k.Key})
			if err != nil || added != 1 {
				t.Errorf("%s of %s: %d added, %v", form, kind, added, err)
			}
			v, err := (&trust.Policy{}).Judge(trust.State{}, trust.Question{Signed: r.Signed(), Now: time.Now(), Keys: []trust.Key{k.Key}})
			if err != nil || len(v.Signers) != 1 {
				t.Errorf("%s of %s: %+v, %v", form, kind, v, err)
			}
		}
	}
}

// A signature of something else is told at once; one of a key that nobody knows here
// is kept for who judges.
func TestDetachedOfOthers(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	k, stranger := generate(t, trust.ECDSA), generate(t, trust.Ed25519)
	path, other := filepath.Join(t.TempDir(), "b.bundle"), filepath.Join(t.TempDir(), "o.bundle")
	for path, channel := range map[string]string{path: "a", other: "b"} {
		if _, err := bundle.Export(t.Context(), path, f, f.Graph, bundle.CreateOptions{Channel: channel}, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	sign := func(path string, k *trust.PrivateKey) []byte {
		content, err := bundle.SignDetached(path, k)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	raw, err := stranger.Sign(open(t, path).Signed().Payload)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		content []byte
		want    error
	}{
		"of another bundle":   {sign(other, k), registry.ErrUntrusted},
		"of nobody knows who": {raw.Raw, registry.ErrUntrusted},
		"nothing":             {nil, registry.ErrInvalid},
		"text":                {[]byte("signature"), registry.ErrInvalid},
		"another document":    {[]byte(`{"mediaType":"text/plain"}`), registry.ErrInvalid},
		"no signature":        {[]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`), registry.ErrInvalid},
		"half a document":     {sign(path, k)[:100], registry.ErrInvalid},
		"too many":            {bytes.Repeat(sign(path, k), 17), registry.ErrInvalid},
		"too large":           {make([]byte, 1<<20), registry.ErrInvalid},
	} {
		r := open(t, path)
		if _, err := r.AddSignatures(bytes.NewReader(c.content), []trust.Key{k.Key}); !errors.Is(err, c.want) || len(r.Signatures()) > 0 {
			t.Errorf("%s: %v, %d signatures; want %v", what, err, len(r.Signatures()), c.want)
		}
	}
	r := open(t, path)
	if added, err := r.AddSignatures(bytes.NewReader(sign(path, stranger)), []trust.Key{k.Key}); err != nil || added != 1 || r.Signatures()[0].KeyID != stranger.ID() {
		t.Errorf("%d added, %v", added, err)
	}
}

// A good signature beside the bundle mends a bad one of the same key inside.
func TestDetachedBesideOwn(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	k := generate(t, trust.Ed25519)
	path := filepath.Join(t.TempDir(), "b.bundle")
	if _, err := bundle.Export(t.Context(), path, f, f.Graph, bundle.CreateOptions{Keys: []*trust.PrivateKey{k}}, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	good, err := bundle.SignDetached(path, k)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw := open(t, path).Signatures()[0].Raw
	i := bytes.LastIndex(content, raw)
	content[i] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	judge := func(r *bundle.Reader) error {
		_, err := (&trust.Policy{}).Judge(trust.State{}, trust.Question{Signed: r.Signed(), Now: time.Now(), Keys: []trust.Key{k.Key}})
		return err
	}
	r := open(t, path)
	if err := judge(r); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("with the bad one: %v", err)
	}
	if added, err := r.AddSignatures(bytes.NewReader(good), []trust.Key{k.Key}); err != nil || added != 0 {
		t.Errorf("%d added, %v", added, err)
	}
	if err := judge(r); err != nil {
		t.Error(err)
	}
}

// Any file beside a bundle is refused or adds signatures that have an owner.
func FuzzDetached(f *testing.F) {
	fixture := registrytest.NewFixture(f)
	path := filepath.Join(f.TempDir(), "b.bundle")
	write(f, path, fixture, fixture.Graph)
	k := generate(f, trust.Ed25519)
	content, err := bundle.SignDetached(path, k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(bytes.Repeat([]byte{0x30}, 64))
	f.Add([]byte(base64.StdEncoding.EncodeToString(make([]byte, 64))))
	r := open(f, path)
	f.Fuzz(func(t *testing.T, content []byte) {
		fresh := *r
		added, err := fresh.AddSignatures(bytes.NewReader(content), []trust.Key{k.Key})
		if err == nil && added != len(fresh.Signatures()) {
			t.Errorf("%d added, %d there", added, len(fresh.Signatures()))
		}
		for _, s := range fresh.Signatures() {
			if len(s.KeyID) != 32 {
				t.Errorf("a signature of %q", s.KeyID)
			}
		}
	})
}
