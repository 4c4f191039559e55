package bundle_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/registry/wants"
)

func generate(t testing.TB, kind string) *trust.PrivateKey {
	t.Helper()
	k, err := trust.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// export makes a bundle with terms.
func export(t testing.TB, path string, src registry.Reader, g *registry.Graph, opts bundle.CreateOptions) *bundle.Header {
	t.Helper()
	opts.Created = created.Created
	h, err := bundle.Export(t.Context(), path, src, g, opts, registry.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newSite(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func land(t testing.TB, s *store.Store, path string) error {
	t.Helper()
	_, err := bundle.Land(t.Context(), s, s, open(t, path), bundle.LandOptions{})
	return err
}

// has is what a site has.
func has(t testing.TB, s *store.Store) func(digest.Digest) bool {
	t.Helper()
	have := map[digest.Digest]bool{}
	if err := s.Holdings(t.Context(), func(h store.Holding) { have[h.Digest] = true }); err != nil {
		t.Fatal(err)
	}
	return func(d digest.Digest) bool { return have[d] }
}

// holds proves that a site has the whole closure of a graph.
func holds(t testing.TB, s *store.Store, g *registry.Graph) {
	t.Helper()
	for _, n := range g.Names {
		if d, err := s.Resolve(t.Context(), n.Ref); err != nil || d.Digest != n.Descriptor.Digest {
			t.Errorf("%s is %s, %v", n.Ref, d.Digest, err)
		}
	}
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		for _, r := range n.Repositories {
			d := n.Descriptor
			if ok, err := s.Exists(t.Context(), r, d); !ok || err != nil {
				t.Errorf("%s@%s is not there: %v", r, d.Digest, err)
			}
		}
	}
}

// Terms come back as they were written, with signatures of all keys; another
// can be added.
func TestTerms(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	keys := []*trust.PrivateKey{generate(t, trust.ECDSA), generate(t, trust.Ed25519)}
	export(t, path, f, f.Graph, bundle.CreateOptions{Channel: "edge/stable", Sequence: 42, Lasts: 24 * time.Hour, Keys: keys[:1]})
	for range 2 { // the second time there is nothing to add
		if _, err := bundle.Sign(path, keys); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, path)
	if h := r.Header(); h.Format != bundle.FormatTerms || h.Channel != "edge/stable" || h.Sequence != 42 || h.Expires != "2027-01-16T08:00:00Z" || h.Thin() {
		t.Errorf("%+v", h)
	}
	signed := r.Signed()
	if len(signed.Signatures) != 2 {
		t.Fatalf("%d signatures", len(signed.Signatures))
	}
	for i, s := range signed.Signatures {
		if err := keys[i].Verify(signed.Payload, s); err != nil {
			t.Error(err)
		}
	}
	if err := r.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	site := newSite(t)
	if err := land(t, site, path); err != nil {
		t.Fatal(err)
	}
	holds(t, site, f.Graph)
}

// Every byte of the signatures' entries is proven, and a signing that was cut
// off anywhere leaves what another one mends.
func TestSignatureEntries(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	k, second := generate(t, trust.ECDSA), generate(t, trust.ECDSA)
	export(t, path, f, f.Graph, bundle.CreateOptions{Sequence: 1})
	unsigned := read(t, path)
	if _, err := bundle.Sign(path, []*trust.PrivateKey{k}); err != nil {
		t.Fatal(err)
	}
	once := read(t, path)
	for at := len(unsigned) - 1024; at < len(once); at += 7 {
		damaged := bytes.Clone(once)
		damaged[at] ^= 1
		r, err := bundle.NewReader("damaged", bytes.NewReader(damaged), int64(len(damaged)))
		if err == nil && k.Verify(r.Signed().Payload, r.Signatures()[0]) == nil {
			t.Errorf("byte %d was changed, and nobody noticed", at)
		}
	}
	if _, err := bundle.Sign(path, []*trust.PrivateKey{second}); err != nil {
		t.Fatal(err)
	}
	twice := read(t, path)
	for cut := len(once); cut <= len(twice); cut += 512 { // what lies behind is written first
		torn := slices.Concat(once, twice[len(once):cut])
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Sign(path, []*trust.PrivateKey{k}); err != nil {
			t.Fatalf("%d bytes behind the end: %v", cut-len(once), err)
		}
		if !bytes.Equal(read(t, path), once) {
			t.Fatalf("%d bytes behind the end: not mended", cut-len(once))
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A site that has everything gets a bundle of names alone.
func TestThinOfEverything(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	site := newSite(t)
	if err := registry.Copy(t.Context(), site, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	h := export(t, path, f, f.Graph, bundle.CreateOptions{Have: has(t, site), For: strings.Repeat("ab", 16)})
	if len(h.Blobs)+len(h.Manifests)+len(h.Requires) != 0 || !h.Thin() {
		t.Errorf("%+v", h)
	}
	if err := land(t, site, path); err != nil {
		t.Fatal(err)
	}
	holds(t, site, f.Graph)
	missing := (*bundle.MissingError)(nil)
	if err := land(t, newSite(t), path); !errors.As(err, &missing) || !errors.Is(err, registry.ErrIncomplete) || len(missing.Wants.Wants) != len(f.Names)+1 {
		t.Errorf("at an empty site: %v", err) // each name's manifest, cosign's too
	}
}

// Whatever a site has, the bundle for it brings the rest; what it has lost
// since is named exactly, and brought by a second bundle, in any order of
// landing and as often as one likes.
func TestThinForAnything(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	all := slices.Concat(f.Graph.Manifests, f.Graph.Blobs)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 16 {
		dir := t.TempDir()
		have := map[digest.Digest]bool{}
		for _, n := range all {
			have[n.Descriptor.Digest] = random.IntN(4) > 0
		}
		base := sub(f.Graph, func(d digest.Digest) bool { return have[d] })
		site := newSite(t)
		for _, m := range base.Manifests {
			if !carries(base, m) {
				have[m.Descriptor.Digest] = false // no site has a manifest without its blobs
			}
		}
		base = sub(f.Graph, func(d digest.Digest) bool { return have[d] })
		if err := registry.Copy(t.Context(), site, f, base, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		thin := filepath.Join(dir, "thin")
		export(t, thin, f, f.Graph, bundle.CreateOptions{Have: has(t, site)})
		other := newSite(t)
		bringMissing(t, f, other, thin, filepath.Join(dir, "loose"))
		for range 2 {
			if err := land(t, site, thin); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if err := land(t, other, thin); err != nil {
				t.Fatalf("round %d, elsewhere: %v", round, err)
			}
		}
		holds(t, site, f.Graph)
		holds(t, other, f.Graph)
		if round < 4 {
			inflates(t, f, thin, dir)
		}
	}
}

// bringMissing lands at an empty site what a thin bundle lacks there.
func bringMissing(t *testing.T, f *registrytest.Fixture, s *store.Store, thin, loose string) {
	t.Helper()
	missing := (*bundle.MissingError)(nil)
	err := land(t, s, thin)
	if err == nil {
		return // it carries everything
	}
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	for range s.Repositories(t.Context(), "") {
		t.Error("a bundle that was refused left something")
	}
	content, err := missing.Wants.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	list, err := wants.Parse("wants", content)
	if err != nil {
		t.Fatal(err)
	}
	g, err := list.Find(t.Context(), f, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := export(t, loose, f, g, bundle.CreateOptions{Sequence: 1})
	if len(h.Loose) == 0 || h.Sequence != 0 {
		t.Errorf("a bundle of what is wanted: %+v", h)
	}
	if err := land(t, s, loose); err != nil {
		t.Fatalf("what was wanted: %v", err)
	}
}

// inflates proves that thin and full give what was never thin.
func inflates(t *testing.T, f *registrytest.Fixture, thin, dir string) {
	t.Helper()
	full, inflated := filepath.Join(dir, "full"), filepath.Join(dir, "inflated")
	write(t, full, f, f.Graph)
	if _, err := bundle.Inflate(t.Context(), inflated, open(t, thin), open(t, full), registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, full, inflated)
}

// sub is the part of a graph that is chosen, without names.
func sub(g *registry.Graph, choose func(digest.Digest) bool) *registry.Graph {
	leave := func(n registry.Node) bool { return !choose(n.Descriptor.Digest) }
	return &registry.Graph{Manifests: slices.DeleteFunc(slices.Clone(g.Manifests), leave), Blobs: slices.DeleteFunc(slices.Clone(g.Blobs), leave)}
}

func carries(g *registry.Graph, m registry.Node) bool {
	return !slices.ContainsFunc(m.Manifest.Blobs, func(b registry.Descriptor) bool {
		return !slices.ContainsFunc(g.Blobs, func(n registry.Node) bool { return n.Descriptor.Digest == b.Digest })
	})
}

// A platform filter is remembered: what it left out is not missed at the site.
func TestThinOfPlatforms(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	platforms := []registry.Platform{{OS: "linux", Architecture: "amd64"}}
	g, err := registry.Walk(t.Context(), f, f.Names[:1], registry.WalkOptions{Platforms: platforms})
	if err != nil {
		t.Fatal(err)
	}
	site := newSite(t)
	full, thin := filepath.Join(dir, "full"), filepath.Join(dir, "thin")
	opts := bundle.CreateOptions{Channel: "c", Platforms: platforms}
	h := export(t, full, f, g, opts)
	if h.Thin() || !slices.Equal(h.Platforms, []string{"linux/amd64"}) || h.Absent != nil {
		t.Errorf("%+v", h)
	}
	if err := land(t, site, full); err != nil {
		t.Fatal(err)
	}
	opts.Have = open(t, full).Header().Has()
	if h := export(t, thin, f, g, opts); len(h.Manifests)+len(h.Blobs) != 0 {
		t.Errorf("%+v", h)
	}
	if err := land(t, site, thin); err != nil {
		t.Fatal(err)
	}
	holds(t, site, g)
}

// A policy is asked before anything moves, and the state follows what landed.
func TestLandObeysThePolicy(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	k, foreign := generate(t, trust.ECDSA), generate(t, trust.ECDSA)
	site := newSite(t)
	pem := strings.ReplaceAll(strings.TrimSpace(string(k.Key.PEM())), "\n", "\n    ")
	if err := site.SetTrustPolicy(t.Context(), []byte("version: 1\nkeys:\n- owner: o\n  channels: [stable]\n  pem: |\n    "+pem+"\n")); err != nil {
		t.Fatal(err)
	}
	path := func(name string, sequence int64, keys ...*trust.PrivateKey) string {
		p := filepath.Join(dir, name)
		export(t, p, f, f.Graph, bundle.CreateOptions{Channel: "stable", Sequence: sequence, Keys: keys})
		return p
	}
	plain := filepath.Join(dir, "plain")
	write(t, plain, f, f.Graph)
	for _, p := range []string{plain, path("unsigned", 9), path("foreign", 9, foreign)} {
		if err := land(t, site, p); !errors.Is(err, registry.ErrUntrusted) {
			t.Errorf("%s: %v", p, err)
		}
	}
	for range site.Repositories(t.Context(), "") {
		t.Error("a bundle that was refused left something")
	}
	first, second := path("first", 1, k), path("second", 2, k)
	for _, p := range []string{first, first, second} {
		if err := land(t, site, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := land(t, site, first); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("a replay: %v", err)
	}
	state, err := site.TrustState(t.Context())
	if err != nil || state.Channels["stable"].Sequence != 2 {
		t.Errorf("%+v, %v", state, err)
	}
}

// Headers of terms that contradict themselves or the content are refused.
func TestSwappedHeader(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	export(t, path, f, f.Graph, bundle.CreateOptions{Sequence: 1, Keys: []*trust.PrivateKey{generate(t, trust.ECDSA)}})
	content := read(t, path)
	r := open(t, path)
	b := slices.MaxFunc(r.Header().Blobs, func(a, b bundle.Blob) int { return int(a.Size - b.Size) })
	for i := range int64(100) {
		content[b.Offset+i] ^= 0xff
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	site := newSite(t)
	if err := land(t, site, path); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("a signed header over other blobs: %v", err)
	}
	if _, err := site.Resolve(t.Context(), f.Names[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a name became visible: %v", err)
	}
}
