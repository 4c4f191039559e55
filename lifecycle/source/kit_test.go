package source_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

func TestMain(m *testing.M) { leaktest.Main(suite{m}) }

const (
	app  = registrytest.App + ":v1"
	tool = registrytest.Tool + ":v2"
)

// kit is a site with a definition and its images: an index of two platforms with a
// signature by subject and one by tag, another image that shares a layer with it, a
// provider, and a signature of the definition.
type kit struct {
	t       *testing.T
	up      *registrytest.Fixture
	site    *store.Store
	content source.Content
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{t: t, up: registrytest.NewFixture(t)}
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	k.must(err)
	t.Cleanup(func() { s.Close() })
	k.site = s
	k.define(k.image(app, "linux/amd64", "linux/arm64"), k.image(tool))
	return k
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// image is an image of the fixture as a definition lists it, which the site gets.
func (k *kit) image(name string, platforms ...string) definition.Image {
	k.t.Helper()
	ref, err := registry.ParseRef(name)
	k.must(err)
	g, err := registry.Walk(k.t.Context(), k.up, []registry.Ref{ref}, registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(k.t.Context(), k.site, k.up, g, registry.CopyOptions{}))
	of := map[digest.Digest]string{}
	for arch, m := range k.up.Images {
		of[m.Digest] = "linux/" + arch
	}
	i := definition.Image{Name: name, Platforms: platforms, Manifests: definition.ManifestsOf(g, of), Sure: find.Declared,
		Why: []definition.Reason{{Layer: "app", Rule: "profile", Sure: find.Declared}}}
	for _, n := range g.Names {
		if n.Ref == ref {
			i.Digest = n.Descriptor.Digest
		}
	}
	return i
}

// define makes the definition of images, signed, and puts it at the site.
func (k *kit) define(images ...definition.Image) {
	k.t.Helper()
	provider := bytes.Repeat([]byte("kubelet"), 30_000)
	d := &definition.Definition{
		APIVersion: definition.APIVersion, Kind: definition.Kind, Name: "edge", Version: "1.0.0",
		Repository: definition.DefaultRepository + "/edge", Profile: digest.FromString("profile"), Platforms: []string{"linux/amd64", "linux/arm64"},
		Layers: []definition.Layer{{Name: "app", Type: profile.Addon, Upgrade: definition.Upgrade{Policy: "inPlace"},
			Providers: []definition.Provider{{Name: "kubernetes", Version: "1.36.3", Path: "provider", Digest: digest.FromBytes(provider), Size: int64(len(provider))}}}},
		Images: images,
	}
	document, err := definition.Marshal(d)
	k.must(err)
	key, err := trust.Generate("ed25519")
	k.must(err)
	signature, err := definition.Sign(document, key)
	k.must(err)
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(provider)), nil }
	c, err := definition.Pack(document, map[digest.Digest]definition.Opened{digest.FromBytes(provider): open}, []trust.Signature{signature})
	k.must(err)
	g, err := registry.Walk(k.t.Context(), c, []registry.Ref{c.Ref()}, registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(k.t.Context(), k.site, c, g, registry.CopyOptions{}))
	k.content = source.Content{Definition: c.Definition(), Ref: c.Ref(), Digest: c.Descriptor().Digest}
}

// open is the target of a source.
func (k *kit) open(s place) *source.Target {
	k.t.Helper()
	t, err := source.Open(s.spec, source.Options{Password: s.password})
	k.must(err)
	k.t.Cleanup(func() { t.Close() })
	return t
}

func (k *kit) stage(s place) (source.Staged, error) {
	return k.open(s).Stage(k.t.Context(), k.site, k.content, nil)
}

func (k *kit) staged(s place) source.Staged {
	k.t.Helper()
	out, err := k.stage(s)
	k.must(err)
	return out
}

// refused fails unless an error is of a kind and says some texts, and none of the secrets.
func refused(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("%v; want %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	for _, secret := range []string{robotSecret, storageSecret} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q tells a secret", err)
		}
	}
}
