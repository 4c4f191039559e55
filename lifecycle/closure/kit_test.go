package closure_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	app  = registrytest.App + ":v1"
	tool = registrytest.Tool + ":v2"
)

// kit is a definition of the fixture's images, and a site.
type kit struct {
	t    testing.TB
	up   *registrytest.Fixture
	site *store.Store
	dir  string
	def  *definition.Definition
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{t: t, up: registrytest.NewFixture(t), dir: t.TempDir()}
	s, err := store.Open(t.Context(), k.dir, store.Options{})
	k.must(err)
	t.Cleanup(func() { s.Close() })
	k.site = s
	k.def = k.define()
	return k
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// define is the definition of App:v1 and Tool:v2.
func (k *kit) define() *definition.Definition {
	k.t.Helper()
	d := &definition.Definition{
		APIVersion: definition.APIVersion, Kind: definition.Kind, Name: "edge", Version: "1.0.0",
		Repository: definition.DefaultRepository + "/edge", Profile: digest.FromString("profile"),
		Platforms: []string{"linux/amd64", "linux/arm64"},
		Layers:    []definition.Layer{{Name: "app", Type: profile.Addon, Upgrade: definition.Upgrade{Policy: "inPlace"}}},
	}
	of := map[digest.Digest]string{}
	for arch, m := range k.up.Images {
		of[m.Digest] = "linux/" + arch
	}
	d.Images = []definition.Image{k.image(app, of, "linux/amd64", "linux/arm64"), k.image(tool, of)}
	return d
}

// image is an image with all that a walk finds of it.
func (k *kit) image(name string, of map[digest.Digest]string, platforms ...string) definition.Image {
	k.t.Helper()
	ref, err := registry.ParseRef(name)
	k.must(err)
	g, err := registry.Walk(k.t.Context(), k.up, []registry.Ref{ref}, registry.WalkOptions{})
	k.must(err)
	i := definition.Image{Name: name, Platforms: platforms, Sure: find.Declared, Why: []definition.Reason{{Layer: "app", Rule: "profile", Sure: find.Declared}}}
	for _, n := range g.Names {
		if n.Ref == ref {
			i.Digest = n.Descriptor.Digest
		}
	}
	i.Manifests = definition.ManifestsOf(g, of)
	return i
}

// bring copies content to the site, with the names of a graph.
func (k *kit) bring(platforms ...registry.Platform) {
	k.t.Helper()
	g, err := registry.Walk(k.t.Context(), k.up, k.up.Names[:1], registry.WalkOptions{Platforms: platforms})
	k.must(err)
	k.must(registry.Copy(k.t.Context(), k.site, k.up, g, registry.CopyOptions{}))
	g, err = registry.Walk(k.t.Context(), k.up, k.up.Names[1:], registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(k.t.Context(), k.site, k.up, g, registry.CopyOptions{}))
}

// check asks the gate, and proves what every report keeps.
func (k *kit) check(opts closure.Options) *closure.Report {
	k.t.Helper()
	r, err := closure.Check(k.t.Context(), k.site, k.def, opts)
	k.must(err)
	k.sound(r)
	return r
}

func (k *kit) sound(r *closure.Report) {
	k.t.Helper()
	var lacking int64
	for _, l := range r.Missing {
		lacking += l.Size
		if len(l.For) == 0 || len(l.Repositories) == 0 {
			k.t.Errorf("%+v is of nothing", l)
		}
	}
	if lacking != r.Lacking {
		k.t.Errorf("%d bytes are lacking, the digests have %d", r.Lacking, lacking)
	}
	for _, i := range r.Items {
		if (i.State == closure.Complete) != (len(i.Problems) == 0) {
			k.t.Errorf("%+v", i)
		}
	}
	w := r.Wants(k.def)
	if (w == nil) != (len(r.Names) == 0) || w == nil && len(r.Missing) > 0 {
		k.t.Errorf("names %v, missing %v, wants %v", r.Names, r.Missing, w)
	}
}

// item is one of a report's.
func (k *kit) item(r *closure.Report, name string) closure.Item {
	k.t.Helper()
	for _, i := range r.Items {
		if i.Name == name {
			return i
		}
	}
	k.t.Fatalf("no item %s: %+v", name, r.Items)
	return closure.Item{}
}

// is fails unless an item is in a state, and says so.
func (k *kit) is(r *closure.Report, name string, state closure.State, text ...string) {
	k.t.Helper()
	i := k.item(r, name)
	if i.State != state {
		k.t.Errorf("%s is %s, want %s: %v", name, i.State, state, i.Problems)
	}
	said := strings.Join(i.Problems, "\n")
	for _, s := range text {
		if !strings.Contains(said, s) {
			k.t.Errorf("%s: %s\nwant %s", name, said, s)
		}
	}
}

// path is the file of a blob at the site.
func (k *kit) path(d digest.Digest) string {
	return filepath.Join(k.dir, "blobs", "sha256", d.Encoded()[:2], d.Encoded())
}

// flip changes one bit of a blob at the site.
func (k *kit) flip(d digest.Digest) {
	k.t.Helper()
	content, err := os.ReadFile(k.path(d))
	k.must(err)
	content[len(content)/2] ^= 1
	k.must(os.WriteFile(k.path(d), content, 0o644))
}

// parts gives the definition a file and a manifest, and returns its artifact.
func (k *kit) parts() *definition.Content {
	k.t.Helper()
	parts := map[digest.Digest]definition.Opened{}
	part := func(path, mediaType string) definition.Part {
		content := []byte("content of " + path)
		d := digest.FromBytes(content)
		parts[d] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
		return definition.Part{Path: path, MediaType: mediaType, Digest: d, Size: int64(len(content))}
	}
	k.def.Layers[0].Manifests = []definition.Part{part("web.yaml", definition.TypeManifest)}
	k.def.Layers[0].Files = []definition.Part{part("sysctl.conf", definition.TypeFile)}
	document, err := definition.Marshal(k.def)
	k.must(err)
	c, err := definition.Pack(document, parts, nil)
	k.must(err)
	return c
}
