package browse_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/browse"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is a store with a browser over it.
type site struct {
	*registrytest.Fixture
	*browse.Browser
	store *store.Store
	view  *attach.View
	dir   string
	t     testing.TB
}

// newSite is empty; fixture is what can be brought.
func newSite(t testing.TB) *site {
	t.Helper()
	return openSite(t, store.Options{Lease: time.Nanosecond})
}

func openSite(t testing.TB, opts store.Options) *site {
	t.Helper()
	s := &site{Fixture: registrytest.NewFixture(t), dir: t.TempDir(), t: t}
	var err error
	s.store, err = store.Open(t.Context(), s.dir, opts)
	s.must(err)
	t.Cleanup(func() { s.must(s.store.Close()) })
	s.view = attach.NewView(s.store)
	s.Browser = browse.New(s.store, s.view)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// bring copies names of the fixture, and all that belongs to them.
func (s *site) bring(names ...registry.Ref) {
	s.t.Helper()
	g, err := registry.Walk(s.t.Context(), s.Fixture, names, registry.WalkOptions{})
	s.must(err)
	s.must(registry.Copy(s.t.Context(), s.store, s.Fixture, g, registry.CopyOptions{}))
}

// filled has all names of the fixture.
func filled(t testing.TB) *site {
	s := newSite(t)
	s.bring(s.Fixture.Names...)
	return s
}

func (s *site) artifact(name string) *browse.Artifact {
	s.t.Helper()
	ref, err := s.Find(s.t.Context(), name, nil)
	s.must(err)
	a, err := s.Artifact(s.t.Context(), ref)
	s.must(err)
	return a
}

// exec changes the database behind the store's back.
func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	db, err := s.store.Tables(s.t.Context(), "test", fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE test_t (n INTEGER);\n")}})
	s.must(err)
	s.must(db.Write(s.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

// put puts a blob of the given type into the fixture.
func (s *site) put(repository, mediaType, content string) registry.Descriptor {
	s.t.Helper()
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	s.must(s.PutBlob(s.t.Context(), repository, d, strings.NewReader(content)))
	return d
}

// image puts one with a config and layers into the fixture.
func (s *site) image(ref registry.Ref, artifactType string, subject *registry.Descriptor, config registry.Descriptor, layers ...registry.Descriptor) registry.Descriptor {
	s.t.Helper()
	return s.AddManifest(ref, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType, Subject: subject, Config: config, Layers: layers,
	})
}

const appName = registrytest.App + ":v1"

// An index is shown with its platforms, what belongs to it and why it is kept.
func TestIndex(t *testing.T) {
	t.Parallel()
	s := filled(t)
	a := s.artifact(appName)
	if a.Name != appName || a.Kind != browse.Index || a.Digest != s.Index.Digest || len(a.Tags) != 1 || a.Tags[0].Name != "v1" || a.Arrived.IsZero() ||
		len(a.Problems) != 0 || a.Damaged != "" || a.Attached || a.Leased {
		t.Errorf("%+v", a)
	}
	if len(a.Platforms) != 2 || a.Platforms[0].Platform != "linux/amd64" || a.Platforms[1].Digest != s.Images["arm64"].Digest || !a.Platforms[1].Present ||
		a.Platforms[0].Bytes < 73_000 {
		t.Errorf("platforms %+v", a.Platforms)
	}
	if a.SharedBytes != 70_000 || a.UniqueBytes < 6000 || a.Bytes < a.SharedBytes+a.UniqueBytes+s.Index.Size {
		t.Errorf("%d bytes, %d unique, %d shared", a.Bytes, a.UniqueBytes, a.SharedBytes)
	}
	if len(a.Referrers) != 2 || a.Referrers[0].Via != browse.BySubject || a.Referrers[0].Digest != s.Signature.Digest || a.Referrers[0].Annotations["org.example.signer"] != "law" ||
		a.Referrers[1].Via != browse.ByTag || a.Referrers[1].Kind != browse.Signature || a.Referrers[1].Tag != registry.SignatureTag(s.Index.Digest) {
		t.Errorf("referrers %+v", a.Referrers)
	}
	if len(a.Roots) == 0 || a.Roots[0].Kind != "tag" || a.Roots[0].Name != appName {
		t.Errorf("roots %+v", a.Roots)
	}
	a.Restrict(func(string) bool { return false })
	if len(a.Roots) != 0 {
		t.Errorf("roots %+v", a.Roots)
	}
}

// An image is shown with its config, and with who else has its layers. Looking
// at it keeps nothing.
func TestImage(t *testing.T) {
	t.Parallel()
	s := filled(t)
	a := s.artifact(registrytest.App + "@" + s.Images["amd64"].Digest.String())
	if a.Kind != browse.Image || a.Image == nil || a.Image.Architecture != "amd64" || a.Config == nil || !a.Config.Present || len(a.Layers) != 3 || len(a.Tags) != 0 {
		t.Errorf("%+v", a)
	}
	if l := a.Layers[0]; l.Digest != s.Layer.Digest || l.Size != 70_000 || !l.Present || l.Manifests != 3 || l.Repositories != 2 {
		t.Errorf("%+v", l)
	}
	if len(a.Roots) == 0 || a.Roots[0].Name != appName || len(a.Roots[0].Path) != 2 {
		t.Errorf("roots %+v", a.Roots)
	}
	docker := s.artifact(registrytest.Tool + ":v2")
	if docker.Kind != browse.Image || docker.MediaType != registry.MediaTypeDockerManifest {
		t.Errorf("%+v", docker)
	}
	s.must(s.store.Delete(t.Context(), registry.Ref{Repository: registrytest.App, Tag: "v1"}))
	s.must(s.store.Delete(t.Context(), registry.Ref{Repository: registrytest.App, Tag: registry.SignatureTag(s.Index.Digest)}))
	report, err := s.store.Collect(t.Context(), store.CollectOptions{})
	s.must(err)
	if report.Manifests != 5 {
		t.Errorf("%d manifests were collected, want 5", report.Manifests)
	}
}

// Names are found as they are listed, or as Docker completes them, by who may.
func TestFind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nginx := registry.Ref{Repository: "docker.io/library/nginx", Tag: "latest"}
	local := registry.Ref{Repository: "team/app", Tag: "v1"}
	s.AddImage(nginx, ocispec.MediaTypeImageManifest, nil)
	s.AddImage(local, ocispec.MediaTypeImageManifest, nil)
	s.bring(nginx, local)
	for _, c := range []struct {
		text string
		want registry.Ref
		err  error
	}{
		{"nginx", nginx, nil},
		{"nginx:latest", nginx, nil},
		{"docker.io/library/nginx:latest", nginx, nil},
		{"team/app:v1", local, nil},
		{"team/app:v2", registry.Ref{}, registry.ErrNotFound},
		{"nginx:v2", registry.Ref{}, registry.ErrNotFound},
		{"docker.io/library/nginx:v2", registry.Ref{}, registry.ErrNotFound},
		{"UPPER:v2:x", registry.Ref{}, registry.ErrInvalid},
		{"", registry.Ref{}, registry.ErrInvalid},
		{"a@sha256:1", registry.Ref{}, registry.ErrInvalid},
	} {
		ref, err := s.Find(t.Context(), c.text, nil)
		if !errors.Is(err, c.err) || c.err == nil && ref != c.want {
			t.Errorf("%q: %v, %v", c.text, ref, err)
		}
	}
	if _, err := s.Find(t.Context(), "nginx", func(r string) bool { return r == "team/app" }); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

// What is damaged, in quarantine or not there is said, and the rest is told.
func TestDamage(t *testing.T) {
	t.Parallel()
	s := filled(t)
	name := registrytest.App + "@" + s.Images["amd64"].Digest.String()
	config := s.artifact(name).Config.Digest
	file := filepath.Join(s.dir, "blobs", "sha256", config.Encoded()[:2], config.Encoded())
	content := bytes.Clone(s.Content[config])
	content[0] ^= 1
	s.must(os.WriteFile(file, content, 0o644))
	a := s.artifact(name)
	if a.Image != nil || len(a.Problems) != 1 || !strings.Contains(a.Problems[0], "digest mismatch") || strings.Contains(a.Problems[0], s.dir) || len(a.Layers) != 3 || len(a.Roots) == 0 {
		t.Errorf("%+v", a)
	}
	if a = s.artifact(name); a.Config.Present || a.Config.Damaged == "" || len(a.Problems) != 1 { // it is in quarantine now
		t.Errorf("%+v %+v", a, a.Config)
	}
	layer := filepath.Join(s.dir, "blobs", "sha256", s.Layer.Digest.Encoded()[:2], s.Layer.Digest.Encoded())
	s.must(os.Remove(layer))
	_, err := s.store.StatBlob(t.Context(), registrytest.App, s.Layer.Digest)
	if !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
	if a = s.artifact(name); a.Layers[0].Present || a.Layers[0].Damaged == "" {
		t.Errorf("%+v", a.Layers[0])
	}
	s.exec(`UPDATE manifests SET content = 'x'`)
	for _, name := range []string{name, appName} {
		a = s.artifact(name)
		if a.Damaged == "" || len(a.Layers) != 0 || len(a.Platforms) != 0 || len(a.Roots) == 0 || a.Bytes == 0 {
			t.Errorf("%+v", a)
		}
	}
	c, err := s.Consequences(t.Context(), registry.Ref{Repository: registrytest.App, Digest: s.Index.Digest})
	s.must(err)
	if !slices.Equal(c.Tags, []string{"v1"}) {
		t.Errorf("%+v", c)
	}
	s.exec(`UPDATE manifests SET digest = digest, media_type = 'x'`)
	if names, err := s.Browser.Names(t.Context(), store.FindOptions{}); err != nil || len(names) != 3 {
		t.Errorf("%+v, %v", names, err)
	}
}

// Content that the site took without all of its parts.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g, err := registry.Walk(t.Context(), s.Fixture, s.Fixture.Names[:1], registry.WalkOptions{Platforms: []registry.Platform{{OS: "linux", Architecture: "arm64"}}})
	s.must(err)
	s.must(registry.Copy(t.Context(), s.store, s.Fixture, g, registry.CopyOptions{}))
	a := s.artifact(appName)
	if len(a.Platforms) != 2 || a.Platforms[0].Present || a.Platforms[0].Bytes != 0 || !a.Platforms[1].Present || len(a.Problems) != 0 {
		t.Errorf("%+v", a)
	}
	s = openSite(t, store.Options{AcceptIncomplete: true})
	d := s.Images["arm64"]
	s.must(s.store.PutManifest(t.Context(), registry.Ref{Repository: registrytest.App, Tag: "v1"}, registry.Bare(d), s.Content[d.Digest]))
	a = s.artifact(appName)
	if a.Layers[0].Present || a.Image != nil || len(a.Problems) != 1 {
		t.Errorf("%+v", a)
	}
}

// What BuildKit lays beside an image belongs to that.
func TestBuildKit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := registry.Ref{Repository: "r.example/built"}
	image := s.image(r, "", nil, s.put(r.Repository, ocispec.MediaTypeImageConfig, `{"os":"linux","architecture":"arm64"}`))
	image.Platform = &registry.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	config := s.put(r.Repository, ocispec.MediaTypeImageConfig, `{"os":"unknown","architecture":"unknown"}`)
	children := []registry.Descriptor{image}
	for _, predicate := range []string{"https://spdx.dev/Document", "https://slsa.dev/provenance/v1"} {
		layer := s.put(r.Repository, "application/vnd.in-toto+json", `{"predicateType":"`+predicate+`"}`)
		layer.Annotations = map[string]string{"in-toto.io/predicate-type": predicate}
		d := s.image(r, "", nil, config, layer)
		d.Platform = &registry.Platform{OS: "unknown", Architecture: "unknown"}
		d.Annotations = map[string]string{registry.AttestationSubject: image.Digest.String(), "vnd.docker.reference.type": "attestation-manifest"}
		children = append(children, d)
	}
	r.Tag = "v1"
	s.AddManifest(r, ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children})
	s.bring(r)
	a := s.artifact(r.String())
	if len(a.Platforms) != 1 || a.Platforms[0].Platform != "linux/arm64/v8" || len(a.Referrers) != 2 {
		t.Fatalf("%+v", a)
	}
	for i, want := range []browse.Kind{browse.SBOM, browse.Attestation} {
		if x := a.Referrers[i]; x.Kind != want || x.Via != browse.ByIndex || x.Subject != image.Digest || !x.Present {
			t.Errorf("%+v, want %s", x, want)
		}
	}
	sbom := s.artifact(r.Repository + "@" + a.Referrers[0].Digest.String())
	if sbom.Kind != browse.SBOM || len(sbom.Layers) != 1 || len(sbom.Problems) != 0 {
		t.Errorf("%+v", sbom)
	}
	content, err := s.Blob(t.Context(), r.Repository, sbom.Layers[0].Digest, 1<<20)
	if err != nil || !strings.Contains(string(content), "spdx") {
		t.Errorf("%q, %v", content, err)
	}
}

// A blob is read by its repository only, whole, and when it is small.
func TestBlob(t *testing.T) {
	t.Parallel()
	s := filled(t)
	content, err := s.Blob(t.Context(), registrytest.App, s.Layer.Digest, 70_000)
	if err != nil || !bytes.Equal(content, s.Content[s.Layer.Digest]) {
		t.Errorf("%d bytes, %v", len(content), err)
	}
	if _, err := s.Blob(t.Context(), registrytest.App, s.Layer.Digest, 69_999); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
	for _, r := range []string{"nosuch", registrytest.Tool} {
		if _, err := s.Blob(t.Context(), r, digest.FromBytes(nil), 1); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// What will be lost is told, and what is pinned stays.
func TestConsequences(t *testing.T) {
	t.Parallel()
	s := filled(t)
	ref := registry.Ref{Repository: registrytest.App, Tag: "v1"}
	c, err := s.Consequences(t.Context(), ref)
	s.must(err)
	if c.Digest != s.Index.Digest || !slices.Equal(c.Tags, []string{"v1"}) || c.Refused != "" || c.Kept != "" || c.Manifests != 4 || c.Bytes < 6000 || c.Bytes > 20_000 ||
		!slices.Equal(c.Companions, []string{registry.SignatureTag(s.Index.Digest)}) {
		t.Errorf("%+v", c)
	}
	child := registry.Ref{Repository: registrytest.App, Digest: s.Images["arm64"].Digest}
	if c, err = s.Consequences(t.Context(), child); err != nil || !slices.Equal(c.Breaks, []string{appName}) {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = s.store.Pin(t.Context(), ref, "cluster/edge", "it runs")
	s.must(err)
	if c, err = s.Consequences(t.Context(), ref); err != nil || c.PinnedBy != "cluster/edge" || !strings.Contains(c.Refused, "it runs") {
		t.Errorf("%+v, %v", c, err)
	}
	if a := s.artifact(appName); len(a.Pins) != 1 || a.Pins[0].Owner != "cluster/edge" {
		t.Errorf("%+v", a.Pins)
	}
	if err := s.Delete(t.Context(), ref, nil); !errors.Is(err, registry.ErrConflict) {
		t.Error(err)
	}
	s.must(s.store.Unpin(t.Context(), ref, "cluster/edge"))
	changed := errors.New("changed")
	if err := s.Delete(t.Context(), ref, func(d digest.Digest) error {
		if d != s.Index.Digest {
			t.Errorf("asked about %s", d)
		}
		return changed
	}); !errors.Is(err, changed) {
		t.Error(err)
	}
	s.must(s.Delete(t.Context(), ref, nil))
	for _, do := range []func(context.Context, registry.Ref) error{
		func(ctx context.Context, r registry.Ref) error { return s.Delete(ctx, r, nil) },
		func(ctx context.Context, r registry.Ref) error { _, err := s.Consequences(ctx, r); return err },
		func(ctx context.Context, r registry.Ref) error { _, err := s.Artifact(ctx, r); return err },
	} {
		if err := do(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
			t.Error(err)
		}
	}
}

// What is attached is shown beside what is in the store, until it is there.
func TestAttached(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own := registry.Ref{Repository: registrytest.App, Tag: "v0"}
	s.AddImage(own, ocispec.MediaTypeImageManifest, nil, s.Layer)
	s.bring(own)
	path := filepath.Join(t.TempDir(), "b.bundle")
	_, err := bundle.Export(t.Context(), path, s.Fixture, s.Graph, bundle.CreateOptions{}, registry.CopyOptions{})
	s.must(err)
	r, err := bundle.Open(path)
	s.must(err)
	defer r.Close()
	admitted, err := bundle.Admit(t.Context(), s.store, r, bundle.LandOptions{})
	s.must(err)
	detach := s.view.Attach(admitted, func(err error) { t.Error(err) })

	opts := store.FindOptions{Repository: registrytest.App}
	names, err := s.Browser.Names(t.Context(), opts)
	s.must(err)
	if len(names) != 3 || names[0].Tag != registry.SignatureTag(s.Index.Digest) || !names[0].Attached || names[1].Tag != "v0" || names[1].Attached ||
		names[2].Name != appName || names[2].Kind != browse.Index || names[2].Digest != s.Index.Digest {
		t.Errorf("%+v", names)
	}
	for _, c := range []struct {
		opts store.FindOptions
		want int
	}{
		{store.FindOptions{Repository: registrytest.App, Limit: 2}, 2},
		{store.FindOptions{Repository: registrytest.App, Query: "V1"}, 1},
		{store.FindOptions{Repository: registrytest.App, After: own.String()}, 1},
		{store.FindOptions{Repository: registrytest.App, After: "z/z:x"}, 0},
		{store.FindOptions{Repository: registrytest.App, After: "a/a:x"}, 3},
		{store.FindOptions{Repository: registrytest.App, May: func(string) bool { return false }}, 0},
		{store.FindOptions{Repository: "nosuch"}, 0},
	} {
		if names, err := s.Browser.Names(t.Context(), c.opts); err != nil || len(names) != c.want {
			t.Errorf("%+v: %+v, %v", c.opts, names, err)
		}
	}
	repositories, err := s.Repositories(t.Context(), store.FindOptions{})
	s.must(err)
	if len(repositories) != 2 || repositories[0].Attached || !repositories[1].Attached || repositories[1].Name != registrytest.Tool || repositories[1].Tags != 1 {
		t.Errorf("%+v", repositories)
	}
	for _, opts := range []store.FindOptions{{Limit: 1}, {After: registrytest.App}, {Query: "tool"}, {Repository: registrytest.Tool}} {
		if list, err := s.Repositories(t.Context(), opts); err != nil || len(list) != 1 {
			t.Errorf("%+v: %+v, %v", opts, list, err)
		}
	}

	a := s.artifact(appName)
	if !a.Attached || a.Kind != browse.Index || len(a.Platforms) != 2 || !a.Platforms[0].Present || a.Platforms[0].Bytes < 73_000 || len(a.Referrers) != 2 || len(a.Problems) != 0 || a.Bytes < 76_000 {
		t.Errorf("%+v", a)
	}
	image := s.artifact(registrytest.App + "@" + s.Images["arm64"].Digest.String())
	if !image.Attached || image.Image == nil || len(image.Layers) != 3 || !image.Layers[0].Present || !image.Layers[1].Present || len(image.Problems) != 0 {
		t.Errorf("%+v", image)
	}
	ref := registry.Ref{Repository: registrytest.App, Tag: "v1"}
	if c, err := s.Consequences(t.Context(), ref); err != nil || !strings.Contains(c.Refused, "bundle") {
		t.Errorf("%+v, %v", c, err)
	}
	if err := s.Delete(t.Context(), ref, nil); !errors.Is(err, registry.ErrConflict) {
		t.Error(err)
	}

	s.must(admitted.Land(t.Context(), s.store, registry.CopyOptions{}))
	detach()
	if names, err = s.Browser.Names(t.Context(), opts); err != nil || len(names) != 3 || names[0].Attached {
		t.Errorf("%+v, %v", names, err)
	}
	if a = s.artifact(appName); a.Attached || len(a.Roots) == 0 {
		t.Errorf("%+v", a)
	}
}

// Nobody needs a view.
func TestWithoutView(t *testing.T) {
	t.Parallel()
	s := filled(t)
	s.Browser = browse.New(s.store, nil)
	if a := s.artifact(appName); len(a.Platforms) != 2 || len(a.Referrers) != 2 || len(a.Problems) != 0 {
		t.Errorf("%+v", a)
	}
	if names, err := s.Browser.Names(t.Context(), store.FindOptions{Repository: registrytest.App}); err != nil || len(names) != 2 {
		t.Errorf("%+v, %v", names, err)
	}
	if list, err := s.Repositories(t.Context(), store.FindOptions{}); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.Blob(t.Context(), "nosuch", s.Layer.Digest, 1<<20); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

// Whatever an artifact has, no list of its answer is null.
func TestAnswersHaveLists(t *testing.T) {
	t.Parallel()
	s := filled(t)
	c, err := s.Consequences(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "v2"})
	s.must(err)
	for _, v := range []any{s.artifact(appName), s.artifact(registrytest.Tool + ":v2"), c} {
		content, err := json.Marshal(v)
		if err != nil || bytes.Contains(content, []byte("null")) {
			t.Errorf("%s, %v", content, err)
		}
	}
}
