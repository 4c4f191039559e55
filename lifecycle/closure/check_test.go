package closure_test

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/registry/wants"
)

var (
	amd64 = registry.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = registry.Platform{OS: "linux", Architecture: "arm64"}
)

// All is there: the gate is open, read fast or deep.
func TestComplete(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	for _, deep := range []bool{false, true} {
		r := k.check(closure.Options{Deep: deep})
		if r.State != closure.Complete || r.Err() != nil || r.Digests != len(k.up.Graph.Manifests)+len(k.up.Graph.Blobs) || r.Bytes != k.up.Graph.Size() || r.Deep != deep {
			t.Errorf("%+v, want %d bytes", r, k.up.Graph.Size())
		}
		if got := r.Summary(); !strings.HasPrefix(got, "edge 1.0.0: complete: 2 items, ") || !strings.HasSuffix(got, "for linux/amd64, linux/arm64") {
			t.Error(got)
		}
	}
}

// Nothing is there: everything is wanted, whether the site is new or empty.
func TestNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	empty, err := closure.Check(t.Context(), closure.Empty{}, k.def, closure.Options{})
	k.must(err)
	for _, r := range []*closure.Report{k.check(closure.Options{}), empty} {
		k.sound(r)
		if r.State != closure.Missing || !errors.Is(r.Err(), registry.ErrIncomplete) || len(r.Missing) != r.Digests || r.Lacking != r.Bytes || r.Bytes != k.up.Graph.Size() {
			t.Errorf("%+v", r)
		}
		k.is(r, app, closure.Missing, "15 of 15 digests are missing", "landfall bundle create --wants")
		if got := r.Summary(); !strings.HasPrefix(got, "edge 1.0.0: 2 of 2 items are incomplete: ") || !strings.HasSuffix(got, " in 18 digests are missing") {
			t.Error(got)
		}
		w := r.Wants(k.def)
		names := []string{app, registrytest.App + ":" + registry.SignatureTag(k.up.Index.Digest), tool}
		slices.Sort(names)
		var got []string
		for _, n := range w.Names {
			got = append(got, n.Name)
		}
		if !slices.Equal(got, names) || len(w.Wants) != 18 || !slices.Equal(w.Platforms, k.def.Platforms) {
			t.Errorf("%+v", w)
		}
		for _, l := range w.Wants {
			if l.Digest == k.up.Layer.Digest && (!slices.Equal(l.For, []string{app, tool}) || !slices.Equal(l.Repositories, []string{registrytest.App, registrytest.Tool})) {
				t.Errorf("a layer of two images: %+v", l)
			}
		}
	}
}

// One layer is missing: that digest is wanted, and no other.
func TestMissingLayer(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	layer := k.layerOf("arm64")
	k.must(os.Remove(k.path(layer)))
	r := k.check(closure.Options{})
	k.is(r, app, closure.Damaged, "blob "+layer.String()+" is damaged (its file is missing): bring it again")
	k.is(r, tool, closure.Complete)
	if w := r.Wants(k.def); len(w.Wants) != 1 || w.Wants[0].Digest != layer || !slices.Equal(w.Wants[0].For, []string{app}) || len(w.Names) != 1 || w.Names[0].Name != app {
		t.Errorf("%+v", w)
	}
	if r.Items[0].Name != app || r.Items[0].Missing != 1 || r.Items[0].Lacking != 3000 {
		t.Errorf("%+v", r.Items)
	}
}

// layerOf is a layer that one platform has alone.
func (k *kit) layerOf(arch string) digest.Digest {
	k.t.Helper()
	for _, n := range k.up.Graph.Manifests {
		if n.Descriptor.Digest == k.up.Images[arch].Digest {
			return n.Manifest.Blobs[2].Digest
		}
	}
	k.t.Fatal("no such platform")
	return ""
}

// The site was filled for one platform: hosts of the other find nothing.
func TestMissingPlatform(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring(amd64)
	r := k.check(closure.Options{})
	k.is(r, app, closure.Missing, "for linux/arm64: carry it")
	k.is(r, tool, closure.Complete)
	w := r.Wants(k.def)
	if len(w.Names) != 1 || w.Names[0].Name != app || len(w.Wants) != 3 { // manifest, config, layer; the others are shared
		t.Errorf("%+v", w)
	}
	if r := k.check(closure.Options{Platforms: []registry.Platform{amd64}}); r.State != closure.Complete {
		t.Errorf("amd64 alone: %+v", r)
	}
	if r := k.check(closure.Options{Platforms: []registry.Platform{arm64}}); r.State != closure.Missing || len(r.Missing) != 3 {
		t.Errorf("arm64 alone: %+v", r)
	}
}

// Hosts that the definition was not built for are told of; nothing that is carried
// would help.
func TestPlatformOfNobody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	riscv := registry.Platform{OS: "linux", Architecture: "riscv64"}
	r := k.check(closure.Options{Platforms: []registry.Platform{amd64, riscv}})
	k.is(r, "edge 1.0.0", closure.Missing, "it is not built for linux/riscv64", "build it with --platform linux/riscv64")
	k.is(r, app, closure.Complete)
	if r.Wants(k.def) != nil || !errors.Is(r.Err(), registry.ErrIncomplete) || !slices.Equal(r.Platforms, []string{"linux/amd64", "linux/riscv64"}) {
		t.Errorf("%+v", r)
	}
	r, err := closure.Check(t.Context(), closure.Empty{}, k.def, closure.Options{Platforms: []registry.Platform{amd64, riscv}})
	k.must(err)
	if w := r.Wants(k.def); !slices.Equal(w.Platforms, []string{"linux/amd64"}) {
		t.Errorf("%+v", w)
	}
}

// An image of a layer that is for some hosts only concerns those.
func TestLimitedImage(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	i := &k.def.Images[0]
	i.Platforms = []string{"linux/amd64"}
	var left []string
	for n := len(i.Manifests) - 1; n >= 0; n-- {
		if i.Manifests[n].Platform == "linux/arm64" {
			i.Manifests = slices.Delete(i.Manifests, n, n+1)
			left = append(left, "arm64")
		}
	}
	if len(left) != 1 {
		t.Fatal(left)
	}
	r := k.check(closure.Options{})
	w := r.Wants(k.def)
	if at := slices.IndexFunc(w.Names, func(n wants.Pinned) bool { return n.Name == app }); at < 0 || !slices.Equal(w.Names[at].Platforms, []string{"linux/amd64"}) {
		t.Errorf("%+v", w.Names)
	}
	k.bring(amd64)
	if r := k.check(closure.Options{}); r.State != closure.Complete {
		t.Errorf("%+v", r.Items)
	}
	if r := k.check(closure.Options{Platforms: []registry.Platform{arm64}}); r.State != closure.Complete || len(r.Items) != 1 || r.Items[0].Name != tool {
		t.Errorf("hosts that do not need it: %+v", r.Items)
	}
}

// Bytes that rotted are found when they are read, and count as missing from then on.
func TestDamage(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	k.flip(k.up.Layer.Digest)
	if r := k.check(closure.Options{}); r.State != closure.Complete {
		t.Errorf("its size tells nothing: %+v", r)
	}
	for _, deep := range []bool{true, false} { // the second time it is in quarantine
		r := k.check(closure.Options{Deep: deep})
		for _, name := range []string{app, tool} {
			k.is(r, name, closure.Damaged, "blob "+k.up.Layer.Digest.String()+" is damaged (", "digest mismatch")
		}
		if w := r.Wants(k.def); len(w.Wants) != 1 || w.Wants[0].Digest != k.up.Layer.Digest || len(w.Names) != 2 {
			t.Errorf("%+v", w)
		}
	}
}

// What a scrub put into quarantine is known without reading anything.
func TestQuarantined(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	k.flip(k.layerOf("amd64"))
	_, err := k.site.Scrub(t.Context(), store.ScrubOptions{Fresh: true})
	k.must(err)
	r := k.check(closure.Options{})
	k.is(r, app, closure.Damaged, k.layerOf("amd64").String())
	k.is(r, tool, closure.Complete)
	if r.Items[0].Missing != 1 {
		t.Errorf("%+v", r.Items[0])
	}
}

// A tag that stands for something else is told with both digests.
func TestMoved(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	other := k.up.AddImage(registry.Ref{Repository: registrytest.Tool, Tag: "v3"}, ocispec.MediaTypeImageManifest, nil, k.up.Layer)
	g, err := registry.Walk(t.Context(), k.up, []registry.Ref{{Repository: registrytest.Tool, Tag: "v3"}}, registry.WalkOptions{})
	k.must(err)
	g.Names[0].Ref.Tag = "v2"
	k.must(registry.Copy(t.Context(), k.site, k.up, g, registry.CopyOptions{}))
	r := k.check(closure.Options{})
	k.is(r, tool, closure.Moved, tool+" is "+other.Digest.String()+", the definition has "+k.up.Tool.Digest.String(), "pin the image by its digest")
	if w := r.Wants(k.def); !errors.Is(r.Err(), registry.ErrIncomplete) || len(w.Wants) != 0 || len(w.Names) != 1 || w.Names[0].Digest != k.up.Tool.Digest {
		t.Errorf("%+v", w)
	}
	// Pinned by its digest it does not matter what the tag stands for.
	k.def.Images[1].Name = tool + "@" + k.up.Tool.Digest.String()
	if r := k.check(closure.Options{}); r.State != closure.Complete {
		t.Errorf("%+v", r.Items)
	}
}

// A tag that is not there, and content that is in another repository, need no bytes.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	k.must(k.site.Delete(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "v2"}))
	r := k.check(closure.Options{})
	k.is(r, tool, closure.Missing, "its content is at the site, and the tag "+tool+" is not")
	if w := r.Wants(k.def); len(w.Wants) != 0 || len(w.Names) != 1 || w.Names[0].Name != tool {
		t.Errorf("%+v", w)
	}
	k = newKit(t)
	g, err := registry.Walk(t.Context(), k.up, k.up.Names[1:], registry.WalkOptions{})
	k.must(err)
	for _, list := range [][]registry.Node{g.Manifests, g.Blobs} {
		for i := range list {
			list[i].Repositories = []string{registrytest.App}
		}
	}
	g.Names = nil
	for _, b := range g.Blobs { // from where the registry has it
		content, err := registry.ReadBlob(t.Context(), k.up, registrytest.Tool, b.Descriptor)
		k.must(err)
		k.must(k.site.PutBlob(t.Context(), registrytest.App, b.Descriptor, strings.NewReader(string(content))))
	}
	k.must(k.site.PutManifest(t.Context(), registry.Ref{Repository: registrytest.App, Digest: k.up.Tool.Digest}, k.up.Tool, k.up.Content[k.up.Tool.Digest]))
	r = k.check(closure.Options{})
	k.is(r, tool, closure.Missing, "4 of 4 digests are at the site, but not in "+registrytest.Tool, "carries no bytes")
	if i := k.item(r, tool); i.Missing != 0 || i.Lacking != 0 {
		t.Errorf("%+v", i)
	}
}

// Signatures that cosign keeps under a tag are part of the closure, unless the site
// has later ones.
func TestCompanion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	tag := registry.Ref{Repository: registrytest.App, Tag: registry.SignatureTag(k.up.Index.Digest)}
	d, err := k.site.Resolve(t.Context(), tag)
	k.must(err)
	k.must(k.site.Delete(t.Context(), tag.ByDigest(d.Digest)))
	r := k.check(closure.Options{})
	k.is(r, app, closure.Missing)
	if w := r.Wants(k.def); len(w.Names) != 1 || w.Names[0].Name != tag.String() || w.Names[0].Digest != d.Digest {
		t.Errorf("%+v", w)
	}
	later := k.up.AddImage(tag, ocispec.MediaTypeImageManifest, nil, k.up.AddBlob(registrytest.App, 50))
	g, err := registry.Walk(t.Context(), k.up, []registry.Ref{tag}, registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(t.Context(), k.site, k.up, g, registry.CopyOptions{}))
	if r := k.check(closure.Options{}); r.State != closure.Complete || later.Digest == d.Digest {
		t.Errorf("%+v", r.Items)
	}
}

// A referrer that is missing is wanted with the image that it refers to.
func TestReferrer(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	k.must(k.site.Delete(t.Context(), registry.Ref{Repository: registrytest.App, Digest: k.up.Signature.Digest}))
	r := k.check(closure.Options{})
	k.is(r, app, closure.Missing)
	if w := r.Wants(k.def); len(w.Names) != 1 || w.Names[0].Name != app {
		t.Errorf("%+v", w)
	}
}

// The site's policy wants signatures that the images do not have.
func TestRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	key, err := trust.Generate(trust.ECDSA)
	k.must(err)
	pem := strings.ReplaceAll(strings.TrimSpace(string(key.Key.PEM())), "\n", "\n    ")
	k.must(k.site.SetTrustPolicy(t.Context(), []byte("version: 1\nkeys:\n- owner: o\n  channels: [stable]\n  pem: |\n    "+pem+
		"\nimages:\n- repositories: ["+registrytest.Tool+"]\n  keys: ["+key.ID()+"]\n  unsigned: refuse\n")))
	r := k.check(closure.Options{})
	k.is(r, tool, closure.Refused, "not trusted: it has no signature", "landfall trust policy")
	k.is(r, app, closure.Complete)
	if r.State != closure.Refused || !errors.Is(r.Err(), registry.ErrUntrusted) || errors.Is(r.Err(), registry.ErrIncomplete) || r.Wants(k.def) != nil {
		t.Errorf("%+v, %v", r, r.Err())
	}
	if got := r.Summary(); got != "edge 1.0.0: 1 of 2 items is refused by the trust policy" {
		t.Error(got)
	}
	k.must(os.Remove(k.path(k.layerOf("arm64")))) // now something is missing, too
	if r := k.check(closure.Options{}); !errors.Is(r.Err(), registry.ErrIncomplete) || errors.Is(r.Err(), registry.ErrUntrusted) {
		t.Errorf("%v", r.Err())
	}
}

// Charts, manifests and files are in the definition's artifact, which is then a part
// of the closure.
func TestParts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	artifact := k.parts()
	r := k.check(closure.Options{})
	own := artifact.Ref().String()
	for name, kind := range map[string]string{"app/web.yaml": "manifest", "app/sysctl.conf": "file", own: closure.KindDefinition} {
		k.is(r, name, closure.Missing, "--definition")
		if i := k.item(r, name); i.Kind != kind {
			t.Errorf("%+v", i)
		}
	}
	w := r.Wants(k.def)
	if w.Definition.Repository != k.def.Repository || !w.WantsArtifact() || len(w.Wants) != 5 || len(w.Names) != 1 || w.Names[0].Name != own {
		t.Errorf("%+v", w)
	}
	g, err := registry.Walk(t.Context(), artifact, []registry.Ref{artifact.Ref()}, registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(t.Context(), k.site, artifact, g, registry.CopyOptions{}))
	for _, o := range []closure.Options{{}, {Artifact: true}, {Deep: true}} {
		if r := k.check(o); r.State != closure.Complete || len(r.Items) != 5 {
			t.Errorf("%+v", r.Items)
		}
	}
}

// A definition that came from the store needs its artifact even if it has no parts;
// one of a file does not.
func TestArtifact(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	if r := k.check(closure.Options{}); len(r.Items) != 2 || r.State != closure.Complete {
		t.Errorf("%+v", r.Items)
	}
	if r := k.check(closure.Options{Artifact: true}); len(r.Items) != 3 || r.State != closure.Missing || len(r.Missing) != 3 {
		t.Errorf("%+v", r.Items)
	}
}

// A manifest that needs more than the definition lists is not proven by the list.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	i := &k.def.Images[1]
	left := i.Manifests[0].Blobs[1]
	i.Manifests[0].Blobs = i.Manifests[0].Blobs[:1]
	r := k.check(closure.Options{})
	k.is(r, tool, closure.Missing, "needs blob "+left.Digest.String()+", which the definition does not list: build it again")
	if r.Wants(k.def) != nil {
		t.Error("carrying would help")
	}
}

// A manifest whose bytes rotted in the database is damage, too, and healed by what is
// brought.
func TestDamagedManifest(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	k.must(k.site.Close())
	db, err := sql.Open("sqlite", filepath.Join(k.dir, store.Database))
	k.must(err)
	_, err = db.ExecContext(t.Context(), `UPDATE manifests SET content = 'x' WHERE digest = ?`, k.up.Images["arm64"].Digest.String())
	k.must(errors.Join(err, db.Close()))
	if k.site, err = store.Open(t.Context(), k.dir, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer k.site.Close()
	r := k.check(closure.Options{})
	k.is(r, app, closure.Damaged, "manifest "+k.up.Images["arm64"].Digest.String()+" is damaged")
	if w := r.Wants(k.def); len(w.Wants) != 1 || w.Wants[0].Kind != wants.Manifest {
		t.Errorf("%+v", w)
	}
	k.bring()
	if r := k.check(closure.Options{Deep: true}); r.State != closure.Complete {
		t.Errorf("%+v", r.Items)
	}
}

// An index that needs more than the definition lists is not proven by the list: neither
// by a child that was left out, nor by one that is said to be for other hosts.
func TestUnlistedChild(t *testing.T) {
	t.Parallel()
	for _, hide := range []func(k *kit, i *definition.Image, n int){
		func(_ *kit, i *definition.Image, n int) { i.Manifests = slices.Delete(i.Manifests, n, n+1) },
		func(_ *kit, i *definition.Image, n int) { i.Manifests[n].Platform = "linux/amd64" },
	} {
		k := newKit(t)
		k.bring()
		i := &k.def.Images[0]
		child := k.up.Images["arm64"].Digest
		hide(k, i, slices.IndexFunc(i.Manifests, func(m definition.Manifest) bool { return m.Digest == child }))
		r := k.check(closure.Options{Platforms: []registry.Platform{arm64}})
		k.is(r, app, closure.Missing, "needs manifest "+child.String()+" for linux/arm64, which the definition does not list: build it again")
		if r.Wants(k.def) != nil {
			t.Error("carrying would help")
		}
		if r := k.check(closure.Options{Platforms: []registry.Platform{amd64}}); r.State != closure.Complete {
			t.Errorf("for hosts that do not need it: %+v", r.Items)
		}
	}
}

// What a name stands for is needed by all hosts that need the image, whatever the
// definition says of it.
func TestRootOfOthers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	i := &k.def.Images[1]
	i.Name, i.Platforms = tool+"@"+i.Digest.String(), []string{"linux/arm64"}
	for n := range i.Manifests {
		i.Manifests[n].Platform = "linux/amd64"
	}
	k.is(k.check(closure.Options{Platforms: []registry.Platform{arm64}}), i.Name, closure.Missing, "carry it")
}

// A digest that one image has as a manifest and another as a blob is looked for as both.
func TestManifestAndBlob(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.bring()
	twin := k.def.Images[0]
	twin.Name = registrytest.App + ":u0" // comes first
	twin.Digest, twin.Manifests = k.up.Images["amd64"].Digest, nil
	for _, m := range k.def.Images[0].Manifests {
		if m.Digest == twin.Digest {
			m.Blobs = append(slices.Clone(m.Blobs), definition.Blob{Digest: k.up.Index.Digest, Size: k.up.Index.Size})
			twin.Manifests = []definition.Manifest{m}
		}
	}
	k.def.Images = slices.Insert(k.def.Images, 0, twin)
	r := k.check(closure.Options{})
	k.is(r, app, closure.Complete)
	k.is(r, twin.Name, closure.Missing, " digests is missing")
}

// A document that was made to be slow to check is not.
func TestHostileDocument(t *testing.T) {
	t.Parallel()
	const many = 60_000
	k := newKit(t)
	i := &k.def.Images[1]
	for n := range many { // a ring of referrers
		i.Manifests = append(i.Manifests, definition.Manifest{Digest: digest.FromString(fmt.Sprint(n)), MediaType: ocispec.MediaTypeImageManifest, Size: 1, Subject: digest.FromString(fmt.Sprint((n + 1) % many))})
	}
	slices.SortFunc(i.Manifests, func(a, b definition.Manifest) int { return cmp.Compare(a.Digest, b.Digest) })
	part := definition.Part{MediaType: definition.TypeFile, Digest: digest.FromString("part"), Size: 4}
	for n := range many { // one content under many names
		part.Path = fmt.Sprintf("file-%06d", many-n)
		k.def.Layers[0].Files = append(k.def.Layers[0].Files, part)
	}
	r, err := closure.Check(t.Context(), closure.Empty{}, k.def, closure.Options{})
	k.must(err)
	if r.State != closure.Missing || len(r.Items) != many+3 {
		t.Errorf("%d items are %s", len(r.Items), r.State)
	}
}
